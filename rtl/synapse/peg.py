"""The programmable event generator: firing neurons to events, one axon per cycle."""

from amaranth import C, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from golden.words import layouts
from rtl.ports import ReadPort, neuron_layout
from rtl.synapse.axons import AxonWords
from rtl.words import struct

SHIFT_LOW = 2
"""Upsample bits done before the first pipeline register; the one above joins the adder's lookup tables."""


class Peg(wiring.Component):
    """Makes at most one event per axon of each firing neuron: Bamberg et al., arXiv 2112.07019, section 4.2, alg. 3.

    The axons of a neuron are taken in order, from `axon_base` up; with `far` each has a second word in front.
    `golden.synapse.peg` says what hits; an end neuron makes an END event on every axon. x_min and y_min must lie within
    offset_bits + 2 signed bits, as the mapper checks. `rtl.synapse.axons.AxonWords` keeps or reads ahead the words.

    Ports:
        neuron: stream of firing neurons and ends of timestep (`golden.messages.neuron`); all neurons from one end to
            the next have the same axons.
        axon: read port to the axon words.
        room: the queues behind can take at least 3 more events. Axon words are only used in cycles where it is high,
            and an event comes two cycles later; so an event is never refused.
        event: stream of event words that is always ready; it has no `ready`, as no top level may have a constant port.
        busy: a neuron has axons left, or an event may still come.

    Latency: two cycles from an axon word used to its event; six from a population's first neuron to its first event.
    Throughput: one axon word per cycle while they are there and `room` is high, from one neuron to the next without a
    pause. Only a population's first neuron waits for the memory if it has few axons.
    A neuron without axons takes one cycle.
    """

    latency = 2
    """Cycles from an axon word used to its event."""

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "neuron": In(stream.Signature(neuron_layout(config))),
            "axon": Out(ReadPort(config)),
            "room": In(1),
            "event": Out(wiring.Signature({"payload": Out(struct(layouts(config).event)), "valid": Out(1)})),
            "busy": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config = self.config
        m = Module()
        offered = self.neuron.payload
        left = Signal(signed(config.axon_count_bits + 2))  # minus the words left, as counting up is cheaper
        held = Signal(neuron_layout(config), reset_less=True)
        pending, last = left[-1], Signal(name="last")  # registered, as the taking of neurons depends on it
        more, use, load = Signal(name="more"), Signal(name="use"), Signal(name="load")
        m.submodules.axons = axons = AxonWords(config)
        connect(m, axons.axon, flipped(self.axon))
        m.d.comb += [
            more.eq(pending & ~last), use.eq(pending & axons.there & self.room),
            self.neuron.ready.eq(~more & (~pending | use)), load.eq(self.neuron.valid & self.neuron.ready),
        ]
        with m.If(load):
            m.d.sync += [held.eq(offered), left.eq(-_words(offered)), last.eq(_words(offered) == 1)]
        with m.Elif(use):
            m.d.sync += [left.eq(left + 1), last.eq(left == -2)]

        # An end neuron comes last, and what follows it has other axons.
        first = Signal(name="first", init=1)
        with m.If(load):
            m.d.sync += first.eq(offered.end)
        m.d.comb += [
            axons.load.eq(load), axons.first.eq(first), axons.base.eq(offered.axon_base),
            axons.words.eq(_words(offered)), axons.ahead.eq(pending & ~held.end & self.neuron.valid),
            axons.take.eq(use), axons.last.eq(last),
            axons.done.eq(use & last & held.end),
        ]

        # Of two words the second one comes first: with an even number left.
        is_far, second = held.far & ~left[0], layouts(config).second_axon
        far = Signal(struct(second), name="far", reset_less=True)
        with m.If(use & is_far):
            m.d.sync += far.eq(axons.word[:second.bits])
        shifted, added = self._generate(m, use & ~is_far, axons.word, held, far)
        m.d.comb += self.busy.eq(pending | shifted | added)
        return m

    def _generate(self, m: Module, reading: Value, word: Value, neuron: data.View, far: data.View
                  ) -> tuple[Value, Value]:
        """Axon word and its neuron to event: shift, add, test, with registers between. Returns the registers' valid."""
        config, event = self.config, self.event.payload
        axon = struct(layouts(config).axon)(word[:layouts(config).axon.bits])

        def register(value: Value, name: str, clear: Value | None = None) -> Signal:
            signal = Signal(Value.cast(value).shape(), name=name, reset_less=clear is not None)
            m.d.sync += signal.eq(value if clear is None else Mux(clear, 0, value))
            return signal

        # An end's offsets are cleared, its x, y, c are zeros already: what it carries is ORed in before the adders.
        end_shifted, shifted = register(neuron.end, "end_shifted"), register(reading, "shifted")
        end_added, added = register(end_shifted, "end_added"), register(shifted, "added")

        hits = []
        coarse = register(axon.upsample[SHIFT_LOW:], "coarse")
        stride = register(axon.stride, "stride")
        stride_added, stride_8 = register(stride, "stride_added"), register(stride == 3, "stride_8")
        for axis, size in (("x", "width"), ("y", "height")):
            shape = signed(config.offset_bits + 2)
            fine = Signal(shape, name=f"{axis}_fine", reset_less=True)
            m.d.sync += fine.eq(_shift(neuron[axis], axon.upsample[:SHIFT_LOW], shape.width))
            offset = register(axon[f"{axis}_offset"], f"{axis}_offset", neuron.end)
            core = register(Mux(neuron.far, far[f"core_{axis}"], axon[f"core_{axis}"]), f"core_{axis}")
            core_wide = Signal(shape, name=f"{axis}_core")
            position = Signal(shape, name=axis, reset_less=True)
            m.d.comb += core_wide.eq(Mux(end_shifted, core, 0))
            m.d.sync += position.eq(offset + ((fine << (coarse << SHIFT_LOW))[:shape.width] | core_wide))
            limit = register(axon[f"{axis}_limit"], f"{axis}_limit")
            kernel = register(axon[f"kernel_{size}"], f"kernel_{size}")
            hits.append(self._hit(
                position, register(limit, f"{axis}_limit_added"), register(kernel, f"kernel_{size}_added"),
                register(kernel.all(), f"kernel_{size}_all"), stride_added, stride_8))
            m.d.comb += [event[axis].eq(position), event[f"core_{axis}"].eq(register(core, f"core_{axis}_added"))]
        population = register(neuron.population, "population")
        source = register(neuron.c, "c") | Mux(end_shifted, population, 0)
        moved = register(axon.c_offset, "c_offset", neuron.end) + source
        m.d.comb += [
            event.c.eq(register(moved[:config.channel_bits], "c_added")),
            event.v.eq(register(register(neuron.v, "v"), "v_added")),
            event.id.eq(register(register(axon.id, "id"), "id_added")),
            event.kind.eq(end_added),
            self.event.valid.eq(added & (end_added | (hits[0] & hits[1]))),
        ]
        return shifted, added

    def _hit(self, position: Value, limit: Value, kernel: Value, large: Value, stride: Value, stride_8: Value) -> Value:
        """`golden.synapse.peg.hits`; the kernel's extent is stored minus one; `large`: it is the maximum."""
        config = self.config
        unit, half = config.extent_unit_log2, config.offset_bits - 2
        negative, in_range = position[-1], position[half + 1:-1] == position[-1].replicate(2)
        if not config.hit_test:
            return in_range

        # Left of the destination: hits if the last tap, at position + kernel, is not.
        near = _compare(~position[:config.kernel_bits], kernel, equal=0)
        middle = position[config.kernel_bits:half]
        last_inside = position[half] & Mux(large, middle.any() | near, middle.all() & near)

        # Else: hits if position <= limit, and -position mod 2**stride <= kernel.
        step = Cat(position[0] & (stride != 0), (position[1] ^ position[0]) & stride[1])
        step_high = (position[2] ^ position[:2].any()) & stride_8
        short = step <= kernel[:2]
        high, always = (kernel[2], kernel[3:].any()) if len(kernel) > 2 else (C(0, 1), large)
        survives = always | Mux(step_high == high, short, high)
        first_inside = _compare(position[unit:half + 1], limit, equal=1)
        return in_range & Mux(negative, last_inside, first_inside & survives)


def _words(neuron: data.View) -> Value:
    """How many axon words a neuron has."""
    return Mux(neuron.far, Cat(Const(0, 1), neuron.axons), neuron.axons)


def _shift(value: Value, amount: Value, width: int) -> Value:
    """`value << amount`, two bits of amount, as one choice of four per bit, which synthesis does not take apart."""
    bits = Cat(C(0, 3), value, C(0, width))
    return Cat(
        Mux(amount == 3, bits[i], Mux(amount == 2, bits[i + 1], Mux(amount == 1, bits[i + 2], bits[i + 3])))
        for i in range(width))


def _compare(a: Value, b: Value, *, equal: int) -> Value:
    """a < b, or a <= b with `equal`, unsigned, without a carry chain: two bits at a time fit a lookup table of six."""
    result: Value = C(equal, 1)
    first = len(a) % 2 + 2
    for i in range(min(first, len(a))):
        result = Mux(a[i] == b[i], result, b[i])
    for i in range(first, len(a), 2):
        result = Mux(a[i:i + 2] == b[i:i + 2], result, a[i:i + 2] < b[i:i + 2])
    return result
