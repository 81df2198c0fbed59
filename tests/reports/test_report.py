"""The report of a compiled model: terminal, JSON and the page."""

import json
import re
from pathlib import Path

import nir
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

import synapress
from golden.errors import ConfigError, NetworkError
from synapress.cli.main import app
from synapress.mapper.importers.neurons import STYLES, Neurons
from synapress.reports.report import accuracies
from synapress.reports.tables import size
from synapress.results import CompiledModel, Simulation
from tests.helpers.onnx_models import TOPOLOGIES, Builder
from tests.helpers.spiking_graphs import graph


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def spiking(tmp_path: Path, seed: int) -> Path:
    """A folder with a compiled spiking model `out`, its file `snn.nir` and frames `x.npy`."""
    rng = np.random.default_rng([seed, 920])
    nir.write(tmp_path / "snn.nir", graph(rng, "snntorch", 4)[0])
    np.save(tmp_path / "x.npy", (rng.random((3, 6, 2, 4, 4)) < 0.5).astype(float))
    run("compile", tmp_path / "snn.nir", "--calibration", tmp_path / "x.npy", "--neurons", "snntorch",
        "-o", tmp_path / "out")
    return tmp_path


def test_layers_with_neurons_say_which_spikes_are_right(spiking: Path) -> None:
    shares = {layer.layer: (layer.spikes, layer.own_spikes) for layer in CompiledModel.load(spiking / "out").layers}
    assert [name for name, (share, _) in shares.items() if share is not None] == ["c1", "c2", "dense"]
    text = run("report", spiking / "out", "-o", spiking / "page.html")
    page = (spiking / "page.html").read_text()
    found = json.loads(run("report", spiking / "out", "--json"))["layers"]
    assert page.count("<th>spikes</th><th>own spikes</th>") == 1
    for layer in found:
        share, own = shares[layer["layer"]]
        if share is None or own is None:
            assert not {"spikes", "own_spikes"} & set(layer)
            continue
        assert (layer["spikes"], layer["own_spikes"]) == (share, own)
        assert re.search(rf"{layer['layer']} .*│\s+{share:.1%} │\s+{own:.1%} │", text), text
        assert f"<td>{share:.1%}</td><td>{own:.1%}</td>" in page


