"""What refusals advise: the forms, that following them can fail, and that what they say besides is a closed set."""

import ast
import dataclasses
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from studies.refusals import RECORD
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower
from synapress.mapper.rules import check
from synapress.mapper.ways_out import changed, either, raised, searched, signed_bits
from synapress.model import compile
from tests.helpers.free_hints import FREE
from tests.helpers.hint_forms import FORMS, Call
from tests.helpers.ways_out import follow, forms, unknown
from tests.mapper.test_rules import LIMITS

ROOT = Path(__file__).parents[2]
GRAI, SMALL = PRESETS["grai_vip"], PRESETS["fpga_small"]


# -- advice on fields ----------------------------------------------------------------------------


def test_only_fields_that_can_grow_are_advised() -> None:
    assert raised(SMALL, "mesh_bits", 5) == "raise mesh_bits to 5"
    assert raised(GRAI, "mesh_bits", 5) == "", "the axon word is full"
    assert raised(SMALL, "coordinate_bits", 8) == "raise coordinate_bits to 8 and raise offset_bits to 9"
    assert raised(SMALL, "population_bits", 5) == "raise population_bits to 5 and raise edge_bits to 5"
    assert raised(SMALL, "kernel_bits", 3) == "", "it has them"
    assert raised(SMALL, "kernel_bits", 7) == raised(SMALL, "address_bits", 100) == ""
    assert changed(GRAI, {"state_bits": 32, "multiplier_bits": 8}) == (
        "raise state_bits to 32 and lower multiplier_bits to 8")
    assert searched(GRAI, "multiplier_bits", lambda config: config.multiplier_bits in (10, 20)) == (
        "raise multiplier_bits to 20"), "of two that fit the nearest"
    assert searched(GRAI, "multiplier_bits", lambda config: False) == ""


@pytest.mark.parametrize("config", [GRAI, SMALL], ids=["grai_vip", "fpga_small"])
def test_what_is_advised_is_a_configuration(config: CoreConfig) -> None:
    """Of every field and width, compared with configurations that are made one by one."""
    alone = 0
    names = [item.name for item in dataclasses.fields(config) if item.name.endswith("_bits")]
    for name, bits in itertools.product(names, range(1, 33)):
        text = raised(config, name, bits)
        try:
            possible = dataclasses.replace(config, **{name: bits}) and bits > getattr(config, name)
        except ConfigError:
            possible = False
        assert text or not possible, f"{name} may have {bits} bits"
        if text:
            changes = {field: int(value) for field, value in re.findall(r"(\w+) to (\d+)", text)}
            assert getattr(dataclasses.replace(config, **changes), name) == bits > getattr(config, name)
            alone += possible
    assert alone > 5


def test_bits_of_signed_numbers() -> None:
    for value in range(-70, 70):
        bits = signed_bits(value)
        assert -(1 << (bits - 1)) <= value < 1 << (bits - 1)
        assert bits == 1 or not -(1 << (bits - 2)) <= value < 1 << (bits - 2)


def test_ways_as_a_sentence() -> None:
    assert either("cut it", "", "raise mesh_bits to 5") == "Cut it, or raise mesh_bits to 5."
    assert either("a", "b", "c") == "A, b, or c."
    assert either("synapress.load reads it") == "synapress.load reads it."
    assert either("", "") == "No configuration has room for it: change the network."


# -- forms ---------------------------------------------------------------------------------------


def refused(help: str | None = None) -> tuple[RuleError, Call]:
    """65 columns on `fpga_small`, which has 64; perhaps with another hint."""
    network = Network("wide")
    network.input("in", (1, 65, 1))
    network.conv("x", "in", np.ones((1, 1, 1, 1), int))
    network.output("x")
    call = Call(check, {"program": lower(network), "config": SMALL})
    with pytest.raises(RuleError) as caught:
        call.run()
    error = caught.value
    if help is not None:  # not made anew: it would be one of the refusals of the tests
        error.violations = tuple(dataclasses.replace(item, help=help) for item in error.violations)
    return error, call


def followed(error: RuleError, call: Call) -> list[str]:
    """By rule and form: empty if what is advised works; else why not."""
    results = (follow(error, call, rule, item, found) for rule, item, found in forms(error))
    return ["not followed" if wrong is None else "\n".join(wrong) for wrong in results]


def test_a_true_hint_works() -> None:
    error, call = refused()
    assert {item.help for item in error.violations} == {"Map it to a mesh, or raise coordinate_bits to 7."}
    assert followed(error, call) == ["", ""]


@pytest.mark.parametrize("help", [
    "Raise mesh_bits to 4.", "Raise kernel_bits to 7.", "Raise widths to 4.", "Use a mesh of 2 × 2, or a larger one.",
    "synapress.mapper.legalize splits such a map.", 'load(..., cut="auto"), or --cut none.'])
def test_a_false_hint_does_not(help: str) -> None:
    """A field that does not matter, one that cannot grow, one that there is not; what leads to the same refusal, and
    two lines that differ. Of a mesh, `check` takes no size: nothing is followed."""
    (why,) = followed(*refused(help))
    assert (why == "not followed") == ("mesh of" in help)
    assert re.search("population width|ConfigError|unexpected keyword|differ|not followed", why)


