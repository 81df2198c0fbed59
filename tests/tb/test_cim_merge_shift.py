"""Merge and shift in simulation, for words and rows of every width."""

import pytest

from rtl.cim.merge_shift import MergeShift
from synapress.tools.simulator import launch


def run(columns: int, word_bits: int, simulator: str, seed: int, operands: int) -> None:
    launch(MergeShift(columns, word_bits), name="merge_shift", module="tb.tb_merge_shift", simulator=simulator,
           seed=seed, parameters={"columns": columns, "word_bits": word_bits, "operands": operands})


@pytest.mark.parametrize(("columns", "word_bits"), [(256, 64), (32, 128)])
def test_random_operands(columns: int, word_bits: int, simulator: str, seed: int) -> None:
    run(columns, word_bits, simulator, seed, 60)
