#!/usr/bin/env bash
# Configures and builds one preset: scripts/build.sh dev|release|asan|tsan [TARGET...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=${1:?a preset: dev, release, asan or tsan}
shift
log=build/$preset.configure.log
mkdir -p build
if ! cmake --preset "$preset" >"$log" 2>&1; then
  cat "$log" >&2
  echo "build: the configuration failed; scripts/setup.sh installs what it needs, all but a CUDA toolkit:" \
    "without one, TUTTI_TORCH=cpu scripts/setup.sh" >&2
  exit 1
fi
cmake --build "build/$preset" --target "${@:-all}"
