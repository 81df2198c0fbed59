"""One layer that learns, in hardware: a memory organisation, the update unit, and memories of what they keep."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory, ReadPort, WritePort
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.synapse.learning import lfsr
from golden.synapse.learning.update import RULE, SUM_BITS, LearningSizes, write_layout
from golden.synapse.organisations.interface import KINDS, Pass
from rtl import ports
from rtl.rooms import ORGANISATIONS
from rtl.synapse.learning.update import Update
from rtl.synapse.organisations.interface import Organisation
from rtl.synapse.tables.accumulate import Accumulate
from rtl.words import struct


class EntryPort(wiring.Signature):
    """The host's view of a memory of the learner's own, for one access per cycle while nothing is inside.

    An access is made when `valid & ready`; `data` is the entry that is read, in the cycle after.
    """

    def __init__(self, address_bits: int, entry_bits: int):
        super().__init__({
            "valid": Out(1), "ready": In(1), "address": Out(address_bits), "write": Out(1),
            "write_data": Out(entry_bits), "data": In(entry_bits),
        })


class Learner(wiring.Component):
    """See `golden.synapse.learning.learner`.

    Args:
        sizes: the widths; of a configuration, those for a memory as large as a core's.
        organisation: its name (`rtl.rooms.ORGANISATIONS`).

    Ports:
        layer, rule: of the organisation, and `golden.synapse.learning.update.RULE`; neither may change while busy.
        request: stream of {pass, neuron, value}. An APPLY waits until nothing is inside, and others for its end.
        index, weight: read ports of the organisation.
        write: stream of weights for memory: of the word at `address` the bits of `mask`. Those that are read after a
            write is taken are the new ones.
        traces, sums, gradients: the host's ports to these memories; the last only with `gradient_bits`. They wait while
            the unit is busy. Contents after reset are not promised.
        load, seed, state: of the random numbers (`rtl.synapse.learning.lfsr`), for the host while nothing is inside.
        busy: a request is inside, or a weight or sum on its way.
        done, error: pulses of the organisation. beyond: pulse, a synapse has no sum or gradient, and changes nothing.
        index_read, bitmap_read, weight_read, weight_write: pulses, one for each access.

    Latency: that of the organisation and UPDATE_LATENCY cycles, to the first write. Throughput: one synapse per cycle,
    also in UPDATE unless a weight comes again before it has been written.
    """

    def __init__(self, sizes: LearningSizes | CoreConfig, organisation: str = "crossbar"):
        self.sizes = sizes = sizes if isinstance(sizes, LearningSizes) else LearningSizes.of(sizes)
        self.organisation = ORGANISATIONS.load(organisation, Organisation)(sizes.memory)
        asked = self.organisation.request_layout(sizes.memory)
        super().__init__({
            "layer": In(asked["layer"].shape), "rule": In(struct(RULE)),
            "request": In(stream.Signature(data.StructLayout(
                {name: asked[name].shape for name in ("pass", "neuron", "value")}))),
            "index": Out(ports.ReadPort(sizes.memory)), "weight": Out(ports.ReadPort(sizes.memory)),
            "write": Out(stream.Signature(struct(write_layout(sizes.memory)))),
            "traces": In(EntryPort(sizes.entry_bits, sizes.trace_bits)),
            "sums": In(EntryPort(sizes.entry_bits, SUM_BITS)),
            **({"gradients": In(EntryPort(sizes.gradient_bits, SUM_BITS))} if sizes.gradient_bits else {}),
            "load": In(1), "seed": In(lfsr.BITS), "state": Out(lfsr.BITS),
            "busy": Out(1), "done": Out(1), "error": Out(1), "beyond": Out(1), **{kind: Out(1) for kind in KINDS},
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, sizes = Module(), self.sizes
        m.submodules.organisation = organisation = self.organisation
        m.submodules.update = update = Update(sizes)
        m.submodules.accumulate = accumulate = Accumulate(sizes.sums)
        for name in ("index", "weight"):
            wiring.connect(m, getattr(organisation, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, update.write, wiring.flipped(self.write))
        self._request(m, update)
        given, found = organisation.synapse, update.synapse
        m.d.comb += [
            found.valid.eq(given.valid), found.payload.eq(given.payload), given.ready.eq(found.ready),
            organisation.retired.eq(update.retired),
            update.rule.eq(self.rule), update.weight_bits.eq(self.layer.weight_bits),
            update.weight_base.eq(self.layer.weight_base), update.load.eq(self.load), update.seed.eq(self.seed),
            self.state.eq(update.state), self.beyond.eq(update.beyond),
            accumulate.increment.valid.eq(update.increment.valid),
            accumulate.increment.payload.eq(update.increment.payload), accumulate.drain.eq(1),
            self.busy.eq(organisation.busy | update.busy | accumulate.busy),
            *(getattr(self, name).eq(getattr(organisation, name)) for name in ("done", "error", *KINDS[:3])),
            self.weight_write.eq(self.write.valid & self.write.ready),
        ]
        self._traces(m, update)
        self._sums(m, accumulate)
        if sizes.gradient_bits:
            self._gradients(m, update)
        return m

    def _request(self, m: Module, update: Update) -> None:
        """Requests go to the organisation, with the layer; never an APPLY with another pass."""
        given, asked = self.request, self.organisation.request
        applies, applying, together = Signal(name="applies"), Signal(name="applying"), Signal(name="together")
        m.d.comb += [
            applies.eq(given.payload["pass"] == Pass.APPLY), together.eq(~self.busy | ~(applies | applying)),
            asked.valid.eq(given.valid & together), given.ready.eq(asked.ready & together),
            asked.payload.layer.eq(self.layer), update.apply.eq(applying),
            *(asked.payload[name].eq(given.payload[name]) for name in ("pass", "neuron", "value")),
        ]
        with m.If(given.valid & given.ready):
            m.d.sync += applying.eq(applies)

    def _memory(self, m: Module, name: str, entry_bits: int, host: wiring.PureInterface, *, lanes: int = 1
                ) -> tuple[ReadPort, WritePort]:
        """A memory of entries, of `lanes` in a word, that the host reads and writes while nothing is inside."""
        m.submodules[name] = memory = Memory(
            shape=lanes * entry_bits, depth=(1 << len(host.address)) // lanes, init=[])
        read, write = memory.read_port(), memory.write_port(granularity=entry_bits if lanes > 1 else None)
        select = lanes.bit_length() - 1
        lane = Signal(range(lanes), name=f"{name}_lane")
        access = Signal(name=f"{name}_access")
        m.d.comb += [host.ready.eq(~self.busy), access.eq(host.valid & host.ready),
                     host.data.eq(read.data.word_select(lane, entry_bits))]
        with m.If(access):
            m.d.sync += lane.eq(host.address[:select])
        with m.If(~self.busy):
            m.d.comb += [
                read.addr.eq(host.address[select:]), read.en.eq(access & ~host.write),
                write.addr.eq(host.address[select:]), write.data.eq(host.write_data.replicate(lanes)),
                write.en.eq((access & host.write) << host.address[:select]),
            ]
        return read, write

    def _traces(self, m: Module, update: Update) -> None:
        read, _ = self._memory(m, "trace_memory", self.sizes.trace_bits, self.traces)
        m.d.comb += update.trace.data.eq(read.data)
        with m.If(self.busy):
            m.d.comb += [read.addr.eq(update.trace.address), read.en.eq(update.trace.enable)]

    def _sums(self, m: Module, accumulate: Accumulate) -> None:
        read, write = self._memory(m, "sum_memory", SUM_BITS, self.sums, lanes=accumulate.sizes.lanes)
        m.d.comb += [accumulate.state.ready.eq(1), accumulate.state.data.eq(read.data)]
        with m.If(self.busy):
            m.d.comb += [
                read.addr.eq(accumulate.state.address), read.en.eq(accumulate.state.valid),
                write.addr.eq(accumulate.write.address), write.data.eq(accumulate.write.data),
                write.en.eq(accumulate.write.valid.replicate(len(write.en))),
            ]

    def _gradients(self, m: Module, update: Update) -> None:
        read, write = self._memory(m, "gradient_memory", SUM_BITS, self.gradients)
        m.d.comb += update.gradient.data.eq(read.data)
        with m.If(self.busy):
            m.d.comb += [
                read.addr.eq(update.gradient.address), read.en.eq(update.gradient.enable),
                write.addr.eq(update.gradient_write.address), write.data.eq(update.gradient_write.data),
                write.en.eq(update.gradient_write.enable),
            ]
