"""The command that writes docs/measured.md: what it keeps, what it refreshes, and figures that are known."""

import json
from pathlib import Path
from typing import Any

import pytest

from studies import measured, sections

CORE = [{"layer": "conv", "lane_utilization": 0.98103, "word_ops_per_cycle": 0.9814}]
COUNTS = {"tests": 610, "passed": 391, "flat": 381, "flat passed": 365}
MAPPING = [{"network": "resnet50", "cores": 182, "fragments": 206, "seconds": 8.69, "gigabytes": 0.164, "gain": 1.623}]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """A page and results of its own, commands that give known JSON, and the list of those that ran."""
    given: dict[str, Any] = {"benchmarks.core": CORE, "studies.conformance": COUNTS, "benchmarks.mapping": MAPPING}
    modules: list[str] = []

    def run(command: sections.Command) -> Any:
        modules.append(command.module)
        return given[command.module]

    monkeypatch.setattr(measured, "ROOT", tmp_path)
    monkeypatch.setattr(measured, "PAGE", tmp_path / "docs/measured.md")
    monkeypatch.setattr(measured, "RESULTS", tmp_path / "build/measured")
    monkeypatch.setattr(measured, "run", run)
    return modules


def test_only_what_is_named_is_refreshed(ran: list[str]) -> None:
    measured.main(["--only", "core", "conformance"])
    first = measured.PAGE.read_text()
    assert "| conv | 98.1% | 0.981 |" in first and "365 of 381 (95.8%)" in first
    assert "Not measured yet: `python -m studies.measured --only demo`" in first
    measured.main(["--only", "mapping"])
    second = measured.PAGE.read_text()
    assert "| resnet50 | 182 | 206 | 8.7 s | 0.16 GB | 1.62 |" in second
    before, after = measured.sections_of(first), measured.sections_of(second)
    assert after.keys() - before.keys() == {"mapping"} and all(after[name] == before[name] for name in before)
    assert ran == ["benchmarks.core", "studies.conformance", "benchmarks.mapping"]


def test_the_same_results_give_the_same_page(ran: list[str]) -> None:
    """Again from the results that were kept, without running anything."""
    measured.main(["--only", "core", "mapping"])
    first, count = measured.PAGE.read_bytes(), len(ran)
    measured.PAGE.unlink()
    measured.main(["--only", "mapping", "core", "--reuse"])
    assert measured.PAGE.read_bytes() == first and len(ran) == count


def test_json_that_commands_left_is_read(ran: list[str]) -> None:
    """`make bench` before: nothing is run, and the page does not claim to know how busy the machine was."""
    left = measured.ROOT / "build/benchmarks/mapping.json"
    left.parent.mkdir(parents=True)
    left.write_text(json.dumps(MAPPING))
    measured.main(["--only", "mapping", "--reuse"])
    text = measured.PAGE.read_text()
    assert not ran and "| resnet50 | 182 |" in text and "its load was not recorded" in text


def test_times_come_with_their_machine(ran: list[str]) -> None:
    import os
    import platform

    measured.main(["--only", "core", "mapping"])
    body = measured.sections_of(measured.PAGE.read_text())
    assert f"a machine with {os.cpu_count()} processors" in body["mapping"] and "load" in body["mapping"]
    assert "processors" not in body["core"]
    assert platform.node() not in body["mapping"]


def test_a_command_that_fails_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured.sys, "argv", ["measured"])
    with pytest.raises(SystemExit, match=r"(?s)make nothing ended with 1:.*No module named nobody_knows"):
        measured.run(sections.Command("make nothing", "nobody_knows"))


def test_differences_of_the_demo_would_be_seen() -> None:
    """A page never says that RTL and golden model are equal when the report says otherwise."""
    area = [{"top": top, "target": target, "transistors": 10, "luts": 5, "sram_transistors": 0}
            for top in ("peg", "esu", "core") for target in ("cmos", "xilinx")]
    report = {
        "config": {"name": "mine", "lanes": 4}, "digits": 2, "seed": 1, "area": area,
        "comparison": {"frames": 2, "states": 3, "events": 4, "memory_words": 5, "differences": ["state 7"]},
        "accuracy": dict.fromkeys(("float_all", "golden_all", "golden_simulated", "rtl_simulated"), 0.5),
        "counters": {"values_in": 2, "values_local": 4, "synapses": 30, "cycles": 10},
        "memory_bytes": {name: {"connectivity": 8, "weights": 8} for name in (
            "image as written", "hierarchical LUT", "LUT")},
    }
    text = sections.demo(report)
    assert "DIFFERENT" in text and "equal" not in text
    assert "| events per digit | 3 |" in text and "| synaptic operations per cycle | 3.0 of at most 4 |" in text


def test_comparisons_with_onnxruntime_are_a_table() -> None:
    row = {"network": "digits", "form": "QDQ", "integers": 1000, "onnxruntime": 8, "by more than 1": 0, "float64": 0}
    text = sections.quantized({"files": [row, row | {"form": "QOperator", "float64": None}]})
    assert "| digits | QDQ | 1,000 | 8 | 0 | 0 |" in text and "| digits | QOperator | 1,000 | 8 | 0 |  |" in text
