"""`tutti doctor` on this machine, and on machines that ail."""

import json
import os
import time

from conftest import build_folder, wait_for


def examine(tutti, *options, status=None):
    document = json.loads(tutti("doctor", "-o", "json", *options, status=status).stdout)
    return document, {check["check"]: check for check in document["checks"]}


def test_this_machine_is_well(tutti):
    """Tests run on it: trainer, MPI and disk do what they should."""
    document, checks = examine(tutti, status=0)
    assert document["problems"] == 0
    assert list(checks) == ["processors", "memory", "trainer", "gpus", "cuda", "mpi", "slurm", "home", "disk",
                            "coordinator", "clock"]
    assert checks["mpi"]["found"].endswith("two ranks met")
    assert "LibTorch" in checks["trainer"]["found"]
    assert "is not there yet" in checks["home"]["found"]
    assert not tutti.home.exists(), "it looks and makes nothing"
    text = tutti("doctor").stdout
    assert "no problems" in text and "processors   ok" in text


def test_a_coordinator_is_heard_and_its_clock_compared(tutti):
    coordinator = tutti.start("coordinator")
    output = wait_for(lambda: "tutti submit" in coordinator.output() and coordinator.output(), "it said nothing")
    _, checks = examine(tutti, status=0)
    assert "answers" in checks["coordinator"]["found"]
    assert "the coordinator" in checks["clock"]["found"]
    address = next(word for word in output.split() if word.startswith("http"))
    _, checks = examine(tutti, "--server", address, "--fingerprint", "0" * 64, status=1)
    assert checks["coordinator"]["verdict"] == "problem" and checks["coordinator"]["cure"]
    assert "another machine" in checks["home"]["found"]


def test_what_is_wrong_is_told_with_its_cure(tutti):
    tutti.environment["TUTTI_TRAINER"] = str(tutti.folder / "nowhere")
    tutti.environment["LD_LIBRARY_PATH"] = str(build_folder() / "tests/fake_nvml")
    tutti.environment["FAKE_NVML_STATUS"] = "18"
    home = tutti.folder / "a-file" / "runs"
    home.parent.write_text("")
    document, checks = examine(tutti, "--home", home, status=1)
    sick = {name for name, check in checks.items() if check["verdict"] == "problem"}
    assert sick == {"trainer", "gpus", "home"}
    assert all(checks[name]["cure"] for name in sick)
    assert document["problems"] == 3
    text = tutti("doctor", "--home", home, status=1).stdout
    assert "What to do:" in text and "3 problems" in text


def test_a_trainer_for_cpus_beside_gpus_is_a_problem(tutti):
    tutti.environment["LD_LIBRARY_PATH"] = str(build_folder() / "tests/fake_nvml")
    tutti.environment["FAKE_NVML_GPUS"] = "GPU-a:NVIDIA A100:40"
    tutti.environment.pop("CUDA_VISIBLE_DEVICES", None)
    _, checks = examine(tutti, status=1)
    assert checks["gpus"]["found"].startswith("1 GPU (NVIDIA A100) with 40 GB")
    assert checks["cuda"]["verdict"] == "problem" and "--device cpu" in checks["cuda"]["cure"]


def test_mpi_that_does_not_start_is_found(tutti):
    """An mpirun that only pretends: what people have who mix two MPIs."""
    folder = tutti.folder / "bin"
    folder.mkdir()
    (folder / "mpirun").write_text('#!/bin/sh\nif [ "$1" = --version ]; then echo "mpirun (Fake) 1.0"; fi\n')
    (folder / "mpirun").chmod(0o755)
    tutti.environment["PATH"] = f"{folder}:{os.environ['PATH']}"
    _, checks = examine(tutti, status=1)
    assert checks["mpi"]["verdict"] == "problem" and "two ranks do not meet" in checks["mpi"]["found"]
    tutti.environment["PATH"] = "/nowhere"
    _, checks = examine(tutti, status=0)
    assert checks["mpi"]["verdict"] == "warning" and checks["mpi"]["cure"]


def test_what_hangs_does_not_hang_it(tutti):
    trainer = tutti.folder / "hung-trainer"
    trainer.write_text("#!/bin/sh\nexec sleep 600\n")
    trainer.chmod(0o755)
    tutti.environment["TUTTI_TRAINER"] = str(trainer)
    before = time.monotonic()
    _, checks = examine(tutti, status=1)
    assert time.monotonic() - before < 120
    assert checks["trainer"]["verdict"] == "problem" and "did not end" in checks["trainer"]["found"]
    assert checks["processors"]["verdict"] == "ok"
