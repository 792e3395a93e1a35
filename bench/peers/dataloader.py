"""An ordinary PyTorch script: Dataset, transforms a sample at a time, DataLoader. Prints one JSON line.

usage: dataloader.py EPOCHS SEED
"""

import json
import sys
import time

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import fashion_mnist as common


class FashionMnist(Dataset):
    def __init__(self, images, labels, mean, deviation):
        self.images, self.labels, self.mean, self.deviation = images, labels, mean, deviation

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return (self.images[index].float().div(255) - self.mean) / self.deviation, int(self.labels[index])


def main():
    epochs, seed = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    (images, labels), (validation_images, validation_labels), _ = common.split()
    mean, deviation = common.statistics(images)
    loader = DataLoader(FashionMnist(images, labels, mean, deviation), batch_size=common.BATCH, shuffle=True)
    model = common.LeNet5()
    optimizer = torch.optim.SGD(model.parameters(), lr=common.LR, momentum=common.MOMENTUM, nesterov=True,
                                weight_decay=common.WEIGHT_DECAY)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * len(loader))
    train_seconds = 0.0
    for _ in range(epochs):
        started = time.perf_counter()
        model.train()
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            scheduler.step()
        train_seconds += time.perf_counter() - started
        model.eval()
        loss, accuracy = common.evaluate(model, validation_images, validation_labels, mean, deviation)
    print(json.dumps({"images_per_second": epochs * len(images) / train_seconds, "validation_loss": loss,
                      "validation_accuracy": accuracy, "train_seconds": train_seconds}))


main()
