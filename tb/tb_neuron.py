"""Bench of the neuron update: on a memory model that refuses at will, and on the banked memory itself.

`parameters()`: `config`; `scenario`, one of SCENARIOS; and what the scenario's docstring names.
"""

import json
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cocotb
from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.esu import EdgeDescriptor, ValueEvent, WordOperation, operations
from golden.neuron import accumulate, pack_lanes, unpack_lanes, wrap
from rtl.memory import BankedMemory
from rtl.neuron import WRITE_DELAY, NeuronUpdate
from rtl.ports import MemoryPort, ReadPort, op_layout
from tb.launch import parameters, seed
from tb.memory import MemoryModel
from tb.stream import StreamDriver, clock_and_reset, pauses, wait_until

COUNTERS = ("retired", "synapses", "stall_bank", "stall_hazard", "stall_weight", "address_error")
OTHERS = ("descriptor", "axon", "evaluation", "host")


class NeuronOnBanks(wiring.Component):
    """The neuron update on the banked memory, whose ports of lower priority are outside."""

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "op": In(stream.Signature(op_layout(config))), "busy": Out(1), "synapses": Out(range(config.lanes + 1)),
            **{name: Out(1) for name in COUNTERS if name != "synapses"},
            "descriptor": In(ReadPort(config)), "axon": In(ReadPort(config)),
            "evaluation": In(MemoryPort(config)), "host": In(MemoryPort(config)), "promote_evaluation": In(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.neuron = neuron = NeuronUpdate(self.config)
        m.submodules.memory = memory = BankedMemory(self.config)
        connect(m, flipped(self.op), neuron.op)
        for name in ("state", "weight", "write_back"):
            connect(m, getattr(neuron, name), getattr(memory, name))
        for name in OTHERS:
            connect(m, flipped(getattr(self, name)), getattr(memory, name))
        m.d.comb += memory.promote_evaluation.eq(self.promote_evaluation)
        m.d.comb += [getattr(self, name).eq(getattr(neuron, name)) for name in (*COUNTERS, "busy")]
        return m


# -- expectations ----------------------------------------------------------------------------------


def weights_of(words: Sequence[int], operation: WordOperation, config: CoreConfig) -> list[int]:
    """The signed weight of each lane."""
    index, byte = divmod(operation.weight_address, config.word_bits // 8)
    step = 0 if operation.broadcast else 1
    return [wrap(words[index] >> 8 * (byte + step * lane), 8) for lane in range(config.lanes)]


def lanes_of(operation: WordOperation, config: CoreConfig) -> list[bool]:
    """Which lanes an operation updates."""
    return [bool(operation.mask >> lane & 1) for lane in range(config.lanes)]


def update(words: list[int], operation: WordOperation, config: CoreConfig) -> None:
    """Do one operation on the memory words, by the golden model; one that leaves the memory does nothing."""
    if operation.state_address < config.memory_words:
        states = accumulate(
            unpack_lanes(words[operation.state_address], config), weights_of(words, operation, config), operation.v,
            lanes_of(operation, config), shift=operation.shift, maximum=bool(operation.max),
            state_bits=config.state_bits,
        )
        words[operation.state_address] = pack_lanes(states, config)


def note(coverage: Counter[str], words: Sequence[int], operation: WordOperation, config: CoreConfig) -> None:
    """Count which kinds of update an operation is going to make."""
    if operation.state_address >= config.memory_words:
        coverage["outside the memory"] += 1
        return
    word_bytes, lanes = config.word_bits // 8, lanes_of(operation, config)
    coverage[f"shift {operation.shift}"] += 1
    if operation.broadcast:
        coverage[f"broadcast lane {operation.mask.bit_length() - 1}"] += 1
        coverage[f"broadcast byte {operation.weight_address % word_bytes}"] += 1
    else:
        coverage[f"group {operation.weight_address % word_bytes // config.lanes}"] += 1
        coverage["all lanes" if all(lanes) else "some lanes" if any(lanes) else "no lane"] += 1
    states = unpack_lanes(words[operation.state_address], config)
    for state, weight, masked in zip(states, weights_of(words, operation, config), lanes, strict=True):
        product = wrap(exact := weight * operation.v << operation.shift, config.state_bits)
        if masked:
            coverage["product wraps" if product != exact else "product fits"] += 1
            if operation.max:
                coverage["maximum taken" if product > state else "maximum kept"] += 1
            elif wrap(state + product, config.state_bits) != state + product:
                coverage["sum wraps up" if product > 0 else "sum wraps down"] += 1


def required(config: CoreConfig, on_banks: bool) -> set[str]:
    """The bins that every random run must hit."""
    word_bytes, product_bits = config.word_bits // 8, config.weight_bits + config.value_bits - 1
    bins = {
        "outside the memory", "no lane", "some lanes", "all lanes", "maximum taken", "maximum kept", "sum wraps up",
        "sum wraps down", "product fits", "stall_bank", "stall_hazard", "stall_weight",
        *(f"shift {shift}" for shift in range(1 << config.product_shift_bits)),
        *(f"broadcast lane {lane}" for lane in range(config.lanes)),
        *(f"broadcast byte {byte}" for byte in range(word_bytes)),
        *(f"group {group}" for group in range(word_bytes // config.lanes)),
    }
    if product_bits + (1 << config.product_shift_bits) - 1 > config.state_bits:
        bins.add("product wraps")
    if on_banks:
        bins.update(f"{name} {what}" for name in OTHERS for what in ("granted", "refused"))
    else:
        bins |= {"weight refused", "weight word shared", "write in time", "write held back", "two writes wait",
                 "read beside write", "weights changed while idle"}
    return bins


def random_operations(generator: random.Random, config: CoreConfig, count: int, first_weight: int
                      ) -> Iterator[WordOperation]:
    """Operations in runs, as edges make them and worse: states below the word `first_weight`, weights from there on."""
    word_bytes = config.word_bits // 8
    low, high = -(1 << config.value_bits - 1), (1 << config.value_bits - 1) - 1
    bytes_from, bytes_to = first_weight * word_bytes, (config.memory_words - 1) * word_bytes
    while count > 0:
        broadcast, maximum = int(generator.random() < 0.4), int(generator.random() < 0.4)
        shift, walk = generator.randrange(1 << config.product_shift_bits), generator.choice(["run", "few", "any"])
        reach, step = generator.choice([1, 2, 4]), generator.choice([1, 1, 3, config.banks])
        state, byte = generator.randrange(first_weight), generator.randrange(bytes_from, bytes_to)
        for _ in range(min(count, generator.randint(1, 24))):
            state = {"run": state + step, "any": generator.randrange(first_weight),
                     "few": state - state % reach + generator.randrange(reach)}[walk] % first_weight
            byte += 1 if broadcast else config.lanes
            if generator.random() < 0.1 or byte >= bytes_to:
                byte = generator.randrange(bytes_from, bytes_to)
            mask = 1 << generator.randrange(config.lanes)
            if not broadcast:
                mask = generator.choice([0, mask, generator.getrandbits(config.lanes), (1 << config.lanes) - 1])
            yield WordOperation(
                state_address=state + (config.memory_words if generator.random() < 0.03 else 0),
                weight_address=byte if broadcast else byte - byte % config.lanes,
                mask=mask, broadcast=broadcast, max=maximum, shift=shift,
                v=generator.choice([low, high, 0, 1, -1, generator.randint(low, high), generator.randint(low, high)]),
            )
            count -= 1


def random_words(generator: random.Random, config: CoreConfig) -> list[int]:
    """A memory full of states, some of them near the ends of their range."""
    high = (1 << config.state_bits - 1) - 1
    return [pack_lanes([generator.choice([generator.randint(-high - 1, high), generator.randint(high - 99, high),
                                          generator.randint(-high - 1, 99 - high)]) for _ in range(config.lanes)],
                       config) for _ in range(config.memory_words)]


# -- what is watched -------------------------------------------------------------------------------


class Watch:
    """Follows the neuron update from outside, cycle by cycle: counts, and checks what must always hold.

    With memory ports at the top (`words` given) it does the write-backs: in order, no sooner than WRITE_DELAY cycles
    after their reads, and no word may be read while its write is under way.
    """

    def __init__(self, dut: Any, config: CoreConfig, words: list[int] | None):
        self.dut, self.config, self.words = dut, config, words
        self.cycle = 0
        self.accepts: list[int] = []
        """Cycles in which operations inside the memory were taken."""
        self.reads: list[int] = []
        """Cycles in which their states were read, and written back."""
        self.writes: list[int] = []
        self.counts: Counter[str] = Counter()
        self._flight: deque[tuple[int, int]] = deque()
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut, counts, outside = self.dut, self.counts, self.config.address_bits
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value):
                continue
            self.cycle += 1
            pulses = {name: int(getattr(dut, name).value) for name in COUNTERS}
            counts.update(pulses)
            assert sum(pulses[name] for name in COUNTERS if name.startswith("stall")) <= 1, f"two reasons: {pulses}"
            busy = bool(int(dut.busy.value))
            if self.words is not None:
                assert busy == (len(self.writes) < len(self.accepts)), f"busy is {busy}"
                self._memory(self.words)
            elif not busy:
                assert counts["retired"] == len(self.accepts), "not busy, with operations left to do"
            if int(dut.op__valid.value) and int(dut.op__ready.value) and not int(dut.op__payload.value) >> outside & 1:
                self.accepts.append(self.cycle)

    def _memory(self, words: list[int]) -> None:
        dut, counts, flight = self.dut, self.counts, self._flight
        writing = bool(int(dut.write_back__valid.value))
        if writing:
            assert flight, "a write-back without a read"
            address, since = flight[0]
            assert int(dut.write_back__address.value) == address, "write-backs are not in the order of the reads"
            assert self.cycle - since >= WRITE_DELAY, f"a write-back {self.cycle - since} cycles after its read"
            counts["write in time" if self.cycle - since == WRITE_DELAY else "write held back"] += 1
            counts["two writes wait"] += len(flight) > 1 and self.cycle - flight[1][1] >= WRITE_DELAY
            words[address] = int(dut.write_back__write_data.value)
            self.writes.append(self.cycle)
        if int(dut.state__valid.value) and int(dut.state__ready.value):
            address = int(dut.state__address.value)
            assert all(address != other for other, _ in flight), f"word {address} is read before its write-back"
            flight.append((address, self.cycle))
            self.reads.append(self.cycle)
            counts["read beside write"] += writing
        if writing:
            flight.popleft()
        counts["state refused"] += int(dut.state__valid.value) and not int(dut.state__ready.value)
        if int(dut.weight__valid.value):
            counts["weight granted" if int(dut.weight__ready.value) else "weight refused"] += 1


class Requester:
    """Reads words that nobody changes through one of the other ports, at random, and checks them."""

    def __init__(self, dut: Any, port: str, words: Sequence[int], first: int, pace: Iterator[bool],
                 generator: random.Random, counts: Counter[str]):
        self.port, self.words, self.first = port, words, first
        self.dut, self.pace, self.generator, self.counts = dut, pace, generator, counts
        self.valid, self.ready, self.address, self.data = (
            getattr(dut, f"{port}__{name}") for name in ("valid", "ready", "address", "data"))
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        asked, expected, address = False, None, 0
        while True:
            await RisingEdge(self.dut.clk)
            if expected is not None:
                assert int(self.data.value) == expected, f"{self.port} reads word {address} wrong"
            expected = None
            if asked:
                granted = int(self.ready.value)
                self.counts[f"{self.port} {'granted' if granted else 'refused'}"] += 1
                expected, asked = (self.words[address], False) if granted else (None, True)
            if not asked and not next(self.pace):
                asked, address_next = True, self.generator.randrange(self.first, len(self.words))
                self.address.value = address_next
                if expected is None:
                    address = address_next
                else:  # the check of the next cycle still needs the old one
                    expected, address = self.words[address], address_next
            self.valid.value = int(asked)


async def host_write(dut: Any, words: Sequence[int]) -> None:
    """Fill the memory through the host port, which nobody else may use meanwhile."""
    dut.host__valid.value = dut.host__write.value = 1
    for address, word in enumerate(words):
        dut.host__address.value, dut.host__write_data.value = address, word
        await RisingEdge(dut.clk)
        while not int(dut.host__ready.value):
            await RisingEdge(dut.clk)
    dut.host__valid.value = dut.host__write.value = 0


async def host_read(dut: Any, count: int) -> list[int]:
    """The first words of an idle memory, through the host port."""
    words = []
    dut.host__valid.value, dut.host__write.value = 1, 0
    for address in range(count + 2):
        dut.host__address.value = address % count
        await RisingEdge(dut.clk)
        assert int(dut.host__ready.value), "the host is refused an idle memory"
        if address >= 2:
            words.append(int(dut.host__data.value))
    dut.host__valid.value = 0
    return words


