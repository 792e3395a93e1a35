"""Benchmarks against peers: each prints a ratio from one run, measurements interleaved, the best of each side taken.

usage: run.py training|ensemble|scheduling|startup [--repeats 5] [--epochs 5] [--members 10] [--build build/release]
       run.py overhead [--repeats 5] [--members 10000] [--without-peers] [--folder FOLDER]
       run.py restart [--repeats 5] [--ensembles 1000] [--folder FOLDER]
       run.py busy [--workers 1000] [--watchers 100] [--minutes 10] [--folder FOLDER]

  training    images/s of LeNet-5, batch 128, one thread: Tutti, a tuned PyTorch script, one with DataLoader
  ensemble    wall time of LeNet-5's on two cores: `tutti run` against torchensemble's VotingClassifier
  scheduling  (sum of the members' training time) / (slots x wall time of `tutti run`) on two slots:
              training steps alone, and with the validation and prediction that their trainers do as well
  startup     wall time of `tutti --help`
  overhead    what members cost whose trainer does nothing: the coordinator's CPU, wall time beyond their processes, and
              memory while they wait; beside HyperQueue and joblib
  restart     from `kill -9` of a coordinator that holds many ensembles and checkpoints until another serves
  busy        how long a GET takes of a coordinator with many workers and watchers, and whether its memory grows

The last three put homes into FOLDER (a temporary one): on a disk its syncs are measured too, in /dev/shm they are not.
The Python peers need bench/setup.sh once.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from busy import busy
from overhead import overhead
from restart import restart

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench/peers"
DATA = "/usr/share/datasets/fashion-mnist"
ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive", PYTHONPATH=str(PEERS), NO_COLOR="1",
                   CUDA_VISIBLE_DEVICES="")


def experiment(folder, members, epochs, schedule):
    file = Path(folder) / "bench.yaml"
    file.write_text(f"""\
version: 1
name: bench
data: {{source: idx, path: {DATA}, validation: 5000, split_seed: 0}}
training:
  epochs: {epochs}
  batch_size: 128
  optimizer: {{name: sgd, lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.0005}}
  schedule: {schedule}
members: [{{model: lenet5, seeds: {members}}}]
ensemble: {{combiner: mean}}
""")
    return file


def finished_seconds(ensemble):
    """What each member's trainer took from its first step to its last prediction."""
    for file in ensemble.glob("members/*/attempt-*/events.jsonl"):
        events = [json.loads(line) for line in file.read_text().splitlines()]
        yield from (event["seconds"] for event in events if event["event"] == "finished")


def tutti(build, members, epochs, slots, schedule="cosine"):
    """One `tutti run` in a new home: its wall time, what it shows, and what its trainers took."""
    with tempfile.TemporaryDirectory() as folder:
        file = experiment(folder, members, epochs, schedule)
        program = [build / "bin/tutti"]
        environment = dict(ENVIRONMENT, TUTTI_HOME=str(Path(folder) / "runs"))
        started = time.perf_counter()
        subprocess.run([*program, "run", file, "--slots", str(slots), "--threads-per-slot", "1", "--quiet"], check=True,
                       env=environment, stdout=subprocess.DEVNULL)
        wall_s = time.perf_counter() - started
        shown = subprocess.run([*program, "show", "last", "-o", "json"], check=True, env=environment,
                               capture_output=True, text=True)
        return wall_s, json.loads(shown.stdout), sum(finished_seconds(Path(folder) / "runs/bench-1"))


def peer(script, *arguments):
    done = subprocess.run([ROOT / ".venv/bin/python", PEERS / script, *map(str, arguments)], check=True,
                          env=ENVIRONMENT, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def training(options):
    best = {"tutti": 0.0, "tuned": 0.0, "dataloader": 0.0}
    for repeat in range(options.repeats):
        _, shown, _ = tutti(options.build, 1, options.epochs, 1)
        member = shown["members"][0]
        peers = {name: peer(f"{name}.py", options.epochs, repeat) for name in ("tuned", "dataloader")}
        rates = {"tutti": options.epochs * 55000 / member["train_seconds"],
                 **{name: measured["images_per_second"] for name, measured in peers.items()}}
        losses = [member["validation_loss"], *(measured["validation_loss"] for measured in peers.values())]
        for name, rate in rates.items():
            best[name] = max(best[name], rate)
        print("  images/s (validation loss): " + ", ".join(
            f"{name} {rate:.0f} ({loss:.3f})" for (name, rate), loss in zip(rates.items(), losses)), flush=True)
    print(f"training: {best['tutti'] / best['tuned']:.2f} x tuned PyTorch, "
          f"{best['tutti'] / best['dataloader']:.2f} x DataLoader")


def ensemble(options):
    best = {"tutti": float("inf"), "torchensemble": float("inf")}
    for _ in range(options.repeats):
        wall_s, shown, _ = tutti(options.build, options.members, options.epochs, 2, schedule="constant")
        accuracy = shown["results"]["splits"]["test"]["combiners"]["mean"]["accuracy"]
        other = peer("voting.py", options.epochs, options.members)
        best["tutti"] = min(best["tutti"], wall_s)
        best["torchensemble"] = min(best["torchensemble"], other["wall_seconds"])
        print(f"  tutti {wall_s:.1f} s ({accuracy:.4f}), torchensemble {other['wall_seconds']:.1f} s "
              f"({other['test_accuracy']:.4f})", flush=True)
    print(f"ensemble: {best['torchensemble'] / best['tutti']:.2f} x torchensemble")


def scheduling(options):
    best, best_steps = 0.0, 0.0
    for _ in range(options.repeats):
        wall_s, shown, worked_s = tutti(options.build, options.members, options.epochs, 2)
        steps_s = sum(member["train_seconds"] for member in shown["members"])
        best, best_steps = max(best, worked_s / (2 * wall_s)), max(best_steps, steps_s / (2 * wall_s))
        print(f"  2 x {wall_s:.1f} s: {steps_s:.1f} s of training steps, {worked_s:.1f} s with validation and prediction",
              flush=True)
    print(f"scheduling: {best_steps:.3f} of the slots' time was training steps, {best:.3f} with validation and prediction")


def startup(options):
    best = float("inf")
    for _ in range(20 * options.repeats):
        started = time.perf_counter()
        subprocess.run([options.build / "bin/tutti", "--help"], check=True, stdout=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - started)
    print(f"startup: tutti --help in {1000 * best:.1f} ms")


BENCHMARKS = {"training": training, "ensemble": ensemble, "scheduling": scheduling, "startup": startup,
              "overhead": overhead, "restart": restart, "busy": busy}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=BENCHMARKS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--members", type=int, help="10 of an ensemble, 10000 that do nothing")
    parser.add_argument("--ensembles", type=int, default=1000, help="of 10 members each")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--without-peers", action="store_true", help="overhead: of Tutti alone")
    parser.add_argument("--folder", type=Path, default=tempfile.gettempdir())
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    options = parser.parse_args()
    options.build = options.build.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends too
    options.members = options.members or (10000 if options.benchmark == "overhead" else 10)
    BENCHMARKS[options.benchmark](options)


if __name__ == "__main__":
    sys.exit(main())
