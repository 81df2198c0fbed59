"""Damaged files through the command line: a line of error that names file or node and what helps, never a traceback."""

import shutil
import sys
from pathlib import Path

import nir
import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from typer.testing import CliRunner

from golden.errors import SynapressError
from synapress.cli.main import app, main
from tests.helpers.damage import damaged
from tests.helpers.model_damage import strange_hdf5, strange_onnx
from tests.helpers.onnx_models import TOPOLOGIES
from tests.helpers.spiking_graphs import graph

SNN = "snn.nir"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sound models NAME.onnx and snn.nir, frames NAME.npy, and a compiled one, `out`."""
    folder, rng = tmp_path_factory.mktemp("models"), np.random.default_rng(950)
    for name, make in TOPOLOGIES.items():
        model = make(rng)
        onnx.save(model, folder / f"{name}.onnx")
        shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]
        np.save(folder / f"{name}.npy", rng.normal(0, 1, (3, *shape)))
    nir.write(folder / SNN, graph(rng, "snntorch", 4)[0])
    np.save(folder / "snn.npy", (rng.random((2, 5, 2, 4, 4)) < 0.5).astype(float))
    done = CliRunner().invoke(app, ["compile", f"{folder}/plain.onnx", "--calibration", f"{folder}/plain.npy", "-o",
                                    f"{folder}/out"])
    assert done.exit_code == 0
    return folder


@pytest.mark.filterwarnings("error::RuntimeWarning")  # a number that became another one by a cast
@pytest.mark.parametrize("count", [140, pytest.param(3000, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", ["bytes", "sense"])
def test_a_damaged_model_compiles_or_is_refused_in_one_line(
    kind: str, count: int, models: Path, tmp_path: Path, seed: int
) -> None:
    """`bytes`: flipped, cut, removed; `sense`: sound files of attributes and arrays that do not go together."""
    rng = np.random.default_rng([seed, 951, kind == "sense"])
    names = [f"{name}.onnx" for name in TOPOLOGIES] + [SNN]
    refused = taken = 0
    for number in range(count):
        name = names[number % len(names)]
        path = tmp_path / f"model{Path(name).suffix}"
        if kind == "bytes":
            path.write_bytes(damaged((models / name).read_bytes(), rng))
        elif name == SNN:
            shutil.copy(models / name, path)
            strange_hdf5(path, rng)
        else:
            onnx.save(strange_onnx(onnx.load(models / name), rng), path)
        neurons = ["--neurons", "snntorch"] if name == SNN else []
        done = CliRunner().invoke(app, ["compile", str(path), "--calibration", str((models / name).with_suffix(".npy")),
                                        "-o", str(tmp_path / "out"), *neurons])
        if done.exit_code == 0:
            taken += 1
            continue
        refused += 1
        assert isinstance(done.exception, SynapressError), f"number {number} of {name}: {done.exception!r}"
        message = str(done.exception)
        assert "\n" not in message and ("node '" in message or "layer '" in message or str(path) in message), message
    assert refused > count // 2 and taken > count // 20


def with_weight(models: Path, path: Path, value: float) -> None:
    model = onnx.load(models / "plain.onnx")
    tensor = model.graph.initializer[0]
    array = numpy_helper.to_array(tensor).copy()
    array.flat[5] = value
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save(model, path)


def make_bad(models: Path, bad: Path) -> None:
    """What a user may give by mistake."""
    for name in ("empty.onnx", "empty.nir", "empty.npy"):
        (bad / name).write_bytes(b"")
    for name in ("text.onnx", "text.nir", "text.npy"):
        (bad / name).write_text("no model\n")
    for name in ("dir.onnx", "dir.nir", "dir.npy", "dir.html", "dir"):
        (bad / name).mkdir()
    for name, source in (("cut.onnx", "plain.onnx"), ("cut.nir", SNN), ("cut.npy", "plain.npy")):
        whole = (models / source).read_bytes()
        (bad / name).write_bytes(whole[:len(whole) // 2])
    shutil.copy(models / "plain.onnx", bad / "onnx.nir")
    (bad / "name.onnx").write_bytes((models / "plain.onnx").read_bytes().replace(b"averagepool", b"average\xfcool"))
    with_weight(models, bad / "nan.onnx", np.nan)
    with_weight(models, bad / "inf.onnx", np.inf)
    onnx.save(onnx.load(models / "plain.onnx"), bad / "parts.onnx", save_as_external_data=True, location="gone.bin",
              size_threshold=0)
    (bad / "gone.bin").unlink()
    cycle = graph(np.random.default_rng(1), "snntorch", 4)[0]
    cycle.nodes["back"] = nir.Scale(scale=np.ones(4))
    cycle.nodes["more"] = nir.Scale(scale=np.ones(4))
    cycle.edges += [("dense", "back"), ("back", "more"), ("more", "back"), ("more", "n3")]
    nir.write(bad / "cycle.nir", cycle)
    frames = np.load(models / "plain.npy")
    np.save(bad / "nan.npy", np.full_like(frames, np.nan))
    np.save(bad / "shape.npy", frames[:, :1])
    np.save(bad / "words.npy", np.array(["a"]))
    np.savez(bad / "other.npz", y=frames)
    np.save(bad / "labels.npy", np.zeros(2, int))
    shutil.copytree(models / "out", bad / "out")
    (bad / "out/model.json").write_text((bad / "out/model.json").read_text()[:500])


MISTAKES = [
    *((f"compile BAD/{name} --calibration GOOD/{'snn' if name.endswith('nir') else 'plain'}.npy -o BAD/made", says)
      for name, says in (
        ("none.onnx", "none.onnx', rule 'file': needs a readable file; given: No such file"),
        ("empty.onnx", "empty.onnx', rule 'ONNX checker'"), ("text.onnx", "text.onnx', rule 'file'"),
        ("cut.onnx", "cut.onnx', rule 'file'.* export or copy it again"), ("dir.onnx", "dir.onnx'.*Is a directory"),
        ("name.onnx", "rule 'name': needs UTF-8 text"),
        ("nan.onnx", "node 'conv0', rule 'finite weights'.*1 of 144 are NaN"),
        ("inf.onnx", "node 'conv0', rule 'finite weights'.*1 of 144 are infinite"),
        ("parts.onnx", "rule 'external data'.*gone.bin.*Copy the external data"),
        ("empty.nir", "empty.nir', rule 'file': needs a NIR graph"), ("text.nir", "text.nir', rule 'file'"),
        ("cut.nir", "cut.nir', rule 'file'.*truncated"), ("dir.nir", "dir.nir'.*Is a directory"),
        ("onnx.nir", "onnx.nir', rule 'file': needs a NIR graph in HDF5.*an ONNX file"),
        ("cycle.nir", "node 'back', rule 'cycle': needs a feed-forward graph"),
    )),
    *((f"compile GOOD/plain.onnx --calibration BAD/{name} -o BAD/made", says) for name, says in (
        ("none.npy", "none.npy': no such file"), ("empty.npy", "empty.npy' is not a readable .npy"),
        ("text.npy", "text.npy' is not a readable .npy"), ("dir.npy", "dir.npy' is not a readable .npy"),
        ("cut.npy", "cut.npy' is not a readable .npy"),
        ("nan.npy", "calibration 'x': 720 of 720 numbers are not finite"),
        ("shape.npy", "node 'x', rule 'input shape'"),
        ("words.npy", "calibration 'x': needs real numbers"), ("other.npz", "calibration: the model has the inputs x"),
    )),
    ("compile GOOD/plain.onnx -o BAD/made", "node 'plain', rule 'calibration'"),
    ("compile GOOD/plain.onnx --calibration GOOD/plain.npy -o BAD/text.onnx", "text.onnx' is a file; .*needs a folder"),
    ("map pilotnet -o BAD/text.onnx", "--output .*text.onnx: is a file; the images need a folder"),
    ("simulate BAD/none -i GOOD/plain.npy", "no compiled model in .*none"),
    ("simulate BAD/text.npy -i GOOD/plain.npy", "no compiled model in .*text.npy"),
    ("report BAD/dir", "no compiled model in .*dir.*`synapress compile`"),
    ("report BAD/out", "no compiled model in .*out': damaged, missing or of another model: model.json"),
    ("simulate GOOD/out -i BAD/shape.npy", "node 'x', rule 'input shape'"),
    ("simulate GOOD/out -i GOOD/plain.npy -o BAD/dir", "--output .*dir: the suffix must be .npz"),
    ("simulate GOOD/out -i BAD/other.npz -o BAD/other.npz", "--output .*other.npz: would overwrite the file of"),
    ("simulate GOOD/out -i GOOD/plain.npy -o BAD/text.npy/y.npz", "--output .*y.npz: '.*text.npy' is no folder"),
    ("report GOOD/out -i GOOD/plain.npy --labels BAD/labels.npy", "--labels .*needs 3 integers.*given: 2 of int64"),
    ("report GOOD/out -i GOOD/plain.npy --model BAD/text.onnx", "text.onnx', rule 'file'"),
    ("report GOOD/out -i GOOD/plain.npy --model GOOD/residual.onnx", "the model has the inputs|input shape"),
    ("report GOOD/out -o BAD/dir.html", "--output .*dir.html: is a folder"),
    ("report GOOD/out -o GOOD/plain.npy", "--output .*plain.npy: the suffix must be .html"),
    ("report GOOD/out -i GOOD/plain.npy --area", "--area is a section of the page: give --output"),
]


@pytest.fixture(scope="module")
def bad(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad")
    make_bad(models, folder)
    return folder


@pytest.mark.parametrize(("command", "says"), MISTAKES)
def test_mistakes_end_with_a_line(
    command: str, says: str, models: Path, bad: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = command.replace("GOOD", str(models)).replace("BAD", str(bad)).split()
    monkeypatch.setattr(sys, "argv", ["synapress", *arguments])
    with pytest.raises(SystemExit, match=says) as caught:
        main()
    assert isinstance(caught.value.code, str) and "\n" not in caught.value.code, "printed by Python, with exit status 1"
    assert caught.value.code.startswith("synapress: ")
    assert capsys.readouterr().out == "", "nothing is told of what is then refused"
