"""Prints the fields of each packed word with their bits, and what is free: the table of docs/architecture.md.

    python -m studies.words            # print
    python -m studies.words --write    # put the table into the document
"""

import argparse
from dataclasses import replace
from pathlib import Path

from golden.config import PRESETS, CoreConfig
from golden.widths import CONNECTIVITY_BITS
from golden.words import layouts

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"
MARK, END = "<!-- words -->", "<!-- end of words -->"
LARGE = 17
"""Address bits of a memory of 1 MB, in words of 64 bits."""


def configurations() -> dict[str, CoreConfig]:
    """The columns of the table."""
    grai = PRESETS["grai_vip"]
    return {"grai_vip": grai, "grai_vip with 1 MB": replace(grai, name="large", address_bits=LARGE),
            "fpga_small": PRESETS["fpga_small"]}


def table() -> str:
    """Fields with their bits in the first column's configuration, and the bits left in each."""
    columns = configurations()
    lines = [f"| word | fields and their bits in grai_vip | {' | '.join(f'free in {name}' for name in columns)} |",
             f"|---|---|{'---|' * len(columns)}"]
    for name, word in vars(layouts(columns["grai_vip"])).items():
        fields = ", ".join(f"{field.name} {field.bits}" for field in word.fields)
        free = [CONNECTIVITY_BITS - getattr(layouts(config), name).bits for config in columns.values()]
        lines.append(f"| {word.name} | {fields} | {' | '.join(map(str, free))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/architecture.md")
    if parser.parse_args().write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARK)
        PAGE.write_text(before + MARK + "\n" + table() + END + rest.partition(END)[2], encoding="utf-8")
    else:
        print(table(), end="")


if __name__ == "__main__":
    main()
