"""The wires between AXI4-Streams and streams of events."""

import random

from amaranth.lib import wiring
from amaranth.sim import Simulator

from golden.bus.axi_stream import last
from golden.config import PRESETS
from golden.words import EventKind, layouts
from rtl.bus.axi_stream import AxiStreamIn, AxiStreamOut

SMALL = PRESETS["fpga_small"]
EVENT = layouts(SMALL).event


def run(block: wiring.Component, bench) -> None:  # type: ignore[no-untyped-def]
    simulator = Simulator(block)
    simulator.add_testbench(bench)
    simulator.run()


def test_events_in(seed: int) -> None:
    """Bits beyond the event do not matter."""
    rng, block = random.Random(seed), AxiStreamIn(SMALL)

    async def bench(context) -> None:  # type: ignore[no-untyped-def]
        for _ in range(100):
            word, valid, ready = rng.getrandbits(64), rng.getrandbits(1), rng.getrandbits(1)
            context.set(block.s_axis_tdata, word)
            context.set(block.s_axis_tvalid, valid)
            context.set(block.event.ready, ready)
            assert context.get(block.event.payload.as_value()) == word % (1 << EVENT.bits)
            assert context.get(block.event.valid) == valid and context.get(block.s_axis_tready) == ready

    run(block, bench)


def test_events_out(seed: int) -> None:
    """Each kind of event, in every state of the handshake."""
    rng, block, seen = random.Random(seed), AxiStreamOut(SMALL), set()

    async def bench(context) -> None:  # type: ignore[no-untyped-def]
        for _ in range(400):
            word, valid, ready = rng.getrandbits(EVENT.bits), rng.getrandbits(1), rng.getrandbits(1)
            kind = EVENT.unpack(word)["kind"]
            context.set(block.event.payload.as_value(), word)
            context.set(block.event.valid, valid)
            context.set(block.m_axis_tready, ready)
            assert context.get(block.m_axis_tdata) == word
            assert context.get(block.m_axis_tlast) == last(word, SMALL)
            assert context.get(block.m_axis_tvalid) == valid == context.get(block.offered)
            assert context.get(block.event.ready) == ready
            assert context.get(block.frame) == (valid and ready and kind == EventKind.END)
            seen.add((kind, valid, ready))

    run(block, bench)
    assert len(seen) == 32
