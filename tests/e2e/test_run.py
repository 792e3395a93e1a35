"""From an experiment file to an answer."""

import json
import subprocess

import numpy
import pytest
from conftest import assert_same_weights, read_idx
from safetensors.numpy import load_file


DIVERGES = "{model: lenet5, seeds: 1, training: {optimizer: {lr: 1.0e+20}}}"
ONE_OF_THREE_DIVERGES = f"[{{model: {{name: mlp, hidden: [16]}}, seeds: 2}}, {DIVERGES}]"


def softmax(logits):
    shifted = numpy.exp(logits.astype(numpy.float64) - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def metrics_of(probabilities, labels, bins=15):
    chosen = probabilities[numpy.arange(len(labels)), labels]
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    one_hot = numpy.eye(probabilities.shape[1])[labels]
    ece = 0.0
    index = numpy.clip(numpy.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    for number in range(bins):
        inside = index == number
        if inside.any():
            ece += inside.mean() * abs((predicted[inside] == labels[inside]).mean() - confidence[inside].mean())
    return {
        "accuracy": (predicted == labels).mean(),
        "nll": -numpy.log(chosen).mean(),
        "brier": ((probabilities - one_hot) ** 2).sum(axis=1).mean(),
        "ece": ece,
    }


@pytest.fixture
def finished(tutti, experiment):
    output = tutti("run", experiment()).stdout
    return "small-1", output


def test_run_answers_with_a_table_and_files(tutti, finished, small_data):
    ensemble, output = finished
    for word in ("mean", "vote", "NLL", "lenet5-s0"):
        assert word in output, output
    folder = tutti.home / ensemble
    results = json.loads((folder / "results.json").read_text())
    assert (folder / "results.csv").read_text().count("\n") >= 6
    assert (folder / "resolved.yaml").exists() and (folder / "provenance.json").exists()

    # Everything that the table says, from the members' predictions with NumPy.
    labels_of_test = read_idx(small_data / "t10k-labels-idx1-ubyte").astype(int)
    members = {}
    for file in folder.glob("members/*/attempt-*/predictions/*/test.safetensors"):
        predictions = load_file(file)
        labels = labels_of_test[predictions["ids"] - 3000]
        members[file.parts[-5]] = softmax(predictions["logits"])
    assert set(members) == {"lenet5-s0", "lenet5-s1", "mlp-s0"}
    mean = numpy.mean(list(members.values()), axis=0)
    test = results["splits"]["test"]
    for name, probabilities in members.items():
        for metric, value in metrics_of(probabilities, labels).items():
            assert test["members"][name][metric] == pytest.approx(value, abs=2e-6), (name, metric)
    for metric, value in metrics_of(mean, labels).items():
        assert test["combiners"]["mean"][metric] == pytest.approx(value, abs=2e-6), metric
    votes = sum(numpy.eye(10)[probabilities.argmax(axis=1)] for probabilities in members.values())
    voted = (votes + 1e-6 * mean).argmax(axis=1)
    assert test["combiners"]["vote"]["accuracy"] == pytest.approx((voted == labels).mean())
    answer = load_file(folder / "ensemble/test.safetensors")
    assert numpy.allclose(answer["probabilities"], mean, atol=1e-6)


def test_same_experiment_again_is_shown_and_not_trained(tutti, finished, experiment):
    again = tutti("run", experiment())
    assert "small-1" in again.stdout
    assert [entry["id"] for entry in json.loads(tutti("list", "-o", "json").stdout)["ensembles"]] == ["small-1"]
    assert tutti.show("small-1")["members"][0]["attempts"] == 1


def test_new_starts_another_and_gives_the_same_bits(tutti, finished, experiment):
    tutti("run", experiment(), "--new", "--quiet")
    assert_same_weights(tutti.member_weights("small-1"), tutti.member_weights("small-2"))


def test_seeds_differ(tutti, finished):
    weights = tutti.member_weights("small-1")
    assert not numpy.array_equal(weights["lenet5-s0"]["conv1.weight"], weights["lenet5-s1"]["conv1.weight"])


def test_python_user_gets_the_same_logits(tutti, finished, small_data):
    import torch
    from torch import nn

    class LeNet5(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

        def forward(self, x):
            x = torch.max_pool2d(torch.relu(self.conv1(x)), 2)
            x = torch.max_pool2d(torch.relu(self.conv2(x)), 2)
            x = torch.relu(self.fc1(x.flatten(1)))
            return self.fc3(torch.relu(self.fc2(x)))

    from safetensors.torch import load_file as load_torch

    shown = tutti.show("small-1")
    member = next(member for member in shown["members"] if member["name"] == "lenet5-s0")
    newest = max(member["checkpoints"], key=lambda checkpoint: checkpoint["step"])
    folder = tutti.home / "small-1"
    model = LeNet5()
    model.load_state_dict(load_torch(folder / newest["folder"] / "model.safetensors"))

    split = load_file(folder / "split.safetensors")
    training = read_idx(small_data / "train-images-idx3-ubyte")[split["training"]] / 255.0
    images = read_idx(small_data / "t10k-images-idx3-ubyte") / 255.0
    inputs = torch.tensor((images - training.mean()) / training.std(), dtype=torch.float32).unsqueeze(1)
    with torch.no_grad():
        logits = model(inputs).numpy()
    written = load_file(next(folder.glob("members/lenet5-s0/attempt-*/predictions/last/test.safetensors")))
    order = numpy.argsort(written["ids"])
    assert numpy.allclose(written["logits"][order], logits, atol=1e-4)


def test_resolved_experiment_is_the_same_ensemble(tutti, finished):
    again = tutti("run", tutti.home / "small-1/resolved.yaml")
    assert "small-1" in again.stdout
    assert not (tutti.home / "small-2").exists()


def test_mistakes_are_all_named_and_nothing_is_written(tutti, experiment):
    file = experiment(members="[{model: lenet6, seeds: [1, 1]}]", training="  batch_sise: 3")
    done = tutti("run", file, status=2)
    assert "lenet5" in done.stderr and "batch_size" in done.stderr and "batch_sise" in done.stderr
    assert f"{file.name}:" in done.stderr
    assert not tutti.home.exists()


def test_validate_resolved_parses_to_itself(tutti, experiment):
    resolved = tutti("validate", experiment(), "--resolved").stdout
    file = tutti.folder / "resolved.yaml"
    file.write_text(resolved)
    assert tutti("validate", file, "--resolved").stdout == resolved


def test_set_changes_a_default(tutti, experiment):
    file = experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]")
    tutti("run", file, "--set", "training.epochs=1", "--quiet")
    assert tutti.show()["members"][0]["epochs"] == 1


def test_missing_data_says_what_to_do(tutti, experiment, small_data):
    file = experiment()
    file.write_text(file.read_text().replace(str(small_data), str(tutti.folder / "nowhere")))
    done = tutti("run", file, status=1)
    assert "nowhere" in done.stdout + done.stderr


def test_diverging_member_leaves_an_incomplete_answer(tutti, experiment):
    done = tutti("run", experiment(members=ONE_OF_THREE_DIVERGES), status=5)
    assert "2 of 3 members" in done.stdout
    shown = tutti.show()
    failed = next(member for member in shown["members"] if member["name"] == "lenet5-s0")
    assert failed["state"] == "failed" and failed["attempts"] == 1
    assert "step" in failed["reason"] + failed["last_error"]


def test_minimum_members_makes_it_complete_enough(tutti, experiment):
    enough = "ensemble: {combiner: mean, minimum_members: 2}"
    tutti("run", experiment(members=ONE_OF_THREE_DIVERGES, ensemble=enough), status=0)


def test_all_members_failed_is_no_answer(tutti, experiment):
    tutti("run", experiment(members=f"[{DIVERGES}]"), status=1)


def test_gang_of_two_learns_what_one_slot_learns(tutti, experiment):
    training = "  checkpoint: {every: 1 epoch}"
    tutti("run", experiment(name="one", members="[{model: lenet5, seeds: 1}]", training=training), "--quiet")
    tutti("run", experiment(name="two", members="[{model: lenet5, seeds: 1, slots: 2}]", training=training), "--quiet",
          "--slots", 2)
    one, two = tutti.show("one-1")["members"][0], tutti.show("two-1")["members"][0]
    assert len(two["gang"]) == 2
    assert len(one["curve"]) == len(two["curve"]) == 2
    for first, second in zip(one["curve"], two["curve"]):
        assert first["train_loss"] == pytest.approx(second["train_loss"], abs=1e-3)


def test_wide_gang_that_can_never_fit_is_refused_with_the_reason(tutti, experiment):
    done = tutti("run", experiment(members="[{model: lenet5, seeds: 1, slots: 64}]"), "--slots", 2, status=2)
    assert "64" in done.stdout + done.stderr


def test_rm_du_list_show_logs_of_an_ended_ensemble(tutti, finished):
    assert "small-1" in tutti("list").stdout
    assert "small-1" in tutti("du").stdout
    assert "lenet5-s0" in tutti("show", "small-1").stdout
    assert tutti("logs", "small-1/lenet5-s0").returncode == 0
    tutti("show", "small-7", status=6)
    tutti("fsck")
    tutti("rm", "small-1")
    assert not (tutti.home / "small-1").exists()
    tutti("show", "small-1", status=6)


def test_wrong_usage_is_exit_2(tutti):
    tutti("no-such-command", status=2)
    tutti("run", status=2)
    tutti("run", "no-such-file.yaml", status=2)


def test_piped_output_has_no_colour_and_closed_pipe_is_quiet(tutti, experiment):
    output = tutti("run", experiment()).stdout
    assert "\x1b" not in output
    done = subprocess.run(f"{tutti.program} show small-1 | head -n 1", shell=True, capture_output=True, text=True,
                          env=tutti.environment, cwd=tutti.folder)
    assert done.stderr == ""
