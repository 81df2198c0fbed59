"""What the refusals of NIR graphs advise: that it works when followed."""

import itertools
from typing import Any

import nir
import numpy as np
import pytest

import synapress
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.nir.reader import read_nir
from tests.helpers.spiking_graphs import READ_AS, STYLES

ONES = np.ones(3)


def chain(*nodes: Any, shape: tuple[int, ...] = (3,)) -> nir.NIRGraph:
    named: dict[str, Any] = {"input": nir.Input(input_type=np.array(shape))}
    named |= {f"n{number}": node for number, node in enumerate(nodes)}
    named["output"] = nir.Output(output_type=None)
    return nir.NIRGraph(nodes=named, edges=list(itertools.pairwise(named)), type_check=False)


def run(made: nir.NIRGraph, neurons: Any, frames: np.ndarray) -> np.ndarray:
    """The output of the float reference, in the file's layout."""
    model = read_nir(made, neurons=neurons)
    maps = reference.run(model.graph, {"input": model.inputs[0].to_maps(frames)})
    return model.outputs[0].from_maps(maps[model.outputs[0].node])


def refused(made: nir.NIRGraph, neurons: Any, *says: str) -> str:
    with pytest.raises(ModelError) as error:
        read_nir(made, neurons=neurons)
    for text in says:
        assert text in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("style", STYLES)
def test_a_threshold_is_the_step_function(style: str, seed: int) -> None:
    """In every style, above, at and below thresholds of any sign, from float to the images: it needs no advice."""
    rng = np.random.default_rng([seed, 960, STYLES.index(style)])
    threshold = np.array([2.0, 0.0, -3.0])
    weight = rng.integers(-4, 5, (3, 3)).astype(float)
    x = rng.integers(0, 2, (50, 3)).astype(float)
    expected = x @ weight.T > threshold
    made = chain(nir.Linear(weight=weight), nir.Threshold(threshold=threshold))
    assert (x @ weight.T == threshold).any() and 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(run(made, READ_AS[style], x), expected)
    model = read_nir(made)
    assert model.warnings == (), "a Threshold leaves nothing open"
    compiled = synapress.compile(model, config="fpga_small", calibration=x)
    for engine in ("fast", "golden"):
        np.testing.assert_array_equal(synapress.simulate(compiled, x, engine=engine).outputs["output"], expected)


def test_integrators_are_no_thresholds() -> None:
    """An IF sums what a Threshold forgets; a LIF with tau = dt is one in NIR's own style."""
    x = np.full((6, 3), 0.6)
    step = run(chain(nir.Threshold(threshold=ONES)), "nir", x)
    assert not step.any() and run(chain(nir.IF(r=ONES, v_threshold=ONES)), "nir", x).any()
    forgetful = nir.LIF(tau=ONES, r=ONES, v_leak=0 * ONES, v_threshold=ONES)
    for current in (0.6, 1.0, 1.4):
        np.testing.assert_array_equal(run(chain(forgetful), "nir", np.full((6, 3), current)),
                                      run(chain(nir.Threshold(threshold=ONES)), "nir", np.full((6, 3), current)))


@pytest.mark.parametrize(("style", "r"), [("snntorch", 1e4), ("norse", 1.0), ("nir,dt=0.5", 2.0)])
def test_a_leaky_without_a_leak_is_an_if(style: str, r: float, seed: int) -> None:
    """snnTorch's Leaky with beta = 1: U' = U + I - S · threshold."""
    endless = nir.LIF(tau=ONES * np.inf, r=ONES * np.inf, v_leak=0 * ONES, v_threshold=ONES)
    refused(chain(endless), style, f"use an IF with r = {r:g}, or a beta below 1")
    if style != "snntorch":
        style += ",reset=subtract"
    x = np.random.default_rng([seed, 961]).uniform(-0.3, 1, (40, 3))
    got = run(chain(nir.IF(r=r * ONES, v_threshold=ONES)), style, x)
    u, s = np.zeros(3), np.zeros(3)
    for current, spikes in zip(x, got, strict=True):
        u = u + current - s
        s = (u > 1).astype(float)
        np.testing.assert_array_equal(spikes, s)
    assert 0.1 < got.mean() < 0.9


@pytest.mark.parametrize(("options", "tau_syn"), [("nir,dt=0.5", "dt, 0.5."), (
    "nir,method=exact", "dt/20, 0.05 (method=exact).")])
