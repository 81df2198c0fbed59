"""The neuron update: word operations into state += weight · value, one memory word per cycle."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.timing.microarchitecture import OPERATION_QUEUE, WEIGHT_REQUESTS, WEIGHT_WORDS
from rtl.memory import WritePort
from rtl.ports import ReadPort, op_layout


class NeuronUpdate(wiring.Component):
    """Updates up to `lanes` neuron states of one memory word per operation [B §4.3, algorithm 4].

    A masked lane gets state + product, wrapping, or with `max` the larger of state and product; the product
    (weight · v) << shift wraps to state_bits. The other lanes keep their state. Operations are done in order. Bamberg
    et al., arXiv 2112.07019, section 4.3; the pipeline is this project's.

    Operations queue up while the weight words that they name are read ahead, each once for all consecutive operations
    that share it. The first one reads its state as soon as its weights are there and no earlier write to the same word
    is on its way (it waits; nothing is forwarded); WRITE_DELAY cycles later the new state is written. A write whose
    bank the current read wants waits in a one-word buffer; when a second one comes, writing goes first.

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

    Latency: from an operation taken by an idle unit to its state's read 4 cycles, to its write-back 7, with memory at
    once; an operation that shares the weight word of the one before it needs no weights of its own. An operation on
    the same word as the one before it costs 3 cycles more.
    Throughput: one operation per cycle, as far as the banks allow.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "op": In(stream.Signature(op_layout(config))),
            "state": Out(ReadPort(config)), "weight": Out(ReadPort(config)), "write_back": Out(WritePort(config)),
            "busy": Out(1), "retired": Out(1), "synapses": Out(range(config.lanes + 1)),
            "stall_bank": Out(1), "stall_hazard": Out(1), "stall_weight": Out(1), "address_error": Out(1),
        })
        self._states = data.ArrayLayout(signed(config.state_bits), config.lanes)
        place = {
            "address": unsigned(config.address_bits), "mask": unsigned(config.lanes), "max": unsigned(1),
            "shift": unsigned(config.product_shift_bits),
        }
        self._queued = data.StructLayout({
            **place, "v": signed(config.value_bits), "broadcast": unsigned(1), "byte": unsigned(config.byte_bits),
            "new_word": unsigned(1),
        })
        self._head = data.StructLayout({
            **place, "v": signed(config.value_bits),
            "weights": data.ArrayLayout(signed(config.weight_bits), config.lanes),
        })
        self._product = data.StructLayout({
            **place, "products": data.ArrayLayout(signed(config.weight_bits + config.value_bits), config.lanes),
        })
        self._addend = data.StructLayout({
            "address": unsigned(config.address_bits), "max": unsigned(1), "states": self._states,
            "additions": self._states,
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        head, head_valid = Signal(self._head, name="head"), Signal(name="head_valid")
        hazard, issue, load = Signal(name="hazard"), Signal(name="issue"), Signal(name="load")
        front, front_ready, waiting, weights = self._read_ahead(m, load)

        # Operations whose state has been read: product; shifted product and state; sum; write held back.
        product, product_valid = Signal(self._product, name="product"), Signal(name="product_valid")
        addend, addend_valid = Signal(self._addend, name="addend"), Signal(name="addend_valid")
        sums = Signal(self._states)
        sums_valid = Signal()
        sums_address = Signal.like(head.address)
        held = Signal.like(sums)
        held_valid = Signal()
        held_address = Signal.like(head.address)

        # The read goes before the write, unless the buffer is full.
        bank_bits = self.config.banks.bit_length() - 1
        write, keep = self.write_back, Signal()
        m.d.comb += [
            self.state.valid.eq(head_valid & ~hazard), self.state.address.eq(head.address),
            issue.eq(self.state.valid & self.state.ready),
            write.address.eq(Mux(held_valid, held_address, sums_address)),
            write.write_data.eq(Mux(held_valid, held, sums)),
            keep.eq(self.state.valid & (write.address[:bank_bits] == head.address[:bank_bits])
                    & ~(held_valid & sums_valid)),
            write.valid.eq((held_valid | sums_valid) & ~keep),
        ]
        held_next = (held_valid & sums_valid) | ((held_valid | sums_valid) & keep)
        with m.If(sums_valid):
            m.d.sync += [held.eq(sums), held_address.eq(sums_address)]
        m.d.sync += held_valid.eq(held_next)

        m.d.comb += load.eq(front_ready & (~head_valid | issue))
        with m.If(load):
            m.d.sync += [head[name].eq(front[name]) for name in ("address", "mask", "max", "shift", "v")]
            m.d.sync += head.weights.eq(weights)
        m.d.sync += head_valid.eq(load | (head_valid & ~issue))

        # A new head is compared with everything under way once; from then on the results move with the pipeline.
        same = {}

        def matches(stage: str, address: Value) -> Value:
            same[stage] = Signal(name=f"same_{stage}")
            return Mux(load, front.address == address, same[stage])

        product_match = product_valid & matches("product", product.address)
        addend_match = addend_valid & matches("addend", addend.address)
        sums_match, held_match = matches("sums", sums_address), matches("held", held_address)
        m.d.sync += [
            same["product"].eq(load & issue & (front.address == head.address)),
            same["addend"].eq(product_match), same["sums"].eq(addend_match),
            same["held"].eq(held_next & Mux(sums_valid, sums_match, held_match)),
        ]
        m.d.comb += hazard.eq(Cat(same.values()).any())

        # Multiply while the state is read, shift while it comes, add, write.
        m.d.sync += [
            product_valid.eq(issue), addend_valid.eq(product_valid), sums_valid.eq(addend_valid),
            product.address.eq(head.address), addend.address.eq(product.address), sums_address.eq(addend.address),
            product.mask.eq(head.mask), product.max.eq(head.max), product.shift.eq(head.shift),
            addend.max.eq(product.max), addend.states.eq(self.state.data),
        ]
        lowest = Const(-(1 << self.config.state_bits - 1), signed(self.config.state_bits))
        for lane in range(self.config.lanes):
            state, addition = addend.states[lane], addend.additions[lane]
            m.d.sync += [
                product.products[lane].eq(head.weights[lane] * head.v),
                addition.eq(product.products[lane] << product.shift),
                sums[lane].eq(state + addition),
            ]
            # What leaves any state as it is: 0 for a sum, the lowest number for a maximum.
            with m.If(~product.mask[lane]):
                m.d.sync += addition.eq(Mux(product.max, lowest, 0))
            with m.If(addend.max):
                m.d.sync += sums[lane].eq(Mux(state < addition, addition, state))

        m.d.comb += [
            self.busy.eq(waiting | head_valid | product_valid | addend_valid | sums_valid | held_valid),
            self.retired.eq(product_valid),
        ]
        with m.If(product_valid):
            m.d.comb += self.synapses.eq(sum(product.mask[lane] for lane in range(self.config.lanes)))
        m.d.sync += [
            self.stall_bank.eq(self.state.valid & ~self.state.ready), self.stall_hazard.eq(head_valid & hazard),
            self.stall_weight.eq(waiting & ~front_ready & ~head_valid),
        ]
        return m

    def _read_ahead(self, m: Module, load: Signal) -> tuple[data.View, Value, Value, Value]:
        """Queue the operations and read their weight words.

        Returns:
            The first waiting operation; whether its weights are there; whether there is one at all; its lanes' weights.
        """
        config, op = self.config, self.op.payload
        m.submodules.operations = operations = SyncFIFO(width=self._queued.size, depth=OPERATION_QUEUE)
        m.submodules.requests = requests = SyncFIFO(width=config.address_bits, depth=WEIGHT_REQUESTS)
        m.submodules.words = words = SyncFIFO(width=config.word_bits, depth=WEIGHT_WORDS)

        previous = Signal(config.address_bits)
        entry, taken = Signal(self._queued, name="entry"), Signal(name="taken")
        m.d.comb += [
            self.op.ready.eq(operations.w_rdy & requests.w_rdy),
            taken.eq(self.op.valid & self.op.ready & ~op.state_address[-1]),
            entry.address.eq(op.state_address), entry.mask.eq(op.mask), entry.max.eq(op.max), entry.shift.eq(op.shift),
            entry.v.eq(op.v), entry.broadcast.eq(op.broadcast), entry.byte.eq(op.weight_address),
            entry.new_word.eq((requests.w_data != previous) | ~self.busy),
            operations.w_data.eq(entry), operations.w_en.eq(taken),
            requests.w_data.eq(op.weight_address[config.byte_bits:]), requests.w_en.eq(taken & entry.new_word),
        ]
        m.d.sync += self.address_error.eq(self.op.valid & self.op.ready & op.state_address[-1])
        with m.If(taken):
            m.d.sync += previous.eq(requests.w_data)

        # Asked only with room for the answer, which lasts one cycle.
        arriving, reserved = Signal(name="arriving"), Signal(range(WEIGHT_WORDS + 1), name="reserved")
        m.d.comb += [
            self.weight.valid.eq(requests.r_rdy & (reserved != WEIGHT_WORDS)), self.weight.address.eq(requests.r_data),
            requests.r_en.eq(self.weight.valid & self.weight.ready),
            words.w_data.eq(self.weight.data), words.w_en.eq(arriving),
        ]
        m.d.sync += [arriving.eq(requests.r_en), reserved.eq(reserved + requests.r_en - words.r_en)]

        front = Signal(self._queued)
        current, word = Signal(config.word_bits, name="current"), Signal(config.word_bits, name="word")
        m.d.comb += [
            front.eq(operations.r_data), word.eq(Mux(front.new_word, words.r_data, current)),
            operations.r_en.eq(load), words.r_en.eq(load & front.new_word),
        ]
        with m.If(words.r_en):
            m.d.sync += current.eq(words.r_data)
        group_bits = config.weight_bits * config.lanes
        group = word.word_select(front.byte[config.lane_bits:], group_bits)
        single = group.word_select(front.byte[:config.lane_bits], config.weight_bits)
        weights = Mux(front.broadcast, single.replicate(config.lanes), group)
        return front, operations.r_rdy & (words.r_rdy | ~front.new_word), operations.r_rdy, weights
