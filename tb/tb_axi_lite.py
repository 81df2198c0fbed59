"""Bench of the AXI4-Lite bus: any beats on all channels, pauses everywhere, against the golden model.

`parameters()`: `config`, `columns`, `rows`, `data_bits`, `beats` per direction, and pauses by name of
`tb.streams.PAUSES`: `bus` for its channels, `network` for accesses and answers.

Reads and writes go their own ways at the same time; the model takes them in the order in which their addresses are
taken.
"""

import random
from collections import Counter, deque
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster
from cocotbext.axi.axil_channels import (
    AxiLiteARSource,
    AxiLiteARTransaction,
    AxiLiteAWSource,
    AxiLiteAWTransaction,
    AxiLiteBSink,
    AxiLiteRSink,
    AxiLiteWSource,
    AxiLiteWTransaction,
)

from golden.bus.address_map import AddressMap, BusRegister, BusStatus, Interrupt
from golden.bus.axi_lite import OKAY, SLVERR, AxiLite
from golden.config import CoreConfig
from golden.registers import Control, Register
from rtl.bus.axi_lite import QUIET_BITS
from rtl.bus.axi_lite import AxiLite as Hardware
from synapress.tools.simulator import parameters, seed
from tb.axi_nodes import LIVE_WORDS, BusyNode, ModelNode
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, after_reset, clock_and_reset, pauses, wait_until

PERIOD = 10
"""Of the clock, in ns."""
CHANNELS = {"aw": ("awvalid", "awready", ("awaddr",)), "w": ("wvalid", "wready", ("wdata", "wstrb")),
            "b": ("bvalid", "bready", ("bresp",)), "ar": ("arvalid", "arready", ("araddr",)),
            "r": ("rvalid", "rready", ("rdata", "rresp"))}


class Network:
    """Cores at the end of the accesses, each twice: for the hardware, and for the model."""

    def __init__(self, dut: Any, places: AddressMap, pause: str):
        self.nodes: dict[tuple[int, int], BusyNode] = {}
        self.twins: dict[tuple[int, int], ModelNode] = {}
        for place in ((column, row) for column in range(places.columns) for row in range(places.rows)):
            start = f"{seed()} {place}"
            self.nodes[place] = BusyNode(places, random.Random(start))
            self.twins[place] = ModelNode(places, random.Random(start), self.nodes[place])
        generator = random.Random(seed() + 1)
        layout = Hardware(places.config, places.columns, places.rows, places.data_bits).layout
        self.done: Counter[str] = Counter()
        self.answers = StreamDriver(dut, "access_data", places.config.word_bits, pause=pauses(pause, generator),
                                    generator=generator)
        StreamMonitor(dut, "access", layout, pause=pauses(pause, generator), on_receive=self._access)

    def _access(self, access: dict[str, int]) -> None:
        node, register = self.nodes[access["column"], access["row"]], bool(access["register"])
        self.done["write" if access["write"] else "read"] += 1
        if access["write"]:
            node.write(register, access["address"], access["data"])
        else:
            self.answers.send(node.read(register, access["address"]))

    def check(self) -> None:
        for place, node in self.nodes.items():
            assert node.state() == self.twins[place].state(), f"core {place}"


