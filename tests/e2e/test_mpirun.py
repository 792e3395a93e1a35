"""`mpirun ... tutti run`: rank 0 coordinates, every rank is a worker. Real ranks, real kills."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import ROOT, assert_same_weights, full_counts, processes_of, wait_for
from service import CHECKPOINTS, undisturbed

# Both: either alone does not do (docs/mpi.md).
SURVIVES = ["--mca", "orte_abort_on_non_zero_status", "0", "--enable-recovery"]
# Two members on a slot each, a gang of two and one of three: across three workers of a slot each.
MEMBERS = """
  - {model: {name: mlp, hidden: [32]}, seeds: 2}
  - {model: lenet5, seeds: 1, slots: 2}
  - {model: {name: mlp, hidden: [16]}, name: wide, seeds: 1, slots: 3}"""


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


class Launch:
    """One mpirun with `ranks` workers of a slot each, in a group of its own."""

    def __init__(self, tutti, ranks=3, options=SURVIVES):
        self.tutti, self.ranks, self.options = tutti, ranks, list(options)
        tutti.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")

    def command(self):
        return ["mpirun", "-np", str(self.ranks), "--oversubscribe", "--bind-to", "none", *self.options]

    def start(self, *arguments):
        self.mpirun = self.tutti.start("run", *arguments, "--slots", 1, within=self.command())
        return self.mpirun

    def run(self, *arguments, status=0, deadline_s=120):
        """To its end; what it printed."""
        done = subprocess.run([*self.command(), self.tutti.program, *map(str, arguments)], capture_output=True,
                              text=True, cwd=self.tutti.folder, env=self.tutti.environment, timeout=deadline_s,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def rank_pids(self):
        """The processes of the outer ranks, by rank."""
        found = {}
        for pid, text in processes_of(self.tutti.home):
            if " run " not in text or text.startswith("mpirun"):
                continue
            rank = re.search(rb"\0OMPI_COMM_WORLD_RANK=(\d+)\0", Path(f"/proc/{pid}/environ").read_bytes())
            if rank:
                found[int(rank[1])] = pid
        return found

    def trainers(self):
        return [pid for pid, text in processes_of(self.tutti.home) if "tutti-trainer train" in text]

    def wait_for_steps(self, width=None):
        """Until a running member, one of that many slots if it is named, has a committed checkpoint."""
        def committed():
            shown = self.tutti.try_show()
            return shown and any(member["state"] == "running" and member["checkpoints"] and
                                 width in (None, len(member["gang"])) for member in shown["members"])
        wait_for(committed, f"no checkpoint appeared\n{self.mpirun.output()}", 60)

    def ends(self, status=0, deadline_s=120):
        code = self.mpirun.wait(timeout=deadline_s)
        assert code == status, f"exit {code}\n{self.mpirun.output()}"
        wait_for(lambda: not processes_of(self.tutti.home), f"left behind: {processes_of(self.tutti.home)}", 20)

    def finished_as(self, weights):
        self.tutti("show", "--exit-code")
        shown = self.tutti.show()
        assert shown["state"] == "finished" and shown["members_finished"] == len(weights), self.mpirun.output()
        assert_same_weights(weights, self.tutti.member_weights(shown["id"]))
        self.tutti("fsck")


@pytest.fixture
def launch(tutti):
    return Launch(tutti)


@pytest.fixture
def mixed(experiment):
    return experiment(members=MEMBERS, epochs=3, training=CHECKPOINTS)


@pytest.fixture(scope="module")
def known():
    return {}


@pytest.fixture
def expected(known, tutti, mixed):
    """What the experiment comes to when `tutti run` trains it alone."""
    if not known:
        known.update(undisturbed(tutti, mixed, slots=3))
    return known


def test_three_ranks_train_what_one_process_would(launch, tutti, mixed, expected):
    launch.start(mixed)
    wait_for(lambda: launch.trainers(), f"nothing trains\n{launch.mpirun.output()}", 60)
    secret = re.compile(rb"[0-9a-f]{64}")
    for rank, pid in launch.rank_pids().items():
        for told in ("cmdline", "environ"):
            assert not secret.search(Path(f"/proc/{pid}/{told}").read_bytes()), f"rank {rank}: a secret in its {told}"
    assert not list((tutti.home / "access").glob("*token*")), "the run's token is nobody else's"
    assert not (tutti.home / "access/address").exists()
    launch.ends()
    output = launch.mpirun.output()
    assert "3 ranks on 1 machine lend 3 slots." in output
    assert output.count("small-1 starts.") == 1, output
    assert "small-1: finished, 4 members" in output
    assert "enable-recovery" not in output, "it was given"
    widths = {member["name"]: member["attempts"] for member in tutti.show()["members"]}
    assert set(widths.values()) == {1}, widths
    launch.finished_as(expected)

    again = launch.run("run", mixed, "--slots", 1)
    assert "has trained this experiment already" in again.stdout and again.stdout.count("small-1: finished") == 1
    assert again.stderr == ""


def kill_worker_rank(launch):
    os.kill(launch.rank_pids()[2], signal.SIGKILL)


def kill_trainer(launch):
    os.kill(launch.trainers()[0], signal.SIGKILL)


def kill_rank_of_gang(launch):
    """The second trainer of the gang of two."""
    for pid in launch.trainers():
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if b"\0OMPI_COMM_WORLD_SIZE=2\0" in environment and b"\0OMPI_COMM_WORLD_RANK=1\0" in environment:
            return os.kill(pid, signal.SIGKILL)
    raise AssertionError("there is no second rank")


def test_a_rank_that_dies_does_not_end_the_run(launch, tutti, experiment):
    """Two workers of three are left: what fits them comes to its end."""
    file = experiment(members="[{model: {name: mlp, hidden: [32]}, seeds: 3}, {model: lenet5, seeds: 1, slots: 2}]",
                      epochs=3, training=CHECKPOINTS)
    expected = undisturbed(tutti, file)
    launch.start(file, "--disconnect-grace", 1)
    launch.wait_for_steps()
    kill_worker_rank(launch)
    launch.ends()
    launch.finished_as(expected)


@pytest.mark.parametrize("victim", [kill_trainer, kill_rank_of_gang])
def test_a_trainer_that_dies_is_tried_again(launch, tutti, mixed, expected, victim):
    launch.start(mixed)
    launch.wait_for_steps(width=2)
    victim(launch)
    launch.ends()
    assert max(member["attempts"] for member in tutti.show()["members"]) == 2
    launch.finished_as(expected)


@pytest.mark.parametrize("victim", ["rank 0", "mpirun", "mpirun, by SIGTERM"] if full_counts() else
                         ["rank 0", "mpirun"])
def test_what_is_lost_with_its_head_goes_on_with_the_same_command(launch, tutti, mixed, expected, victim):
    launch.start(mixed)
    launch.wait_for_steps()
    if victim == "rank 0":
        os.kill(launch.rank_pids()[0], signal.SIGKILL)
    elif "SIGTERM" in victim:
        launch.mpirun.terminate()
    else:
        launch.mpirun.kill()
    launch.mpirun.wait(timeout=90)
    wait_for(lambda: not processes_of(tutti.home), f"left behind: {processes_of(tutti.home)}", 20)
    # mpirun leaves its ranks a second after SIGTERM, which may do for checkpoints or may not.
    why = ("on request", "is gone") if "SIGTERM" in victim else ("is gone",)
    said = tutti("show", "--exit-code", status=1).stderr
    assert "has not ended" in said and any(words in said for words in why), said
    launch.start(mixed)
    launch.ends()
    assert "small-1 goes on where it stopped." in launch.mpirun.output()
    launch.finished_as(expected)


def test_sigusr1_to_mpirun_has_every_member_checkpoint(launch, tutti, mixed, expected):
    launch.start(mixed)
    launch.wait_for_steps()
    launch.mpirun.send_signal(signal.SIGUSR1)
    launch.ends()
    output = launch.mpirun.output()
    assert output.count("members write their checkpoints") == 1 and "the same command again" in output, output
    shown = tutti.show()
    assert shown["state"] == "stopped" and shown["note"] == "on request", shown["note"]
    assert all(member["checkpoints"] for member in shown["members"] if member["attempts"])
    launch.start(mixed)
    launch.ends()
    launch.finished_as(expected)


def test_a_rank_that_hangs_is_done_without(launch, tutti, experiment):
    """Longer than the lease, its trainer too: its member goes on elsewhere, and once awake it is told to stop."""
    file = experiment(members="[{model: lenet5, seeds: 3}]", epochs=8, training=CHECKPOINTS)
    expected = undisturbed(tutti, file)
    launch.start(file, "--silence-limit", 4)
    launch.wait_for_steps()
    rank = launch.rank_pids()[1]
    halted = [rank, *(pid for pid in launch.trainers() if parent_of(pid) == rank)]
    assert len(halted) == 2, "it trains nothing"
    for pid in halted:
        os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: max(member["attempts"] for member in tutti.show()["members"]) == 2, "its member was not taken", 60)
    for pid in halted:
        os.kill(pid, signal.SIGCONT)
    launch.ends()
    launch.finished_as(expected)


def test_a_member_wider_than_what_is_left_ends_the_run(launch, tutti, experiment):
    file = experiment(members="[{model: lenet5, seeds: 1, slots: 3}]", epochs=12, training=CHECKPOINTS)
    launch.start(file, "--disconnect-grace", 1)
    launch.wait_for_steps()
    kill_worker_rank(launch)
    launch.ends()
    output = launch.mpirun.output()
    assert "lenet5-s0 needs 3 slots at once" in output and "2 slots are left" in output, output
    assert "the same command again" in output
    assert tutti.show()["state"] == "stopped"


def test_what_is_wrong_is_said_once(launch, tutti, experiment):
    plain = Launch(tutti, options=[])
    broken = tutti.folder / "broken.yaml"
    broken.write_text("version: 1\nname: broken\nmembars: []\n")
    too_wide = experiment("wide", members="[{model: lenet5, seeds: 1, slots: 4}]")
    for arguments, words in (
            ([broken], "membars"), ([too_wide], "needs 4 slots at once"), ([broken, "--slots", "none"], "--slots")):
        own = [] if "--slots" in arguments else ["--slots", 1]
        done = plain.run("run", *arguments, *own, status=2)
        said = [line for line in done.stderr.splitlines() if words in line]
        assert len(said) == 1, done.stderr
        # mpirun with both options says nothing of codes: what is printed has to.
        done = launch.run("run", *arguments, *own)
        assert len([line for line in done.stderr.splitlines() if words in line]) == 1, done.stderr
    assert not tutti.home.exists() or not list(tutti.home.glob("*-1"))


def test_a_launch_without_the_options_says_what_that_means(tutti, experiment):
    plain = Launch(tutti, ranks=2, options=[])
    file = experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 4}]", epochs=12, training=CHECKPOINTS)
    plain.start(file)
    plain.wait_for_steps()
    os.kill(plain.rank_pids()[1], signal.SIGKILL)
    plain.ends(status=137)
    output = plain.mpirun.output()
    assert output.count("orte_abort_on_non_zero_status 0 --enable-recovery") == 1, output
    assert tutti.show()["state"] == "stopped"


def test_a_launch_of_one_is_no_launch(tutti, experiment):
    one = Launch(tutti, ranks=1, options=[])
    tutti.environment["TUTTI_MPI_MODULE"] = "/nowhere"
    done = one.run("run", experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]", epochs=1), "--slots", 1)
    assert "small-1: finished" in done.stdout and "\x1b" not in done.stdout, "lines, whatever terminal mpirun gives it"
    two = Launch(tutti, ranks=2, options=[]).run("run", "nothing.yaml", status=6)
    assert two.stderr.count("what speaks MPI cannot be loaded") == 1, two.stderr


def test_a_rank_that_never_comes_holds_up_nobody_for_ever(tutti, experiment):
    """The second is none of tutti's: MPI waits for it."""
    tutti.environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", TUTTI_MEETING_TIMEOUT="2")
    started = time.monotonic()
    done = subprocess.run(
        ["mpirun", "--oversubscribe", "--bind-to", "none", "-np", "1", tutti.program, "run", experiment(), ":", "-np", "1",
         "sleep", "60"], capture_output=True, text=True, env=tutti.environment, cwd=tutti.folder, timeout=60)
    assert done.returncode == 124 and "not all ranks have met within 2 s" in done.stderr, done.stderr
    assert time.monotonic() - started < 30


