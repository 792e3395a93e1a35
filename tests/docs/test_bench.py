"""The benchmarks that need no Python peer run, and print what they promise. What they measure is not judged here."""

import re
import subprocess
import sys

import pytest
from test_docs import ROOT, build_folder

DEADLINE_S = 300


@pytest.mark.parametrize("arguments, promised", [
    (["scheduling", "--members", "2", "--epochs", "1"], r"scheduling: 0\.\d+ of the slots' time was training steps, 0\."),
    (["startup"], r"startup: tutti --help in \d+\.\d ms"),
])
def test_benchmark_prints_its_figure(arguments, promised):
    done = subprocess.run([sys.executable, ROOT / "bench/run.py", *arguments, "--repeats", "1", "--build", build_folder()],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert re.search(promised, done.stdout), done.stdout
