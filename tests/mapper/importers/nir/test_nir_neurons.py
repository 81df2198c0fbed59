"""NIR's neurons: the float reference against the equations of each framework, options, and what is refused."""

import itertools
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest

from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.neurons import STYLES as STYLE_OPTIONS
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.nir.reader import read_nir
from tests.helpers.spiking_graphs import READ_AS, STYLES, graph, nested


@pytest.mark.parametrize("style", STYLES)
def test_the_reference_equals_the_equations_of_the_framework(style: str, tmp_path: Path, seed: int) -> None:
    """Every spike of every layer over 12 timesteps, of five random graphs from files."""
    rates: dict[str, list[float]] = {"n1": [], "n2": [], "n3": []}
    for number in range(5):
        rng = np.random.default_rng([seed, 900, STYLES.index(style), number])
        made, run = graph(rng, style)
        nir.write(tmp_path / "model.nir", made)
        model = read_nir(tmp_path / "model.nir", neurons=READ_AS[style])
        frames = (rng.random((12, 2, 8, 8)) < 0.3).astype(float)
        got = reference.run(model.graph, {"input": model.inputs[0].to_maps(frames)})
        for name, expected in run(frames).items():
            mine = got[name].swapaxes(2, 3).reshape(expected.shape)
            rates[name].append(float(expected.mean()))
            assert (mine == expected).mean() > 0.999, name
    assert all(0.03 < np.mean(values) < 0.97 for values in rates.values()), rates


def test_sequences_start_anew(seed: int) -> None:
    rng = np.random.default_rng([seed, 901])
    model = read_nir(graph(rng, "snntorch")[0], neurons="snntorch")
    frames = (rng.random((10, 2, 8, 8)) < 0.3).astype(float)
    both = reference.run(model.graph, {"input": frames}, timesteps=5)["n3"]
    parts = [reference.run(model.graph, {"input": part})["n3"] for part in (frames[:5], frames[5:])]
    np.testing.assert_array_equal(both, np.concatenate(parts))


def chain(node: Any, shape: tuple[int, ...] = (3,)) -> nir.NIRGraph:
    nodes = {"input": nir.Input(input_type={"input": np.array(shape)}), "n": node,
             "output": nir.Output(output_type={"output": np.array(shape)})}
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes)))


def spikes(node: Any, options: Neurons, currents: list[float]) -> list[int]:
    model = read_nir(chain(node), neurons=options)
    values = reference.run(model.graph, {"input": model.inputs[0].to_maps(np.array([[i] * 3 for i in currents]))})
    return values[model.outputs[0].node][:, 0, 0, 0].astype(int).tolist()


def test_options_of_what_nir_leaves_open() -> None:
    ones, zeros = np.ones(3), np.zeros(3)
    simple = nir.IF(r=ones, v_threshold=2 * ones)
    assert spikes(simple, Neurons(), [2, 1, 3, 1, 1, 1]) == [0, 1, 1, 0, 0, 1]
    assert spikes(simple, Neurons(fires=">="), [2, 1, 3, 1, 1, 1]) == [1, 0, 1, 0, 1, 0]
    assert spikes(simple, Neurons(fires=">=", reset="subtract"), [3, 1, 5, 0, 0, 0]) == [1, 1, 1, 1, 0, 0]
    assert spikes(simple, Neurons(dt=0.5), [4, 1, 4]) == [0, 1, 0]
    lif = nir.LIF(tau=2 * ones, r=2 * ones, v_leak=zeros, v_threshold=2 * ones, v_reset=zeros)
    # v: 3 fires, 1 left -> 0.5 + 1.6 = 2.1 fires; with a late reset 1.5 - 2 + 1.6 = 1.1 does not
    assert spikes(lif, Neurons(reset="subtract"), [3, 1.6]) == [1, 1]
    assert spikes(lif, Neurons(reset="subtract", late_reset=True), [3, 1.6]) == [1, 0]
    # nothing of a potential stays: each current alone decides, whenever the reset to 0 comes
    forgetful = nir.LIF(tau=ones, r=ones, v_leak=zeros, v_threshold=2 * ones)
    for late in (False, True):
        assert spikes(forgetful, Neurons(late_reset=late), [3, 1.5, 1.5, 2.5, 2.5]) == [1, 0, 0, 1, 1]
    assert spikes(lif, Neurons(), [0.9, 0, 0.8, 0.2]) == [0, 0, 0, 0]
    assert spikes(lif, Neurons(lif_gain="one"), [0.9, 0, 0.5, 0.2]) == [0, 0, 0, 0]
    assert spikes(lif, Neurons(lif_gain="one"), [0.9, 0, 0.8, 0.2]) == [0, 0, 1, 0]  # 1.8, 0.9, 0.45 + 1.6
    # exp(-1/2) = 0.607: 0.787 · 2.5 = 1.97, then 1.19 + 0.94
    assert spikes(lif, Neurons(method="exact"), [2.5, 1.2]) == [0, 1]
    assert spikes(lif, Neurons(), [2.5, 1.2]) == [1, 0]
    resting = nir.LIF(tau=2 * ones, r=2 * ones, v_leak=4 * ones, v_threshold=3.5 * ones, v_reset=-ones)
    assert spikes(resting, Neurons(), [0]) == [0]
    assert spikes(resting, Neurons(initial="leak"), [0]) == [1]
    assert spikes(resting, Neurons(initial="reset"), [2, 0]) == [0, 1]  # 3.5, then 3.75


