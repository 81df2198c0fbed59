"""NIR graphs that compute something else than their training: what is refused, and what is told, when they are loaded.

The neurons of sinabs are written out here as its functions compute them (sinabs/layers/functional/lif.py,
sinabs/activation/spike_generation.py): decay, add, clip below, fire floor(v / threshold) times or once, subtract.
"""

import itertools
import json
import warnings
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
from typer.testing import CliRunner

import synapress
from synapress.cli.main import app
from synapress.mapper.errors import ModelError, ModelWarning
from synapress.mapper.importers import graph as g
from synapress.mapper.importers import reference
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.nir.firing import timesteps_to_fire
from synapress.mapper.importers.nir.reader import read_nir
from synapress.results import CompiledModel
from tests.helpers.spiking_graphs import READ_AS, STYLES, graph

ONES = np.ones(5)
FILES = Path(__file__).parents[3] / "frameworks"
ONCE = READ_AS["sinabs"]


def chain(rng: np.random.Generator, *neurons: Any) -> nir.NIRGraph:
    """Dense layers of 5 and neurons in turn."""
    nodes: dict[str, Any] = {"input": nir.Input(input_type={"input": np.array([5])})}
    for number, node in enumerate(neurons, 1):
        nodes[f"w{number}"] = nir.Linear(weight=rng.normal(0.1, 1.0, (5, 5)))
        nodes[f"n{number}"] = node
    nodes["output"] = nir.Output(output_type={"output": np.array([5])})
    return nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes)))


def sinabs(made: nir.NIRGraph, x: np.ndarray, several: bool, bounded: bool) -> np.ndarray:
    """Spike counts (T, 5) of the last layer, by the code of sinabs, norm_input=True."""
    for name, node in made.nodes.items():
        if isinstance(node, nir.Linear):
            x = x @ node.weight.T
        elif isinstance(node, nir.IF | nir.LIF):
            alpha = np.exp(-1 / node.tau) if isinstance(node, nir.LIF) else None
            v, spikes = np.zeros(5), []
            for current in x:
                v = v + current if alpha is None else alpha * v + (1 - alpha) * current
                if bounded:
                    v = np.maximum(v + node.v_threshold, 0) - node.v_threshold
                if several:
                    fired = (v > 0) * np.trunc(v / node.v_threshold)
                else:
                    fired = (v - node.v_threshold >= 0).astype(float)
                v = v - fired * node.v_threshold
                spikes.append(fired)
            x = np.array(spikes)
            assert name in ("n1", "n2")
    return x


@pytest.mark.parametrize("leaky", [False, True], ids=["IAF", "LIF"])
def test_sinabs_is_refused_exactly_where_other_spikes_are_computed(leaky: bool, seed: int) -> None:
    """Of the four variants one is what the hardware has, in five networks; the others count otherwise: refused."""
    differ = dict.fromkeys(itertools.product((False, True), repeat=2), 0)
    for number in range(5):
        rng = np.random.default_rng([seed, 950, leaky, number])
        node = (nir.LIF(tau=3 * ONES, r=ONES, v_leak=0 * ONES, v_threshold=0.4 * ONES) if leaky else
                nir.IF(r=ONES, v_threshold=ONES))
        made = chain(rng, node, node)
        x = (rng.random((200, 5)) < 0.5).astype(float)
        model = read_nir(made, neurons=ONCE)
        got = reference.run(model.graph, {"input": model.inputs[0].to_maps(x)})["n2"][:, :, 0, 0]
        for several, bounded in differ:
            expected = sinabs(made, x, several, bounded)
            differ[several, bounded] += int(abs(expected.sum(axis=0) - got.sum(axis=0)).sum())
            options = f"sinabs,spikes={'several' if several else 'one'},bound={'below' if bounded else 'none'}"
            if several or bounded:
                with pytest.raises(ModelError, match=r"node 'n1', rule 'neurons'.*spikes=one, bound=none; given: spik"):
                    read_nir(made, neurons=options)
            else:
                assert got.any()
                np.testing.assert_array_equal(got, expected)
                assert model.warnings == ()
    assert [several or bounded for several, bounded in differ] == [count > 0 for count in differ.values()], differ


