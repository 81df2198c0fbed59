"""The addresses of a core or a mesh on an AXI4-Lite bus, and the bus's own registers: the one description of both.

A byte address has, from its lowest bit, an offset, a column, a row, and one bit that says what the offset is in: the
memory of the core in that place, or registers. All are powers of two, so that logic and programs add no products.
"""

from dataclasses import dataclass
from enum import Enum

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.noc.access import HOP_BITS
from golden.registers import REGISTERS, Bit, HostRegister, Register, counters

DATA_BITS = (32, 64)
"""Widths that AXI4-Lite has."""
STRIDE = 8
"""Bytes from one register to the next: a counter has up to 64 bits, and addresses are the same on both widths."""
PAGE_BITS = 10
"""log2 of the bytes of a page of registers: 128 registers."""
REGISTER_BYTES = 4
"""Bytes of a register that a write changes; of those that can be written none has more than 32 bits."""


class Page(Enum):
    """What is on a page of registers, from offset page << PAGE_BITS."""

    BUS = 0
    """The bus's own registers; in the place of the first core alone."""
    CORE = 1
    """The registers and counters of the core in this place."""
    ALL = 2
    """A write goes to this register of all cores, one after another; in the place of the first core alone."""


class BusRegister:
    """Numbers of the bus's own registers."""

    IDENTIFICATION = 0
    CORES = 1
    WORDS = 2
    STATUS = 3
    """Bits of `BusStatus`."""
    PENDING = 4
    """Bits of `Interrupt`."""
    ENABLE = 5
    """Bits of `Interrupt`."""


class BusStatus:
    """Bits of the bus's register STATUS."""

    IDLE = 1
    OFFERED = 2


class Interrupt:
    """Bits of PENDING and ENABLE."""

    IDLE = 1
    ERROR = 2
    FRAME = 4


IDENTIFICATION = 0x53594E01
"""The letters SYN, and the version of this map."""
ROW_LOW = 16
"""Lowest bit of the rows in CORES, of the lanes in WORDS."""
ADDRESS_LOW = 24
"""Lowest bit of the address bits in WORDS."""

_CAUSES = (
    ("IDLE", Interrupt.IDLE, "has become idle: nothing in any queue or pipeline"),
    ("ERROR", Interrupt.ERROR, "an error counter of a core has counted, or an event or an access had no way"),
    ("FRAME", Interrupt.FRAME, "an END has been taken from an event output: a frame of an output is complete"),
)
BUS_REGISTERS = (
    HostRegister("IDENTIFICATION", BusRegister.IDENTIFICATION, "r", f"0x{IDENTIFICATION:08X}: the letters SYN, and the "
                 "version of this map"),
    HostRegister("CORES", BusRegister.CORES, "r", f"columns in bits 15–0, rows in bits 31–{ROW_LOW}"),
    HostRegister("WORDS", BusRegister.WORDS, "r", "bits of a memory word in bits 15–0, lanes in bits "
                 f"{ADDRESS_LOW - 1}–{ROW_LOW}, log2 of the words of a memory in bits 31–{ADDRESS_LOW}"),
    HostRegister("STATUS", BusRegister.STATUS, "r", "what all are doing", (
        Bit("IDLE", BusStatus.IDLE, "nothing in any queue or pipeline of a core, nor on a way between them"),
        Bit("OFFERED", BusStatus.OFFERED, "an event output offers an event"))),
    HostRegister("PENDING", BusRegister.PENDING, "rw", "what has happened; a bit that is written as 1 becomes 0, "
                 "unless it happens again in that cycle", tuple(Bit(*cause) for cause in _CAUSES)),
    HostRegister("ENABLE", BusRegister.ENABLE, "rw", "`irq` is high while a bit is set both here and in PENDING; "
                 "0 after a reset", tuple(Bit(name, mask, f"{name} of PENDING counts") for name, mask, _ in _CAUSES)),
)
"""The bus's own registers."""


@dataclass(frozen=True)
class Target:
    """What an address is of: a word of memory, or a register."""

    page: Page | None
    """None: memory."""
    column: int
    row: int
    number: int
    """Of the word or register."""
    beat: int
    """Which `data_bits` of it, from the lowest."""
    readable: bool
    writable: bool

    @property
    def word(self) -> tuple[Page | None, int, int, int]:
        """The target without its beat."""
        return self.page, self.column, self.row, self.number


