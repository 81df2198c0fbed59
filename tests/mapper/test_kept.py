"""What the steps keep: readable, whole, the same byte for byte, and nothing of a compilation before."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from synapress.mapper.importers.nir.reader import read_nir
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.kept import Keeper, file_names
from synapress.mapper.pipeline import NAMES, Compilation, run
from tests.helpers.onnx_models import TOPOLOGIES
from tests.helpers.spiking_graphs import graph

SMALL = dataclasses.replace(CoreConfig(), name="small", address_bits=10)


def keep(folder: Path, name: str, seed: int, config: CoreConfig, to: str = NAMES[-1]) -> Compilation:
    rng = np.random.default_rng(seed)
    if name == "neurons":
        model = read_nir(graph(rng, "snntorch", 6)[0], neurons="snntorch")
    else:
        model = read_onnx(TOPOLOGIES[name](rng))
    frames = rng.normal(0, 1, (8, *model.inputs[0].dims[1:])) > 0.3
    return run(Compilation(source=model, config=config, calibration=frames.astype(float)), to=to,
               hooks=[Keeper(folder)])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("config", [CoreConfig(), SMALL], ids=["core", "mesh"])
@pytest.mark.parametrize("name", [*TOPOLOGIES, "neurons"])
def test_every_step_is_kept_and_the_same_each_time(
    name: str, config: CoreConfig, tmp_path: Path, seed: int
) -> None:
    for folder in ("first", "second"):
        keep(tmp_path / folder, name, seed, config)
    first = contents(tmp_path / "first")
    assert first == contents(tmp_path / "second")
    assert {file_names(step)[0] for step in NAMES[:-1]} <= first.keys()
    for path, data in first.items():
        if path.endswith(".json"):
            json.loads(data, parse_constant=lambda constant: pytest.fail(constant))
    assert any(path.startswith("8_write/") for path in first)


def arrays_of(value: object) -> list[dict]:
    """The places of a description that stand for arrays."""
    if isinstance(value, dict):
        return [value] if "array" in value else [found for item in value.values() for found in arrays_of(item)]
    return [found for item in value for found in arrays_of(item)] if isinstance(value, list) else []


def test_the_arrays_are_those_of_the_representation(tmp_path: Path, seed: int) -> None:
    work = keep(tmp_path, "residual", seed, CoreConfig())
    described = json.loads((tmp_path / "5_populations.json").read_text())["program"]
    with np.load(tmp_path / "5_populations.npz") as arrays:
        assert {item["array"] for item in arrays_of(described)} == set(arrays.files)
        for edge, shown in zip(work.program.edges, described["edges"], strict=True):
            assert (edge.name, list(edge.stride)) == (shown["name"], shown["stride"])
            if isinstance(shown["weights"], dict):
                np.testing.assert_array_equal(arrays[shown["weights"]["array"]], edge.weights)
            else:
                assert shown["weights"] == edge.weights.tolist()
        assert sum(isinstance(edge["weights"], dict) for edge in described["edges"]) > 2


def test_nothing_stays_of_a_compilation_before(tmp_path: Path, seed: int) -> None:
    keep(tmp_path, "plain", seed, CoreConfig())
    (tmp_path / "notes.txt").write_text("mine")
    keep(tmp_path, "plain", seed, CoreConfig(), to="lower")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "1_import.json", "1_import.npz", "2_lower.json", "2_lower.npz", "notes.txt"]
    with pytest.raises(ConfigError, match="is a file; the steps need a folder"):
        Keeper(tmp_path / "notes.txt")
