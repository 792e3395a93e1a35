"""Kills, signals, lost catalogs, full disks: nothing acknowledged is lost, nothing is left behind."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from conftest import assert_same_weights, full_counts, processes_of, wait_for

# Two that train side by side, and a gang of two through mpirun.
GANG = "{model: resnet8, seeds: 1, slots: 2, training: {epochs: 2, optimizer: {lr: 0.02}}}"
MEMBERS = f"[{{model: lenet5, seeds: 2}}, {GANG}]"
CHECKPOINTS = "  checkpoint: {every: 10 steps, keep: 2}"


@pytest.fixture
def long_experiment(experiment):
    return experiment(members=MEMBERS, epochs=12, training=CHECKPOINTS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The weights that runs of `long_experiment` must end with, made once."""
    return {}


def reference(undisturbed, tutti, experiment_file):
    if "weights" not in undisturbed:
        home = tutti.home
        tutti.home = tutti.folder / "undisturbed"
        tutti.environment["TUTTI_HOME"] = str(tutti.home)
        tutti("run", experiment_file, "--quiet", "--slots", 2)
        undisturbed["weights"] = tutti.member_weights("small-1")
        tutti.home = home
        tutti.environment["TUTTI_HOME"] = str(home)
    return undisturbed["weights"]


def committed_steps(tutti, ensemble="small-1"):
    shown = tutti.try_show(ensemble)
    if not shown:
        return {}
    return {member["name"]: [checkpoint["step"] for checkpoint in member["checkpoints"]]
            for member in shown["members"] if member["checkpoints"]}


def trainers(tutti):
    return [(pid, text) for pid, text in processes_of(tutti.home) if "tutti-trainer train" in text]


def test_killed_tutti_goes_on_where_it_was(tutti, long_experiment, undisturbed):
    expected = reference(undisturbed, tutti, long_experiment)
    chance = random.Random(1)
    kills = 0
    for number in range(20 if full_counts() else 4):
        process = tutti.start("run", long_experiment, "--slots", 2)
        if number % 2 == 0:
            wait_for(lambda: committed_steps(tutti) or process.poll() is not None, "no checkpoint appeared")
        time.sleep(chance.uniform(0, 1))  # the moment of the kill is drawn, not waited for
        if process.poll() is not None:
            break
        kills += 1
        acknowledged = committed_steps(tutti)
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: not processes_of(tutti.home), "trainers outlived tutti", 30)
        kept = committed_steps(tutti)
        for member, steps in acknowledged.items():
            assert max(kept.get(member, [0])) >= max(steps), (member, steps, kept)
    assert kills >= 2, "the ensemble was done before it could be killed"
    tutti("run", long_experiment, "--quiet", "--slots", 2)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    for member in tutti.show("small-1")["members"]:
        epochs = [point["epoch"] for point in member["curve"]]
        assert epochs == list(range(1, int(member["epochs"]) + 1)), (member["name"], epochs)
    tutti("fsck")


@pytest.mark.parametrize("sent, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_gang_checkpoints_on_a_signal_and_goes_on(tutti, experiment, sent, status):
    file = experiment(members=f"[{GANG}]", training=CHECKPOINTS)
    tutti("run", file, "--new", "--quiet", "--slots", 2)
    expected = tutti.member_weights("small-1")
    process = tutti.start("run", file, "--new", "--slots", 2)
    wait_for(lambda: committed_steps(tutti, "small-2"), "no checkpoint appeared")
    process.send_signal(sent)
    assert process.wait(timeout=90) == status, process.output()
    assert not processes_of(tutti.home)
    member = tutti.show("small-2")["members"][0]
    assert member["state"] == "stopped" and member["failures"] == 0
    tutti("resume", "small-2", "--slots", 2)
    assert_same_weights(expected, tutti.member_weights("small-2"))


def test_run_trains_its_own_ensemble_and_no_other(tutti, long_experiment, experiment, undisturbed):
    expected = reference(undisturbed, tutti, long_experiment)
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: committed_steps(tutti), "no checkpoint appeared")
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not processes_of(tutti.home), "trainers outlived tutti", 30)
    assert "its process is gone; tutti resume small-1" in tutti("list").stdout
    assert "small-1: stopped, its process is gone; 0 of 3" in tutti("show", "small-1").stdout
    assert "tutti resume small-1" in tutti("why", "small-1/lenet5-s0").stdout
    left = tutti.show("small-1")
    assert left["state"] == "stopped" and {member["state"] for member in left["members"]} == {"stopped"}

    other = experiment(name="other", members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]", epochs=1)
    tutti("run", other, "--quiet", "--slots", 2)
    assert tutti.show("other-1")["state"] == "finished"
    after = tutti.show("small-1")
    assert after["state"] == "stopped" and after["note"] == "its process is gone"
    assert [member["attempts"] for member in after["members"]] == [member["attempts"] for member in left["members"]]
    tutti("resume", "small-1", "--slots", 2)
    assert_same_weights(expected, tutti.member_weights("small-1"))


