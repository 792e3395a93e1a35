"""What operators do to a service that runs: drain, prioritise, plan, tidy up, listen."""

import json
import signal
import subprocess
import urllib.request

import pytest
from conftest import DEADLINE_S, assert_same_weights, wait_for
from service import CHECKPOINTS, Service


@pytest.fixture
def service(tutti):
    running = Service(tutti)
    running.start("--listen", "http://127.0.0.1:0")
    return running


def running_on(tutti, ensemble):
    return {slot.split(":")[0] for member in tutti.show(ensemble)["members"] if member["state"] == "running"
            for slot in member["gang"]}


def test_a_drained_worker_is_left_alone_until_it_is_taken_back(service, tutti, experiment):
    service.worker("--name", "one")
    assert tutti("drain", "nobody", status=6).stderr
    tutti("submit", experiment(members="[{model: lenet5, seeds: 2}]", epochs=40, training=CHECKPOINTS))
    service.wait_for_steps()
    service.worker("--name", "two")
    drained = tutti("drain", "one", "--checkpoint", "--wait")
    assert "one is idle" in drained.stdout
    wait_for(lambda: running_on(tutti, "small-1") == {"two"}, "nothing went on elsewhere")
    service.coordinator.kill()
    service.coordinator.wait()
    service.start("--listen", "http://127.0.0.1:0")
    wait_for(lambda: sum(worker["connected"] for worker in service.workers()) == 2, "the workers did not come back")
    notes = {worker["id"]: worker["note"] for worker in service.workers()}
    assert notes == {"one": "is being drained", "two": ""}, "a drain outlives the coordinator"
    assert "is being drained" in tutti("workers").stdout
    tutti("drain", "one", "--undo")
    assert {worker["note"] for worker in service.workers()} == {""}
    shown = tutti.show("small-1")
    assert all(member["failures"] == 0 for member in shown["members"]), "a drain is no failure"
    tutti("cancel", "small-1")


def test_who_does_not_wait_for_a_drain_is_told_that_it_stands(service, tutti, experiment):
    worker = service.worker("--name", "one")
    tutti("submit", experiment(members="[{model: lenet5, seeds: 2}]", epochs=40, training=CHECKPOINTS))
    service.wait_for_steps()
    waiting = tutti.start("drain", "one", "--wait")
    wait_for(lambda: service.workers()[0]["draining"], "nothing is drained")
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(timeout=30) == 130
    assert "one stays drained; `tutti drain one --undo` takes it back" in waiting.output()
    tutti("cancel", "small-1")
    worker.terminate()
    assert worker.wait(timeout=DEADLINE_S) == 143
    wait_for(lambda: not service.workers()[0]["connected"], "it is connected still")
    assert "`tutti drain one --undo` ends that" in tutti("workers").stdout
    tutti("drain", "one", "--undo")
    assert service.workers() == []


def test_a_worker_that_lent_slots_to_a_run_serves_the_next_coordinator(tutti, experiment):
    worker = tutti.start("worker", "--slots", 1, "--name", "guest")
    tutti("run", experiment(), "--slots", 1, "--quiet")
    service = Service(tutti)
    service.start()
    wait_for(lambda: [w for w in service.workers() if w["connected"]], "it did not come back")
    assert [(w["id"], w["note"]) for w in service.workers()] == [("guest", "")]
    assert tutti("submit", experiment(epochs=1), "--quiet", "--wait").stdout == "small-2\n"
    assert worker.poll() is None


def test_who_has_the_higher_priority_is_served_first(service, tutti, experiment):
    usual = experiment(name="usual", members="[{model: lenet5, seeds: 4}]", epochs=2)
    urgent = experiment(name="urgent", members="[{model: lenet5, seeds: 1}]", epochs=2)
    tutti("submit", usual)
    tutti("submit", urgent, "--priority", 7)
    service.worker()
    wait_for(lambda: all(tutti.show(f"{name}-1")["state"] == "finished" for name in ("usual", "urgent")), "not done")
    began = {name: min(began_at(tutti, name)) for name in ("usual", "urgent")}
    assert began["urgent"] <= sorted(began_at(tutti, "usual"))[1], "all but what started beside it came later"
    assert [tutti.show(f"{name}-1")["priority"] for name in ("usual", "urgent")] == [0, 7]
    assert "priority -3" in tutti("priority", "usual-1", -3).stdout
    assert tutti.show("usual-1")["priority"] == -3
    assert tutti("priority", "usual-1", 1001, status=2).stderr


def began_at(tutti, name):
    """When its members' trainers were given their tasks."""
    return [task.stat().st_mtime for task in (tutti.home / f"{name}-1/members").glob("lenet5-*/attempt-1/task.json")]


