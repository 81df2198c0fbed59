"""What the room of memory organisations holds."""

from typing import ClassVar

from amaranth import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.synapse.organisations import interface
from golden.synapse.organisations.interface import Sizes
from rtl.ports import ReadPort
from rtl.words import struct


class Organisation(wiring.Component):
    """Gives the synapses of a neuron from memory, one by one: a room of `rtl.rooms.ORGANISATIONS`.

    Args:
        sizes: the widths; of a configuration, those of an organisation in a core.

    Ports:
        request: stream of requests, each with all that is known of its layer.
        index, weight: read ports; a word comes `read_latency` cycles after its access. The second one is for weights.
        synapse: stream of synapses (`golden.synapse.organisations.interface.synapse_layout`), in order.
        busy: a request is inside. While it is low nothing of the memory is remembered: the host may change it.
        done: pulse, all synapses of a request have been taken; or it has none, or has been dropped.
        error: pulse, a request, the rest of it or one of its synapses has been dropped.
        index_read, bitmap_read, weight_read, weight_write: pulses, an access has been granted; or, of weight_write,
            `retired`.
        retired: only with `Sizes.learning`: pulse, one for each synapse of an UPDATE, in their order, when its weight
            has been written, or will not be: a read that is granted in a later cycle sees it. Until then the weight is
            not read by another synapse, no request of another pass begins, and `busy` is high.

    Throughput: one synapse per cycle within a request. Back-pressure: no word is asked for without room for it.
    """

    model: ClassVar[type[interface.Organisation]]
    """What it does, in the golden model."""

    def __init__(self, sizes: Sizes | CoreConfig):
        self.sizes = sizes = sizes if isinstance(sizes, Sizes) else Sizes.of(sizes)
        super().__init__({
            "request": In(stream.Signature(self.request_layout(sizes))),
            "index": Out(ReadPort(sizes)), "weight": Out(ReadPort(sizes)),
            "synapse": Out(stream.Signature(self.synapse_layout(sizes))),
            "busy": Out(1), "done": Out(1), "error": Out(1), **{kind: Out(1) for kind in interface.KINDS},
            **({"retired": In(1)} if sizes.learning else {}),
        })

    @classmethod
    def request_layout(cls, sizes: Sizes) -> data.StructLayout:
        """A request, and its layer as a packed word."""
        fields = {field.name: signed(field.bits) if field.signed else field.bits
                  for field in interface.request_layout(sizes).fields}
        return data.StructLayout({**fields, "layer": struct(cls.model.layer_layout(sizes))})

    @classmethod
    def synapse_layout(cls, sizes: Sizes) -> data.StructLayout:
        """A synapse."""
        return struct(interface.synapse_layout(sizes))