def test_current_based_neurons_whose_current_lasts_one_timestep() -> None:
    ones = np.ones(3)
    node = nir.CubaLIF(tau_syn=0.5 * ones, tau_mem=2 * ones, r=ones, v_leak=0 * ones, v_threshold=ones, w_in=2.5 * ones)
    v, current, expected = 0.0, 0.0, []
    for s in (1, 1, 0, 1, 1, 1):
        current += 0.5 / 0.5 * (2.5 * s - current)
        v += 0.5 / 2 * (current - v)
        expected.append(int(v > 1))
        v = 0.0 if v > 1 else v
    assert spikes(node, Neurons(dt=0.5), [1, 1, 0, 1, 1, 1]) == expected
    assert 0 < sum(expected) < 6
    with pytest.raises(ModelError, match=r"node 'n', rule 'synaptic current'.*tau_syn"):
        read_nir(chain(node), neurons=Neurons(dt=0.25))


def recurrent() -> nir.NIRGraph:
    """The subgraph that snnTorch writes for an RSynaptic."""
    shape = np.array([3])
    lif = nir.CubaLIF(tau_syn=np.full(3, 1e-4), tau_mem=np.full(3, 1e-3), r=np.full(3, 10.0), v_leak=np.zeros(3),
                      v_threshold=np.ones(3))
    return nir.NIRGraph(
        nodes={"input": nir.Input(input_type=shape), "lif": lif, "w_rec": nir.Linear(weight=np.eye(3)),
               "output": nir.Output(output_type=shape)},
        edges=[("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")])


def write(group: h5py.Group, content: dict[str, Any]) -> None:
    """A graph's dictionary in HDF5, without what it leaves out, as older versions of nir write."""
    for key, value in content.items():
        if isinstance(value, dict):
            write(group.create_group(key), value)
        elif value is not None:
            group.create_dataset(key, data=value)


@pytest.mark.parametrize("file", [False, True], ids=["in memory", "file"])
@pytest.mark.parametrize("style", ["snntorch", "sinabs", "norse"])
def test_graphs_as_exporters_write_them(style: str, file: bool, tmp_path: Path, seed: int) -> None:
    """Every spike of every layer, though NIR's own check of types refuses the graph."""
    for number in range(3):
        rng = np.random.default_rng([seed, 902, STYLES.index(style), number])
        made, run = graph(rng, style, exported=True)
        with pytest.raises(ValueError, match="type"):
            made.check_types()
        source: Any = made
        if file:
            source = tmp_path / "model.nir"
            made.nodes["output"] = nir.Output(output_type=np.array([4]))
            content = made.to_dict()
            for node in content["nodes"].values():
                if style != "norse" and node["type"] in ("IF", "LIF"):
                    del node["v_reset"]
            with h5py.File(source, "w") as target:
                target["version"] = "0.2"
                write(target.create_group("node"), content)
        model = read_nir(source, neurons=READ_AS[style])
        frames = (rng.random((12, 2, 8, 8)) < 0.3).astype(float)
        got = reference.run(model.graph, {"input": model.inputs[0].to_maps(frames)})
        for name, expected in run(frames).items():
            mine = got[f"net.{name}"].swapaxes(2, 3).reshape(expected.shape)
            assert 0.01 < expected.mean() < 0.99 and (mine == expected).mean() > 0.999, name


