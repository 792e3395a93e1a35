"""The trainer by hand: a task file in, events, a checkpoint and predictions out."""

import json
import os
import signal
import subprocess

import pytest
from conftest import DEADLINE_S, build_folder, wait_for
from safetensors.numpy import load_file

MEMBER = "lenet5-s0"
EPOCHS = 20  # some seconds: long enough to be stopped on the way
FIRST_STEPS = 100


@pytest.fixture
def by_hand(tutti, experiment):
    """Runs the trainer on the task of an ensemble's member, as another attempt: alone or on several ranks."""
    experiment_file = experiment(members="[{model: lenet5, seeds: 1}]", epochs=EPOCHS)
    tutti("run", experiment_file, "--quiet", "--slots", 1)
    ensemble = tutti.home / "small-1"
    trainer = build_folder() / "bin/tutti-trainer"

    def task_of(attempt, **changes):
        task = json.loads((ensemble / f"members/{MEMBER}/attempt-1/task.json").read_text())
        for key in ("attempt", "folder", "events"):
            task[key] = task[key].replace("attempt-1", f"attempt-{attempt}")
        task.update(changes)
        file = tutti.folder / f"task-{attempt}.json"
        file.write_text(json.dumps(task))
        return file

    def start(file, ranks=0):
        launcher = ["mpirun", "-np", str(ranks), "--oversubscribe", "--bind-to", "none"] if ranks else []
        environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                           OMPI_MCA_mpi_yield_when_idle="1", OMP_WAIT_POLICY="passive")
        return subprocess.Popen([*launcher, trainer, "train", file], env=environment, cwd=tutti.folder,
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def run(file, ranks=0, status=0):
        process = start(file, ranks)
        tutti.started.append(process)
        _, said = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == status, said
        return said

    def events(attempt):
        file = ensemble / f"members/{MEMBER}/attempt-{attempt}/events.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    run.ensemble, run.task_of, run.events, run.start = ensemble, task_of, events, start
    return run


def of_kind(events, kind):
    return [event for event in events if event["event"] == kind]


@pytest.mark.parametrize("ranks", [0, 2], ids=["alone", "two_ranks"])
def test_task_by_hand_trains_and_says_what_it_does(by_hand, ranks):
    by_hand(by_hand.task_of(7, shards=2), ranks)
    events = by_hand.events(7)
    assert events[0]["event"] == "started" and events[0]["world_size"] == max(ranks, 1)
    assert events[-1]["event"] == "finished"
    assert [event["epoch"] for event in of_kind(events, "epoch_done")] == list(range(1, EPOCHS + 1))
    last = of_kind(events, "checkpoint_written")[-1]
    assert last["step"] == events[0]["total_steps"] >= FIRST_STEPS
    folder = by_hand.ensemble / last["folder"]
    assert json.loads((folder / "manifest.json").read_text())["step"] == last["step"]
    assert "conv1.weight" in load_file(folder / "model.safetensors")
    for written in of_kind(events, "predictions_written"):
        predictions = load_file(by_hand.ensemble / written["file"])
        assert predictions["logits"].shape == (written["samples"], 10)
    assert {written["split"] for written in of_kind(events, "predictions_written")} == {"validation", "test"}


def test_two_ranks_learn_what_one_process_learns(by_hand):
    by_hand(by_hand.task_of(2, shards=2))
    by_hand(by_hand.task_of(3, shards=2), ranks=2)
    alone, together = (of_kind(by_hand.events(attempt), "epoch_done") for attempt in (2, 3))
    assert len(alone) == len(together) == EPOCHS
    for one, two in zip(alone[:3], together[:3]):  # rounding grows with the steps
        assert one["train_loss"] == pytest.approx(two["train_loss"], abs=1e-4)
        assert one["validation_loss"] == pytest.approx(two["validation_loss"], abs=1e-4)


@pytest.mark.parametrize("ranks", [0, 2], ids=["alone", "two_ranks"])
def test_asked_to_stop_it_leaves_a_checkpoint_from_which_another_goes_on(by_hand, tutti, ranks):
    by_hand(by_hand.task_of(2, shards=2), ranks)
    process = by_hand.start(by_hand.task_of(3, shards=2), ranks)
    tutti.started.append(process)
    wait_for(lambda: of_kind(by_hand.events(3), "progress"), "no step was made")
    process.send_signal(signal.SIGUSR1)
    _, said = process.communicate(timeout=DEADLINE_S)
    stopped = by_hand.events(3)
    assert process.returncode == 75, said
    assert stopped[-1]["event"] == "stopped_early"
    checkpoint = of_kind(stopped, "checkpoint_written")[-1]
    assert checkpoint["step"] == stopped[-1]["step"]

    by_hand(by_hand.task_of(4, shards=2, resume_from=str(by_hand.ensemble / checkpoint["folder"])), ranks)
    resumed = by_hand.events(4)
    assert resumed[0]["step"] == checkpoint["step"]
    undisturbed = of_kind(by_hand.events(2), "epoch_done")[-1]
    assert of_kind(resumed, "epoch_done")[-1]["validation_loss"] == undisturbed["validation_loss"]


def test_what_cannot_be_done_is_said_and_has_its_exit_code(by_hand, tutti):
    assert "no-such-task.json" in by_hand(tutti.folder / "no-such-task.json", status=64)
    other_data = by_hand(by_hand.task_of(2, data_hash="0" * 32), status=65)
    assert "data" in other_data
    assert of_kind(by_hand.events(2), "failed")[-1]["error"] in other_data
