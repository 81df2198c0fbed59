"""The payloads and memory ports that the blocks of a core share."""

from amaranth import signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.words import layouts


class ReadPort(wiring.Signature):
    """A requester's view of the memory, read only.

    `address` is accepted when `valid & ready`; `data` holds the word in the next cycle, and only then. `valid` must not
    wait for `ready`, but may be withdrawn.
    """

    def __init__(self, config: CoreConfig):
        super().__init__({
            "valid": Out(1), "ready": In(1), "address": Out(config.address_bits), "data": In(config.word_bits),
        })


class MemoryPort(wiring.Signature):
    """A requester's view of the memory, reading and writing whole words; see ReadPort."""

    def __init__(self, config: CoreConfig):
        super().__init__({
            "valid": Out(1), "ready": In(1), "address": Out(config.address_bits), "data": In(config.word_bits),
            "write": Out(1), "write_data": Out(config.word_bits),
        })


def neuron_layout(config: CoreConfig) -> data.StructLayout:
    """A firing neuron, or the end of its population's timestep (`end`: x, y, c and v are 0)."""
    return data.StructLayout({
        "x": unsigned(config.coordinate_bits), "y": unsigned(config.coordinate_bits),
        "c": unsigned(config.channel_bits), "v": signed(config.value_bits),
        "axon_base": unsigned(config.address_bits), "axons": unsigned(config.axon_count_bits),
        "population": unsigned(config.population_bits), "end": unsigned(1),
    })


def op_layout(config: CoreConfig) -> data.StructLayout:
    """A word operation: the update of up to `lanes` states in one memory word.

    `state_address` has one bit more than an address, so that an overflow is seen; `weight_address` is in bytes. The
    lanes' weights are the `lanes` bytes from there (aligned), or with `broadcast` the one byte there, for the one lane
    of `mask`.
    """
    return data.StructLayout({
        "state_address": unsigned(config.address_bits + 1), "weight_address": unsigned(config.weight_address_bits),
        "mask": unsigned(config.lanes), "broadcast": unsigned(1), "max": unsigned(1),
        "shift": unsigned(config.product_shift_bits), "v": signed(config.value_bits),
    })


def command_layout(config: CoreConfig) -> data.StructLayout:
    """Evaluate this population; `word` is its population word."""
    return data.StructLayout({
        "population": unsigned(config.population_bits), "word": unsigned(layouts(config).population.bits),
    })
