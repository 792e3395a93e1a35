"""What a worker lends where the driver shows GPUs. The driver's library is a stand-in (tests/worker/agent/fake_nvml.cc),
and so is the trainer that trains on GPUs: it notes what it was shown."""

import json
import os
import stat

import pytest
from conftest import build_folder, wait_for

TWO_GPUS = "GPU-a:NVIDIA A100:40;GPU-b:NVIDIA A100:40"

GPU_TRAINER = """#!/bin/sh
if [ "$1" = --build ]; then
  echo '{"version": "0.1.0", "libtorch": "2.13.0", "cuda": 12040, "devices": ["cpu", "cuda"]}'
  exit 0
fi
echo "$1 $CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER $OMP_NUM_THREADS" >> SEEN
exec TRAINER "$@"
"""


@pytest.fixture
def gpus(tutti):
    """A machine whose driver shows two GPUs."""
    tutti.environment["LD_LIBRARY_PATH"] = str(build_folder() / "tests/fake_nvml")
    tutti.environment["FAKE_NVML_GPUS"] = TWO_GPUS
    tutti.environment.pop("CUDA_VISIBLE_DEVICES", None)
    return tutti


@pytest.fixture
def gpu_trainer(gpus):
    """One that says it trains on GPUs; the answer is the file in which it notes what it sees."""
    seen = gpus.folder / "seen"
    program = gpus.folder / "gpu-trainer"
    program.write_text(GPU_TRAINER.replace("SEEN", str(seen)).replace("TRAINER", str(build_folder() / "bin/tutti-trainer")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    gpus.environment["TUTTI_TRAINER"] = str(program)
    return seen


def test_gpus_with_a_trainer_for_cpus_are_refused_with_the_cure(gpus, experiment):
    refused = gpus("run", experiment(), status=2).stderr
    assert "2 GPUs (NVIDIA A100)" in refused and "--device cpu" in refused
    assert "--device cpu" in gpus("worker", "--wait", 0, status=2).stderr
    assert not gpus.home.exists(), "it is refused before anything is written"


def test_cpus_of_a_machine_with_gpus_are_lent_when_asked_for(gpus, experiment):
    gpus("run", experiment(members="[{model: lenet5}]", epochs=1), "--device", "cpu", "--slots", 1, "--quiet")


def test_cuda_without_a_gpu_is_refused_with_the_reason(tutti, experiment):
    refused = tutti("run", experiment(), "--device", "cuda", status=2).stderr
    assert "--device cuda needs a GPU" in refused


def test_each_trainer_sees_the_gpu_of_its_slot_alone(gpus, gpu_trainer, experiment):
    gpus("run", experiment(members="[{model: lenet5, seeds: 2}]", epochs=1), "--quiet")
    lines = [line.split() for line in gpu_trainer.read_text().splitlines()]
    seen = {line[1] for line in lines if line[0] == "train"}
    assert seen == {"GPU-a", "GPU-b"}, "two members that train side by side are on two GPUs"
    assert {line[2] for line in lines} == {"PCI_BUS_ID"}
    assert {line[3] for line in lines} == {str(max(1, usable_cpus(gpus) // 2))}, "the CPUs are shared out"


def usable_cpus(tutti):
    checks = json.loads(tutti("doctor", "-o", "json", status=None).stdout)["checks"]
    return int(next(check for check in checks if check["check"] == "processors")["found"].split()[0])


def test_slots_that_share_a_gpu_are_told_of_and_limit_what_fits(gpus, gpu_trainer, experiment):
    gpus.environment["CUDA_VISIBLE_DEVICES"] = "1"
    coordinator = gpus.start("coordinator")
    wait_for(lambda: "tutti submit" in coordinator.output(), "the coordinator said nothing")
    worker = gpus.start("worker", "--slots-per-gpu", 2)
    wait_for(lambda: "lends 2 slots on 1 GPU (NVIDIA A100)" in worker.output(), "the worker does not lend its GPU")
    gpus("submit", experiment(name="small", members="[{model: lenet5}]", epochs=1, extra="slot_memory: 20 GB"), "--wait")
    gpus("submit", experiment(name="large", members="[{model: lenet5}]", epochs=1, extra="slot_memory: 21 GB"))
    wait_for(lambda: "needs slots of 21 GB, the largest have 20 GB" in gpus("why", "large-1/lenet5-s0").stdout,
             "why does not say that memory is missing")
    assert {line.split()[1] for line in gpu_trainer.read_text().splitlines()} == {"GPU-b"}


def test_a_driver_that_fails_is_no_machine_without_gpus(gpus, experiment):
    gpus.environment["FAKE_NVML_STATUS"] = "18"
    assert "mismatch" in gpus("run", experiment(), status=1).stderr
