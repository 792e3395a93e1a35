#!/usr/bin/env python3
"""Writes numpy_fixture.json: what NumPy says that the ensemble's numbers are, for numpy_test.cc.

Run it again after a change of a definition: .venv/bin/python tests/ensemble/make_numpy_fixture.py
Nothing here is shared with the C++ code: each definition is written down a second time, as NumPy users would.
"""
import json
import pathlib

import numpy as np

SAMPLES, CLASSES, MEMBERS, BINS, RESAMPLES, SEED = 61, 4, 3, 15, 1000, 0
SMALLEST_PROBABILITY = 1e-15


def make_members(labels, generator):
    logits = generator.normal(size=(MEMBERS, SAMPLES, CLASSES)) * 2
    logits[:, np.arange(SAMPLES), labels] += 1.5
    logits = np.round(logits, 3).astype(np.float32)
    logits[1, 5] = np.nan            # one member is silent on a sample
    logits[:, 6, 2] = np.nan         # all of them are
    logits[0, 7] = [80, -80, -80, 0]  # sure, and wrong: clipped
    labels[7] = 1
    logits[:, 8] = np.array([[3, 0, 0, 0], [0, 2, 0, 0], [0, 0, 1, 0]])  # a tie of votes
    return logits


def softmax(logits):
    logits = logits.astype(np.float64)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def answers_of(probabilities):
    return np.where(np.isnan(probabilities[:, 0]), -1, np.argmax(np.nan_to_num(probabilities), axis=1))


def mean_of(members):
    answered = ~np.isnan(members)
    count = answered.sum(axis=0)
    total = np.where(answered, members, 0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def vote_of(members):
    votes = np.zeros((SAMPLES, CLASSES))
    for member in members:
        answers = answers_of(member)
        voters = answers >= 0
        votes[np.arange(SAMPLES)[voters], answers[voters]] += 1
    ranking = votes + 0.5 * np.nan_to_num(mean_of(members))  # a probability never outweighs a vote
    answers = np.argmax(ranking, axis=1)
    answers[votes.sum(axis=1) == 0] = -1
    return answers


def losses_of(probabilities, labels):
    silent = np.isnan(probabilities[:, 0])
    truth = np.eye(CLASSES)[labels]
    of_truth = np.where(silent, 0, probabilities[np.arange(SAMPLES), labels])
    return {
        "accuracy": (answers_of(probabilities) == labels).astype(float),
        "nll": -np.log(np.maximum(of_truth, SMALLEST_PROBABILITY)),
        "brier": np.where(silent, 2.0, ((probabilities - truth) ** 2).sum(axis=1)),
    }


def ece_of(probabilities, labels):
    confidence = np.where(np.isnan(probabilities[:, 0]), 1.0, np.nan_to_num(probabilities).max(axis=1))
    correct = answers_of(probabilities) == labels
    edges = np.linspace(0, 1, BINS + 1)
    error = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error


def metrics_of(probabilities, labels):
    metrics = {name: float(values.mean()) for name, values in losses_of(probabilities, labels).items()}
    return metrics | {"ece": float(ece_of(probabilities, labels))}


def splitmix64(seed, count):
    with np.errstate(over="ignore"):
        state = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))


def interval_of(differences):
    draws = ((splitmix64(SEED, RESAMPLES * SAMPLES) >> np.uint64(32)) * np.uint64(SAMPLES)) >> np.uint64(32)
    means = differences[draws.astype(np.int64)].reshape(RESAMPLES, SAMPLES).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"difference": float(differences.mean()), "low": float(low), "high": float(high)}


def main():
    generator = np.random.Generator(np.random.PCG64(20240607))
    labels = generator.integers(0, CLASSES - 1, size=SAMPLES)  # the last class has no samples
    logits = make_members(labels, generator)
    members = softmax(logits)
    mean = mean_of(members)
    losses = [losses_of(member, labels) for member in members]
    nll = [member["nll"].mean() for member in losses]
    best = int(np.argmin(nll))
    ensemble = losses_of(mean, labels)
    figures = [metrics_of(member, labels) for member in members]
    expected = {
        "members": figures,
        "members_mean": {name: float(np.mean([f[name] for f in figures])) for name in figures[0]},
        "members_deviation": {name: float(np.std([f[name] for f in figures], ddof=1)) for name in figures[0]},
        "mean": metrics_of(mean, labels),
        "vote_accuracy": float((vote_of(members) == labels).mean()),
        "vote_answers": vote_of(members).tolist(),
        "best": best,
        "versus_best_member": {name: interval_of(ensemble[name] - losses[best][name]) for name in ensemble},
        "versus_members_mean": {
            name: interval_of(ensemble[name] - np.mean([member[name] for member in losses], axis=0))
            for name in ensemble
        },
    }
    as_text = [[[repr(round(float(v), 3)) for v in row] for row in member] for member in logits]
    fixture = {"classes": CLASSES, "labels": labels.tolist(), "logits": as_text, "expected": expected}
    path = pathlib.Path(__file__).with_name("numpy_fixture.json")
    path.write_text(json.dumps(fixture) + "\n")


if __name__ == "__main__":
    main()
