"""Events on AXI4-Streams: sizes and packets."""

import numpy as np
import pytest

from golden.bus.axi_stream import data_bits, packets
from golden.config import PRESETS
from golden.words import layouts

SMALL = PRESETS["fpga_small"]
EVENT = layouts(SMALL).event


def test_a_packet_ends_with_what_is_no_value() -> None:
    kinds = [0, 0, 1, 2, 0, 1, 2, 2, 0]
    events = np.array([EVENT.pack(kind=kind, v=index) for index, kind in enumerate(kinds)], np.uint64)
    found = packets(events, SMALL)
    assert [[EVENT.unpack(event)["kind"] for event in packet] for packet in found] == [
        [0, 0, 1], [2], [0, 1], [2], [2], [0]]
    assert [event for packet in found for event in packet] == events.tolist()


@pytest.mark.parametrize("config", PRESETS.values(), ids=str)
def test_a_transfer_holds_an_event(config) -> None:  # type: ignore[no-untyped-def]
    bits = data_bits(config)
    assert layouts(config).event.bits <= bits == 64
