"""A core or a mesh on AXI buses, as a system on chip sees it: images in, frames through, everything read back.

`parameters()`: `config`, `images` (column, row, words of 64 bits, edges, populations), `frames` (packed events),
`columns`, `rows`; of a mesh `host` (its place) and `stream` (its name); `pause_bus` and `pause_stream` by name of
`tb.streams.PAUSES`.
"""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

from golden.bus.address_map import IDENTIFICATION, AddressMap, BusRegister, BusStatus, Interrupt
from golden.bus.axi_lite import OKAY, SLVERR
from golden.bus.axi_stream import data_bits
from golden.config import CoreConfig
from golden.core import Core
from golden.host import run_frame
from golden.mesh import Mesh
from golden.registers import Control, Register, Status, counters
from golden.types import Place, Words
from golden.words import EventKind, layouts
from synapress.tools.simulator import parameters, seed
from tb.streams import pauses
from tb.tb_core import by_id

PERIOD = 10
"""Of the clock, in ns."""
PATIENCE = 400_000
"""Longest wait for anything, in ns."""


class Program:
    """What runs on the processor: it knows addresses, and the buses of one core or mesh."""

    def __init__(self, dut: Any, places: AddressMap, generator: random.Random, given: dict[str, Any]):
        self.dut, self.map = dut, places
        self.event = layouts(places.config).event
        aclk, reset = dut.aclk, dut.aresetn
        self.axi = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), aclk, reset, reset_active_level=False)
        # An event is one element of a frame.
        whole = {"reset_active_level": False, "byte_size": data_bits(places.config)}
        tail = f"_{given['stream']}" if "stream" in given else ""
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, f"s_axis{tail}"), aclk, reset, **whole)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, f"m_axis{tail}"), aclk, reset, **whole)
        for logger in (self.axi.write_if.log, self.axi.read_if.log, self.source.log, self.sink.log):
            logger.setLevel("WARNING")
        for channel in (*vars(self.axi.write_if).values(), *vars(self.axi.read_if).values()):
            if hasattr(channel, "set_pause_generator"):
                channel.set_pause_generator(pauses(given["pause_bus"], random.Random(generator.getrandbits(32))))
        for end in (self.source, self.sink):
            end.set_pause_generator(pauses(given["pause_stream"], random.Random(generator.getrandbits(32))))

    async def reset(self) -> None:
        self.dut.aresetn.value = 0
        Clock(self.dut.aclk, PERIOD, unit="ns", impl="gpi").start(start_high=False)
        for _ in range(4):
            await RisingEdge(self.dut.aclk)
        self.dut.aresetn.value = 1
        await RisingEdge(self.dut.aclk)

    async def put(self, address: int, value: int) -> None:
        answer = await self.axi.write(address, value.to_bytes(4, "little"))
        assert answer.resp == OKAY, hex(address)

    async def get(self, address: int, size: int = 4) -> int:
        answer = await self.axi.read(address, size)
        assert answer.resp == OKAY, hex(address)
        return int.from_bytes(answer.data, "little")

    async def until(self, address: int, bit: int) -> None:
        for _ in range(1000):
            if await self.get(address) & bit:
                return
        raise TimeoutError(f"bit {bit} at {address:#x} does not come")

    def send(self, events: list[int]) -> None:
        self.source.send_nowait(AxiStreamFrame(events))

    async def packet(self) -> list[dict[str, int]]:
        """The next packet, its ENDs answered by CREDITs."""
        taken = await with_timeout(self.sink.recv(), PATIENCE, "ns")
        events = [self.event.unpack(word) for word in taken.tdata]
        assert not any(word >> self.event.bits for word in taken.tdata), "bits beyond the event"
        for event in events:
            if event["kind"] == EventKind.END:
                self.send([self.event.pack(kind=EventKind.CREDIT, id=event["c"], core_x=-event["x"],
                                           core_y=-event["y"])])
        return events


