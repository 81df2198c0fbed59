"""The section of docs/measured.md on the compute-in-memory macro, of the JSON of its benchmark."""

from collections.abc import Mapping
from typing import Any

from studies.markdown import table


def periphery(found: Mapping[str, Any]) -> str:
    """Of `benchmarks.cim_macro`."""
    names = [name for name in found["sizes"][0] if name != "columns"]
    rows = [(f"{row['columns']}", *(f"{row[name]:,}" for name in names)) for row in found["sizes"]]
    clocks = "; ".join(f"{row['columns']} columns: {row['mhz']:.1f} MHz on an {row['device']}, {row['path']}"
                       for row in found["clocks"])
    return ("Adders, carries and what columns tell each other; \"macro\" is all but the array's cells.\n\n"
            + table(("columns", *names), rows)
            + f"\n\nThe whole macro, array of {found['rows']} rows included, placed and routed: {clocks}")
