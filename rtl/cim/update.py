"""The compute-in-memory update: operands brought into the array, and word operations done there."""

from dataclasses import dataclass

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.cim.layer import operand_index_bits
from golden.cim.macro import Kind
from golden.config import CoreConfig
from rtl.cim.layer import LayerRegister
from rtl.cim.macro import CimMacro
from rtl.cim.ports import answer_layout, column_range, scan_layout
from rtl.cim.requests import Requests, work_layout
from rtl.cim.store import OperandStore
from rtl.cim.tags import Tags, potential_tag, weight_tag
from rtl.cim.transfers import Thresholds, Transfers
from rtl.neuron.interface import UpdateUnit
from rtl.skid import SkidBuffer


@dataclass
class _Parts:
    """The blocks of the unit, and the request that is at work."""

    requests: Requests
    layer: LayerRegister
    potentials: Tags
    weights: Tags
    thresholds: Thresholds
    transfers: Transfers
    store: OperandStore
    macro: CimMacro
    answers: SkidBuffer
    now: data.View
    """The request; `there`: there is one."""
    there: Signal
    leaves: Signal
    """It is done, and the next one takes its place."""
    dirty: Signal
    """Its potential is written."""
    adds: Signal
    """The macro takes an addition."""
    running: Signal
    """In the state of operations that need nothing but the macro."""
    flushing: Signal
    entry: Signal
    """In a flush, and out of reset: the entry of both tags that is looked at."""


