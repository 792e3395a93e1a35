"""Members that need more slots than one worker has: two workers of one machine, real processes, real kills."""

import os
import signal

import pytest
from conftest import assert_same_weights, full_counts, processes_of, wait_for
from service import CHECKPOINTS, Proxy, Service, undisturbed

WORKERS = ("n1", "n2")  # one slot each


class Gangs(Service):
    """A coordinator that waits a second for a worker whose connection broke, and what runs of the gang."""

    def start_quick(self, *options):
        self.start("--disconnect-grace", 1, *options)
        token = self.tutti.home / "access/operator.token"
        self.proxy = Proxy(int(self.address.rsplit(":", 1)[1]))
        self.through_proxy = ["--server", self.proxy.address(), *self.remote[2:], "--token-file", token]

    def lender(self, name, *options):
        return self.worker("--slots", 1, "--name", name, *options)

    def lend(self, proxied=()):
        self.lenders = {name: self.lender(name, *(self.through_proxy if name in proxied else [])) for name in WORKERS}
        wait_for(lambda: len(self.workers()) == 2, "two workers did not join")

    def member(self):
        return self.tutti.show("small-1")["members"][0]

    def gang(self):
        return [slot.split(":")[0] for slot in self.member()["gang"]]

    def ranks(self):
        """Processes of the gang's trainers, by rank."""
        found = {}
        for pid, text in processes_of(self.tutti.home):
            if "tutti-trainer train" in text:
                environment = open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
                rank = next(one for one in environment if one.startswith(b"OMPI_COMM_WORLD_RANK="))
                found[int(rank.split(b"=")[1])] = pid
        return found

    def of_the_gang(self):
        """All that a gang consists of: launcher, ranks, trainers."""
        return {pid for pid, text in processes_of(self.tutti.home)
                if any(word in text for word in ("mpirun ", "tutti rank ", "tutti-trainer train"))}

    def launcher(self):
        return next(pid for pid, text in processes_of(self.tutti.home) if "mpirun " in text)

    def expect(self, weights, attempts):
        """The member comes to its end, and everything is as it was before it."""
        wait_for(lambda: self.tutti.show("small-1")["state"] != "running", "the work was not done")
        assert self.tutti.show("small-1")["state"] == "finished"
        assert_same_weights(weights, self.tutti.member_weights("small-1"))
        assert self.member()["attempts"] == attempts
        wait_for(lambda: not self.of_the_gang(), "something of the gang was left behind", 30)
        wait_for(lambda: [worker["busy"] for worker in self.workers()] == [0, 0], "slots did not come free", 30)
        self.coordinator.send_signal(signal.SIGTERM)
        assert self.coordinator.wait(timeout=30) == 0
        self.tutti("fsck")


@pytest.fixture
def gangs(tutti):
    service = Gangs(tutti)
    service.start_quick()
    return service


@pytest.fixture
def impatient_gangs(tutti):
    """Longer than a heartbeat is late on a busy machine."""
    service = Gangs(tutti)
    service.start_quick("--silence-limit", 8)
    return service


@pytest.fixture
def gang_experiment(experiment):
    return experiment(members="[{model: lenet5, seeds: 1, slots: 2}]", epochs=12, training=CHECKPOINTS)


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def expected(known, tutti, gang_experiment):
    """The weights that two slots of one worker come to."""
    if not known:
        known.update(undisturbed(tutti, gang_experiment))
    return known


def test_a_member_wider_than_a_worker_is_trained_by_two_as_it_is_by_one(gangs, tutti, gang_experiment, expected):
    gangs.lend()
    tutti("submit", gang_experiment)
    wait_for(lambda: len(gangs.ranks()) == 2, "no gang came up")
    assert sorted(gangs.gang()) == ["n1", "n2"]
    assert [worker["busy"] for worker in gangs.workers()] == [1, 1]
    gangs.expect(expected, attempts=1)


def kill_rank(gangs, rank):
    os.kill(gangs.ranks()[rank], signal.SIGKILL)


def kill_worker(gangs, name):
    """It takes its ranks with it, and another process takes its place."""
    own = gangs.of_the_gang()
    gangs.lenders[name].kill()
    gangs.lenders[name].wait()
    wait_for(lambda: not own & gangs.of_the_gang(), "something of the gang outlived its worker", 30)
    gangs.lender(name)


def kill_launcher(gangs):
    os.kill(gangs.launcher(), signal.SIGKILL)


KILLS = {
    "the following worker": lambda gangs: kill_worker(gangs, gangs.gang()[1]),
    "a following rank": lambda gangs: kill_rank(gangs, 1),
    "the leading worker": lambda gangs: kill_worker(gangs, gangs.gang()[0]),
    "the leading rank": lambda gangs: kill_rank(gangs, 0),
    "the launcher": kill_launcher,
}


