#!/usr/bin/env bash
# Set-up, build, all tests. The last line counts them: N passed, N failed, N skipped.
#
#   --all            the long ones too
#   --preset NAME    dev (default), asan or tsan
#   -k WORDS         only tests whose name holds one of the words
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=dev
arguments=()
while [ $# -gt 0 ]; do
  case "$1" in
    --all) arguments+=(--all) ;;
    --preset)
      preset=${2:?--preset needs a name}
      shift
      ;;
    -k)
      arguments+=(-k "${2:?-k needs words}")
      shift
      ;;
    *)
      echo "test: unknown option $1; see the head of scripts/test.sh" >&2
      exit 2
      ;;
  esac
  shift
done

scripts/setup.sh
scripts/build.sh "$preset"
exec .venv/bin/python scripts/run_tests.py "build/$preset" "${arguments[@]}"
