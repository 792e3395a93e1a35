"""The coordinator as a service: real processes, a real network connection, real kills."""

import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest
from conftest import DEADLINE_S, assert_same_weights, wait_for
from service import CHECKPOINTS, Proxy, Service, attempts_of, try_workers, undisturbed


@pytest.fixture
def service(tutti):
    running = Service(tutti)
    running.start()
    return running


@pytest.fixture
def long_experiment(experiment):
    return experiment(members="[{model: lenet5, seeds: 2}]", epochs=24, training=CHECKPOINTS)


def test_submitted_work_is_trained_by_a_worker_and_answered(service, tutti, experiment):
    service.worker()
    done = tutti("submit", experiment(), "--wait")
    assert "small-1" in done.stdout and "ensemble: mean" in done.stdout
    assert [worker["slots"] for worker in service.workers()] == [2]
    again = tutti("submit", experiment(), "--quiet", "--wait")
    assert again.stdout == "small-1\n", "the same experiment is not trained twice"
    assert tutti("submit", experiment(), "--new", "--quiet", "--key", "monday").stdout == "small-2\n"
    assert tutti("submit", experiment(), "--new", "--quiet", "--key", "monday").stdout == "small-2\n"
    assert tutti("submit", experiment(epochs=3), "--key", "monday", status=1).stderr


def test_work_waits_for_a_worker_and_says_so(service, tutti, experiment):
    tutti("submit", experiment())
    assert "no worker" in tutti("workers").stdout.lower()
    wait_for(lambda: "worker" in tutti("why", "small-1/.inspect").stdout, "why says nothing of workers")
    service.worker()
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")


def test_trainers_outlive_a_killed_coordinator(service, tutti, long_experiment):
    expected = undisturbed(tutti, long_experiment)
    worker = service.worker()
    tutti("submit", long_experiment)
    service.wait_for_steps()
    before = service.trainers()
    assert before
    service.coordinator.kill()
    service.coordinator.wait()
    assert before & service.trainers(), "trainers did not go on"
    service.coordinator = tutti.start("coordinator")
    wait_for(lambda: any(w["connected"] for w in try_workers(service)), "the worker did not come back")
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert {member["attempts"] for member in tutti.show("small-1")["members"]} == {1}, "nothing was started again"
    assert worker.poll() is None
    said = [line for line in worker.output().splitlines() if line.startswith("tutti:")]
    assert len(said) == 2 and "is lost" in said[0] and "again" in said[1], "each change is said once"


def test_a_worker_says_that_it_does_not_trust_what_answers_now(service, tutti, tmp_path):
    token = tmp_path / "token"
    token.write_text((tutti.home / "access/operator.token").read_text())
    token.chmod(0o600)
    worker = service.worker(*service.remote, "--token-file", token)
    service.coordinator.kill()
    service.coordinator.wait()
    wait_for(lambda: "is lost" in worker.output(), "the loss is not said")
    (tutti.home / "access/certificate.pem").unlink()
    (tutti.home / "access/key.pem").unlink()
    service.start("--listen", service.address.removeprefix("https://"))
    wait_for(lambda: "does not show the certificate" in worker.output(), "nothing is said of the certificate")
    assert worker.poll() is None and not service.workers()


def test_a_coordinator_that_is_halted_is_not_waited_for(service, tutti, experiment):
    service.coordinator.send_signal(signal.SIGSTOP)
    for command in (["list"], ["submit", experiment()]):
        began = time.monotonic()
        assert "did not answer within 10 s" in tutti(*command, status=124).stderr
        assert time.monotonic() - began < 20
    service.coordinator.send_signal(signal.SIGCONT)
    tutti("list")


def test_a_killed_worker_takes_its_trainers_along_and_another_goes_on(service, tutti, long_experiment):
    expected = undisturbed(tutti, long_experiment)
    worker = service.worker("--name", "first")
    tutti("submit", long_experiment)
    service.wait_for_steps()
    worker.kill()
    worker.wait()
    wait_for(lambda: not service.trainers(), "trainers outlived their worker", 30)
    service.worker("--name", "second")
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")
    assert_same_weights(expected, tutti.member_weights("small-1"))


