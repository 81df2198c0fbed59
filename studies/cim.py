"""The section of docs/measured.md on compute in memory; the macro's periphery has one of its own."""

from collections.abc import Iterable
from typing import Any

from studies.markdown import table
from synapress.reports.cim.tables import sheets
from synapress.reports.tables import Sheet

COMMAND = ("--run", "rtl", "--trained", "--search", "recorded", "--figures", "docs")
"""Arguments of `synapress cim`."""


def text(found: dict[str, Any]) -> str:
    """The section: tables and pictures of `synapress cim`."""
    return "\n\n".join((
        "What stays is counted in the cells of arrays in which everything was placed. Energies are constants of the "
        "paper, and of memory models, times counts: none of them is measured.",
        "![Operands of each layer, and what stays](cim_footprint.png)",
        "![Energy of a timestep against sparsity, and what is saved](cim_energy.png)",
        "![Energy of an operation by shape](cim_shapes.png)",
        *_parts(sheets(found))))


def _parts(made: Iterable[Sheet]) -> list[str]:
    """Each table with its title and its caption."""
    return [f"**{sheet.title}.** {sheet.caption}".rstrip() + f"\n\n{table(sheet.headings, sheet.rows)}"
            for sheet in made]
