"""Every command of README and docs runs as it is written, in the order in which a page gives them.

A page's ```sh blocks, line by line, and its ```python blocks, whole, run in one folder, with `tutti` on the PATH and the repository's configs beside them; those
experiments read a small part of the real data here, and train briefly. Lines that start with `scripts/`, `bench/` or
`sudo` change this machine or train for long: that what they name is there is checked instead.
"""

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
from conftest import FASHION_MNIST, build_folder, read_idx, write_idx  # noqa: E402

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
NOT_RUN_HERE = ("scripts/", "bench/", "git clone", ".venv/bin/python bench/")
DEADLINE_S = 300


def commands_of(page):
    for language, block in BLOCK.findall((ROOT / page).read_text()):
        if language == "python":
            yield f"{shlex.quote(sys.executable)} -c {shlex.quote(block)}"
            continue
        for line in block.replace("\\\n", " ").splitlines():
            line = line.split("  #")[0].strip()
            if line and not line.startswith("#"):
                yield line


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for part, count in (("train", 3000), ("t10k", 500)):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            write_idx(folder / f"{part}-{kind}", read_idx(next(FASHION_MNIST.glob(f"{part}-{kind}*")))[:count])
    return folder


@pytest.fixture
def workplace(tmp_path, data):
    """The repository's configs over little data, and `tutti` on the PATH."""
    for config in (ROOT / "configs").glob("*.yaml"):
        text = config.read_text()
        text = re.sub(r"path: \S+", f"path: {data}", text)
        text = re.sub(r"validation: \d+", "validation: 500", text)
        text = re.sub(r"\b(epochs|steps): \d+", r"\1: 1", text)
        target = tmp_path / "configs" / config.name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    for program in ("tutti", "tutti-trainer"):
        target = tmp_path / "build/release/bin" / program
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(build_folder() / "bin" / program)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TUTTI_")}
    environment["PATH"] = f"{tmp_path / 'build/release/bin'}:{environment['PATH']}"
    environment["PYTHON"] = sys.executable
    environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}  # as pages need not say
    environment["CUDA_VISIBLE_DEVICES"] = ""  # on machines with GPUs as on others
    return tmp_path, environment


@pytest.mark.parametrize("page", PAGES)
def test_commands_run_as_written(page, workplace):
    folder, environment = workplace
    for command in commands_of(page):
        if command.startswith(NOT_RUN_HERE):
            program = ROOT / command.split()[1 if command.startswith(".venv") else 0]
            if not command.startswith("git clone"):
                assert program.exists() and (program.suffix == ".py" or program.stat().st_mode & stat.S_IXUSR), command
            continue
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True,
                              timeout=DEADLINE_S, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, f"{page}: {command}\n{done.stdout}\n{done.stderr}"


def test_readme_names_the_two_commands():
    commands = list(commands_of("README.md"))
    assert "scripts/quickstart.sh" in commands and "scripts/test.sh" in commands