def test_the_script_ends_as_the_run_did(launch, tutti, experiment):
    members = "[{model: {name: mlp, hidden: [8]}, seeds: 1}]"
    script = ROOT / "scripts/mpirun.sh"
    environment = dict(tutti.environment, PATH=f"{tutti.program.parent}:{tutti.environment['PATH']}")

    def run(file, *options):
        return subprocess.run([script, "-np", "2", "--oversubscribe", "--bind-to", "none", "--", file, "--slots", "1",
                               *options], capture_output=True, text=True, cwd=tutti.folder, env=environment, timeout=60)
    done = run(experiment(members=members, epochs=1))
    assert done.returncode == 0 and done.stdout.startswith("small-1\n") and "answers" in done.stdout, done
    diverging = experiment("lost", members=members, epochs=1)
    diverging.write_text(diverging.read_text().replace("lr: 0.05", "lr: 1.0e+30"))
    done = run(diverging, "--home", tutti.folder / "elsewhere")
    assert done.returncode == 1 and done.stdout.startswith("lost-1\n"), done
    done = run(tutti.folder / "nothing.yaml")
    assert done.returncode == 1 and done.stderr.count("nothing.yaml") == 1, done


# ---- hosts apart: two network namespaces, each with a name, /etc/hosts and folders of its own ----

