"""What `cmake --install` leaves is what a user needs, and may be moved."""

import subprocess

from conftest import build_folder


def install(prefix, *options):
    subprocess.run(["cmake", "--install", build_folder(), "--prefix", prefix, *options], check=True, capture_output=True,
                   timeout=120)


def test_installed_tree_can_be_moved_and_finds_its_trainer_beside_itself(tutti, tmp_path, experiment):
    install(tmp_path / "prefix")
    moved = tmp_path / "elsewhere/tutti"
    moved.parent.mkdir()
    (tmp_path / "prefix").rename(moved)
    installed = sorted(str(file.relative_to(moved)) for file in moved.rglob("*") if not file.is_dir())
    assert installed == ["bin/tutti", "bin/tutti-trainer", "lib/tutti/tutti-mpi.so"], "test programs are no one's business"

    file = experiment(members="[{model: {name: mlp, hidden: [8]}, seeds: 1}]", epochs=1)
    tutti.program = moved / "bin/tutti"
    tutti.environment["PATH"] = "/usr/bin:/bin"
    tutti("run", file, "--quiet", "--slots", 1)
    assert tutti.show()["state"] == "finished"

    # As ranks: what speaks MPI is found in the moved tree as well.
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    subprocess.run(["mpirun", "-np", "2", "--oversubscribe", "--bind-to", "none", tutti.program, "run", file, "--new",
                    "--slots", "1"], env={**tutti.environment, **as_root}, check=True, capture_output=True, timeout=60)
    assert tutti.show("small-2")["state"] == "finished"

    (moved / "bin/tutti-trainer").unlink()
    done = tutti("run", file, "--new", status=6)
    assert "tutti-trainer" in done.stderr, done.stderr


def test_tree_with_libtorch_needs_no_clone(tmp_path):
    install(tmp_path / "prefix")
    install(tmp_path / "prefix", "--component", "libtorch")
    moved = (tmp_path / "prefix").rename(tmp_path / "moved")
    linked = subprocess.run(["ldd", moved / "bin/tutti-trainer"], capture_output=True, text=True, check=True).stdout
    places = [line.split(" => ")[1] for line in linked.splitlines() if "libtorch" in line or "libc10" in line]
    assert places and all(place.startswith(str(moved)) for place in places), linked
    subprocess.run([moved / "bin/tutti-trainer", "--help"], check=True, capture_output=True, timeout=60)
