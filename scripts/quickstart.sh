#!/usr/bin/env bash
# From a clone to an answer: installs what is needed, builds, and trains a small ensemble on Fashion-MNIST.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup.sh
scripts/build.sh release
build/release/bin/tutti run configs/fashion_mnist_quick.yaml
