"""A coordinator and workers as processes of their own, and a network between them that a test can break."""

import json
import re
import socket
import subprocess
import threading
import time

from conftest import DEADLINE_S, processes_of, wait_for


CHECKPOINTS = "  checkpoint: {every: 10 steps, keep: 2}"


class Service:
    """A coordinator on the home of `tutti`, and workers for it."""

    def __init__(self, tutti):
        self.tutti = tutti
        self.coordinator = None

    def start(self, *options):
        self.coordinator = self.tutti.start("coordinator", *options)
        output = wait_for(lambda: self.ready(), "the coordinator said nothing")
        self.address = re.search(r" at (https?://\S+:\d+)", output)[1]
        shown = re.search(r"fingerprint: ([0-9a-f]{64})", output)
        self.remote = ["--server", self.address] + (["--fingerprint", shown[1]] if shown else [])
        return self.coordinator

    def ready(self):
        assert self.coordinator.poll() is None, self.coordinator.output()
        output = self.coordinator.output()
        return output if "tutti submit" in output else ""

    def worker(self, *options):
        slots = [] if "--slots" in options else ["--slots", 2]
        process = self.tutti.start("worker", *slots, *options)
        wait_for(lambda: process.output() or process.poll() is not None, "the worker said nothing")
        assert process.poll() is None, process.output()
        return process

    def workers(self):
        return json.loads(self.tutti("workers", "-o", "json").stdout)["workers"]

    def wait_for_steps(self, ensemble="small-1"):
        """Until some member has a committed checkpoint and trains on."""
        def committed():
            shown = self.tutti.try_show(ensemble)
            return shown and any(member["checkpoints"] and member["state"] == "running" for member in shown["members"])
        wait_for(committed, "no checkpoint appeared")

    def trainers(self):
        return {pid for pid, text in processes_of(self.tutti.home) if "tutti-trainer train" in text}


def try_workers(service):
    done = subprocess.run([service.tutti.program, "workers", "-o", "json"], capture_output=True, text=True,
                          env=service.tutti.environment, timeout=DEADLINE_S)
    return json.loads(done.stdout)["workers"] if done.returncode == 0 else []


def undisturbed(tutti, file, slots=2):
    """What the experiment ends with when nothing happens to it."""
    home, tutti.home = tutti.home, tutti.folder / "undisturbed"
    tutti.environment["TUTTI_HOME"] = str(tutti.home)
    tutti("run", file, "--quiet", "--slots", slots)
    weights = tutti.member_weights("small-1")
    tutti.home = home
    tutti.environment["TUTTI_HOME"] = str(home)
    return weights


class Proxy:
    """Between workers and a coordinator: passes bytes on, until it is told to cut or to hold them."""

    def __init__(self, port):
        self.port, self.links, self.holding = port, [], False
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def address(self):
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def accept(self):
        while True:
            try:
                inner, _ = self.listener.accept()
                outer = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                continue
            self.links.append((inner, outer))
            for source, target in ((inner, outer), (outer, inner)):
                threading.Thread(target=self.copy, args=(source, target), daemon=True).start()

    def copy(self, source, target):
        try:
            while data := source.recv(65536):
                while self.holding:
                    time.sleep(0.05)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for link in self.links:
            for end in link:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.links.clear()

    def half_close(self):
        """The worker hears nothing any more; what it says still arrives."""
        for inner, _ in self.links:
            inner.shutdown(socket.SHUT_WR)


def attempts_of(tutti):
    return {member["name"]: member["attempts"] for member in tutti.show("small-1")["members"]}
