"""The neuron update: word operations into state += weight · value, one memory word per cycle."""

from amaranth import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, memory
from amaranth.lib.fifo import SyncFIFO, SyncFIFOBuffered

from golden.config import CoreConfig
from golden.timing.microarchitecture import (
    OPERATION_QUEUE,
    STATE_LATENCY,
    WEIGHT_REQUESTS,
    WEIGHT_WORDS,
    WRITE_DELAY,
)
from rtl.neuron.interface import UpdateUnit
from rtl.neuron.products import product_unit
from rtl.ports import op_layout


class NeuronUpdate(UpdateUnit):
    """Updates up to `lanes` neuron states of one memory word per operation [B §4.3, algorithm 4].

    A masked lane gets state + product, wrapping, or with `max` the larger of state and product (`rtl.neuron.products`).
    The other lanes keep their state. Operations are done in order. Bamberg
    et al., arXiv 2112.07019, section 4.3; the pipeline is this project's.

    Operations queue up while the weight words that they name are read ahead, each once for all consecutive operations
    that share it. The first one reads its state as soon as its weights are there and no earlier write to the same word
    is to come (it waits; nothing is forwarded but with `forward_states`); WRITE_DELAY cycles later the new state's
    write is asked for, and a cycle later the state is there. A write whose bank the current read wants waits in a
    one-word buffer. When a second one comes, one of the two is done, whose bank that read does not want, and rather the
    one that the next read would want; if the read wants the bank of both, writing goes first.

    So the stages of an operation under way are twofold: `product`, `addend`, `sums`, `held` have its address, for the
    memory; its numbers follow a cycle behind, and no reset touches them, as a write that is granted is done.

    With `forward_states` an operation that can go in the cycle after one on the same word needs no read: it adds to the
    sum of that one, whose write it replaces by its own. So any number of them takes a cycle each, one read and one
    write. An operation that comes later waits for the write, as without.

    Ports: see `rtl.neuron.interface.UpdateUnit`.

    Latency: from an operation taken by an idle unit to its state's read 7 cycles, to its write-back 10, with memory at
    once; an operation that shares the weight word of the one before it needs no weights of its own. An operation on
    the same word as the one before it costs 3 cycles more, or none with `forward_states`.
    Throughput: one operation per cycle, as far as the banks allow.
    """

    latency = STATE_LATENCY + WRITE_DELAY

    def __init__(self, config: CoreConfig):
        super().__init__(config)
        self._bank_bits = config.banks.bit_length() - 1
        self._states = data.ArrayLayout(signed(config.state_bits), config.lanes)
        self._place = {
            "address": unsigned(config.address_bits), "mask": unsigned(config.lanes), "max": unsigned(1),
        }
        shift = {"shift": unsigned(config.product_shift_bits), "v": signed(config.value_bits)}
        # An operation may bring its weights, and then needs no others.
        self._own = ("immediate", "weights") if config.organisations else ()
        own = {name: op_layout(config)[name].shape for name in self._own}
        self._queued = data.StructLayout({
            **self._place, **shift, **own, "broadcast": unsigned(1), "byte": unsigned(config.byte_bits),
            "new_word": unsigned(1),
        })
        self._head = data.StructLayout({
            **self._place, **shift, **own, "broadcast": unsigned(1), "byte": unsigned(config.byte_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        head, head_valid = Signal(self._head, name="head"), Signal(name="head_valid")
        issue, load = Signal(name="issue"), Signal(name="load")
        self._direct = Signal(name="direct")
        forward = Signal(name="forward") if self.config.forward_states else None
        front, front_ready, waiting, queued, word = self._read_ahead(m, load)
        m.d.comb += load.eq(front_ready & (~head_valid | issue))
        with m.If(load):
            m.d.sync += [head[name].eq(front[name]) for name in head.shape().members]
        m.d.sync += head_valid.eq(load | (head_valid & ~issue))

        product, addend, sums = self._stages(m, head, issue, forward)
        held, held_next = self._write(m, sums)
        self._calculate(m, head, word, addend, sums, held)
        may = self._hazard(m, head, head_valid, front, load, issue, [product, addend, sums, held], held_next, forward)
        self._banks(m, head, front, load, addend, sums, held, held_next)
        m.d.comb += [
            self.state.valid.eq(may if forward is None else may & ~forward), self.state.address.eq(head.address),
            issue.eq(self.state.valid & self.state.ready if forward is None else may & (self.state.ready | forward)),
            self.busy.eq(queued | head_valid | product.valid | addend.valid | self._writes),
            self.retired.eq(product.valid),
        ]
        with m.If(product.valid):
            m.d.comb += self.synapses.eq(sum(product.mask[lane] for lane in range(self.config.lanes)))
        m.d.sync += [
            self.stall_bank.eq(self.state.valid & ~self.state.ready), self.stall_hazard.eq(head_valid & ~may),
            self.stall_weight.eq(waiting & ~front_ready & ~head_valid),
        ]
        return m

    def _stages(self, m: Module, head: data.View, issue: Value, forward: Value | None
                ) -> tuple[data.View, data.View, data.View]:
        """Where the operations under way are, from the read of a state to its write.

        An operation that `follows` the one before has no state read, and writes for both.
        """
        follows = {} if forward is None else {"follows": unsigned(1)}
        names = {"product": self._place | follows, "addend": self._place | follows,
                 "sums": {"address": self._place["address"]}}
        product, addend, sums = (
            Signal(data.StructLayout({"valid": unsigned(1), **place}), name=name) for name, place in names.items())
        self._summed: Value = addend.valid
        if forward is not None:
            self._summed = addend.valid & ~product.follows
            m.d.sync += [product.follows.eq(issue & forward), addend.follows.eq(product.follows)]
        m.d.sync += [product.valid.eq(issue), addend.valid.eq(product.valid), sums.valid.eq(self._summed),
                     sums.address.eq(addend.address)]
        for name in self._place:
            m.d.sync += [product[name].eq(head[name]), addend[name].eq(product[name])]
        return product, addend, sums

    def _calculate(self, m: Module, head: data.View, word: Value, addend: data.View, sums: data.View, held: data.View
                   ) -> None:
        """Choose the weights and multiply while the state is read, shift while it comes, add, and write.

        Each is a cycle behind the stage that it is done for.
        """
        def numbers(name: str, shape: data.Layout) -> data.View:
            return Signal(shape, name=name, reset_less=True)

        config, states = self.config, self._states
        group = word.word_select(head.byte[config.lane_bits:], config.weight_bits * config.lanes)
        single = group.word_select(head.byte[:config.lane_bits], config.weight_bits)
        m.submodules.products = products = product_unit(config)
        assert products.latency == 1, "the stage of the products is one cycle"
        operands = numbers("operands", data.StructLayout({
            "weights": products.weights.shape(), "v": products.v.shape(), "shift": products.shift.shape()}))
        chosen = Mux(head.broadcast, single.replicate(config.lanes), group)
        if self._own:
            chosen = self._of_both(m, head, chosen)
        m.d.sync += [operands.weights.eq(chosen),
                     operands.v.eq(head.v), operands.shift.eq(head.shift)]
        m.d.comb += [getattr(products, name).eq(operands[name])
                     for name in ("weights", "v", "shift")]
        # A maximum adds 0, and takes the bound afterwards if the state was below: so little follows the state, which
        # comes over the banks' multiplexer.
        additions, results, bounds, written, kept = (
            numbers(name, states) for name in ("additions", "results", "bounds", "written", "kept"))
        below = Signal(config.lanes, name="below", reset_less=True)
        largest, kept_first, is_sum = (
            Signal(name=name, reset_less=True) for name in ("largest", "kept_first", "is_sum"))
        m.d.sync += [bounds.eq(additions), largest.eq(addend.max),
                     kept_first.eq(held.valid & ~self._direct), is_sum.eq(sums.valid & ~self._direct)]
        read = data.View(states, self.state.data)
        if config.forward_states:
            follows = Signal(name="follows", reset_less=True)
            m.d.sync += follows.eq(addend.follows)
            read = Signal(states, name="read")
            m.d.comb += read.eq(Mux(follows, written, self.state.data))
        lowest = Const(-(1 << config.state_bits - 1), signed(config.state_bits))
        for lane in range(config.lanes):
            state, addition = read[lane], additions[lane]
            m.d.sync += [addition.eq(products.products[lane]), results[lane].eq(state + Mux(largest, 0, addition)),
                         below[lane].eq(largest & (state < addition))]
            m.d.comb += written[lane].eq(Mux(below[lane], bounds[lane], results[lane]))
            # What leaves any state as it is: 0 for a sum, the lowest number for a maximum.
            with m.If(~addend.mask[lane]):
                m.d.sync += addition.eq(Mux(addend.max, lowest, 0))
        with m.If(is_sum):
            m.d.sync += kept.eq(written)
        m.d.comb += self.write_back.write_data.eq(Mux(kept_first, kept, written))

    def _of_both(self, m: Module, head: data.View, stored: Value) -> Value:
        """The weights that an operation brings, or the stored ones, as wide as the products take them."""
        config = self.config
        weights = Signal(data.ArrayLayout(signed(config.factor_bits), config.lanes), name="weights")
        for lane in range(config.lanes):
            m.d.comb += weights[lane].eq(Mux(
                head.immediate, head.weights.word_select(lane, config.table_weight_bits).as_signed(),
                stored.word_select(lane, config.weight_bits).as_signed()))
        return Value.cast(weights)

    def _write(self, m: Module, sums: data.View) -> tuple[data.View, Value]:
        """The write of a sum, which is held back while the read of the first operation wants its bank.

        With `direct` the sum's write goes before the one that was held back, and this one stays.

        Returns:
            The buffer; whether it is full in the next cycle.
        """
        held, keep, write = Signal(sums.shape(), name="held"), Signal(name="keep"), self.write_back
        self._same_bank, self._write_bank = Signal(name="same_bank"), Signal(self._bank_bits, name="write_bank")
        self._writes, self._must_write = Signal(name="writes"), Signal(name="must_write")
        m.d.comb += [
            write.address.eq(Cat(self._write_bank,
                                  Mux(held.valid & ~self._direct, held.address, sums.address)[self._bank_bits:])),
            # The read goes before the write, unless the buffer is full.
            keep.eq(self.state.valid & self._same_bank & ~self._must_write), write.valid.eq(self._writes & ~keep),
        ]
        held_next = self._must_write | (self._writes & keep)
        with m.If(sums.valid & ~self._direct):
            m.d.sync += held.address.eq(sums.address)
        m.d.sync += held.valid.eq(held_next)
        return held, held_next

    def _banks(self, m: Module, head: data.View, front: data.View, load: Value, addend: data.View, sums: data.View,
               held: data.View, held_next: Value) -> None:
        """What the next cycle writes: whether, whether it must, its bank, and whether that is the bank of its read.

        Known a cycle ahead, so that the memory, where all other requesters wait for these two, decides early.
        """
        def bank(address: Value) -> Value:
            return address[:self._bank_bits]

        held_bank = Signal(self._bank_bits, name="next_held_bank")
        m.d.comb += held_bank.eq(Mux(sums.valid & ~self._direct, bank(sums.address), bank(held.address)))
        sum_bank, both = bank(addend.address), held_next & self._summed

        def choice(read: Value, sum_rather: Value) -> tuple[Value, Value, Value]:
            """Whether the sum goes before the one held, and so which bank, and whether that is the read's."""
            held_same, sum_same = held_bank == read, sum_bank == read
            direct = both & ~sum_same & (held_same | sum_rather)
            return (direct, Mux(held_next & ~direct, held_bank, sum_bank),
                    Mux(held_next, held_same & ~direct, sum_same))

        # Of another head or the same one: which it is comes late.
        rather = self._more & (sum_bank == self._after) & (held_bank != self._after)
        other, same = choice(bank(front.address), rather), choice(bank(head.address), Const(0))
        m.d.sync += [register.eq(Mux(load, *values)) for register, *values in zip(
            (self._direct, self._write_bank, self._same_bank), other, same, strict=True)]
        m.d.sync += [self._writes.eq(held_next | self._summed), self._must_write.eq(both)]

    def _look_ahead(self, m: Module, taken: Value, address: Value, load: Value) -> Value:
        """The bank of the operation that follows the first one waiting, if there is one."""
        depth = 1 << (OPERATION_QUEUE - 2).bit_length()  # it is not overwritten while it waits
        m.submodules.banks = banks = memory.Memory(shape=self._bank_bits, depth=depth, init=[])
        write, read = banks.write_port(), banks.read_port(domain="comb")
        pushed, following = Signal(range(depth), name="pushed"), Signal(range(depth), name="following", init=1 % depth)
        m.d.comb += [
            write.en.eq(taken), write.addr.eq(pushed), write.data.eq(address), read.addr.eq(following),
        ]
        with m.If(taken):
            m.d.sync += pushed.eq(pushed + 1)
        with m.If(load):
            m.d.sync += following.eq(following + 1)
        return read.data

    def _hazard(self, m: Module, head: data.View, head_valid: Value, front: data.View, load: Value, issue: Value,
                stages: list[data.View], held_next: Value, forward: Signal | None) -> Value:
        """Whether the first operation may read its state: its word is not on its way to being written.

        A new head is compared with everything under way once; from then on the results move with the pipeline. The
        answer is a register, for the sake of the memory. So is `forward`: the operation that went in the cycle before
        is on the same word; then the first one goes at once, whatever else is under way.
        """
        product, _, sums, _ = stages
        names = ("product", "addend", "sums", "held")
        same, same_next = ({name: Signal(name=f"{prefix}_{name}") for name in names}
                           for prefix in ("same", "next_same"))
        matches = {name: Mux(load, front.address == stage.address, same[name])
                   for name, stage in zip(names, stages, strict=True)}
        m.d.comb += [
            same_next["product"].eq(load & issue & (front.address == head.address)),
            same_next["addend"].eq(product.valid & matches["product"]),
            same_next["sums"].eq(self._summed & matches["addend"]),
            same_next["held"].eq(held_next & Mux(sums.valid & ~self._direct, matches["sums"], matches["held"])),
        ]
        m.d.sync += [same[name].eq(same_next[name]) for name in names]
        may = Signal(name="may")
        waits = Cat(same_next.values()).any()
        if forward is not None:
            m.d.sync += forward.eq(same_next["product"])
            waits = ~same_next["product"] & waits
        m.d.sync += may.eq((load | (head_valid & ~issue)) & ~waits)
        return may

    def _read_ahead(self, m: Module, load: Signal) -> tuple[data.View, Value, Value, Value, Value]:
        """Queue the operations and read their weight words.

        Returns:
            The first waiting operation; whether its weights are there; whether there is one; whether one is on its way
            there; the weight word of the operation loaded last.
        """
        config, op = self.config, self.op.payload
        m.submodules.operations = operations = SyncFIFOBuffered(width=self._queued.size, depth=OPERATION_QUEUE)
        m.submodules.requests = requests = SyncFIFOBuffered(width=config.address_bits, depth=WEIGHT_REQUESTS)
        m.submodules.words = words = SyncFIFO(width=config.word_bits, depth=WEIGHT_WORDS)

        previous = Signal(config.address_bits)
        entry, taken = Signal(self._queued, name="entry"), Signal(name="taken")
        m.d.comb += [
            taken.eq(self.op.valid & self.op.ready & ~op.state_address[-1]),
            entry.address.eq(op.state_address), entry.mask.eq(op.mask), entry.max.eq(op.max), entry.shift.eq(op.shift),
            entry.v.eq(op.v), entry.broadcast.eq(op.broadcast), entry.byte.eq(op.weight_address),
            entry.new_word.eq((requests.w_data != previous) | ~self.busy),
            operations.w_data.eq(entry), operations.w_en.eq(taken),
            requests.w_data.eq(op.weight_address[config.byte_bits:]), requests.w_en.eq(taken & entry.new_word),
        ]
        if self._own:
            # Whether the weight word of an operation before is the one that is held, or comes.
            known = Signal(name="known")
            m.d.sync += known.eq(self.busy & known)
            m.d.comb += [entry[name].eq(op[name]) for name in self._own]
            m.d.comb += entry.new_word.eq(~op.immediate & ((requests.w_data != previous) | ~known | ~self.busy))
            with m.If(taken & ~op.immediate):
                m.d.sync += known.eq(1)
        m.d.sync += self.address_error.eq(self.op.valid & self.op.ready & op.state_address[-1])
        with m.If(taken & ~op.immediate if self._own else taken):
            m.d.sync += previous.eq(requests.w_data)

        # The levels of both queues in the next cycle: `ready` is a register, for the sake of the ESU.
        inner_next, asked_next = (Signal(range(depth + 1), name=f"{name}_next") for name, depth in (
            ("inner", OPERATION_QUEUE), ("asked", WEIGHT_REQUESTS)))
        # The first entry of a queue is in a register, and not among those that fill it.
        for following, queue, more, less in (
                (inner_next, operations, taken, load), (asked_next, requests, requests.w_en, requests.r_en)):
            inside = (queue.level - queue.r_rdy)[:len(following)]
            m.d.comb += following.eq(inside + more - ((inside != 0) & (~queue.r_rdy | less)))
        m.d.sync += self.op.ready.eq(
            (inner_next != OPERATION_QUEUE - 1) & (asked_next != WEIGHT_REQUESTS - 1))

        self._more, self._after = Signal(name="more"), Signal(self._bank_bits, name="after")
        m.d.comb += [
            self._more.eq(operations.level != operations.r_rdy),
            self._after.eq(self._look_ahead(m, taken, op.state_address, load)),
        ]

        # Asked only with room for the answer, which lasts one cycle.
        coming, arriving, here = (Signal(name=name) for name in ("coming", "arriving", "here"))
        reserved = Signal(range(WEIGHT_WORDS + 1), name="reserved")
        m.d.comb += [
            self.weight.valid.eq(requests.r_rdy & (reserved != WEIGHT_WORDS)), self.weight.address.eq(requests.r_data),
            requests.r_en.eq(self.weight.valid & self.weight.ready),
            words.w_data.eq(self.weight.data), words.w_en.eq(here),
        ]
        m.d.sync += [coming.eq(requests.r_en), arriving.eq(coming), here.eq(arriving),
                     reserved.eq(reserved + requests.r_en - words.r_en)]

        front, word = Signal(self._queued), Signal(config.word_bits, name="word")
        m.d.comb += [
            front.eq(operations.r_data), operations.r_en.eq(load), words.r_en.eq(load & front.new_word),
        ]
        with m.If(words.r_en):
            m.d.sync += word.eq(words.r_data)
        ready = operations.r_rdy & (words.r_rdy | ~front.new_word)
        return front, ready, operations.r_rdy, operations.level != 0, word
