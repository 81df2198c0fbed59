"""Files of Lava-DL: every engine fires as Loihi does, by equations and matrices of the test's own; and refusals."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synapress
from golden.types import IntArray
from synapress import ModelError, ModelWarning
from synapress.mapper.importers.lava import equations
from synapress.mapper.importers.lava.layers import read_layers
from synapress.mapper.importers.lava.reader import CORE, WIDE_CORE, network_of, read_lava
from tests.helpers import lava_files
from tests.helpers.lava_files import Layer, neurons


def both(path: Path, layers: list[Layer], frames: IntArray, engine: str) -> dict[str, IntArray]:
    """Layers of a file, checked against equations, in both orders of rows and columns."""
    given = read_layers(lava_files.write(path / "random.net", layers))
    network, turned = network_of(given), frames.transpose(0, 1, 3, 2)
    wanted = {layer.name: spikes.transpose(0, 1, 3, 2) for layer, spikes in zip(
        given.layers, lava_files.loihi(layers, frames), strict=True)}
    for name in list(wanted)[:-1]:
        network.output(name)
    found = synapress.simulate(synapress.compile(network, config=CORE), turned, engine=engine)
    product = equations.run(given, turned)
    assert not found.wrapped
    for name, spikes in wanted.items():
        np.testing.assert_array_equal(product[name].spikes, spikes, err_msg=name)
        np.testing.assert_array_equal(found.outputs[name], spikes, err_msg=name)
    return wanted


@pytest.mark.parametrize("number", range(8))
def test_random_networks_fire_as_loihi(number: int, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, number])
    layers = lava_files.random_layers(rng)
    wanted = both(tmp_path, layers, lava_files.inputs(rng, layers, 20), "golden" if number < 2 else "fast")
    assert all(spikes.any() and not spikes.all() for spikes in list(wanted.values())[:3])


@pytest.mark.long
def test_rtl_fires_as_loihi(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, 100])
    layers = lava_files.random_layers(rng)
    both(tmp_path, layers, lava_files.inputs(rng, layers, 12), "rtl")


@pytest.mark.parametrize("engine", ["fast", "golden", pytest.param("rtl", marks=pytest.mark.long)])
def test_wide_potentials(engine: str, tmp_path: Path, seed: int) -> None:
    """Inhibited neurons whose currents last: Loihi's spikes, which cuba neurons of 16 bits do not have."""
    rng = np.random.default_rng([seed, 9])
    weights = rng.integers(4, 15, (12, 20)) * np.repeat([-1, 1], 10)
    layers: list[Layer] = [
        {"type": "dense", "shape": [12, 1, 1], "weight": weights,
         "neuron": neurons(iDecay=1500, vDecay=64, vThMant=80)},
        {"type": "dense", "shape": [5, 1, 1], "weight": rng.integers(-20, 40, (5, 12)),
         "neuron": neurons(iDecay=4096)}]
    # Inhibited first, then excited.
    active = np.repeat(np.repeat([[0.5, 0.1], [0.1, 0.6]], 10, axis=1), 30, axis=0)
    frames = (rng.random((60, 20)) < active).astype(int)[:, :, None, None]
    given = read_layers(lava_files.write(tmp_path / "wide.net", layers))
    wanted = dict(zip(("dense0", "dense1"), lava_files.loihi(layers, frames), strict=True))
    assert equations.run(given, frames)["dense0"].potentials[0] < -40000
    found = {}
    for wide, core in ((True, WIDE_CORE), (False, CORE)):
        network = network_of(given, wide=wide)
        network.output("dense0")
        found[wide] = synapress.simulate(synapress.compile(network, config=core), frames,
                                         engine=engine if wide else "fast")
    for name, spikes in wanted.items():
        np.testing.assert_array_equal(found[True].outputs[name], spikes)
    assert not found[True].wrapped and (found[False].outputs["dense0"] != wanted["dense0"]).any()
    layers[0]["neuron"]["vThMant"] = 128
    with pytest.raises(ModelError, match=r"rule 'vThMant': needs thresholds of at most 127"):
        read_lava(lava_files.write(tmp_path / "high.net", layers), wide=True)


def test_types_of_neurons(tmp_path: Path) -> None:
    """Currents that last, and thresholds that a parameter word has no room for, take cuba."""
    dense = {"type": "dense", "shape": [1], "weight": [[1.]]}
    layers = [dense | {"neuron": neurons(iDecay=decay, vThMant=threshold)}
              for decay, threshold in ((4096, 127), (4096, 128), (4095, 20))]
    made = read_lava(lava_files.write(tmp_path / "types.net", layers))
    assert [layer.kind for layer in made.layers.values()] == ["input", "lif", "cuba", "cuba"]


