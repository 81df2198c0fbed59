"""What is left of a number after a timestep, as far as the arithmetic of the evaluation goes beside it."""

from itertools import pairwise

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.neuron.decay import DECAY_BITS, LEFT_LOG2
from golden.timing.microarchitecture import EVALUATION_STAGES
from rtl.neuron import booth

MOVES_OF_PRODUCT = 4
"""Registers of the multiplication: its numbers, its parts, their sum, and the rounding."""


class Decay(wiring.Component):
    """number · (1 - decay / 2**12), rounded toward zero (`golden.neuron.decay`): a multiplication of its own.

    For neuron types that multiply twice in a timestep, of which the shared arithmetic does one.

    Ports:
        advance: the pipeline moves. number, decay: at "integrate" (`rtl.neuron.interface.NeuronUnit`).
        left: of the neuron in the last move, at "fire".

    Latency: `moves`, 7, or 6 if shift_bits <= 4, as the shared arithmetic's. Throughput: one number per cycle.
    """

    def __init__(self, config: CoreConfig, bits: int):
        """`bits`: of the number."""
        self.moves = EVALUATION_STAGES - (config.shift_bits <= 4) - 3
        super().__init__({
            "advance": In(1), "number": In(signed(bits)), "decay": In(DECAY_BITS), "left": Out(signed(bits)),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, bits = Module(), len(self.number)
        number = Signal(signed(bits), name="number_given", reset_less=True)
        factor = Signal(signed(DECAY_BITS + 1), name="factor", reset_less=True)
        given = booth.products(number, factor, (booth.rows_of(len(factor)) + 2) // 3)
        parts = [booth.Product(part.place, Signal(part.total.shape(), name=f"part{part.place}", reset_less=True),
                               Signal(1, name=f"carry{part.place}", reset_less=True)) for part in given]
        total = parts[0].total
        for part in parts[1:]:
            total = Cat(total[:part.place], booth.add(total[part.place:], part.total, part.carry))
        product = Signal(signed(bits + LEFT_LOG2), name="product", reset_less=True)
        rest = Cat(product[:LEFT_LOG2])
        lefts = [Signal(signed(bits), name=f"left{move}", reset_less=True)
                 for move in range(MOVES_OF_PRODUCT - 1, self.moves)]
        with m.If(self.advance):
            m.d.sync += [
                number.eq(self.number), factor.eq((1 << LEFT_LOG2) - self.decay),
                *(statement for part, result in zip(parts, given, strict=True)
                  for statement in (part.total.eq(result.total), part.carry.eq(result.carry))),
                product.eq(total[:len(product)]),
                # Below zero the shift rounds down.
                lefts[0].eq(product[LEFT_LOG2:].as_signed() + (product[-1] & rest.any())),
                *(after.eq(before) for before, after in pairwise(lefts)),
            ]
        m.d.comb += self.left.eq(lefts[-1])
        return m