@dataclass(frozen=True)
class AddressMap:
    """The addresses of the cores of one system.

    Raises:
        ConfigError: on construction: more columns or rows than accesses reach, or another width than 32 or 64.
    """

    config: CoreConfig
    columns: int = 1
    rows: int = 1
    data_bits: int = 32

    def __post_init__(self) -> None:
        for what, count in (("columns", self.columns), ("rows", self.rows)):
            if not 1 <= count <= 1 << HOP_BITS:
                raise ConfigError(f"bus: {count} {what}; an access reaches 1 to {1 << HOP_BITS}")
        if self.data_bits not in DATA_BITS:
            raise ConfigError(f"bus: {self.data_bits} data bits; AXI4-Lite has {' or '.join(map(str, DATA_BITS))}")

    # -- fields of an address ------------------------------------------------------------------

    @property
    def beat_bytes(self) -> int:
        return self.data_bits // 8

    @property
    def word_bytes(self) -> int:
        return self.config.word_bits // 8

    @property
    def memory_bits(self) -> int:
        """log2 of the bytes of a core's memory."""
        return self.config.address_bits + self.config.byte_bits

    @property
    def offset_bits(self) -> int:
        """log2 of the bytes from a core to the next one of its row."""
        return max(self.memory_bits, PAGE_BITS + 2)

    @property
    def column_bits(self) -> int:
        return (self.columns - 1).bit_length()

    @property
    def row_bits(self) -> int:
        return (self.rows - 1).bit_length()

    @property
    def bits(self) -> int:
        """Bits of a byte address."""
        return self.offset_bits + self.column_bits + self.row_bits + 1

    # -- addresses -----------------------------------------------------------------------------

    def memory(self, word: int, column: int = 0, row: int = 0) -> int:
        """Byte address of a memory word."""
        return self._place(column, row) | 1 << (self.bits - 1) | word * self.word_bytes

    def core(self, register: int, column: int = 0, row: int = 0) -> int:
        """Byte address of a core's register."""
        return self._place(column, row) | Page.CORE.value << PAGE_BITS | register * STRIDE

    def all(self, register: int) -> int:
        """Byte address that writes a register of all cores."""
        return Page.ALL.value << PAGE_BITS | register * STRIDE

    def own(self, register: int) -> int:
        """Byte address of one of the bus's own registers."""
        return Page.BUS.value << PAGE_BITS | register * STRIDE

    @property
    def bases(self) -> dict[str, int]:
        """First addresses of what is there, and what to add for the next column and row, by name."""
        return {
            "own": self.own(0), "core": self.core(0), "all": self.all(0), "memory": self.memory(0),
            "column": 1 << self.offset_bits, "row": 1 << (self.offset_bits + self.column_bits),
        }

    def _place(self, column: int, row: int) -> int:
        return (row << self.column_bits | column) << self.offset_bits

    def target(self, address: int) -> Target | None:
        """What the beat that holds a byte of this address is of; None: nothing is there.

        The bits within a beat are not looked at.
        """
        offset = address & ((1 << self.offset_bits) - 1)
        column = address >> self.offset_bits & ((1 << self.column_bits) - 1)
        row = address >> (self.offset_bits + self.column_bits) & ((1 << self.row_bits) - 1)
        if column >= self.columns or row >= self.rows:
            return None
        if address >> (self.bits - 1) & 1:
            if offset >> self.memory_bits:
                return None
            return Target(None, column, row, offset // self.word_bytes, offset % self.word_bytes // self.beat_bytes,
                          True, True)
        if offset >> PAGE_BITS >= len(Page):
            return None
        page, number = Page(offset >> PAGE_BITS), offset % (1 << PAGE_BITS) // STRIDE
        if page is not Page.CORE and (column or row):
            return None
        reads, writes = self.access(page)
        if number not in reads | writes:
            return None
        return Target(page, column, row, number, offset % STRIDE // self.beat_bytes, number in reads, number in writes)

    def access(self, page: Page) -> tuple[frozenset[int], frozenset[int]]:
        """Numbers of the registers of a page that can be read, and of those that can be written."""
        listed = BUS_REGISTERS if page is Page.BUS else REGISTERS
        writes = frozenset(item.address for item in listed if "w" in item.access)
        if page is Page.ALL:
            return frozenset(), writes
        reads = {item.address for item in listed if "r" in item.access}
        if page is Page.CORE:
            reads |= {Register.COUNTER_BASE + number for number in range(len(counters(self.config)))}
        return frozenset(reads), writes

    def constants(self) -> dict[int, int]:
        """What the registers hold that never change, by number."""
        config = self.config
        return {
            BusRegister.IDENTIFICATION: IDENTIFICATION,
            BusRegister.CORES: self.columns | self.rows << ROW_LOW,
            BusRegister.WORDS: config.word_bits | config.lanes << ROW_LOW | config.address_bits << ADDRESS_LOW,
        }
