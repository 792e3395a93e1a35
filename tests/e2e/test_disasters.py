"""What befalls a service besides kills of its parts: a rank that dies, a disk that fills, a second coordinator on another
host, a network that is slow."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import assert_same_weights, full_counts, processes_of, wait_for
from service import CHECKPOINTS, Proxy, Service, undisturbed

GANG = "[{model: resnet8, seeds: 1, slots: 2, training: {epochs: 2, optimizer: {lr: 0.02}}}]"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture
def service(tutti):
    running = Service(tutti)
    running.start()
    return running


@pytest.fixture
def long_experiment(experiment):
    return experiment(members="[{model: lenet5, seeds: 2}]", epochs=24, training=CHECKPOINTS)


def checkpoints_of(tutti):
    return {member["name"]: {one["step"]: one["folder"] for one in member["checkpoints"]}
            for member in tutti.show("small-1")["members"]}


def wait_for_end(tutti):
    wait_for(lambda: (tutti.try_show("small-1") or {}).get("state") == "finished", "the work was not done")


def test_a_gang_that_loses_a_rank_goes_on_from_its_checkpoint(service, tutti, experiment):
    file = experiment(members=GANG, training=CHECKPOINTS)
    expected = undisturbed(tutti, file)
    service.worker()
    tutti("submit", file)
    service.wait_for_steps()
    ranks = wait_for(lambda: len(service.trainers()) == 2 and service.trainers(), "two ranks do not run")
    acknowledged = max(checkpoints_of(tutti)["resnet8-s0"])
    os.kill(max(ranks), signal.SIGKILL)
    wait_for(lambda: not ranks & service.trainers(), "the other rank outlived it", 30)
    wait_for_end(tutti)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    member = tutti.show("small-1")["members"][0]
    assert member["attempts"] == 2
    events = (tutti.home / "small-1/members/resnet8-s0/attempt-2/events.jsonl").read_text().splitlines()
    assert json.loads(events[0])["step"] >= acknowledged


@needs_root
@pytest.mark.parametrize("left_kib", [0, 300] if full_counts() else [0])
def test_a_disk_that_fills_loses_nothing_and_with_room_it_goes_on(tutti, long_experiment, left_kib):
    expected = undisturbed(tutti, long_experiment)
    tutti.home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", tutti.home], check=True)
    try:
        service = Service(tutti)
        service.start()
        service.worker()
        tutti("submit", long_experiment)
        service.wait_for_steps()
        filler = tutti.home / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(1 << 12))
        os.truncate(filler, filler.stat().st_size - (left_kib << 10))
        # Either it cannot commit what its workers tell of, and leaves; or its log has room, and the trainers have none.
        wait_for(lambda: service.coordinator.poll() is not None or tutti.show("small-1")["state"] != "running",
                 "a full disk changed nothing")
        left = service.coordinator.poll() is not None
        said = service.coordinator.output() if left else tutti("show", "small-1").stdout
        assert (f"There is no space left for {tutti.home}" if left else "No space left") in said, said
        acknowledged = checkpoints_of(tutti)
        assert any(acknowledged.values())
        filler.unlink()
        if left:
            service.start()
        for member, steps in acknowledged.items():
            kept = checkpoints_of(tutti)[member]
            assert max(kept, default=0) >= max(steps, default=0)
            assert all((tutti.home / "small-1" / folder / "manifest.json").exists() for folder in kept.values())
        tutti("resume", "small-1", "--quiet")
        wait_for_end(tutti)
        assert_same_weights(expected, tutti.member_weights("small-1"))
    finally:
        for process in tutti.started:
            process.kill()
            process.wait()
        wait_for(lambda: not processes_of(tutti.home), "processes are left", 30)
        wait_for(lambda: subprocess.call(["umount", tutti.home]) == 0, "cannot unmount", 30)


def start_on_another_host(tutti):
    """A coordinator on the same home that sees another host's name and lock, as over a network file system."""
    lock = tutti.folder / "lock-of-another-host"
    lock.touch()
    script = 'hostname "$1" && mount --bind "$2" "$3" && exec "$4" coordinator'
    output = (tutti.folder / "another-host.txt").open("w")
    process = subprocess.Popen(["unshare", "--uts", "--mount", "sh", "-c", script, "sh", "elsewhere", lock,
                                tutti.home / "lock", tutti.program], stdout=output, stderr=subprocess.STDOUT,
                               env=tutti.environment, cwd=tutti.folder, stdin=subprocess.DEVNULL)
    process.output = lambda: (tutti.folder / "another-host.txt").read_text()
    tutti.started.append(process)
    wait_for(lambda: "tutti submit" in process.output() or process.poll() is not None, "it said nothing")
    assert process.poll() is None, process.output()
    return process


@needs_root
def test_a_coordinator_on_another_host_fences_the_older(service, tutti, long_experiment):
    expected = undisturbed(tutti, long_experiment)
    service.worker()
    tutti("submit", long_experiment)
    service.wait_for_steps()
    acknowledged = checkpoints_of(tutti)
    newer = start_on_another_host(tutti)
    assert service.coordinator.wait(timeout=60) == 1
    said = service.coordinator.output()
    assert re.search("another coordinator (took|has taken) over", said), said
    wait_for_end(tutti)
    assert newer.poll() is None, newer.output()
    assert_same_weights(expected, tutti.member_weights("small-1"))
    for member, steps in checkpoints_of(tutti).items():
        assert max(steps) >= max(acknowledged[member], default=0)
    assert {member["attempts"] for member in tutti.show("small-1")["members"]} == {1}, "trainers went on"
    tutti("list")
    newer.send_signal(signal.SIGTERM)
    assert newer.wait(timeout=30) == 0
    tutti("fsck")


class SlowProxy(Proxy):
    """Everything takes a while, both ways."""

    DELAY_S = 0.4

    def copy(self, source, target):
        class Slow:
            def recv(_, size):
                data = source.recv(size)
                time.sleep(self.DELAY_S)
                return data

            def shutdown(_, how):
                source.shutdown(how)

        super().copy(Slow(), target)


def test_a_slow_network_changes_nothing(service, tutti, experiment):
    file = experiment()
    expected = undisturbed(tutti, file)
    proxy = SlowProxy(int(service.address.rsplit(":", 1)[1]))
    token = tutti.home / "access/operator.token"
    service.worker("--server", proxy.address(), *service.remote[2:], "--token-file", token)
    tutti("submit", file)
    wait_for_end(tutti)
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert {member["attempts"] for member in tutti.show("small-1")["members"]} == {1}
