"""What the Python peers share: Fashion-MNIST in memory and the classic LeNet-5."""

import gzip
import math
import struct
from pathlib import Path

import numpy
import torch
from torch import nn

DATA = Path("/usr/share/datasets/fashion-mnist")
VALIDATION = 5000
BATCH = 128
LR, MOMENTUM, WEIGHT_DECAY = 0.05, 0.9, 5e-4


def read_idx(path):
    with gzip.open(path, "rb") as file:
        dimensions = struct.unpack(">I", file.read(4))[0] & 0xFF
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        return torch.from_numpy(numpy.frombuffer(file.read(), numpy.uint8).reshape(shape).copy())


def load(part):
    return (read_idx(DATA / f"{part}-images-idx3-ubyte.gz").unsqueeze(1),
            read_idx(DATA / f"{part}-labels-idx1-ubyte.gz").long())


def split():
    """uint8 images and labels: training, validation, test."""
    images, labels = load("train")
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    validation, training = order[:VALIDATION], order[VALIDATION:]
    return (images[training], labels[training]), (images[validation], labels[validation]), load("t10k")


def statistics(images):
    scaled = images.double() / 255
    return float(scaled.mean()), float(scaled.std())


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))


def cosine(step, total):
    return LR * 0.5 * (1 + math.cos(math.pi * step / total))


def evaluate(model, images, labels, mean, deviation):
    loss, correct = 0.0, 0
    with torch.inference_mode():
        for start in range(0, len(images), 500):
            inputs = images[start:start + 500].float().div_(255).sub_(mean).div_(deviation)
            logits = model(inputs)
            loss += float(nn.functional.cross_entropy(logits, labels[start:start + 500], reduction="sum"))
            correct += int((logits.argmax(1) == labels[start:start + 500]).sum())
    return loss / len(images), correct / len(images)
