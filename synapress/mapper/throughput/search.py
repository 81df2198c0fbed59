"""Where to cut so that the busiest core's work falls: finer cuts of hot layers, for a given number of cores.

A cut costs: each part along the channels gets all events of its sources, and a beat for each; parts along x and y share
events at their borders, copy weights, and a narrow part has short events. The work model counts all of this. What a part
of a layer may cost at most decides how many parts it has, and one axis is cut first; a few such limits and the axes make
the first candidates. Then the layers of the fragments that decide on the interval are cut more or less finely, along
each axis, while that helps. Each candidate is cut, packed and judged in full. Nothing is random.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, prod

from golden.config import CoreConfig
from golden.program import Population, Program
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.memory_map import DEPTHWISE, edge_kind
from synapress.mapper.partition.cut import Cutter
from synapress.mapper.partition.fragments import Grid, PartitionedProgram
from synapress.mapper.partition.search import Checked, Counts, even_bounds, fewest_cuts, found_problems, grids_of
from synapress.mapper.placement.bin_packing import Bin, available
from synapress.mapper.throughput.balance import NeedsModel, pack_balanced
from synapress.mapper.throughput.interval import Bounds, bounds, longest_period, sending
from synapress.mapper.throughput.work import FragmentWork, Rates, WorkModel, ideal_cycles, synaptic_operations

SHARES = (1.0, 0.5, 0.33, 0.25, 0.16, 0.12, 0.08, 0.0)
"""A part of a layer costs at most these shares of a core's ideal work, among the first candidates; 0: a part for each
core. From one layer to a core up to a bit of every layer on each."""
STYLES = ((1, 2, 0), (2, 1, 0), (0, 1, 2))
"""Axes in the order in which the first candidates cut them: columns, rows or channels first."""
REFINEMENTS = 48
"""Most candidates after the first ones."""
LARGE_FRAGMENTS = 400
"""A network of more fragments, uncut for speed, has no refinements: each candidate takes seconds."""
GAIN = 0.002
"""What a finer cut must gain at least, of the interval."""

Parts = dict[str, tuple[int, int, int]]
"""By population, parts along the channels, x and y that are wanted; where a core or a field asks for more, more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Balanced:
    """A cut for throughput, and the cores that its fragments share."""

    cut: PartitionedProgram
    bins: list[Bin]
    works: dict[str, FragmentWork]
    sends: dict[str, float]
    """Cycles of evaluating and sending, by fragment; see `synapress.mapper.throughput.interval.sending`."""
    bounds: Bounds
    cores: int
    """So many were allowed."""

    @property
    def synapses(self) -> float:
        return synaptic_operations(self.cut, self.works)

    @property
    def ideal(self) -> float:
        """Cycles per frame if all lanes of all allowed cores were always at work."""
        return ideal_cycles(self.synapses, self.cores, self.cut.config.lanes)


def balance(
    program: Program, config: CoreConfig, cores: int, rates: Rates, *, progress: Callable[[str], None] = lambda _: None
) -> Balanced:
    """Cut a program for the shortest frame interval on so many cores, and pack its fragments.

    Args:
        rates: how often neurons fire; see `synapress.mapper.throughput.work`.

    Raises:
        RuleError: it does not fit so many cores, or something does not fit however it is cut.
    """
    return _Search(program, config, cores, rates, progress).run()