def test_damaged_newest_checkpoint_is_gone_back_behind(tutti, long_experiment, undisturbed):
    expected = reference(undisturbed, tutti, long_experiment)
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: any(len(steps) >= 2 for steps in committed_steps(tutti).values()), "no two checkpoints appeared")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130, process.output()
    stopped = tutti.show("small-1")["members"]
    member = next(one for one in stopped if one["state"] == "stopped" and len(one["checkpoints"]) >= 2)
    older, newest = sorted(member["checkpoints"], key=lambda checkpoint: checkpoint["step"])[-2:]
    file = tutti.home / "small-1" / newest["folder"] / "training.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)

    tutti("resume", "small-1", "--slots", 2)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    log = (tutti.home / "coordinator.log").read_text()
    assert f"step {newest['step']} of small-1/{member['name']}/attempt-1 cannot be read any more" in log
    assert f"goes on from step {older['step']}" in log
    after = next(one for one in tutti.show("small-1")["members"] if one["name"] == member["name"])
    assert after["attempts"] == 2 and after["failures"] == 0, "nothing was tried in vain"
    assert "left alone" in tutti("fsck").stdout


def test_killed_trainer_is_tried_again_from_its_checkpoint(tutti, long_experiment, undisturbed):
    expected = reference(undisturbed, tutti, long_experiment)
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: committed_steps(tutti), "no checkpoint appeared")
    pid, _ = wait_for(lambda: trainers(tutti), "no trainer runs")[0]
    os.kill(pid, signal.SIGKILL)
    assert process.wait(timeout=240) == 0, process.output()
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert sum(member["attempts"] for member in tutti.show("small-1")["members"]) >= 4


def test_finished_member_is_not_trained_again(tutti, long_experiment):
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: (tutti.try_show("small-1") or {}).get("members_finished"), "no member finished")
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = [member["name"] for member in tutti.show("small-1")["members"] if member["state"] == "finished"]
    tutti("resume", "small-1", "--slots", 2)
    attempts = {member["name"]: member["attempts"] for member in tutti.show("small-1")["members"]}
    assert finished and all(attempts[name] == 1 for name in finished)


@pytest.mark.parametrize("sent, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 143),
                                          (signal.SIGHUP, 129)])
def test_one_signal_checkpoints_and_says_how_to_go_on(tutti, long_experiment, undisturbed, sent, status):
    expected = reference(undisturbed, tutti, long_experiment)
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: trainers(tutti), "no trainer runs")
    wait_for(lambda: any(member["step"] for member in (tutti.try_show("small-1") or {}).get("members", [])), "no step")
    process.send_signal(sent)
    assert process.wait(timeout=60) == status, process.output()
    assert "tutti resume" in process.output()
    assert not processes_of(tutti.home)
    assert tutti.show("small-1")["state"] == "stopped"
    tutti("resume", "small-1", "--slots", 2)
    assert_same_weights(expected, tutti.member_weights("small-1"))


