"""`kill -9` of the coordinator before and after what it commits and what it does outside, in a run of eight members.

Workers are processes of their own and train on. tests/support/kill_at.c, preloaded, ends the coordinator at the chosen
call; the test starts another.
"""

import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest
from conftest import assert_same_weights, build_folder, full_counts, processes_of, wait_for

MEMBERS = 8
TRAINING = "  steps: 12\n  checkpoint: {every: 4 steps, keep: 2}"

# (kind, words in its path, which of those calls, on which side of it). A share means: of all that the undisturbed run
# made, since their number varies a little with what is committed together.
COMMITS = [("sync", "/catalog/", share, side) for share, side in (
    (0.04, "after"), (0.12, "before"), (0.2, "after"), (0.3, "before"), (0.4, "after"), (0.48, "before"),
    (0.56, "after"), (0.64, "before"), (0.72, "after"), (0.8, "before"))]
EFFECTS = [
    ("mkdir", "/small-1", 1, "after"),  # the submission
    ("send", "", 0.05, "before"),
    ("rename", "/split.safetensors", 1, "before"),
    ("rename", "/split.safetensors", 1, "after"),
    ("mkdir", "/attempt-1", 3, "before"),  # the start of an attempt
    ("mkdir", "/attempt-1", 6, "after"),
    ("send", "", 0.35, "after"),
    ("send", "", 0.6, "before"),
    ("rename", "/results.json", 1, "before"),  # the answer
    ("rename", "/results.json", 1, "after"),
]
SOME = [COMMITS[3], EFFECTS[0], EFFECTS[5], EFFECTS[8]]


def points():
    return COMMITS + EFFECTS if full_counts() else SOME


@pytest.fixture
def eight_members(experiment):
    file = experiment(members=f"[{{model: lenet5, seeds: {MEMBERS}}}]", training=TRAINING)
    file.write_text(file.read_text().replace("  epochs: 2\n", ""))
    return file


class Coordinator:
    """Of the home of `tutti`, with its calls logged, and killed at one of them when asked."""

    def __init__(self, tutti):
        self.tutti, self.log = tutti, tutti.folder / "calls.txt"
        self.process = self.worker = None

    def start(self, kill_at=None):
        wishes = {"LD_PRELOAD": str(build_folder() / "tests/kill_at.so"), "TUTTI_KILL_LOG": str(self.log),
                  "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        if kill_at:
            wishes["TUTTI_KILL_AT"] = kill_at
        environment, self.tutti.environment = self.tutti.environment, dict(self.tutti.environment, **wishes)
        self.process = self.tutti.start("coordinator")
        self.tutti.environment = environment
        wait_for(lambda: "tutti submit" in self.process.output() or self.died(), "the coordinator said nothing")
        assert kill_at or not self.died(), f"exit {self.process.returncode}\n{self.process.output()}"

    def died(self):
        return self.process.poll() is not None

    def count(self, kind, words):
        return sum(1 for line in self.log.read_text().splitlines() if line.startswith(kind + " ") and words in line)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) == 0, self.process.output()
        self.worker.send_signal(signal.SIGTERM)
        assert self.worker.wait(timeout=60) == 143, self.worker.output()


def acknowledged(tutti):
    """The committed checkpoints that the newest generation of the catalog holds: {member: {step: folder}}."""
    newest = max((tutti.home / "catalog").iterdir())
    copy = tutti.folder / f"catalog-{newest.name}"
    shutil.copytree(newest, copy, dirs_exist_ok=True)
    with sqlite3.connect(copy / "catalog.db") as catalog:
        if not catalog.execute("select 1 from sqlite_master where name = 'checkpoints'").fetchone():
            return {}
        rows = catalog.execute("select job, step, folder from checkpoints where state = 'committed'").fetchall()
    members = {}
    for job, step, folder in rows:
        members.setdefault(job, {})[step] = folder
    return members