def test_a_worker_that_is_asked_to_leave_lets_its_members_checkpoint(service, tutti, long_experiment):
    worker = service.worker()
    tutti("submit", long_experiment)
    service.wait_for_steps()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=DEADLINE_S) == 143
    assert not service.trainers()
    wait_for(lambda: not service.workers(), "it is listed still", 5)
    failures = {member["failures"] for member in tutti.show("small-1")["members"]}
    assert failures == {0}, "nobody's failure"
    service.worker()
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")


def test_two_workers_of_one_host_have_two_names(service):
    service.worker()
    service.worker()
    wait_for(lambda: len(service.workers()) == 2, "two workers did not join")
    names = sorted(worker["id"] for worker in service.workers())
    assert names[1] == names[0] + "-2"


def test_a_second_coordinator_of_the_home_is_refused_naming_the_first(service, tutti):
    refused = tutti("coordinator", status=1)
    assert str(service.coordinator.pid) in refused.stderr


def test_only_who_has_the_token_comes_in(service, tutti, tmp_path):
    token = tutti.home / "access/operator.token"
    assert stat.S_IMODE(os.stat(token).st_mode) == 0o600
    wrong = tmp_path / "wrong"
    wrong.write_text("0123456789abcdef0123456789abcdef\n")
    wrong.chmod(0o600)
    refused = tutti("worker", *service.remote, "--token-file", wrong, status=4)
    assert "token" in refused.stderr and "0123456789abcdef" not in refused.stderr
    wrong.chmod(0o644)
    assert "chmod 600" in tutti("worker", *service.remote, "--token-file", wrong, status=4).stderr
    reader = tutti.home / "access/reader.token"
    assert "looking only" in tutti("worker", *service.remote, "--token-file", reader, status=4).stderr
    assert "small" not in tutti("list", *service.remote, "--token-file", reader).stdout
    secret = token.read_text().strip()
    for file in tutti.home.rglob("*.log"):
        assert secret not in file.read_text()
    service.coordinator.send_signal(signal.SIGTERM)
    assert service.coordinator.wait(timeout=30) == 0


def test_a_worker_without_a_coordinator_says_what_to_do(tutti):
    assert "tutti coordinator" in tutti("worker", "--wait", 0, status=3).stderr
    tutti.environment["TUTTI_TOKEN"] = "0123456789abcdef0123456789abcdef"
    refused = tutti("worker", "--wait", 0, "--server", "127.0.0.1:1", status=3)
    assert "no coordinator answers at https://127.0.0.1:1" in refused.stderr


def test_a_worker_may_start_before_its_coordinator(tutti, experiment):
    worker = tutti.start("worker", "--slots", 2)
    wait_for(lambda: "waits up to" in worker.output(), "the worker does not wait")
    Service(tutti).start()
    tutti("submit", experiment(), "--wait")


def test_a_second_signal_ends_a_worker_at_once(service, tutti, long_experiment):
    worker = service.worker()
    tutti("submit", long_experiment)
    service.wait_for_steps()
    for trainer in service.trainers():
        os.kill(trainer, signal.SIGSTOP)  # it cannot checkpoint: only the second signal ends it
    worker.send_signal(signal.SIGINT)
    time.sleep(0.7)  # what comes within half a second belongs to the first
    assert worker.poll() is None
    worker.send_signal(signal.SIGINT)
    assert worker.wait(timeout=30) == 130
    wait_for(lambda: not service.trainers(), "trainers outlived their worker", 30)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "0.0.0.0:0"])
def test_tls_is_trusted_by_its_fingerprint(tutti, experiment, listen):
    service = Service(tutti)
    service.start("--listen", listen)
    assert service.address.startswith("https://")
    service.worker()  # by the home's socket
    service.worker(*service.remote)
    tutti("submit", experiment(), "--wait")
    assert len(service.workers()) == 2
    refused = tutti("worker", "--server", service.address, "--fingerprint", "0" * 64, status=4)
    assert "fingerprint" in refused.stderr
    assert "small-1" in tutti("list", "--server", service.address).stdout, "the home tells its fingerprint too"
    home, tutti.environment["TUTTI_HOME"] = tutti.home, str(tutti.folder / "elsewhere")
    token = home / "access/operator.token"
    refused = tutti("worker", "--server", service.address, "--token-file", token, status=4)
    assert "--fingerprint" in refused.stderr
    tutti.environment["TUTTI_HOME"] = str(home)
    key = tutti.home / "access/key.pem"
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600


