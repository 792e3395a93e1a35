#!/usr/bin/env bash
# From a clone to an answer: installs what is needed, builds, and trains a small ensemble on Fashion-MNIST.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
scripts/build.sh release
# The trainer trains on CPUs alone so far; a machine with GPUs wants to hear that it is meant so.
build/release/bin/tutti run configs/fashion_mnist_quick.yaml --device cpu
