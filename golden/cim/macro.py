"""The compute-in-memory macro: an array of cells, below each column a bit-serial adder.

Chauvaux et al., arXiv 2410.23082, section II: weights and potentials are rows of one array, two of
which are read, added and written back in a cycle. Two models of the same operations: `LiteralMacro` goes from column to
column as a carry does, `FastMacro` computes with integers. The operations' order in time, one row of the potential each
cycle, and what saturation does, are this project's.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from golden.cim.operand import INT64, Rows, Shape, from_rows, to_rows, wrap
from golden.errors import ConfigError
from golden.fields import Field, WordLayout
from golden.types import Array

ROWS, COLUMNS = 512, 256
"""Of the paper's macro: 16 kB."""
Spikes = npt.NDArray[np.bool_]
"""Of each column: its group's value is not below its threshold."""


class Kind(IntEnum):
    """What an operation does with the potentials of its active groups."""

    ADD = 0
    """Adds the weight."""
    COMPARE = 1
    """Tells which are not below the threshold, exactly; writes nothing."""
    SUBTRACT = 2
    """Subtracts the threshold, where the last COMPARE found it reached."""
    ZERO = 3
    """Sets to 0, where the last COMPARE found the threshold reached."""


@dataclass(frozen=True)
class MacroOperation:
    """One operation on groups of columns side by side: N_R rows of the potential, one after the other."""

    kind: Kind
    a: int
    """First row of the potentials."""
    b: int
    """First row of the weights or thresholds; of no meaning for ZERO."""
    a_rows: int
    """N_R of the potentials."""
    b_rows: int
    """N_R of the weights or thresholds, at most a_rows; above them the sign is repeated."""
    low: int
    """First active column: where a group begins."""
    high: int
    """Column behind the last active one: where a group ends."""
    saturate: bool = False
    """Sums that overflow become the largest or smallest value, which takes as many cycles again; only of ADD and
    SUBTRACT. Sums wrap otherwise."""

    @property
    def cycles(self) -> int:
        """Row cycles."""
        return self.a_rows * (2 if self.saturate and self.kind in (Kind.ADD, Kind.SUBTRACT) else 1)


def loses_a_cycle(before: MacroOperation, operation: MacroOperation) -> bool:
    """Whether an operation that follows another at once waits.

    Its weight begins in the row that is written last; or it needs the sign of a weight of one row, while the spikes of
    a COMPARE go to all columns of their groups.
    """
    if before.kind == Kind.COMPARE:
        waits = operation.b_rows == 1 and operation.cycles > 1
    else:
        waits = operation.b == before.a + before.a_rows - 1
    return waits and operation.kind != Kind.ZERO


def operation_layout(rows: int, columns: int) -> WordLayout:
    """A `MacroOperation` as the macro's port `op` takes it."""
    row, column = (rows - 1).bit_length(), (columns - 1).bit_length()
    return WordLayout("macro operation", (
        Field("kind", 2), Field("a", row), Field("b", row), Field("a_rows", row, bias=1), Field("b_rows", row, bias=1),
        Field("low", column), Field("high", column + 1), Field("saturate", 1),
    ))


def shape_layout(columns: int) -> WordLayout:
    """What the macro's port `shape` takes: N_C, and the first column of the first group.

    How many groups there are need not be said: an operation names its active columns.
    """
    column = (columns - 1).bit_length()
    return WordLayout("macro shape", (Field("columns", column, bias=1), Field("base", column)))


class Macro:
    """What both models share: the array, the shape of groups, the spikes, and counts.

    Attributes:
        array: (rows, columns) cells. spikes: by column, of the last COMPARE; none outside of its active columns.
        cycles: row cycles. column_ops, idle_column_ops: active and other columns, summed over them.

    Raises:
        ConfigError: rows or columns are no positive numbers.
    """

    def __init__(self, rows: int = ROWS, columns: int = COLUMNS):
        Shape(rows, columns)
        self.rows, self.columns = rows, columns
        self.array: Rows = np.zeros((rows, columns), bool)
        self.spikes: Spikes = np.zeros(columns, bool)
        self.width, self.base, self.groups = 1, 0, columns
        self.cycles = self.column_ops = self.idle_column_ops = 0

    def configure(self, columns: int, base: int, groups: int) -> None:
        """Groups of `columns` columns from column `base` on, of this and of the next operations.

        Raises:
            ConfigError: they leave the array, or are empty.
        """
        if min(columns, groups) < 1 or base < 0 or base + columns * groups > self.columns:
            raise ConfigError(f"{groups} groups of {columns} columns from column {base} on do not fit an array of "
                              f"{self.columns} columns")
        self.width, self.base, self.groups = columns, base, groups

    def execute(self, operation: MacroOperation) -> Spikes | None:
        """Do one operation; of a COMPARE, returns the spikes by column.

        Raises:
            ConfigError: it leaves the array or the groups, its operands overlap, or the weight is higher than the
                potential.
        """
        self._check(operation)
        self.cycles += operation.cycles
        self.column_ops += operation.cycles * (operation.high - operation.low)
        self.idle_column_ops += operation.cycles * (self.columns - operation.high + operation.low)
        if operation.kind == Kind.COMPARE:
            self.spikes = np.zeros(self.columns, bool)
            self.spikes[operation.low:operation.high] = self._compare(operation)
            return self.spikes.copy()
        if operation.kind == Kind.ZERO:
            chosen = self._chosen(operation)
            self.array[operation.a:operation.a + operation.a_rows, operation.low:operation.high][:, chosen] = False
        else:
            self._add(operation)
        return None

    @abstractmethod
    def _add(self, operation: MacroOperation) -> None:
        """ADD and SUBTRACT."""

    @abstractmethod
    def _compare(self, operation: MacroOperation) -> Spikes:
        """Spikes of the active columns."""

    def _chosen(self, operation: MacroOperation) -> Spikes:
        """The active columns that are written."""
        if operation.kind == Kind.ADD:
            return np.ones(operation.high - operation.low, bool)
        return self.spikes[operation.low:operation.high]

    def _check(self, operation: MacroOperation) -> None:
        end = self.base + self.width * self.groups
        inside = self.base <= operation.low < operation.high <= end
        if not inside or any((column - self.base) % self.width for column in (operation.low, operation.high)):
            raise ConfigError(f"columns {operation.low} to {operation.high - 1} are no groups of {self.width} columns "
                              f"from column {self.base} on")
        with_b = operation.kind != Kind.ZERO
        for name, row, count in (("a", operation.a, operation.a_rows), ("b", operation.b, operation.b_rows)):
            if (name == "a" or with_b) and not 0 <= row < row + count <= self.rows:
                raise ConfigError(f"operand {name}: rows {row} to {row + count - 1} are outside [0, {self.rows - 1}]")
        if with_b and operation.b_rows > operation.a_rows:
            raise ConfigError(f"a weight of {operation.b_rows} rows is higher than its potential of {operation.a_rows}")
        if with_b and operation.a < operation.b + operation.b_rows and operation.b < operation.a + operation.a_rows:
            raise ConfigError(f"operands overlap: rows {operation.a} and {operation.b} on")


