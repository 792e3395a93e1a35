"""Tutti in a real Slurm: two nodes on this machine (scripts/slurm_sandbox.sh). Skipped where that cannot be had."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, processes_of, wait_for

SANDBOX = ROOT / "scripts/slurm_sandbox.sh"
NOT_TO_BE_HAD = 77


def sandbox(box, *words, status=0):
    done = subprocess.run([SANDBOX, "--dir", box, *words], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)
    if done.returncode == NOT_TO_BE_HAD:
        pytest.skip(done.stderr.strip())
    assert done.returncode == status, done.stdout + done.stderr
    return done


def asleep(seconds):
    """Steps that sleep so long, each test its own time."""
    return [pid for pid, text in processes_of(f"sleep {seconds}") if text.split("/")[-1] == f"sleep {seconds}"]


def new_box():
    """Its path is short: sockets lie below it."""
    return Path(tempfile.mkdtemp(prefix="tutti-slurm-", dir="/tmp"))


class Slurm:
    def __init__(self, box):
        self.box = box
        self.environment = dict(os.environ, SLURM_CONF=str(box / "slurm.conf"))

    def __call__(self, *command, status=0, **options):
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, env=self.environment,
                              stdin=subprocess.DEVNULL, **options)
        assert status in (None, done.returncode), f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def end_all_jobs(self):
        for job in self("squeue", "--noheader", "--format=%i").split():
            self("scancel", "--signal=KILL", "--full", job, status=None)
            self("scancel", job, status=None)
        wait_for(lambda: not self("squeue", "--noheader").strip(), "jobs of a test do not end", 60)


@pytest.fixture(scope="session")
def sandboxed():
    box = new_box()
    try:
        sandbox(box, "up")
        yield Slurm(box)
    finally:
        if (box / "slurm.conf").exists():
            sandbox(box, "down")
        shutil.rmtree(box, ignore_errors=True)


@pytest.fixture
def slurm(sandboxed):
    yield sandboxed
    sandboxed.end_all_jobs()


def test_sandbox_leaves_nothing():
    box = new_box()
    sandbox(box, "up")
    sandbox(box, "up")
    slurm = Slurm(box)
    slurm("sbatch", "--nodes=2", f"--output={box}/job.txt", "--wrap", "srun sleep 600")
    wait_for(lambda: len(asleep(600)) == 2, "the job did not start", 30)
    assert "n[1-2]" in sandbox(box, "status").stdout
    sandbox(box, "down")
    sandbox(box, "down")
    assert not box.exists()
    assert not asleep(600)
    assert not processes_of(box)
    assert str(box) not in Path("/proc/mounts").read_text()
    assert "not up" in sandbox(box, "status", status=1).stderr


def test_sandbox_has_two_nodes_and_a_partition_that_refuses(slurm):
    assert sorted(slurm("srun", "--nodes=2", "hostname").split()) == ["n1", "n2"]
    slurm("sbatch", "--partition=short", "--time=1:00:00", "--wrap", "true", status=1)
    slurm("sbatch", "--partition=short", "--nodes=2", "--wrap", "true", status=1)


def test_a_node_whose_power_is_cut_takes_its_processes_along(slurm):
    step = subprocess.Popen(["srun", "--nodelist=n2", "sleep", "601"], env=slurm.environment)
    try:
        wait_for(lambda: asleep(601), "the step did not start", 30)
        sandbox(slurm.box, "cut", "n2")
        wait_for(lambda: not asleep(601), "a process outlived its node", 10)
    finally:
        step.kill()
        step.wait()
        sandbox(slurm.box, "up")
    assert slurm("srun", "--nodelist=n2", "hostname").strip() == "n2"