@pytest.mark.parametrize("style", STYLES)
def test_subgraphs_are_put_in_place(style: str, seed: int) -> None:
    """One within another, without cycles: the same spikes as without them."""
    rng = np.random.default_rng([seed, 903, STYLES.index(style)])
    made, run = graph(rng, style)
    inner = nested(made, ("n1", "p1", "c2"), "inner")
    twice = nested(inner, ("inner", "n2"), "outer")
    frames = (rng.random((12, 2, 8, 8)) < 0.3).astype(float)
    expected = run(frames)
    for read in (read_nir(inner, neurons=READ_AS[style]), read_nir(twice, neurons=READ_AS[style])):
        values = reference.run(read.graph, {"input": read.inputs[0].to_maps(frames)})
        assert (values["n3"].reshape(12, 4) == expected["n3"]).mean() > 0.999
    assert "outer.inner.n1" in values and "outer.n2" in values
    twice.nodes["outer"].nodes["second"] = nir.Output(output_type=np.array([1]))
    with pytest.raises(ModelError, match=r"node 'outer', rule 'subgraph': needs one Output; given: 2"):
        read_nir(twice, neurons=READ_AS[style])


@pytest.mark.parametrize("shape", [(3,), (3, 4, 5)])
def test_neurons_right_behind_an_input(shape: tuple[int, ...], seed: int) -> None:
    """Currents from outside; parameters of no dimension, per neuron, and per channel."""
    rng = np.random.default_rng([seed, 904])
    currents = rng.normal(0.4, 0.5, (10, *shape))
    per_channel = np.broadcast_to(rng.uniform(0.6, 1.2, (3, *(1 for _ in shape[1:]))), shape)
    for threshold in (np.array(0.8), np.full(shape, 0.8), np.array(per_channel)):
        node = nir.IF(r=np.ones_like(threshold), v_threshold=threshold)
        model = read_nir(nir.NIRGraph(
            nodes={"input": nir.Input(input_type=np.array(shape)), "n": node, "output": nir.Output(output_type=None)},
            edges=[("input", "n"), ("n", "output")], type_check=False), neurons=Neurons(fires=">="))
        got = reference.run(model.graph, {"input": model.inputs[0].to_maps(currents)})[model.outputs[0].node]
        v = np.zeros(shape)
        for t, current in enumerate(currents):
            v = v + current
            np.testing.assert_array_equal(model.outputs[0].from_maps(got)[t], v >= threshold)
            v = np.where(v >= threshold, 0, v)
        assert 0.2 < got.mean() < 0.8


def test_shapes_that_the_file_leaves_out() -> None:
    """An Input takes the shape of what reads it; if that has none either, the file is refused."""
    node = nir.IF(r=np.ones((3, 2, 2)), v_threshold=np.ones((3, 2, 2)))
    ends = {"input": nir.Input(input_type=None), "output": nir.Output(output_type=None)}
    edges = [("input", "n"), ("n", "output")]
    model = read_nir(nir.NIRGraph(nodes={**ends, "n": node}, edges=edges, type_check=False))
    assert model.inputs[0].dims == (1, 3, 2, 2)
    conv = nir.Conv2d(input_shape=None, weight=np.ones((1, 3, 3, 3)), stride=1, padding="valid", dilation=1, groups=1,
                      bias=np.zeros(1))
    with pytest.raises(ModelError, match=r"node 'input', rule 'input shape'.*none in the file.*nir.Input"):
        read_nir(nir.NIRGraph(nodes={**ends, "n": conv}, edges=edges, type_check=False))
    ends["input"] = nir.Input(input_type=np.array([16, 3, 6, 7]))  # a sample of 16
    model = read_nir(nir.NIRGraph(nodes={**ends, "n": conv}, edges=edges, type_check=False))
    assert (model.inputs[0].dims, model.outputs[0].dims) == ((1, 3, 6, 7), (1, 1, 4, 5))
    first = nir.IF(r=np.ones((1, 3, 6, 7)), v_threshold=np.ones((1, 3, 6, 7)))  # as sinabs writes
    ends["input"] = nir.Input(input_type=np.array([1, 3, 6, 7]))
    model = read_nir(nir.NIRGraph(nodes={**ends, "first": first, "n": conv}, type_check=False,
                                  edges=[("input", "first"), ("first", "n"), ("n", "output")]))
    assert (model.inputs[0].dims, model.outputs[0].dims) == ((1, 3, 6, 7), (1, 1, 4, 5))
    flatten = nir.Flatten(input_type=None, start_dim=3)
    with pytest.raises(ModelError, match=r"node 'n', rule 'Flatten'.*\(3, 6, 7\).*3 to -1.*PyTorch's 1 is NIR's 0"):
        read_nir(nir.NIRGraph(nodes={"input": nir.Input(input_type=np.array([3, 6, 7])), "n": flatten,
                                     "output": ends["output"]}, edges=edges, type_check=False))
    flatten.start_dim = 1  # NIR's default: a batch was counted, as the dense layer behind it tells
    model = read_nir(nir.NIRGraph(
        nodes={"input": nir.Input(input_type=np.array([3, 2, 4])), "n": flatten,
               "dense": nir.Linear(weight=np.arange(48.0).reshape(2, 24)), "output": ends["output"]},
        edges=[("input", "n"), ("n", "dense"), ("dense", "output")], type_check=False))
    maps = np.random.default_rng(1).normal(0, 1, (5, 3, 2, 4))
    got = reference.run(model.graph, {"input": model.inputs[0].to_maps(maps)})[model.outputs[0].node]
    np.testing.assert_allclose(got[:, :, 0, 0], maps.reshape(5, 24) @ np.arange(48.0).reshape(2, 24).T)
    conv.padding, conv.stride = "same", (2, 2)
    with pytest.raises(ModelError, match=r"node 'n', rule 'padding'.*'same' with stride 1.*in numbers"):
        read_nir(nir.NIRGraph(nodes={**ends, "n": conv}, edges=edges, type_check=False))


