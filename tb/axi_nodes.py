"""The cores behind a bus, without cores: memories and registers at the end of a stream of accesses."""

import random
from typing import Any

from golden.bus.address_map import AddressMap
from golden.registers import Register, counters

LIVE_WORDS = 4
"""The last words of each memory change in every cycle, as words of a running core do; nothing writes them."""


class FakeNode:
    """A core as `golden.bus.axi_lite.Node` sees it.

    Attributes:
        cleared: writes of CLEAR. live: readings of live words.
    """

    def __init__(self, address_map: AddressMap, generator: random.Random):
        config = address_map.config
        self.config = config
        self.memory = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words - LIVE_WORDS)]
        self.counters = [generator.getrandbits(config.counter_bits) for _ in counters(config)]
        self.status = generator.getrandbits(4)
        self.registers = {Register.CONTROL: 0, Register.EDGES: 0, Register.POPULATIONS: 0}
        self.cleared = 0
        self.live = 0

    def read(self, register: bool, number: int) -> int:
        if register:
            if number >= Register.COUNTER_BASE:
                return self.counters[number - Register.COUNTER_BASE]
            return self.status if number == Register.STATUS else self.registers.get(number, 0)
        if number >= len(self.memory):
            self.live += 1
            return self.live_word()
        return self.memory[number]

    def live_word(self) -> int:
        raise NotImplementedError

    def write(self, register: bool, number: int, value: int) -> None:
        if not register:
            self.memory[number] = value
        elif number == Register.CLEAR:
            self.cleared += 1
        elif number in self.registers:
            bits = {Register.CONTROL: 2, Register.EDGES: self.config.edge_bits + 1,
                    Register.POPULATIONS: self.config.population_bits + 1}[number]
            self.registers[number] = value & (1 << bits) - 1
        else:
            raise AssertionError(f"register {number} is written")

    def state(self) -> dict[str, Any]:
        """All that a bus can change, and how often it has read what changes by itself."""
        return {"memory": self.memory, "registers": self.registers, "cleared": self.cleared, "live": self.live}


class BusyNode(FakeNode):
    """Behind the hardware: the parts of a live word are alike, and another number each time."""

    last = 0

    def live_word(self) -> int:
        part = self.live * 0x1234567 + 0x89ABCDEF & 0xFFFFFFFF
        self.last = sum(part << low for low in range(0, self.config.word_bits, 32))
        return self.last


class ModelNode(FakeNode):
    """Behind the model: a live word is what the hardware's network has given last; see that it has given as many."""

    def __init__(self, address_map: AddressMap, generator: random.Random, twin: BusyNode):
        super().__init__(address_map, generator)
        self.twin = twin

    def live_word(self) -> int:
        return self.twin.last
