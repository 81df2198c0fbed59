"""A core on AXI buses, as a system on chip sees it: image in, frames through, everything read back.

`parameters()`: `config`, `words` (the image, in words of 64 bits), `edges`, `populations`, `frames` (packed events),
`credits` (ENDs of a frame), `bus` and `stream`: pauses by name of `tb.streams.PAUSES`.
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
from golden.bus.axi_stream import data_bits, packets
from golden.config import CoreConfig
from golden.core import Core
from golden.host import run_frame
from golden.registers import Control, Register, Status, counters
from golden.words import EventKind, layouts
from synapress.tools.simulator import parameters, seed
from tb.streams import pauses

PERIOD = 10
"""Of the clock, in ns."""
PATIENCE = 400_000
"""Longest wait for anything, in ns."""


class Program:
    """What runs on the processor: it knows addresses, and the buses of one core."""

    def __init__(self, dut: Any, places: AddressMap, generator: random.Random, bus: str, stream: str):
        self.dut, self.map = dut, places
        self.event = layouts(places.config).event
        aclk, reset = dut.aclk, dut.aresetn
        self.axi = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), aclk, reset, reset_active_level=False)
        # An event is one element of a frame.
        whole = {"reset_active_level": False, "byte_size": data_bits(places.config)}
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), aclk, reset, **whole)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), aclk, reset, **whole)
        for logger in (self.axi.write_if.log, self.axi.read_if.log, self.source.log, self.sink.log):
            logger.setLevel("WARNING")
        for channel in (*vars(self.axi.write_if).values(), *vars(self.axi.read_if).values()):
            if hasattr(channel, "set_pause_generator"):
                channel.set_pause_generator(pauses(bus, random.Random(generator.getrandbits(32))))
        for end in (self.source, self.sink):
            end.set_pause_generator(pauses(stream, random.Random(generator.getrandbits(32))))

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
                self.send([self.event.pack(kind=EventKind.CREDIT, id=event["c"])])
        return events


async def load(program: Program, given: dict[str, Any]) -> None:
    """As docs/integration.md says: image, its sizes, RUN, wait, clear the counters."""
    places = program.map
    assert await program.get(places.own(BusRegister.IDENTIFICATION)) == IDENTIFICATION
    assert await program.get(places.own(BusRegister.CORES)) == 0x00010001
    image = np.array(given["words"], "<u8").tobytes()
    assert (await program.axi.write(places.memory(0), image)).resp == OKAY
    await program.put(places.core(Register.EDGES), given["edges"])
    await program.put(places.core(Register.POPULATIONS), given["populations"])
    await program.put(places.all(Register.CONTROL), Control.RUN)
    await program.until(places.core(Register.STATUS), Status.READY)
    await program.put(places.core(Register.CLEAR), 0)


async def look(program: Program, image: int) -> None:
    """While the core runs: the image's last words, which no frame changes, a counter, and what is not there."""
    places = program.map
    last = image - 1
    expected = await program.get(places.memory(last), places.word_bytes)
    for _ in range(10):
        assert await program.get(places.memory(last), places.word_bytes) == expected
        assert await program.get(places.core(Register.COUNTER_BASE), 8) > 0
        assert (await program.axi.read(places.core(9), 4)).resp == SLVERR
        assert (await program.axi.write(places.core(Register.STATUS), b"\xff\xff\xff\xff")).resp == SLVERR


@cocotb.test()
async def frames_over_the_buses(dut: Any) -> None:
    given = parameters()
    config = CoreConfig.from_json(given["config"])
    places, generator = AddressMap(config), random.Random(seed())
    program = Program(dut, places, generator, given["bus"], given["stream"])
    await program.reset()
    await load(program, given)
    await program.put(places.own(BusRegister.PENDING), 7)
    await program.put(places.own(BusRegister.ENABLE), Interrupt.FRAME)
    parts = np.array(given["words"], np.uint64).reshape(-1, config.word_bits // 64)
    golden = Core(config, parts, edges=given["edges"], populations=given["populations"])
    for frame in given["frames"]:
        assert dut.irq.value == 0
        expected = run_frame(golden, np.array(frame, np.uint64))
        # Bits that are no event's must not matter.
        program.send([word | generator.getrandbits(8) << program.event.bits for word in frame])
        looking = cocotb.start_soon(look(program, len(parts)))
        received: list[list[dict[str, int]]] = []
        wanted = len(packets(expected, config)) + given["credits"]
        while len(received) < wanted:
            received.append(await program.packet())
        for packet in received:
            assert [event["kind"] == EventKind.VALUE for event in packet] == [True] * (len(packet) - 1) + [False]
        events = [event for packet in received for event in packet]
        assert [event for event in events if event["kind"] != EventKind.CREDIT] == [
            program.event.unpack(word) for word in expected.tolist()]
        assert sum(event["kind"] == EventKind.CREDIT for event in events) == given["credits"]
        await looking
        for _ in range(3):  # the END may just have been taken
            await RisingEdge(dut.aclk)
        assert dut.irq.value == 1
        await program.put(places.own(BusRegister.PENDING), Interrupt.FRAME)
        await program.until(places.own(BusRegister.STATUS), BusStatus.IDLE)
    assert await program.get(places.own(BusRegister.PENDING)) & ~Interrupt.IDLE == 0
    for number, name in enumerate(counters(config)):
        value = await program.get(places.core(Register.COUNTER_BASE + number), 8)
        assert name not in golden.counters or value == golden.counters[name], name
    # An event of an ID that nobody has: an error, and an interrupt if it is asked for.
    await program.put(places.own(BusRegister.ENABLE), Interrupt.ERROR)
    program.send([program.event.pack(id=config.max_edges - 1, v=3)])
    await program.until(places.own(BusRegister.PENDING), Interrupt.ERROR)
    assert dut.irq.value == 1
    await program.put(places.all(Register.CONTROL), 0)
    memory = await program.axi.read(places.memory(0), config.memory_bytes)
    assert memory.resp == OKAY and memory.data == golden.memory.astype("<u8").tobytes()
    assert program.sink.empty() and program.source.empty()