def test_a_path_compiles_and_a_saved_model_keeps_its_second_words(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, 3])
    layers = lava_files.random_layers(rng)
    path = lava_files.write(tmp_path / "random.net", layers)
    frames = lava_files.inputs(rng, layers, 12).transpose(0, 1, 3, 2)
    compiled = synapress.compile(path, config=CORE)
    compiled.save(tmp_path / "out")
    loaded = synapress.CompiledModel.load(tmp_path / "out")
    assert any(population.second for population in loaded.lowered.populations)
    for name, spikes in synapress.simulate(compiled, frames).outputs.items():
        np.testing.assert_array_equal(synapress.simulate(loaded, frames).outputs[name], spikes)
    with pytest.raises(ModelError, match=r"needs an ONNX file or a NIR graph; given: one of Lava's networks"):
        synapress.load(path)


def test_fractions_do_not_count(tmp_path: Path) -> None:
    layer = {"type": "dense", "shape": [1], "weight": [[3.75, -2.5]], "bias": [-1.5], "neuron": neurons()}
    with pytest.warns(ModelWarning, match="dense0 are no integers"):
        made = read_lava(lava_files.write(tmp_path / "fractions.net", [layer])).layers["dense0"]
    weights = made.branches[0].weights
    assert weights is not None and weights.ravel().tolist() == [3, -2] and made.bias.tolist() == [-64]


def test_weights_of_nine_bits_take_two_branches(tmp_path: Path) -> None:
    def terms(weights: list[int]) -> list[tuple[list[int], int]]:
        layer = {"type": "dense", "shape": [1], "weight": [weights], "neuron": neurons()}
        branches = read_lava(lava_files.write(tmp_path / "wide.net", [layer])).layers["dense0"].branches
        return [(branch.weights.ravel().tolist(), branch.shift) for branch in branches if branch.weights is not None]

    assert terms([127, -128]) == [([127, -128], 6)]
    assert terms([254, -256]) == [([127, -128], 7)]
    assert terms([255, -3]) == [([127, -2], 7), ([1, 1], 6)]


CONV: Layer = {"type": "conv", "shape": [3, 4, 3], "weight": np.ones((3, 2, 2, 2, 1)), "stride": [1, 1], "groups": 1,
               "padding": [0, 0], "dilation": [1, 1]}
REFUSED: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    ("layer type", {"type": "convT"}, {}), ("layer type", {"type": "average"}, {}),
    ("weight_rec", {"weight_rec": 1}, {}),
    ("delay", {"delay": [0., 3., 0.]}, {}), ("shape", {"shape": [3, 5, 3]}, {}), ("weight", {"groups": 2}, {}),
    ("stride", {"stride": [0, 1]}, {}), ("padding", {"padding": [1, 1, 1]}, {}), ("bias", {"bias": [1., 2.]}, {}),
    ("weight", {"weight": np.full((3, 2, 2, 2, 1), 256.)}, {}),
    ("weight", {"weight": np.full((3, 2, 2, 2), np.nan)}, {}),
    ("weight", {"weight": np.full((3, 2, 2, 2), 1e30)}, {}), ("bias", {"bias": [0., 0., 2.**58]}, {}),
    ("shape", {"shape": [3, 4, 3, 1]}, {}), ("neuron type", {}, {"type": "SDNN"}), ("refDelay", {}, {"refDelay": 2}),
    ("wgtExp", {}, {"wgtExp": 1}), ("gradedSpike", {}, {"gradedSpike": True}), ("iDecay", {}, {"iDecay": 4097}),
    ("vDecay", {}, {"vDecay": [1, 2]}), ("vThMant", {}, {"vThMant": 512}), ("sinDecay", {}, {"sinDecay": 3}))


@pytest.mark.parametrize(("rule", "layer", "neuron"), REFUSED)
def test_refusals(rule: str, layer: dict[str, Any], neuron: dict[str, Any], tmp_path: Path) -> None:
    layers = [{"type": "input", "shape": [2, 5, 4]}, CONV | {"neuron": neurons()}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_lava(lava_files.write(tmp_path / "good.net", layers))
    layers[1] |= layer | {"neuron": neurons(**neuron)}
    with pytest.raises(ModelError, match=f"1', rule '{rule}'"):
        read_lava(lava_files.write(tmp_path / "bad.net", layers))


def test_pools_of_several_weights_and_missing_parts_are_refused(tmp_path: Path) -> None:
    source: Layer = {"type": "input", "shape": [2, 4, 4]}
    pool = {"type": "pool", "shape": [2, 2, 2], "weight": np.arange(4.).reshape(1, 1, 2, 2, 1), "neuron": neurons()}
    for layers, rule in (([source, pool], "weight"), ([source, {"type": "dense", "shape": [2]}], "neuron"),
                         ([source], "layers"), ([CONV | {"neuron": neurons()}], "input shape"),
                         ([{"type": "dense", "shape": [2], "neuron": neurons()}], "weight"),
                         ([source | {"neuron": neurons()}, source], "layer type"), ([], "file")):
        with pytest.raises(ModelError, match=f"rule '{rule}'"):
            read_lava(lava_files.write(tmp_path / "bad.net", layers))
    (tmp_path / "text.net").write_text("no HDF5")
    with pytest.raises(ModelError, match=r"text.net', rule 'file'"):
        read_lava(tmp_path / "text.net")
