"""What the compute-in-memory update and its evaluation tell each other."""

from amaranth import unsigned
from amaranth.lib import data

from golden.config import CoreConfig


def column_range(config: CoreConfig) -> range:
    """Numbers of columns, of a whole array, too."""
    return range(config.cim_columns + 1)


def scan_layout(config: CoreConfig) -> data.StructLayout:
    """A population to scan: COMPARE and RESET of all its potentials. Width and height are minus one; `zero`: RESET to
    zero instead of by subtraction."""
    return data.StructLayout({
        "population": unsigned(config.population_bits), "zero": unsigned(1),
        "width": unsigned(config.coordinate_bits), "height": unsigned(config.coordinate_bits),
    })


def answer_layout(config: CoreConfig) -> data.StructLayout:
    """The spikes of one operand: those of its groups, each over `columns` + 1 columns from column `base` on.

    `groups`: of a whole block, minus one. `last`: the operand is of the last block of its position.
    """
    column = unsigned((config.cim_columns - 1).bit_length())
    return data.StructLayout({
        "spikes": unsigned(config.cim_columns), "base": column, "columns": column, "groups": column,
        "last": unsigned(1),
    })
