"""Layers that learn, in simulation, against the golden model and the definition: see tb/tb_learner.py."""

import json
from functools import cache
from typing import Any

import pytest

from golden.synapse.learning.update import LearningSizes
from golden.synapse.organisations.interface import Sizes
from rtl.synapse.learning.learner import Learner
from synapress.tools.simulator import launch

LOOKED_UP = ("crossbar", "bitmap", "compressed_rows")
FUNCTIONAL = ("functional", "functional_bitmap", "functional_pure")
MEMORY = {"address_bits": 11, "learning": 1}
SIZES: dict[str, dict[str, Any]] = {
    "looked up": {"memory": MEMORY, "entry_bits": 5},
    "functional": {"memory": MEMORY, "entry_bits": 5, "gradient_bits": 9},
    "narrow": {"memory": {**MEMORY, "value_bits": 3}, "entry_bits": 3, "trace_bits": 2},
    "other": {"memory": {"address_bits": 10, "learning": 1, "word_bits": 128, "read_latency": 3, "value_bits": 16,
                         "serial": 1, "checkpoints": 1, "search": 1},
              "entry_bits": 6, "trace_bits": 11, "gradient_bits": 8, "polynomial": 0x002D, "seed": 0x1234},
}


@cache
def unit(name: str, sizes: str) -> Learner:
    """One component per name and sizes, so that it is converted once (`launch`)."""
    given = SIZES[sizes]
    return Learner(LearningSizes(**{**given, "memory": Sizes(**given["memory"])}), name)


def run(name: str, sizes: str, simulator: str, seed: int, **parameters: object) -> list[Any]:
    scenarios = ["random", "timing", *(["damaged"] if name in LOOKED_UP else [])]
    folder = launch(unit(name, sizes), name="learner", module="tb.tb_learner", simulator=simulator, seed=seed,
                    parameters={"organisation": name, "sizes": SIZES[sizes], "scenarios": scenarios,
                                "most": 20, "requests": 12, "request": "rarely", "memory": "rarely",
                                "write": "randomly", **parameters})
    found: list[Any] = json.loads((folder / "learned.json").read_text())
    return found


def same(names: tuple[str, ...], sizes: str, simulator: str, seed: int, **parameters: object) -> None:
    """The same layers in several organisations: equal sums, weights and random numbers, beside those of the golden
    model and the definition. Without pauses a weight per cycle; and whatever the tables hold, an end."""
    found = [run(name, sizes, simulator, seed, **parameters) for name in names]
    assert all(each == found[0] for each in found)


def test_matrices_in_all_organisations(simulator: str, seed: int) -> None:
    """In Verilator, whose builds take long, one of them here and all in the long run."""
    same(LOOKED_UP if simulator == "icarus" else LOOKED_UP[:1], "looked up", simulator, seed, layers=10, most=40)


@pytest.mark.parametrize("simulator", ["icarus"], indirect=True)
def test_steps_that_are_narrower_than_weights(simulator: str, seed: int) -> None:
    """Traces and errors of few bits: a weight goes past the end of its range all the same, and is clipped."""
    same(("crossbar",), "narrow", simulator, seed, layers=8)


@pytest.mark.parametrize("simulator", ["icarus"], indirect=True)
def test_kernels_in_all_organisations(simulator: str, seed: int) -> None:
    """Per event, or gradients of shared weights summed up and applied."""
    same(FUNCTIONAL, "functional", simulator, seed, layers=10)


@pytest.mark.long
def test_two_hundred_layers(simulator: str, seed: int) -> None:
    same(LOOKED_UP, "looked up", simulator, seed, layers=200, most=40)
    same(FUNCTIONAL, "functional", simulator, seed, layers=200)


@pytest.mark.long
@pytest.mark.parametrize("names", [LOOKED_UP, FUNCTIONAL], ids=["looked up", "functional"])
def test_other_sizes(names: tuple[str, ...], seed: int) -> None:
    """Wide words, late memories, serial access, search and checkpoints."""
    same(names, "other", "verilator", seed, layers=60, most=30, memory="randomly", write="bursts")