class Golden:
    """The cores by place, and what frames give."""

    def __init__(self, config: CoreConfig, given: dict[str, Any]):
        images = {(column, row): (np.array(words, np.uint64).reshape(-1, config.word_bits // 64), edges, populations)
                  for column, row, words, edges, populations in given["images"]}
        self.images: dict[Place, tuple[Words, int, int]] = images
        if "host" in given:
            self.mesh = Mesh(config, images, host=tuple(given["host"]))
            self.cores, self.run = self.mesh.cores, self.mesh.run_frame
        else:
            words, edges, populations = images[0, 0]
            core = Core(config, words, edges=edges, populations=populations)
            self.cores, self.run = {(0, 0): core}, lambda frame: run_frame(core, frame)


async def load(program: Program, golden: Golden) -> None:
    """As docs/integration.md says: images, their sizes, RUN, wait, clear the counters."""
    places = program.map
    assert await program.get(places.own(BusRegister.IDENTIFICATION)) == IDENTIFICATION
    assert await program.get(places.own(BusRegister.CORES)) == places.columns | places.rows << 16
    for place, (words, edges, populations) in golden.images.items():
        answer = await program.axi.write(places.memory(0, *place), words.astype("<u8").tobytes())
        assert answer.resp == OKAY
        await program.put(places.core(Register.EDGES, *place), edges)
        await program.put(places.core(Register.POPULATIONS, *place), populations)
    await program.put(places.all(Register.CONTROL), Control.RUN)
    for place in golden.images:
        await program.until(places.core(Register.STATUS, *place), Status.READY)
    await program.put(places.all(Register.CLEAR), 0)


async def look(program: Program, golden: Golden) -> None:
    """While cores run: an image's last word, which no frame changes, a counter, and what is not there."""
    places = program.map
    for place, (words, _, _) in golden.images.items():
        last, size = len(words) - 1, places.word_bytes
        for _ in range(5):
            assert await program.get(places.memory(last, *place), size) == int.from_bytes(
                words[last].astype("<u8").tobytes(), "little")
            assert await program.get(places.core(Register.COUNTER_BASE, *place), 8) > 0
            assert (await program.axi.read(places.core(9, *place), 4)).resp == SLVERR
            assert (await program.axi.write(places.core(Register.STATUS, *place), bytes(4))).resp == SLVERR


def arrived(event: dict[str, int]) -> dict[str, int]:
    """What is left of an event: the network uses up where it goes."""
    return {name: value for name, value in event.items() if name not in ("core_x", "core_y")}


async def run(program: Program, golden: Golden, frame: list[int], generator: random.Random) -> None:
    """One frame, and what must come of it."""
    expected = [program.event.unpack(word) for word in golden.run(np.array(frame, np.uint64)).tolist()]
    # Bits that are no event's must not matter.
    program.send([word | generator.getrandbits(8) << program.event.bits for word in frame])
    looking = cocotb.start_soon(look(program, golden))
    credits = sum(program.event.unpack(word)["kind"] == EventKind.END for word in frame)
    received: list[list[dict[str, int]]] = []
    while len(received) < credits + sum(event["kind"] == EventKind.END for event in expected):
        received.append(await program.packet())
    for packet in received:
        assert [event["kind"] == EventKind.VALUE for event in packet] == [True] * (len(packet) - 1) + [False]
    events = [event for packet in received for event in packet]
    came = [event for event in events if event["kind"] != EventKind.CREDIT]
    assert by_id([arrived(event) for event in came]) == by_id([arrived(event) for event in expected])
    assert sum(event["kind"] == EventKind.CREDIT for event in events) == credits > 0
    await looking


@cocotb.test()
async def frames_over_the_buses(dut: Any) -> None:
    given = parameters()
    config = CoreConfig.from_json(given["config"])
    places, generator = AddressMap(config, given["columns"], given["rows"]), random.Random(seed())
    program, golden = Program(dut, places, generator, given), Golden(config, given)
    await program.reset()
    await load(program, golden)
    await program.put(places.own(BusRegister.PENDING), 7)
    await program.put(places.own(BusRegister.ENABLE), Interrupt.FRAME)
    for frame in given["frames"]:
        assert dut.irq.value == 0
        await run(program, golden, frame, generator)
        for _ in range(3):  # the END may just have been taken
            await RisingEdge(dut.aclk)
        assert dut.irq.value == 1
        await program.put(places.own(BusRegister.PENDING), Interrupt.FRAME)
        await program.until(places.own(BusRegister.STATUS), BusStatus.IDLE)
    assert await program.get(places.own(BusRegister.PENDING)) & ~Interrupt.IDLE == 0
    for place, core in golden.cores.items():
        for number, name in enumerate(counters(config)):
            value = await program.get(places.core(Register.COUNTER_BASE + number, *place), 8)
            assert name not in core.counters or value == core.counters[name], (place, name)
    # An event of an ID that nobody has: an error, and an interrupt if it is asked for.
    await program.put(places.own(BusRegister.ENABLE), Interrupt.ERROR)
    program.send([given["frames"][0][0] | program.event.pack(id=config.max_edges - 1)])
    await program.until(places.own(BusRegister.PENDING), Interrupt.ERROR)
    assert dut.irq.value == 1
    await program.put(places.all(Register.CONTROL), 0)
    for place, core in golden.cores.items():
        memory = await program.axi.read(places.memory(0, *place), config.memory_bytes)
        assert memory.resp == OKAY and memory.data == core.memory.astype("<u8").tobytes(), place
    assert program.sink.empty() and program.source.empty()
