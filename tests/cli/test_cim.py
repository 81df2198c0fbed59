"""`synapress cim`: its tables, its figures and what it refuses."""

import json
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console
from typer.testing import CliRunner

from golden.errors import ConfigError
from synapress.cli.main import app
from synapress.mapper.cim.gains import cases
from synapress.mapper.cim.stationarity import KILOBYTE, PUBLISHED
from synapress.mapper.errors import RuleError
from synapress.reports.cim import search
from synapress.reports.cim.tables import sheets
from synapress.reports.tables import FILE_WIDTH, show

SMALL = ("import synapress, numpy\n\n\ndef network():\n    net = synapress.Network('n')\n"
         "    last = net.input('x', (2, 4, 4))\n"
         "    last = net.lif('a', [net.branch(last, numpy.ones((4, 2, 3, 3), int), padding=1)], threshold=3)\n"
         "    last = net.lif('d', [net.branch(last, numpy.ones((5, 4, 4, 4), int))], threshold=3)\n"
         "    net.output(last)\n    return net\n")
TINY = ("import synapress, numpy\n\n\ndef network():\n    net = synapress.Network('n')\n    net.input('x', (1, 2, 2))\n"
        "    net.conv('c', 'x', numpy.ones((1, 1, 1, 1), int))\n    net.output('c')\n    return net\n")
QUICK = ("--macros", "1,2", "--sparsity", "0.99")


