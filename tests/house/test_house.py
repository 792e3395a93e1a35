"""The house's own rules: arrows between modules, links, formatting, scripts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def check_arrows(root):
    return subprocess.run([sys.executable, ROOT / "scripts/check_arrows.py", root], capture_output=True, text=True)


def test_tree_passes_its_checks():
    done = subprocess.run([ROOT / "scripts/check.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "file, include",
    [
        ("common/wrong.cc", '#include "storage/catalog/catalog.h"'),
        ("storage/wrong.cc", '#include "coordinator/core/core.h"'),
        ("ensemble/wrong.cc", '#include "storage/catalog/catalog.h"'),
        ("coordinator/core/wrong.cc", '#include "storage/catalog/catalog.h"'),
        ("coordinator/server/wrong.cc", '#include "worker/agent/agent.h"'),
        ("worker/agent/wrong.cc", '#include "coordinator/core/core.h"'),
        ("worker/agent/wrong.cc", '#include "storage/catalog/catalog.h"'),
        ("worker/trainer/models/wrong.cc", '#include "worker/trainer/training/loop.h"'),
        ("cli/wrong.cc", "#include <torch/torch.h>"),
        ("worker/agent/wrong.cc", "#include <ATen/core/Tensor.h>"),
        ("cli/wrong.cc", '#include "torch/torch.h"'),
        ("common/wrong.cc", "#include <storage/catalog/catalog.h>"),
    ],
)
def test_reversed_arrow_is_found(tmp_path, file, include):
    target = tmp_path / file
    target.parent.mkdir(parents=True)
    target.write_text(include + "\n")
    done = check_arrows(tmp_path)
    assert done.returncode == 1
    assert f"{file}:1:" in done.stdout


def test_tutti_links_no_libtorch():
    tutti = Path(os.environ["TUTTI_BUILD"]) / "bin" / "tutti"
    linked = subprocess.run(["ldd", tutti], capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in linked.splitlines()]
    assert not [name for name in names if "torch" in name or "c10" in name]


def test_broken_link_is_found(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "page.md").write_text("[here](nowhere.md) and [there](#no-such-heading)\n\n# A heading\n")
    done = subprocess.run([sys.executable, ROOT / "scripts/check_links.py", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "nowhere.md leads nowhere" in done.stdout and "no such heading" in done.stdout


def test_setup_without_root_names_what_is_missing(tmp_path):
    """A user without root gets the command to ask for, not a half-installed machine without a word."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", scripts)
    (scripts / "packages.txt").write_text("surely-no-such-package\n")
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "id").write_text("#!/bin/sh\necho 1000\n")
    (fake / "sudo").write_text("#!/bin/sh\nexit 1\n")
    for program in fake.iterdir():
        program.chmod(0o755)
    venv = tmp_path / ".venv"  # the Python part is in place already
    venv.mkdir()
    digest = subprocess.run("sha256sum < requirements.txt", shell=True, cwd=tmp_path, capture_output=True, text=True)
    (venv / "installed").write_text(f"cpu {digest.stdout.strip()}")
    environment = dict(os.environ, PATH=f"{fake}:{os.environ['PATH']}", TUTTI_TORCH="cpu")
    done = subprocess.run([scripts / "setup.sh"], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "apt-get install -y --no-install-recommends surely-no-such-package" in done.stderr
