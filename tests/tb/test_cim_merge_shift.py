"""Merge and shift in simulation, for words and rows of every width: see tb/tb_merge_shift.py."""

import pytest

from rtl.cim.merge_shift import MergeShift
from synapress.tools.simulator import launch


def run(columns: int, word_bits: int, simulator: str, seed: int, operands: int) -> None:
    launch(MergeShift(columns, word_bits), name="merge_shift", module="tb.tb_merge_shift", simulator=simulator,
           seed=seed, parameters={"columns": columns, "word_bits": word_bits, "operands": operands})


def test_random_operands(simulator: str, seed: int) -> None:
    """Of rows as wide as words: then what goes must make room for what comes in the same cycle."""
    run(32, 32, simulator, seed, 40)


@pytest.mark.long
@pytest.mark.parametrize("word_bits", [32, 64, 128, 256])
@pytest.mark.parametrize("columns", [8, 64, 256])
def test_all_words(columns: int, word_bits: int, seed: int) -> None:
    run(columns, word_bits, "verilator", seed, 300)
