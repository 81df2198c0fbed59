"""The payloads (`golden.messages`) and memory ports that the blocks of a core share."""

from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden import messages
from golden.config import CoreConfig
from golden.ports import Port
from golden.synapse.organisations.interface import Sizes
from golden.synapse.tables.accumulate import StateSizes
from rtl.words import struct


class ReadPort(wiring.Signature):
    """A requester's view of the memory, read only.

    `address` is accepted when `valid & ready`; `data` holds the word READ_LATENCY cycles (`golden.ports`) later, or
    with sizes of their own `read_latency`, and only then. `valid` must not wait for `ready`, but may be withdrawn.
    """

    def __init__(self, config: CoreConfig | Sizes | StateSizes):
        super().__init__({
            "valid": Out(1), "ready": In(1), "address": Out(config.address_bits), "data": In(config.word_bits),
        })


class MemoryPort(wiring.Signature):
    """A requester's view of the memory, reading and writing whole words; see ReadPort and WritePort."""

    def __init__(self, config: CoreConfig):
        super().__init__({
            "valid": Out(1), "ready": In(1), "address": Out(config.address_bits), "data": In(config.word_bits),
            "write": Out(1), "write_data": Out(config.word_bits),
        })


class WritePort(wiring.Signature):
    """A requester's view of the memory, writing whole words.

    `address` is accepted when `valid & ready`; `write_data` is the word in the cycle after, and only then.
    """

    def __init__(self, config: CoreConfig):
        super().__init__({
            "valid": Out(1), "ready": In(1), "address": Out(config.address_bits), "write_data": Out(config.word_bits),
        })


def port_signature(port: Port, config: CoreConfig) -> wiring.Signature:
    """The signature of a memory port, as its requester sees it."""
    return (MemoryPort if port.reads and port.writes else ReadPort if port.reads else WritePort)(config)


def neuron_layout(config: CoreConfig) -> data.StructLayout:
    """A firing neuron, or the end of its population's timestep."""
    return struct(messages.neuron(config))


def op_layout(config: CoreConfig) -> data.StructLayout:
    """A word operation."""
    return struct(messages.operation(config))


def command_layout(config: CoreConfig) -> data.StructLayout:
    """A population to evaluate."""
    return struct(messages.command(config))


def value_layout(config: CoreConfig) -> data.StructLayout:
    """What the ESU gets to see of a VALUE event."""
    return struct(messages.value(config))


def request_layout(config: CoreConfig) -> data.StructLayout:
    """A host access."""
    return struct(messages.request(config))
