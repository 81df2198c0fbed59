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
            "event": Out(stream.Signature(struct(layouts(config).event), always_ready=True)),
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