class Watcher:
    """What happens on the five channels, beat by beat, and what the model says to it."""

    def __init__(self, dut: Any, model: AxiLite):
        self.dut, self.model = dut, model
        self.seen: Counter[str] = Counter()
        self.responses: deque[int] = deque()
        self.answers: deque[tuple[int, int]] = deque()
        after_reset(dut, self._watch())

    def _watch(self) -> Steps:
        wires = Wires(self.dut)
        held: dict[str, tuple[int, ...]] = {}
        while True:
            taken: dict[str, tuple[int, ...]] = {}
            for channel, (valid, ready, payload) in CHANNELS.items():
                is_valid, is_ready = (getattr(wires, f"s_axil_{name}")() for name in (valid, ready))
                now = tuple(getattr(wires, f"s_axil_{name}")() for name in payload) if is_valid else ()
                assert channel not in held or held[channel] == now, f"{channel}: {held} was withdrawn, now {now}"
                held.pop(channel, None)
                if is_valid and is_ready:
                    taken[channel] = now
                elif is_valid:
                    held[channel] = now
            self._check(taken)
            yield

    def _check(self, taken: dict[str, tuple[int, ...]]) -> None:
        # An answer must have been asked for in an earlier cycle.
        if "b" in taken:
            assert taken["b"] == (self.responses.popleft(),), "response of a write"
        if "r" in taken:
            expected = self.answers.popleft()
            assert taken["r"] == expected, f"read: {taken['r']}, not {expected}"
        assert ("aw" in taken) == ("w" in taken) and not {"aw", "ar"} <= set(taken)
        if "aw" in taken:
            (address,), (word, strobe) = taken["aw"], taken["w"]
            self.responses.append(self.model.write(address, word, strobe))
            self._count("write", address, self.responses[-1])
            self.seen["partial"] += 0 < strobe < (1 << self.model.map.beat_bytes) - 1
        if "ar" in taken:
            (address,) = taken["ar"]
            self.answers.append(self.model.read(address))
            self._count("read", address, self.answers[-1][1])

    def _count(self, what: str, address: int, response: int) -> None:
        target = self.model.map.target(address)
        where = "nothing" if target is None else "memory" if target.page is None else target.page.name.lower()
        self.seen[f"{what} {where} {'refused' if response else 'done'}"] += 1