def test_printed_command_goes_on_in_the_same_home_with_the_same_slots(tutti, experiment):
    file = experiment(members="[{model: lenet5, seeds: 2}]", epochs=12, training=CHECKPOINTS)
    del tutti.environment["TUTTI_HOME"]
    tutti.home = tutti.folder / "somewhere else"
    process = tutti.start("run", file, "--home", tutti.home, "--slots", 2, "--threads-per-slot", 1)
    wait_for(lambda: trainers(tutti), "no trainer runs")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=90) == 130, process.output()
    line = process.output().splitlines()[-1]
    assert line.startswith("Go on with: tutti resume small-1 ") and line.endswith(" --slots 2 --threads-per-slot 1"), line
    path = f"{tutti.program.parent}:{os.environ['PATH']}"
    done = subprocess.run(line.removeprefix("Go on with: "), shell=True, env=dict(tutti.environment, PATH=path),
                          cwd=tutti.folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0 and "small-1: finished, 2 members" in done.stdout, done.stdout + done.stderr
    assert (tutti.home / "small-1/results.json").exists()
    assert not (tutti.folder / "runs").exists()


def test_logs_follow_a_member_from_attempt_to_attempt(tutti, experiment):
    talkative = tutti.folder / "talkative-trainer"
    talkative.write_text(f'#!/bin/sh\necho "process $$ starts with $2"\nexec {tutti.program}-trainer "$@"\n')
    talkative.chmod(0o755)
    tutti.environment["TUTTI_TRAINER"] = str(talkative)
    process = tutti.start("run", experiment(members="[{model: lenet5, seeds: 1}]", epochs=12, training=CHECKPOINTS),
                          "--slots", 1)
    wait_for(lambda: committed_steps(tutti), "no checkpoint appeared")
    followed = tutti.start("logs", "-f", "small-1/lenet5-s0")
    wait_for(lambda: "starts with" in followed.output(), "nothing was followed")
    os.kill(trainers(tutti)[0][0], signal.SIGKILL)
    assert process.wait(timeout=240) == 0, process.output()
    assert followed.wait(timeout=60) == 0, followed.output()
    logs = [tutti.home / f"small-1/members/lenet5-s0/attempt-{number}/log.txt" for number in (1, 2)]
    assert all("starts with" in log.read_text() for log in logs)
    assert followed.output() == "".join(log.read_text() for log in logs)


def test_slow_checkpoint_is_waited_for_after_a_signal(tutti, long_experiment):
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: any(member["step"] for member in (tutti.try_show("small-1") or {}).get("members", [])), "no step")
    pid = wait_for(lambda: [pid for pid, text in trainers(tutti) if "lenet5-s0" in text], "no trainer runs")[0]
    os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    time.sleep(12)  # as long as a large checkpoint on a slow disk may take
    assert process.poll() is None, process.output()
    os.kill(pid, signal.SIGCONT)
    assert process.wait(timeout=60) == 130, process.output()
    assert "Go on with: tutti resume small-1" in process.output()
    assert tutti.show("small-1")["state"] == "stopped"
    events = next((tutti.home / "small-1/members/lenet5-s0").glob("attempt-*/events.jsonl")).read_text()
    assert '"stopped_early"' in events.splitlines()[-1], "it was killed"


def test_signal_to_process_and_group_is_one_request(tutti, long_experiment):
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: any(member["step"] for member in (tutti.try_show("small-1") or {}).get("members", [])), "no step")
    process.send_signal(signal.SIGTERM)  # as `timeout` sends it: to its child, and then to all of its group
    time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143, process.output()
    running = [member for member in tutti.show("small-1")["members"] if member["step"]]
    assert running and all(member["checkpoints"] for member in running)
    events = [file.read_text().splitlines()[-1] for file in
              (tutti.home / "small-1/members").glob("[!.]*/attempt-*/events.jsonl")]
    assert events and all('"stopped_early"' in line for line in events), "they were ended without their checkpoints"


def test_nohup_is_respected(tutti, experiment):
    file = experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]", epochs=20)
    process = tutti.start("run", file, "--slots", 1, hang_up=signal.SIG_IGN)
    wait_for(lambda: trainers(tutti), "no trainer runs")
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 0, process.output()


def test_two_signals_end_at_once(tutti, long_experiment):
    process = tutti.start("run", long_experiment, "--slots", 2)
    pid, _ = wait_for(lambda: trainers(tutti), "no trainer runs")[0]
    os.kill(pid, signal.SIGSTOP)  # this one cannot answer the polite request
    process.send_signal(signal.SIGINT)
    wait_for(lambda: "stopping; members write their checkpoints" in process.output(), "the first signal was not heard")
    time.sleep(0.6)  # sooner it would count as the same request
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 130
    assert "without" in process.output() and "checkpoint" in process.output()
    wait_for(lambda: not processes_of(tutti.home), "processes left", 10)


