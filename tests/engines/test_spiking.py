"""NIR graphs with neurons through the public interface: integers against float spikes, golden against RTL."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from typer.testing import CliRunner

import synapress
from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.network import dense
from golden.words import NeuronType
from synapress.cli.main import app
from synapress.engines.timesteps import run
from synapress.mapper.importers import graph as g
from synapress.mapper.importers import reference
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.nir.reader import read_nir
from synapress.mapper.quantization.spiking import agreement, integer_neuron
from synapress.reports.report import accuracies
from synapress.results import CompiledModel
from synapress.zoo.digits.data import load_digits
from synapress.zoo.spiking_digits import data
from synapress.zoo.spiking_digits.data import TIMESTEPS, sequences
from tests.helpers.spiking_graphs import READ_AS, STYLES, graph

DIGITS = Path(data.__file__).with_name("spiking_digits.nir")
WIDE = dataclasses.replace(CoreConfig(), name="wide", state_bits=32, multiplier_bits=8)
"""32-bit states, and a multiplier that leaves thresholds 17 bits."""


def compiled(
    rng: np.random.Generator, style: str, config: CoreConfig | str, size: int = 8
) -> tuple[CompiledModel, Model]:
    model = read_nir(graph(rng, style, size)[0], neurons=READ_AS[style])
    calibration = (rng.random((16, 10, 2, size, size)) < 0.3).astype(float)
    return synapress.compile(model, config=config, calibration=calibration), model


@pytest.mark.parametrize("config", ["grai_vip", WIDE], ids=["16 bit", "32 bit"])
@pytest.mark.parametrize("style", STYLES)
def test_integers_fire_as_the_floats_do(style: str, config: CoreConfig | str, seed: int) -> None:
    """Of each layer, on the same inputs; and outputs over new sequences, the noise of all layers in them."""
    rng = np.random.default_rng([seed, 910, STYLES.index(style)])
    made, model = compiled(rng, style, config)
    reports = [layer for layer in made.layers if layer.own_spikes is not None]
    assert len(reports) == 3
    for layer in reports:
        assert layer.own_spikes is not None and layer.own_spikes > 0.8, layer
    pools = [layer for layer in made.layers if layer.spikes is None]
    assert len(pools) == 2 and all(layer.own_sqnr == np.inf for layer in pools), "counts of spikes stay exact"
    frames = (rng.random((6, 10, 2, 8, 8)) < 0.3).astype(float)
    result = synapress.simulate(made, frames)
    expected = reference.run(model.graph, {"input": model.inputs[0].to_maps(frames.reshape(-1, 2, 8, 8))}, timesteps=10)
    (got,) = result.outputs.values()
    assert got.shape == (6, 10, 4)
    assert (got == model.outputs[0].from_maps(expected["n3"]).reshape(got.shape)).mean() > 0.85
    assert 0.05 < np.mean([expected[name].mean() for name in ("n1", "n2", "n3")]) < 0.95


@pytest.mark.parametrize("config", ["fpga_small", pytest.param(WIDE, marks=pytest.mark.long)], ids=["16 bit", "32 bit"])
@pytest.mark.parametrize("style", STYLES)
def test_rtl_fires_as_golden_does(style: str, config: CoreConfig | str, seed: int) -> None:
    """Two sequences of 6 timesteps; states, events, memory and counters are compared on the way."""
    rng = np.random.default_rng([seed, 911, STYLES.index(style)])
    made, _ = compiled(rng, style, config, size=4)
    frames = (rng.random((2, 6, 2, 4, 4)) < 0.5).astype(float)
    golden, rtl = (synapress.simulate(made, frames, engine=engine) for engine in ("golden", "rtl"))
    for name, array in golden.integers.items():
        np.testing.assert_array_equal(rtl.integers[name], array)
    assert sum(count.events for count in golden.counts.values()) > 100
    assert rtl.counters is not None and rtl.counters["neurons_fired"] > 50


def test_trained_digits_keep_their_accuracy() -> None:
    """A network of snnTorch on the first 20 test digits of each class; its own figure over all 1,000 is 98.6 %."""
    data = load_digits()
    chosen = np.concatenate([np.flatnonzero(data.test_labels == digit)[:20] for digit in range(10)])
    model = synapress.load(DIGITS, neurons="snntorch")
    made = synapress.compile(model, calibration=sequences(data.train_images[::40]))
    result = synapress.simulate(made, sequences(data.test_images[chosen]))
    wanted = synapress.float_outputs(model, sequences(data.test_images[chosen]))
    assert result.outputs["output"].shape == wanted["output"].shape == (200, TIMESTEPS, 10)
    found = accuracies(result, data.test_labels[chosen], wanted)
    assert found["accuracy, float"] > 0.97 and found["accuracy"] > 0.96
    assert (result.outputs["output"] == wanted["output"]).mean() > 0.95


def chain(rng: np.random.Generator, *neurons: Any) -> nir.NIRGraph:
    """Dense layers of whole weights with neurons after them."""
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array([6])})}
    for number, node in enumerate(neurons):
        nodes[f"w{number}"] = nir.Affine(weight=rng.integers(-9, 12, (6, 6)).astype(float),
                                         bias=rng.integers(-3, 4, 6).astype(float))
        nodes[f"n{number}"] = node
    nodes["output"] = nir.Output(output_type={"output": np.array([6])})
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes)))


@pytest.mark.parametrize("reset", ["zero", "subtract"])
@pytest.mark.parametrize("fires", [">", ">="])
def test_whole_numbers_stay_exact(fires: str, reset: str, seed: int) -> None:
    """Integrate-and-fire neurons whose numbers are whole: each spike is the float one, at the threshold too."""
    at = 0
    for number in range(10):
        rng = np.random.default_rng([seed, 912, number])
        nodes = [nir.IF(r=np.ones(6), v_threshold=rng.integers(2, 12, 6).astype(float),
                        v_reset=rng.integers(-6, 2, 6).astype(float)) for _ in range(2)]
        model = read_nir(chain(rng, *nodes), neurons=Neurons(
            fires=fires, reset=reset, initial=str(rng.choice(["zero", "reset"]))))
        frames = (rng.random((8, 12, 6)) < 0.5).astype(float)
        made = synapress.compile(model, config="fpga_small", calibration=frames)
        (got,) = synapress.simulate(made, frames).outputs.values()
        maps = reference.run(model.graph, {"input": frames.reshape(-1, 6, 1, 1)}, timesteps=12)
        np.testing.assert_array_equal(got.reshape(-1, 6, 1, 1), maps[model.outputs[0].node])
        assert [layer.spikes for layer in made.layers] == [1.0, 1.0]
        node = model.graph.nodes["n0"]
        assert isinstance(node, g.Spiking)
        potentials = reference.spike(node, maps["n0/current"], 12)[1]
        at += int((potentials == node.threshold[:, None, None]).sum())
    assert at > 20, "potentials that are exactly the threshold"


def test_integer_neurons_of_all_kinds(seed: int) -> None:
    """Any order, reset, decay, v_reset and initial potential, on a fine grid: all spikes but those very near to it."""
    config = CoreConfig()
    rng = np.random.default_rng([seed, 913])
    fired = same = 0
    for reset, late, strict in itertools.product(("zero", "subtract"), (False, True), (False, True)):
        for _ in range(5):
            depth = 8
            node = g.Spiking(
                name="n", decay=rng.uniform(0.3, 1, depth) if rng.random() < 0.8 else np.ones(depth),
                threshold=rng.uniform(0.8, 1.5, depth), v_reset=rng.uniform(-0.3, 0.2, depth),
                initial=rng.uniform(-0.5, 0.5, depth), reset=reset, strict=strict, late_reset=late)
            unit = np.full(depth, 1 / 4000)
            sums = rng.integers(-1000, 2600, (40, depth, 1, 1))
            bias = rng.integers(-300, 300, depth).astype(float)
            expected, _ = reference.spike(node, (sums + bias[:, None, None]) / 4000, 20)
            made = integer_neuron("n", node, unit, bias, config, saturate=bool(rng.integers(2)))
            spikes, (low, high) = made.run(sums, 20, config)
            assert -1 << 15 <= low < high < 1 << 15
            assert agreement(expected, spikes) > 0.8, (reset, late, strict)
            fired, same = fired + int(expected.sum()), same + int((expected * spikes).sum())
    assert fired > 500 and same / fired > 0.99


@pytest.mark.parametrize("style", STYLES[1:])
def test_graphs_of_exporters_run_from_image_to_spikes(style: str, seed: int) -> None:
    """In the forms that exporters write: event by event, and each layer as the float neurons on the same inputs."""
    rng = np.random.default_rng([seed, 918, STYLES.index(style)])
    model = read_nir(graph(rng, style, 4, exported=True)[0], neurons=READ_AS[style])
    frames = (rng.random((6, 8, 2, 4, 4)) < 0.4).astype(float)
    made = synapress.compile(model, config="fpga_small", calibration=frames)
    shares = [layer.own_spikes for layer in made.layers if layer.own_spikes is not None]
    assert len(shares) == 3 and min(shares) > 0.8
    (got,) = synapress.simulate(made, frames[:2], engine="golden").outputs.values()
    assert got.shape == (2, 8, 4) and 0 < got.mean() < 1


def test_sequences_and_single_frames_are_the_same(seed: int, tmp_path: Path) -> None:
    """Also from a folder, which keeps initial potentials."""
    rng = np.random.default_rng([seed, 914])
    made, _ = compiled(rng, "norse", "fpga_small", size=4)
    assert any(population.initial is not None and population.initial.any() for population in made.program.populations)
    frames = (rng.random((3, 5, 2, 4, 4)) < 0.5).astype(float)
    whole = synapress.simulate(made, frames).outputs["output"]
    made.save(tmp_path / "out")
    again = CompiledModel.load(tmp_path / "out")
    for number, sequence in enumerate(frames):
        np.testing.assert_array_equal(synapress.simulate(again, sequence).outputs["output"], whole[number])
    assert again.to_json() == made.to_json()


def test_timesteps_are_those_of_the_dense_reference(seed: int) -> None:
    """The fast model with the states that stay in between, of several sequences in a row."""
    rng = np.random.default_rng([seed, 917])
    made, _ = compiled(rng, "norse", "fpga_small", size=4)
    frames = rng.integers(0, 2, (3 * 5, 2, 4, 4))
    values, wrapped, _ = run(made.program, {"input": frames}, 5, made.config)
    assert not any(wrapped.values())
    series = frames.reshape(3, 5, 2, 4, 4)
    for t, expected in enumerate(dense.run_timesteps(
            made.program, [{"input": series[:, t]} for t in range(5)], made.config)):
        assert expected.keys() == values.keys()
        for name, result in expected.items():
            np.testing.assert_array_equal(values[name].reshape(3, 5, *values[name].shape[1:])[:, t], result.outputs)
    neurons = [item.name for item in made.program.populations if item.type == NeuronType.SPIKING]
    assert len(neurons) == 3 and all(0 < values[name].mean() < 1 for name in neurons)


def test_command_line(tmp_path: Path, seed: int) -> None:
    """A NIR file, compiled in the style of its framework; the outputs are those of the interface."""
    rng = np.random.default_rng([seed, 916])
    made = graph(rng, "snntorch", 4)[0]
    frames = (rng.random((4, 6, 2, 4, 4)) < 0.5).astype(float)
    nir.write(tmp_path / "snn.nir", made)
    np.save(tmp_path / "x.npy", frames)
    x, folder, runner = str(tmp_path / "x.npy"), str(tmp_path / "out"), CliRunner()
    for arguments in (
            ["compile", str(tmp_path / "snn.nir"), "--calibration", x, "-o", folder, "--neurons", "snntorch"],
            ["simulate", folder, "-i", x, "-o", str(tmp_path / "y.npz")]):
        done = runner.invoke(app, arguments)
        assert done.exit_code == 0, done.output
    expected = synapress.simulate(synapress.compile(read_nir(made, neurons="snntorch"), calibration=frames), frames)
    with np.load(tmp_path / "y.npz") as file:
        np.testing.assert_array_equal(file["output"], expected.outputs["output"])


def test_mistakes_are_named(seed: int) -> None:
    rng = np.random.default_rng([seed, 915])
    made, _ = compiled(rng, "sinabs", "fpga_small", size=4)
    with pytest.raises(synapress.ModelError, match="rule 'input shape'"):
        synapress.simulate(made, np.zeros((2, 3, 5, 2, 4, 4)))
    with pytest.raises(NetworkError, match="same sequences and timesteps, at least one"):
        synapress.simulate(made, np.zeros((2, 0, 2, 4, 4)))
    falling = chain(rng, nir.IF(r=np.ones(6), v_threshold=np.ones(6)))
    falling.nodes["w0"].weight = np.full((6, 6), -100.0)
    options = synapress.Options(headroom=0.01, saturate=False)
    with pytest.raises(synapress.ModelError, match=r"node 'w0', rule 'sums'.*16 bits"):
        synapress.compile(read_nir(falling), config="fpga_small", calibration=np.ones((500, 6)), options=options)
