"""What integrators get besides the Verilog: C header and JSON say what the golden words say; so does the guide."""

import dataclasses
import json
import random
import re
import subprocess
from pathlib import Path

import pytest

from golden import messages, registers
from golden.bus.address_map import BUS_REGISTERS, AddressMap, BusRegister, Interrupt
from golden.config import FLEXSPIM, CoreConfig
from golden.ports import PORTS
from golden.words import EVENT_KINDS, EventKind, layouts
from rtl import integration
from rtl.ports import port_signature
from rtl.verilog import generate

SMALL = CoreConfig.preset("fpga_small")
COUNTING = dataclasses.replace(SMALL, access_counters=1)
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "integration.md"


def numbers(of: type) -> dict[str, int]:
    return {name: value for name, value in vars(of).items() if isinstance(value, int)}


def test_every_number_is_described() -> None:
    assert {item.name: item.address for item in registers.REGISTERS} == {
        name: address for name, address in numbers(registers.Register).items() if name != "COUNTER_BASE"}
    for name, bits in (("CONTROL", registers.Control), ("STATUS", registers.Status)):
        (register,) = (item for item in registers.REGISTERS if item.name == name)
        more = [registers.FLUSH_BIT] if name == "CONTROL" else []
        assert {bit.name: bit.mask for bit in (*register.bits, *more)} == numbers(bits)
    assert {kind.name: kind.kind for kind in EVENT_KINDS} == numbers(EventKind)
    fields = {field.name for field in layouts(SMALL).event.fields}
    assert all(set(kind.fields) <= fields for kind in EVENT_KINDS)


def test_the_guide_has_the_tables() -> None:
    for tables in (integration.tables(), integration.bus_tables()):
        assert tables in GUIDE.read_text(), "python -m rtl.integration prints the tables as they are now"


def test_the_description_has_the_host_interface(tmp_path: Path) -> None:
    generate("core", SMALL, tmp_path, name="chip")
    assert (tmp_path / "chip.h").read_text() == integration.c_header("chip", SMALL)
    host = json.loads((tmp_path / "chip.json").read_text())["host"]
    assert [item["address"] for item in host["registers"]] == [item.address for item in registers.REGISTERS]
    assert [(item["name"], item["address"]) for item in host["counters"]] == [
        (name, 16 + number) for number, name in enumerate(registers.COUNTERS)]
    assert [item["name"] for item in integration.host_interface(COUNTING)["counters"]] == [
        *registers.COUNTERS, *registers.ACCESS_COUNTERS]
    in_memory = integration.host_interface(FLEXSPIM)
    assert [item["name"] for item in in_memory["counters"]] == [
        *registers.COUNTERS, *registers.CIM_COUNTERS, *registers.ACCESS_COUNTERS]
    assert {"name": "FLUSH", "bit": 2, "meaning": registers.FLUSH_BIT.meaning} in in_memory["registers"][0]["bits"]
    assert "chip_CONTROL_FLUSH 0x4".upper() in integration.c_header("chip", FLEXSPIM).upper()
    assert "host" not in json.loads(generate("peg", SMALL, tmp_path).with_suffix(".json").read_text())
    assert not (tmp_path / "peg.h").exists()


@pytest.mark.parametrize("preset", ["grai_vip", "fpga_small"])
def test_c_makes_the_events_that_the_golden_words_make(preset: str, tmp_path: Path, seed: int) -> None:
    config, rng = CoreConfig.preset(preset), random.Random(seed)
    (tmp_path / "chip.h").write_text(integration.c_header("chip", config))
    event = layouts(config).event
    cases = [{field.name: rng.randint(field.low, field.high) for field in event.fields} for _ in range(30)]
    order = ("kind", "id", "c", "x", "y", "v", "core_x", "core_y")
    calls = "\n".join(f'  print(chip_event({", ".join(str(case[name]) for name in order)}));' for case in cases)
    shown = ", ".join(f"chip_event_{name}(word)" for name in order)
    (tmp_path / "main.c").write_text(f"""
#include <inttypes.h>
#include <stdio.h>
#include "chip.h"
static void print(uint64_t word) {{
  printf("%" PRIx64 "{' %d' * len(order)}\\n", word, {shown});
}}
int main(void) {{
{calls}
  printf("%d %d %d %d\\n", CHIP_CONTROL_RUN, CHIP_COUNTER_WORD_OPS, CHIP_REQUEST_DATA_LOW, CHIP_REQUEST_BITS);
  return 0;
}}
""")
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", "main", "main.c"], cwd=tmp_path, check=True)
    lines = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout.splitlines()
    for case, line in zip(cases, lines[:-1], strict=True):
        word, *fields = line.split()
        assert int(word, 16) == event.pack(case)
        assert dict(zip(order, map(int, fields), strict=True)) == case
    request = messages.request(config)
    low = sum(field.bits for field in request.fields[:-1])
    assert request.fields[-1].name == "data"
    assert [*map(int, lines[-1].split())] == [
        registers.Control.RUN, 16 + list(registers.COUNTERS).index("word_ops"), low, request.bits]


def test_c_finds_what_is_on_the_bus(tmp_path: Path) -> None:
    """Addresses and bits of the header and the JSON are those of the map."""
    places = AddressMap(SMALL, 3, 2)
    (tmp_path / "chip.h").write_text(integration.c_header("chip", SMALL, places))
    (tmp_path / "main.c").write_text("""
#include <stdio.h>
#include "chip.h"
int main(void) {
  (void)chip_event; (void)chip_event_v; (void)chip_event_c; (void)chip_event_y; (void)chip_event_x; (void)chip_event_id;
  (void)chip_event_kind; (void)chip_event_core_y; (void)chip_event_core_x;
  printf("%u %u %u %d %d %d %d\\n", chip_memory(2, 1, 77), chip_register(1, 1, CHIP_STATUS), chip_all(CHIP_CONTROL),
         CHIP_BUS_PENDING, CHIP_BUS_PENDING_FRAME, CHIP_BUS_COLUMNS, CHIP_WORD_BYTES);
  return 0;
}
""")
    subprocess.run(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", "main", "main.c"], cwd=tmp_path, check=True)
    said = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout
    assert [*map(int, said.split())] == [
        places.memory(77, 2, 1), places.core(registers.Register.STATUS, 1, 1), places.all(registers.Register.CONTROL),
        places.own(BusRegister.PENDING), Interrupt.FRAME, 3, 8]
    described = integration.bus_interface(places)
    bases = described["addresses"]
    assert places.memory(77, 2, 1) == (
        bases["memory"] + 2 * bases["column"] + bases["row"] + 77 * described["word_bytes"])
    assert [item["address"] for item in described["registers"]] == [places.own(item.address) for item in BUS_REGISTERS]


def test_the_header_is_plain_c(tmp_path: Path) -> None:
    for config, more in ((SMALL, 0), (COUNTING, 10)):
        header = integration.c_header("chip", config, AddressMap(config))
        assert not re.search(r"[^\x00-\x7f]", header)
        assert header.count("#define CHIP_COUNTER_") == len(registers.COUNTERS) + more
        assert ("#define CHIP_COUNTER_WEIGHT_READS 36 /*" in header) == bool(more)


def test_every_direction_of_a_memory_port_has_a_counter() -> None:
    """Read from the signatures that connect the ports with their requesters."""
    directions = []
    for port in PORTS:
        members = port_signature(port, COUNTING).members
        directions += [f"{port.name}_reads"] * ("data" in members) + [f"{port.name}_writes"] * ("write_data" in members)
    assert directions == list(registers.ACCESS_COUNTERS)
