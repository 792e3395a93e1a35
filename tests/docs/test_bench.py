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
    (["overhead", "--members", "40", "--without-peers"], r"overhead: \d+\.\d+ ms of the coordinator's CPU a member, "),
    (["restart", "--ensembles", "5"], r"restart: \d+\.\d+ s at most from kill -9 to serving, 6 ensembles, 50 checkpoints"),
    (["busy", "--workers", "20", "--watchers", "2", "--minutes", "0.1"], r"busy: p99 of a GET \d+\.\d ms"),
])
def test_benchmark_prints_its_figure(arguments, promised):
    done = subprocess.run([sys.executable, ROOT / "bench/run.py", *arguments, "--repeats", "1", "--build", build_folder()],
                          capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    assert re.search(promised, done.stdout), done.stdout
