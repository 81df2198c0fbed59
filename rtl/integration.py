"""What software and logic around a core need: registers, counters, event kinds and packed words, as JSON and as C.

All from `golden.registers` and `golden.words`. `python -m rtl.integration` prints the tables of docs/integration.md.
"""

from typing import Any

from golden import messages
from golden.config import CoreConfig
from golden.registers import ACCESS_COUNTERS, COUNTERS, REGISTERS, Register, counters
from golden.words import EVENT_KINDS, WordLayout, layouts


def host_interface(config: CoreConfig) -> dict[str, Any]:
    """Registers, counters and event kinds, as JSON values."""
    return {
        "registers": [{
            "name": item.name, "address": item.address, "access": item.access, "meaning": item.meaning,
            "bits": [{"name": bit.name, "bit": bit.mask.bit_length() - 1, "meaning": bit.meaning} for bit in item.bits],
        } for item in REGISTERS],
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
    lines += ["", "| kind | event | meaning | fields |", "|---|---|---|---|"]
    for kind in EVENT_KINDS:
        fields = "; ".join(f"`{name}`: {meaning}" for name, meaning in kind.fields.items())
        lines.append(f"| {kind.kind} | {kind.name} | {kind.meaning} | {fields} |")
    return "\n".join([*lines, ""])


def c_header(name: str, config: CoreConfig) -> str:
    """A C99 header for the core of the module `name`: numbers as macros, and functions for event words."""
    prefix, event = name.upper(), layouts(config).event
    lines = [
        f"/* Host interface of the module '{name}', configuration '{config.name}'. */",
        f"#ifndef {prefix}_H", f"#define {prefix}_H", "#include <stdint.h>", "",
        "/* Registers: accesses with `register` = 1. */",
    ]
    for item in REGISTERS:
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
    return "\n".join([*lines, "", *_event_functions(name, event), f"#endif /* {prefix}_H */", ""])


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
    print(tables(), end="")