@pytest.mark.parametrize("victim", list(KILLS) if full_counts() else list(KILLS)[:3])
def test_a_gang_that_loses_a_part_goes_on_from_its_checkpoint(gangs, tutti, gang_experiment, expected, victim):
    gangs.lend()
    tutti("submit", gang_experiment)
    gangs.wait_for_steps()
    KILLS[victim](gangs)
    gangs.expect(expected, attempts=2)
    if "worker" in victim:
        assert gangs.member()["failures"] == 0, "nobody's failure"


@pytest.mark.parametrize("frozen", ["the worker alone", "its rank as well"] if full_counts() else ["the worker alone"])
def test_a_gang_outlives_the_silence_of_a_follower(impatient_gangs, tutti, gang_experiment, expected, frozen):
    gangs = impatient_gangs
    gangs.lend()
    tutti("submit", gang_experiment)
    gangs.wait_for_steps()
    follower = gangs.gang()[1]
    stopped = [gangs.lenders[follower].pid] + ([gangs.ranks()[1]] if frozen != "the worker alone" else [])
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: [worker["id"] for worker in gangs.workers()] == [gangs.gang()[0]], "nobody missed the follower")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    gangs.expect(expected, attempts=1)


def test_a_gang_outlives_a_partition_of_its_follower(impatient_gangs, tutti, gang_experiment, expected):
    gangs = impatient_gangs
    gangs.lend(proxied=["n2"])
    tutti("submit", gang_experiment)
    gangs.wait_for_steps()
    assert gangs.gang() == ["n1", "n2"]
    gangs.proxy.holding = True
    wait_for(lambda: len(gangs.workers()) == 1, "nobody missed the follower")
    gangs.proxy.holding = False
    wait_for(lambda: len(gangs.workers()) == 2, "the follower did not come back")
    gangs.expect(expected, attempts=1)


def test_a_gang_whose_leader_is_cut_off_ends_on_its_follower_and_starts_again(impatient_gangs, tutti, gang_experiment,
                                                                            expected):
    gangs = impatient_gangs
    gangs.lend(proxied=["n1"])
    tutti("submit", gang_experiment)
    gangs.wait_for_steps()
    assert gangs.gang() == ["n1", "n2"]
    os.kill(gangs.ranks()[0], signal.SIGSTOP)  # one that finishes is believed
    old = gangs.of_the_gang()
    gangs.proxy.holding = True
    wait_for(lambda: not old & gangs.of_the_gang(), "the follower's end did not end the gang")
    gangs.proxy.holding = False
    gangs.expect(expected, attempts=2)


def test_a_gang_outlives_its_coordinator(gangs, tutti, gang_experiment, expected):
    gangs.lend()
    tutti("submit", gang_experiment)
    gangs.wait_for_steps()
    gangs.coordinator.kill()
    gangs.coordinator.wait()
    gangs.coordinator = tutti.start("coordinator")
    wait_for(lambda: tutti.try_show("small-1"), "the coordinator does not answer")
    gangs.expect(expected, attempts=1)


def test_a_follower_that_is_asked_to_leave_lets_the_gang_checkpoint(gangs, tutti, gang_experiment, expected):
    gangs.lend()
    tutti("submit", gang_experiment)
    gangs.wait_for_steps()
    follower = gangs.gang()[1]
    gangs.lenders[follower].send_signal(signal.SIGTERM)
    assert gangs.lenders[follower].wait(timeout=90) == 143
    wait_for(lambda: not gangs.of_the_gang(), "something of the gang was left behind", 30)
    assert gangs.member()["failures"] == 0
    gangs.lender(follower)
    gangs.expect(expected, attempts=2)


def test_a_gang_that_may_not_be_spread_says_so(gangs, tutti, experiment):
    gangs.lend()
    tutti("submit", experiment(members="[{model: lenet5, seeds: 1, slots: {min: 2, max: 2, spread: false}}]"))
    wait_for(lambda: "spread: false" in tutti("why", "small-1/lenet5-s0").stdout, "why says nothing of spread")


def test_workers_of_two_launch_domains_share_no_gang(gangs, tutti, experiment):
    gangs.lender("n1", "--launch-domain", "left")
    gangs.lender("n2", "--launch-domain", "right")
    tutti("submit", experiment(members="[{model: lenet5, seeds: 1, slots: 2}]"))
    wait_for(lambda: "no group of workers" in tutti("why", "small-1/lenet5-s0").stdout, "why says nothing of groups")
