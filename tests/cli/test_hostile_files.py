"""What a user may be given, or have, without knowing: FIFOs, archives that expand without end, full disks."""

import contextlib
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import nir
import numpy as np
import onnx
import pytest
from amaranth.lib import wiring

import synapress
from golden.config import CoreConfig
from golden.errors import ImageError
from rtl.verilog import to_verilog
from synapress.cli.main import main
from synapress.mapper import Image, MeshImage
from synapress.mapper.errors import ModelError
from synapress.model_files import _checksums
from synapress.results import CompiledModel
from tests.helpers.onnx_models import TOPOLOGIES
from tests.helpers.spiking_graphs import graph

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    """A test that waits for a FIFO fails instead."""
    def tired(*_: object) -> None:
        raise AssertionError("it waits forever")

    before = signal.signal(signal.SIGALRM, tired)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command of `synapress` in this process, and returns its one line of error, or nothing."""
    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["synapress", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        capsys.readouterr()
        code = caught.value.code
        assert code == 0 or isinstance(code, str), "printed by Python, with exit status 1"
        return code if isinstance(code, str) else ""

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, frames, and compiled for one core and for a mesh."""
    folder, rng = tmp_path_factory.mktemp("made"), np.random.default_rng(970)
    onnx.save(TOPOLOGIES["u_shape"](rng), folder / "u.onnx")
    np.save(folder / "u.npy", rng.normal(0, 3, (3, 2, 8, 12)))
    model, small = synapress.load(folder / "u.onnx"), CoreConfig(name="small", address_bits=9)
    for name, config in (("core", CoreConfig()), ("mesh", small)):
        synapress.compile(model, calibration=np.load(folder / "u.npy"), config=config).save(folder / name)
    return folder


def test_a_fifo_is_refused_wherever_a_file_is_read(made: Path, tmp_path: Path, run: Run) -> None:
    fifos = {}
    for suffix in ("onnx", "nir", "npy", "npz", "json", "py", "lib"):
        os.mkfifo(tmp_path / f"fifo.{suffix}")
        fifos[suffix] = tmp_path / f"fifo.{suffix}"
    out = tmp_path / "out"
    for arguments, says in (
            (("compile", fifos["onnx"], "-o", out), "rule 'file': needs a readable file; given: is a FIFO"),
            (("compile", fifos["nir"], "-o", out), "rule 'file': needs a readable file; given: is a FIFO"),
            (("compile", made / "u.onnx", "--calibration", fifos["npy"], "-o", out), "is a FIFO"),
            (("compile", made / "u.onnx", "--config", fifos["json"], "-o", out), "is a FIFO"),
            (("simulate", made / "core", "-i", fifos["npz"]), "is a FIFO"),
            (("simulate", made / "core", "-i", "/dev/zero"), "is a device"),
            (("report", made / "core", "-i", made / "u.npy", "--labels", fifos["npy"]), "is a FIFO"),
            (("report", made / "core", "-i", made / "u.npy", "--model", fifos["onnx"]), "given: is a FIFO"),
            (("map", fifos["onnx"]), "a file that can be read: it is a FIFO"),
            (("footprint", fifos["py"]), "a file that can be read: it is a FIFO"),
            (("area", "peg", "--liberty", fifos["lib"]), "is not a file"),
            (("config", fifos["json"]), "is a FIFO")):
        error = run(*arguments)
        assert says in error and "\n" not in error and ("fifo." in error or "/dev/zero" in error), error
    assert not out.exists()


@pytest.mark.parametrize(("folder", "name"), [
    *(("core", name) for name in ("checksums.json", "model.json", "program.npz", "image/manifest.json",
                                  "image/image.bin")), ("mesh", "image/mesh.json")])
def test_a_fifo_in_a_compiled_model_is_refused(folder: str, name: str, made: Path, tmp_path: Path) -> None:
    """Also where the checksums leave it out, and by those who read or replace only a part."""
    path = tmp_path / "model"
    shutil.copytree(made / folder, path)
    (path / name).unlink()
    os.mkfifo(path / name)
    if name != "checksums.json":
        (path / "checksums.json").write_text(json.dumps(_checksums(path)))
    with pytest.raises(ImageError, match=r"is a FIFO|no image in|no mesh in"):
        CompiledModel.load(path)
    if name.startswith("image/"):
        with pytest.raises(ImageError, match="is a FIFO"):
            (MeshImage if folder == "mesh" else Image).load(path / "image")
    compiled = CompiledModel.load(made / folder)
    if name == "model.json":
        with pytest.raises(ImageError, match="is not overwritten"):
            compiled.save(path)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_external_data_that_is_no_file_is_refused(kind: str, made: Path, tmp_path: Path) -> None:
    onnx.save(onnx.load(made / "u.onnx"), tmp_path / "x.onnx", save_as_external_data=True, location="data.bin",
              size_threshold=0)
    (tmp_path / "data.bin").unlink()
    if kind == "fifo":
        os.mkfifo(tmp_path / "data.bin")
    else:
        (tmp_path / "data.bin").symlink_to("/dev/zero")
    with pytest.raises(ModelError, match="rule 'external data'"):
        synapress.load(tmp_path / "x.onnx")


