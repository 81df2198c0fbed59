"""The decoders of memory organisations as gates, at work on a layer: their area, and what moves in them.

The gates (`synapress.tools.netlist`) get the layer's own requests one after the other, from memories that hold its
words and never wait; the synapses that come out are compared with the golden model's.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from amaranth.lib import data

from golden import rooms
from golden.config import CoreConfig
from golden.errors import ToolError
from golden.synapse.organisations.interface import Organisation, Pass, Sizes, synapse_layout
from rtl.rooms import ORGANISATIONS
from rtl.synapse.organisations import interface as hardware
from synapress.tools.netlist import Activity, Netlist

CYCLES = 2000
"""Of a trace, at least, unless the requests end before."""


def decoder(name: str, sizes: Sizes) -> hardware.Organisation:
    """The component of an organisation.

    Raises:
        ConfigError: there is none in hardware.
    """
    return ORGANISATIONS.load(name, hardware.Organisation)(sizes)


def there_is(name: str) -> bool:
    """Whether an organisation is there in hardware, too."""
    return name in ORGANISATIONS.names() and name in rooms.ORGANISATIONS.names()


def gates(name: str, sizes: Sizes) -> Netlist:
    """An organisation's decoder, synthesized.

    Raises:
        ConfigError: there is none in hardware.
        ToolError: synthesis failed.
    """
    return Netlist(decoder(name, sizes), CoreConfig.preset("grai_vip"))


def trace(made: Organisation, neurons: Sequence[int], *, value: int = 1, cycles: int = CYCLES,
          walk: int = Pass.FORWARD, netlist: Netlist | None = None) -> Activity:
    """What moves in a decoder while it expands requests.

    Args:
        made: the layer, packed. In an update its weights are written back as they were, a cycle after their synapse.
        neurons: of the requests, one behind the other.
        cycles: after so many no further request is given.
        walk: the requests' pass.
        netlist: the decoder's `gates`, if they are there.

    Raises:
        ToolError: the gates do not give the golden model's synapses, or synthesis failed.
    """
    netlist = netlist or gates(made.name, made.sizes)
    bits = _request_bits(made, walk)
    wanted: list[tuple[int, int]] = []
    found: list[tuple[int, int]] = []
    nets: list[bytes] = []
    waiting, given = deque(neurons), 0
    answers: dict[str, deque[int]] = {port: deque([0] * made.sizes.read_latency) for port in ("index", "weight")}
    words = {"index": made.index_word, "weight": made.weight_word}
    fields, idle, retired = synapse_layout(made.sizes), 0, 0
    netlist.step({"rst": 1})
    while idle < 3 + 2 * made.sizes.read_latency:
        asks = bool(waiting) and len(nets) < cycles
        inputs = {"index__ready": 1, "weight__ready": 1, "synapse__ready": 1, "request__valid": int(asks),
                  "index__data": answers["index"].popleft(), "weight__data": answers["weight"].popleft(),
                  **({"retired": retired} if made.sizes.learning else {})}
        if asks:
            inputs["request__payload"] = bits(waiting[0], value)
        outputs, all_nets = netlist.step(inputs)
        nets.append(all_nets)
        for port, answer in answers.items():
            answer.append(words[port](outputs[f"{port}__address"]) if outputs[f"{port}__valid"] else 0)
        retired = int(outputs["synapse__valid"] and walk == Pass.UPDATE)
        if outputs["synapse__valid"]:
            synapse = fields.unpack(outputs["synapse__payload"])
            found.append((synapse["neuron"], synapse["weight"]))
        if asks and outputs["request__ready"]:
            request = {"pass": walk, "neuron": waiting.popleft(), "value": value}
            expansion = made.expand(request)
            wanted += zip(expansion.neurons.tolist(), expansion.weights.tolist(), strict=True)
            given += 1
        idle = 0 if outputs["busy"] or (waiting and len(nets) < cycles) else idle + 1
    if found != wanted or not given:
        raise ToolError(f"the gates of '{made.name}' gave {len(found)} synapses that are not the golden model's "
                        f"{len(wanted)}")
    return netlist.activity(nets)


def _request_bits(made: Organisation, walk: int) -> Callable[[int, int], int]:
    """A request's bits, by its neuron and value."""
    layout = ORGANISATIONS.load(made.name, hardware.Organisation).request_layout(made.sizes)
    layer = made.layer_layout(made.sizes).pack(made.layer)
    place: dict[str, tuple[int, int]] = {name: (field.offset, field.width) for name, field in layout}
    assert isinstance(layout, data.StructLayout)

    def packed(neuron: int, value: int) -> int:
        values: dict[str, Any] = {"pass": walk, "neuron": neuron, "value": value, "layer": layer}
        return sum((values[name] & (1 << width) - 1) << offset for name, (offset, width) in place.items())

    return packed
