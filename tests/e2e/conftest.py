"""Drives the real programs: real data, real processes, real signals.

TUTTI_BUILD names the build folder (scripts/test.sh sets it). TUTTI_TEST_ALL asks for the full counts.
"""

import gzip
import json
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).resolve().parent.parent.parent
FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # Debian's dataset-fashion-mnist
DEADLINE_S = 240


def full_counts():
    return bool(os.environ.get("TUTTI_TEST_ALL"))


def only_in_full(test):
    """A test that takes minutes: collected under --all alone."""
    return test if full_counts() else None


def build_folder():
    return Path(os.environ.get("TUTTI_BUILD", ROOT / "build/dev"))


def read_idx(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as file:
        dimensions = struct.unpack(">I", file.read(4))[0] & 0xFF
        shape = struct.unpack(f">{dimensions}I", file.read(4 * dimensions))
        return numpy.frombuffer(file.read(), numpy.uint8).reshape(shape)


def write_idx(path, array):
    path.write_bytes(struct.pack(">I", 0x0800 | array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) +
                     numpy.ascontiguousarray(array).tobytes())


@pytest.fixture(scope="session")
def fashion_mnist():
    assert list(FASHION_MNIST.glob("train-images*")), "Fashion-MNIST is not installed; scripts/setup.sh installs it"
    return FASHION_MNIST


@pytest.fixture(scope="session")
def small_data(tmp_path_factory, fashion_mnist):
    """The first 3,000 training and 500 test images of Fashion-MNIST."""
    folder = tmp_path_factory.mktemp("small-fashion-mnist")
    for part, count in (("train", 3000), ("t10k", 500)):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            source = next(fashion_mnist.glob(f"{part}-{kind}*"))
            write_idx(folder / f"{part}-{kind}", read_idx(source)[:count])
    return folder


def processes_of(home):
    """Every live process of this home but this one: its command line or its environment names it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            environment = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(home) in command or f"TUTTI_HOME={home}\0" in environment:
            found.append((int(entry.name), command))
    return found


def wait_for(condition, what, deadline_s=DEADLINE_S, every_s=0.05):
    """The first true value of `condition`; fails with `what` past the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {deadline_s} s in vain: {what}"
        time.sleep(every_s)


class Tutti:
    """The program under test, with a home of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "runs"
        self.program = build_folder() / "bin/tutti"
        # On machines with GPUs as on others: what is tested on GPUs says so.
        self.environment = dict(os.environ, TUTTI_HOME=str(self.home), NO_COLOR="1", CUDA_VISIBLE_DEVICES="")
        self.started = []

    def __call__(self, *arguments, status=0, deadline_s=DEADLINE_S, **options):
        done = subprocess.run([self.program, *map(str, arguments)], capture_output=True, text=True, cwd=self.folder,
                              env=self.environment, timeout=deadline_s, stdin=subprocess.DEVNULL, **options)
        assert status in (None, done.returncode), f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments, hang_up=signal.SIG_DFL, within=()):
        """`hang_up`: what SIGHUP does to the process, whatever it does to these tests (nohup). `within`: a command that
        becomes the program."""
        output = open(self.folder / f"output-{len(self.started)}.txt", "w+")
        process = subprocess.Popen([*within, self.program, *map(str, arguments)], stdout=output, stderr=subprocess.STDOUT,
                                   cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, hang_up))
        process.output = lambda: Path(output.name).read_text()
        self.started.append(process)
        return process

    def show(self, ensemble="last"):
        return json.loads(self("show", ensemble, "-o", "json").stdout)

    def try_show(self, ensemble="last"):
        done = subprocess.run([self.program, "show", ensemble, "-o", "json"], capture_output=True, text=True,
                              cwd=self.folder, env=self.environment, timeout=DEADLINE_S)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def member_weights(self, ensemble):
        """Every member's weights at the end, by member."""
        weights = {}
        for member in self.show(ensemble)["members"]:
            newest = max(member["checkpoints"], key=lambda checkpoint: checkpoint["step"])
            weights[member["name"]] = load_file(self.home / ensemble / newest["folder"] / "model.safetensors")
        return weights

    def clean_up(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=30)
        wait_for(lambda: not processes_of(self.home), f"processes left: {processes_of(self.home)}", 30)


@pytest.fixture
def tutti(tmp_path):
    program = Tutti(tmp_path)
    yield program
    program.clean_up()


@pytest.fixture
def experiment(tutti, small_data):
    """Writes a small experiment and gives its path."""

    def write(name="small", members="[{model: lenet5, seeds: 2}, {model: {name: mlp, hidden: [32]}, seeds: 1}]",
              epochs=2, extra="", training="", ensemble="ensemble: {combiner: mean}"):
        file = tutti.folder / f"{name}.yaml"
        file.write_text(f"""\
version: 1
name: {name}
data: {{source: idx, path: {small_data}, validation: 500, split_seed: 0}}
training:
  epochs: {epochs}
  batch_size: 64
  optimizer: {{name: sgd, lr: 0.05, momentum: 0.9, nesterov: true}}
  schedule: {{name: cosine}}
{training}
members: {members}
{ensemble}
{extra}
""")
        return file

    return write


def assert_same_weights(first, second):
    assert first.keys() == second.keys()
    for member in first:
        assert first[member].keys() == second[member].keys()
        for name, tensor in first[member].items():
            assert numpy.array_equal(tensor, second[member][name]), f"{member} {name} differs"