def test_commands_work_while_it_runs(tutti, long_experiment):
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: committed_steps(tutti), "no checkpoint appeared")
    assert "small-1" in tutti("list").stdout
    assert "running" in tutti("show", "small-1").stdout
    tutti("logs", "small-1/lenet5-s0")
    waiting = tutti("why", "small-1/resnet8-s0").stdout
    assert "slot" in waiting, waiting
    second = tutti("run", long_experiment, status=1)
    assert str(process.pid) in second.stderr, second.stderr
    tutti("cancel", "small-1")
    assert process.wait(timeout=60) == 1, process.output()
    assert tutti.show("small-1")["state"] == "cancelled"
    tutti("resume", "small-1", "--slots", 2)
    assert tutti.show("small-1")["state"] == "finished"


def test_lost_catalog_is_rebuilt_from_folders(tutti, long_experiment, undisturbed):
    expected = reference(undisturbed, tutti, long_experiment)
    process = tutti.start("run", long_experiment, "--slots", 2)
    wait_for(lambda: len(committed_steps(tutti)) >= 2, "no checkpoints appeared")
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(lambda: not processes_of(tutti.home), "trainers outlived tutti", 30)
    before = committed_steps(tutti)
    shutil.rmtree(tutti.home / "catalog")
    tutti("fsck", "--rebuild")
    after = committed_steps(tutti)
    for member, steps in before.items():
        assert max(after[member]) >= max(steps)
    tutti("resume", "small-1", "--slots", 2)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    tutti("fsck")


def test_fsck_names_a_damaged_checkpoint(tutti, experiment):
    tutti("run", experiment(), "--quiet")
    member = tutti.show("small-1")["members"][0]
    file = tutti.home / "small-1" / member["checkpoints"][-1]["folder"] / "model.safetensors"
    damaged = bytearray(file.read_bytes())
    damaged[-1] ^= 1
    file.write_bytes(damaged)
    done = tutti("fsck", status=1)
    assert "model.safetensors" in done.stdout + done.stderr


def test_lost_predictions_are_made_again_after_a_rebuild(tutti, experiment):
    tutti("run", experiment(), "--quiet")
    results = tutti.show("small-1")["results"]
    first, *_, last = sorted((tutti.home / "small-1").glob("members/*/attempt-1/predictions/*/test.safetensors"))
    flipped = bytearray(first.read_bytes())
    flipped[-1] ^= 1
    first.write_bytes(flipped)
    shutil.rmtree(last.parents[1])
    done = tutti("fsck", status=1)
    assert str(first) in done.stdout and str(last) in done.stdout
    assert "predicts again" in tutti("fsck", "--rebuild", status=1).stdout
    assert tutti.show("small-1")["state"] == "stopped"
    tutti("resume", "small-1", "--quiet")
    assert tutti.show("small-1")["results"] == results
    attempts = {member["name"]: member["attempts"] for member in tutti.show("small-1")["members"]}
    again = {file.relative_to(tutti.home).parts[2] for file in (first, last)}
    assert attempts == {name: 2 if name in again else 1 for name in attempts}
    tutti("fsck", "--rebuild")


def test_lost_files_of_the_inspection_are_made_again_before_training_goes_on(tutti, experiment):
    file = experiment(epochs=30, training=CHECKPOINTS)
    process = tutti.start("run", file, "--slots", 1)
    wait_for(lambda: committed_steps(tutti), "no checkpoint appeared")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 130
    split = (tutti.home / "small-1/split.safetensors").read_bytes()
    shutil.rmtree(tutti.home / "small-1/members/.inspect")
    assert "labels.safetensors: it is gone" in tutti("fsck", status=1).stdout
    (tutti.home / "small-1/split.safetensors").unlink()
    assert "split.safetensors: it is gone" in tutti("fsck", status=1).stdout
    tutti("resume", "small-1", "--quiet", "--slots", 2)
    assert tutti.show("small-1")["state"] == "finished"
    assert len((tutti.home / "small-1/split.safetensors").read_bytes()) == len(split)
    assert "the inspection of the data waiting: what it left cannot be read" in (
        tutti.home / "coordinator.log").read_text()
    tutti("fsck")


