"""A coordinator with a thousand workers that say that they live, a hundred watchers, and people who ask."""

import http.client
import json
import subprocess
import sys
import tempfile
import time

import crowd
from house import House, cpu_seconds, resident_bytes, wait_for

ENSEMBLES, MEMBERS = 100, 10  # what is there to be asked for; one more comes every few seconds
SUBMIT_EVERY_S = 5
ASK_EVERY_S = 0.05
WARM_UP_S = 20
GOAL_MS = 20


class Crowd:
    def __init__(self, options, house, address):
        token = house.home / "access/operator.token"
        self.output = house.folder / "crowd.txt"
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, crowd.__file__, address, token, str(options.workers), str(options.watchers),
                 options.build / "bench/null_trainer"], stdout=file, stderr=subprocess.STDOUT)
        house.processes.append(self.process)

    def count(self):
        lines = self.output.read_text().splitlines()
        if self.process.poll() is not None:
            sys.exit("the crowd is gone: " + "\n".join(lines[-5:]))
        return json.loads(lines[-1]) if lines and lines[-1].endswith("}") else {"welcome": 0}


class Asker:
    """One connection that stays; how long each answer took, by path."""

    def __init__(self, address, token, paths):
        self.connection = http.client.HTTPConnection(address)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.paths, self.times = paths, {path: [] for path in paths}

    def ask(self, number):
        path = self.paths[number % len(self.paths)]
        started = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        answer.read()
        self.times[path].append(1000 * (time.perf_counter() - started))
        if answer.status != 200:
            sys.exit(f"GET {path}: {answer.status}")

    def report(self):
        for path, times in self.times.items():
            print(f"  GET {path}: {quantile(times, 0.5):.1f} ms median, {quantile(times, 0.99):.1f} ms p99, "
                  f"{max(times):.1f} ms at most, of {len(times)}")
        return quantile([one for times in self.times.values() for one in times], 0.99)


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def busy(options):
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, \
            House(options.build, folder, options.build / "bench/null_trainer") as house:
        coordinator = house.coordinator("--listen", "http://127.0.0.1:0")
        address = coordinator.output.read_text().split(" at http://")[1].split(";")[0]
        everyone = Crowd(options, house, address)
        wait_for(lambda: everyone.count()["welcome"] >= options.workers, "the workers are not welcome", 300, 0.5)
        file = house.experiment("asked", MEMBERS)
        for _ in range(ENSEMBLES):
            house.run("submit", file, "--new", "--quiet")
        last = house.home / f"asked-{ENSEMBLES}/results.json"
        wait_for(last.exists, "the first ensembles have not ended", 300, 0.5)
        token = (house.home / "access/operator.token").read_text().strip()
        asker = Asker(address, token, ["/healthz", "/metrics", "/api/v1/ensembles?limit=20", "/api/v1/ensembles",
                                       f"/api/v1/ensembles/asked-{ENSEMBLES}", "/api/v1/workers"])
        measure(options, house, coordinator, everyone, asker, file)


def measure(options, house, coordinator, everyone, asker, file):
    stretch(min(WARM_UP_S, 60 * options.minutes), house, asker, file)
    asker.times = {path: [] for path in asker.paths}
    cpu_s, before, begin = cpu_seconds(coordinator), everyone.count(), time.monotonic()
    memory = [resident_bytes(coordinator)]
    stretch(60 * options.minutes, house, asker, file)
    after, seconds = everyone.count(), time.monotonic() - begin
    cpu_s = cpu_seconds(coordinator) - cpu_s
    p99_ms = asker.report()
    wait_for(lambda: all((folder / "results.json").exists() for folder in house.home.glob("asked-*")),
             "the last ensembles have not ended", 300, 0.5)
    memory.append(resident_bytes(coordinator))
    stretch(60 * options.minutes, house, asker)
    memory.append(resident_bytes(coordinator))
    print(f"  the coordinator took {100 * cpu_s / seconds:.0f} % of a core, the crowd "
          f"{100 * (after['cpu_s'] - before['cpu_s']) / seconds:.0f} %; {after['attempts'] - before['attempts']} "
          f"attempts, {after['events'] - before['events']} events to watchers, {after['lost']} connections lost")
    print(f"busy: p99 of a GET {p99_ms:.1f} ms (goal {GOAL_MS}) in {options.minutes:g} minutes, of {options.workers} "
          f"workers and {options.watchers} watchers; memory {memory[0] / 1e6:.0f} MB, "
          f"{(memory[1] - memory[0]) / 1e6:+.1f} MB in that time, {(memory[2] - memory[1]) / 1e6:+.1f} MB in as much "
          "again without anything new to remember (goal: none)")


def stretch(seconds, house, asker, file=None):
    """Somebody asks again and again; with a file, others submit it now and then."""
    end, submitted, number = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        if file and time.monotonic() - submitted > SUBMIT_EVERY_S:
            submitted = time.monotonic()
            house.run("submit", file, "--new", "--quiet")
        asker.ask(number)
        number += 1
        time.sleep(ASK_EVERY_S)
