"""A coordinator with workers that a benchmark drives, on a home of their own, and what the system says of processes."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

MEMBERS_OF_AN_ENSEMBLE = 1000  # an experiment's line names at most so many
DEADLINE_S = 1800
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def resident_bytes(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


def wait_for(condition, what, deadline_s=DEADLINE_S, every_s=0.02):
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited {deadline_s} s in vain: {what}")
        time.sleep(every_s)


class HomeConnection(http.client.HTTPConnection):
    """By the socket of the home."""

    def __init__(self, home):
        super().__init__("localhost", timeout=60)
        self.path = str(home / "coordinator.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class House:
    """A coordinator with its workers, on a home of their own."""

    def __init__(self, build, folder, trainer=None):
        self.tutti, self.folder, self.home = build / "bin/tutti", Path(folder), Path(folder) / "runs"
        self.environment = dict(os.environ, TUTTI_HOME=str(self.home), NO_COLOR="1")
        if trainer:
            self.environment["TUTTI_TRAINER"] = str(trainer)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def run(self, *arguments):
        done = subprocess.run([self.tutti, *map(str, arguments)], env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"tutti {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")
        return done.stdout

    def get(self, path):
        """The answer; none when nobody answers."""
        connection = HomeConnection(self.home)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read() if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def start(self, *arguments):
        output = self.folder / f"{arguments[0]}-{len(self.processes)}.txt"
        with output.open("w") as file:
            process = subprocess.Popen([self.tutti, *map(str, arguments)], env=self.environment, stdout=file,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        process.output = output
        self.processes.append(process)
        return process

    def coordinator(self, *arguments):
        process = self.start("coordinator", *arguments)
        wait_for(lambda: "tutti submit" in process.output.read_text() or process.poll() is not None,
                 "the coordinator said nothing", 60, 0.005)
        if process.poll() is not None:
            sys.exit(process.output.read_text())
        return process

    def experiment(self, name, members):
        file = self.folder / f"{name}.yaml"
        file.write_text(f"""\
version: 1
name: {name}
data: {{source: idx, path: /nothing/is/read, validation: 5, split_seed: 0}}
training: {{epochs: 1, batch_size: 5}}
members: [{{model: lenet5, seeds: {members}}}]
ensemble: {{combiner: mean}}
""")
        return file

    def submit(self, members):
        """As many ensembles as it takes; their ids."""
        ids = []
        while members > 0:
            count = min(members, MEMBERS_OF_AN_ENSEMBLE)
            ids.append(self.run("submit", self.experiment(f"idle{len(ids)}", count), "--quiet").strip())
            members -= count
        return ids