def test_the_refusal_of_sinabs_says_what_helps(tmp_path: Path) -> None:
    """The style alone is MultiSpike and a bound; with the options that the message names the file loads."""
    for source in (FILES / "sinabs_iaf.nir", FILES / "sinabs_lif.nir"):
        with pytest.raises(ModelError) as refused:
            synapress.load(source, neurons="sinabs")
        text = str(refused.value)
        assert "MultiSpike" in text and "min_v_mem" in text and "spike_fn=SingleSpike" in text
        told = text.partition("neurons='")[2].partition("'")[0]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = synapress.load(source, neurons=told)
        assert model.neurons == Neurons(method="exact", reset="subtract", fires=">=") and model.warnings == ()
    done = CliRunner().invoke(app, ["compile", str(FILES / "sinabs_iaf.nir"), "--neurons", "sinabs", "-o",
                                    str(tmp_path / "out")])
    assert done.exit_code == 1 and "MultiSpike" in str(done.exception) and not (tmp_path / "out").exists()
    plain = nir.NIRGraph(nodes={"i": nir.Input(input_type=np.array([5])), "w": nir.Linear(weight=np.eye(5)),
                                "o": nir.Output(output_type=np.array([5]))}, edges=[("i", "w"), ("w", "o")])
    assert read_nir(plain, neurons="sinabs").neurons is None, "without neurons nothing is refused"


def test_neurons_that_nobody_named_are_told(tmp_path: Path, seed: int) -> None:
    """In Python, on the command line, in the folder, the JSON and the page; a named style is silent."""
    rng = np.random.default_rng([seed, 951])
    made = graph(rng, "nir", 4)[0]
    frames = (rng.random((3, 6, 2, 4, 4)) < 0.5).astype(float)
    nir.write(tmp_path / "snn.nir", made)
    np.save(tmp_path / "x.npy", frames)
    with pytest.warns(ModelWarning, match=r"'snn': a NIR file does not say.*snntorch, sinabs, norse.*or nir") as told:
        model = synapress.load(tmp_path / "snn.nir")
    assert model.warnings == (str(told[0].message),)
    compiled = synapress.compile(model, calibration=frames)
    assert compiled.warnings == model.warnings and compiled.to_json()["warnings"] == list(model.warnings)
    compiled.save(tmp_path / "made")
    assert CompiledModel.load(tmp_path / "made").warnings == model.warnings

    def run(*arguments: str) -> Any:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exit_code == 0, done.output
        return done

    file, x, folder = str(tmp_path / "snn.nir"), str(tmp_path / "x.npy"), str(tmp_path / "out")
    line = f"synapress: warning: {model.warnings[0]}\n"
    done = run("compile", file, "--calibration", x, "-o", folder)
    assert done.stderr.count(line) == 1 and "warning" not in done.stdout
    assert run("footprint", file).stderr.count(line) == 1
    done = run("report", folder, "-i", x, "--model", file, "--json", "-o", str(tmp_path / "page.html"))
    assert done.stderr.count(line) == 1 and json.loads(done.stdout)["warnings"] == list(model.warnings)
    assert "Warning: &#39;snn&#39;: a NIR file does not say" in (tmp_path / "page.html").read_text()
    done = run("compile", file, "--calibration", x, "-o", folder, "--neurons", "nir")
    assert "warning" not in done.output and CompiledModel.load(folder).warnings == ()
    assert "warning" not in run("report", folder).output
    images = [sorted(path.relative_to(tmp_path / name) for path in (tmp_path / name / "image").rglob("*"))
              for name in ("made", "out")]
    assert images[0] == images[1]
    assert all((tmp_path / "made" / path).read_bytes() == (tmp_path / "out" / path).read_bytes() for path in images[0])


@pytest.mark.parametrize("style", STYLES)
def test_a_right_style_is_silent(style: str, seed: int) -> None:
    for number in range(5):
        made = graph(np.random.default_rng([seed, 952, number]), style)[0]
        assert read_nir(made, neurons=READ_AS[style]).warnings == ()


