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
