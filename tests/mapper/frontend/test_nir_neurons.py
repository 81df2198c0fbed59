"""NIR's neurons: the float reference against the equations of each framework, options, and what is refused."""

import itertools
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest

from mapper.errors import ModelError
from mapper.frontend import reference
from mapper.frontend.neurons import Neurons
from mapper.frontend.nir_reader import read_nir
from tests.spiking_graphs import STYLES, graph


@pytest.mark.parametrize("style", STYLES)
def test_the_reference_equals_the_equations_of_the_framework(style: str, tmp_path: Path, seed: int) -> None:
    """Every spike of every layer over 12 timesteps, of five random graphs from files."""
    rates: dict[str, list[float]] = {"n1": [], "n2": [], "n3": []}
    for number in range(5):
        rng = np.random.default_rng([seed, 900, STYLES.index(style), number])
        made, run = graph(rng, style)
        nir.write(tmp_path / "model.nir", made)
        model = read_nir(tmp_path / "model.nir", neurons=style)
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


ONES = np.ones(3)


@pytest.mark.parametrize(("node", "options", "text"), [
    (nir.LI(tau=ONES, r=ONES, v_leak=ONES), None, "rule 'node'.*given: LI.*potential is no spike"),
    (nir.LIF(tau=ONES * 1e-3, r=ONES, v_leak=ONES, v_threshold=ONES * 2), None,
     r"rule 'tau': needs dt/tau of at most 1.*dt of the training"),
    (nir.LIF(tau=-ONES, r=ONES, v_leak=ONES, v_threshold=ONES * 2), None, "rule 'tau': needs positive"),
    (nir.LIF(tau=ONES, r=ONES, v_leak=ONES, v_threshold=ONES), Neurons(late_reset=True), "late reset"),
    (nir.IF(r=ONES, v_threshold=ONES, v_reset=ONES), None, "rule 'threshold'.*1 and 1 in channel 0"),
    (nir.IF(r=np.ones(4), v_threshold=np.ones(4)), None, "rule '(r|v_threshold)'.*broadcasts to"),
    (nir.IF(r=ONES * np.nan, v_threshold=ONES), None, "rule 'finite r'"),
    (nir.IF(r=ONES, v_threshold=ONES), "brian", "rule 'neurons'.*snntorch.*given: brian"),
    (chain(nir.IF(r=ONES, v_threshold=ONES)), None, "given: NIRGraph.*cycle"),
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
                                               ({"reset": "none"}, "zero, subtract"), ({"fires": "="}, ">, >=")])
def test_options_are_checked(options: dict, text: str) -> None:
    with pytest.raises(ModelError, match=text):
        Neurons(**options)


def test_recurrent_graphs_are_refused() -> None:
    made = graph(np.random.default_rng(1), "snntorch")[0]
    made.edges.append(("n2", "c2"))
    with pytest.raises(ModelError, match=r"rule 'cycle'.*c2, n2.*without recurrence"):
        read_nir(made, neurons="snntorch")
