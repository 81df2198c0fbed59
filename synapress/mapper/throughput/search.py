"""Where to cut so that the frame interval falls: finer cuts of hot layers, for a given number of cores.

A cut costs: each part along the channels gets all events of its sources, and a beat for each; parts along x and y share
events at their borders, copy weights, and a narrow part has short events. The work model counts all of this. Besides,
layers wait for each other: the same work takes longer if parts of a layer get their events one after another. So each
candidate is cut, packed, bounded, and if the bounds promise something, run with frames in flight, coarsely.

The first candidates limit what a part of a layer may cost, from a layer to a core up to a bit of every layer on each
core, and cut all layers in the same way. Then, layer by layer, other ways and numbers of parts are tried. Nothing is
random.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import ceil, sqrt

from golden.config import CoreConfig
from golden.program import Population, Program
from golden.timing.frames import run_frames
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.memory_map import DEPTHWISE, edge_kind
from synapress.mapper.partition.cut import Cutter
from synapress.mapper.partition.fragments import Grid, PartitionedProgram
from synapress.mapper.partition.search import Checked, Counts, even_bounds, fewest_cuts, found_problems, grids_of
from synapress.mapper.placement.bin_packing import Bin, available, pack
from synapress.mapper.throughput.balance import NeedsModel, pack_balanced
from synapress.mapper.throughput.interval import Bounds, bounds, longest_period, sending
from synapress.mapper.throughput.stages import Frame, expected_maps
from synapress.mapper.throughput.work import FragmentWork, Rates, WorkModel, ideal_cycles, synaptic_operations

SHARES = (1.0, 0.5, 0.33, 0.25, 0.16, 0.08, 0.0)
"""A part of a layer costs at most these shares of a core's ideal work, among the first candidates; 0: a part for each
core."""
STYLES = ("columns", "mixed", "tiles", "rows", "channels")
"""Ways to cut a layer into a number of parts, see `spread`."""
PAIRS = (("channels", "channels"), ("tiles", "mixed"), ("columns", "mixed"), ("mixed", "mixed"), ("columns", "columns"),
         ("tiles", "tiles"), ("rows", "rows"))
"""Of the first candidates, ways to cut the layers that inputs lead to, and all others. Parts along the channels take
the same events at the same time, so that none waits for another; but the host sends in any order."""
TRIALS = 20
"""Most runs of frames in flight. They take most of the time."""
RUN_EVENTS = 6000
"""About so many events a frame has in a run, each of which stands for several: enough to tell who waits for whom."""
RUN_FRAMES = 5
FINAL_EVENTS = 60_000
"""Those that are best so are run once more with so many events a frame: the finer, the more they wait."""
FINALISTS = 4
"""So many of these, at most one of each pair of ways to cut."""
REFINED = ("refined", "refined")
"""The ways of candidates that cut each layer in its own way."""
MOST_LINKS = 3000
"""Of a network with more links between fragments, only the bounds are judged: its runs would take minutes."""
LARGE_PAIRS = (("channels", "channels"), ("mixed", "mixed"), ("columns", "columns"))
"""Of such a network only these ways to cut are tried, each with the largest share: a cut takes seconds."""
GAIN = 0.002
"""What a finer cut must gain at least, of the interval."""

Parts = dict[str, tuple[int, int, int]]
"""By population, parts along the channels, x and y that are wanted; where a core or a field asks for more, more."""


Ways = tuple[str, str]
"""Of `PAIRS`, or `REFINED`."""


def spread(population: Population, style: str, count: int, lanes: int) -> tuple[int, int, int]:
    """About so many parts: columns, rows, channels, tiles of columns and rows, or both channels and columns (`mixed`).

    What one axis has not enough of comes from the others.
    """
    depth, width, height = population.shape
    most = -(-depth // lanes), width, height
    found = [1, 1, 1]
    if style == "tiles":
        found[1] = min(width, max(1, round(sqrt(count * width / height))))
    elif style == "mixed":
        near = [parts for parts in range(1, most[0] + 1) if parts * parts <= count]
        found[0] = max(near, key=lambda parts: (count % parts == 0, most[0] % parts == 0, parts))
    for axis in {"columns": (1, 2, 0), "rows": (2, 1, 0), "channels": (0, 1, 2), "tiles": (2, 1, 0),
                 "mixed": (1, 2, 0)}[style]:
        others = found[0] * found[1] * found[2] // found[axis]
        found[axis] = max(found[axis], min(most[axis], -(-count // others)))
    return found[0], found[1], found[2]


@dataclass(frozen=True, kw_only=True, eq=False)
class Balanced:
    """A cut for throughput, and the cores that its fragments share."""

    cut: PartitionedProgram
    bins: list[Bin]
    works: dict[str, FragmentWork]
    sends: dict[str, float]
    """Cycles of evaluating and sending, by fragment; see `synapress.mapper.throughput.interval.sending`."""
    bounds: Bounds
    interval: float
    """Expected cycles per frame, by frames in flight, or by the bounds where those were not run: an estimate."""
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
        self.maps = expected_maps(program, rates)
        self.frame: Frame | None = None
        self.trials, self.large = 0, False
        self.judged: dict[Ways, Balanced] = {}
        self.best: tuple[Parts, Balanced] | None = None

    def run(self) -> Balanced:
        base, self.counts = fewest_cuts(self.cutter)
        works = self.works.of(base)
        by_layer = {name: 0.0 for name in self.cutter.program.topological_order() if name not in self.program.inputs}
        for fragment in base.hosted:
            by_layer[fragment.parent] += works[fragment.name].updates
        self._try({}, REFINED)
        for ways, parts in self._first(by_layer):
            self._try(parts, ways)
        if self.best is None:
            fewest = len(pack(base, self.needs.of(base), available(self.config), {}))
            raise RuleError([Violation(
                layer=self.program.name, rule="throughput", needed=f"{fewest} cores for its fragments",
                available=f"{self.cores} cores", help=f"Give throughput at least {fewest} cores.")])
        hot = sorted(by_layer, key=lambda name: -by_layer[name])
        better = not self.large
        while better:
            better = False
            for name in hot:
                for parts in list(self._other_parts(name)):
                    better = self._try(parts, REFINED) or better
        return self._final()

    # -- candidates ----------------------------------------------------------------------------

    def _first(self, by_layer: Mapping[str, float]) -> Iterator[tuple[Ways, Parts]]:
        ideal = sum(by_layer.values()) / self.cores
        fed = {edge.destination for name in self.program.inputs for edge in self.program.edges_from(name)}
        for share, pair in itertools.product(SHARES[:1] if self.large else SHARES[::-1], PAIRS):
            if not self.large or pair in LARGE_PAIRS:
                yield pair, {name: spread(self.program.population(name), pair[name not in fed], min(
                    self.cores, ceil(cycles / (share * ideal)) if share * ideal else self.cores), self.config.lanes)
                    for name, cycles in by_layer.items()}

    def _other_parts(self, name: str) -> Iterator[Parts]:
        """The best so far with another cut of one layer."""
        assert self.best is not None
        parts, found = self.best
        population = self.program.population(name)
        now = found.cut.grids[name].parts
        for count in dict.fromkeys((now, self.cores, -(-self.cores // 2), -(-self.cores // 3), 1)):
            for style in STYLES:
                yield parts | {name: spread(population, style, count, self.config.lanes)}

    # -- judgment ------------------------------------------------------------------------------

    def _grids(self, parts: Parts) -> dict[str, Grid]:
        counts: Counts = {}
        for name, least in self.counts.items():
            wanted = parts.get(name, (1, 1, 1))
            words = -(-self.program.population(name).shape[0] // self.config.lanes)
            counts[name] = [min(least[0], -(-words // wanted[0])), max(least[1], wanted[1]), max(least[2], wanted[2])]
        grids = grids_of(self.program, counts, self.config)
        for name, wanted in parts.items():
            if name not in self.joined and wanted[0] > 1:
                depth = self.program.population(name).shape[0]
                words = -(-depth // self.config.lanes)
                even = even_bounds(words, max(wanted[0], len(grids[name].c) - 1))
                grids[name] = grids[name]._replace(c=tuple(min(depth, bound * self.config.lanes) for bound in even))
        return grids

    def _try(self, parts: Parts, ways: Ways) -> bool:
        """Whether a candidate is better than the best so far, which it then is."""
        grids = self._grids(parts)
        key = tuple(grids.values())
        if key in self.known or self.trials >= TRIALS:
            return False
        self.known[key] = None
        try:
            return self._judge(parts, ways, self.cutter.cut(grids))
        except RuleError:
            return False

    def _judge(self, parts: Parts, ways: Ways, cut: PartitionedProgram) -> bool:
        works = self.works.of(cut)
        sends = sending(cut, works)
        now = float("inf") if self.best is None else self.best[1].interval * (1 - GAIN)
        if max(sum(work.busy for work in works.values()) / self.cores, longest_period(works, sends)) >= now:
            return False
        needs, limits = self.needs.of(cut), available(self.config)
        bins = pack_balanced(works, sends, needs, limits, self.cores) or pack(cut, needs, limits, {})
        if len(bins) > self.cores:
            return False
        found = bounds(works, sends, [item.names for item in bins])
        if found.interval >= now or found_problems(cut, self.checked):
            return False
        made = Balanced(cut=cut, bins=bins, works=works, sends=sends, bounds=found, cores=self.cores, interval=0)
        self.large = cut.axons > MOST_LINKS
        if self.large:
            interval = found.interval
        else:
            self.trials += 1
            interval = self._run(made, RUN_EVENTS)
        made = replace(made, interval=interval)
        if ways not in self.judged or interval < self.judged[ways].interval:
            self.judged[ways] = made
        if interval >= now:
            return False
        self.best = parts, made
        self.progress(f"cutting for throughput: {interval:,.0f} cycles per frame")
        return True

    def _run(self, made: Balanced, events: int) -> float:
        """The interval of frames in flight, of about so many events each."""
        self.frame = Frame(made.cut, self.maps, self.frame)
        every = max(1, round(sum(work.events for work in made.works.values()) / events))
        at = {name: number for number, item in enumerate(made.bins) for name in item.names}
        return max(made.bounds.busiest, run_frames(
            self.frame.stages(at, every=every), len(made.bins), self.config, RUN_FRAMES, every).interval)

    def _final(self) -> Balanced:
        """The best of the finalists."""
        last = sorted(self.judged.values(), key=lambda made: made.interval)[:FINALISTS]
        if self.large:
            return last[0]
        return min((replace(made, interval=self._run(made, FINAL_EVENTS)) for made in last),
                   key=lambda made: made.interval)
