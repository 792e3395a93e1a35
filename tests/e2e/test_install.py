"""What `cmake --install` leaves is what a user needs, and may be moved."""

import subprocess

from conftest import build_folder


def install(prefix):
    subprocess.run(["cmake", "--install", build_folder(), "--prefix", prefix], check=True, capture_output=True, timeout=120)


def test_installed_tree_can_be_moved_and_finds_its_trainer_beside_itself(tutti, tmp_path, experiment):
    install(tmp_path / "prefix")
    moved = tmp_path / "elsewhere/tutti"
    moved.parent.mkdir()
    (tmp_path / "prefix").rename(moved)
    installed = sorted(str(file.relative_to(moved)) for file in moved.rglob("*") if not file.is_dir())
    assert installed == ["bin/tutti", "bin/tutti-trainer"], "test programs and libraries are no one's business"

    file = experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]", epochs=1)
    tutti.program = moved / "bin/tutti"
    tutti.environment["PATH"] = "/usr/bin:/bin"
    tutti("run", file, "--quiet", "--slots", 1)
    assert tutti.show()["state"] == "finished"

    (moved / "bin/tutti-trainer").unlink()
    done = tutti("run", file, "--new", status=6)
    assert "tutti-trainer" in done.stderr, done.stderr