def test_layers_without_neurons_tell_of_no_spikes(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng([seed, 921])
    onnx.save(TOPOLOGIES["one_dimensional"](rng), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", rng.normal(0, 1, (8, 4, 32)))
    run("compile", tmp_path / "m.onnx", "--calibration", tmp_path / "x.npy", "-o", tmp_path / "out")
    text = run("report", tmp_path / "out", "-o", tmp_path / "page.html") + run("report", tmp_path / "out", "--json")
    assert "spikes" not in text + (tmp_path / "page.html").read_text()


def test_a_model_with_neurons_is_right_by_the_spikes_of_a_sequence(spiking: Path, seed: int) -> None:
    labels = np.random.default_rng([seed, 922]).integers(0, 4, 3)
    np.save(spiking / "labels.npy", labels)
    arguments = ("report", spiking / "out", "-i", spiking / "x.npy", "--model", spiking / "snn.nir", "--neurons",
                 "snntorch", "--labels", spiking / "labels.npy")
    found = json.loads(run(*arguments, "--json"))["accuracy"]
    frames, made = np.load(spiking / "x.npy"), CompiledModel.load(spiking / "out")
    (got,) = synapress.simulate(made, frames).outputs.values()
    expected = np.array([np.array(graph(np.random.default_rng([seed, 920]), "snntorch", 4)[1](sequence)["n3"])
                         for sequence in frames])
    classes, wanted = (array.reshape(3, 6, 4).sum(axis=1).argmax(axis=1) for array in (got, expected))
    assert found["accuracy"] == np.mean(classes == labels)
    assert found["accuracy, float"] == np.mean(wanted == labels)
    assert found["same class as float"] == np.mean(classes == wanted)
    assert "Work per timestep (mean of 18)" in run(*arguments)
    np.save(spiking / "one.npy", frames[0])
    np.save(spiking / "labels.npy", labels[:1])
    one = json.loads(run(*arguments, "-i", spiking / "one.npy", "--json"))["accuracy"]
    assert one["accuracy"] == float(classes[0] == labels[0])


def test_a_report_compares_with_the_neurons_of_the_compilation(spiking: Path) -> None:
    """`--neurons` need not be given again; others than those of the compilation are refused."""
    made = CompiledModel.load(spiking / "out")
    assert made.neurons == STYLES["snntorch"]
    text = run("compile", spiking / "snn.nir", "--calibration", spiking / "x.npy", "--neurons",
               "snntorch,fires=>=,reset=zero", "-o", spiking / "other")
    assert "neurons: dt=0.0001, method=euler, reset=zero, fires=>=" in text
    other = CompiledModel.load(spiking / "other")
    assert other.neurons == Neurons(dt=1e-4, late_reset=True, fires=">=")
    frames = np.load(spiking / "x.npy")
    for name, compiled in (("out", made), ("other", other)):
        arguments = ("report", spiking / name, "-i", spiking / "x.npy", "--model", spiking / "snn.nir")
        found = json.loads(run(*arguments, "--json"))
        model = synapress.load(spiking / "snn.nir", neurons=compiled.neurons)
        (got,), (wanted,) = (result.values() for result in (
            synapress.simulate(compiled, frames).outputs, synapress.float_outputs(model, frames)))
        classes = [array.reshape(3, 6, -1).sum(axis=1).argmax(axis=1) for array in (got, wanted)]
        assert found["accuracy"]["same class as float"] == np.mean(classes[0] == classes[1])
        assert found["neurons"] == vars(compiled.neurons)
        assert run(*arguments, "--json") == run(*arguments, "--json", "--neurons", str(compiled.neurons))
        assert f"neurons: {'snntorch (' if name == 'out' else ''}dt=0.0001, method=euler" in run(*arguments)
    done = CliRunner().invoke(app, ["report", str(spiking / "other"), "--neurons", "snntorch"])
    assert done.exit_code == 1
    assert "reset = zero, not subtract, fires = >=, not >" in " ".join(str(done.exception or done.output).split())
    made.neurons = None  # as folders of earlier versions
    made.save(spiking / "out")
    arguments = ("report", spiking / "out", "-i", spiking / "x.npy", "--model", spiking / "snn.nir")
    assert "give --neurons" in str(CliRunner().invoke(app, [str(argument) for argument in arguments]).exception)
    run(*arguments, "--neurons", "snntorch")


def test_the_page_tells_of_the_neurons(spiking: Path) -> None:
    run("report", spiking / "out", "-i", spiking / "x.npy", "-o", spiking / "page.html")
    page, made = (spiking / "page.html").read_text(), CompiledModel.load(spiking / "out")
    assert "Read as snntorch (dt=0.0001, method=euler, reset=subtract, fires=&gt;, late_reset=yes" in page
    assert "<dt>sequences × timesteps</dt><dd>3 × 6</dd>" in page and "3 × 6 timesteps." in page
    for name, number in (("c1", 80), ("c2", 24), ("dense", 4)):
        (layer,) = (item for item in made.lowered.populations if item.name == name)
        assert layer.threshold is not None
        kept, thresholds = layer.multiplier / 2.0**layer.shift, np.sort(layer.threshold)
        texts = [f"{array.min():{form}} … {array.max():{form}}" if len(set(array)) > 1 else f"{array[0]:{form}}"
                 for array, form in ((kept, ".4g"), (thresholds, ",.0f"))]
        texts.insert(1, "16,384")
        row = f'{name}</td><td>{number}</td><td class="left">by the threshold</td><td>{"</td><td>".join(texts)}</td>'
        assert row in page
    model = synapress.load(spiking / "snn.nir", neurons="snntorch,reset=zero")
    synapress.compile(model, calibration=np.load(spiking / "x.npy")).save(spiking / "zero")
    run("report", spiking / "zero", "-o", spiking / "page.html")
    page = (spiking / "page.html").read_text()
    assert page.count('<td class="left">to 0</td>') == 3 and "sequences" not in page


def test_the_page_is_one_file_and_always_the_same(spiking: Path) -> None:
    pages = []
    for number in (1, 2):
        run("report", spiking / "out", "-i", spiking / "x.npy", "-o", spiking / f"{number}.html")
        pages.append((spiking / f"{number}.html").read_text())
    assert pages[0] == pages[1]
    links = re.findall(r"""(?:href|src|action)\s*=\s*["']?([^"'\s>]*)|url\(([^)]*)\)|@import(.*)""", pages[0])
    assert links and all("".join(link).startswith("#") for link in links)
    assert not re.search(r"<(script|link|iframe|object|embed|img)\b", pages[0])
    namespaces = set(re.findall(r'xmlns(?::\w+)?="([^"]*)"', pages[0]))
    assert set(re.findall(r"https?://[^\s\"<]*", pages[0])) <= namespaces | {"http://www.w3.org/1999/xlink"}
    assert "prefers-color-scheme: dark" in pages[0]
    assert pages[0].count("<table>") == pages[0].count('<div class="scroll"><table>') > 5
    for title in ("Network", "Accuracy against float", "Memory", "Mapping", "Work and sparsity"):
        assert f">{title}" in pages[0]


def test_memory_is_what_the_images_hold(tmp_path: Path, seed: int) -> None:
    """Depthwise layers have padded rows, which no fragment alone has."""
    rng = np.random.default_rng([seed, 923])
    onnx.save(TOPOLOGIES["plain"](rng), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", rng.normal(0, 1, (8, 2, 12, 10)))
    run("compile", tmp_path / "m.onnx", "--calibration", tmp_path / "x.npy", "-o", tmp_path / "out")
    run("report", tmp_path / "out", "-o", tmp_path / "page.html")
    held = size(sum(path.stat().st_size for path in tmp_path.rglob("image.bin")))
    assert f"<dt>memory</dt><dd>{held}</dd>" in (tmp_path / "page.html").read_text()


def test_where_accuracy_is_lost_is_said(spiking: Path) -> None:
    made = CompiledModel.load(spiking / "out")
    run("report", spiking / "out", "-o", spiking / "page.html")
    worst = min(made.layers, key=lambda layer: layer.own_sqnr)
    page = (spiking / "page.html").read_text()
    assert f"Layer {worst.layer} adds the most quantization noise ({worst.own_sqnr:.1f} dB)." in page


def test_what_the_host_computes_is_said(tmp_path: Path, seed: int) -> None:
    """And the class of a model whose only output is a class is that."""
    b = Builder(np.random.default_rng([seed, 924]), (2, 6, 6))
    scores = b.gemm(b.node("Flatten", b.conv("x", 2, 4, strides=[2, 2])), 36, 5)
    model = b.model(scores)
    model.graph.node.append(onnx.helper.make_node("ArgMax", [scores], ["class"], name="class", axis=1, keepdims=0))
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("class", onnx.TensorProto.INT64, ["n"]))
    onnx.save(model, tmp_path / "m.onnx")
    frames = np.random.default_rng([seed, 925]).normal(0, 1, (40, 2, 6, 6))
    np.save(tmp_path / "x.npy", frames)
    compiled = run("compile", tmp_path / "m.onnx", "--calibration", tmp_path / "x.npy", "-o", tmp_path / "out")
    (classes,) = synapress.float_outputs(synapress.load(tmp_path / "m.onnx"), frames).values()
    np.save(tmp_path / "labels.npy", classes.astype(int))
    arguments = ("report", tmp_path / "out", "-i", tmp_path / "x.npy", "--labels", tmp_path / "labels.npy")
    found = json.loads(run(*arguments, "--json"))["accuracy"]["accuracy"]
    assert len(set(classes.tolist())) > 1 and found > 0.8
    run(*arguments, "-o", tmp_path / "page.html")
    says = "The host computes in float, behind the cores: ArgMax."
    assert says in compiled and says in (tmp_path / "page.html").read_text()
    assert says in run("report", tmp_path / "out")


def a_run(**outputs: np.ndarray) -> Simulation:
    """Of four frames."""
    return Simulation(outputs=outputs, integers={}, counts={}, maps={"p": np.zeros((4, 1, 1, 1))})


def test_classes_are_those_of_an_output_that_has_some() -> None:
    """Whole numbers are classes, scores are compared, one value of 0 … 1 is the probability of class 1."""
    labels = np.array([0, 2, 1, 1])
    scores = np.eye(3)[[0, 2, 1, 2]]
    for output in (scores, scores.reshape(4, 3, 1, 1), np.array([0, 2, 1, 2]), np.array([[0], [2], [1], [2]]),
                   (100 * scores).astype(np.uint8), np.array([0.0, 2, 1, 2])):
        assert accuracies(a_run(y=output), labels) == {"accuracy": 0.75}
    assert accuracies(a_run(y=np.array([0.2, 0.7, 0.6, 0.4])), np.array([0, 1, 1, 1])) == {"accuracy": 0.75}
    both = a_run(boxes=np.zeros((4, 5, 4)), y=scores)
    assert accuracies(both, labels) == {"accuracy": 0.75}
    for output in (np.zeros((4, 3), bool), np.zeros((2, 6)), np.zeros((8, 3)), np.zeros((4, 2, 3)), np.zeros(()),
                   np.array([0.2, 3.4, 1, 0]), np.zeros((4, 3), np.int64), np.zeros((1, 4))):
        with pytest.raises(NetworkError, match=r"needs an output of scores .*given: y"):
            accuracies(a_run(y=output), labels)


def test_labels_are_classes_of_the_model() -> None:
    run_of_scores, run_of_classes = a_run(y=np.eye(4)[:, :3]), a_run(y=np.arange(4))
    for simulated, labels in ((run_of_scores, [0, 1, 2, 3]), (run_of_scores, [0, 1, -1, 2]),
                              (run_of_classes, [0, 1, -1, 2]), (run_of_scores, [0, 1, 2]),
                              (run_of_scores, [0.0, 1, 2, 2]), (run_of_scores, [[0, 1], [2, 2]])):
        with pytest.raises(ConfigError, match="labels: needs"):
            accuracies(simulated, np.array(labels))
    assert accuracies(run_of_classes, np.array([[0], [1], [9], [3]])) == {"accuracy": 0.75}


def test_outputs_that_are_no_real_numbers_have_no_noise() -> None:
    some, others = np.array([[True, False]] * 4), np.array([[True, True]] * 4)
    assert accuracies(a_run(y=some), reference={"y": others}) == {"same values as float": 0.5}
    found = accuracies(a_run(y=np.arange(4)), np.arange(4), {"y": np.array([0, 1, 2, 2])})
    assert found == {"accuracy": 1.0, "accuracy, float": 0.75, "same class as float": 0.75}
    assert accuracies(a_run(y=np.ones((4, 2, 3))), reference={"y": np.full((4, 2, 3), 1.1)}) == {
        "SQNR of the output": pytest.approx(20 * np.log10(11))}
