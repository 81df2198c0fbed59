"""What stays, as bits in the arrays of macros: strips of operands side by side and one below the other.

A strip is a rectangle of one macro: some channels of one layer side by side, N_C columns each, and operands one below
the other. Weight operands are ordered by source channel, tap in x, tap in y; potential operands by position. Below them
are rows to work in, for one operand of the other kind and for the threshold: weights and potentials that are added must
be in the same columns. A layer is split into strips wherever a rectangle ends: between source channels, taps or
positions, and between blocks of as many channels as fit side by side. Wide layers are placed first, each strip in the
first free rectangle, in order of macros, that has room for one operand and its rows to work in.

Nothing is copied: an operand that stays is in one strip of one macro. Where a layer has several strips of potentials,
each of its weights must reach all of them, by a broadcast when it comes from the buffer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import gcd

import numpy as np

from golden.cim.macro import COLUMNS, ROWS
from golden.cim.operand import Shape, to_rows
from golden.errors import ConfigError, MappingError
from synapress.mapper.cim.stationarity import Choice, Item, Kind, Layer, best, ordered

FREE, WORK = -1, -2
"""In `Placed.owner`: cells of no operand, and those to work in."""
TRIES = 1_000
"""Choices that `best_held` tries in their order."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """A rectangle of one layer's operands in one macro, and rows to work in below them."""

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
    shape: Shape
    """Of each operand."""
    work_rows: int

    @property
    def cells(self) -> tuple[int, slice, slice]:
        """Where its operands are in `Placed.cells`."""
        return (self.macro, slice(self.row, self.row + self.count * self.shape.rows),
                slice(self.column, self.column + self.groups * self.shape.columns))


@dataclass(frozen=True)
class Placed:
    """Macros with what stays in them."""

    choice: Choice
    strips: tuple[Strip, ...]
    cells: np.ndarray
    """bool (macros, rows, columns): their bits; potentials are zeros."""
    owner: np.ndarray
    """int16 (macros, rows, columns): whose bit it is, 2 × layer + (0 weights, 1 potentials); or FREE, or WORK."""

    @property
    def macros(self) -> int:
        return len(self.cells)

    def bits(self, layer: int | None = None, kind: Kind | None = None) -> int:
        """Cells that hold operands, of a layer, a kind, or all. They are more than the operands' bits where N_C does
        not divide a resolution, which is then rounded up."""
        mine = [owner_of((at, each)) for at in range(len(self.choice.layers)) for each in Kind
                if layer in (None, at) and kind in (None, each)]
        return int(np.isin(self.owner, mine).sum())

    def occupancy(self) -> np.ndarray:
        """Share of the cells of each macro that hold operands."""
        return np.asarray((self.owner >= 0).mean(axis=(1, 2)))


def owner_of(item: Item) -> int:
    """Its number in `Placed.owner`."""
    at, kind = item
    return 2 * at + (kind is Kind.POTENTIALS)


def columns_of(layer: Layer, columns: int = COLUMNS) -> int:
    """N_C unless it is given: the most columns that divide both resolutions and leave all channels side by side; 1 if
    none does. No bit is lost to rounding, and as many columns work at once as can."""
    common = gcd(layer.weight_bits, layer.potential_bits)
    return max((n for n in range(1, common + 1) if common % n == 0 and n * layer.outputs <= columns), default=1)


def shape_of(layer: Layer, kind: Kind, columns: int) -> Shape:
    """Of an operand whose values are `columns` wide."""
    return Shape.of_bits(layer.weight_bits if kind is Kind.WEIGHTS else layer.potential_bits, columns)


@dataclass(frozen=True)
class _Space:
    """A free rectangle."""

    macro: int
    row: int
    column: int
    rows: int
    columns: int

    def without(self, rows: int, columns: int) -> Iterator["_Space"]:
        """What is left: beside, and below."""
        if columns < self.columns:
            yield replace(self, column=self.column + columns, columns=self.columns - columns)
        if rows < self.rows:
            yield replace(self, row=self.row + rows, rows=self.rows - rows, columns=columns)