@pytest.mark.parametrize("name", LIMITS)
def test_hints_of_a_core_with_room_to_grow(name: str) -> None:
    """Each rule of one core, on `fpga_small`: all that is advised works, for each layer and number."""
    call = Call(check, {"program": LIMITS[name][3], "config": SMALL})
    with pytest.raises(RuleError) as caught:
        call.run()
    assert not any(followed(caught.value, call))


def test_each_form_is_met_by_a_refusal_of_the_tests() -> None:
    """Of the record of all refusals, which has # for numbers and '…' for names."""
    texts = [text.replace("#×#", "1 × 1,").replace("#", "1")
             for _, text in json.loads(RECORD.read_text(encoding="utf-8"))]
    assert [item.name for item in FORMS if not any(map(item.pattern.search, texts))] == []


def test_the_size_of_a_mesh_works(seed: int) -> None:
    """Of the whole compiler; a mesh of one row less does not."""
    network = Network("deep")
    network.input("in", (64, 3, 3))
    network.conv("x", "in", np.random.default_rng(seed).integers(-9, 9, (64, 64, 3, 3)), padding=1)
    network.output("x")
    call = Call(compile, {"source": network, "config": SMALL, "mesh": (1, 1)})
    with pytest.raises(RuleError, match="rule 'placement'") as caught:
        call.run()
    assert followed(caught.value, call) == [""]
    (text,) = (item.help for item in caught.value.violations)
    rows = int(text.partition("× ")[2].partition(",")[0])
    with pytest.raises(RuleError, match="rule 'placement'"):
        call.run(mesh=(1, rows - 1))


def test_what_there_is_not_is_unknown() -> None:
    assert not unknown("Check the option's name (docs/models.md).")
    for text, missing in (
            ("Check the option's name (docs/model.md).", "docs/model.md"), ("Load it: synapress.lod.", "synapress.lod"),
            ("Raise core_bits to 5.", "core_bits"), ('load(..., cut="auto"), or --cuts auto.', "--cuts"),
            ("Give fewer levels (Options.steps).", "Options.steps"), ("Bind it with `constant`.", "`constant`")):
        assert f"there is no {missing}" in unknown(text)


def test_new_sentences_are_unknown() -> None:
    assert unknown("Map it to a mesh, or pray. Check the path.") == ["pray"]
    assert unknown("Check the pathos.") == ["Check the pathos"]
    assert not unknown("Check the path. Nor can the host compute it: whatever. Try that.")


def test_every_sentence_of_the_closed_set_is_one_of_the_mapper() -> None:
    texts = "\n".join(node.value for path in (ROOT / "synapress").rglob("*.py")
                      for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                      if isinstance(node, ast.Constant) and isinstance(node.value, str)).lower()
    assert len(set(FREE)) == len(FREE)
    gone = [text for text in FREE if not all(part.strip().lower() in texts for part in text.split("…"))]
    assert gone == []


# -- the plugin ----------------------------------------------------------------------------------


TESTS = '''
import dataclasses
import pytest
from synapress.mapper import rules
from synapress.mapper.errors import ModelError, RuleError, Violation
from tests.mapper.test_ways_out import SMALL, refused

def told(monkeypatch, text):
    """Another hint, told while the test runs."""
    monkeypatch.setattr(rules, "raised", lambda *_: text)
    with pytest.raises(RuleError, match=text):
        refused()[1].run()

def test_true(monkeypatch):
    refused()

def test_false(monkeypatch):
    told(monkeypatch, "raise mesh_bits to 4")

def test_new(monkeypatch):
    told(monkeypatch, "think again")

def test_caught(monkeypatch):
    """A refusal that does not reach the test."""
    made = rules.check_memory_map
    def check(plan):
        try:
            raise RuleError([Violation(layer="x", rule="y", needed="a", available="b", help="Raise mesh_bits to 4.")])
        except RuleError:
            made(plan)
    monkeypatch.setattr(rules, "check_memory_map", check)
    refused()
'''


def test_the_plugin_fails_tests_that_meet_false_hints(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_some.py").write_text(TESTS)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"),
         "--rootdir", str(tmp_path), str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "4 passed, 2 errors" in run.stdout, run.stdout + run.stderr
    assert re.search(r"teardown of test_false.*\n(.*\n)*.*the hint\n.*raise mesh_bits to 4\.\nleads, as field, to\n"
                     r".*rule 'population width'", run.stdout)
    assert re.search(r"teardown of test_new.*\n.*\nrule 'population width': think again\n", run.stdout)
    assert re.search(r"ways out of refusals: \d+ followed in ", run.stdout)


def test_hints_are_texts_of_violations() -> None:
    """A violation as made, so that what is followed is what a user reads."""
    violation = Violation(layer="x", rule="y", needed="a", available="b", help="Check the path.")
    assert str(violation).endswith("available: b. Check the path.")
