"""What the hardware's rooms of this folder hold: update units, products of weight and value, and neuron types."""

from typing import ClassVar

from amaranth import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.neuron.interface import NeuronModel
from golden.widths import TYPE_BITS
from golden.words import layouts
from rtl.neuron import booth
from rtl.neuron.thresholds import loads_layout
from rtl.ports import ReadPort, WritePort, op_layout
from rtl.words import struct


class ProductUnit(wiring.Component):
    """The products of one word operation, lane by lane: a room of `rtl.rooms.PRODUCTS`.

    Ports:
        weights: of the lanes, with their signs. v: the event's value. shift: left shift of the products.
        products: of the lanes, wrapped to `state_bits`.

    Latency: `latency` cycle, the same for every product, as the update unit's pipeline and the model of its cycles rely
    on it. Throughput: one word operation per cycle, without back-pressure.
    """

    latency: ClassVar[int] = 1

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "weights": In(data.ArrayLayout(signed(config.factor_bits), config.lanes)),
            "v": In(signed(config.value_bits)), "shift": In(config.product_shift_bits),
            "products": Out(data.ArrayLayout(signed(config.state_bits), config.lanes)),
        })


class UpdateUnit(wiring.Component):
    """Does word operations on the states in memory: a room of `rtl.rooms.UPDATES`.

    Ports:
        op: stream of operations (`golden.messages.operation`). One with the top bit of its state address set is
            dropped.
        state, weight: read ports; `ready` may be withheld at will.
        write_back: never refused: `ready` is not looked at.
        busy: an operation that was taken is not in memory yet. An idle unit forgets its weights, so that they may be
            rewritten.
        retired, synapses: an operation read its state in the cycle before; how many lanes it updates.
        stall_bank, stall_hazard, stall_weight: the first operation waited in the cycle before: for its state's bank,
            for an earlier write, or for its weights; at most one of them is set.
        address_error: an operation was dropped in the cycle before.
    """

    latency: ClassVar[int]
    """Cycles from an operation taken by the idle unit to its write-back, with memory at once."""
    memory_ports: ClassVar[tuple[str, ...]] = ("state", "weight", "write_back")

    def __init__(self, config: CoreConfig, more: dict[str, wiring.Member] | None = None):
        """`more`: ports of a unit besides these, or in the place of one."""
        self.config = config
        super().__init__({
            "op": In(stream.Signature(op_layout(config))),
            "state": Out(ReadPort(config)), "weight": Out(ReadPort(config)), "write_back": Out(WritePort(config)),
            "busy": Out(1), "retired": Out(1), "synapses": Out(range(config.lanes + 1)),
            "stall_bank": Out(1), "stall_hazard": Out(1), "stall_weight": Out(1), "address_error": Out(1),
        } | (more or {}))


def low_rows(config: CoreConfig) -> int:
    """Rows of the lower part of a product of two operands, of whose bits there is one more for the sign."""
    return (booth.rows_of(config.operand_bits + 1) + 1) // 2


def high_place(config: CoreConfig) -> int:
    """Place of `high`, of a unit that steps in at "operand"."""
    return booth.place_of(low_rows(config))


class NeuronUnit(wiring.Component):
    """What a neuron type does beside the arithmetic that all share: a room of `rtl.rooms.NEURON_TYPES`.

    The shared arithmetic (`rtl.neuron.requantize`) takes a state, adds the bias, multiplies, shifts with rounding, and
    saturates. A type may step in at four places, and says in `places` at which it does:

    - "unpack": `given` takes the place of `state` in front of the first register; of other types it must be `state`.
    - "operand": one move later, `low` and `high` take the place of the state: the bias is added to
      low + (high + high_carry) · 2**high_place.
    - "integrate": two moves later, `term`, `factor` and `scale` say what is multiplied, and shifted by how much; and
      `carry` goes along with it. With "truncate", too, `truncates`, kept constant, says whether it is rounded toward
      zero, and not half to even.
    - "fire": in the last move, `value` and `kept` are the result, from `scaled` and what was carried; and from
      `saturated` if it says "saturated", too.

    Registers of its own move with `advance`. What it does not do costs nothing.

    Ports:
        advance: the pipeline moves. type, mode: of the population (type and saturation fields), kept constant.
        state: of the neuron that enters.
        state_given, parameter_given, second_given: one move later: `given` as it was, and the neuron's parameters,
            those of the second word if the type has one.
        low_given, total, parameter: two moves later: `low` as it was; the sum with the bias; the parameters.
        scaled, carried: in the last move: round(term · factor / 2**scale), clipped to the state's range; `carry`.
        loads: of types with a falling threshold: words of the population's thresholds, in front of its first neuron.
        saturated: in the last move, of types that have it in `places`: the value of the shared arithmetic.
        given, low, high, high_carry, term, factor, scale, truncates, carry, value, kept: see above.
    """

    model: ClassVar[type[NeuronModel]]
    places: ClassVar[tuple[str, ...]] = ()
    """Where it steps in: "unpack", "operand", "integrate", "fire"; and "saturated", "truncate" if it asks."""

    def __init__(self, config: CoreConfig, *, carry_bits: int = 0, low_bits: int = 0, high_bits: int = 0):
        """`low_bits`, `high_bits`: widths of `low`, `high`. In Verilog a sign that is repeated looks like a circle."""
        self.config = config
        state, parameter = signed(config.state_bits), struct(layouts(config).parameter)
        low, high = (signed(bits or config.state_bits + 1) for bits in (low_bits, high_bits))
        wide = signed(config.state_bits + 2)
        super().__init__({
            "advance": In(1), "type": In(TYPE_BITS), "mode": In(2), "state": In(state), "given": Out(state),
            "state_given": In(state), "parameter_given": In(parameter),
            "second_given": In(struct(layouts(config).second_parameter)),
            "low": Out(low), "high": Out(high), "high_carry": Out(1),
            "low_given": In(signed(config.state_bits + 1)), "total": In(wide), "parameter": In(parameter),
            "term": Out(wide), "factor": Out(signed(config.multiplier_bits + 1)), "scale": Out(config.shift_bits),
            "carry": Out(carry_bits), "carried": In(carry_bits), "scaled": In(state),
            "value": Out(signed(config.value_bits)), "kept": Out(state),
            **({"saturated": In(signed(config.value_bits))} if "saturated" in self.places else {}),
            **({"truncates": Out(1)} if "truncate" in self.places else {}),
            **({"loads": In(loads_layout(config))} if self.model.falling_threshold else {}),
        })
