"""The comparison of memory organisations as tables, JSON and pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from golden.errors import ConfigError
from synapress.energy.memory import MemoryModel
from synapress.reports.organisations.compare import Crossover, Row, crossovers
from synapress.reports.tables import Sheet

if TYPE_CHECKING:
    from synapress.reports.organisations.controllers import Controller

LINES = 3
"""Of each organisation in a panel."""

Line = tuple[str, str, list[tuple[float, float]]]
"""Name, text at its end, points."""


class Swept(Protocol):
    """A row of what was compared, as pictures need it."""

    @property
    def name(self) -> str: ...
    @property
    def layer(self) -> str: ...
    @property
    def density(self) -> float: ...
    @property
    def weight_bits(self) -> int: ...
    @property
    def total_bits(self) -> int: ...


class Compared(Swept, Protocol):
    """The same, as tables and JSON need it."""

    @property
    def note(self) -> str: ...

    def to_json(self) -> dict[str, Any]: ...


AnyRow = TypeVar("AnyRow", bound=Compared)


@dataclass(kw_only=True)
class Layers(Generic[AnyRow]):
    """Layers in all organisations, by rows."""

    title: str
    seed: int
    word_bits: int
    serial: bool
    models: Sequence[MemoryModel]
    memory_bits: int | None
    rows: list[AnyRow]
    controllers: "list[Controller]" = field(default_factory=list)
    """Of decoders, by organisation and walk; none if they were not asked for."""

    @property
    def several(self) -> bool:
        """There is more than one layer."""
        return len({row.layer for row in self.rows}) > 1

    @property
    def crossovers(self) -> list[Crossover]:
        """Where the densities of one layer were swept."""
        return [] if self.several or not self.rows else crossovers(self.plain_rows())

    def plain_rows(self) -> list[Row]:
        """What `crossovers` looks at."""
        raise NotImplementedError

    def logic_energy(self, row: AnyRow) -> dict[str, Any]:
        """nJ of the decoder's logic, as the JSON has it."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        return {
            "title": self.title, "seed": self.seed, "word_bits": self.word_bits, "serial": self.serial,
            "memory_bits": self.memory_bits, "models": {model.name: model.source for model in self.models},
            "rows": [row.to_json() | {"controller_energy": self.logic_energy(row)} for row in self.rows],
            "crossovers": [item.to_json() for item in self.crossovers],
            "controllers": [item.to_json() for item in self.controllers]}

    def sheets(self, rows: Sheet) -> list[Sheet]:
        """The rows', where they cross, and their decoders."""
        made = [rows]
        if self.crossovers:
            made.append(crossover_sheet(self.crossovers))
        if self.controllers:
            from synapress.reports.organisations.controllers import sheet

            made.append(sheet(self.controllers))
        return made

    def begins(self) -> Iterator[tuple[bool, AnyRow]]:
        """The rows, and whether a section begins with one: behind those of another layer, density or width."""
        before: tuple[Any, ...] = ()
        for row in self.rows:
            key = row.layer, row.density, row.weight_bits
            yield bool(before) and key != before, row
            before = key

    @property
    def places(self) -> str:
        """Of a caption: in which memories everything is."""
        return ("each part in a memory of its own" if self.memory_bits is None else
                f"one memory of {self.memory_bits:,} bits")

    @property
    def sources(self) -> str:
        """Of a caption: where the energy is from, the seed and the rows' notes."""
        notes: dict[str, dict[str, None]] = {}
        for row in self.rows:
            for note in filter(None, row.note.split("; ")):
                notes.setdefault(note, {})[row.name] = None
        return (f"Energy of accesses: {'; '.join(f'{model.name}: {model.source}' for model in self.models)}. "
                f"Seed {self.seed}." + "".join(f" {', '.join(who)}: {note}." for note, who in notes.items()))


class Comparison(Layers[Row]):
    """Layers in all organisations, forward."""

    def plain_rows(self) -> list[Row]:
        return self.rows

    def logic_energy(self, row: Row) -> dict[str, Any]:
        return self.controller_energy(row)

    def controller_energy(self, row: Row) -> dict[str, float]:
        """nJ of a pass by model of the memory, of the decoder's logic."""
        mine = [item for item in self.controllers if item.organisation == row.organisation]
        return {name: row.cycles * cycle / 1000 for item in mine for name, cycle in item.energy.items()
                if row.cycles is not None}


def sheets(found: Comparison) -> list[Sheet]:
    """Layers, where they cross, and their decoders."""
    return found.sheets(_rows(found))