@pytest.mark.parametrize(("file", "style", "says"), [
    ("sinabs_iaf", "snntorch", r"node '1' hardly ever fires: not before 2,900 timesteps with inputs of at most 1 "
                               r"\(dt = 0.0001, r = 1, kept after a timestep: 1, gain: 0.0001, threshold: 1\)"),
    ("sinabs_lif", "norse", "node '7' hardly ever fires: not before [0-9,]{6,} timesteps .dt = 1e-06, tau = "),
    ("norse_iaf", "snntorch", "node '3' hardly ever fires"),
    ("norse_lifbox", ONCE, r"node '1' keeps nothing from timestep to timestep: 0 of its potential \(dt = 1, tau ="),
    ("norse_lif", ONCE, "node '1' keeps nothing.*tau_mem = "),
    ("snntorch", ONCE, "node '4' keeps nothing"),
    ("snntorch", "norse", "nodes 1, 4, 7: r = tau / 0.0001, as the exporter of snnTorch.*dt = 1e-06.*0.01 times"),
])
def test_a_wrong_style_is_told(file: str, style: str, says: str) -> None:
    """Files that frameworks wrote, in the style of another."""
    with pytest.warns(ModelWarning, match=says) as told:
        model = synapress.load(FILES / f"{file}.nir", neurons=style)
    assert [str(item.message) for item in told] == list(model.warnings)
    assert all("snntorch" in text or "style and dt that the network was trained with" in text
               for text in model.warnings)


def test_a_threshold_out_of_reach_is_told(seed: int) -> None:
    """By weights and leak; not what a few channels do, nor layers behind a silent one."""
    rng = np.random.default_rng([seed, 953])
    leaky = nir.LIF(tau=4 * ONES, r=ONES, v_leak=0 * ONES, v_threshold=ONES)
    made = chain(rng, leaky, nir.IF(r=ONES, v_threshold=ONES))
    made.nodes["w1"].weight = np.full((5, 5), 0.18)  # 0.9 in all, which the potential tends to
    made.nodes["w2"].weight = np.full((5, 5), 0.25)
    with pytest.warns(ModelWarning, match=r"node 'n1' never fires: its potential reaches 0.9 at most with inputs of at "
                                          r"most 1, its threshold 1 \(dt = 1, tau = 4, r = 1,") as told:
        model = read_nir(made, neurons="nir")
    assert len(told) == 1
    assert not reference.run(model.graph, {"input": np.ones((500, 5, 1, 1))})["n1"].any()
    made.nodes["w1"].weight[0] = 0.21  # of one channel
    assert read_nir(made, neurons="nir").warnings == ()
    made.nodes["w2"].weight[:] = -0.25
    (text,) = read_nir(made, neurons="nir").warnings
    assert text.startswith("node 'n2' never fires: its potential reaches 0 at most, its threshold 1 (")


def test_timesteps_to_fire_are_those_of_the_reference(seed: int) -> None:
    """Of neurons with a constant current, the first spike comes when the formula says."""
    rng, seen = np.random.default_rng([seed, 954]), set()
    for strict, late in itertools.product((False, True), repeat=2):
        node = g.Spiking(name="n", decay=np.where(rng.random(200) < 0.2, 1.0, rng.uniform(0, 0.99, 200)),
                         threshold=rng.uniform(0.5, 3, 200), v_reset=np.zeros(200), initial=rng.uniform(-1, 1, 200),
                         strict=strict, late_reset=late)
        current = rng.uniform(-0.2, 1.2, 200)
        fired = reference.spike(node, np.broadcast_to(current[:, None, None], (400, 200, 1, 1)), 400)[0][:, :, 0, 0]
        first = np.where(fired.any(axis=0), fired.argmax(axis=0) + 1.0, np.inf)
        found = timesteps_to_fire(node, current)
        np.testing.assert_array_equal(np.where(found > 400, np.inf, found), first)
        seen |= set(first.tolist())
    assert {1.0, 2.0, 3.0, np.inf} <= seen and len(seen) > 10