def test_who_asks_for_tls_where_there_is_none_is_told_the_address(tutti):
    service = Service(tutti)
    service.start("--listen", "http://127.0.0.1:0")
    token = tutti.home / "access/operator.token"
    refused = tutti("list", "--server", service.address.removeprefix("http://"), "--token-file", token, status=3)
    assert "does not speak TLS" in refused.stderr and service.address in refused.stderr


def test_without_tls_the_network_is_not_served(tutti):
    assert "TLS" in tutti("coordinator", "--listen", "http://0.0.0.0:0", status=2).stderr


def test_the_sites_own_certificate_is_trusted_by_its_authority(tutti, tmp_path):
    certificate, key = tmp_path / "site.pem", tmp_path / "site-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    key.chmod(0o600)
    service = Service(tutti)
    service.start("--listen", "localhost:0", "--certificate", certificate, "--key", key)
    assert service.address.startswith("https://localhost:")
    assert "trusts" in tutti("worker", "--server", service.address, status=4).stderr
    tutti.environment["SSL_CERT_FILE"] = str(certificate)
    service.worker("--server", service.address)
    wait_for(lambda: service.workers(), "the worker did not join")
    elsewhere = service.address.replace("localhost", "127.0.0.1")  # a name that the certificate does not have
    token = tutti.home / "access/operator.token"
    assert "trusts" in tutti("worker", "--server", elsewhere, "--token-file", token, status=4).stderr


def test_commands_ask_a_coordinator_at_an_address(service, tutti, experiment, tmp_path):
    service.worker()
    tutti.environment["TUTTI_HOME"] = str(tmp_path / "elsewhere")
    token = tutti.home / "access/operator.token"
    remote = [*service.remote, "--token-file", token]
    done = tutti("submit", experiment(), "--wait", *remote)
    assert "ensemble: mean" in done.stdout and "Files:" not in done.stdout
    assert "small-1" in tutti("list", *remote).stdout
    assert "ensemble: mean" in tutti("show", *remote).stdout
    assert "finished" in tutti("why", "small-1/lenet5-s0", *remote).stdout
    tutti("logs", "small-1/lenet5-s0", *remote)
    assert len(json.loads(tutti("workers", "-o", "json", *remote).stdout)["workers"]) == 1
    assert "is removed" in tutti("rm", "small-1", *remote).stdout
    assert not (tmp_path / "elsewhere").exists(), "nothing is written where nothing is asked for"
    tutti.environment["TUTTI_HOME"] = str(tutti.home)


def test_a_profile_names_the_coordinator(service, tutti, tmp_path):
    profile = tmp_path / "config/tutti/coordinator.json"
    profile.parent.mkdir(parents=True)
    secret = (tutti.home / "access/operator.token").read_text().strip()
    profile.write_text(json.dumps({"server": service.address, "token": secret, "fingerprint": service.remote[-1]}))
    home = tutti.environment.pop("TUTTI_HOME")
    tutti.environment["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    profile.chmod(0o644)
    refused = tutti("workers", status=4)
    assert "chmod 600" in refused.stderr and secret not in refused.stderr
    profile.chmod(0o600)
    assert "No worker" in tutti("workers").stdout
    profile.write_text("{}")
    assert "server" in tutti("workers", status=2).stderr
    tutti.environment["TUTTI_HOME"] = home


def test_a_worker_that_is_frozen_loses_its_members_and_does_no_harm_when_it_wakes(tutti, long_experiment):
    expected = undisturbed(tutti, long_experiment)
    service = Service(tutti)
    service.start("--silence-limit", 3)
    frozen = service.worker("--name", "frozen")
    tutti("submit", long_experiment)
    service.wait_for_steps()
    # The machine as a whole: trainers that went on would finish, and be believed.
    old = service.trainers()
    for pid in [frozen.pid, *old]:
        os.kill(pid, signal.SIGSTOP)
    service.worker("--name", "other")
    wait_for(lambda: max(attempts_of(tutti).values()) > 1, "its members did not go on elsewhere")
    for pid in [*old, frozen.pid]:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not old & service.trainers(), "the old trainers were not stopped")
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert frozen.poll() is None, "it goes on lending its slots"
    service.coordinator.send_signal(signal.SIGTERM)
    assert service.coordinator.wait(timeout=30) == 0
    tutti("fsck")