HOSTS = {"east": "10.77.41.1", "west": "10.77.41.2"}


def why_no_hosts():
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "ip is missing: install iproute2"
    tried = subprocess.run(["unshare", "--net", "--uts", "--mount", "true"], capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode != 0 else ""


class Hosts:
    """Two machines, as far as names, addresses and folders go, and in place of ssh a script that enters them with an
    environment as bare as ssh's."""

    def __init__(self, folder):
        self.folder, self.holders = folder, {}
        names = folder / "hosts"
        names.write_text("127.0.0.1 localhost\n" + "".join(f"{ip} {name}\n" for name, ip in HOSTS.items()))
        for name in HOSTS:
            (folder / name).mkdir(mode=0o700)
            script = (f"hostname {name} && mount --bind {names} /etc/hosts && mkdir -p -m 700 /tmp/tutti-0 && "
                      f"mount --bind {folder / name} /tmp/tutti-0 && ip link set lo up && touch {folder}/{name}.up && "
                      "exec sleep 3600")
            self.holders[name] = subprocess.Popen(["unshare", "--net", "--uts", "--mount", "sh", "-ec", script])
        wait_for(lambda: all((folder / f"{name}.up").exists() for name in HOSTS), "no hosts came up", 20)
        east, west = (str(self.holders[name].pid) for name in HOSTS)
        self.ip("link", "add", "veth0", "netns", east, "type", "veth", "peer", "name", "veth0", "netns", west)
        for name, ip in HOSTS.items():
            self.within(name, "ip", "addr", "add", f"{ip}/24", "dev", "veth0")
            self.within(name, "ip", "link", "set", "veth0", "up")
        self.agent = folder / "agent"
        entries = "".join(f"{name}) pid={holder.pid} ;;\n" for name, holder in self.holders.items())
        self.agent.write_text("#!/bin/sh\nhost=$1\nshift\ncase $host in\n" + entries +
                              "*) echo \"no host $host\" >&2; exit 255 ;;\nesac\n"
                              "exec env -i PATH=/usr/bin:/bin HOME=\"$HOME\" "
                              "nsenter --target $pid --net --uts --mount sh -c \"$*\"\n")
        self.agent.chmod(0o755)

    def ip(self, *arguments):
        subprocess.run(["ip", *arguments], check=True, timeout=10)

    def enter(self, name):
        return ["nsenter", "--target", str(self.holders[name].pid), "--net", "--uts", "--mount", "--"]

    def within(self, name, *command):
        subprocess.run([*self.enter(name), *command], check=True, timeout=10)

    def remove(self):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()


@pytest.fixture
def hosts(tmp_path):
    if reason := why_no_hosts():
        pytest.skip(reason)
    made = Hosts(tmp_path)
    yield made
    made.remove()


class LaunchAcross(Launch):
    """A rank on the first host, two on the second."""

    def __init__(self, tutti, hosts, places="east:1,west:2"):
        super().__init__(tutti)
        self.hosts, self.places = hosts, places

    def command(self):
        return [*self.hosts.enter("east"), *super().command(), "--host", self.places, "--mca", "plm_rsh_agent",
                str(self.hosts.agent), "--wdir", str(self.tutti.folder)]


def train_across(hosts, tutti, experiment):
    mixed = experiment(members=MEMBERS, epochs=3, training=CHECKPOINTS)
    expected = undisturbed(tutti, mixed, slots=3)
    launch = LaunchAcross(tutti, hosts)
    launch.start(mixed)
    wait_for(lambda: any(member["name"] == "wide-s0" and member["gang"] for member in
                         (tutti.try_show() or {"members": []})["members"]),
             "the gang of three did not start", 90)
    gang = next(member["gang"] for member in tutti.show()["members"] if member["name"] == "wide-s0")
    assert {slot.split(":")[0] for slot in gang} == {"east", "west", "west-2"}, gang
    launch.ends()
    assert "3 ranks on 2 machines lend 3 slots." in launch.mpirun.output()
    assert {member["attempts"] for member in tutti.show()["members"]} == {1}
    launch.finished_as(expected)


def lose_a_host(hosts, tutti, experiment):
    """With mpirun's daemon there, by which mpirun lives: the run ends, and goes on without that host."""
    file = experiment(members="[{model: lenet5, seeds: 3}]", epochs=8, training=CHECKPOINTS)
    expected = undisturbed(tutti, file)
    launch = LaunchAcross(tutti, hosts)
    launch.start(file)
    launch.wait_for_steps()
    there = os.readlink(f"/proc/{hosts.holders['west'].pid}/ns/net")
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.readlink(entry / "ns/net") == there:
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue
    launch.mpirun.wait(timeout=120)
    wait_for(lambda: not processes_of(tutti.home), f"left behind: {processes_of(tutti.home)}", 20)
    assert tutti.show()["state"] == "stopped"
    alone = LaunchAcross(tutti, hosts, "east:3")
    alone.start(file)
    alone.ends()
    assert "3 ranks on 1 machine lend 3 slots." in alone.mpirun.output()
    alone.finished_as(expected)


@pytest.mark.parametrize("story", [train_across, lose_a_host] if full_counts() else [train_across])
def test_ranks_on_two_hosts(hosts, tutti, experiment, story):
    story(hosts, tutti, experiment)