@pytest.mark.parametrize("batch", [1, 16])
def test_an_input_before_a_flatten_counts_the_batch_of_the_sample(batch: int, seed: int) -> None:
    weights = np.random.default_rng([seed, 905]).normal(0, 1, (4, 60))
    model = read_nir(nir.NIRGraph(
        nodes={"input": nir.Input(input_type=np.array([batch, 2, 6, 5])),
               "flat": nir.Flatten(input_type={"input": np.array([batch, 2, 6, 5])}, start_dim=1, end_dim=-1),
               "dense": nir.Linear(weight=weights), "output": nir.Output(output_type=None)},
        edges=[("input", "flat"), ("flat", "dense"), ("dense", "output")], type_check=False))
    assert (model.inputs[0].dims, model.outputs[0].dims) == ((1, 2, 6, 5), (1, 4))
    maps = np.random.default_rng([seed, 906]).normal(0, 1, (5, 2, 6, 5))
    got = reference.run(model.graph, {"input": model.inputs[0].to_maps(maps)})[model.outputs[0].node]
    np.testing.assert_allclose(got[:, :, 0, 0], maps.reshape(5, 60) @ weights.T)


def test_nodes_that_no_output_depends_on_are_left_out() -> None:
    """Potentials that are only read in training, a layer that nothing feeds, a loop, and an input of theirs."""
    made = chain(nir.IF(r=ONES, v_threshold=ONES))
    made.nodes |= {"readout": nir.LI(tau=ONES, r=ONES, v_leak=ONES), "loose": nir.Linear(weight=np.ones((2, 3))),
                   "loop": nir.Linear(weight=np.ones((3, 3))), "more": nir.Input(input_type=np.array([3]))}
    made.edges += [("n", "readout"), ("loose", "readout"), ("more", "loop"), ("loop", "loop")]
    model = read_nir(made)
    assert set(model.graph.nodes) == {"input", "n", "n/current"}
    assert ([port.name for port in model.inputs], model.ignored) == (["input"], ("more",))
    made.edges = [("input", "n"), ("n", "readout"), ("readout", "output")]
    with pytest.raises(ModelError, match="given: LI"):
        read_nir(made)
    del made.nodes["output"]
    made.edges = [("input", "n")]
    with pytest.raises(ModelError, match="at least one Input and one Output; given: 2 and 0"):
        read_nir(made)


ONES = np.ones(3)


