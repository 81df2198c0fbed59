"""Fragments → cores of a mesh: as few cores as possible, then as little traffic × distance as possible.

Cores are filled by best-fit decreasing (bin packing with four limits: words, event IDs, populations, ends of
timestep). Filled cores are placed by scipy's heuristic for the quadratic assignment problem and by exchanging pairs as
long as that helps; places beyond the reach of relative addresses cost more than anything else. Traffic is an estimate:
every neuron that has a synapse on an axon fires once.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import MappingError, ToolError
from mapper.errors import RuleError, Violation
from mapper.fragments import Core, CutProgram, placed_edge, plan_alone, reach

Array = npt.NDArray[Any]
LIMITS = ("words", "event IDs", "populations", "ends of timestep")
CONSTRUCTIONS = ("row-major", "optimised")
SWEEPS = 60
"""Most sweeps of pairwise exchanges."""
KICKS = 10
"""Most new attempts, each from the best so far with some cores shuffled, while something is out of reach."""
OUT_OF_REACH = 100_000
"""What a column or row beyond the reach of relative addresses counts, in hops."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where every fragment lives, and what that costs."""

    size: tuple[int, int]
    host: Core
    places: dict[str, Core]
    """Core (column, row) of each fragment that is not an input's."""
    used: dict[Core, dict[str, int]]
    """Per core in use, in row-major order, what it needs of each of `LIMITS`."""
    available: dict[str, int]
    fewest: int
    """Cores that the sums of words, IDs and so on need at least, however the network is cut and packed."""
    cost: int
    """Estimated events × hops per frame, the host's included."""
    row_major_cost: int
    """The same with these cores row by row in the order of the layers, whether that keeps in reach or not."""
    links: dict[tuple[Core, Core], int]
    """Estimated events per frame by source and destination; the host is one of them."""

    @property
    def gain(self) -> float:
        """How many times the naive order's traffic × distance is this one's."""
        return self.row_major_cost / self.cost if self.cost else 1.0

    def limiting(self, core: Core) -> str:
        """What of a core is fullest."""
        return max(LIMITS, key=lambda name: self.used[core][name] / self.available[name])

    def to_json(self) -> dict[str, Any]:
        return {
            "size": list(self.size), "host": list(self.host), "cores": len(self.used), "fewest": self.fewest,
            "traffic_distance": self.cost, "row_major": self.row_major_cost, "gain": round(self.gain, 3),
            "available": self.available,
            "used": [{"core": list(core), **used, "limiting": self.limiting(core)} for core, used in self.used.items()],
            "places": {name: list(core) for name, core in self.places.items()},
            "links": [{"from": list(source), "to": list(destination), "events": events}
                      for (source, destination), events in self.links.items()],
        }


def available(config: CoreConfig) -> dict[str, int]:
    """What one core has of each of `LIMITS`."""
    return dict(zip(LIMITS, (config.memory_words, config.max_edges, config.max_populations, 1 << config.incoming_bits),
                    strict=True))


def needs(cut: CutProgram) -> dict[str, dict[str, int]]:
    """What each fragment needs of each of `LIMITS`; a core's need is the sum of its fragments'."""
    found = {}
    for fragment in cut.hosted:
        into = cut.into[fragment.name]
        values = (plan_alone(cut, fragment.name).words, len(into), 1, sum(len(item.sources) for item in into))
        found[fragment.name] = dict(zip(LIMITS, values, strict=True))
    return found


