"""What the compute-in-memory update has to do, one request after another: operations, scans, potentials to store."""

from functools import reduce
from operator import or_

from amaranth import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.cim.layer import operand_index_bits
from golden.config import CoreConfig
from rtl.cim.layer import layer_layout
from rtl.cim.ports import column_range, scan_layout
from rtl.cim.scan import Scan
from rtl.ports import op_layout
from rtl.skid import SkidBuffer

ANSWERS = 2
"""Answers of scans that have a place (`rtl.skid.SkidBuffer`): a scan is only begun if its answer has."""
PATIENCE = 16
"""Cycles without a request of the present layer after which another layer has its turn."""


def work_layout(config: CoreConfig) -> data.StructLayout:
    """A request, with all that the layer says of its operands.

    With `scan` potentials are compared and reset, `zero` saying how; with `flush` they are stored and forgotten; else
    weights are added. `state`: population and number of the potential operand; `last`, `block`: its block, of which
    `block` is only said of scans. `weight`: number of the weight operand. Each has an entry in the tags and a first
    row. `low`, `high`: active columns; `groups`: how many groups these are.
    """
    entry, row, column = range(config.cim_tags), range(config.cim_rows), range(config.cim_columns)
    return data.StructLayout({
        "scan": unsigned(1), "flush": unsigned(1), "zero": unsigned(1), "last": unsigned(1), "block": unsigned(8),
        "state": unsigned(config.address_bits), "weight": unsigned(config.weight_address_bits),
        "potential_entry": entry, "weight_entry": entry, "potential_row": row, "weight_row": row,
        "low": column, "high": column_range(config), "groups": column_range(config),
    })


