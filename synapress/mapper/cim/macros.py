"""What stays, as bits in the arrays of macros: strips of operands side by side and one below the other."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from synapress.mapper.cim.stationarity import Choice, Item, Kind

ROWS, COLUMNS = 512, 256
"""Of one macro, as published."""


@dataclass(frozen=True)
class Strip:
    """A rectangle of one layer's operands in one macro: below them are the rows that streaming operands work in."""

    item: Item
    macro: int
    row: int
    column: int
    first: int
    """First operand."""
    count: int
    """Operands, one below the other."""
    first_channel: int
    groups: int
    """Channels side by side."""
    rows: int
    """Of one operand."""
    columns: int
    """Of one channel (N_C)."""
    work_rows: int
    """For one operand of the other kind, and for the threshold."""


@dataclass(frozen=True)
class Placed:
    """Macros with what stays in them."""

    choice: Choice
    strips: tuple[Strip, ...]
    cells: np.ndarray
    """bool (macros, rows, columns): their bits."""
    owner: np.ndarray
    """int16 (macros, rows, columns): 2 × layer + (0 weights, 1 potentials) of the operand whose bit it is; FREE and WORK
    are no operand's."""

    def bits(self, layer: int | None = None, kind: Kind | None = None) -> int:
        """Cells that hold operands, of a layer and a kind or of all."""
        raise NotImplementedError

    @property
    def macros(self) -> int:
        return len(self.cells)


FREE, WORK = -1, -2


def place(choice: Choice, macros: int | None = None, *, shapes: Mapping[str, int] | None = None,
          weights: Mapping[str, np.ndarray] | None = None, seed: int = 0, rows: int = ROWS,
          columns: int = COLUMNS) -> Placed:
    """Put what stays into macros.

    Args:
        choice: what stays.
        macros: how many there are; default: as many as it takes.
        shapes: columns of one operand (N_C) by layer; default: `columns_of`.
        weights: int (outputs, inputs, kernel, kernel) by layer; default: drawn.
        seed: of what is drawn.

    Raises:
        MappingError: they do not fit.
        ConfigError: a shape has no columns, or more than the array.
    """
    raise NotImplementedError
