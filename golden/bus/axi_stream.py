"""Events on AXI4-Streams: one event a transfer, in the low bits of `tdata`."""

from golden.config import CoreConfig
from golden.types import Words
from golden.words import EventKind, layouts


def data_bits(config: CoreConfig) -> int:
    """Bits of `tdata`: those of an event, up to a power of two of bytes, which DMA engines and C's integers have."""
    size = 8
    while size < layouts(config).event.bits:
        size *= 2
    return size


def last(event: int, config: CoreConfig) -> bool:
    """Whether `tlast` goes with an event that comes out: with every one that is no VALUE.

    So a packet is the values of an output with their END, or what has come of them with a CREDIT. Nothing that a host
    waits for stays behind in an unfinished packet: values are followed by their END, and the last END of a frame may
    come before the last CREDIT.
    """
    return layouts(config).event.unpack(event)["kind"] != EventKind.VALUE


def packets(events: Words, config: CoreConfig) -> list[list[int]]:
    """Events as they come out, as packets; the last one may be unfinished."""
    found: list[list[int]] = [[]]
    for event in events.tolist():
        found[-1].append(event)
        if last(event, config):
            found.append([])
    return [packet for packet in found if packet]