class Requests(wiring.Component):
    """Chooses what is done next, and looks up in the layer's words what it is done with.

    Operations come first, and a scan where there is none; but what is of the present layer goes before what is of
    another while a population is scanned, for PATIENCE cycles: a change of layers costs more than that. An operation
    never waits for whoever takes the answers of a scan, so that a scan's spikes may lead to operations here.

    An operation of a value other than 1, with a shift or a maximum, or whose state address has left the memory, is
    dropped; and later one into a depthwise layer whose lane has no group. Its block is the last one if its mask does
    not have the last lane, or if there is only one block.

    Ports:
        op: stream of word operations. scan: stream of populations to scan.
        flush: stream of potentials to store (population and number); `flushing`: nothing else is done.
        answered: the answer of a scan has been taken. ANSWERS are under way or wait at most.
        layer, there, of: the layer that is in the register, and its population.
        wants: a request waits for the layer of `population`.
        work: stream of requests (`work_layout`).
        empty: nothing has been taken that is not out. scanning: a population is being scanned.
        address_error: operations that were dropped in the cycle before.

    Latency: two cycles from an operation taken to its request. Throughput: one per cycle.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "op": In(stream.Signature(op_layout(config))), "scan": In(stream.Signature(scan_layout(config))),
            "flush": In(stream.Signature(config.address_bits)), "flushing": In(1), "answered": In(1),
            "layer": In(layer_layout(config)), "there": In(1), "of": In(config.population_bits),
            "wants": Out(1), "population": Out(config.population_bits),
            "work": Out(stream.Signature(work_layout(config))),
            "empty": Out(1), "scanning": Out(1), "address_error": Out(2),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, m, work, layer = self.config, Module(), self.work, self.layer
        m.submodules.ops = ops = SkidBuffer(op_layout(config))
        m.submodules.scanner = scanner = Scan(config)
        connect(m, flipped(self.op), ops.given)
        connect(m, flipped(self.scan), scanner.command)
        op, operand, index_bits = ops.first.payload, scanner.operand.payload, operand_index_bits(config)

        held, valid = Signal(op_layout(config), name="held", reset_less=True), Signal(name="valid")
        kind = Signal(data.StructLayout({"scan": 1, "flush": 1, "zero": 1, "block": 8}), name="kind")
        take, take_op, take_scan, take_flush = (
            Signal(name=name) for name in ("take", "take_op", "take_scan", "take_flush"))
        good, waited = Signal(name="good"), Signal(range(PATIENCE + 1), name="waited")
        scan_ready, may_take, drops = Signal(name="scan_ready"), Signal(name="may_take"), Signal(name="drops")
        asked, self._beyond = Signal(range(ANSWERS + 1), name="asked"), Signal(name="beyond")
        population = held.state_address[index_bits:config.address_bits]

        def patient(address: Value) -> Value:
            """Whether a request of this address need not wait for the layer that is there."""
            return (address[index_bits:config.address_bits] == self.of) | (waited == PATIENCE) | ~self.there

        m.d.comb += [
            good.eq((op.v == 1) & ~op.max & (op.shift == 0) & ~op.state_address[-1]),
            may_take.eq(~valid | (work.valid & work.ready) | drops),
            scan_ready.eq(scanner.operand.valid & (asked != ANSWERS) & ~self.flushing),
            take_op.eq(may_take & ~self.flushing & ops.first.valid
                       & (~self.scanning | ~good | patient(op.state_address))),
            take_scan.eq(may_take & scan_ready & ~take_op & patient(operand.state)),
            take_flush.eq(may_take & self.flush.valid),
            ops.first.ready.eq(take_op), scanner.operand.ready.eq(take_scan), self.flush.ready.eq(may_take),
            take.eq((take_op & good) | take_scan | take_flush),
            self.wants.eq(valid & ~(self.there & (self.of == population))), self.population.eq(population),
            self.empty.eq(ops.empty & ~valid), self.scanning.eq(~scanner.command.ready),
            drops.eq(valid & ~self.wants & self._beyond), work.valid.eq(valid & ~self.wants & ~self._beyond),
            scanner.stepped.eq(work.valid & work.ready & kind.scan), scanner.last.eq(work.payload.last),
        ]
        m.d.sync += asked.eq(asked + take_scan - self.answered)
        m.d.sync += self.address_error.eq((take_op & ~good) + drops)
        with m.If(take):
            m.d.sync += waited.eq(0)
        with m.Elif(waited != PATIENCE):
            m.d.sync += waited.eq(waited + 1)
        with m.If(may_take):
            m.d.sync += [valid.eq(take), held.eq(op), kind.eq(0)]
            with m.If(take_scan):
                m.d.sync += [held.state_address.eq(operand.state), kind.scan.eq(1), kind.zero.eq(operand.zero),
                             kind.block.eq(operand.block)]
            with m.If(take_flush):
                m.d.sync += [held.state_address.eq(self.flush.payload), kind.flush.eq(1)]
        self._look_up(m, held, kind, layer)
        return m

    def _look_up(self, m: Module, held: data.View, kind: data.View, layer: data.View) -> None:
        """The request as the layer has it."""
        config, work, index_bits = self.config, self.work.payload, operand_index_bits(self.config)
        is_op = ~(kind.scan | kind.flush)
        index = held.state_address[:index_bits]
        # A depthwise layer's operations count words of lanes, of which an operand has a power of two.
        splits = is_op & layer.depthwise
        lane_word = index & ~(Const(-1, index_bits) << layer.lane_words_log2)[:index_bits]
        number, weight = Signal(index_bits, name="number"), Signal.like(held.weight_address, name="weight")
        potential_slot, weight_slot = _slot(number, layer.potential_slot_bits), _slot(weight, layer.weight_slot_bits)
        lane = reduce(or_, (Mux(held.mask[lane], lane, 0) for lane in range(config.lanes)))
        group = Signal(range(max(config.cim_columns, config.lanes << 7)), name="group")
        column, last = Signal(range(config.cim_columns), name="column"), Signal(name="last")
        m.d.comb += [
            number.eq(Mux(splits, index >> layer.lane_words_log2, index)),
            weight.eq(Mux(layer.depthwise, held.weight_address, held.weight_address >> config.lane_bits)),
            work.scan.eq(kind.scan), work.flush.eq(kind.flush), work.zero.eq(kind.zero), work.block.eq(kind.block),
            last.eq(Mux(kind.scan, kind.block == layer.blocks, (layer.blocks == 0) | ~held.mask[-1])),
            work.last.eq(last),
            work.state.eq(Cat(number, held.state_address[index_bits:config.address_bits])), work.weight.eq(weight),
            work.potential_entry.eq(layer.potential_tag + potential_slot),
            work.weight_entry.eq(layer.weight_tag + weight_slot),
            work.potential_row.eq(layer.potential_row + _rows(config, potential_slot, layer.potential_rows)),
            work.weight_row.eq(layer.weight_row + _rows(config, weight_slot, layer.weight_rows)),
            group.eq((lane_word << config.lane_bits) | lane), self._beyond.eq(splits & (group > layer.groups)),
            column.eq(group * (layer.columns + 1)), work.low.eq(layer.base + Mux(splits, column, 0)),
            work.high.eq(layer.base + Mux(splits, column + (layer.columns + 1),
                                          Mux(last, layer.last_width, layer.width))),
            work.groups.eq(Mux(splits, 0, Mux(last, layer.last_groups, layer.groups)) + 1),
        ]


def _slot(number: Value, bits: Value) -> Value:
    """The slot of an operand in a region of 2**bits."""
    return number & ~(Const(-1, unsigned(len(number))) << bits)[:len(number)]


def _rows(config: CoreConfig, slot: Value, rows: Value) -> Value:
    """Rows in front of a slot, `rows` minus one each: all are in the array, so few bits do."""
    bits = (config.cim_rows - 1).bit_length()
    return slot[:bits] * (rows + 1)
