"""Fragments → filled cores: as few as possible, pinned fragments where they must be.

Cores are filled by best-fit decreasing: bin packing with four limits (words, event IDs, populations, ends of timestep).
That mixes fragments from anywhere, so that in large networks each core talks to too many others for all of them to be
in reach. Then only fragments with few links between them share a core, which takes more cores.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import SupportsIndex, cast

from golden.config import CoreConfig
from golden.errors import MappingError
from golden.types import Place
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.partition.fragments import PartitionedProgram, plan_alone

LIMITS = ("words", "event IDs", "populations", "ends of timestep")
Pins = Mapping[str, Place | Sequence[Place]]
"""Layer or fragment → the core, or the cores, that its fragments must lie on."""


def available(config: CoreConfig) -> dict[str, int]:
    """What one core has of each of `LIMITS`."""
    return dict(zip(LIMITS, (config.memory_words, config.max_edges, config.max_populations, 1 << config.incoming_bits),
                    strict=True))


def needs(cut: PartitionedProgram) -> dict[str, dict[str, int]]:
    """What each fragment needs of each of `LIMITS`; a core's need is the sum of its fragments'."""
    found = {}
    for fragment in cut.hosted:
        into = cut.into[fragment.name]
        values = (plan_alone(cut, fragment.name).words, len(into), 1, sum(len(item.sources) for item in into))
        found[fragment.name] = dict(zip(LIMITS, values, strict=True))
    return found


@dataclass(eq=False)
class Bin:
    """A core that is being filled; its place is known if something is pinned to it."""

    names: list[str]
    needs: dict[str, int]
    place: Place | None = None

    def fits(self, need: Mapping[str, int], limits: Mapping[str, int]) -> bool:
        for name in LIMITS:  # a plain loop: this is asked of every core for every fragment
            if self.needs[name] + need[name] > limits[name]:
                return False
        return True

    def put(self, name: str, need: Mapping[str, int]) -> None:
        self.names.append(name)
        self.needs = {limit: self.needs[limit] + need[limit] for limit in LIMITS}


def core_of(what: str, given: object) -> Place:
    """Two integers, of Python or numpy, as a core.

    Raises:
        MappingError: they are none.
    """
    try:
        x, y = (cast("SupportsIndex", number).__index__() for number in cast("Iterable[object]", given))
    except (AttributeError, TypeError, ValueError):
        raise MappingError(f"{what}: {given!r} is no core; give a column and a row, as (3, 0)") from None
    return x, y


def pinned_cores(cut: PartitionedProgram, pins: Pins) -> dict[str, list[Place]]:
    """The cores that each pin allows, by layer or fragment.

    Raises:
        MappingError: a pin names no layer or fragment, or no core.
    """
    names = {name for item in cut.hosted for name in (item.name, item.parent, item.layer)}
    found: dict[str, list[Place]] = {}
    for layer, given in pins.items():
        if layer not in names:
            raise MappingError(f"pin '{layer}': there is no such layer or fragment in cores; there are: "
                               f"{', '.join(dict.fromkeys(item.layer for item in cut.hosted))}. Pin one of these.")
        what, cores = f"pin '{layer}'", list(cast("Iterable[object]", given)) if isinstance(given, Iterable) else []
        if not cores:
            raise MappingError(f"{what}: {given!r} is no core; give a column and a row, as (3, 0), or several such")
        alone = not any(isinstance(item, Iterable) for item in cores)
        found[layer] = [core_of(what, cores)] if alone else [core_of(what, core) for core in cores]
    return found


def allowed_cores(
    cut: PartitionedProgram, pins: Mapping[str, Sequence[Place]], size: tuple[int, int], host: Place
) -> dict[str, list[Place]]:
    """Cores by pinned fragment.

    Raises:
        RuleError: a pin's core is not in the mesh.
    """
    allowed: dict[str, list[Place]] = {}
    for layer, cores in pins.items():
        for core in cores:
            if core == host or not (0 <= core[0] < size[0] and 0 <= core[1] < size[1]):
                raise RuleError([Violation(
                    layer=layer, rule="pin", needed=f"core {core}", help="Pin it to a core of the mesh.",
                    available=f"a mesh of {size[0]} × {size[1]}, host at {host}")])
        for item in cut.hosted:
            if layer in (item.name, item.parent, item.layer):
                allowed[item.name] = [core for core in cores if core in allowed.get(item.name, cores)]
    return allowed


def pack(
    cut: PartitionedProgram, load: Mapping[str, Mapping[str, int]], limits: Mapping[str, int],
    allowed: Mapping[str, Sequence[Place]], *, linked: bool = False,
) -> list[Bin]:
    """Best-fit decreasing: the largest fragment first, into the fullest core that still takes it; pinned ones before.

    Args:
        linked: layer after layer instead, each fragment into the core with the most of those it has links with, and
            only where such a fragment, or one with a link to such a fragment, is already; pins go before that.

    Returns the cores in the order of their first fragments.
    """
    order = {fragment.name: number for number, fragment in enumerate(cut.hosted)}
    pinned = {core: Bin([], dict.fromkeys(LIMITS, 0), core) for cores in allowed.values() for core in cores}
    bins = list(pinned.values())
    weight = {name: max(load[name][limit] / limits[limit] for limit in LIMITS) for name in order}
    choices = {name: len(allowed[name]) if name in allowed else len(order) + 1 for name in order}
    links = _links(cut) if linked else {}
    holder: dict[str, int] = {}

    def worth(item: Bin, name: str) -> tuple[int, int]:
        return sum(other in links[name] for other in item.names) if linked else 0, item.needs["words"]

    for name in sorted(order, key=lambda name: (choices[name], 0 if linked else -weight[name], order[name])):
        choice = [pinned[core] for core in allowed[name]] if name in allowed else bins
        if linked and name not in allowed:
            near = links[name].union(*(links[other] for other in links[name]))
            choice = [bins[number] for number in sorted({holder[other] for other in near if other in holder})]
        fitting = [item for item in choice if item.fits(load[name], limits)]
        if not fitting and name in allowed:
            raise RuleError([_unfit(cut, name, load[name], choice, limits)])
        if not fitting:
            fitting = [Bin([], dict.fromkeys(LIMITS, 0))]
            bins += fitting
            if not fitting[0].fits(load[name], limits):
                raise RuleError([_unfit(cut, name, load[name], fitting, limits)])
        core = max(fitting, key=lambda item: worth(item, name))
        core.put(name, load[name])
        holder[name] = bins.index(core)
    for item in bins:
        item.names.sort(key=order.__getitem__)
    return sorted((item for item in bins if item.names), key=lambda item: order[item.names[0]])


def _links(cut: PartitionedProgram) -> dict[str, set[str]]:
    """Fragments in cores that each of them sends to or hears of."""
    links: dict[str, set[str]] = {fragment.name: set() for fragment in cut.hosted}
    for descriptor in cut.descriptors:
        for source in descriptor.sources:
            if source in links:
                links[source].add(descriptor.edge.destination)
                links[descriptor.edge.destination].add(source)
    return links


def _unfit(
    cut: PartitionedProgram, name: str, need: Mapping[str, int], choice: Sequence[Bin], limits: Mapping[str, int]
) -> Violation:
    """Why none of these cores takes a fragment."""
    free = [f"core {item.place or 'of its own'}: " + ", ".join(
        f"{limits[limit] - item.needs[limit]} {limit}" for limit in LIMITS
        if need[limit] > limits[limit] - item.needs[limit]) for item in choice]
    short = [limit for limit in LIMITS if all(need[limit] > limits[limit] - item.needs[limit] for item in choice)]
    return Violation(
        layer=cut.by_name[name].layer, rule="pin" if not choice or choice[0].place else "core",
        needed=", ".join(f"{need[limit]} {limit}" for limit in short or LIMITS) + f" for '{name}'",
        available="; ".join(free) or "no core that all its pins allow", help="Pin it to more cores, or cut it finer.")