def place(
    cut: CutProgram, size: tuple[int, int], *, host: Core | None = None,
    pins: Mapping[str, Core | Sequence[Core]] | None = None, method: str = "optimised",
) -> Placement:
    """Place the fragments of a network.

    Args:
        size: columns and rows of the mesh.
        host: its place; by default north of the middle of row 0, which XY routing reaches from everywhere.
        pins: layer or fragment → the core, or the cores, that its fragments must lie on.
        method: one of `CONSTRUCTIONS`; "row-major" keeps the order of the layers, for comparison.

    Raises:
        RuleError: too few cores, a pin that cannot be honoured, or addresses that do not reach.
        MappingError: a pin names no layer, or an unknown method is asked for.
        ToolError: scipy is not installed.
    """
    if method not in CONSTRUCTIONS:
        raise MappingError(f"placement method '{method}' is none of {', '.join(CONSTRUCTIONS)}")
    host = ((size[0] - 1) // 2, -1) if host is None else host
    load, limits = needs(cut), available(cut.config)
    allowed = _allowed(cut, pins or {}, size, host)
    cores = pack(cut, load, limits, allowed)
    if len(cores) > size[0] * size[1]:
        raise RuleError([Violation(
            layer=cut.program.name, rule="placement", needed=f"{len(cores)} cores",
            available=f"{size[0]} × {size[1]} = {size[0] * size[1]}",
            help="Use a larger mesh, cores with more memory, or a smaller network.")])
    locations = [(x, y) for y in range(size[1]) for x in range(size[0])]
    fixed = {number: locations.index(core.place) for number, core in enumerate(cores) if core.place is not None}
    traffic = _traffic(cut, cores, len(locations))
    distance = _distance([*locations, host], cut.config)
    naive = _fill(np.arange(len(locations)), fixed)
    chosen = naive if method == "row-major" else _optimise(traffic, distance, naive, fixed, size)
    hops = _distance([*locations, host], None)
    _check_reach(cut, cores, chosen, locations, host, traffic)
    at = [*(locations[i] for i in chosen[:len(cores)])]
    used = {at[number]: core.needs for number, core in enumerate(cores)}
    totals = {name: sum(item[name] for item in load.values()) for name in LIMITS}
    ends = [*(locations[i] for i in chosen), host]
    rows, columns = np.nonzero(traffic)
    return Placement(
        size=size, host=host, places={name: at[number] for number, core in enumerate(cores) for name in core.names},
        used=dict(sorted(used.items(), key=lambda item: (item[0][1], item[0][0]))), available=limits,
        fewest=max(-(-totals[name] // limits[name]) for name in LIMITS),
        cost=_cost(traffic, hops, chosen), row_major_cost=_cost(traffic, hops, naive),
        links={(ends[i], ends[j]): int(traffic[i, j]) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)})


# -- pins and packing --------------------------------------------------------------------------


@dataclass(eq=False)
class _Bin:
    """A core that is being filled; its place is known if something is pinned to it."""

    names: list[str]
    needs: dict[str, int]
    place: Core | None = None

    def fits(self, need: Mapping[str, int], limits: Mapping[str, int]) -> bool:
        return all(self.needs[name] + need[name] <= limits[name] for name in LIMITS)

    def put(self, name: str, need: Mapping[str, int]) -> None:
        self.names.append(name)
        self.needs = {limit: self.needs[limit] + need[limit] for limit in LIMITS}


def _allowed(
    cut: CutProgram, pins: Mapping[str, Core | Sequence[Core]], size: tuple[int, int], host: Core
) -> dict[str, list[Core]]:
    """Cores by pinned fragment."""
    allowed: dict[str, list[Core]] = {}
    for layer, given in pins.items():
        cores = cast("list[Core]", [given] if isinstance(given[0], int) else list(given))
        names = [item.name for item in cut.hosted if layer in (item.name, item.parent, item.layer)]
        if not names:
            raise MappingError(f"pin '{layer}': there is no such layer or fragment in cores; there are: "
                               f"{', '.join(dict.fromkeys(item.layer for item in cut.hosted))}")
        for core in cores:
            if core == host or not (0 <= core[0] < size[0] and 0 <= core[1] < size[1]):
                raise RuleError([Violation(
                    layer=layer, rule="pin", needed=f"core {core}", help="Pin it to a core of the mesh.",
                    available=f"a mesh of {size[0]} × {size[1]}, host at {host}")])
        for name in names:
            allowed[name] = [core for core in cores if core in allowed.get(name, cores)]
    return allowed


def pack(
    cut: CutProgram, load: Mapping[str, Mapping[str, int]], limits: Mapping[str, int],
    allowed: Mapping[str, Sequence[Core]],
) -> list[_Bin]:
    """Best-fit decreasing: the largest fragment first, into the fullest core that still takes it; pinned ones before.

    Returns the cores in the order of their first fragments.
    """
    order = {fragment.name: number for number, fragment in enumerate(cut.hosted)}
    pinned = {core: _Bin([], dict.fromkeys(LIMITS, 0), core) for cores in allowed.values() for core in cores}
    bins = list(pinned.values())
    weight = {name: max(load[name][limit] / limits[limit] for limit in LIMITS) for name in order}
    choices = {name: len(allowed[name]) if name in allowed else len(order) + 1 for name in order}
    for name in sorted(order, key=lambda name: (choices[name], -weight[name], order[name])):
        choice = [pinned[core] for core in allowed[name]] if name in allowed else bins
        fitting = [item for item in choice if item.fits(load[name], limits)]
        if not fitting and name in allowed:
            raise RuleError([_unfit(cut, name, load[name], choice, limits)])
        if not fitting:
            fitting = [_Bin([], dict.fromkeys(LIMITS, 0))]
            bins += fitting
            if not fitting[0].fits(load[name], limits):
                raise RuleError([_unfit(cut, name, load[name], fitting, limits)])
        max(fitting, key=lambda item: item.needs["words"]).put(name, load[name])
    for item in bins:
        item.names.sort(key=order.__getitem__)
    return sorted((item for item in bins if item.names), key=lambda item: order[item.names[0]])


def _unfit(
    cut: CutProgram, name: str, need: Mapping[str, int], choice: Sequence[_Bin], limits: Mapping[str, int]
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


# -- traffic and distance ----------------------------------------------------------------------


def _traffic(cut: CutProgram, cores: Sequence[_Bin], locations: int) -> Array:
    """Events per frame from core to core, ends included; the host is last, cores not in use are silent."""
    host = locations
    number = {name: index for index, core in enumerate(cores) for name in core.names}
    matrix = np.zeros((locations + 1, locations + 1), np.int64)
    for descriptor in cut.descriptors:
        destination = cut.by_name[descriptor.edge.destination]
        for name in descriptor.sources:
            source = cut.by_name[name]
            columns, rows = reach(placed_edge(descriptor.edge, source), source, destination)
            events = 1 if descriptor.silent else 1 + source.shape[0] * columns * rows
            matrix[number.get(name, host), number[destination.name]] += events
    for output in cut.outputs:
        for name in output.sources:
            depth, width, height = cut.by_name[name].shape
            matrix[number[name], host] += 1 + depth * width * height
    np.fill_diagonal(matrix, 0)
    return matrix


def _distance(locations: Sequence[Core], config: CoreConfig | None) -> Array:
    """Hops between locations; with a configuration, out of reach is far worse than anything else."""
    at = np.array(locations)
    apart = np.abs(at[:, None] - at)
    hops = apart.sum(axis=2)
    if config is None:
        return np.asarray(hops)
    beyond = np.maximum(0, apart - ((1 << (config.mesh_bits - 1)) - 1)).sum(axis=2)
    return np.asarray(hops + OUT_OF_REACH * beyond)


def _cost(traffic: Array, distance: Array, chosen: Array) -> int:
    """Traffic × distance of cores at the chosen locations; the host is the last of both."""
    at = np.append(chosen, len(distance) - 1)
    return round(float((traffic * distance[np.ix_(at, at)]).sum()))


def _fill(order: Array, fixed: Mapping[int, int]) -> Array:
    """Locations by core: the fixed ones where they must be, the others in the given order of locations."""
    free = iter(location for location in order.tolist() if location not in set(fixed.values()))
    return np.array([fixed[number] if number in fixed else next(free) for number in range(len(order))])


# -- optimisation ------------------------------------------------------------------------------


def _optimise(traffic: Array, distance: Array, naive: Array, fixed: Mapping[int, int], size: tuple[int, int]) -> Array:
    """The best of several starts, each improved by pairwise exchanges."""
    try:
        quadratic_assignment = importlib.import_module("scipy.optimize").quadratic_assignment
    except ImportError as error:
        raise ToolError("placement needs scipy: install the extra 'map', or use method='row-major'") from error
    count = len(naive)
    both = (traffic + traffic.T).astype(float)
    # Links are heavy-tailed: without this the few with no events but ends would be left out of reach.
    worth = np.where(both > 0, np.maximum(both, both.max() / 1000), 0.0)
    snake = np.arange(count).reshape(size[1], size[0])
    snake[1::2] = snake[1::2, ::-1]
    starts = [naive, _fill(snake.reshape(-1), fixed)]
    pinned = np.array([*fixed.items(), (count, count)])
    guess = quadratic_assignment(worth, distance.astype(float), method="faq", options={
        "partial_match": pinned, "tol": 1e-3, "rng": np.random.default_rng(0)})
    starts.append(np.asarray(guess.col_ind[:count]))
    movable = np.array([number for number in range(count) if number not in fixed], np.int64)
    if not len(movable):
        return naive
    results = [_exchange(worth, distance, start, movable) for start in starts]
    best = min(results, key=lambda chosen: _cost(worth, distance, chosen))
    random = np.random.default_rng(0)
    for _ in range(KICKS):
        at = np.append(best, count)
        if not (worth * distance[np.ix_(at, at)] * (distance[np.ix_(at, at)] >= OUT_OF_REACH)).any():
            break
        kicked, moved = best.copy(), random.choice(movable, min(len(movable), 2 + len(movable) // 8), replace=False)
        kicked[moved] = best[random.permutation(moved)]
        best = min(best, _exchange(worth, distance, kicked, movable), key=lambda chosen: _cost(worth, distance, chosen))
    return best


def _exchange(both: Array, distance: Array, start: Array, movable: Array) -> Array:
    """Exchange pairs of cores, each time the best partner of one, until none helps."""
    at = np.append(start, len(distance) - 1)
    apart = distance[np.ix_(at, at)].astype(float)
    own = (both * apart).sum(axis=1)
    for _ in range(SWEEPS):
        improved = False
        for number in movable.tolist():
            change = (apart @ both[number] + both @ apart[number] - own[number] - own
                      + 2 * both[number] * apart[number])[movable]
            best = int(np.argmin(change))
            if change[best] >= -1e-6:
                continue
            pair, turned = [number, int(movable[best])], [int(movable[best]), number]
            at[pair] = at[turned]
            apart[pair] = apart[turned]
            apart[:, pair] = apart[:, turned]
            own = (both * apart).sum(axis=1)
            improved = True
        if not improved:
            break
    return at[:-1]


def _check_reach(
    cut: CutProgram, cores: Sequence[_Bin], chosen: Array, locations: Sequence[Core], host: Core, traffic: Array
) -> None:
    """Refuse links that relative addresses cannot tell."""
    far = (1 << (cut.config.mesh_bits - 1)) - 1
    ends = [*(locations[i] for i in chosen), host]
    violations = []
    for i, j in np.argwhere(traffic):
        apart = max(abs(ends[i][axis] - ends[j][axis]) for axis in (0, 1))
        if apart > far:
            index = j if i == len(locations) else i
            name = cores[index].names[0]
            violations.append(Violation(
                layer=cut.by_name[name].layer, rule="reach", available=f"{far}",
                needed=f"{apart} columns or rows from {ends[i]} to {ends[j]}",
                help="Use a smaller mesh, pin less, move the host, or raise mesh_bits."))
    if violations:
        raise RuleError(violations)


def place_all(cut: CutProgram, *, host: Core | None = None, **options: Any) -> Placement:
    """`place` on the smallest mesh, as square as can be, that holds the network."""
    count = len(pack(cut, needs(cut), available(cut.config), {}))
    columns = int(np.ceil(np.sqrt(count)))
    return place(cut, (columns, -(-count // columns)), host=host, **options)
