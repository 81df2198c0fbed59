"""Fragments → a given number of cores, so that the busiest core has as little to do as possible.

Longest first, each into the core that has least to do with it and takes it; among equals into that with which it has
most links. Then fragments of the busiest core are moved, or exchanged, as long as that helps. Few fragments are packed
exactly, by branch and bound.
"""

from collections.abc import Mapping, Sequence

from synapress.mapper.partition.fragments import Descriptor, Fragment, PartitionedProgram, plan_alone
from synapress.mapper.placement.bin_packing import LIMITS, Bin
from synapress.mapper.throughput.work import FragmentWork

EXACT_FRAGMENTS = 10
"""At most so many fragments are packed exactly: their packings are few enough to look at."""
EXACT_STEPS = 50_000
"""Most steps of that; then the best packing so far is taken."""
SLACK = 0.01
"""Cores that differ by less of the load are equals when a fragment chooses its core."""
MOVES = 400
"""Most moves and exchanges: each makes a core less loaded, but by ever less."""

Load = tuple[float, float]
"""Cycles of updates, and of evaluating: the two run beside each other."""
Needs = Mapping[str, Mapping[str, int]]


class NeedsModel:
    """What fragments need of each of `LIMITS`; fragments that several cuts have in common are planned once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Fragment, tuple[Descriptor, ...], int], dict[str, int]] = {}

    def of(self, cut: PartitionedProgram) -> dict[str, dict[str, int]]:
        """As `synapress.mapper.placement.bin_packing.needs`."""
        found = {}
        for fragment in cut.hosted:
            into, axons = cut.into[fragment.name], len(cut.out_of[fragment.name])
            key = fragment, tuple(into), axons + len(cut.outputs_of.get(fragment.name, ()))
            if key not in self._known:
                values = (plan_alone(cut, fragment.name).words, len(into), 1, sum(len(item.sources) for item in into))
                self._known[key] = dict(zip(LIMITS, values, strict=True))
            found[fragment.name] = self._known[key]
        return found


class _Packing:
    """Fragments in cores while they are being packed."""

    def __init__(
        self, works: Mapping[str, FragmentWork], sends: Mapping[str, float], needs: Needs, limits: Mapping[str, int],
        cores: int
    ) -> None:
        self.loads: dict[str, Load] = {name: (work.busy, sends[name]) for name, work in works.items()}
        self.needs, self.limits = needs, limits
        self.bins = [Bin([], dict.fromkeys(LIMITS, 0)) for _ in range(cores)]
        self.sums: list[Load] = [(0.0, 0.0)] * cores

    def cost(self, core: int, more: str | None = None, less: str | None = None) -> float:
        """Load of a core, perhaps with a fragment more or less."""
        (busy, sent), (add, sub) = self.sums[core], (self.loads.get(more or "", (0.0, 0.0)),
                                                     self.loads.get(less or "", (0.0, 0.0)))
        return max(busy + add[0] - sub[0], sent + add[1] - sub[1])

    def fits(self, core: int, more: str, less: str | None = None) -> bool:
        used, add, sub = self.bins[core].needs, self.needs[more], self.needs.get(less or "", {})
        return all(used[limit] + add[limit] - sub.get(limit, 0) <= self.limits[limit] for limit in LIMITS)

    def put(self, core: int, name: str) -> None:
        self.bins[core].put(name, self.needs[name])
        self.sums[core] = self.sums[core][0] + self.loads[name][0], self.sums[core][1] + self.loads[name][1]

    def take(self, core: int, name: str) -> None:
        item = self.bins[core]
        item.names.remove(name)
        item.needs = {limit: item.needs[limit] - self.needs[name][limit] for limit in LIMITS}
        self.sums[core] = self.sums[core][0] - self.loads[name][0], self.sums[core][1] - self.loads[name][1]

    @property
    def worst(self) -> float:
        return max(map(self.cost, range(len(self.bins))))


def pack_balanced(
    works: Mapping[str, FragmentWork], sends: Mapping[str, float], needs: Needs, limits: Mapping[str, int], cores: int,
) -> list[Bin] | None:
    """Fill at most so many cores; None if no way was found to make everything fit.

    Args:
        sends: by fragment the cycles of its evaluation (`synapress.mapper.throughput.interval.sending`).
        needs, limits: see `synapress.mapper.placement.bin_packing`.
    """
    links = _links(works)
    most = max((max(work.busy, sends[name]) for name, work in works.items()), default=1.0) or 1.0
    room = {name: max(needs[name][limit] / limits[limit] for limit in LIMITS) for name in works}
    packed: _Packing | None = None
    for weight in (0.0, 1.0, 1e6):  # the last one as if only room counted
        order = sorted(works, key=lambda name: -(
            max(works[name].busy, sends[name]) / most + weight * room[name]))  # stable: else in the order of the layers
        tried = _longest_first(_Packing(works, sends, needs, limits, cores), order, links)
        if tried is not None:
            _improve(tried)
            packed = tried if packed is None or tried.worst < packed.worst else packed
    if len(works) <= EXACT_FRAGMENTS:
        packed = _exact(_Packing(works, sends, needs, limits, cores), packed)
    if packed is None:
        return None
    number = {name: index for index, name in enumerate(works)}
    for item in packed.bins:
        item.names.sort(key=number.__getitem__)
    return sorted((item for item in packed.bins if item.names), key=lambda item: number[item.names[0]])


def _links(works: Mapping[str, FragmentWork]) -> dict[str, dict[str, float]]:
    """Cycles of events between fragments in cores, both ways."""
    links: dict[str, dict[str, float]] = {name: {} for name in works}
    for name, work in works.items():
        for source, cycles in work.sources.items():
            if source in links:
                links[name][source] = links[source][name] = links[name].get(source, 0.0) + cycles
    return links


def _longest_first(
    packing: _Packing, order: Sequence[str], links: Mapping[str, Mapping[str, float]]
) -> _Packing | None:
    for name in order:
        fitting = [core for core in range(len(packing.bins)) if packing.fits(core, name)]
        if not fitting:
            return None
        costs = {core: packing.cost(core, name) for core in fitting}
        least = min(costs.values())
        equals = [core for core in fitting if costs[core] <= least * (1 + SLACK)]
        packing.put(max(equals, key=lambda core: (
            sum(links[name].get(other, 0.0) for other in packing.bins[core].names), -costs[core], -core)), name)
    return packing


def _improve(packing: _Packing) -> None:
    """Move fragments of the busiest core, or exchange them for those of others, while it becomes less busy by that."""
    for _ in range(MOVES):
        costs = [packing.cost(core) for core in range(len(packing.bins))]
        worst = costs.index(max(costs))
        best: tuple[float, int, str, str | None] | None = None
        for name in packing.bins[worst].names:
            for core in range(len(packing.bins)):
                if core == worst:
                    continue
                for other in (None, *packing.bins[core].names):
                    after = max(packing.cost(core, name, other), packing.cost(worst, other, name))
                    if after < (costs[worst] if best is None else best[0]) * (1 - 1e-9) and packing.fits(
                            core, name, other) and (other is None or packing.fits(worst, other, name)):
                        best = after, core, name, other
        if best is None:
            return
        _, core, name, other = best
        packing.take(worst, name)
        if other is not None:
            packing.take(core, other)
            packing.put(worst, other)
        packing.put(core, name)


def _exact(packing: _Packing, known: _Packing | None) -> _Packing | None:
    """The best of all packings, by branch and bound; what is known if that is as good."""
    order = sorted(packing.loads, key=lambda name: -max(packing.loads[name]))
    best = known.worst if known is not None else float("inf")
    chosen: list[int] | None = None
    cores, steps = [0] * len(order), 0

    def search(depth: int, used: int) -> None:
        nonlocal best, chosen, steps
        steps += 1
        if steps > EXACT_STEPS:
            return
        if depth == len(order):
            best, chosen = packing.worst, cores[:]
            return
        name = order[depth]
        for core in range(min(used + 1, len(packing.bins))):  # empty cores are alike: only the first is tried
            if packing.fits(core, name) and packing.cost(core, name) < best * (1 - 1e-9):
                packing.put(core, name)
                cores[depth] = core
                search(depth + 1, max(used, core + 1))
                packing.take(core, name)

    search(0, 0)
    if chosen is None:
        return known
    for name, core in zip(order, chosen, strict=True):
        packing.put(core, name)
    return packing
