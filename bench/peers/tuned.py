"""A tuned PyTorch script: bytes in memory, whole batches, fused optimizer. Prints one JSON line.

usage: tuned.py EPOCHS SEED
"""

import json
import sys
import time

import torch
from torch import nn

import fashion_mnist as common


def main():
    epochs, seed = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    (images, labels), (validation_images, validation_labels), _ = common.split()
    mean, deviation = common.statistics(images)
    scale, shift = 1 / (255 * deviation), -mean / deviation
    model = common.LeNet5()
    optimizer = torch.optim.SGD(model.parameters(), lr=common.LR, momentum=common.MOMENTUM, nesterov=True,
                                weight_decay=common.WEIGHT_DECAY, fused=True)
    steps = -(-len(images) // common.BATCH)
    train_seconds, step = 0.0, 0
    for _ in range(epochs):
        started = time.perf_counter()
        model.train()
        order = torch.randperm(len(images))
        epoch_loss = torch.zeros(())
        for start in range(0, len(images), common.BATCH):
            ids = order[start:start + common.BATCH]
            inputs = images[ids].float().mul_(scale).add_(shift)
            for group in optimizer.param_groups:
                group["lr"] = common.cosine(step, steps * epochs)
            loss = nn.functional.cross_entropy(model(inputs), labels[ids])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            epoch_loss += loss.detach()
            step += 1
        train_seconds += time.perf_counter() - started
        model.eval()
        loss, accuracy = common.evaluate(model, validation_images, validation_labels, mean, deviation)
    print(json.dumps({"images_per_second": epochs * len(images) / train_seconds, "validation_loss": loss,
                      "validation_accuracy": accuracy, "train_seconds": train_seconds}))


main()
