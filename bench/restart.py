"""From `kill -9` of a coordinator that holds many ensembles and checkpoints to the moment when another serves."""

import json
import sys
import tempfile
import time

from house import House, resident_bytes, wait_for

WORKERS, SLOTS = 2, 8
MEMBERS = 10  # of an ensemble, each with one checkpoint


def fill(house, ensembles):
    """Trains, with a trainer that does nothing."""
    file = house.experiment("idle", MEMBERS)
    workers = [house.start("worker", "--name", f"w{number}", "--slots", SLOTS, "--threads-per-slot", 1)
               for number in range(WORKERS)]
    ids = [house.run("submit", file, "--new", "--quiet").strip() for _ in range(ensembles)]
    wait_for(lambda: all((house.home / id / "results.json").exists() for id in ids), "the members have not ended",
             every_s=0.5)
    return workers


def restart(options):
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, \
            House(options.build, folder, options.build / "bench/null_trainer") as house:
        coordinator = house.coordinator()
        fill(house, options.ensembles)
        house.run("submit", house.experiment("waiting", 1000), "--quiet")  # what it dies with is not all at rest
        times = []
        for _ in range(options.repeats):
            coordinator.kill()
            coordinator.wait()
            killed = time.perf_counter()
            coordinator = house.coordinator()
            wait_for(lambda: house.get("/api/v1/ensembles?limit=1"), "nobody serves", 60, 0.001)
            times.append(time.perf_counter() - killed)
            print(f"  serves again after {times[-1]:.2f} s, with {resident_bytes(coordinator) >> 20} MiB", flush=True)
        listed = json.loads(house.run("list", "-o", "json"))["ensembles"]
        finished = sum(ensemble["members_finished"] for ensemble in listed)
        if finished < options.ensembles * MEMBERS:
            sys.exit(f"only {finished} members are finished: checkpoints were lost")
    print(f"restart: {max(times):.2f} s at most from kill -9 to serving, {len(listed)} ensembles, "
          f"{options.ensembles * MEMBERS} checkpoints")