# -- files that expand ---------------------------------------------------------------------------


def test_arrays_that_expand_are_refused(
    made: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the header of an .npy file, and by the directory of an .npz file, before any memory is taken."""
    (tmp_path / "x.npy").write_bytes((made / "u.npy").read_bytes().replace(b"(3, 2, 8, 12)", b"(30000,20000)"))
    for arguments in (("simulate", made / "core", "-i"), ("compile", made / "u.onnx", "-o", tmp_path / "out",
                                                         "--calibration")):
        error = run(*arguments, tmp_path / "x.npy")
        assert "x.npy' is not a readable .npy or .npz file of numbers" in error
        assert "declares an array of shape (30000, 20000) of float64, which needs 4,800,000,000 bytes" in error
    model = tmp_path / "model"
    shutil.copytree(made / "core", model)
    np.savez_compressed(model / "program.npz", more=np.zeros(1 << 20))
    (model / "checksums.json").write_text(json.dumps(_checksums(model)))
    monkeypatch.setattr("golden.files.ARRAYS_LIMIT", 1 << 20)
    with pytest.raises(ImageError, match=r"'program.npz': needs, as its directory declares, 8,388,\d\d\d bytes"):
        CompiledModel.load(model)


def test_nir_files_that_expand_or_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    """A data set of which nothing is stored has any size; links lead to other files; groups lie within themselves."""
    sound = tmp_path / "sound.nir"
    nir.write(sound, graph(np.random.default_rng(1), "snntorch", 4)[0])
    synapress.load(sound, neurons="snntorch")
    os.mkfifo(tmp_path / "fifo.h5")

    def changed(change: Callable[[h5py.Group], None]) -> Path:
        path = tmp_path / "x.nir"
        shutil.copy(sound, path)
        with h5py.File(path, "a") as file:
            change(file["node"])
        return path

    def large(node: h5py.Group) -> None:
        node.create_dataset("more", shape=(1 << 20, 1 << 20), chunks=(1, 1 << 10), dtype="f8", compression="gzip")

    def elsewhere(node: h5py.Group) -> None:
        node["more"] = h5py.ExternalLink(str(tmp_path / "fifo.h5"), "/x")

    def stored_elsewhere(node: h5py.Group) -> None:
        node.create_dataset("more", shape=(8,), dtype="f8", external=[(str(tmp_path / "fifo.h5"), 0, 64)])

    def endless(node: h5py.Group) -> None:
        node["more"] = node

    for change, says in ((large, r"rule 'size': .*8,796,093,\d\d\d,\d\d\d bytes .*; the limit for a file: "),
                         (elsewhere, "'more' in '/node' is a link"), (stored_elsewhere, "has its data in other files"),
                         (endless, "the group '.*' lies in two places")):
        with pytest.raises(ModelError, match=says):
            synapress.load(changed(change), neurons="snntorch")


# -- disks that are full -------------------------------------------------------------------------


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file of this process may have more bytes: its writes then fail as they do on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.mark.parametrize(("arguments", "room", "named"), [
    ("verilog peg -o out --config fpga_small", 10_000, "peg.v"),
    ("compile MADE/u.onnx --calibration MADE/u.npy --method max -o out", 3000, "out/"),
    ("compile MADE/u.onnx --calibration MADE/u.npy --config small.json -o out", 3000, "out/"),
    ("simulate MADE/core -i MADE/u.npy -o out/y.npz", 100, "out/y.npz"),
    ("report MADE/core --no-cycles -o out/page.html", 110_000, "out/page.html"),
    ("map MADE/core --mesh 2x1 -o out", 3000, "out/"),
    ("footprint MADE/core --figure out/f.png", 5000, "out/f.png"),
    ("footprint MADE/core --figure out/f.svg", 5000, "out/f.svg"),
])
def test_a_full_disk_leaves_what_was_there(
    arguments: str, room: int, named: str, made: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First in an empty folder, then over what the same command, or the one before, wrote there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.json").write_text('{"name": "small", "address_bits": 9}')
    command = arguments.replace("MADE", str(made)).split()

    def unlimited(component: wiring.Component, name: str) -> str:
        with full_disk(resource.RLIM_INFINITY):  # would hit Yosys too, which is a process of its own
            return to_verilog(component, name)

    monkeypatch.setattr("rtl.verilog.to_verilog", unlimited)
    for before in ([], ["verilog peg -o out"] if command[0] == "verilog" else [arguments]):
        if before and command[0] == "compile":
            shutil.copytree(made / "core", "out")
        else:
            for earlier in before:
                assert run(*earlier.replace("MADE", str(made)).split()) == ""
        kept = listing(tmp_path)
        with full_disk(room):
            error = run(*command)
        assert error.startswith("synapress: '") and named in error and "\n" not in error
        assert error.endswith("cannot be written: File too large. No file was changed.")
        assert listing(tmp_path) == kept
    if command[0] == "compile":
        CompiledModel.load(tmp_path / "out")