def test_a_connection_that_breaks_again_and_again_costs_nothing(service, tutti, long_experiment):
    expected = undisturbed(tutti, long_experiment)
    proxy = Proxy(int(service.address.rsplit(":", 1)[1]))
    token = tutti.home / "access/operator.token"
    service.worker("--server", proxy.address(), *service.remote[2:], "--token-file", token)
    tutti("submit", long_experiment)
    service.wait_for_steps()
    cuts = 0
    for number in range(6):
        if tutti.show("small-1")["state"] != "running":
            break
        cuts += 1
        proxy.half_close() if number % 3 == 2 else proxy.cut()
        wait_for(lambda: any(w["connected"] for w in service.workers()), "the worker did not come back")
        time.sleep(0.5)
    assert cuts >= 3
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")
    assert_same_weights(expected, tutti.member_weights("small-1"))
    assert set(attempts_of(tutti).values()) == {1}, "trainers went on while nobody was connected"


def test_a_partition_longer_than_the_lease_moves_members_and_the_old_ones_are_stopped(tutti, long_experiment):
    expected = undisturbed(tutti, long_experiment)
    service = Service(tutti)
    service.start("--silence-limit", 3, "--disconnect-grace", 1)
    proxy = Proxy(int(service.address.rsplit(":", 1)[1]))
    token = tutti.home / "access/operator.token"
    service.worker("--name", "cut-off", "--server", proxy.address(), *service.remote[2:], "--token-file", token)
    tutti("submit", long_experiment)
    service.wait_for_steps()
    old = service.trainers()
    for pid in old:
        os.kill(pid, signal.SIGSTOP)  # those that finish are believed
    proxy.holding = True
    service.worker("--name", "other")
    wait_for(lambda: max(attempts_of(tutti).values()) > 1, "its members did not go on elsewhere")
    proxy.holding = False
    for pid in old:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: not old & service.trainers(), "the old trainers were not stopped")
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")
    assert_same_weights(expected, tutti.member_weights("small-1"))


def test_a_certificate_that_changes_is_what_the_home_tells(tutti, tmp_path):
    service = Service(tutti)
    service.start()
    assert "fingerprint" in (tutti.home / "access/address").read_text()
    service.coordinator.send_signal(signal.SIGTERM)
    service.coordinator.wait(timeout=30)
    certificate, key = tmp_path / "site.pem", tmp_path / "site-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   check=True, capture_output=True)
    key.chmod(0o600)
    service.start("--listen", "localhost:0", "--certificate", certificate, "--key", key)
    assert "fingerprint" not in (tutti.home / "access/address").read_text()
    tutti.environment["SSL_CERT_FILE"] = str(certificate)
    (tutti.home / "coordinator.sock").unlink()  # as it is for another machine
    assert "No worker" in tutti("workers").stdout


def test_what_sees_the_home_without_its_socket_asks_over_the_network(service, tutti, experiment):
    (tutti.home / "coordinator.sock").unlink()
    tutti("submit", experiment(), "--quiet")
    assert "small-1" in tutti("list").stdout
    tutti("cancel", "small-1")
    assert service.coordinator.poll() is None, "the service was not deposed"
    worker = service.worker()
    wait_for(lambda: service.workers(), "the worker did not join")
    assert worker.poll() is None


def test_the_homes_token_is_shown_to_its_coordinator_alone(service, tutti):
    refused = tutti("list", "--server", "127.0.0.1:1", "--fingerprint", "0" * 64, status=2)
    assert "no token" in refused.stderr
    tutti.environment["TUTTI_TOKEN"] = "0123456789abcdef0123456789abcdef"
    assert "TLS" in tutti("list", "--server", "http://192.0.2.1:7350", status=2).stderr


def test_strangers_do_not_lock_out_the_homes_user(service, tutti):
    port = int(service.address.rsplit(":", 1)[1])
    strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(600)]
    assert "No worker" in tutti("workers").stdout
    for stranger in strangers:
        stranger.close()
