"""What software and logic around a core need: registers, counters, event kinds and packed words, as JSON and as C.

All from `golden.registers`, `golden.words` and `golden.bus.address_map`. `python -m rtl.integration` prints the tables
of docs/integration.md.
"""

from typing import Any

from golden import messages
from golden.bus.address_map import BUS_REGISTERS, STRIDE, AddressMap
from golden.config import PRESETS, CoreConfig
from golden.fields import WordLayout
from golden.registers import (
    ACCESS_COUNTERS,
    CIM_COUNTERS,
    COUNTERS,
    FLUSH_BIT,
    REGISTERS,
    TABLE_ACCESS_COUNTERS,
    TABLE_COUNTERS,
    Register,
    counters,
    host_registers,
)
from golden.words import EVENT_KINDS, layouts


def host_interface(config: CoreConfig) -> dict[str, Any]:
    """Registers, counters and event kinds, as JSON values."""
    return {
        "registers": [{
            "name": item.name, "address": item.address, "access": item.access, "meaning": item.meaning,
            "bits": [{"name": bit.name, "bit": bit.mask.bit_length() - 1, "meaning": bit.meaning} for bit in item.bits],
        } for item in host_registers(config)],
        "counters": [{"name": name, "address": Register.COUNTER_BASE + number, "bits": config.counter_bits,
                      "meaning": meaning} for number, (name, meaning) in enumerate(counters(config).items())],
        "event_kinds": [{"name": kind.name, "kind": kind.kind, "meaning": kind.meaning, "fields": kind.fields}
                        for kind in EVENT_KINDS],
    }


def tables() -> str:
    """The tables of docs/integration.md: registers, counters, kinds of events."""
    lines = ["| address | register | access | meaning |", "|---|---|---|---|"]
    for item in REGISTERS:
        bits = "".join(f". Bit {bit.mask.bit_length() - 1} {bit.name}: {bit.meaning}" for bit in item.bits)
        lines.append(f"| {item.address} | {item.name} | {item.access} | {item.meaning}{bits} |")
    lines += ["", "| address | counter | meaning |", "|---|---|---|"]
    lines += [f"| {Register.COUNTER_BASE + number} | `{name}` | {meaning} |"
              for number, (name, meaning) in enumerate(COUNTERS.items())]
    lines += ["", "| address | counter with `access_counters` | meaning |", "|---|---|---|"]
    lines += [f"| {Register.COUNTER_BASE + number} | `{name}` | {meaning} |"
              for number, (name, meaning) in enumerate(ACCESS_COUNTERS.items(), len(COUNTERS))]
    lines += ["", "| counter with `organisations` | place | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {place} | {meaning} |" for found, place in (
        (TABLE_COUNTERS, f"{Register.COUNTER_BASE + len(COUNTERS)}; those of accesses are one further"),
        (TABLE_ACCESS_COUNTERS, "behind those of accesses")) for name, meaning in found.items()]
    lines += ["", f"With `update` = cim CONTROL has bit {FLUSH_BIT.mask.bit_length() - 1} {FLUSH_BIT.name}: "
              f"{FLUSH_BIT.meaning}.", "", "| counter with `update` = cim | place | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {Register.COUNTER_BASE + number}; those of accesses are {len(CIM_COUNTERS)} further | "
              f"{meaning} |" for number, (name, meaning) in enumerate(CIM_COUNTERS.items(), len(COUNTERS))]
    lines += ["", "| kind | event | meaning | fields |", "|---|---|---|---|"]
    for kind in EVENT_KINDS:
        fields = "; ".join(f"`{name}`: {meaning}" for name, meaning in kind.fields.items())
        lines.append(f"| {kind.kind} | {kind.name} | {kind.meaning} | {fields} |")
    return "\n".join([*lines, ""])


BUS_PLACES = (
    ("own", "one of the bus's own registers"),
    ("core", "register or counter *n* of a core"),
    ("all", "register *n* of all cores: written only"),
    ("memory", "word *n* of a core's memory"),
    ("column", "added for each column of a mesh"),
    ("row", "added for each row"),
)
"""What `golden.bus.address_map.AddressMap.bases` are of."""
SHOWN = (AddressMap(PRESETS["fpga_small"]), AddressMap(PRESETS["grai_vip"]), AddressMap(PRESETS["grai_vip"], 12, 12))
"""The systems in the tables of docs/integration.md."""


def bus_interface(places: AddressMap) -> dict[str, Any]:
    """The address map of an AXI4-Lite bus and the bus's own registers, as JSON values; addresses are in bytes."""
    return {
        "data_bits": places.data_bits, "address_bits": places.bits, "columns": places.columns, "rows": places.rows,
        "addresses": places.bases, "register_bytes": STRIDE, "word_bytes": places.word_bytes,
        "registers": [{
            "name": item.name, "address": places.own(item.address), "access": item.access, "meaning": item.meaning,
            "bits": [{"name": bit.name, "bit": bit.mask.bit_length() - 1, "meaning": bit.meaning} for bit in item.bits],
        } for item in BUS_REGISTERS],
    }


