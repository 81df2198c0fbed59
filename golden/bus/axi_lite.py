"""What an AXI4-Lite bus answers, one beat after another, and what it does to the cores: without any time.

Memory words are wider than beats. Beats that write are gathered until a word is whole; what other accesses could see is
written before them. So the model writes at once, byte by byte. A reading takes a whole word from a core, as its words
change while it runs; each other beat of it is answered from that copy, once, if nothing else of a core is read or
written between.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from golden.bus.address_map import (
    REGISTER_BYTES,
    AddressMap,
    BusRegister,
    Interrupt,
    Page,
    Target,
)
from golden.types import Place

OKAY, SLVERR = 0, 2
"""Responses: done; there is no such word or register, it cannot be read or written, or not in part: nothing is done."""


class Node(Protocol):
    """A core as the bus sees it: whole words, and registers."""

    def read(self, register: bool, number: int) -> int:
        """A word of memory, or a register."""

    def write(self, register: bool, number: int, value: int) -> None:
        """Write one."""


@dataclass
class AxiLite:
    """The bus in front of cores, by place (column, row).

    Attributes:
        enable, pending: the registers; bits of `Interrupt`.
        status: the register STATUS.
    """

    map: AddressMap
    nodes: Mapping[Place, Node]
    enable: int = 0
    pending: int = 0
    status: int = 0
    _copy: tuple[Page | None, int, int, int] | None = field(default=None, init=False)
    """Which word the last reading has taken; the beats of it that have not been read; the word."""
    _left: set[int] = field(default_factory=set, init=False)
    _word: int = field(default=0, init=False)

    @property
    def interrupt(self) -> bool:
        return bool(self.enable & self.pending)

    def write(self, address: int, data: int, strobe: int) -> int:
        """One beat; bit i of `strobe` writes byte i of `data`. Returns the response."""
        target = self.map.target(address)
        if target is None or not target.writable:
            return SLVERR
        low = 8 * target.beat * self.map.beat_bytes
        mask = sum(0xFF << 8 * byte for byte in range(self.map.beat_bytes) if strobe >> byte & 1) << low
        data <<= low
        if target.page is not None:
            mask &= (1 << 8 * REGISTER_BYTES) - 1
        if target.page is Page.BUS:
            self._write_own(target, data & mask, mask)
            return OKAY
        if not mask:
            return OKAY
        if target.page is Page.ALL:
            if mask != (1 << 8 * REGISTER_BYTES) - 1:
                return SLVERR
            for node in self.nodes.values():
                node.write(True, target.number, data & mask)
        else:
            node, register = self.nodes[target.column, target.row], target.page is Page.CORE
            kept = node.read(register, target.number) & ~mask
            node.write(register, target.number, kept | data & mask)
        self._copy = None
        return OKAY

    def read(self, address: int) -> tuple[int, int]:
        """One beat: data and response."""
        target = self.map.target(address)
        if target is None or not target.readable:
            return 0, SLVERR
        if target.page is Page.BUS:
            word = self._own(target.number)
        else:
            if target.word != self._copy or target.beat not in self._left:
                self._copy = target.word
                self._word = self.nodes[target.column, target.row].read(target.page is Page.CORE, target.number)
                self._left = set(range(self.map.word_bytes // self.map.beat_bytes))
            self._left.discard(target.beat)
            word = self._word
        return word >> self.map.data_bits * target.beat & (1 << self.map.data_bits) - 1, OKAY

    def _own(self, number: int) -> int:
        return (self.map.constants() | {
            BusRegister.STATUS: self.status, BusRegister.PENDING: self.pending, BusRegister.ENABLE: self.enable,
        })[number]

    def _write_own(self, target: Target, data: int, mask: int) -> None:
        every = Interrupt.IDLE | Interrupt.ERROR | Interrupt.FRAME
        if target.number == BusRegister.ENABLE:
            self.enable = (self.enable & ~mask | data) & every
        else:
            self.pending &= ~data