def assert_nothing_is_missing(folder_of_all, checkpoints):
    for member, steps in checkpoints.items():
        for step, folder in steps.items():
            manifest = json.loads((folder_of_all / folder / "manifest.json").read_text())
            assert manifest["step"] == step, (member, folder)


def events_of(attempt):
    file = attempt / "events.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def assert_nothing_was_trained_again(folder_of_all, checkpoints):
    for member, steps in checkpoints.items():
        known = {Path(folder).parts[2] for folder in steps.values()}
        for attempt in (folder_of_all / "members" / member).glob("attempt-*"):
            starts = [event["step"] for event in events_of(attempt) if event["event"] == "started"]
            if attempt.name not in known and starts:
                assert starts[0] >= max(steps), f"{attempt} begins at {starts[0]}, but {sorted(steps)} were acknowledged"


def assert_steps_were_trained_once(folder_of_all):
    for member in (folder_of_all / "members").glob("lenet5-*"):
        written = [event["step"] for attempt in sorted(member.glob("attempt-*")) for event in events_of(attempt)
                   if event["event"] == "checkpoint_written"]
        assert written == sorted(set(written)), (member.name, written)


def submit_and_wait(tutti, coordinator, experiment, kill_at=None):
    """Runs the experiment to its end: its id, and what was acknowledged when the coordinator was killed."""
    coordinator.start(kill_at)
    coordinator.worker = tutti.start("worker", "--slots", 2)
    submission = tutti.start("submit", experiment, "--quiet", "--key", "once")
    kept = {}
    if kill_at:
        wait_for(coordinator.died, f"{kill_at} was not reached")
        assert coordinator.process.returncode == -signal.SIGKILL, coordinator.process.output()
        kept = acknowledged(tutti)
        assert_nothing_is_missing(tutti.home / "small-1", kept)
        coordinator.start()
    assert submission.wait(timeout=60) == 0, submission.output()
    ensemble = submission.output().split()[-1]
    wait_for(lambda: (tutti.home / ensemble / "results.json").exists(), "the work was not done")
    wait_for(lambda: tutti.show(ensemble)["state"] == "finished", "the end was not committed")
    assert coordinator.worker.poll() is None, coordinator.worker.output()
    return ensemble, kept


@pytest.fixture(scope="module")
def undisturbed():
    """The weights that a run must end with, and how often the coordinator of one made the calls, found once."""
    return {}


def reference(undisturbed, tutti, experiment):
    if not undisturbed:
        home, tutti.home = tutti.home, tutti.folder / "undisturbed"
        tutti.environment["TUTTI_HOME"] = str(tutti.home)
        coordinator = Coordinator(tutti)
        ensemble, _ = submit_and_wait(tutti, coordinator, experiment)
        undisturbed["weights"] = tutti.member_weights(ensemble)
        coordinator.end()
        undisturbed["counts"] = {(kind, words): coordinator.count(kind, words) for kind, words, *_ in COMMITS + EFFECTS}
        coordinator.log.unlink()
        tutti.home = home
        tutti.environment["TUTTI_HOME"] = str(home)
    return undisturbed


@pytest.mark.parametrize("kind, words, which, side", points())
def test_a_coordinator_killed_at_any_point_loses_nothing(tutti, eight_members, undisturbed, kind, words, which, side):
    expected = reference(undisturbed, tutti, eight_members)
    count = which if isinstance(which, int) else max(1, int(which * expected["counts"][kind, words]))
    coordinator = Coordinator(tutti)
    ensemble, kept = submit_and_wait(tutti, coordinator, eight_members, f"{kind}:{count}:{side}:{words}")
    assert [one["id"] for one in json.loads(tutti("list", "-o", "json").stdout)["ensembles"]] == [ensemble]
    assert tutti.show(ensemble)["members_finished"] == MEMBERS
    assert_same_weights(expected["weights"], tutti.member_weights(ensemble))
    assert_nothing_was_trained_again(tutti.home / ensemble, kept)
    assert_steps_were_trained_once(tutti.home / ensemble)
    coordinator.end()
    assert not processes_of(tutti.home), "processes are left"
    tutti("fsck")
