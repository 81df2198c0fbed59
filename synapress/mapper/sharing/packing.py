"""Fragments → cores on which several share states: fewer words for neurons, and fewer cores.

A core has *regions*: words for the states of one fragment after the other (`synapress.mapper.sharing.exclusion`), as
many as the largest needs. Fragments that leave no room in a core have nobody to share with, so the program is cut
several times, each time for parts of at most another share of a core, and the packing with the fewest cores is taken,
of these the one with the fewest words for states. Nothing is random.
"""

import bisect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.program import Program
from golden.words import layouts
from synapress.mapper.errors import RuleError
from synapress.mapper.partition.cut import Cutter
from synapress.mapper.partition.fragments import PartitionedProgram, plan_alone
from synapress.mapper.partition.search import fewest_cuts
from synapress.mapper.placement.bin_packing import LIMITS, Bin, available, needs, pack
from synapress.mapper.rules import most_ids
from synapress.mapper.sharing.exclusion import Order, frame_guards, guarded, region_guards

FRAME, PIPELINE = "frame", "pipeline"
WAYS = (FRAME, PIPELINE)
"""Which guards: few that keep one timestep in flight, or those of each region, with more timesteps in flight."""
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.45, 0.4, 0.35, 0.3)
"""Of a core's memory: the largest part that is cut for. Below, cuts cost more words than sharing saves."""
GUARD_WORDS = 2
"""Of a guard at its destination, the edge word and a weight; of its axon, which may be a far one."""


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """What sharing states gives, and what it costs."""

    way: str
    cut: PartitionedProgram
    """With guards, and regions of fragments that share states."""
    bins: list[Bin]
    states: tuple[int, int]
    """Words for states, without sharing (of these fragments) and with it."""
    cores: tuple[int, int]
    """Cores in use without sharing, however cut, and with it."""
    in_flight: tuple[int, int]
    """Most timesteps in flight without guards and with them."""
    guards: int
    """Axons that only carry ends of timestep."""

    def to_json(self) -> dict[str, Any]:
        return {"way": self.way, "regions": len(self.cut.regions), "guards": self.guards, **{
            name: {"without": before, "with": after} for name, (before, after) in (
                ("state words", self.states), ("cores", self.cores), ("timesteps in flight", self.in_flight))}}

    def __str__(self) -> str:
        (before, after), word = self.states, self.cut.config.word_bits // 8
        return (f"shared states, {self.way}: {after * word / 2**20:.2f} MB for neurons instead of "
                f"{before * word / 2**20:.2f} MB ({before / after:.2f} times less), {self.cores[1]} cores instead of "
                f"{self.cores[0]}, at most {self.in_flight[1]} timesteps in flight instead of {self.in_flight[0]}, "
                f"{self.guards} guard axons")


def check_way(way: str | None) -> None:
    """That sharing is asked for in a way that there is.

    Raises:
        ConfigError: it is not.
    """
    if way is not None and way not in WAYS:
        raise ConfigError(f"share_states (--share-states): {way!r} is no way to share states; there are "
                          f"{', '.join(WAYS)}")


def share(
    program: Program, config: CoreConfig, way: str, *, progress: Callable[[str], None] = lambda _: None
) -> Sharing:
    """Cut a program, and pack it into cores on which fragments share states.

    Args:
        way: one of WAYS.

    Raises:
        RuleError: something does not fit however it is cut.
        ConfigError: the configuration has no exact hit test, without which values would go out on guards.
    """
    check_way(way)
    if not config.hit_test:
        raise ConfigError("share_states (--share-states): needs hit_test = 1: guards are axons that no neuron hits")
    cutter, best, refused = Cutter(program, config), None, None
    grids: list[Mapping[str, Any]] = []
    alone = 0
    for part in SHARES:
        progress(f"shared states: parts of at most {part:.0%} of a core")
        try:
            cut = fewest_cuts(cutter, room=int(part * config.memory_words))[0]
            if cut.grids in grids:
                continue
            grids.append(cut.grids)
            if len(grids) == 1:
                alone = len(pack(cut, needs(cut), available(config), {}))
            found = _Packing(cut, way).packed(alone)
        except RuleError as error:
            refused = refused or error
            continue
        if best is None or (found.cores[1], found.states[1]) < (best.cores[1], best.states[1]):
            best = found
    if best is None:
        assert refused is not None
        raise refused
    return best


@dataclass(eq=False)
class _Region:
    """Fragments in their order, and words for the largest of their states."""

    names: list[str] = field(default_factory=list)
    words: int = 0
    shared: bool = True
    """Others may join."""


@dataclass(eq=False)
class _Core(Bin):
    """A core that is being filled."""

    regions: list[_Region] = field(default_factory=list)


