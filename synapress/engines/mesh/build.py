"""Compiles the node of a mesh with the C++ host that makes a mesh of it."""

from collections.abc import Collection
from functools import cache
from pathlib import Path

from golden.config import CoreConfig
from golden.noc.access import HOP_BITS, counted
from golden.noc.router import LEAST_DEPTH
from golden.registers import counters
from golden.words import layouts
from rtl.counters import period
from synapress.engines import verilated
from synapress.engines.cycle_model import cycle_model
from synapress.engines.mesh.unit import Unit

HARNESS = Path(__file__).with_name("main.cpp")
INCLUDED = tuple(HARNESS.with_name(name) for name in ("host.h", "nodes.h", "program.h"))


def widths(config: CoreConfig) -> dict[str, int]:
    """What the C++ host needs to know of a mesh of such cores."""
    event = layouts(config).event
    return (verilated.widths(config) | {
        "ID_BITS": event.field("id").bits, "HOP_BITS": HOP_BITS, "PERIOD": period(config),
        "COUNTER_CYCLES": list(counters(config)).index("cycles"), "ROW_BITS": counted(config, "row").bits,
        **{f"{name.upper()}_BITS": event.field(name).bits for name in ("x", "y", "core_x", "core_y")}}
        | {f"{name.upper()}_LOW": event.positions[name] for name in ("x", "y", "core_x", "core_y")}
        | verilated.positions("ROW", counted(config, "row"))
        | verilated.positions("COLUMN", counted(config, "column")))


@cache
def build(config: CoreConfig, *, depth: int = LEAST_DEPTH, entries: Collection[str] = ("north",), waves: bool = False,
          directory: Path = Path("build/simulate")) -> Path:
    """The simulator of every mesh of such nodes; a second call with the same design is served from `directory`.

    Args:
        depth, entries: see `rtl.noc.node.Node`.
        waves: it can write waveforms, and is slower.

    Raises:
        ToolError: see `verilated.build`.
    """
    options = ["--trace-vcd"] if waves else []
    return verilated.compiled(
        cycle_model(Unit(config, depth, entries=entries), "unit"), "unit", HARNESS,
        (*INCLUDED, *verilated.COMMON), f"mesh-{config.name}", directory,
        defines=widths(config) | {"WAVES": int(waves)}, options=options)
