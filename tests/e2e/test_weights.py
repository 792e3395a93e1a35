"""Members that begin with the weights of a file, which travels with the experiment."""

import json
import shutil
import signal

import numpy
import pytest
from conftest import Tutti, assert_same_weights, wait_for
from safetensors.numpy import load_file, save_file
from service import Service
from test_transfer import Elsewhere

# Steps that are too small to change a weight: a member ends with what it began with.
STILL = "  optimizer: {name: sgd, lr: 1.0e-30}\n  schedule: constant"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_data):
    """Weights of a LeNet-5 that was trained a little."""
    tutti = Tutti(tmp_path_factory.mktemp("trained"))
    file = tutti.folder / "first.yaml"
    file.write_text(f"""\
version: 1
name: first
data: {{source: idx, path: {small_data}, validation: 500}}
training: {{epochs: 1}}
members: [{{model: lenet5, seed: 5, name: lenet}}]
""")
    tutti("run", file, "--quiet", "--slots", 1)
    checkpoints = tutti.show("first-1")["members"][0]["checkpoints"]
    return tutti.home / "first-1" / checkpoints[-1]["folder"] / "model.safetensors"


@pytest.fixture
def start(tutti, trained):
    """A file of weights beside the experiment, and the experiment that names it."""
    weights = tutti.folder / "start.safetensors"
    shutil.copy(trained, weights)
    file = tutti.folder / "small.yaml"
    data = json.loads((trained.parents[4] / "resolved.json").read_text())["data"]["path"]
    file.write_text(f"""\
version: 1
name: small
data: {{source: idx, path: {data}, validation: 500}}
training:
  epochs: 1
{STILL}
members:
  - model: {{name: lenet5, weights: start.safetensors}}
    seeds: 2
""")
    return file


def assert_begun_with(tutti, weights, ensemble="small-1"):
    expected = load_file(weights)
    for member, found in tutti.member_weights(ensemble).items():
        assert_same_weights({member: expected}, {member: found})


def kept(tutti):
    folder = tutti.home / "files"
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} if folder.exists() else {}


def test_members_begin_with_the_file_that_travelled_with_a_submission(tutti, start, trained):
    service = Service(tutti)
    service.start()
    service.worker()
    tutti("submit", start, "--wait")
    assert_begun_with(tutti, trained)
    first = kept(tutti)
    assert len(first) == 1
    assert (tutti.home / "files").stat().st_mode & 0o777 == 0o700
    assert tutti("submit", start, "--quiet", "--wait").stdout == "small-1\n", "the same file is the same experiment"
    assert tutti("submit", start, "--new", "--quiet", "--wait").stdout == "small-2\n"
    assert kept(tutti) == first, "what is there is not sent again"
    assert_begun_with(tutti, trained, "small-2")
    provenance = json.loads((tutti.home / "small-1/provenance.json").read_text())
    assert provenance["files"] == [{"path": str(tutti.folder / "start.safetensors"), "sha256": next(iter(first))}]
    again = tutti("submit", tutti.home / "small-1/resolved.yaml", "--quiet", "--wait")
    assert again.stdout == "small-2\n", "the newest of the same: the resolved experiment names its own copy"
    other = load_file(trained)
    other["conv1.bias"] = other["conv1.bias"] + numpy.float32(1)
    save_file(other, tutti.folder / "start.safetensors")
    assert tutti("submit", start, "--quiet", "--wait").stdout == "small-3\n", "another content is another experiment"
    assert_begun_with(tutti, tutti.folder / "start.safetensors", "small-3")
    tutti("rm", "small-3")
    assert not (tutti.home / "small-3").exists()
    service.coordinator.send_signal(signal.SIGTERM)
    assert service.coordinator.wait(timeout=30) == 0
    tutti("fsck")


def test_what_happens_to_the_file_later_changes_nothing(tutti, start, trained):
    service = Service(tutti)
    service.start()
    tutti("submit", start)
    (tutti.folder / "start.safetensors").write_bytes(b"something else")
    shutil.rmtree(tutti.home / "files")
    service.worker()
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "the work was not done")
    assert_begun_with(tutti, trained)


def test_a_worker_that_does_not_see_the_home_is_sent_the_file(tutti, start, trained, tmp_path):
    service = Service(tutti)
    service.start()
    elsewhere = Elsewhere(service, tmp_path)
    elsewhere.worker()
    tutti("submit", start, "--wait")
    assert_begun_with(tutti, trained)
    assert list(elsewhere.scratch.glob("*/homes/*/small-1/files/*.safetensors"))


@pytest.mark.parametrize("sees_home", [True, False])
def test_from_a_damaged_copy_nothing_begins(tutti, start, trained, tmp_path, sees_home):
    service = Service(tutti)
    service.start()
    tutti("submit", start)
    copy = next((tutti.home / "small-1/files").glob("*.safetensors"))
    content = bytearray(copy.read_bytes())
    content[-100] ^= 0x40  # a weight, twice as large or half
    copy.write_bytes(content)
    service.worker() if sees_home else Elsewhere(service, tmp_path).worker()
    wait_for(lambda: tutti.show("small-1")["state"] == "failed", "it began", 60)
    error = tutti.show("small-1")["members"][0]["last_error"]
    assert f"the weights {tutti.folder / 'start.safetensors'}" in error and "is damaged: its SHA-256" in error, error
    shutil.copy(trained, copy)
    tutti("resume", "small-1")
    wait_for(lambda: tutti.show("small-1")["state"] == "finished", "it does not go on with the file put right", 120)
    assert_begun_with(tutti, trained)


def test_a_run_copies_the_file_too(tutti, start, trained):
    tutti("run", start, "--quiet", "--slots", 2)
    assert_begun_with(tutti, trained)
    assert "has trained this experiment already" in tutti("run", start).stdout
    tutti("run", tutti.home / "small-1/resolved.yaml", "--quiet", "--slots", 2)
    assert not (tutti.home / "small-2").exists()


def test_mistakes_are_said_where_they_stand(tutti, start, trained):
    weights = tutti.folder / "start.safetensors"
    weights.unlink()
    for command in ("run", "submit", "validate"):
        said = tutti(command, start, status=2).stderr
        assert f"{start}:9:36: members[].model.weights names {weights}, which cannot be used" in said, said
    weights.write_text("These are words, and no weights.")
    assert "not a safetensors file" in tutti("run", start, status=2).stderr


def test_weights_of_another_model_are_refused_by_name(tutti, start, trained):
    start.write_text(start.read_text().replace("name: lenet5", "name: mlp"))
    tutti("run", start, "--slots", 2, status=1)
    error = tutti.show("small-1")["members"][0]["last_error"]
    assert f"cannot begin with the weights {tutti.folder / 'start.safetensors'}" in error, error
    assert "tensor 'fc1.weight' has the shape" in error, error
