"""The compute-in-memory macro against the integers of the golden model."""

from functools import cache

import pytest

from rtl.cim.macro import CimMacro
from synapress.tools.simulator import launch

macro = cache(CimMacro)
"""One component for each size, so that it is converted once (`launch`)."""


def run(rows: int, columns: int, simulator: str, seed: int, **parameters: object) -> None:
    launch(macro(rows, columns), name="cim_macro", module="tb.tb_cim_macro", simulator=simulator, seed=seed,
           parameters={"rows": rows, "columns": columns, **parameters})


def test_random_operations(simulator: str, seed: int) -> None:
    """Any shape, any operands, back to back: values, spikes and cycles."""
    run(32, 32, simulator, seed, scenario="random", cases=150)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_operations_that_come_late(simulator: str, seed: int) -> None:
    run(32, 32, simulator, seed, scenario="random", cases=100, op="randomly")


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_every_value(simulator: str, seed: int) -> None:
    """All operands of few bits."""
    run(64, 64, simulator, seed, scenario="every", bits=4)


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_the_papers_macro(simulator: str, seed: int) -> None:
    """512 × 256 cells: groups of 1 to 256 columns, 1 to 256 groups."""
    run(512, 256, simulator, seed, scenario="random", cases=2000)


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
@pytest.mark.parametrize(("rows", "columns"), [(16, 8), (32, 16), (64, 128)])
def test_random_operations_of_other_macros(rows: int, columns: int, simulator: str, seed: int) -> None:
    run(rows, columns, simulator, seed, scenario="random", cases=500)
    run(rows, columns, simulator, seed + 1, scenario="random", cases=300, op="bursts")


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_every_value_of_a_byte(simulator: str, seed: int) -> None:
    """All shapes of up to 8 bits, and weights of as many rows or fewer: all pairs of values."""
    run(64, 256, simulator, seed, scenario="every", bits=8)