class LiteralMacro(Macro):
    """From row to row and from column to column, as the carries go."""

    def _add(self, operation: MacroOperation) -> None:
        chosen = self._chosen(operation)
        invert = operation.kind == Kind.SUBTRACT
        for first in self._first_columns(operation):
            carry = invert
            for row, columns in self._walk(operation, first):
                for column in columns:
                    a, b = self.array[operation.a + row, column], self._b(operation, row, column, first) ^ invert
                    total = int(a) + int(b) + int(carry)
                    into, carry = carry, total > 1
                    if chosen[column - operation.low]:
                        self.array[operation.a + row, column] = total & 1
            # The last column met holds the sign.
            if operation.saturate and into != carry and chosen[first - operation.low]:
                for row, columns in self._walk(operation, first):
                    self.array[operation.a + row, columns] = not carry
                self.array[operation.a + row, columns[-1]] = carry

    def _compare(self, operation: MacroOperation) -> Spikes:
        spikes = np.zeros(operation.high - operation.low, bool)
        for first in self._first_columns(operation):
            carry = True
            for row, columns in self._walk(operation, first):
                for column in columns:
                    a, b = self.array[operation.a + row, column], not self._b(operation, row, column, first)
                    total = int(a) + int(b) + int(carry)
                    into, carry = carry, total > 1
            overflow = into != carry
            spikes[first - operation.low:first - operation.low + self.width] = not total & 1 ^ overflow
        return spikes

    def _first_columns(self, operation: MacroOperation) -> range:
        """The lowest column of each active group."""
        return range(operation.low, operation.high, self.width)

    def _walk(self, operation: MacroOperation, first: int) -> Iterator[tuple[int, range]]:
        """Rows of a group, and their columns in the order of the carry."""
        columns = range(first, first + self.width)
        for row in range(operation.a_rows):
            yield row, columns[::-1] if row % 2 else columns

    def _b(self, operation: MacroOperation, row: int, column: int, first: int) -> bool:
        if row >= operation.b_rows:  # the sign: the last bit of the last row
            row = operation.b_rows - 1
            column = first if row % 2 else first + self.width - 1
        return bool(self.array[operation.b + row, column])


class FastMacro(Macro):
    """With integers modulo 2**(N_R * N_C)."""

    def _add(self, operation: MacroOperation) -> None:
        shape, potentials, weights = self._operands(operation)
        sums = potentials - weights if operation.kind == Kind.SUBTRACT else potentials + weights
        if operation.saturate:
            half = 1 << (shape.bits - 1)
            sums = np.minimum(np.maximum(sums, -half), half - 1)
        chosen = self._chosen(operation)
        cells = self._cells(operation.a, operation.a_rows, operation)
        cells[:, chosen] = to_rows(wrap(sums, shape.bits), shape)[:, chosen]

    def _compare(self, operation: MacroOperation) -> Spikes:
        _, potentials, thresholds = self._operands(operation)
        return np.repeat((potentials >= thresholds).astype(bool), self.width)

    def _operands(self, operation: MacroOperation) -> tuple[Shape, Array, Array]:
        """The potential's shape, both operands by group."""
        shape, second = Shape(operation.a_rows, self.width), Shape(operation.b_rows, self.width)
        a = from_rows(self._cells(operation.a, operation.a_rows, operation), shape)
        b = from_rows(self._cells(operation.b, operation.b_rows, operation), second)
        # Both of the wider kind, so that sums do not wrap before they are looked at.
        kind = np.int64 if shape.bits <= INT64 else object
        return shape, a.astype(kind), b.astype(kind)

    def _cells(self, row: int, rows: int, operation: MacroOperation) -> Rows:
        return self.array[row:row + rows, operation.low:operation.high]
