"""Every address of small systems, and what is there; said apart from the map by counting on."""

import dataclasses
import itertools

import pytest

from golden.bus import address_map
from golden.bus.address_map import BUS_REGISTERS, AddressMap, BusRegister, BusStatus, Interrupt, Page
from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from golden.registers import REGISTERS, Register, counters

SMALL = dataclasses.replace(PRESETS["fpga_small"], address_bits=7, weight_stride_bits=8)
WIDE = dataclasses.replace(SMALL, lanes=8, access_counters=1)
SYSTEMS = [AddressMap(SMALL), AddressMap(SMALL, data_bits=64), AddressMap(SMALL, 3, 2),
           AddressMap(WIDE, 2, 1), AddressMap(dataclasses.replace(SMALL, address_bits=10), 1, 3)]


def expected(places: AddressMap) -> dict[int, tuple[Page | None, int, int, int, int]]:
    """All bytes at which something is: page, column, row, number and beat."""
    found: dict[int, tuple[Page | None, int, int, int, int]] = {}

    def put(address: int, size: int, what: tuple[Page | None, int, int, int]) -> None:
        for byte in range(size):
            assert address + byte not in found
            found[address + byte] = (*what, byte // (places.data_bits // 8))

    numbers = [item.address for item in REGISTERS]
    for column, row in itertools.product(range(places.columns), range(places.rows)):
        for word in range(places.config.memory_words):
            put(places.memory(word, column, row), places.config.word_bits // 8, (None, column, row, word))
        for number in [*numbers, *range(16, 16 + len(counters(places.config)))]:
            put(places.core(number, column, row), 8, (Page.CORE, column, row, number))
    for number in (0, 1, 2, 4):
        put(places.all(number), 8, (Page.ALL, 0, 0, number))
    for number in range(6):
        put(places.own(number), 8, (Page.BUS, 0, 0, number))
    return found


@pytest.mark.parametrize("places", SYSTEMS, ids=lambda places: f"{places.columns}x{places.rows}x{places.data_bits}")
def test_every_address(places: AddressMap) -> None:
    found = expected(places)
    assert max(found) < 1 << places.bits <= 2 * (max(found) + 1) * 2
    for address in range(1 << places.bits):
        target = places.target(address)
        assert (None if target is None else (*target.word, target.beat)) == found.get(address), hex(address)


def test_what_may_be_read_and_written() -> None:
    places = AddressMap(SMALL)

    def rights(address: int) -> str:
        target = places.target(address)
        assert target is not None
        return "r" * target.readable + "w" * target.writable

    for item in REGISTERS:
        assert rights(places.core(item.address)) == item.access
        assert "w" not in item.access or rights(places.all(item.address)) == "w"
    for item in BUS_REGISTERS:
        assert rights(places.own(item.address)) == item.access
    assert rights(places.core(Register.COUNTER_BASE)) == "r" and rights(places.memory(5)) == "rw"


def test_every_number_of_the_bus_is_described() -> None:
    def numbers(of: type) -> dict[str, int]:
        return {name: value for name, value in vars(of).items() if isinstance(value, int)}

    assert {item.name: item.address for item in BUS_REGISTERS} == numbers(BusRegister)
    bits = {item.name: {bit.name: bit.mask for bit in item.bits} for item in BUS_REGISTERS if item.bits}
    assert bits == {"STATUS": numbers(BusStatus), "PENDING": numbers(Interrupt), "ENABLE": numbers(Interrupt)}


def test_a_program_finds_its_way() -> None:
    """From the constants alone, as docs/integration.md says it."""
    for places in (*SYSTEMS, AddressMap(PRESETS["grai_vip"], 12, 12)):
        held = places.constants()
        columns, rows = held[BusRegister.CORES] & 0xFFFF, held[BusRegister.CORES] >> 16
        word = (held[BusRegister.WORDS] & 0xFFFF) // 8
        stride = max(4096, word << (held[BusRegister.WORDS] >> 24))
        row_stride = stride
        while row_stride < stride * columns:
            row_stride *= 2
        half = row_stride
        while half < row_stride * rows:
            half *= 2
        assert half + (columns - 1) * stride + (rows - 1) * row_stride + 5 * word == places.memory(
            5, columns - 1, rows - 1)
        assert held[BusRegister.WORDS] >> 16 & 0xFF == places.config.lanes


@pytest.mark.parametrize(("arguments", "message"), [
    ((0, 1, 32), "0 columns; an access reaches 1 to 256"), ((1, 257, 32), "257 rows"), ((1, 1, 16), "16 data bits")])
def test_impossible_systems(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AddressMap(CoreConfig(), *arguments)


def test_registers_fit_their_page() -> None:
    most = dataclasses.replace(CoreConfig(), access_counters=1)
    last = Register.COUNTER_BASE + len(counters(most)) - 1
    assert last < 1 << address_map.PAGE_BITS >> 3
    assert all(last < config.memory_words for config in PRESETS.values())
