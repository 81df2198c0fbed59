"""`synapress organisations`: its tables, its figures and what it refuses."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from golden.errors import ConfigError
from synapress.cli.main import app

DENSE = ["--inputs", "20", "--outputs", "30", "--no-controllers"]


def output(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["organisations", *arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["organisations", *arguments])
    assert isinstance(done.exception, ConfigError), (done.output, done.exception)
    return str(done.exception)


def test_a_sweep(tmp_path: Path) -> None:
    found = json.loads(output(*DENSE, "--density", "0.1:0.5:0.2", "--bits", "2:4", "--json", "--figure",
                              str(tmp_path / "x.svg"), "--model", "cacti45"))
    assert sorted({(row["weight_bits"], round(row["density"], 3)) for row in found["rows"]}) == [
        (bits, density) for bits in (2, 3, 4) for density in (0.1, 0.3, 0.5)]
    assert set(found["models"]) == {"cacti45"} and (tmp_path / "x.svg").read_text().startswith("<?xml")
    text = output(*DENSE, "--serial", "--only", "bitmap")
    assert "One access for each weight" in text and "crossbar" not in text and "Seed 1" in text


def test_a_convolution_a_file_and_a_network(tmp_path: Path) -> None:
    conv = json.loads(output("--kernel", "3", "--image", "6", "--channels", "2", "--no-controllers", "--json"))
    assert len(conv["rows"]) == 6 and len({row["synapses"] for row in conv["rows"]}) == 1
    (tmp_path / "layers.json").write_text('[{"name": "a", "inputs": 4, "outputs": 4}, {"inputs": 5, "outputs": 9}]')
    rows = json.loads(output(str(tmp_path / "layers.json"), "--no-controllers", "--json"))["rows"]
    assert [row["inputs"] for row in rows] == [4, 4, 4, 5, 5, 5]
    (tmp_path / "net.py").write_text(
        "import synapress, numpy\n\n\ndef network():\n    net = synapress.Network('n')\n"
        "    net.input('x', (1, 6, 6))\n    net.conv('c', 'x', numpy.ones((2, 1, 3, 3), int))\n"
        "    net.output('c')\n    return net\n")
    table = output(str(tmp_path / "net.py"), "--no-controllers")
    assert "functional_pure" in table and "net.py: memory organisations" in table


def test_a_pruned_network_keeps_its_zeros(tmp_path: Path) -> None:
    """Also with weights of other widths, and between groups."""
    (tmp_path / "net.py").write_text(
        "import synapress, numpy\n\n\ndef network():\n    net = synapress.Network('n')\n"
        "    net.input('x', (4, 3, 3))\n    kernel = numpy.ones((4, 2, 2, 2), int)\n    kernel[3, 1] = 0\n"
        "    net.conv('c', 'x', kernel, groups=2)\n    net.sparse('s', 'c', numpy.eye(16, 7, dtype=int))\n"
        "    net.output('s')\n    return net\n")
    rows = json.loads(output(str(tmp_path / "net.py"), "--no-controllers", "--bits", "1,12", "--json"))["rows"]
    rows = [row for row in rows if row["organisation"] == "compressed_rows"]
    assert [(row["weight_bits"], row["synapses"]) for row in rows] == [(1, 112), (12, 112), (1, 7), (12, 7)]


def test_learning(tmp_path: Path) -> None:
    found = json.loads(output(*DENSE, "--learning", "--json", "--model", "cacti22", "--figure",
                              str(tmp_path / "x.svg")))
    rows = {(row["organisation"], row["variant"]): row for row in found["rows"]}
    assert list(rows) == [("crossbar", ""), ("bitmap", ""), ("bitmap", "a read at every place"),
                          ("compressed_rows", ""), ("compressed_rows", "search")]
    for row in found["rows"]:
        forward, backward, update = (row["passes"][name] for name in ("forward", "backward", "update"))
        assert forward["accesses"]["weight_write"] == backward["accesses"]["weight_write"] == 0
        assert update["accesses"]["weight_write"] == 600 and update["energy"]["cacti22"] > backward["energy"]["cacti22"]
    assert (tmp_path / "x.svg").read_text().startswith("<?xml")
    text = output("--kernel", "3", "--image", "6", "--channels", "2", "--no-controllers", "--learning", "--only",
                  "functional")
    assert "changed and written" in " ".join(text.split()) and "functional" in text


def test_decoders_are_synthesized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = json.loads(output("--inputs", "20", "--outputs", "30", "--only", "crossbar", "--json"))
    decoder, = found["controllers"]
    assert decoder["organisation"] == "crossbar" and decoder["luts"] > 100 and decoder["transistors"] > 1000
    row, = found["rows"]
    for name, energy in decoder["energy"].items():
        assert row["controller_energy"][name] == pytest.approx(energy * row["cycles"] / 1000) and energy > 0
    assert decoder["energy"]["cacti65"] > decoder["energy"]["cacti22"]


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "given: nothing"), (["--inputs", "4"], "given: --inputs"), (["x.json"], "no readable JSON"),
    (["x.json", "--inputs", "4"], "has layers of its own"),
    ([*DENSE, "--density", "2"], "not between 0 and 1"),
    ([*DENSE, "--density", "0:1:0"], "needs SHARE"), ([*DENSE, "--density", "a"], "needs SHARE"),
    ([*DENSE, "--bits", "0"], "hold 1 to 12"), ([*DENSE, "--bits", "1:2:3:4"], "needs NUMBER"),
    ([*DENSE, "--model", "x"], "no energy model 'x'"), ([*DENSE, "--only", "x"], "no memory organisation 'x'"),
    ([*DENSE, "--word-bits", "32"], "word_bits"), ([*DENSE, "--capacitance", "-1"], "positive capacitance"),
    ([*DENSE, "--density", "0:1:0.0001"], "needs SHARE"), (["--published", "--inputs", "4"], "layers of its own"),
    (["--published", "--learning"], "and all passes; leave out"),
    (["--inputs", "2000", "--outputs", "2000", "--no-controllers", "--only", "crossbar", "--figure", "x.svg"],
     "nothing to draw"),
    (["--inputs", "2000", "--outputs", "2000", "--no-controllers", "--only", "crossbar", "--learning", "--figure",
      "x.svg"], "nothing to draw"),
    (["--kernel", "3", "--image", "8", "--channels", "2", "--density", "0.5"], "leave --density out"),
    ([*DENSE, "--only", "functional", "--only", "functional_pure"], "for convolutions only"),
])
def test_what_is_refused(arguments: list[str], message: str) -> None:
    assert message in refused(*arguments)


def test_published_figures() -> None:
    found = json.loads(output("--published", "--json"))
    assert set(found) == {"seed", "notes", "groups"} and "784 × 128, forward, µJ" in found["groups"]