def bus_tables() -> str:
    """The tables of docs/integration.md about AXI buses: what is where, and the bus's own registers."""
    names = [places.config.name + (f", {places.columns} × {places.rows}" if places.columns > 1 else "")
             for places in SHOWN]
    lines = [f"| from address | next *n* | {' | '.join(names)} |", f"|---|---|{'---|' * len(names)}"]
    for name, meaning in BUS_PLACES:
        step = {"memory": "bytes of a word", "column": "", "row": ""}.get(name, str(STRIDE))
        # Where there is one core, no column and no row has an address of its own.
        shown = [f"0x{places.bases[name]:X}" if name not in ("column", "row") or places.columns > 1 else ""
                 for places in SHOWN]
        lines.append(f"| {meaning} | {step} | {' | '.join(shown)} |")
    lines.append(f"| bits of an address | | {' | '.join(str(places.bits) for places in SHOWN)} |")
    lines += ["", "| address | register | access | meaning |", "|---|---|---|---|"]
    for item in BUS_REGISTERS:
        bits = "".join(f". Bit {bit.mask.bit_length() - 1} {bit.name}: {bit.meaning}" for bit in item.bits)
        lines.append(f"| 0x{SHOWN[0].own(item.address):02X} | {item.name} | {item.access} | {item.meaning}{bits} |")
    return "\n".join([*lines, ""])


def c_header(name: str, config: CoreConfig, places: AddressMap | None = None) -> str:
    """A C99 header for the core of the module `name`: numbers as macros, and functions for event words.

    Args:
        places: if it is behind an AXI4-Lite bus: addresses too.
    """
    prefix, event = name.upper(), layouts(config).event
    lines = [
        f"/* Host interface of the module '{name}', configuration '{config.name}'. */",
        f"#ifndef {prefix}_H", f"#define {prefix}_H", "#include <stdint.h>", "",
        "/* Registers: accesses with `register` = 1. */",
    ]
    for item in host_registers(config):
        lines.append(f"#define {prefix}_{item.name} {item.address} /* {item.access}: {item.meaning} */")
        lines += [f"#define {prefix}_{item.name}_{bit.name} 0x{bit.mask:x} /* {bit.meaning} */" for bit in item.bits]
    lines += ["", f"/* Counters, {config.counter_bits} bits each; they are registers, too. */"]
    lines += [f"#define {prefix}_COUNTER_{counter.upper()} {Register.COUNTER_BASE + number} /* {meaning} */"
              for number, (counter, meaning) in enumerate(counters(config).items())]
    lines += ["", "/* Kinds of events. */"]
    lines += [f"#define {prefix}_{kind.name} {kind.kind} /* {kind.meaning} */" for kind in EVENT_KINDS]
    for word in (messages.request(config), event):
        lines += ["", f"/* The {word.name} word: lowest bit and width of each field. */",
                  f"#define {prefix}_{word.name.upper()}_BITS {word.bits}"]
        for field in word.fields:
            stem = f"{prefix}_{word.name.upper()}_{field.name.upper()}"
            lines += [f"#define {stem}_LOW {word.positions[field.name]}", f"#define {stem}_BITS {field.bits}"]
    lines += ["", *_event_functions(name, event)]
    if places is not None:
        lines += _bus_macros(name, places)
    return "\n".join([*lines, f"#endif /* {prefix}_H */", ""])


def _bus_macros(name: str, places: AddressMap) -> list[str]:
    """Addresses on an AXI4-Lite bus, in bytes from where the system has it."""
    prefix, bases = name.upper(), places.bases
    lines = [f"/* AXI4-Lite, {places.data_bits} bits: byte addresses. The bus's own registers. */"]
    for item in BUS_REGISTERS:
        lines.append(f"#define {prefix}_BUS_{item.name} 0x{places.own(item.address):x} /* {item.access} */")
        lines += [f"#define {prefix}_BUS_{item.name}_{bit.name} 0x{bit.mask:x} /* {bit.meaning} */"
                  for bit in item.bits]
    place = f"column * 0x{bases['column']:x}u + row * 0x{bases['row']:x}u"
    parameters = "uint32_t column, uint32_t row, uint32_t"
    return [
        *lines, f"#define {prefix}_BUS_COLUMNS {places.columns}", f"#define {prefix}_BUS_ROWS {places.rows}",
        f"#define {prefix}_BUS_ADDRESS_BITS {places.bits}", f"#define {prefix}_WORD_BYTES {places.word_bytes}", "",
        "/* A core's memory word; a core's register or counter; a register of all cores, written only. */",
        f"static inline uint32_t {name}_memory({parameters} word) {{",
        f"  return 0x{bases['memory']:x}u + {place} + word * {places.word_bytes}u;", "}",
        f"static inline uint32_t {name}_register({parameters} number) {{",
        f"  return 0x{bases['core']:x}u + {place} + number * {STRIDE}u;", "}",
        f"static inline uint32_t {name}_all(uint32_t number) {{",
        f"  return 0x{bases['all']:x}u + number * {STRIDE}u;", "}", "",
    ]


def _event_functions(name: str, event: WordLayout) -> list[str]:
    fields = [(field, event.positions[field.name]) for field in event.fields]
    order = ("kind", "id", "c", "x", "y", "v", "core_x", "core_y")
    packed = " |\n         ".join(f"((uint64_t){field.name} & 0x{(1 << field.bits) - 1:x}) << {low}"
                                  for field, low in fields)
    lines = ["/* An event as one word. */",
             f"static inline uint64_t {name}_event({', '.join(f'int {item}' for item in order)}) {{",
             f"  return {packed};", "}", "", "/* The fields of an event. */"]
    for field, low in fields:
        raw = f"(int)(event >> {low} & 0x{(1 << field.bits) - 1:x})"
        half = 1 << (field.bits - 1)
        lines += [f"static inline int {name}_event_{field.name}(uint64_t event) {{",
                  f"  return ({raw} ^ {half}) - {half};" if field.signed else f"  return {raw};", "}"]
    return [*lines, ""]


if __name__ == "__main__":
    print(tables())
    print(bus_tables(), end="")