@pytest.mark.parametrize(("node", "options", "text"), [
    (nir.LI(tau=ONES, r=ONES, v_leak=ONES), None, "rule 'node'.*given: LI.*potential is no spike"),
    (nir.LIF(tau=ONES * 1e-3, r=ONES, v_leak=ONES, v_threshold=ONES * 2), None,
     r"rule 'tau': needs dt/tau of at most 1.*dt of the training"),
    (nir.LIF(tau=-ONES, r=ONES, v_leak=ONES, v_threshold=ONES * 2), None, "rule 'tau': needs positive"),
    (nir.LIF(tau=ONES, r=ONES, v_leak=ONES, v_threshold=ONES), Neurons(late_reset=True, reset="subtract"),
     r"rule 'late reset'.*beta = 0\).*beta above 0, or with a reset to zero"),
    (nir.IF(r=ONES, v_threshold=ONES, v_reset=ONES), None, "rule 'threshold'.*1 and 1 in channel 0"),
    (nir.IF(r=np.ones(4), v_threshold=np.ones(4)), None, "rule '(r|v_threshold)'.*broadcasts to"),
    (nir.IF(r=ONES * np.nan, v_threshold=ONES), None, "rule 'finite r'"),
    (nir.IF(r=ONES, v_threshold=ONES), "brian", "rule 'neurons'.*snntorch.*given: brian"),
    (nir.IF(r=ONES, v_threshold=ONES), {"dt": 1.0}, r"rule 'neurons': needs a text.*Neurons\(\.\.\.\); given: \{'dt'"),
    (nir.LIF(tau=ONES * np.inf, r=ONES * np.inf, v_leak=0 * ONES, v_threshold=ONES), "snntorch",
     r"rule 'finite (tau|r)'.*beta = 1.*IF"),
    (nir.CubaLIF(tau_syn=5e-4 * ONES, tau_mem=1e-3 * ONES, r=10 * ONES, v_leak=0 * ONES, v_threshold=ONES,
                 w_in=5 * ONES), "snntorch", r"rule 'synaptic current'.*0.8 that stays.*train with LIF"),
    (recurrent(), None, r"node 'n.lif', rule 'cycle'.*n.lif, n.w_rec.*without recurrence"),
])
def test_what_is_refused_is_named(node: Any, options: Any, text: str) -> None:
    made = chain(nir.IF(r=ONES, v_threshold=ONES))
    made.nodes["n"] = node
    with pytest.raises(ModelError, match=text):
        read_nir(made, neurons=options)


def test_parameters_are_per_channel() -> None:
    threshold = np.ones((3, 2, 2))
    read_nir(chain(nir.IF(r=np.ones((3, 2, 2)), v_threshold=threshold), (3, 2, 2)))
    threshold[1, 0, 1] = 2
    with pytest.raises(ModelError, match=r"node 'n', rule 'v_threshold': needs one value per channel"):
        read_nir(chain(nir.IF(r=np.ones((3, 2, 2)), v_threshold=threshold), (3, 2, 2)))


@pytest.mark.parametrize(("options", "text"), [({"dt": 0.0}, "dt"), ({"method": "rk4"}, "euler, exact"),
                                               ({"reset": "none"}, "zero, subtract"), ({"fires": "="}, ">, >="),
                                               ({"lif_gain": "tau"}, "rate, one"), ({"spikes": "two"}, "one, several"),
                                               ({"bound": "0"}, "none, below")])
def test_options_are_checked(options: dict, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        Neurons(**options)


@pytest.mark.parametrize(("text", "expected"), [
    ("snntorch", STYLE_OPTIONS["snntorch"]),
    ("snntorch,reset=zero", Neurons(dt=1e-4, late_reset=True)),
    ("dt=1e-3, reset=subtract", Neurons(dt=1e-3, reset="subtract")),
    ("sinabs,fires=>,late_reset=yes,dt=.5,spikes=one,bound=none",
     Neurons(dt=0.5, method="exact", reset="subtract", late_reset=True)),
])
def test_options_are_written_as_text(text: str, expected: Neurons) -> None:
    assert Neurons.parse(text) == expected == Neurons.parse(str(expected))
    model = read_nir(chain(nir.IF(r=ONES, v_threshold=ONES)), neurons=text)
    assert model.neurons == expected
    assert read_nir(nir.NIRGraph(
        nodes={"input": nir.Input(input_type=np.array([3])), "a": nir.Linear(weight=np.ones((2, 3))),
               "output": nir.Output(output_type=np.array([2]))},
        edges=[("input", "a"), ("a", "output")]), neurons=text).neurons is None


@pytest.mark.parametrize(("text", "says"), [
    ("brian", r"needs one of nir, snntorch.*given: brian"), ("", "given: nothing"),
    ("snntorch,tau=3", "needs option=value, each once, of dt, .*method.*given: tau=3"),
    ("snntorch,reset", "given: reset"), ("dt=1,dt=2", "given: dt=2"), ("snntorch,", "given: nothing"),
    ("dt=fast", "rule 'dt': needs a positive number; given: fast"), ("dt=-1", "rule 'dt'.*given: -1.0"),
    ("late_reset=maybe", "needs yes or no; given: maybe"), ("nir,method=rk4", "one of euler, exact; given: 'rk4'"),
])
def test_text_that_is_no_options_is_refused(text: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Neurons.parse(text)


def test_recurrent_graphs_are_refused() -> None:
    made = graph(np.random.default_rng(1), "snntorch")[0]
    made.edges.append(("n2", "c2"))
    with pytest.raises(ModelError, match=r"rule 'cycle'.*c2, n2.*without recurrence"):
        read_nir(made, neurons="snntorch")
