"""The event queues lose nothing, as long as the PEG starts nothing without room."""

from pathlib import Path

import pytest
from amaranth import Cat, Signal
from amaranth.lib.wiring import In

from golden.config import PRESETS, CoreConfig
from golden.timing.microarchitecture import PEG_FLIGHT
from rtl.queues import EventQueues
from tests.formal.prover import Observed, prove


class NothingOverflows(Observed):
    """The PEG starts an event when it likes, if there is room; `flight` cycles later it is sent, or was no hit."""

    def __init__(self, config: CoreConfig, flight: int):
        super().__init__(EventQueues(config), {"starts": In(1), "hits": In(1)})
        self.flight = flight

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        queues, flying = self.block, Signal(self.flight, name="flying")
        m = self.connected({"sent__valid": flying[-1] & self.hits})
        m.d.sync += flying.eq(Cat(self.starts & queues.room, flying))
        self.shown |= {"room": queues.room, "flying": flying, "overflow": queues.overflow}
        self.settle(m, [], {"overflow": ~queues.overflow})
        return m


@pytest.mark.parametrize("preset", PRESETS)
def test_no_queue_overflows(preset: str, tmp_path: Path) -> None:
    prove(NothingOverflows(PRESETS[preset], PEG_FLIGHT - 1), tmp_path)


def test_a_longer_flight_is_refuted(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="broken_overflow=1"):
        prove(NothingOverflows(PRESETS["fpga_small"], PEG_FLIGHT), tmp_path)