class _Search:
    def __init__(
        self, program: Program, config: CoreConfig, cores: int, rates: Rates, progress: Callable[[str], None]
    ) -> None:
        self.program, self.config, self.cores, self.progress = program, config, cores, progress
        self.cutter, self.checked = Cutter(program, config), Checked()
        self.works, self.needs = WorkModel(rates), NeedsModel()
        self.known: dict[tuple[Grid, ...], None] = {}
        self.joined = {end for edge in program.edges for end in (edge.source, edge.destination)
                       if edge_kind(edge, program.population(edge.source).shape[0],
                                    program.population(edge.destination).shape[0]) == DEPTHWISE}
        """Populations whose cuts along the channels depend on each other."""
        self.best: tuple[Parts, Balanced] | None = None

    def run(self) -> Balanced:
        base, self.counts = fewest_cuts(self.cutter)
        self._judge({}, base)
        by_layer = self._by_layer(self.works.of(base))
        for parts in self._first(by_layer):
            self._try(parts)
        if self.best is None:
            raise RuleError([Violation(
                layer=self.program.name, rule="throughput", needed="more cores for its fragments",
                available=f"{self.cores} cores", help="Use a mesh with more cores, or leave throughput out.")])
        tries = REFINEMENTS if len(base.hosted) <= LARGE_FRAGMENTS else 0
        while tries > 0:
            before = self.best[1].bounds.interval
            for parts in self._refined():
                tries -= 1
                if self._try(parts) or tries <= 0:
                    break
            if self.best[1].bounds.interval >= before:
                break
        return self.best[1]

    # -- candidates ----------------------------------------------------------------------------

    def _by_layer(self, works: dict[str, FragmentWork]) -> dict[str, float]:
        found: dict[str, float] = {}
        for population in self.program.populations:
            if population.name not in self.program.inputs:
                found[population.name] = 0.0
        for fragment in self.cutter.cut(self._grids({})).hosted:
            found[fragment.parent] += works[fragment.name].updates
        return found

    def _first(self, by_layer: dict[str, float]) -> Iterator[Parts]:
        ideal = sum(by_layer.values()) / self.cores
        for share in SHARES:
            for style in STYLES:
                yield {name: self._spread(self.program.population(name), style, min(
                    self.cores, ceil(cycles / (share * ideal)) if share * ideal else self.cores))
                    for name, cycles in by_layer.items()}

    def _most(self, population: Population) -> tuple[int, int, int]:
        """Most parts along each axis."""
        depth, width, height = population.shape
        return -(-depth // self.config.lanes), width, height

    def _spread(self, population: Population, style: tuple[int, ...], count: int) -> tuple[int, int, int]:
        """So many parts, along the first axis of a style as far as it goes."""
        most, found = self._most(population), [1, 1, 1]
        for axis in style:
            found[axis] = min(most[axis], -(-count // prod(found)))
        return found[0], found[1], found[2]

    def _refined(self) -> Iterator[Parts]:
        """The layers that decide on the interval with a part more or less along an axis, or with other axes."""
        assert self.best is not None
        parts, best = self.best
        for name in dict.fromkeys(best.cut.by_name[item].parent for item in _deciding(best)):
            population = self.program.population(name)
            grid = best.cut.grids[name]
            now = len(grid.c) - 1, len(grid.x) - 1, len(grid.y) - 1
            most = self._most(population)
            for axis in (1, 2, 0):
                for step in (1, -1, 2):
                    count = now[axis] + step
                    if 1 <= count <= most[axis]:
                        yield parts | {name: (*now[:axis], count, *now[axis + 1:])}
            for style in STYLES:
                yield parts | {name: self._spread(population, style, min(self.cores, prod(now) + 1))}

    # -- judgment ------------------------------------------------------------------------------

    def _grids(self, parts: Parts) -> dict[str, Grid]:
        counts: Counts = {}
        for name, least in self.counts.items():
            wanted = parts.get(name, (1, 1, 1))
            words = self._most(self.program.population(name))[0]
            counts[name] = [min(least[0], -(-words // wanted[0])), max(least[1], wanted[1]), max(least[2], wanted[2])]
        grids = grids_of(self.program, counts, self.config)
        for name, wanted in parts.items():
            if name not in self.joined and wanted[0] > 1:
                depth = self.program.population(name).shape[0]
                words = -(-depth // self.config.lanes)
                even = even_bounds(words, max(wanted[0], len(grids[name].c) - 1))
                grids[name] = grids[name]._replace(c=tuple(min(depth, bound * self.config.lanes) for bound in even))
        return grids

    def _try(self, parts: Parts) -> bool:
        """Whether a candidate is better than the best so far, which it then is."""
        grids = self._grids(parts)
        key = tuple(grids.values())
        if key in self.known:
            return False
        self.known[key] = None
        try:
            return self._judge(parts, self.cutter.cut(grids))
        except RuleError:
            return False

    def _judge(self, parts: Parts, cut: PartitionedProgram) -> bool:
        works = self.works.of(cut)
        sends = sending(cut, works)
        least = max(sum(work.busy for work in works.values()) / self.cores, longest_period(works, sends))
        now = float("inf") if self.best is None else self.best[1].bounds.interval
        if least >= now * (1 - GAIN):
            return False
        bins = pack_balanced(cut, works, sends, self.needs.of(cut), available(self.config), self.cores)
        if bins is None:
            return False
        found = bounds(works, sends, [item.names for item in bins])
        if found.interval >= now * (1 - GAIN) or found_problems(cut, self.checked):
            return False
        self.best = parts, Balanced(cut=cut, bins=bins, works=works, sends=sends, bounds=found, cores=self.cores)
        self.progress(f"cutting for throughput: {found.interval:,.0f} cycles per frame")
        return True


def _deciding(best: Balanced) -> list[str]:
    """Fragments that decide on the interval, those that cost most first."""
    limit, found = best.bounds.interval * (1 - GAIN), []
    for item in best.bins:
        if max(sum(best.works[name].busy for name in item.names), sum(best.sends[name] for name in item.names)) >= limit:
            found += item.names
    found += [name for name, work in best.works.items() if work.busy + best.sends[name] >= limit]
    return sorted(dict.fromkeys(found), key=lambda name: -(best.works[name].busy + best.sends[name]))

