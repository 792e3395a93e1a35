#!/usr/bin/env bash
# Installs the peers that the benchmarks measure against into .venv, beside the pinned torch.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh
.venv/bin/pip install -q --no-deps -r bench/requirements.txt
