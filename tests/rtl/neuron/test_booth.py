"""Products in logic against Python's integers."""

import pytest
from amaranth import Cat, Module, Signal, Value, signed
from amaranth.sim import Simulator, SimulatorContext

from rtl.neuron import booth


def _times(number: Value, factor: Value, count: int) -> Value:
    """The product, from its parts."""
    first, *others = booth.products(number, factor, count)
    total = first.total
    for part in others:
        total = Cat(total[:part.place], booth.add(total[part.place:], part.total, part.carry))
    return total.as_signed()


def _check(number_bits: int, factor_bits: int, count: int, numbers: list[int], factors: list[int]) -> int:
    """Compares the product of every number with every factor; returns how many."""
    number, factor = Signal(signed(number_bits)), Signal(signed(factor_bits))
    result, module, done = Signal(signed(number_bits + factor_bits)), Module(), 0
    module.d.comb += result.eq(_times(number, factor, count))

    async def compare(context: SimulatorContext) -> None:
        nonlocal done
        for one in numbers:
            context.set(number, one)
            for other in factors:
                context.set(factor, other)
                assert context.get(result) == one * other, (one, other)
                done += 1

    simulator = Simulator(module)
    simulator.add_testbench(compare)
    simulator.run()
    return done


@pytest.mark.parametrize(("number_bits", "factor_bits", "count"), [
    (4, 5, 1), (4, 5, 2), (4, 5, 3), (3, 6, 2), (5, 4, 2), (2, 7, 4), (2, 8, 3)])
def test_every_pair(number_bits: int, factor_bits: int, count: int) -> None:
    every = [list(range(-1 << bits - 1, 1 << bits - 1)) for bits in (number_bits, factor_bits)]
    assert _check(number_bits, factor_bits, count, *every) == 1 << number_bits + factor_bits


@pytest.mark.parametrize(("number_bits", "factor_bits"), [(18, 17), (34, 25), (18, 9), (34, 10)])
def test_ends_and_patterns(number_bits: int, factor_bits: int) -> None:
    """The widths of the evaluation, in three parts, with what makes the most carries."""
    def corners(bits: int) -> list[int]:
        top = 1 << bits - 1
        alternating = sum(1 << place for place in range(0, bits - 1, 2))
        return [-top, 1 - top, -1, 0, 1, 2, 3, top - 2, top - 1, alternating, ~alternating, alternating >> 1,
                *(1 << place for place in range(0, bits - 1, 4)), *(-1 << place for place in range(0, bits, 4))]

    third = -(-booth.rows_of(factor_bits) // 3)
    assert _check(number_bits, factor_bits, third, corners(number_bits), corners(factor_bits)) > 200


def test_places() -> None:
    """Each part begins where its first row counts."""
    factor = Signal(signed(9))
    assert [part.place for part in booth.products(Signal(signed(4)), factor, 2)] == [
        booth.place_of(0), booth.place_of(2), booth.place_of(4)] == [0, 3, 7]
    assert booth.rows_of(9) == 5