def test_lost_answer_is_said_and_made_again(tutti, experiment):
    file = experiment()
    tutti("run", file, "--quiet")
    results = tutti.home / "small-1/results.json"
    answer = tutti.show("small-1")["results"]
    for command in (("run", file), ("resume", "small-1")):
        for garbage in (None, "garbage", "{}"):
            results.unlink()
            if garbage is not None:
                results.write_text(garbage)
            shown = tutti("show", "small-1").stdout
            assert str(results) in shown and "`tutti resume small-1` makes it again" in shown
            if garbage != "{}":
                assert str(results) in tutti("fsck", status=1).stdout
            assert "ensemble: mean" in tutti(*command).stdout
            assert tutti.show("small-1")["results"] == answer
    assert {member["attempts"] for member in tutti.show("small-1")["members"]} == {1}


def test_lost_folder_is_said_and_forgotten_by_rm(tutti, experiment):
    file = experiment()
    tutti("run", file, "--quiet")
    shutil.rmtree(tutti.home / "small-1")
    for command in (("run", file), ("resume", "small-1")):
        assert "is gone; `tutti rm small-1` forgets it" in tutti(*command, status=1).stderr
    for command in ("list", "show"):
        assert "is gone; `tutti rm small-1` forgets it" in tutti(command).stdout
    tutti("rm", "small-1")
    assert "small-2" in tutti("run", file, "--quiet").stdout


def test_home_without_a_catalog_names_what_lies_there(tutti, experiment):
    file = experiment()
    tutti("run", file, "--quiet")
    shutil.rmtree(tutti.home / "catalog")
    hint = "`tutti fsck --rebuild` takes it in"
    assert hint in tutti("list").stderr
    assert hint in tutti("show", "small-1", status=6).stderr
    assert hint in tutti("resume", status=6).stderr
    assert hint in tutti("run", file, status=1).stderr
    assert not (tutti.home / "small-2").exists()
    tutti("fsck", "--rebuild")
    assert "has trained this experiment already" in tutti("run", file).stdout


def test_damaged_catalog_says_what_to_do(tutti, experiment):
    tutti("run", experiment(), "--quiet")
    for database in (tutti.home / "catalog").glob("*/catalog.db*"):
        database.write_bytes(b"not a database at all" * 100)
    done = tutti("run", experiment(), status=1)
    assert "fsck --rebuild" in done.stderr
    tutti("fsck", "--rebuild")
    assert tutti.show("small-1")["state"] == "finished"


def test_catalog_uses_its_own_generation_each_start(tutti, experiment):
    file = experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]", epochs=1)
    for number in (1, 2):
        tutti("run", file, "--new", "--quiet")
        assert [folder.name for folder in sorted((tutti.home / "catalog").iterdir())] == ["0001", "0002"][:number]
    with sqlite3.connect(tutti.home / "catalog/0002/catalog.db") as catalog:
        assert catalog.execute("pragma quick_check").fetchone()[0] == "ok"
        assert catalog.execute("select count(*) from ensembles").fetchone()[0] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_full_disk_has_a_way_out_that_needs_no_space(tutti, experiment):
    tutti.home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", tutti.home], check=True)
    try:
        tutti("run", experiment(), "--quiet")
        (tutti.home / "cache").mkdir(exist_ok=True)
        (tutti.home / "cache/prepared").write_bytes(bytes(1 << 20))
        with (tutti.home / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):
            while True:
                filler.write(bytes(1 << 12))
        for command in (["rm", "small-1"], ["fsck", "--rebuild"], ["run", experiment(), "--new"]):
            assert f"Delete {tutti.home}/cache" in tutti(*command, status=1).stderr
        shutil.rmtree(tutti.home / "cache")
        tutti("rm", "small-1")
        assert not (tutti.home / "small-1").exists()
    finally:
        wait_for(lambda: subprocess.call(["umount", tutti.home]) == 0, "cannot unmount", 30)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_full_disk_is_said_and_goes_on_with_room(tutti, long_experiment, undisturbed):
    expected = reference(undisturbed, tutti, long_experiment)
    tutti.home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", tutti.home], check=True)
    try:
        process = tutti.start("run", long_experiment, "--slots", 2)
        assert process.wait(timeout=240) == 1, process.output()
        assert "space" in process.output().lower()
        subprocess.run(["mount", "-o", "remount,size=200m", tutti.home], check=True)
        tutti("resume", "small-1", "--slots", 2)
        assert_same_weights(expected, tutti.member_weights("small-1"))
    finally:
        process.kill()
        wait_for(lambda: subprocess.call(["umount", tutti.home]) == 0, "cannot unmount", 30)
