"""Each step held to the step before: sound compilations pass, and a defect in any step is named by step and layer."""

import dataclasses
import hashlib
from typing import Any

import numpy as np
import pytest

import synapress
from synapress.engines.checks import Checker, CheckError
from synapress.mapper import lower
from synapress.mapper.importers.nir.reader import read_nir
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.memory_map import MemoryMap
from synapress.mapper.pipeline import STEPS, Checked, Compilation, Step, run
from tests.helpers.networks import random_network
from tests.helpers.onnx_models import TOPOLOGIES
from tests.helpers.spiking_graphs import graph

SMALL = dataclasses.replace(synapress.CoreConfig(), name="small", address_bits=10)
ALL = ["lower", "split", "populations", "partition", "place", "write"]


def work(name: str, seed: int, config: synapress.CoreConfig) -> Compilation:
    rng = np.random.default_rng(seed)
    model = read_onnx(TOPOLOGIES[name](rng))
    return Compilation(source=model, config=config, calibration=rng.normal(0, 1, (8, *model.inputs[0].dims[1:])))


def checked(given: Compilation) -> list[Checked]:
    return run(given, hooks=[Checker()]).checks


@pytest.mark.parametrize("config", [synapress.CoreConfig(), SMALL], ids=["core", "mesh"])
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_trained_models_agree_after_every_step(name: str, config: synapress.CoreConfig, seed: int) -> None:
    given = work(name, seed, config)
    found = checked(given)
    assert [item.step for item in found] == ALL
    for item in found:
        assert item.values > 0 or (item.step == "place" and given.placement is None), item
        assert item.largest <= (1e-5 if item.step in ("lower", "split") else 0), item


def test_neurons_agree_over_a_sequence(seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = read_nir(graph(rng, "snntorch", 6)[0], neurons="snntorch")
    frames = (rng.random((2, 7, *model.inputs[0].dims[1:])) < 0.3).astype(float)
    for mesh in (False, True):
        found = checked(Compilation(source=model, config=synapress.CoreConfig(), calibration=frames, mesh=mesh))
        assert [item.step for item in found] == ALL
        outputs = next(item for item in found if item.step == "lower")
        assert outputs.values == 7 * sum(np.prod(port.shape) for port in model.outputs)


def test_integer_layers_are_checked_from_where_they_enter(seed: int) -> None:
    network = random_network(np.random.default_rng(seed))
    for source, first in ((network, "populations"), (lower(network), "partition")):
        steps = [item.step for item in checked(Compilation(source=source, config=synapress.CoreConfig()))]
        assert steps == ALL[ALL.index(first):]


def spoil_layers(made: Any) -> None:
    layer = next(layer for layer in made.layers.values() if layer.kind == "sum")
    layer.bias = layer.bias + 0.01


def spoil_edges(made: Any) -> None:
    program = made.program if isinstance(made, MemoryMap) else made
    edge = program.edges[0]
    edge.weights = edge.weights.copy()
    edge.weights[0, 0, 0, 0] += 40


def spoil_placement(made: Any) -> None:
    made.places[next(iter(made.places))] = made.host


def spoil_fragments(made: Any) -> None:
    edge = made.descriptors[-1].edge
    edge.weights = edge.weights + 1


def spoil_image(made: Any) -> None:
    """Weights in the memory of the core, whose checksum is right."""
    first = made.manifest["edge_table"][0]["weight_base"] // (made.config.word_bits // 8)
    made.parts[first:first + 4] ^= np.uint64(0x4040404040404040)
    made.manifest["sha256"] = hashlib.sha256(made.to_bytes()).hexdigest()


def spoil_checksum(made: Any) -> None:
    made.manifest["sha256"] = "0" * 64


@pytest.mark.parametrize(("step", "spoil", "says"), [
    ("lower", spoil_layers, "float graph and layers, outputs differ first in"),
    ("split", spoil_layers, "layers before and after differ first in"),
    ("populations", spoil_edges, "integers of the quantization and the program differ first in"),
    ("partition", spoil_edges, "program and what the core holds differ first in"),
    ("partition", spoil_fragments, "program and fragments differ first in"),
    ("place", spoil_placement, "fragment '.*' lies on"),
    ("write", spoil_image, "fast model and golden core, outputs differ first in"),
    ("write", spoil_checksum, "the images cannot be loaded")])
def test_a_defect_in_any_step_is_named(step: str, spoil: Any, says: str, seed: int, monkeypatch: pytest.MonkeyPatch,
                                       ) -> None:
    """Of the real step's result a copy is changed, as a defect of the step would."""
    def broken(item: Step) -> Step:
        def wrong(given: Compilation) -> Any:
            made = item.run(given)
            spoil(getattr(made, "layers", made) if step == "split" else made)
            return made
        return dataclasses.replace(item, run=wrong) if item.name == step else item

    monkeypatch.setattr("synapress.mapper.pipeline.STEPS", tuple(map(broken, STEPS)))
    given = work("residual", seed, SMALL if spoil in (spoil_placement, spoil_fragments) else synapress.CoreConfig())
    with pytest.raises(CheckError, match=f"step '{step}': {says}.*This is a defect of Synapress") as found:
        checked(given)
    assert found.value.step == step


def test_the_whole_compilation_is_checked_when_asked(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synapress.engines.checks.TOLERANCE", -1.0)
    given = work("plain", seed, synapress.CoreConfig())
    synapress.compile(given.source, calibration=given.calibration)
    with pytest.raises(synapress.CheckError, match="step 'lower'"):
        synapress.compile(given.source, calibration=given.calibration, check=True)