def test_a_synaptic_current_that_lasts_one_timestep(options: str, tau_syn: str) -> None:
    def node(tau: float) -> nir.CubaLIF:
        return nir.CubaLIF(tau_syn=tau * ONES, tau_mem=2 * ONES, r=ONES, v_leak=0 * ONES, v_threshold=ONES, w_in=ONES)

    text = refused(chain(node(3)), options, f"tau_syn = {tau_syn}")
    number = float(text.rpartition("tau_syn = ")[2].partition(", ")[2].rstrip(".").partition(" ")[0])
    x = np.array([[3.0] * 3, [3.0] * 3, [0.0] * 3, [3.0] * 3])
    leaky = nir.LIF(tau=2 * ONES, r=ONES, v_leak=0 * ONES, v_threshold=ONES)
    got = run(chain(node(number)), options, x)
    np.testing.assert_array_equal(got, run(chain(leaky), options, x))
    assert 0 < got.mean() < 1


def test_the_synaptic_current_of_norse_is_refused_by_default() -> None:
    """Its LIF has tau_syn_inv = 200 and tau_mem_inv = 100, with dt = 1e-3, and tau written as dt / tau_inv."""
    node = nir.CubaLIF(tau_syn=5e-6 * ONES, tau_mem=1e-5 * ONES, r=ONES, v_leak=0 * ONES, v_threshold=ONES)
    refused(chain(node), "norse", "tau_syn = dt, 1e-06", "a share of 0.8 that stays")
    node.tau_syn = 1e-6 * ONES
    read_nir(chain(node), neurons="norse")


def test_a_late_reset_without_a_leak_needs_a_reset_to_zero() -> None:
    def node(v_reset: float) -> nir.LIF:
        return nir.LIF(tau=1e-4 * ONES, r=ONES, v_leak=0 * ONES, v_threshold=ONES, v_reset=v_reset * ONES)

    refused(chain(node(0)), "snntorch", "or with a reset to zero, and give reset=zero.")
    for style in ("snntorch", "snntorch,reset=zero"):
        refused(chain(node(-1)), style, "or with a reset to 0: v_reset = 0 in the file, read with reset=zero.")
    x = np.array([[1.5] * 3, [0.5] * 3, [1.5] * 3])
    np.testing.assert_array_equal(run(chain(node(0)), "snntorch,reset=zero", x)[:, 0], [1, 0, 1])


def test_a_time_constant_below_the_timestep() -> None:
    made = chain(nir.LIF(tau=5e-4 * ONES, r=5 * ONES, v_leak=0 * ONES, v_threshold=ONES))
    text = refused(made, "nir", "dt=1e-4", "dt=1e-6", "method=exact")
    for option in ("dt=1e-4", "dt=1e-6", "method=exact"):
        assert option in text
        read_nir(made, neurons=option)


def test_a_late_reset_above_the_threshold() -> None:
    """Told when compiling, where the neuron's reset before the leak is made of it."""
    node = nir.LIF(tau=2 * ONES, r=2 * ONES, v_leak=0 * ONES, v_threshold=ONES, v_reset=0.6 * ONES)
    x = np.random.default_rng(1).uniform(0, 1, (20, 3))
    with pytest.raises(ModelError, match=r"rule 'late reset'.*lower v_reset or a weaker leak.*give late_reset=no"):
        synapress.compile(read_nir(chain(node), neurons="late_reset=yes"), calibration=x)
    synapress.compile(read_nir(chain(node), neurons="late_reset=no"), calibration=x)
    node.v_reset = 0.4 * ONES
    synapress.compile(read_nir(chain(node), neurons="late_reset=yes"), calibration=x)


def test_a_dense_layer_of_a_map(seed: int) -> None:
    """The same weights at every position: channels and a kernel of 1; weights of the whole map: a Flatten."""
    rng = np.random.default_rng([seed, 962])
    weight, x = rng.normal(0, 1, (5, 4)), rng.normal(0, 1, (6, 7, 4))
    expected = x @ weight.T
    refused(chain(nir.Linear(weight=weight), shape=(7, 4)), None, "put a Flatten before it", "the first", "size 1")
    first = nir.Conv1d(input_shape=7, weight=weight[:, :, None], stride=1, padding=0, dilation=1, groups=1,
                       bias=np.zeros(5))
    np.testing.assert_allclose(run(chain(first, shape=(4, 7)), None, x.swapaxes(1, 2)), expected.swapaxes(1, 2))
    first = nir.Conv2d(input_shape=(7, 1), weight=weight[:, :, None, None], stride=1, padding=0, dilation=1, groups=1,
                       bias=np.zeros(5))
    got = run(chain(first, shape=(4, 7, 1)), None, x.swapaxes(1, 2)[..., None])
    np.testing.assert_allclose(got[..., 0], expected.swapaxes(1, 2))
    flat = chain(nir.Flatten(input_type=np.array([7, 4]), start_dim=0), nir.Linear(weight=np.kron(np.eye(7), weight)),
                 shape=(7, 4))
    np.testing.assert_allclose(run(flat, None, x), expected.reshape(6, 35))