def test_a_plan_says_what_would_start_where_and_when(tutti, experiment):
    file = experiment(members="[{model: lenet5, seeds: 3}, {model: lenet5, seeds: [9], slots: 4000, name: wide}]")
    here = json.loads(tutti("plan", file, "-o", "json").stdout)
    assert here["members"][0]["at_once"] and here["ends_in"] is None
    assert here["members"][-1]["gang"] == [] and "4000 slots at once" in here["members"][-1]["reason"]
    assert not tutti.home.exists(), "a plan leaves nothing behind"
    service = Service(tutti)
    service.start()
    small = experiment(epochs=2)
    assert "no worker" in tutti("plan", small).stdout
    service.worker("--name", "one")
    tutti("submit", small, "--wait")
    planned = json.loads(tutti("plan", experiment(epochs=4), "-o", "json").stdout)
    assert [member["gang"] for member in planned["members"][:2]] == [["one:0"], ["one:1"]]
    assert 0 < planned["ends_in"] < DEADLINE_S
    told = tutti("plan", experiment(epochs=4)).stdout
    assert "at once" in told and "done in" in told


def test_gc_deletes_what_nobody_needs_and_nothing_else(service, tutti, experiment):
    worker = service.worker()
    tutti("submit", experiment(), "--wait")
    before = tutti.member_weights("small-1")
    (tutti.home / ".removing-old-3/members").mkdir(parents=True)
    (tutti.home / ".removing-old-3/members/x").write_bytes(b"x" * 5000)
    attempt = next((tutti.home / "small-1/members").glob("lenet5-*/attempt-1"))
    (attempt / ".step-00000007.tmp").mkdir()
    (attempt / ".step-00000007.tmp/model.safetensors").write_bytes(b"x" * 3000)
    named = json.loads(tutti("gc", "--dry-run", "-o", "json").stdout)
    assert not named["removed"] and (tutti.home / ".removing-old-3").exists()
    assert {"cut removal", "half-written checkpoint"} <= {one["kind"] for one in named["garbage"]}
    assert "are freed" in tutti("gc").stdout
    assert not list(tutti.home.glob(".removing-*")) and not list(attempt.glob(".step-*"))
    assert_same_weights(before, tutti.member_weights("small-1"))
    assert json.loads(tutti("gc", "-o", "json").stdout)["garbage"] == []
    assert "nothing to delete" in tutti("gc").stdout
    worker.terminate()
    assert worker.wait(timeout=DEADLINE_S) == 143
    service.coordinator.terminate()
    assert service.coordinator.wait(timeout=DEADLINE_S) == 0
    tutti("fsck")


class Listener:
    """Reads server-sent events."""

    def __init__(self, service, path, last_id=""):
        token = (service.tutti.home / "access/reader.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        self.answer = urllib.request.urlopen(urllib.request.Request(service.address + path, headers=headers),
                                             timeout=DEADLINE_S)

    def next(self):
        event = {}
        for line in self.answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "" and event:
                return event
            if name in ("id", "event", "data"):
                event[name] = value
        raise EOFError

    def until(self, text):
        """The event that says so, and the ids of those before it."""
        ids = []
        while True:
            event = self.next()
            ids.append(event["id"])
            if text in event["data"]:
                return ids


def test_a_watcher_that_comes_again_misses_nothing(service, tutti, experiment):
    listener = Listener(service, "/api/v1/events")
    start = listener.next()
    assert start["event"] == "start"
    service.worker()
    tutti("submit", experiment(), "--wait")
    ids = listener.until("small-1 finished")
    again = Listener(service, "/api/v1/events", start["id"])
    assert again.until("small-1 finished") == ids, "what it missed is told again"
    service.coordinator.kill()
    service.coordinator.wait()
    service.start("--listen", "http://127.0.0.1:0")
    lost = Listener(service, "/api/v1/ensembles/small-1/events", ids[-1]).next()
    assert lost["event"] == "reset", "what the former coordinator told last is not known"


def test_logs_and_watch_follow_over_the_network_through_a_restart(service, tutti, experiment):
    remote = ["--server", service.address, "--token-file", tutti.home / "access/operator.token"]
    service.worker()
    tutti("submit", experiment(members="[{model: lenet5, seeds: 1}]", epochs=24, training=CHECKPOINTS))
    service.wait_for_steps()
    followed = tutti.start("logs", "-f", "small-1/lenet5-s0", *remote)
    watched = [tutti.start("watch", "small-1", *where) for where in (remote, [])]
    for one in watched:
        wait_for(lambda: "lenet5-s0: epoch" in one.output(), "nothing was watched")
    port = service.address.rsplit(":", 1)[1]
    service.coordinator.kill()
    service.coordinator.wait()
    wait_for(lambda: all("waits up to 120 s" in one.output() for one in watched), "its loss is not said")
    service.start("--listen", f"http://127.0.0.1:{port}")
    assert followed.wait(timeout=DEADLINE_S) == 0, followed.output()
    log = (tutti.home / "small-1/members/lenet5-s0/attempt-1/log.txt").read_text()
    assert [line for line in followed.output().splitlines() if not line.startswith("tutti:")] == log.splitlines()
    for one in watched:
        assert one.wait(timeout=DEADLINE_S) == 0, one.output()
        assert "small-1: finished" in one.output()


def test_watch_ends_when_nobody_reads_it(service, tutti, experiment):
    tutti("submit", experiment())
    done = subprocess.run(["bash", "-c", '"$0" watch small-1 | true; echo "${PIPESTATUS[0]}"', tutti.program],
                          capture_output=True, text=True, cwd=tutti.folder, env=tutti.environment, timeout=30)
    assert done.stdout == "0\n", done.stderr
