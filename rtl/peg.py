"""The programmable event generator: firing neurons to events, one axon per cycle."""

from amaranth import C, Cat, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import EventKind, layouts
from rtl.ports import ReadPort, neuron_layout
from rtl.words import struct

SHIFT_LOW = 2
"""Upsample bits done before the pipeline register; the one bit above joins the adder's lookup tables."""


class Peg(wiring.Component):
    """Makes at most one event per axon of each firing neuron: Bamberg et al., arXiv 2112.07019, section 4.2, alg. 3.

    The axons of a neuron are read in order, from `axon_base` up. `golden.peg` says what hits; an end neuron makes an END
    event on every axon. A computed x_min or y_min must lie within offset_bits + 2 signed bits, which the mapper sees to.

    Ports:
        neuron: stream of firing neurons and ends of timestep (`rtl.ports.neuron_layout`).
        axon: read port to the axon words.
        room: the queues behind can take at least 4 more events. Axons are only read in cycles where it is high, and
            an axon read is an event at most three cycles later; so `event` is never refused and has no `ready`.
        event: stream of packed event words, always ready.
        busy: some neuron still has axons to read, or some event may still come.

    Latency: an axon is requested in the cycle after its neuron was taken or the cycle after the neuron's previous axon;
    its event comes three cycles after the memory accepted.
    Throughput: one axon per cycle while `axon.ready` and `room` are high, from one neuron to the next without a pause. A
    neuron without axons takes one cycle.
    """

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
        m = Module()
        issued, neuron = self._issue(m)
        self._generate(m, issued, neuron)
        return m

    def _issue(self, m: Module):  # type: ignore[no-untyped-def]
        """Read the axon words; returns 'a word was accepted' and its neuron."""
        config = self.config
        offered = self.neuron.payload
        held = Signal(neuron_layout(config), reset_less=True)
        address = Signal(config.address_bits, reset_less=True)
        # Counts up from -axons, as adding a constant to a loaded register is one lookup table per bit.
        left = Signal(config.axon_count_bits, reset_less=True)
        pending, issue, finish, load = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.axon.valid.eq(pending & self.room), self.axon.address.eq(address),
            issue.eq(self.axon.valid & self.axon.ready),
            finish.eq(issue & left.all()),
            self.neuron.ready.eq(~pending | finish),
            load.eq(self.neuron.valid & self.neuron.ready),
        ]
        with m.If(load | issue):
            m.d.sync += [
                address.eq(Mux(load, offered.axon_base, address) + ~load),
                left.eq(Mux(load, ~offered.axons, left) + 1),
            ]
        with m.If(load):
            m.d.sync += [held.eq(offered), pending.eq(offered.axons.any())]
        with m.Elif(finish):
            m.d.sync += pending.eq(0)
        m.d.comb += self.busy.eq(pending)
        return issue, held

    def _generate(self, m: Module, issued, held) -> None:  # type: ignore[no-untyped-def]
        """Axon word and neuron to event: shift, then add, then test; one register before each but the first."""
        config = self.config
        position_shape = signed(config.offset_bits + 2)
        axon = struct(layouts(config).axon)(self.axon.data[:layouts(config).axon.bits])

        # While the memory reads.
        neuron, valid = Signal.like(held), Signal()
        m.d.sync += [neuron.eq(held), valid.eq(issued)]

        # Shift. An end clears the offsets and adds, to zeros, what END carries; other neurons clear that instead.
        def stage(name: str, value, clear=None, like=None):  # type: ignore[no-untyped-def]
            register = Signal(like or value.shape(), name=name, reset_less=clear is not None)
            m.d.sync += register.eq(value if clear is None else Mux(clear, 0, value))
            return register

        event = self.event.payload
        shift = axon.upsample
        end, end_later = stage("end", neuron.end), Signal()
        valid_later = stage("valid_added", stage("valid_shifted", valid))
        tests = [end_later]
        hits = []
        stride = stage("stride_added", stage("stride", axon.stride))
        for axis, size in (("x", "width"), ("y", "height")):
            low = Signal(position_shape, name=f"{axis}_shifted", reset_less=True)
            m.d.sync += low.eq(neuron[axis] << shift[:SHIFT_LOW])
            high = stage(f"{axis}_shift", shift[SHIFT_LOW:])
            offset = stage(f"{axis}_offset", axon[f"{axis}_offset"], neuron.end)
            core = stage(f"{axis}_core", axon[f"core_{axis}"], ~neuron.end)
            kernel = stage(f"{axis}_kernel", axon[f"kernel_{size}"])
            limit = stage(f"{axis}_limit", axon[f"{axis}_limit"])
            position = Signal(position_shape, name=axis, reset_less=True)
            wide_core = Signal(position_shape, name=f"{axis}_core_wide")
            m.d.comb += wide_core.eq(core)
            m.d.sync += position.eq(offset + ((low << (high << SHIFT_LOW))[:len(position)] | wide_core))
            large = stage(f"{axis}_kernel_large", kernel.all())
            hits.append(self._hit(position, stage(f"{axis}_limit_added", limit), stage(f"{axis}_kernel_added", kernel),
                                  large, stride))
            m.d.comb += [
                event[axis].eq(position),
                event[f"core_{axis}"].eq(stage(f"{axis}_core_added", stage(f"{axis}_core_shifted", axon[f"core_{axis}"]))),
            ]
        channel, offset = stage("c", neuron.c), stage("c_offset", axon.c_offset, neuron.end)
        population = stage("population", neuron.population, ~neuron.end)
        m.d.sync += end_later.eq(end)
        m.d.comb += [
            event.c.eq(stage("c_added", (offset + (channel | population))[:config.channel_bits])),
            event.v.eq(stage("v_added", stage("v", neuron.v))),
            event.id.eq(stage("id_added", stage("id", axon.id))),
            event.kind.eq(Mux(end_later, EventKind.END, EventKind.VALUE)),
            self.event.valid.eq(valid_later & (end_later | (hits[0] & hits[1]))),
        ]

    def _hit(self, position, limit, kernel, large, stride):  # type: ignore[no-untyped-def]
        """golden.peg.hits, from the stored kernel width minus one."""
        config = self.config
        k_bits, o_bits = config.kernel_bits, config.offset_bits
        negative = position[-1]
        before = ~position
        inside = position[o_bits - 2:].all() & Mux(
            large, position[:o_bits - 2].any(), position[k_bits:o_bits - 2].all() & (before[:k_bits] < kernel))
        begins = ~position[o_bits - 1:].any() & (position[config.extent_unit_log2:o_bits - 1] <= limit)
        mask = Cat(stride > i for i in range(3))
        survives = ((position[:3] & mask) == 0) | ((before[:3] & mask) < kernel)
        return Mux(negative, inside, begins & survives)