class Traffic:
    """Beats that meet each other: runs of neighbors, few words, registers, and addresses where nothing is."""

    def __init__(self, places: AddressMap, generator: random.Random):
        self.places, self.random = places, generator
        self.words = [generator.randrange(places.config.memory_words - LIVE_WORDS) for _ in range(6)]

    def place(self) -> tuple[int, int]:
        return self.random.randrange(self.places.columns), self.random.randrange(self.places.rows)

    def run(self, *, reads: bool) -> list[int]:
        """Addresses of the next beats."""
        places, draw = self.places, self.random
        step, beats = places.beat_bytes, places.word_bytes // places.beat_bytes
        kind = draw.choices(["word", "beats", "words", "live", "core", "own", "all", "nowhere"],
                            [6, 6, 1, 4 if reads else 0, 8, 5, 3, 3])[0]
        base = places.memory(draw.choice(self.words), *self.place())
        if kind == "word":
            return [base + beat * step for beat in range(beats)]
        if kind == "beats":  # some of them, in any order, perhaps unaligned
            return [base + draw.randrange(places.word_bytes) for _ in range(draw.randint(1, 2 * beats))]
        if kind == "words":
            first = draw.randrange(places.config.memory_words - LIVE_WORDS - 3)
            base = places.memory(first, *self.place())
            return [base + beat * step for beat in range(3 * beats)]
        if kind == "live":
            base = places.memory(places.config.memory_words - 1 - draw.randrange(LIVE_WORDS), *self.place())
            return [base + draw.randrange(beats) * step for _ in range(draw.randint(1, 2 * beats))]
        if kind in ("core", "own", "all"):
            number = draw.choice([*range(6), *range(5), draw.randrange(128),
                                  Register.COUNTER_BASE + draw.randrange(20)])
            base = {"core": places.core(number, *self.place()), "own": places.own(draw.choice([*range(7), 4, 5])),
                    "all": places.all(number)}[kind]
            return [base + beat * step for beat in range(draw.randint(1, 8 // step))]
        column, row = self.place()
        if draw.random() < 0.5 and places.columns < 1 << places.column_bits:  # a core that is not there
            column = places.columns
            return [places.memory(draw.choice(self.words), column, row), places.core(Register.EDGES, column, row)]
        return [draw.randrange(1 << places.bits) & ~(places.memory(0) if draw.random() < 0.7 else 0)]

    def written(self) -> list[int]:
        """Addresses to write: where a core changes words by itself the host writes nothing."""
        def lives(address: int) -> bool:
            target = self.places.target(address)
            return (target is not None and target.page is None
                    and target.number >= self.places.config.memory_words - LIVE_WORDS)

        return [address for address in self.run(reads=False) if not lives(address)]

    def strobe(self) -> int:
        every = (1 << self.places.beat_bytes) - 1
        return self.random.choice([every, every, every, 1, every & 15, self.random.randint(0, every)])


def map_of(given: dict[str, Any]) -> AddressMap:
    return AddressMap(CoreConfig.from_json(given["config"]), given["columns"], given["rows"], given["data_bits"])


async def drained(dut: Any) -> None:
    """Until nothing is left in the bus, for certain."""
    for _ in range((1 << QUIET_BITS) + 60):
        await RisingEdge(dut.clk)


def silence(dut: Any) -> None:
    """The levels and pulses from cores and events."""
    for name in ("idle", "offered", "error", "frame"):
        getattr(dut, name).value = 0


@cocotb.test()
async def random_beats(dut: Any) -> None:
    given = parameters()
    places = map_of(given)
    generator = random.Random(seed())
    network = Network(dut, places, given["network"])
    model = AxiLite(places, network.twins)
    watcher = Watcher(dut, model)
    silence(dut)
    bus = AxiLiteBus.from_prefix(dut, "s_axil")
    reset = dut.rst
    writes, words = AxiLiteAWSource(bus.write.aw, dut.clk, reset), AxiLiteWSource(bus.write.w, dut.clk, reset)
    reads = AxiLiteARSource(bus.read.ar, dut.clk, reset)
    responses, answers = AxiLiteBSink(bus.write.b, dut.clk, reset), AxiLiteRSink(bus.read.r, dut.clk, reset)
    for channel in (writes, words, reads, responses, answers):
        channel.set_pause_generator(pauses(given["bus"], random.Random(generator.getrandbits(32))))
    await clock_and_reset(dut)
    traffic = Traffic(places, generator)
    sent: Counter[str] = Counter()
    while min(sent["write"], sent["read"]) < given["beats"]:
        for address in traffic.written():
            writes.send_nowait(AxiLiteAWTransaction(awaddr=address, awprot=generator.getrandbits(3)))
            words.send_nowait(AxiLiteWTransaction(wdata=generator.getrandbits(places.data_bits),
                                                  wstrb=traffic.strobe()))
            sent["write"] += 1
        for address in traffic.run(reads=True):
            reads.send_nowait(AxiLiteARTransaction(araddr=address, arprot=generator.getrandbits(3)))
            sent["read"] += 1
        if generator.random() < 0.3:  # else both directions would never rest
            await wait_until(dut, lambda: responses.count() == sent["write"] and answers.count() == sent["read"],
                             timeout=40_000, what="answers")
            for _ in range(generator.choice([0, 5, 1 << QUIET_BITS, 40])):
                await RisingEdge(dut.clk)
    await wait_until(dut, lambda: responses.count() == sent["write"] and answers.count() == sent["read"],
                     timeout=400_000, what="the last answers")
    await drained(dut)
    network.check()
    seen = watcher.seen
    needed = [*(f"{what} {where} done" for what in ("read", "write") for where in ("memory", "core", "bus")),
              *(f"{what} {where} refused" for what in ("read", "write") for where in ("nothing", "core", "all")),
              "write bus refused", "write all done", "partial"]
    assert not [name for name in needed if not seen[name]], dict(seen)
    assert sum(node.live for node in network.nodes.values()) > 10 and not network.answers.pending
    dut._log.info("%s, accesses %s", dict(seen), dict(network.done))


async def master_on(dut: Any, places: AddressMap) -> tuple[Network, AxiLiteMaster, AxiLite]:
    """A master without pauses, cores that are always there, and the model that the bus is compared with."""
    network = Network(dut, places, "never")
    model = AxiLite(places, network.twins)
    Watcher(dut, model)
    silence(dut)
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
    await clock_and_reset(dut)
    await RisingEdge(dut.clk)
    return network, master, model


@cocotb.test()
async def whole_words_are_written_without_being_read(dut: Any) -> None:
    """A long copy, at a beat in two cycles; then the same words are read back."""
    places = map_of(parameters())
    network, master, _ = await master_on(dut, places)
    count = min(64, places.config.memory_words - LIVE_WORDS)
    data, beats = random.Random(seed()).randbytes(count * places.word_bytes), count * places.word_bytes
    beats //= places.beat_bytes
    start = cocotb.utils.get_sim_time("ns")
    assert (await master.write(places.memory(0), data)).resp == OKAY
    cycles = (cocotb.utils.get_sim_time("ns") - start) / PERIOD
    assert network.done == {"write": count} and 2 * beats <= cycles <= 2 * beats + 10, (beats, cycles, network.done)
    start = cocotb.utils.get_sim_time("ns")
    read = await master.read(places.memory(0), len(data))
    assert read.resp == OKAY and read.data == data and network.done["read"] == count
    dut._log.info("%d beats: written in %d cycles, read in %d", beats, cycles,
                  (cocotb.utils.get_sim_time("ns") - start) / PERIOD)
    await drained(dut)
    network.check()


@cocotb.test()
async def a_part_of_a_word_is_written_when_nothing_follows(dut: Any) -> None:
    places = map_of(parameters())
    network, master, _ = await master_on(dut, places)
    before = network.nodes[0, 0].memory[3]
    await master.write(places.memory(3) + 1, b"\x5a")
    assert network.nodes[0, 0].memory[3] == before, "it waits for the rest of the word"
    for _ in range((1 << QUIET_BITS) + 8):
        await RisingEdge(dut.clk)
    assert network.nodes[0, 0].memory[3] == before & ~0xFF00 | 0x5A00 and network.done == {"read": 1, "write": 1}
    network.check()


@cocotb.test()
async def interrupts(dut: Any) -> None:
    """Each cause, while it is enabled and while it is not; cleared by writing ones. The model is told of causes."""
    places = map_of(parameters())
    _, master, model = await master_on(dut, places)

    async def put(register: int, value: int) -> None:
        assert (await master.write(places.own(register), value.to_bytes(4, "little"))).resp == OKAY

    async def pulse(name: str) -> None:
        getattr(dut, name).value = 1
        await RisingEdge(dut.clk)
        getattr(dut, name).value = 0
        for _ in range(3):
            await RisingEdge(dut.clk)

    async def get(register: int) -> int:
        answer = await master.read(places.own(register), 4)
        assert answer.resp == OKAY
        return int.from_bytes(answer.data, "little")

    for name, bit in (("idle", Interrupt.IDLE), ("error", Interrupt.ERROR), ("frame", Interrupt.FRAME)):
        await pulse(name)
        model.pending |= bit
        assert dut.irq.value == 0 and await get(BusRegister.PENDING) == bit
        await put(BusRegister.ENABLE, bit)
        assert dut.irq.value == 1
        await put(BusRegister.ENABLE, 7 ^ bit)
        await RisingEdge(dut.clk)
        assert dut.irq.value == 0
        await put(BusRegister.ENABLE, 7)
        await put(BusRegister.PENDING, 7 ^ bit)
        await RisingEdge(dut.clk)
        assert dut.irq.value == 1
        await put(BusRegister.PENDING, bit)
        await RisingEdge(dut.clk)
        assert dut.irq.value == 0 and await get(BusRegister.PENDING) == 0
        await put(BusRegister.ENABLE, 0)
    dut.idle.value = 1
    dut.offered.value = 1
    for _ in range(3):
        await RisingEdge(dut.clk)
    model.status, model.pending = BusStatus.IDLE | BusStatus.OFFERED, Interrupt.IDLE
    assert await get(BusRegister.STATUS) == 3
    await put(BusRegister.PENDING, Interrupt.IDLE)
    assert await get(BusRegister.PENDING) == 0, "it has not become idle again"
    dut.idle.value = 0
    await RisingEdge(dut.clk)
    model.status = BusStatus.OFFERED
    assert await get(BusRegister.STATUS) == BusStatus.OFFERED and await get(BusRegister.PENDING) == 0


@cocotb.test()
async def all_cores_are_started_by_one_write(dut: Any) -> None:
    places = map_of(parameters())
    network, master, _ = await master_on(dut, places)
    assert (await master.write(places.all(Register.CONTROL), Control.RUN.to_bytes(4, "little"))).resp == OKAY
    assert (await master.write(places.all(Register.CONTROL), b"\x02")).resp == SLVERR, "a part"
    await drained(dut)
    assert [node.registers[Register.CONTROL] for node in network.nodes.values()] == [1] * places.columns * places.rows
    assert network.done == {"write": places.columns * places.rows}
