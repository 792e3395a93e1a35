"""Tutti in a real Slurm: two nodes on this machine (scripts/slurm_sandbox.sh). Skipped where that cannot be had."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, Tutti, assert_same_weights, full_counts, only_in_full, processes_of, wait_for
from service import CHECKPOINTS, Service, undisturbed

SANDBOX = ROOT / "scripts/slurm_sandbox.sh"
EXAMPLES = ROOT / "scripts/slurm"
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

    def field(self, job, name):
        return re.search(rf"\b{name}=(\S*)", self("scontrol", "show", "job", job))[1]

    def wait_for_state(self, job, state, deadline_s=120):
        states = []

        def reached():
            states[:] = [self.field(job, "JobState")]
            return states == [state]

        wait_for(reached, f"job {job} is not {state}: {states}\n{self('scontrol', 'show', 'job', job)}", deadline_s)

    def start_now(self, job):
        """A job that is queued again waits for two minutes otherwise, which begin anew once its last start is cleared up."""
        self.wait_for_state(job, "PENDING")

        def started():
            if self.field(job, "JobState") != "PENDING":
                return True
            self("scontrol", "update", f"JobId={job}", "StartTime=now", status=None)
            return False

        wait_for(started, f"job {job} does not start again", 120, every_s=3)

    def set_node(self, node, state):
        self("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test")

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


@pytest.fixture
def tutti_in_slurm(tutti, slurm):
    tutti.environment.update(SLURM_CONF=slurm.environment["SLURM_CONF"])
    yield tutti
    slurm.end_all_jobs()


@pytest.fixture
def long_experiment(experiment):
    """Long enough to be disturbed after its first checkpoints."""
    return experiment(members="[{model: lenet5, seeds: 4}]", epochs=6, training=CHECKPOINTS)


def submit(tutti, file, *options):
    """Ten minutes, of which a notice takes one; each job gets two CPUs unless it is told otherwise."""
    return tutti("slurm", file, "--submit", "--quiet", "--time=10", "--signal-before=60", *options).stdout.strip()


def wait_for_checkpoints(tutti, ensemble="small-1"):
    def trains_on_from_one():
        shown = tutti.try_show(ensemble)
        return shown and any(member["checkpoints"] and member["state"] == "running" for member in shown["members"])

    wait_for(trains_on_from_one, "no checkpoint appeared")


def slots_of(tutti, ensemble="small-1"):
    return {slot for member in tutti.show(ensemble)["members"] for slot in member["gang"]}


def test_a_job_trains_with_the_cpus_that_it_was_given(tutti_in_slurm, slurm, experiment):
    """Everything lies in a folder whose name needs quotes, in the script and in its #SBATCH lines."""
    tutti = Tutti(tutti_in_slurm.folder / """it's "ours" #1""")
    tutti.folder.mkdir()
    tutti.environment = dict(tutti_in_slurm.environment, TUTTI_HOME="home of ours")
    tutti.home = tutti.folder / "home of ours"
    file = shutil.copy(experiment(), tutti.folder / "the experiment.yaml")
    job = submit(tutti, file, "--nodes=1", "--sbatch", "nodelist=n2", "--output=out of %j.txt")
    slurm.wait_for_state(job, "COMPLETED")
    shown = tutti.show("small-1")
    assert shown["state"] == "finished" and shown["members_finished"] == 3
    assert slots_of(tutti) == {"n2:0"}, "the job has one CPU of that node"
    output = (tutti.folder / f"out of {job}.txt").read_text()
    assert f"job {job} on n2, start 1" in output and "ensemble: mean" in output
    script = tutti("slurm", file).stdout
    assert "in small-1 an epoch took up to" in script, "what it took is known now"