class _Plan:
    """Strips in the free rectangles of macros, of which there are as many as it takes, or a few."""

    def __init__(self, rows: int, columns: int, macros: int | None):
        self.rows, self.columns, self.limit = rows, columns, macros
        self.macros = 0
        self.free: list[_Space] = []
        self.strips: list[Strip] = []

    def room(self, rows: int, columns: int) -> _Space | None:
        """The first free rectangle that is so large; None: there is none, and no further macro."""
        for space in self.free:
            if space.rows >= rows and space.columns >= columns:
                self.free.remove(space)
                return space
        if self.limit is not None and self.macros >= self.limit:
            return None
        self.macros += 1
        return _Space(self.macros - 1, 0, 0, self.rows, self.columns)

    def add(self, layer: Layer, item: Item, columns: int) -> bool:
        """Place one of a layer's operands; false: it has no room."""
        kind = item[1]
        shape = shape_of(layer, kind, columns)
        other = shape_of(layer, Kind.POTENTIALS if kind is Kind.WEIGHTS else Kind.WEIGHTS, columns)
        work = other.rows + shape_of(layer, Kind.POTENTIALS, columns).rows
        operands = layer.inputs * layer.kernel ** 2 if kind is Kind.WEIGHTS else layer.height ** 2
        block = min(layer.outputs, self.columns // columns)
        for channel in range(0, layer.outputs, block):
            groups, first = min(block, layer.outputs - channel), 0
            while first < operands:
                space = self.room(shape.rows + work, groups * columns)
                if space is None:
                    return False
                count = min(operands - first, (space.rows - work) // shape.rows)
                self.strips.append(Strip(item=item, macro=space.macro, row=space.row, column=space.column, first=first,
                                         count=count, first_channel=channel, groups=groups, shape=shape,
                                         work_rows=work))
                self.free += space.without(count * shape.rows + work, groups * columns)
                self.free.sort(key=lambda one: (one.macro, one.row, one.column))
                first += count
        return True


def _checked(layers: Sequence[Layer], shapes: Mapping[str, int], rows: int, columns: int) -> list[int]:
    """N_C of each layer.

    Raises:
        ConfigError: one is no number from 1 to `columns`, is of no layer, or its operands are too tall.
    """
    unknown = shapes.keys() - {layer.name for layer in layers}
    if unknown:
        raise ConfigError(f"macros: there is no layer '{min(unknown)}' to have a shape; there are: "
                          f"{', '.join(layer.name for layer in layers)}")
    chosen = []
    for layer in layers:
        width = shapes.get(layer.name, columns_of(layer, columns))
        if not isinstance(width, int) or not 1 <= width <= columns:
            raise ConfigError(f"macros: layer '{layer.name}': {width!r} columns of an operand are outside "
                              f"[1, {columns}]")
        tall = sum(shape_of(layer, kind, width).rows for kind in (*Kind, Kind.POTENTIALS))
        if tall > rows:
            raise ConfigError(f"macros: layer '{layer.name}': a weight, a potential and a threshold, {width} columns "
                              f"wide, take {tall} rows; the array has {rows}. Give the layer more columns")
        chosen.append(width)
    return chosen


def _plan(
    choice: Choice, widths: Sequence[int], macros: int | None, size: tuple[int, int]
) -> tuple[_Plan, Item | None]:
    """Strips, and the first operand that has no room; None: all have."""
    plan = _Plan(*size, macros)
    order = sorted(choice.stays, key=lambda item: (-choice.layers[item[0]].outputs * widths[item[0]], owner_of(item)))
    for item in order:
        if not plan.add(choice.layers[item[0]], item, widths[item[0]]):
            return plan, item
    return plan, None


def place(choice: Choice, macros: int | None = None, *, shapes: Mapping[str, int] | None = None,
          weights: Mapping[str, np.ndarray] | None = None, seed: int = 0, rows: int = ROWS,
          columns: int = COLUMNS) -> Placed:
    """Put what stays into macros.

    Args:
        choice: what stays.
        macros: how many there are; default: as many as it takes.
        shapes: columns of one operand (N_C) by layer; default: `columns_of`.
        weights: int (outputs, inputs, kernel in y, kernel in x) by layer; default: drawn over the resolution's range.
        seed: of what is drawn.
        rows: of one macro.
        columns: of one macro.

    Raises:
        MappingError: they do not fit into the macros.
        ConfigError: a shape does not fit the array, or weights have another shape or more bits than their layer's.
    """
    widths = _checked(choice.layers, shapes or {}, rows, columns)
    plan, left = _plan(choice, widths, macros, (rows, columns))
    if left is not None:
        needed = _plan(choice, widths, None, (rows, columns))[0].macros
        raise MappingError(f"macros: what stays by {choice.name} needs {needed} macros of {rows} × {columns} cells; "
                           f"available: {macros}. The {left[1]} of layer '{choice.layers[left[0]].name}' have no room: "
                           f"give {needed} macros, or let less stay")
    values = _weights(choice.layers, weights or {}, seed)
    cells = np.zeros((plan.macros, rows, columns), dtype=bool)
    owner = np.full(cells.shape, FREE, dtype=np.int16)
    for strip in plan.strips:
        macro, down, across = strip.cells
        owner[macro, down, across] = owner_of(strip.item)
        owner[macro, down.stop:down.stop + strip.work_rows, across] = WORK
        if strip.item[1] is Kind.WEIGHTS:
            mine = values[strip.item[0]][strip.first:strip.first + strip.count,
                                         strip.first_channel:strip.first_channel + strip.groups]
            side = to_rows(mine.reshape(-1), strip.shape)  # operands side by side; then one below the other
            cells[strip.cells] = side.reshape(strip.shape.rows, strip.count, -1).swapaxes(0, 1).reshape(
                strip.count * strip.shape.rows, -1)
    return Placed(choice, tuple(plan.strips), cells, owner)


def held(choice: Choice, macros: int, *, shapes: Mapping[str, int] | None = None, seed: int = 0, rows: int = ROWS,
         columns: int = COLUMNS) -> Placed:
    """What of a choice so many macros really hold, if layers are taken whole, in order, until one has no room.

    By this rule two macros hold 47.2 % more of HS-min than of WS, as is published (46 %). It is the rule that makes the
    difference: left free which layers' weights stay, WS fills two macros as well (`best_held`, with `allowed`).

    Arguments and errors are those of `place`, but what has no room is left out.
    """
    widths = _checked(choice.layers, shapes or {}, rows, columns)
    taken = replace(choice, stays=frozenset())
    for at in range(len(choice.layers)):
        more = replace(choice, stays=taken.stays | {item for item in choice.stays if item[0] == at})
        if _plan(more, widths, macros, (rows, columns))[1] is not None:
            break
        taken = more
    return place(taken, macros, shapes=shapes, seed=seed, rows=rows, columns=columns)


def best_held(layers: Sequence[Layer], macros: int, *, allowed: Iterable[Item] | None = None,
              shapes: Mapping[str, int] | None = None, rows: int = ROWS, columns: int = COLUMNS) -> Choice:
    """What stays so that least is moved, of what so many macros really hold as `place` puts it.

    No strip fills a macro to the last bit. So all choices that could fit by their bits are tried, the one that moves
    least first (`synapress.mapper.cim.stationarity.ordered`), until one fits. Only if TRIES of them do not, is it one
    that may not be the best: then those are tried that are best for ever smaller capacities.

    Args:
        allowed: what may stay; default: everything.

    Raises:
        ConfigError: as `place`.
    """
    widths = _checked(layers, shapes or {}, rows, columns)
    may = None if allowed is None else tuple(allowed)

    def fits(choice: Choice) -> bool:
        return _plan(choice, widths, macros, (rows, columns))[1] is None

    capacity = macros * rows * columns
    found = next(filter(fits, islice(ordered(layers, capacity, may), TRIES)), None)
    while found is None:
        choice = best(layers, capacity, may)
        found, capacity = choice if fits(choice) else None, choice.kept() - 1
    return found


def _weights(layers: Sequence[Layer], given: Mapping[str, np.ndarray], seed: int) -> list[np.ndarray]:
    """Weights of each layer, int (operands, outputs): by source channel, tap in x, tap in y.

    Raises:
        ConfigError: given ones have another shape, or more bits.
    """
    drawn, found = np.random.default_rng(seed), []
    for layer in layers:
        shape = (layer.outputs, layer.inputs, layer.kernel, layer.kernel)
        low, high = -(1 << layer.weight_bits - 1), (1 << layer.weight_bits - 1) - 1
        mine = np.asarray(given[layer.name]) if layer.name in given else drawn.integers(low, high, shape, endpoint=True)
        if mine.shape != shape or mine.min() < low or mine.max() > high:
            raise ConfigError(f"macros: layer '{layer.name}': weights are of shape {mine.shape}, from {mine.min()} to "
                              f"{mine.max()}; needed: {shape}, from {low} to {high}")
        found.append(mine.transpose(1, 3, 2, 0).reshape(-1, layer.outputs))
    return found
