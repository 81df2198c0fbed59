"""What each neuron type costs: logic of the evaluation with it, over one without it.

    python -m benchmarks.neuron_types [--config PRESET|FILE] [--json FILE]

The evaluation reads, evaluates and writes back states; a neuron type is a unit in it. Sums and plain spiking neurons
are always there. Types that keep two values need states of 32 bits, so there are two tables: for the configuration as
it is, and for one with states of 32 bits and a memory of the same bytes.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.files import write
from golden.neuron.types import built_types
from golden.rooms import NEURON_TYPES
from synapress.reports.tables import Sheet, show
from synapress.tools import area

ALWAYS = ("sum", "spiking")
TARGETS = {"cmos": "transistors", "xilinx": "LUTs"}


def with_states(config: CoreConfig, bits: int) -> CoreConfig:
    """The configuration with states of so many bits, and a memory of the same bytes."""
    wider = bits.bit_length() - config.state_bits.bit_length()
    return dataclasses.replace(config, name=f"{config.name}_{bits}", state_bits=bits,
                               address_bits=config.address_bits - wider)


def rows(config: CoreConfig, console: Console) -> list[dict[str, Any]]:
    """Of the evaluation without more types, with each alone, and with all that the configuration can have."""
    possible = [name for name in NEURON_TYPES.names() if name not in ALWAYS and _can_have(config, name)]
    found: list[dict[str, Any]] = []
    for name, types in [("", ALWAYS), *((each, (*ALWAYS, each)) for each in possible), ("all", (*ALWAYS, *possible))]:
        with console.status(f"{config.name}: synthesizes with {', '.join(types)}"):
            made = dataclasses.replace(config, neuron_types=types)
            sizes = {what: int(area.estimate("evaluation", made, target).size) for target, what in TARGETS.items()}
        found.append({"states": config.state_bits, "type": name, "types": list(types), **sizes})
    return found


def _can_have(config: CoreConfig, name: str) -> bool:
    try:
        built_types(dataclasses.replace(config, neuron_types=(*ALWAYS, name)))
    except ConfigError:
        return False
    return True


def sheet(found: list[dict[str, Any]]) -> Sheet:
    """One table for each width of states."""
    table = Sheet(title=f"Evaluation by neuron types, states of {found[0]['states']} bits", headings=(
        "type", *(head for what in TARGETS.values() for head in (what, "more"))),
        caption="Estimates by yosys. More: than with sums and plain spiking neurons alone.")
    for row in found:
        table.add_row(row["type"] or "sum, spiking", *(text for what in TARGETS.values() for text in (
            f"{row[what]:,}", f"{row[what] / found[0][what] - 1:+.1%}")))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    config, console = CoreConfig.load(arguments.config), Console()
    found = [rows(made, console) for made in dict.fromkeys((config, with_states(config, 32)))]
    show([sheet(each) for each in found], console)
    if arguments.json:
        write(arguments.json, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