def test_the_script_is_one_that_sbatch_takes_from_a_file(tutti_in_slurm, slurm, experiment):
    tutti = tutti_in_slurm
    script = tutti.folder / "job.sbatch"
    script.write_text(tutti("slurm", experiment(), "--nodes=2", "--time=10", "--cpus-per-task=2", "--mem=1G",
                            "--gpus-per-node=0", "--", "--exclusive", "--comment=it's ours").stdout)
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    done = subprocess.run(["sbatch", "--test-only", script], env=tutti.environment, capture_output=True, text=True)
    assert done.returncode == 0 and "n[1-2]" in done.stderr, done.stderr
    job = slurm("sbatch", "--parsable", "--hold", script).strip()
    told = slurm("scontrol", "show", "job", job)
    assert f"WorkDir={tutti.folder}\n" in told and "Comment=it's ours" in told
    assert "Requeue=1" in told and "NumNodes=2" in told
    assert "to start at" in tutti("slurm", experiment(), "--test-only").stdout


def test_what_slurm_refuses_is_said(tutti_in_slurm, slurm, experiment):
    tutti = tutti_in_slurm
    file = experiment()
    for option in ("--submit", "--test-only"):
        refused = tutti("slurm", file, option, "--partition=short", "--time=1:00:00", status=2)
        assert "Slurm refuses the job" in refused.stderr and "time limit" in refused.stderr
        assert "`sinfo` shows partitions and their limits" in refused.stderr
    refused = tutti("slurm", file, "--submit", "--partition=short", "--time=10", "--nodes=2", status=2)
    assert "Node count" in refused.stderr
    nobody = tutti.folder / "nobody.conf"  # listens at this port
    nobody.write_text(re.sub(r"SlurmctldPort=\d+", "SlurmctldPort=9",
                             Path(slurm.environment["SLURM_CONF"]).read_text()) + "MessageTimeout=2\n")
    tutti.environment["SLURM_CONF"] = str(nobody)
    assert "no Slurm answers here" in tutti("slurm", file, "--submit", status=3).stderr
    assert not tutti.home.exists()


