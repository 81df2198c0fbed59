"""The models of the compute-in-memory macro: column by column, with integers, and plain sums beside them."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from golden.cim.macro import FastMacro, Kind, LiteralMacro, Macro, MacroOperation, operation_layout
from golden.cim.operand import Shape, to_rows
from golden.errors import ConfigError

ADD = MacroOperation(Kind.ADD, 8, 0, 2, 1, 4, 12)


def value_of(array: np.ndarray, row: int, rows: int, column: int, columns: int) -> int:
    """A value bit by bit, as the specification has them."""
    bits = [array[row + bit // columns, column + (columns - 1 - bit % columns if bit // columns % 2 else bit % columns)]
            for bit in range(rows * columns)]
    return sum(int(bit) << place for place, bit in enumerate(bits)) - (int(bits[-1]) << len(bits))


def wanted(kind: Kind, a: int, b: int, bits: int, saturate: bool, spike: bool) -> int:
    """What becomes of a potential."""
    if kind == Kind.COMPARE or (kind in (Kind.SUBTRACT, Kind.ZERO) and not spike):
        return a
    total = {Kind.ADD: a + b, Kind.SUBTRACT: a - b, Kind.ZERO: 0}[kind]
    half = 1 << bits - 1
    return max(-half, min(half - 1, total)) if saturate else (total + half) % (2 * half) - half


@pytest.mark.parametrize("model", [LiteralMacro, FastMacro])
def test_sums_comparisons_and_resets(model: type[Macro], seed: int) -> None:
    pick = random.Random(seed)
    for _ in range(200):
        width = pick.choice((1, 2, 3, pick.randint(1, 40)))
        base, groups = pick.randint(0, 8), pick.randint(1, 8 if width > 8 else 20)
        macro = model(32, max(64, base + width * groups))
        macro.array = np.random.default_rng(pick.getrandbits(32)).integers(0, 2, macro.array.shape).astype(bool)
        macro.configure(width, base, groups)
        high = pick.randint(1, 6)
        weight, a = pick.randint(1, high), pick.randint(8, 26)
        first = pick.randrange(groups)
        limits = base + first * width, base + pick.randint(first + 1, groups) * width
        for kind in (Kind.COMPARE, pick.choice(list(Kind)), Kind.ADD):
            b, saturate = pick.randint(0, 8 - weight), pick.random() < 0.5
            before, spikes = macro.array.copy(), macro.spikes.copy()
            found = macro.execute(MacroOperation(kind, a, b, high, weight, *limits, saturate))
            for group in range(*limits, width):
                old, second = value_of(before, a, high, group, width), value_of(before, b, weight, group, width)
                new = value_of(macro.array, a, high, group, width)
                assert new == wanted(kind, old, second, high * width, saturate, bool(spikes[group]))
                if found is not None:
                    assert set(found[group:group + width]) == {old >= second}
            before[a:a + high, slice(*limits)] = macro.array[a:a + high, slice(*limits)]
            assert (macro.array == before).all()
            if found is not None:
                assert not found[:limits[0]].any() and not found[limits[1]:].any()


@pytest.mark.parametrize("bits", [62, 63, 64, 65])
@pytest.mark.parametrize("saturate", [False, True])
def test_operands_about_as_wide_as_a_word_of_this_machine(bits: int, saturate: bool) -> None:
    half = 1 << bits - 1
    pairs = [(a, b) for a in (-half, half - 1, 0, -1, 12345) for b in (-half, half - 1, 1, -1)]
    olds, seconds = zip(*pairs, strict=True)
    for kind in (Kind.COMPARE, Kind.ADD, Kind.SUBTRACT):
        macro = FastMacro(4, bits * len(pairs))
        macro.configure(bits, 0, len(pairs))
        macro.array[0], macro.array[1] = to_rows(olds, Shape(1, bits))[0], to_rows(seconds, Shape(1, bits))[0]
        macro.spikes[:] = True
        spikes = macro.execute(MacroOperation(kind, 0, 1, 1, 1, 0, bits * len(pairs), saturate))
        for index, (old, second) in enumerate(pairs):
            new = value_of(macro.array, 0, 1, index * bits, bits)
            assert new == wanted(kind, old, second, bits, saturate, True)
            assert spikes is None or bool(spikes[index * bits]) == (old >= second)


def test_cycles_and_columns_are_counted() -> None:
    macro = FastMacro(32, 16)
    macro.configure(4, 4, 3)
    macro.execute(ADD)
    assert (macro.cycles, macro.column_ops, macro.idle_column_ops) == (2, 16, 16)
    macro.execute(replace(ADD, saturate=True))
    macro.execute(replace(ADD, kind=Kind.COMPARE, saturate=True))
    macro.execute(replace(ADD, kind=Kind.ZERO, saturate=True))
    assert (macro.cycles, macro.column_ops, macro.idle_column_ops) == (10, 80, 80)


@pytest.mark.parametrize(("changed", "message"), [
    ({"low": 5}, "columns 5 to 11 are no groups of 4 columns from column 4 on"),
    ({"high": 20}, "columns 4 to 19 are no groups"), ({"low": 0}, "columns 0 to 11 are no groups"),
    ({"high": 4}, "columns 4 to 3 are no groups"),
    ({"a": 31}, r"operand a: rows 31 to 32 are outside \[0, 31\]"), ({"b": -1}, "operand b: rows -1 to -1"),
    ({"b_rows": 3}, "a weight of 3 rows is higher than its potential of 2"), ({"b_rows": 0}, "operand b: rows 0 to -1"),
    ({"b": 9}, "operands overlap: rows 8 and 9 on"), ({"a": 0}, "operands overlap"),
])
def test_operations_that_are_refused(changed: dict[str, Any], message: str) -> None:
    for model in (LiteralMacro, FastMacro):
        macro = model(32, 16)
        macro.configure(4, 4, 3)
        with pytest.raises(ConfigError, match=message):
            macro.execute(replace(ADD, **changed))
        assert macro.cycles == 0


def test_shapes_that_are_refused() -> None:
    macro = LiteralMacro(32, 16)
    for shape in ((5, 4, 3), (0, 0, 1), (4, -1, 2), (4, 0, 0)):
        with pytest.raises(ConfigError, match="do not fit an array of 16 columns"):
            macro.configure(*shape)
    with pytest.raises(ConfigError, match="shape"):
        FastMacro(0, 16)


def test_an_operation_as_a_word() -> None:
    layout = operation_layout(512, 256)
    assert layout.bits == 56 and layout.unpack(layout.pack(vars(ADD))) == {**vars(ADD), "saturate": 0}
