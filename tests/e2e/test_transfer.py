"""Workers that do not see the coordinator's home: files travel through its port."""

import glob
import json
import os
import signal
import time

import pytest
from conftest import DEADLINE_S, assert_same_weights, wait_for
import service as services
from service import Proxy, Service, attempts_of

# Checkpoints of some megabytes, so that they travel in many pieces.
MEMBERS = "[{model: {name: mlp, hidden: [1024]}, seeds: 2}]"
CHECKPOINTS = "  checkpoint: {every: 20 steps, keep: 2}"
# Hides a folder from the command that follows, as if it were another machine's.
HIDE = 'mount -t tmpfs none "$1" && shift && exec "$@"'


@pytest.fixture
def big_experiment(experiment):
    return experiment(members=MEMBERS, epochs=10, training=CHECKPOINTS)


WEIGHTS = {}


def undisturbed(tutti, file):
    """What the experiment ends with where the home is shared; trained once for all tests that ask for the same."""
    text = file.read_text()
    if text not in WEIGHTS:
        WEIGHTS[text] = services.undisturbed(tutti, file)
    return WEIGHTS[text]


def found(folder, pattern):
    """The paths that match, in folders that others empty meanwhile (Path.glob fails on one that goes away)."""
    return glob.glob(pattern, root_dir=folder, recursive=True, include_hidden=True)


class Elsewhere:
    """Workers on what could be another machine."""

    def __init__(self, service, folder):
        self.service, self.tutti, self.scratch = service, service.tutti, folder / "scratch"
        self.token = folder / "token"
        self.token.write_text((self.tutti.home / "access/operator.token").read_text())
        self.token.chmod(0o600)

    def worker(self, *options, address=None):
        rights = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
        remote = ["--server", address or self.service.address, *self.service.remote[2:], "--token-file", self.token]
        process = self.tutti.start("worker", "--slots", 2, "--scratch", self.scratch, *remote, *options,
                                   within=["unshare", *rights, "sh", "-c", HIDE, "sh", self.tutti.home])
        wait_for(lambda: "lends" in process.output() or process.poll() is not None, "the worker said nothing")
        assert process.poll() is None and "does not see" in process.output(), process.output()
        return process

    def kept(self):
        """What workers keep, but for prepared data."""
        return found(self.scratch, "*/homes/*/*")


@pytest.fixture
def elsewhere(tutti, tmp_path):
    service = Service(tutti)
    service.start()
    return Elsewhere(service, tmp_path)


def wait_until_finished(tutti):
    ended = wait_for(lambda: (shown := tutti.try_show("small-1")) and shown["state"] != "running" and shown,
                     "the work was not done")
    assert ended["state"] == "finished", ended


def assert_nothing_is_left(elsewhere):
    """Neither what came half, nor anything that the catalog does not know."""
    assert not found(elsewhere.tutti.home, "**/.uploads")
    assert not found(elsewhere.tutti.home, "**/.step-*")
    elsewhere.service.coordinator.send_signal(signal.SIGTERM)
    assert elsewhere.service.coordinator.wait(timeout=30) == 0
    elsewhere.tutti("fsck")


def test_members_are_trained_as_where_the_home_is_shared(elsewhere, tutti, big_experiment):
    expected = undisturbed(tutti, big_experiment)
    worker = elsewhere.worker()
    done = tutti("submit", big_experiment, "--wait")
    assert "ensemble: mean" in done.stdout
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert set(attempts_of(tutti).values()) == {1}
    for log in (tutti.home / "small-1/members").glob("*/attempt-1"):
        assert (log / "log.txt").exists() and (log / "events.jsonl").exists()
    newest = [path for path in elsewhere.scratch.glob("*/homes/*/small-1/members/*/attempt-1/step-*")]
    assert len(newest) <= 2, "what has arrived is not kept"
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=30) == 143
    assert not elsewhere.kept()
    assert_nothing_is_left(elsewhere)


def test_another_worker_goes_on_from_what_a_killed_one_sent(elsewhere, tutti, big_experiment):
    expected = undisturbed(tutti, big_experiment)
    first = elsewhere.worker("--name", "first")
    tutti("submit", big_experiment)
    elsewhere.service.wait_for_steps()
    first.kill()
    first.wait()
    second = elsewhere.worker("--name", "second")
    wait_until_finished(tutti)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    resumed = [json.loads(file.read_text()).get("resume_from")
               for file in (tutti.home / "small-1/members").glob("*/attempt-2/task.json")]
    assert any(resumed), "somebody went on from a checkpoint"
    second.send_signal(signal.SIGTERM)
    second.wait(timeout=30)
    elsewhere.worker("--name", "first").send_signal(signal.SIGTERM)
    wait_for(lambda: not elsewhere.kept(), "what a killed worker left stays")
    assert_nothing_is_left(elsewhere)


def test_a_coordinator_that_is_killed_in_the_middle_of_an_upload_gets_the_rest(elsewhere, tutti, big_experiment):
    expected = undisturbed(tutti, big_experiment)
    service = elsewhere.service
    elsewhere.worker()
    tutti("submit", big_experiment)
    for _ in range(2):
        wait_for(lambda: found(tutti.home, "**/.uploads/*.part"), "nothing was on its way", every_s=0.001)
        service.coordinator.kill()
        service.coordinator.wait()
        service.start("--listen", service.address.removeprefix("https://"))
        wait_for(lambda: any(worker["connected"] for worker in service.workers()), "the worker did not come back")
    wait_until_finished(tutti)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert set(attempts_of(tutti).values()) == {1}, "training went on meanwhile"
    assert_nothing_is_left(elsewhere)


def test_a_connection_that_breaks_in_the_middle_of_uploads_costs_nothing(elsewhere, tutti, big_experiment):
    expected = undisturbed(tutti, big_experiment)
    service = elsewhere.service
    proxy = Proxy(int(service.address.rsplit(":", 1)[1]))
    elsewhere.worker(address=proxy.address())
    tutti("submit", big_experiment)
    cuts = 0
    while cuts < 10 and tutti.show("small-1")["state"] == "running":
        if found(tutti.home, "**/.uploads/*.part"):
            proxy.cut()
            cuts += 1
            time.sleep(0.2)
    assert cuts >= 2
    wait_until_finished(tutti)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert set(attempts_of(tutti).values()) == {1}
    assert_nothing_is_left(elsewhere)


def test_a_worker_that_is_asked_to_leave_sends_its_last_checkpoints(elsewhere, tutti, big_experiment):
    worker = elsewhere.worker()
    tutti("submit", big_experiment)
    elsewhere.service.wait_for_steps()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=DEADLINE_S) == 143
    members = tutti.show("small-1")["members"]
    assert {member["failures"] for member in members} == {0}, "nobody's failure"
    ends = [max(checkpoint["step"] for checkpoint in member["checkpoints"]) for member in members
            if member["checkpoints"]]
    assert any(step % 20 for step in ends), "a checkpoint between those that were due has arrived"
    elsewhere.worker()
    wait_until_finished(tutti)


def test_a_gang_runs_on_such_a_worker(elsewhere, tutti, experiment):
    elsewhere.worker()
    tutti("submit", experiment(members="[{model: lenet5, seeds: 1, slots: 2}]", epochs=1), "--wait")
    assert_nothing_is_left(elsewhere)