def test_padding_in_numbers_instead_of_same(seed: int) -> None:
    rng = np.random.default_rng([seed, 963])
    node = nir.Conv2d(input_shape=(6, 6), weight=rng.normal(0, 1, (2, 3, 3, 3)), stride=(2, 2), padding="same",
                      dilation=1, groups=1, bias=np.zeros(2))
    refused(chain(node, shape=(3, 6, 6)), None, "give the padding in numbers")
    node.padding = (1, 1)
    assert run(chain(node, shape=(3, 6, 6)), None, rng.normal(0, 1, (2, 3, 6, 6))).shape == (2, 2, 3, 3)


def test_dimensions_of_a_flatten_without_the_batch() -> None:
    def made(start: int) -> nir.NIRGraph:
        return chain(nir.Flatten(input_type=None, start_dim=start), shape=(3, 4, 5))

    refused(made(3), None, "PyTorch's 1 is NIR's 0")
    x = np.random.default_rng(1).normal(0, 1, (2, 3, 4, 5))
    np.testing.assert_array_equal(run(made(0), None, x), x.reshape(2, 60))


def test_shapes_that_the_file_gives() -> None:
    made = chain(nir.Scale(scale=np.ones(1)))
    made.nodes["input"] = nir.Input(input_type=None)
    made.nodes["n0"].input_type = None
    refused(made, None, "nir.Input(input_type={'input': np.array(sizes)})")
    made.nodes["input"] = nir.Input(input_type={"input": np.array([3])})
    assert read_nir(made).inputs[0].dims == (1, 3)


def test_a_subgraph_with_two_outputs() -> None:
    """Its nodes in the graph itself, or a subgraph of each part."""
    shape = np.array([3])
    ends = {"i": nir.Input(input_type=shape), "o": nir.Output(output_type=shape)}
    scales = {name: nir.Scale(scale=factor * ONES) for name, factor in (("a", 2), ("b", 3), ("c", 5))}
    outside = {"input": nir.Input(input_type=shape), "y": nir.Output(output_type=shape),
               "z": nir.Output(output_type=shape)}
    both = nir.NIRGraph(
        nodes={**ends, "p": nir.Output(output_type=shape), **scales}, type_check=False,
        edges=[("i", "a"), ("a", "b"), ("a", "c"), ("b", "o"), ("c", "p")])
    whole = nir.NIRGraph(nodes={**outside, "s": both}, edges=[("input", "s"), ("s", "y"), ("s", "z")], type_check=False)
    refused(whole, None, "Put its nodes into the graph itself", "a subgraph of each part")
    edges = [("input", "a"), ("a", "b"), ("a", "c"), ("b", "y"), ("c", "z")]
    parts = {name: nir.NIRGraph(nodes={**ends, "s": node}, edges=[("i", "s"), ("s", "o")], type_check=False)
             for name, node in scales.items()}
    for nodes in (scales, parts):
        model = read_nir(nir.NIRGraph(nodes={**outside, **nodes}, edges=edges, type_check=False))
        maps = reference.run(model.graph, {"input": np.ones((1, 3, 1, 1))})
        assert [maps[port.node][0, 0, 0, 0] for port in model.outputs] == [6, 10]


def test_what_is_taken_away() -> None:
    """Potentials and delays at the end, edges that lead nowhere, cycles."""
    spiking = nir.IF(r=ONES, v_threshold=ONES)
    for node, says in ((nir.LI(tau=ONES, r=ONES, v_leak=ONES), "end the graph at the spikes before it"),
                       (nir.I(r=ONES), "end the graph at the spikes before it"),
                       (nir.Delay(delay=ONES), "train without delays")):
        made = chain(spiking, nir.Linear(weight=np.eye(3)), node)
        refused(made, None, says)
        made.edges = [("input", "n0"), ("n0", "output")]
        assert read_nir(made, neurons="nir").outputs[0].dims == (1, 3)
    made = chain(spiking)
    made.edges.append(("n0", "nobody"))
    refused(made, None, "Remove the edge, or add the node")
    made.edges.pop()
    read_nir(made, neurons="nir")
    made.edges.append(("n0", "n0"))
    refused(made, None, "without recurrence")


def test_numbers_per_neuron_and_a_reset_below_the_threshold() -> None:
    refused(chain(nir.IF(r=np.ones(4), v_threshold=np.ones(4))), "nir", "Give one number, or one for each neuron")
    refused(chain(nir.IF(r=ONES, v_threshold=ONES, v_reset=ONES)), "nir", "set v_reset below it")
    one = np.array(1.0)
    for node in (nir.IF(r=one, v_threshold=one), nir.IF(r=ONES, v_threshold=ONES, v_reset=0 * ONES)):
        read_nir(chain(node), neurons="nir")
