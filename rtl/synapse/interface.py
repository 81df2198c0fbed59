"""What the room of synapse decoders holds."""

from typing import ClassVar

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from rtl.ports import ReadPort, op_layout, value_layout


class Decoder(wiring.Component):
    """Turns value events into the word operations of their synapses: a room of `rtl.rooms.DECODERS`.

    Ports:
        event: stream of events (`golden.messages.value`), VALUE only.
        descriptor: read port to what the synapses are computed or looked up from.
        edges: IDs in use; one at or above it is unknown. populations: those of the core. Neither must change while
            busy.
        op: stream of operations (`golden.messages.operation`).
        busy: an event is inside, or an operation of it has not been taken. While it is low nothing of the memory is
            remembered: the host may change it.
        unknown_id, unknown_channel: one-cycle pulses, an event has been dropped.
        decoded: a pulse for each event of a known ID, dropped or not: `population` is then the
            one that its edge word names.
        good: only with `guard_states`: which populations take events.
    """

    latency: ClassVar[int]
    """Cycles from an event taken by the idle unit to its first operation offered, if no read waits."""
    memory_ports: ClassVar[tuple[str, ...]] = ("descriptor",)

    def __init__(self, config: CoreConfig, **more: wiring.Member):
        """`more`: ports of this decoder, or in the place of those that all have."""
        self.config = config
        super().__init__({
            "event": In(stream.Signature(value_layout(config))), "descriptor": Out(ReadPort(config)),
            "edges": In(config.edge_bits + 1), "populations": In(config.population_bits + 1),
            "op": Out(stream.Signature(op_layout(config))), "busy": Out(1),
            "unknown_id": Out(1), "unknown_channel": Out(1),
            "decoded": Out(1), "population": Out(config.population_bits),
            **({"good": In(config.max_populations)} if config.guard_states else {}), **more,
        })
