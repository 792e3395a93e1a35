"""torchensemble's VotingClassifier: ten LeNet-5 with two jobs. Prints one JSON line.

usage: voting.py EPOCHS MEMBERS
"""

import json
import sys
import time

import torch

# torchvision beside a CPU build of torch wants these two operators declared before it is imported.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from torch.utils.data import DataLoader, TensorDataset  # noqa: E402
from torchensemble import VotingClassifier  # noqa: E402

import fashion_mnist as common  # noqa: E402


def main():
    epochs, members = int(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(1)
    started = time.perf_counter()
    (images, labels), _, (test_images, test_labels) = common.split()
    mean, deviation = common.statistics(images)

    def prepared(pixels):
        return pixels.float().div_(255).sub_(mean).div_(deviation)

    loader = DataLoader(TensorDataset(prepared(images), labels), batch_size=common.BATCH, shuffle=True)
    test = DataLoader(TensorDataset(prepared(test_images), test_labels), batch_size=500)
    ensemble = VotingClassifier(estimator=common.LeNet5, n_estimators=members, cuda=False, n_jobs=2)
    ensemble.set_criterion(torch.nn.CrossEntropyLoss())
    ensemble.set_optimizer("SGD", lr=common.LR, momentum=common.MOMENTUM, nesterov=True,
                           weight_decay=common.WEIGHT_DECAY)
    ensemble.fit(loader, epochs=epochs, log_interval=10**9, save_model=False)
    accuracy = ensemble.evaluate(test)
    print(json.dumps({"wall_seconds": time.perf_counter() - started, "test_accuracy": accuracy / 100}))


if __name__ == "__main__":
    main()
