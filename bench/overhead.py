"""What scheduling costs: members whose trainer does nothing, beside HyperQueue's and joblib's tasks that do nothing.

The coordinator's CPU time per member, its memory per waiting member, and what a member costs of the wall clock beyond
the start of its process: (wall time of all of them - that of as many bare processes, as many side by side) / members.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from house import House, cpu_seconds, resident_bytes, wait_for

ROOT = Path(__file__).resolve().parent.parent
WORKERS, SLOTS = 4, 8


def tutti(options, trainer, folder):
    with House(options.build, folder, trainer) as house:
        coordinator = house.coordinator()
        house.run("list")  # what the first request makes is not the members'
        resident = resident_bytes(coordinator)
        ids = house.submit(options.members)
        waiting_bytes = (resident_bytes(coordinator) - resident) / options.members
        cpu_s, started = cpu_seconds(coordinator), time.perf_counter()
        workers = [house.start("worker", "--name", f"w{number}", "--slots", SLOTS, "--threads-per-slot", 1)
                   for number in range(WORKERS)]
        # Asking the coordinator would cost what is measured.
        wait_for(lambda: all((house.home / id / "results.json").exists() for id in ids), "the members have not ended")
        wall_s = time.perf_counter() - started
        cpu_s = cpu_seconds(coordinator) - cpu_s
        workers_s = sum(cpu_seconds(worker) for worker in workers)
        shown = json.loads(house.run("list", "-o", "json"))["ensembles"]
        finished = sum(ensemble["members_finished"] for ensemble in shown)
        if finished != options.members:
            sys.exit(f"only {finished} of {options.members} members finished")
        return {"wall_s": wall_s, "cpu_ms": 1000 * cpu_s / options.members, "waiting_bytes": waiting_bytes,
                "workers_ms": 1000 * workers_s / options.members}


def bare(options, trainer):
    """The processes alone, a few on each CPU."""
    started = time.perf_counter()
    subprocess.run([trainer, "bare", str(options.members), str(4 * os.cpu_count())], check=True)
    return time.perf_counter() - started


def peer(script, *arguments):
    done = subprocess.run([ROOT / ".venv/bin/python", ROOT / "bench/peers" / script, *map(str, arguments)],
                          capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{script}: {done.stderr[-1000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def peers(options, trainer):
    """Seconds of each, and HyperQueue's of CPU."""
    if options.without_peers:
        return {}, 0
    by_joblib = peer("idle_joblib.py", options.members, WORKERS * SLOTS, trainer, "nothing")
    by_hyperqueue = peer("idle_hyperqueue.py", options.members, WORKERS, SLOTS, trainer, "nothing")
    return {"joblib": by_joblib["wall_seconds"], "joblib without a process": by_joblib["function_seconds"],
            "HyperQueue": by_hyperqueue["wall_seconds"]}, by_hyperqueue["cpu_seconds"]


def overhead(options):
    trainer = options.build / "bench/null_trainer"
    # Removed at the end: where thousands of files went just before, file systems are slow to make new ones.
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        compare(options, trainer, Path(folder))


def compare(options, trainer, folder):
    best, runs = {}, []
    for number in range(options.repeats):
        seconds = {"bare process": bare(options, trainer)}
        (folder / str(number)).mkdir()
        runs.append(tutti(options, trainer, folder / str(number)))
        others, hyperqueue_s = peers(options, trainer)
        seconds |= {"tutti": runs[-1]["wall_s"], **others}
        best = {name: min(one, best.get(name, one)) for name, one in seconds.items()}
        print("  ms each: " + ", ".join(f"{name} {1000 * one / options.members:.2f}" for name, one in seconds.items()) +
              f"; of the coordinator's CPU {runs[-1]['cpu_ms']:.2f}, of the workers' {runs[-1]['workers_ms']:.2f}" +
              (f", of HyperQueue's {1000 * hyperqueue_s / options.members:.2f}" if hyperqueue_s else ""), flush=True)
    beyond = {name: 1000 * (one - best["bare process"]) / options.members for name, one in best.items()}
    others = ", ".join(f"{name} {beyond[name]:.2f}" for name in ("joblib", "HyperQueue") if name in beyond)
    print(f"overhead: {min(run['cpu_ms'] for run in runs):.2f} ms of the coordinator's CPU a member, "
          f"{beyond['tutti']:.2f} ms beyond its process{f' ({others})' if others else ''}, "
          f"{min(run['waiting_bytes'] for run in runs):.0f} bytes a waiting member")