def test_a_job_waits_in_the_queue(tutti_in_slurm, slurm, experiment):
    first = slurm("sbatch", "--parsable", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap", "sleep 602").strip()
    slurm.wait_for_state(first, "RUNNING")
    job = submit(tutti_in_slurm, experiment(epochs=1), "--cpus-per-task=2")
    assert slurm.field(job, "JobState") == "PENDING"
    assert not tutti_in_slurm.home.exists()
    slurm("scancel", first)
    slurm.wait_for_state(job, "COMPLETED")
    assert tutti_in_slurm.show("small-1")["state"] == "finished"


def test_before_its_time_is_up_a_job_checkpoints_and_goes_on_elsewhere(tutti_in_slurm, slurm, long_experiment):
    """Twice, the second time on the other node; the weights are those of an undisturbed run, bit for bit."""
    tutti = tutti_in_slurm
    expected = undisturbed(tutti, long_experiment)
    job = submit(tutti, long_experiment, "--cpus-per-task=2")
    output = tutti.folder / f"small-{job}.txt"
    try:
        for start, node in enumerate(("n1", "n2"), 1):
            slurm.wait_for_state(job, "RUNNING")
            wait_for(lambda: output.exists() and f"start {start}\n" in output.read_text(), f"no start {start}", 60)
            assert slurm.field(job, "BatchHost") == node
            wait_for_checkpoints(tutti)
            slurm("scancel", "--batch", "--signal=USR1", job)  # as the time limit does
            slurm.wait_for_state(job, "PENDING")
            wait_for(lambda: not processes_of(tutti.home), "something of the run was left")
            stopped = tutti.show("small-1")
            assert stopped["state"] == "stopped" and all(member["failures"] == 0 for member in stopped["members"])
            slurm.set_node("n1", {"n1": "DRAIN", "n2": "RESUME"}[node])
            slurm.start_now(job)
        slurm.wait_for_state(job, "COMPLETED")
    finally:
        slurm("scontrol", "update", "NodeName=n1", "State=RESUME", status=None)
    assert tutti.show("small-1")["state"] == "finished"
    assert output.read_text().count("is queued again") == 2
    assert_same_weights(tutti.member_weights("small-1"), expected)


def test_a_cancelled_job_leaves_nothing_and_another_goes_on(tutti_in_slurm, slurm, long_experiment):
    """Cancelled at once, then with the time that checkpoints take."""
    tutti = tutti_in_slurm
    expected = undisturbed(tutti, long_experiment)
    for cancel, state in ((("scancel",), "CANCELLED"), (("scancel", "--batch", "--signal=TERM"), "FAILED")):
        job = submit(tutti, long_experiment, "--cpus-per-task=2")
        wait_for_checkpoints(tutti)
        slurm(*cancel, job)
        slurm.wait_for_state(job, state)
        wait_for(lambda: not processes_of(tutti.home), "something of the run was left")
        stopped = tutti.show("small-1")
        assert stopped["state"] == "stopped" and all(member["failures"] == 0 for member in stopped["members"])
        assert slurm.field(job, "JobState") == state, "it is not queued again"
    job = submit(tutti, long_experiment, "--cpus-per-task=2")
    slurm.wait_for_state(job, "COMPLETED")
    assert "small-1 goes on where it stopped" in (tutti.folder / f"small-{job}.txt").read_text()
    assert_same_weights(tutti.member_weights("small-1"), expected)


@pytest.fixture
def in_path(tutti_in_slurm):
    """As the examples want it."""
    tutti_in_slurm.environment["PATH"] = f"{tutti_in_slurm.program.parent}:{tutti_in_slurm.environment['PATH']}"
    return tutti_in_slurm


def sbatch(tutti, *words):
    done = subprocess.run(["sbatch", "--parsable", *map(str, words)], cwd=tutti.folder, env=tutti.environment,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.sbatch")))
def test_sbatch_takes_the_examples(slurm, example):
    assert subprocess.run(["bash", "-n", EXAMPLES / example]).returncode == 0
    slurm("sbatch", "--test-only", EXAMPLES / example, "experiment.yaml")


def test_the_example_of_one_node_trains(in_path, slurm, experiment):
    job = sbatch(in_path, EXAMPLES / "one_node.sbatch", experiment(epochs=1))
    slurm.wait_for_state(job, "COMPLETED")
    assert in_path.show("small-1")["state"] == "finished"


def test_the_sweep_trains_each_experiment_in_a_job_of_its_own(in_path, slurm, experiment):
    files = [experiment(name=name, epochs=1, members="[{model: {name: mlp, hidden: [32]}, seeds: 1}]") for name in "ab"]
    job = sbatch(in_path, "--array=0-1", EXAMPLES / "sweep.sbatch", *files)
    for name, number in (("a", 0), ("b", 1)):
        slurm.wait_for_state(f"{job}_{number}", "COMPLETED")
        assert f"{name}-1" in in_path("list", "--home", in_path.folder / "sweep" / name, "--quiet").stdout


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def service_in_jobs(in_path, slurm):
    """The coordinator in a job, and a worker on each node. Gives the worker's jobs."""
    in_path.environment["TUTTI_PORT"] = str(free_port())
    coordinator = sbatch(in_path, "--nodelist=n1", EXAMPLES / "coordinator.sbatch")
    slurm.wait_for_state(coordinator, "RUNNING")
    jobs = {node: sbatch(in_path, f"--nodelist={node}", EXAMPLES / "worker.sbatch") for node in ("n1", "n2")}

    def both():
        listed = in_path("workers", "--quiet", status=None)
        return listed.returncode == 0 and sorted(listed.stdout.split()) == ["n1", "n2"]

    wait_for(both, "the workers did not come", 60)
    return jobs


LOSSES = ["cancelled", "down", "cut"]


@pytest.mark.parametrize("loss", LOSSES if full_counts() else LOSSES[:2])
def test_members_of_a_worker_that_is_lost_move(service_in_jobs, in_path, slurm, long_experiment, loss):
    """Its job is cancelled, its node is set down, or the power of its node is cut."""
    tutti = in_path
    expected = undisturbed(tutti, long_experiment)
    tutti("submit", long_experiment)
    wait_for(lambda: slots_of(tutti) >= {"n1:0", "n2:0"}, "not both workers train")
    wait_for_checkpoints(tutti)
    try:
        if loss == "cancelled":
            slurm("scancel", service_in_jobs["n2"])
        elif loss == "down":
            slurm.set_node("n2", "DOWN")
        else:
            sandbox(slurm.box, "cut", "n2")
        tutti("submit", long_experiment, "--wait")
    finally:
        sandbox(slurm.box, "up")
        if loss == "down":
            slurm("scontrol", "update", "NodeName=n2", "State=RESUME", status=None)  # it may be back already
    shown = tutti.show("small-1")
    assert shown["state"] == "finished"
    assert max(member["attempts"] for member in shown["members"]) == 2
    assert all(member["failures"] == 0 for member in shown["members"]), "nobody's fault"
    assert_same_weights(tutti.member_weights("small-1"), expected)


def test_the_coordinators_job_is_queued_again_while_members_train(service_in_jobs, in_path, slurm, long_experiment):
    tutti = in_path
    tutti("submit", long_experiment)
    wait_for_checkpoints(tutti)
    coordinator = slurm("squeue", "--noheader", "--name=tutti-coordinator", "--format=%i").strip()
    slurm("scancel", "--batch", "--signal=USR1", coordinator)
    slurm.start_now(coordinator)
    slurm.wait_for_state(coordinator, "RUNNING")
    tutti("submit", long_experiment, "--wait")
    shown = tutti.show("small-1")
    assert shown["state"] == "finished" and {member["attempts"] for member in shown["members"]} == {1}


@only_in_full
def test_slurm_itself_gives_notice_of_the_time_limit(tutti_in_slurm, slurm, experiment):
    tutti = tutti_in_slurm
    file = experiment(members="[{model: lenet5, seeds: 4}]", epochs=600, training=CHECKPOINTS)
    job = tutti("slurm", file, "--submit", "--quiet", "--time=3", "--signal-before=100").stdout.strip()
    slurm.wait_for_state(job, "RUNNING")
    wait_for_checkpoints(tutti)
    slurm.wait_for_state(job, "PENDING", 120)
    wait_for(lambda: not processes_of(tutti.home), "something of the run was left")
    assert "is queued again" in (tutti.folder / f"small-{job}.txt").read_text()
    assert tutti.show("small-1")["state"] == "stopped"


@only_in_full
def test_a_preempted_job_goes_on(tutti_in_slurm, slurm, experiment):
    """Slurm looks every half minute whether the time is over that a job has to end."""
    tutti = tutti_in_slurm
    file = experiment(members="[{model: lenet5, seeds: 4}]", epochs=100, training=CHECKPOINTS)
    expected = undisturbed(tutti, file)
    job = submit(tutti, file, "--cpus-per-task=2")
    slurm.wait_for_state(job, "RUNNING")
    wait_for_checkpoints(tutti)
    urgent = slurm("sbatch", "--parsable", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null",
                   "--wrap", "sleep 2").strip()
    slurm.wait_for_state(urgent, "COMPLETED", 240)
    slurm.start_now(job)
    slurm.wait_for_state(job, "COMPLETED", 240)
    assert slurm.field(job, "Restarts") == "1"
    assert slurm.field(job, "PreemptTime") == "None", "or a job that is cancelled now would be taken for a preempted one"
    assert_same_weights(tutti.member_weights("small-1"), expected)


@only_in_full
def test_a_job_whose_node_has_no_power_goes_on(tutti_in_slurm, slurm, long_experiment):
    """After the two minutes that Slurm waits, so that what it still sends to the first start does not meet the second."""
    tutti = tutti_in_slurm
    expected = undisturbed(tutti, long_experiment)
    job = submit(tutti, long_experiment, "--cpus-per-task=2", "--sbatch=nodelist=n2")
    wait_for_checkpoints(tutti)
    sandbox(slurm.box, "cut", "n2")
    slurm.wait_for_state(job, "PENDING")
    sandbox(slurm.box, "up")
    slurm.wait_for_state(job, "COMPLETED", 300)
    assert slurm.field(job, "Restarts") == "1"
    assert_same_weights(tutti.member_weights("small-1"), expected)


def jobs_in(slurm, *options):
    return slurm("squeue", "--noheader", "--format=%j", *options).split()


def test_nodes_come_with_the_work_and_go_with_it(tutti_in_slurm, slurm, experiment):
    """Also when the coordinator is killed meanwhile: it finds its jobs again, and asks for no others in their place."""
    tutti = tutti_in_slurm
    options = ["--allocate", "slurm", "--nodes", 2, "--time", "20:00", "--idle", 1, "--sbatch", "cpus-per-task=1",
               "--listen", f"0.0.0.0:{free_port()}"]
    service = Service(tutti)
    service.start(*options)
    tutti("submit", experiment(members="[{model: lenet5, seeds: 4}]", epochs=60))
    wait_for(lambda: jobs_in(slurm, "--states=RUNNING"), "no node came")
    service.coordinator.kill()
    service.coordinator.wait()
    service.start(*options)
    (name,) = jobs_in(slurm)
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")
    assert slots_of(tutti) == {f"{name}-0:0"}, "members that take seconds share a node"
    wait_for(lambda: not jobs_in(slurm), "nodes that idle were not given back", 120)
    wait_for(lambda: not service.workers(), "workers that are gone for good are still listed", 60)
    assert json.loads((tutti.home / "nodes.json").read_text())["last_number"] == 1, "a job was asked for twice"


@only_in_full
def test_a_gang_gets_a_job_of_as_many_nodes_as_it_needs(tutti_in_slurm, slurm, experiment):
    tutti = tutti_in_slurm
    service = Service(tutti)
    service.start("--allocate", "slurm", "--nodes", 2, "--time", "20:00", "--idle", 1, "--sbatch", "cpus-per-task=1",
                  "--listen", f"0.0.0.0:{free_port()}")
    tutti("submit", experiment(members="[{model: lenet5, seed: 0, slots: 2}]"))
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the gang was not trained")
    assert len({slot.rsplit("-", 1)[0] for slot in slots_of(tutti)}) == 1 and len(slots_of(tutti)) == 2
    wait_for(lambda: not jobs_in(slurm), "nodes that idle were not given back", 120)


def test_a_refusal_of_slurm_is_told_and_nothing_is_left(tutti_in_slurm, slurm, experiment):
    tutti = tutti_in_slurm
    service = Service(tutti)
    service.start("--allocate", "slurm", "--time", "1:00:00", "--sbatch", "partition=short", "--listen",
                  f"0.0.0.0:{free_port()}")
    tutti("submit", experiment())
    log = tutti.home / "coordinator.log"
    wait_for(lambda: "nodes on demand: sbatch says" in log.read_text(), "the refusal is not told", 60)
    assert not jobs_in(slurm)


def test_members_wider_than_a_node_train_on_both(tutti_in_slurm, slurm, experiment):
    """Four members, one of them a gang of two across the nodes; the job's time is up once in the middle."""
    tutti = tutti_in_slurm
    members = "[{model: lenet5, seeds: 3}, {model: {name: mlp, hidden: [32]}, seed: 9, slots: 2, name: wide}]"
    file = experiment(members=members, epochs=6, training=CHECKPOINTS)
    expected = undisturbed(tutti, file)
    job = submit(tutti, file, "--nodes=2", "--cpus-per-task=1")
    wait_for_checkpoints(tutti)
    slurm("scancel", "--batch", "--signal=USR1", job)
    slurm.wait_for_state(job, "PENDING")
    wait_for(lambda: not processes_of(tutti.home), "something of the run was left")
    slurm.start_now(job)
    slurm.wait_for_state(job, "COMPLETED")
    shown = tutti.show("small-1")
    assert shown["state"] == "finished" and shown["members_finished"] == 4
    wide = next(member for member in shown["members"] if member["name"] == "wide")
    assert {slot.split(":")[0] for slot in wide["gang"]} == {"n1", "n2"}
    assert_same_weights(tutti.member_weights("small-1"), expected)
