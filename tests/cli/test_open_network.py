"""Networks as `synapress footprint` and `synapress map` take them: trained models and compiled ones."""

import dataclasses
import json
from pathlib import Path

import nir
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import synapress
from golden.config import CoreConfig
from golden.errors import SynapressError
from synapress.cli.main import app
from synapress.mapper import MeshImage
from synapress.mapper.errors import ModelError
from synapress.onnx_operators import withdraw
from tests.helpers.onnx_models import TOPOLOGIES
from tests.helpers.spiking_graphs import graph


def run(*arguments: object) -> dict:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


@pytest.fixture
def files(tmp_path: Path, seed: int) -> Path:
    """u.onnx, snn.nir, and the first compiled with other inputs than are assumed: `core` and `mesh`."""
    rng = np.random.default_rng([seed, 960])
    onnx.save(TOPOLOGIES["u_shape"](rng), tmp_path / "u.onnx")
    nir.write(tmp_path / "snn.nir", graph(rng, "snntorch", 4)[0])
    model, frames = synapress.load(tmp_path / "u.onnx"), rng.normal(0, 3, (4, 2, 8, 12))
    small = dataclasses.replace(CoreConfig(), name="small", address_bits=9)
    synapress.compile(model, calibration=frames).save(tmp_path / "core")
    synapress.compile(model, calibration=frames, config=small).save(tmp_path / "mesh")
    return tmp_path


def test_the_memory_of_a_model_needs_no_calibration(files: Path) -> None:
    """By the paper's accounting it is that of the compiled model."""
    guessed, made = run("footprint", files / "u.onnx"), run("footprint", files / "core")
    assert "random inputs" in guessed["assumed"] and made["assumed"] == ""
    assert [layer["name"] for layer in guessed["layers"]] == [layer["name"] for layer in made["layers"]]
    assert guessed["connectivity_words"] == made["connectivity_words"]
    for technique, total in made["totals"].items():
        assert abs(guessed["totals"][technique]["total"] / total["total"] - 1) < 0.05, "weights in two parts may differ"
    neurons = run("footprint", files / "snn.nir", "--neurons", "snntorch")
    assert [layer["name"] for layer in neurons["layers"]] == ["c1", "p1", "c2", "p2", "dense"]
    assert neurons["totals"]["this technique"]["neurons"] == 2 * (5 * 16 + 5 * 4 + 6 * 4 + 6 + 4)


@pytest.mark.parametrize("folder", ["core", "mesh"])
def test_the_image_of_a_compiled_model_is_counted_as_it_lies_there(folder: str, files: Path) -> None:
    found = run("footprint", files / folder)
    written = sum(path.stat().st_size for path in (files / folder).rglob("image.bin"))
    assert sum(found["image"].values()) == written == 8 * sum(found["image_words"].values())
    assert sum(sum(layer["image"].values()) for layer in found["layers"]) == written
    assert found["cores"]["image as written"] == len(list((files / folder).rglob("image.bin")))
    assert found["config"] == {"core": "grai_vip", "mesh": "small"}[folder], "the folder's own"


def test_models_are_mapped(files: Path) -> None:
    for source, *options in (("u.onnx",), ("core",), ("mesh",), ("snn.nir", "--neurons", "snntorch")):
        found = run("map", files / source, *options, "-o", files / "images", "--mesh", "4x2")
        assert found["config"]["name"] == ("small" if source == "mesh" else "grai_vip")
        assert len(MeshImage.load(files / "images").images) == len(found["cores"])


def test_what_cannot_be_mapped_is_named(files: Path) -> None:
    wide = dataclasses.replace(CoreConfig(), name="wide", state_bits=32)
    (files / "wide.json").write_text(json.dumps(wide.to_json()))
    (files / "text.onnx").write_text("no model")
    for arguments, says in (
            (("footprint", files / "core", "--config", files / "wide.json"), "for state_bits = 16, wide has 32"),
            (("map", files / "text.onnx"), "needs an ONNX model"), (("map", files / "snn.nir"), "rule 'tau'"),
            (("map", files), "no compiled model in"),
            (("footprint", files / "none.nir"), "neither a known network nor")):
        done = CliRunner().invoke(app, list(map(str, arguments)))
        assert isinstance(done.exception, SynapressError) and says in str(done.exception)


DECLARED = """
from beside import NAME
from synapress.onnx_operators import operator

@operator(NAME, domain="mine", opsets=(1, 1))
def thrice(context, call):
    return context.function(call, call.tensor(), "leaky_relu", 3)
"""


def test_operators_of_a_file_of_the_user(files: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    proto = TOPOLOGIES["plain"](rng)
    first = proto.graph.node[0]
    name, first.output[0] = first.output[0], "before"
    proto.graph.node.insert(1, onnx.helper.make_node("Thrice", ["before"], [name], domain="mine"))
    proto.opset_import.append(onnx.helper.make_opsetid("mine", 1))
    onnx.save(proto, files / "own.onnx")
    (files / "own.py").write_text(DECLARED)
    (files / "beside.py").write_text("NAME = 'Thrice'\n")
    (files / "bad.py").write_text("1 / 0\n")
    with pytest.raises(ModelError, match=r"given: mine\.Thrice"):
        synapress.load(files / "own.onnx")
    try:
        assert run("--operators", files / "own.py", "footprint", files / "own.onnx")["layers"]
    finally:
        withdraw("Thrice", "mine")
    done = CliRunner().invoke(app, ["--operators", str(files / "bad.py"), "config"])
    assert isinstance(done.exception, SynapressError) and "bad.py' failed: ZeroDivisionError" in str(done.exception)
    done = CliRunner().invoke(app, ["--operators", str(files / "none.py"), "config"])
    assert done.exit_code == 2 and "none.py" in done.stderr