class _Packing:
    """One packing of the fragments of a cut network."""

    def __init__(self, cut: PartitionedProgram, way: str) -> None:
        self.plain, self.way = cut, way
        self.cut = guarded(cut, frame_guards(cut)) if way == FRAME else cut
        self.order, self.limits = Order(self.cut), available(cut.config)
        self.cores: list[_Core] = []
        self.core_of: dict[str, _Core] = {}
        population = layouts(cut.config).population
        self.most_axons, self.most_ends = population.field("axons").high, population.field("incoming").high
        self.states: dict[str, int] = {}
        self.load: dict[str, dict[str, int]] = {}
        self.axons = Counter({item.name: len(self.cut.out_of[item.name]) + len(self.cut.outputs_of.get(item.name, ()))
                              for item in self.cut.fragments})
        for fragment in self.cut.hosted:
            name, into = fragment.name, self.cut.into[fragment.name]
            plan = plan_alone(self.cut, name)
            self.states[name] = plan.populations[0].state_words
            # With a second population word, and axons of two words, whether they will be needed or not.
            words = plan.words - self.states[name] + 1 + self.axons[name]
            self.load[name] = dict(zip(LIMITS, (words, len(into), 1, sum(len(item.sources) for item in into)),
                                       strict=True))
        self._guards: dict[tuple[str, ...], frozenset[str]] = {}

    def packed(self, alone: int) -> Sharing:
        """The fragments with the most states first, each where it saves the most words for them.

        Args:
            alone: cores in use without sharing.

        Raises:
            RuleError: a fragment does not fit a core.
        """
        rank = {item.name: number for number, item in enumerate(self.cut.hosted)}
        for name in sorted(rank, key=lambda name: (-self.states[name], rank[name])):
            self._place(name)
        for core in self.cores:
            core.names.sort(key=rank.__getitem__)
        cores = sorted(self.cores, key=lambda core: rank[core.names[0]])
        regions = tuple(tuple(region.names) for core in cores for region in core.regions if len(region.names) > 1)
        cut = self.cut if self.way == FRAME else guarded(self.cut, region_guards(self.order, regions))
        cut = replace(cut, regions=regions)
        return Sharing(
            way=self.way, cut=cut, bins=[Bin(core.names, core.needs) for core in cores],
            states=(sum(self.states.values()), sum(region.words for core in cores for region in core.regions)),
            cores=(alone, len(cores)), in_flight=(Order(self.plain).in_flight(), Order(cut).in_flight()),
            guards=cut.axons - self.plain.axons)

    def _place(self, name: str) -> None:
        """Give a fragment its core."""
        best: tuple[tuple[int, int], _Core, _Region] | None = None
        shareable = self.order.shareable(name)
        for core in self.cores:
            for region in (*(region for region in core.regions if shareable and region.shared), _Region()):
                grown = max(region.words, self.states[name]) - region.words
                worth = self.states[name] - grown, core.needs["words"]
                if (best is None or worth > best[0]) and self._fits(name, core, region, grown):
                    best = worth, core, region
        if best is None:
            core = _Core([], dict.fromkeys(LIMITS, 0))
            if not self._fits(name, core, _Region(), self.states[name]):
                pack(self.cut, needs(self.cut), self.limits, {})  # which refuses it, or finds that it fits alone
            self.cores.append(core)
            best = (0, 0), core, _Region()
        self._join(name, best[1], best[2])

    def _joined(self, name: str, region: _Region) -> list[str] | None:
        """A region's fragments with one more, if they still exclude each other."""
        at = bisect.bisect([self.order.number[other] for other in region.names], self.order.number[name])
        before, after = region.names[:at], region.names[at:]
        late = before and not self.order.precedes(before[-1], name)
        early = after and not self.order.precedes(name, after[0])
        return None if late or early else [*before, name, *after]

    def _guarding(self, names: Sequence[str]) -> frozenset[str]:
        """Sources of the guards of a region by itself."""
        if self.way == FRAME or len(names) < 2:
            return frozenset()
        key = names[0], names[-1]
        if key not in self._guards:
            self._guards[key] = frozenset(self.order.unguarded(*key))
        return self._guards[key]

    def _need(self, name: str, region: _Region, names: Sequence[str], grown: int) -> dict[str, int]:
        """What a core needs more for a fragment in one of its regions."""
        before, after = self._guarding(region.names), self._guarding(names)
        more = bool(after) - bool(before)
        need = dict(self.load[name])
        need["words"] += grown + GUARD_WORDS * more
        need["event IDs"] += more
        need["ends of timestep"] += len(after) - len(before)
        return need

    def _fits(self, name: str, core: _Core, region: _Region, grown: int) -> bool:
        names = self._joined(name, region)
        if names is None:
            return False
        need = self._need(name, region, names, grown)
        if not core.fits(need, self.limits):
            return False
        new, last = self._guarding(names), self.load[names[-1]]
        if new and (last["ends of timestep"] + len(new) > self.most_ends
                    or last["event IDs"] + 1 > most_ids(self.cut.config)):
            return False
        added = new - self._guarding(region.names)
        if any(self.axons[source] >= self.most_axons for source in added & self.load.keys()):
            return False
        holders = [self.core_of[source] for source in added if source in self.core_of]
        return all(item.needs["words"] + need["words"] * (item is core) + GUARD_WORDS * holders.count(item)
                   <= self.limits["words"] for item in holders)

    def _join(self, name: str, core: _Core, region: _Region) -> None:
        names = self._joined(name, region)
        assert names is not None
        grown = max(region.words, self.states[name]) - region.words
        core.put(name, self._need(name, region, names, grown))
        before, after = self._guarding(region.names), self._guarding(names)
        for sources, step in ((after - before, 1), (before - after, -1)):
            for source in sources & self.load.keys():
                self.axons[source] += step
                at = self.core_of.get(source)
                holder = self.load[source] if at is None else at.needs
                holder["words"] += GUARD_WORDS * step
        self.core_of[name] = core
        if not region.names:
            core.regions.append(region)
            region.shared = self.order.shareable(name)
        region.names, region.words = names, region.words + grown
