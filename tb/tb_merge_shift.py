"""Merge and shift: operands of any width of a row, in both directions, cut short and with pieces that are missing."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import cocotb

from golden.cim.merge_shift import capacity, cycles, merge, pieces, split, words_of
from synapress.tools import simulator as launch
from tb.streams import Steps, Wires, clock_and_reset, every_cycle, out_of_reset, pauses, wait_until

Operand = tuple[bool, int, list[int], int, list[int]]
"""Whether words are cut into rows, the width of a row, the given pieces, how many are taken, and the taken ones."""


def random_operand(generator: random.Random, columns: int, word_bits: int) -> Operand:
    """Of a narrow, a wide or any row; some with words too few or too many, or rows that nobody takes."""
    width = generator.choice([1, columns, word_bits, generator.randint(1, 9), generator.randint(1, columns)])
    width = min(width, columns)
    rows = generator.choice([1, generator.randint(1, 5), generator.randint(1, 40), generator.randint(20, 40)])
    words = words_of(width, rows, word_bits)
    into_rows = generator.random() < 0.5
    odd = generator.random() < 0.4
    number = max(1, words + odd * generator.choice([-(words // 2), -1, 2]))
    if into_rows:
        given = [generator.getrandbits(word_bits) for _ in range(number)]
        return True, width, given, rows, merge(given, width, rows, word_bits)
    given = [generator.getrandbits(width) for _ in range(rows)]
    if odd:
        return False, width, given, number, pieces(given, width, word_bits, number)
    return False, width, given, words, split(given, width, word_bits)


def transfers(dut: Any, operands: list[Operand], columns: int, word_bits: int, generator: random.Random,
              pause_in: Iterator[bool], pause_out: Iterator[bool], counts: Counter[str]) -> Steps:
    """All operands, one behind the other; bits that do not count are random, and so are pieces that must not be taken.

    Where nobody waits each takes the cycles of the golden model.
    """
    wires, longest, room = Wires(dut), max(columns, word_bits), capacity(columns, word_bits)
    dut.given__valid.value = dut.taken__ready.value = dut.start.value = 0
    yield from out_of_reset(dut)
    for load, width, given, count, expected in operands:
        base = generator.choice([0, columns - width, generator.randint(0, columns - width)])
        given_bits, taken_bits = (word_bits, width) if load else (width, word_bits)
        given_base, taken_base = (0, base) if load else (base, 0)
        dut.load.value, dut.base.value, dut.width.value, dut.start.value = load, base, width, 1
        dut.given__valid.value, dut.taken__ready.value = generator.getrandbits(1), generator.getrandbits(1)
        yield
        assert not wires.taken__valid() and not wires.given__ready(), "a piece moves while an operand starts"
        dut.start.value = 0
        sent, found, first, cycle, offered, waited = 0, list[int](), None, 0, False, False
        while True:
            if not offered:
                offered = sent >= len(given) or not next(pause_in)
                waited |= not offered
                mask = (1 << given_bits) - 1 << given_base
                piece = given[sent] << given_base if sent < len(given) else 0
                others = generator.getrandbits(longest) & ~mask
                dut.given__payload.value = piece | others | (sent == len(given) - 1) << longest
                dut.given__valid.value = int(offered)
            ready = not next(pause_out)
            waited |= not ready
            dut.taken__ready.value = int(ready)
            yield
            if offered and wires.given__ready():
                assert sent < len(given), "a piece is taken after the last one"
                first = cycle if first is None else first
                sent, offered = sent + 1, False
            if ready and wires.taken__valid():
                found.append(wires.taken__payload())
            cycle += 1
            if len(found) == count:
                break
        assert found == [piece << taken_base for piece in expected], (load, width, base, len(given), count)
        if not waited:
            assert first == 0 and cycle == cycles(len(given), given_bits, taken_bits, count, room)
            counts["at once"] += 1
        counts["operands"] += 1
    dut.given__valid.value = dut.taken__ready.value = 0
    counts["over"] += 1
    while True:
        yield


@cocotb.test()
@cocotb.parametrize(pattern=["never", "randomly", "mostly"])
async def operands(dut: Any, pattern: str) -> None:
    """Every piece as the golden model cuts it."""
    parameters, generator = launch.parameters(), random.Random(launch.seed())
    columns, word_bits = parameters["columns"], parameters["word_bits"]
    cases = [random_operand(generator, columns, word_bits) for _ in range(parameters["operands"])]
    counts = Counter[str]()
    every_cycle(dut, transfers(dut, cases, columns, word_bits, generator, pauses(pattern, generator),
                               pauses(pattern, generator), counts))
    await clock_and_reset(dut)
    await wait_until(dut, lambda: bool(counts["over"]), what="the last operand")
    assert counts["operands"] == len(cases) > 0 and (pattern != "never" or counts["at once"] == len(cases))