class CimUpdate(UpdateUnit):
    """Adds weights to potentials in a compute-in-memory array, and finds the spikes of whole populations there.

    The memory of the core is the buffer behind the array. An operation names a potential operand and a weight operand:
    those of all groups of a block, at one position. Tags say which operands are in the array. While they are,
    operations go to the macro back to back. Else the macro ends what it does, a potential that has changed and whose
    slot is needed is stored, and the operand is loaded. The layer, its region of the array and the shapes of its
    operands, is in a register: an operation of another one waits until its words are read and the macro is empty.

    At the end of a timestep a population is scanned: each operand is compared with the threshold, reset where there are
    spikes, and the spikes are answered. Chauvaux et al., arXiv 2410.23082; tags, slots and scans are this project's.

    Ports: see `rtl.neuron.interface.UpdateUnit`. `state` reads potentials, `weight` all else. Besides:
        scan: stream of populations to scan (`rtl.cim.ports.scan_layout`). answer: stream of the spikes of their
            operands (`answer_layout`), in order. Operations go on while an answer is not taken.
        flush: store all potentials that memory does not have, and forget all operands; held until `flushed`. It begins
            when nothing that was taken is left and no population is scanned, and no operation is taken meanwhile. The
            unit is busy until then.
        address_error: how many operations were dropped in the cycle before.
        cim_cycles, column_ops, idle_column_ops, operand_loads, operand_stores: for the counters of the same names.
        stall_hazard: an operation waits for the macro. stall_weight: for operands or a layer. stall_bank: is 0.

    Out of reset all tags are made invalid first, a cycle each; `busy` is 1 meanwhile, not in reset and the cycle after.

    Latency: three cycles from an operation taken to the macro's. Throughput: an operation on operands that are there in
    as many cycles as its potential has rows; in twice as many if it saturates. A scan of operands that are there: as
    many cycles for each, and 5; and those of a reset, less one.
    """

    latency = 3

    def __init__(self, config: CoreConfig):
        column = column_range(config)
        super().__init__(config, {
            "synapses": Out(column),
            "address_error": Out(2), "scan": In(stream.Signature(scan_layout(config))),
            "answer": Out(stream.Signature(answer_layout(config))),
            "flush": In(1), "flushed": Out(1),
            "cim_cycles": Out(1), "column_ops": Out(column), "idle_column_ops": Out(column),
            "operand_loads": Out(1), "operand_stores": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m = self.config, Module()
        m.submodules.requests = requests = Requests(config)
        m.submodules.layer = layer = LayerRegister(config)
        m.submodules.potentials = potentials = Tags(config, potential_tag(config))
        m.submodules.weights = weights = Tags(config, weight_tag(config))
        m.submodules.thresholds = thresholds = Thresholds(config)
        m.submodules.transfers = transfers = Transfers(config)
        m.submodules.store = store = OperandStore(config)
        m.submodules.macro = macro = CimMacro(config.cim_rows, config.cim_columns)
        m.submodules.answers = answers = SkidBuffer(answer_layout(config))
        p = _Parts(requests, layer, potentials, weights, thresholds, transfers, store, macro, answers,
                   Signal(work_layout(config), name="now", reset_less=True), Signal(name="there"),
                   *(Signal(name=name) for name in ("leaves", "dirty", "adds", "running", "flushing")),
                   Signal(range(config.cim_tags), name="entry"))
        connect(m, flipped(self.op), requests.op)
        connect(m, flipped(self.scan), requests.scan)
        connect(m, answers.first, flipped(self.answer))
        connect(m, transfers.request, store.request)
        connect(m, store.row, macro.row)
        connect(m, store.state, flipped(self.state))
        connect(m, store.write_back, flipped(self.write_back))
        # The store moves nothing while a layer's words are read.
        for port in (layer.memory, store.weight):
            m.d.comb += [port.ready.eq(self.weight.ready), port.data.eq(self.weight.data)]
        m.d.comb += [
            self.weight.valid.eq(layer.memory.valid | store.weight.valid),
            self.weight.address.eq(Mux(layer.memory.valid, layer.memory.address, store.weight.address)),
            requests.layer.eq(layer.layer), requests.there.eq(layer.there), requests.of.eq(layer.of),
            layer.population.eq(requests.population), transfers.layer.eq(layer.layer),
            macro.shape.payload.columns.eq(layer.layer.columns), macro.shape.payload.base.eq(layer.layer.base),
        ]
        self._work(m, p)
        self._tags(m, p)
        self._control(m, p)
        self._count(m, p)
        return m

    def _work(self, m: Module, p: _Parts) -> None:
        """The request that is at work, and what the macro gets to do of it."""
        op, now, layer = p.macro.op.payload, p.now, p.layer.layer
        work = p.requests.work
        m.d.comb += [
            work.ready.eq(~p.there | p.leaves),
            op.a.eq(now.potential_row), op.b.eq(Mux(now.scan, layer.threshold_row, now.weight_row)),
            op.a_rows.eq(layer.potential_rows), op.b_rows.eq(Mux(now.scan, layer.potential_rows, layer.weight_rows)),
            op.low.eq(now.low), op.high.eq(now.high),
        ]
        with m.If(p.leaves):
            m.d.sync += p.there.eq(0)
        with m.If(work.valid & work.ready):
            m.d.sync += [now.eq(work.payload), p.there.eq(1)]

    def _tags(self, m: Module, p: _Parts) -> None:
        """Tags are looked up as a request comes, and what it leaves in its slots is written as `_control` says."""
        work, now = p.requests.work, p.now
        for tags, name in ((p.potentials, "potential_entry"), (p.weights, "weight_entry")):
            m.d.comb += [
                tags.read.eq(work.valid & work.ready), tags.entry.eq(work.payload[name]),
                tags.write_entry.eq(now[name]), tags.tag.valid.eq(1),
            ]
        m.d.comb += [
            p.potentials.write.eq(p.dirty), p.potentials.tag.dirty.eq(p.dirty), p.potentials.tag.last.eq(now.last),
            p.potentials.tag.state.eq(now.state), p.weights.tag.weight.eq(now.weight),
        ]

    def _control(self, m: Module, p: _Parts) -> None:
        """What is done next."""
        now, macro, requests, layer = p.now, p.macro, p.requests, p.layer
        potential, weight, ready = p.potentials.found, p.weights.found, macro.op.ready
        has_potential, has_all, starts, asleep = (
            Signal(name=name) for name in ("has_potential", "has_all", "starts_flush", "asleep"))
        m.d.comb += [
            has_potential.eq(potential.valid & (potential.state == now.state)),
            has_all.eq(has_potential & ~now.flush & Mux(
                now.scan, p.thresholds.there, weight.valid & (weight.weight == now.weight))),
            p.thresholds.population.eq(now.state[operand_index_bits(self.config):]), p.thresholds.block.eq(now.block),
            requests.flushing.eq(p.flushing), requests.answered.eq(self.answer.valid & self.answer.ready),
            starts.eq(self.flush & ~p.there & requests.empty & ~requests.scanning),
            self.busy.eq(~(p.running | asleep) | p.there | ~requests.empty | macro.busy | self.flush),
        ]
        with m.FSM():
            with m.State("asleep"):
                m.d.comb += asleep.eq(1)
                m.next = "forget"
            with m.State("run"):
                m.d.comb += [p.running.eq(1), macro.op.valid.eq(p.there & has_all),
                             p.adds.eq(macro.op.valid & ready & ~now.scan)]
                with m.If(p.there & has_all):
                    m.d.comb += macro.op.payload.kind.eq(Mux(now.scan, Kind.COMPARE, Kind.ADD))
                    m.d.comb += macro.op.payload.saturate.eq(layer.layer.saturate & ~now.scan)
                    m.d.comb += [p.leaves.eq(p.adds), p.dirty.eq(p.adds)]
                    with m.If(now.scan & ready):
                        m.next = "compare"
                with m.Elif(p.there):
                    m.next = "drain"
                with m.Elif(requests.wants):
                    m.d.comb += p.layer.fetch.eq(1)
                    m.next = "layer"
                with m.Elif(starts):
                    m.d.sync += p.flushing.eq(1)
                    m.next = "flush"
            self._layers(m, p)
            self._moves(m, p, has_potential)
            self._spikes(m, p)
            self._forget(m, p)

    def _layers(self, m: Module, p: _Parts) -> None:
        """States that wait for a layer's words; the macro ends its last operation of the one before meanwhile."""
        with m.State("layer"):
            with m.If(p.layer.there):
                m.next = "shape"
        with m.State("shape"):
            m.d.comb += p.macro.shape.valid.eq(1)
            with m.If(p.macro.shape.ready):
                m.next = "run"

    def _moves(self, m: Module, p: _Parts, has_potential: Value) -> None:
        """States that bring an operand that the request needs, and before that store who has its slot."""
        now, move, found, transfer = p.now, p.transfers.move, p.potentials.found, p.transfers.move.payload
        stored, moved = Signal(name="stored"), Signal(transfer.shape(), name="moved")
        store_first, index_bits = Signal(name="store_first"), operand_index_bits(self.config)
        m.d.comb += [
            store_first.eq(now.flush | (~has_potential & found.valid & found.dirty & ~stored)),
            transfer.load.eq(~store_first), transfer.state.eq(store_first | ~has_potential),
            transfer.threshold.eq(now.scan & ~transfer.state),
            transfer.last.eq(Mux(store_first, found.last, now.last & ~transfer.threshold)),
            transfer.row.eq(Mux(transfer.state, now.potential_row,
                                Mux(now.scan, p.layer.layer.threshold_row, now.weight_row))),
            transfer.number.eq(Mux(transfer.state, Mux(store_first, found.state, now.state)[:index_bits],
                                   Mux(now.scan, now.block, now.weight))),
        ]
        with m.State("drain"):
            m.d.comb += move.valid.eq(~p.macro.busy)
            with m.If(move.valid & move.ready):
                m.d.sync += moved.eq(transfer)
                m.next = "move"
        with m.State("move"):
            with m.If(p.store.done):
                m.d.comb += [
                    self.operand_loads.eq(moved.load), self.operand_stores.eq(~moved.load),
                    p.potentials.write.eq(moved.load & moved.state),
                    p.weights.write.eq(moved.load & ~moved.state & ~now.scan),
                    p.thresholds.write.eq(moved.load & ~moved.state & now.scan),
                ]
                m.d.sync += stored.eq(~moved.load)
                m.next = "drain"
                with m.If(moved.load):
                    m.next = "look"
                with m.If(now.flush):
                    m.d.comb += p.leaves.eq(1)
                    m.d.sync += stored.eq(0)
                    m.next = "forget"
        with m.State("look"):
            m.d.comb += [
                p.potentials.read.eq(1), p.potentials.entry.eq(now.potential_entry),
                p.weights.read.eq(1), p.weights.entry.eq(now.weight_entry),
            ]
            m.next = "run"

    def _spikes(self, m: Module, p: _Parts) -> None:
        """States from a comparison to its answer."""
        now, macro, answer, layer = p.now, p.macro, p.answers.given, p.layer.layer
        spikes = Signal(name="spikes")
        m.d.sync += spikes.eq(macro.spikes.any())
        m.d.comb += [
            answer.payload.spikes.eq(macro.spikes), answer.payload.base.eq(layer.base),
            answer.payload.columns.eq(layer.columns), answer.payload.groups.eq(layer.groups),
            answer.payload.last.eq(now.last),
        ]
        with m.State("compare"):
            with m.If(macro.compared):
                m.next = "reset"
        with m.State("reset"):
            m.d.comb += [
                macro.op.valid.eq(spikes), macro.op.payload.saturate.eq(layer.saturate & ~now.zero),
                macro.op.payload.kind.eq(Mux(now.zero, Kind.ZERO, Kind.SUBTRACT)),
                p.dirty.eq(spikes & macro.op.ready), p.leaves.eq(~spikes | macro.op.ready), answer.valid.eq(p.leaves),
            ]
            with m.If(p.leaves):
                m.next = "run"

    def _forget(self, m: Module, p: _Parts) -> None:
        """States of a flush, entry by entry: what is dirty becomes a request, which ends in "forget"."""
        with m.State("flush"):
            m.d.comb += [p.potentials.read.eq(1), p.potentials.entry.eq(p.entry)]
            m.next = "look for dirty"
        with m.State("look for dirty"):
            found = p.potentials.found
            m.d.comb += [p.requests.flush.valid.eq(found.valid & found.dirty), p.requests.flush.payload.eq(found.state)]
            m.next = "forget"
            with m.If(p.requests.flush.valid):
                m.next = "run"
        with m.State("forget"):
            for tags in (p.potentials, p.weights):
                m.d.comb += [tags.write.eq(1), tags.write_entry.eq(p.entry), tags.tag.valid.eq(0)]
            m.d.sync += p.entry.eq(p.entry + 1)
            m.next = "forget"
            with m.If(p.flushing):
                m.next = "flush"
            with m.If(p.entry == self.config.cim_tags - 1):
                m.next = "forgotten"
        with m.State("forgotten"):
            m.d.comb += [self.flushed.eq(p.flushing), p.thresholds.forget.eq(1), p.layer.forget.eq(1)]
            m.d.sync += p.flushing.eq(0)
            with m.If(~p.flushing):
                m.next = "run"

    def _count(self, m: Module, p: _Parts) -> None:
        """What the counters get."""
        working, active = p.macro.working, p.macro.active
        waits = p.there & ~p.now.scan & ~p.now.flush & ~p.adds
        m.d.comb += [
            self.address_error.eq(p.requests.address_error), self.cim_cycles.eq(working),
            self.column_ops.eq(Mux(working, active, 0)),
            self.idle_column_ops.eq(Mux(working, self.config.cim_columns - active, 0)),
        ]
        m.d.sync += [
            self.retired.eq(p.adds), self.synapses.eq(Mux(p.adds, p.now.groups, 0)),
            self.stall_hazard.eq(waits & p.macro.op.valid), self.stall_weight.eq(waits & ~p.macro.op.valid),
        ]