def _rows(found: Comparison) -> Sheet:
    names = [model.name for model in found.models]
    several = found.several
    logic = {name for item in found.controllers for name in item.energy}
    sheet = Sheet(title=f"{found.title}: memory organisations side by side", headings=(
        *(("layer",) if several else ()), "organisation", "density", "weight bits", "bits", "bits placed",
        "index, bitmap, weight reads", "cycles", "events", *(f"nJ, {name}" for name in names),
        *(f"nJ, logic, {name}" for name in names if name in logic)), left=(0, 1) if several else (0,))
    for begins, row in found.begins():
        if begins:
            sheet.add_section()
        spent = found.controller_energy(row)
        reads = "" if row.accesses is None else ", ".join(
            f"{row.accesses[kind]:,}" for kind in ("index_read", "bitmap_read", "weight_read"))
        sheet.add_row(*((row.layer,) if several else ()), row.organisation, f"{row.density:.3g}", f"{row.weight_bits}",
                      f"{row.total_bits:,}",
                      "" if row.words is None else f"{sum(row.words.values()) * found.word_bits:,}", reads,
                      "" if row.cycles is None else f"{row.cycles:,}",
                      "" if row.events is None else f"{row.events:,}",
                      *(number(row.energy.get(name)) for name in names),
                      *(number(spent.get(name)) for name in names if name in logic))
    sheet.caption = (
        "Of a pass: one event from each source neuron. Bits by the paper's formulas, bits placed in words of "
        f"{found.word_bits}; {found.places}. {'One access for each weight. ' if found.serial else ''}A flat look-up "
        f"table at the source would send an event for each synapse, {_synapses(found.rows)} of them. {found.sources}")
    return sheet


def _synapses(rows: Sequence[Row]) -> str:
    counts = sorted({row.synapses for row in rows})
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"


def number(value: float | None) -> str:
    """A figure in a cell; nothing if there is none."""
    return "" if value is None else f"{value:,.4g}"


def crossover_sheet(found: Sequence[Crossover]) -> Sheet:
    """A row for each."""
    sheet = Sheet(title="Where they cost the same", headings=("quantity", "weight bits", "density", "cheaper below",
                                                              "cheaper above"), left=(0, 3, 4),
                  caption="On the straight line between two densities of the sweep.")
    for item in found:
        sheet.add_row(item.quantity, f"{item.weight_bits}", f"{item.density:.3f}", item.cheaper_below,
                      item.cheaper_above)
    return sheet


def picture_parts(found: Comparison, model: str) -> dict[str, Any]:
    """What `pictures.organisations_picture` draws: accesses, and logic where it is known, by one model.

    Against the density a line for each of at most LINES widths of weights, against that one for each of as many
    densities, and against the bits of the whole layer all of them; what was not swept has no panel.
    """
    values: list[tuple[Swept, float]] = []
    for row in found.rows:
        if (spent := row.energy.get(model)) is not None and spent > 0:
            values.append((row, spent + found.controller_energy(row).get(model, 0.0)))
    logic = any(model in item.energy for item in found.controllers)
    drawn = panels(values, "bits of the layer, by the paper's formulas")
    label = f"nJ of a pass, {model}{' and logic' if logic else ''}"
    crossed = [] if logic else found.crossovers
    return {"title": found.title, "rows": {label: drawn},
            "crossovers": {label: marks(crossed, f"energy, {model}", [row for row, _ in values])}}


def panels(values: Sequence[tuple[Swept, float]], bits: str) -> dict[str, list[Line]]:
    """Lines by what they are drawn against; what was not swept has no panel.

    Args:
        bits: what the rows' `total_bits` are.

    Raises:
        ConfigError: there are no rows.
    """
    if not values:
        raise ConfigError("--figure: no energy is known, there is nothing to draw; leave it out, or choose another "
                          "--model or smaller layers")
    widths, densities = (few(values, kind) for kind in (lambda row: row.weight_bits, lambda row: row.density))
    found: dict[str, list[Line]] = {}
    if len({row.density for row, _ in values}) > 1:
        found["density"] = _lines([item for item in values if item[0].weight_bits in widths],
                                  lambda row: row.density, lambda row: (row.layer, f"{row.weight_bits} bits"))
    if len({row.weight_bits for row, _ in values}) > 1:
        found["bits of a weight"] = _lines([item for item in values if item[0].density in densities],
                                           lambda row: row.weight_bits, lambda row: (row.layer, f"{row.density:.3g}"))
    found[bits] = _lines(values, lambda row: row.total_bits,
                         lambda row: (f"{row.layer}, {row.density}, {row.weight_bits}", ""))
    return found


def marks(found: Sequence[Crossover], quantity: str, rows: Sequence[Swept]) -> dict[str, dict[str, float]]:
    """Where the lines of a quantity cross, by panel and text, of the widths that `panels` shows."""
    widths = few([(row, 0.0) for row in rows], lambda row: row.weight_bits)
    return {"density": {f"{item.density:.3f} at {item.weight_bits} bits": item.density for item in found
                        if item.quantity == quantity and item.weight_bits in widths}}


def few(values: Sequence[tuple[Swept, float]], kind: Callable[[Swept], float]) -> list[float]:
    """At most LINES of the rows' values, ascending, spread evenly, the last one among them."""
    every = sorted({kind(row) for row, _ in values})
    count = min(LINES, len(every))
    return [every[(number + 1) * len(every) // count - 1] for number in range(count)]


def _lines(values: Sequence[tuple[Swept, float]], at: Callable[[Swept], float],
           key: Callable[[Swept], tuple[str, str]]) -> list[Line]:
    """Name, last part of the key, and points of each line: those of equal keys, ascending."""
    found: dict[tuple[str, tuple[str, str]], list[tuple[float, float]]] = {}
    for row, height in values:
        found.setdefault((row.name, key(row)), []).append((float(at(row)), height))
    return [(name, text, sorted(points)) for (name, (_, text)), points in found.items()]