def output(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["cim", *arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["cim", *arguments])
    assert isinstance(done.exception, ConfigError), (done.output, done.exception)
    return str(done.exception)


def shown(found: dict[str, Any]) -> str:
    """The tables of what --json gives."""
    console = Console(file=StringIO(), width=FILE_WIDTH)
    show(sheets(found), console)
    return cast(StringIO, console.file).getvalue()


@pytest.fixture
def network(tmp_path: Path) -> str:
    path = tmp_path / "net.py"
    path.write_text(SMALL)
    return str(path)


def test_the_network_of_the_paper(tmp_path: Path) -> None:
    """Totals as published, from placed arrays, and the tables that say what stays."""
    found = json.loads(output(*QUICK, "--json", "--figures", str(tmp_path / "drawn")))
    kept = {choice["name"]: choice["kept"] for choice in found["choices"]}
    assert (kept["WS"], kept["OS"], kept["HS-min"], kept["HS-max"]) == (69.875, 259.5, 23.375, 306.0)
    two = next(item["kilobytes"] for item in found["held"] if item["macros"] == 2)
    assert two["HS-min"] / two["WS"] == pytest.approx(1.472, abs=5e-4)
    for choice in found["choices"]:
        assert sum(layer["kept"] for layer in choice["layers"]) == choice["kept"]
        assert sum(layer["moved"] for layer in choice["layers"]) == choice["moved"]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == [
        "cim_energy.png", "cim_footprint.png", "cim_shapes.png"]
    text = shown(found)
    for piece in ("+47.2%", "WS, kB", "69.88", "Pools are left out: P2", "no claim", "fJ per bit²", "79% to 86%"):
        assert piece in text


def test_a_network_of_ones_own(network: str) -> None:
    """With a dense layer, resolutions of each layer, and without the paper's gains."""
    found = json.loads(output(network, *QUICK, "--resolutions", "4/9,3/7", "--shapes", "1x4,4x1", "--json"))
    layers = [[layer[key] for key in ("inputs", "outputs", "kernel", "height")] for layer in found["layers"]]
    assert layers == [[2, 4, 3, 4], [64, 5, 1, 1]]
    assert [layer["weights"] * 8192 for layer in found["layers"]] == [4 * 2 * 9 * 4, 64 * 5 * 3]
    assert [layer["potentials"] * 8192 for layer in found["layers"]] == [4 * 16 * 9, 5 * 7]
    assert [case["published"] for case in found["gains"]] == [None]
    assert [(row["rows"], row["columns"]) for row in found["shapes"]["rows"]] == [(1, 4), (4, 1)]
    assert "Operands that stay, beside" not in shown(found) and "Operands that stay" not in output(network, *QUICK)


def test_a_network_of_a_few_bits(tmp_path: Path) -> None:
    """It needs a smaller memory than there is; it does not spike, so that it is not run."""
    (tmp_path / "tiny.py").write_text(TINY)
    arguments = (str(tmp_path / "tiny.py"), *QUICK, "--resolutions", "1/1")
    assert [choice["kept"] * 8192 for choice in json.loads(output(*arguments, "--json"))["choices"][:2]] == [1, 4]
    done = CliRunner().invoke(app, ["cim", *arguments, "--run", "golden"])
    assert isinstance(done.exception, RuleError) and "SPIKING" in str(done.exception)


def test_a_run_in_the_golden_core(network: str) -> None:
    """Layer by layer, with shapes, counters and energies."""
    found = json.loads(output(network, *QUICK, "--resolutions", "3/9", "--run", "golden", "--timesteps", "3", "--json",
                              "--sparsity", "0.5"))
    first, second = found["run"]["layers"]
    assert (first["name"], second["name"], second["sources"]) == ("a", "d", first["spikes"])
    assert first["counters"]["synapses"] > first["sources"] > 0 and first["pj"]["1.1 V"]["columns"] > 0
    assert first["compared"] is None and found["run"]["timesteps"] == 3
    assert "layer by layer through the golden core, 3 timesteps" in shown(found)


def test_resolutions_that_were_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the paper's totals gain what they do in the table of gains."""
    layers = {layer.name: [layer.weight_bits, layer.potential_bits] for layer in PUBLISHED}
    record = {"objective": "footprint", "loss": 0.02, "count": 5, "tested": 7, "trials": 3, "layers": layers,
              "bits": dict.fromkeys(("baseline", "fixed", "found"), KILOBYTE),
              "accuracy": {name: [0.9, 0.8] for name in ("baseline", "fixed", "found", "found, saturating")}}
    monkeypatch.setattr("synapress.reports.cim.search.recorded", lambda: {"footprint": record})
    found = search.search("recorded", loss=0.5, macros=16, sparsities=[0.99])
    assert found["footprint"]["gains"]["gains"] == [{"sparsity": 0.99, "gain": cases()[0].gain(0.99)}]
    table, = search.sheets(found)
    assert "88.0% at 0.99" in table.caption and table.rows[1][1] == "8b/12b"


@pytest.mark.long
def test_a_gesture_in_rtl_at_full_size() -> None:
    """Every layer of the trained network equals the golden core, and the answer is right."""
    run = json.loads(output(*QUICK, "--run", "rtl", "--trained", "--json"))["run"]
    assert run["differences"] == [] and all(layer["compared"]["equal"] for layer in run["layers"])
    assert len(run["layers"]) == 13 and run["classes"]["answer"] == run["classes"]["label"]
    spilled = {layer["name"]: layer["counters"]["operand_stores"] for layer in run["layers"]}
    assert spilled["L1"] > 4096 and spilled["L2"] > 4096


def test_what_is_refused(network: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for arguments, text in (
            (("--macros", "0"), r"macros: 0 is outside \[1, 4096\]"), (("--macros", "x"), "--macros x: needs NUMBER"),
            (("--macros", "1:99"), "99 numbers of macros"),
            (("--sparsity", "1"), r"sparsity: 1 is outside \[0, 1\)"),
            (("--resolutions", "8"), "needs WEIGHTS/POTENTIALS"),
            (("--resolutions", "8/12,8/12,8/12"), "3 pairs for 2 layers; give 1 or 2"),
            (("--resolutions", "0/12"), "weight_bits = 0"), (("--resolutions", "65/65"), "65/65: .* 62 at most"),
            (("--resolutions", "9/8"), "9/8: an array adds weights to potentials that have at least as many bits"),
            (("--shapes", "8"), "--shapes 8: needs rows x columns"),
            (("--shapes", "1x99"), "have no room"), (("--shapes", "0x3"), "outside"), (("--model", "x"), "x"),
            (("--run", "x"), "--run x: there are golden and rtl"),
            (("--search", "recorded"), "of the gesture network"),
            (("--trained",), "--trained: is for --run"), (("--figures", str(tmp_path / "file")), "is a file")):
        with pytest.raises(ConfigError, match=text):
            raise ConfigError(refused(network, *arguments))
    assert "only square layers without groups" in refused("pilotnet")
