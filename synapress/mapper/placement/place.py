"""Fragments → cores of a mesh: as few cores as possible, then as little traffic × distance as possible.

Filled cores (`synapress.mapper.placement.bin_packing`) are placed as a quadratic assignment problem
(`synapress.mapper.placement.assignment`); places beyond the reach of relative addresses cost more than anything else.
Traffic is an estimate: every neuron that has a synapse on an axon fires once.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.errors import MappingError
from golden.types import Array, Place
from synapress.mapper.errors import Repair, RuleError, Violation
from synapress.mapper.partition.fragments import PartitionedProgram, reach
from synapress.mapper.placement.assignment import OUT_OF_REACH, optimize
from synapress.mapper.placement.bin_packing import (
    LIMITS,
    Bin,
    Pins,
    allowed_cores,
    available,
    core_of,
    needs,
    pack,
    pinned_cores,
)
from synapress.mapper.placement.reachable import crowded
from synapress.mapper.ways_out import either, raised, signed_bits

CONSTRUCTIONS = ("row-major", "optimized")
MAX_LOCATIONS = 400
"""Of a larger mesh, so many places next to the host and to the pinned cores are tried, or twice the cores in use.
Bounds the time, which grows with the cube of the places: 20 × 20 of them."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where every fragment lives, and what that costs."""

    size: tuple[int, int]
    host: Place
    places: dict[str, Place]
    """Core (column, row) of each fragment that is not an input's."""
    used: dict[Place, dict[str, int]]
    """Per core in use, in row-major order, what it needs of each of `LIMITS`."""
    available: dict[str, int]
    fewest: int
    """Cores that the sums of words, IDs and so on of these fragments need at least, however they are packed."""
    cost: int
    """Estimated events × hops per frame, the host's included."""
    row_major_cost: int
    """The same with these cores row by row in the order of the layers, whether that keeps in reach or not."""
    links: dict[tuple[Place, Place], int]
    """Estimated events per frame by source and destination; the host is one of them."""

    @property
    def gain(self) -> float:
        """How many times the naive order's traffic × distance is this one's."""
        return self.row_major_cost / self.cost if self.cost else 1.0

    def limiting(self, core: Place) -> str:
        """The most-utilized resource of a core."""
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


def place(
    cut: PartitionedProgram, size: tuple[int, int], *, host: Place | None = None, pins: Pins | None = None,
    method: str = "optimized", packed: list[Bin] | None = None,
) -> Placement:
    """Place the fragments of a network.

    Args:
        size: columns and rows of the mesh.
        host: its place; by default north of the middle of row 0. In the mesh it takes the place of a core.
        pins: layer or fragment → the core, or the cores, that its fragments must lie on.
        method: one of `CONSTRUCTIONS`; "row-major" keeps the order of the layers, for comparison.
        packed: the fragments that share a core, which fit it; default: as few cores as possible. Without pins only.

    Raises:
        RuleError: too few cores, a pin that cannot be honored, or addresses that do not reach.
        MappingError: a mesh without cores, a pin that names no layer or no core, or an unknown method.
        ToolError: scipy is not installed.
    """
    size, host = core_of("mesh", size), None if host is None else core_of("host", host)
    cores, load = pinned_cores(cut, pins or {}), needs(cut)

    def attempt(cut: PartitionedProgram) -> Placement:
        try:
            return _place(cut, size, host, cores, load, method, packed=packed)
        except RuleError as refused:
            if method != "optimized" or packed is not None or not _other_mesh(refused):
                raise
            try:
                return _place(cut, size, host, cores, load, method, linked=True)
            except RuleError:
                raise refused from None

    return _near_first(attempt, cut)


def place_all(
    cut: PartitionedProgram, *, host: Place | None = None, pins: Pins | None = None, method: str = "optimized",
    packed: list[Bin] | None = None,
) -> Placement:
    """`place` on a small mesh, as square as can be, that holds the network and all cores of its pins.

    Where relative addresses do not reach, meshes of fewer rows, and of fewer columns, are tried, then more cores, each
    with fragments that have links with each other, before it is refused.
    """
    host, cores, load = None if host is None else core_of("host", host), pinned_cores(cut, pins or {}), needs(cut)
    return _near_first(lambda cut: _place_all(cut, host, cores, load, method, packed), cut)


def _near_first(attempt: Callable[[PartitionedProgram], Placement], cut: PartitionedProgram) -> Placement:
    """A placement in reach of the axon words; only where there is none, one whose axons take second words."""
    near = replace(cut, config=replace(cut.config, mesh_bits=cut.config.near_mesh_bits))
    try:
        return attempt(near)
    except RuleError as refused:
        if near.config == cut.config or not _other_mesh(refused):
            raise
        return attempt(cut)


def _place_all(
    cut: PartitionedProgram, host: Place | None, cores: Mapping[str, Sequence[Place]],
    load: Mapping[str, Mapping[str, int]], method: str, given: list[Bin] | None,
) -> Placement:
    least = [1 + max((core[axis] for given in cores.values() for core in given), default=0) for axis in (0, 1)]
    everywhere = (max(1, least[0]), max(1, least[1]))
    allowed = allowed_cores(cut, cores, everywhere, (-1, -1) if host is None else host)
    refused: RuleError | None = None
    for linked in (False, True) if method == "optimized" and given is None else (False,):
        packed = pack(cut, load, available(cut.config), allowed, linked=linked) if given is None else given
        for size in dict.fromkeys(_sizes(len(packed), everywhere, host, cut.config)):
            try:
                return _place(cut, size, host, cores, load, method, packed=packed)
            except RuleError as error:
                if not _other_mesh(error):
                    raise
                refused = refused or error
    assert refused is not None
    raise refused


def _other_mesh(refused: RuleError) -> bool:
    """Whether all that is refused may do on another mesh, or with other fragments together in a core."""
    return all(violation.repair is Repair.OTHER_MESH for violation in refused.violations)


def _sizes(count: int, least: Place, host: Place | None, config: CoreConfig) -> Iterator[Place]:
    """Meshes that hold so many cores: about square, then with all rows, or all columns, in reach of the first."""
    far = config.mesh_reach
    for columns in (math.isqrt(count - 1) + 1, -(-count // far), min(count, far)):
        columns = max(columns, least[0])
        rows = max(-(-count // columns), least[1])
        if rows == least[1]:  # pins ask for these rows: no more columns than they leave to be filled
            columns = max(least[0], -(-count // rows))
        if host is not None and 0 <= host[0] < columns and 0 <= host[1] < rows and columns * rows == count:
            columns, rows = (columns + 1, rows) if columns <= rows else (columns, rows + 1)
        yield columns, rows


def _place(
    cut: PartitionedProgram, size: tuple[int, int], host: Place | None, pins: Mapping[str, Sequence[Place]],
    load: Mapping[str, Mapping[str, int]], method: str, *, linked: bool = False,
    packed: list[Bin] | None = None,
) -> Placement:
    if method not in CONSTRUCTIONS:
        raise MappingError(f"placement method '{method}' is not one of {', '.join(CONSTRUCTIONS)}")
    if min(size) < 1:
        raise MappingError(f"a mesh of {size[0]} × {size[1]} has no cores; give columns and rows of at least 1")
    host = ((size[0] - 1) // 2, -1) if host is None else host
    limits = available(cut.config)
    allowed = allowed_cores(cut, pins, size, host)
    cores = pack(cut, load, limits, allowed, linked=linked) if packed is None else packed
    inside = 0 <= host[0] < size[0] and 0 <= host[1] < size[1]
    if len(cores) > size[0] * size[1] - inside:
        raise RuleError([Violation(
            layer=cut.program.name, rule="placement", needed=f"{len(cores)} cores",
            available=f"{size[0]} × {size[1]} = {size[0] * size[1]}" + ", one of them the host" * inside,
            help=either(f"use a mesh of {size[0]} × {-(-(len(cores) + inside) // size[0])}, or a larger one",
                        "cores with more memory"))])
    traffic = _traffic(cut, cores)
    if method == "optimized":
        _check_room(cut, cores, traffic, size, host)
    naive = _row_by_row(cores, size, host)
    at = naive if method == "row-major" else _optimized(traffic, cores, size, host, cut.config)
    _check_reach(cut, cores, [*at, host])
    used = {at[number]: core.needs for number, core in enumerate(cores)}
    totals = {name: sum(core.needs[name] for core in cores) for name in LIMITS}
    ends = [*at, host]
    rows, columns = np.nonzero(traffic)
    return Placement(
        size=size, host=host, places={name: at[number] for number, core in enumerate(cores) for name in core.names},
        used=dict(sorted(used.items(), key=lambda item: (item[0][1], item[0][0]))), available=limits,
        fewest=max(-(-totals[name] // limits[name]) for name in LIMITS),
        cost=_hops(traffic, ends), row_major_cost=_hops(traffic, [*naive, host]),
        links={(ends[i], ends[j]): int(traffic[i, j]) for i, j in zip(rows.tolist(), columns.tolist(), strict=True)})


# -- locations ---------------------------------------------------------------------------------


def _row_by_row(cores: Sequence[Bin], size: tuple[int, int], host: Place) -> list[Place]:
    """Cores that are not pinned row by row, in their order."""
    occupied = {host, *(core.place for core in cores)}
    free = ((x, y) for y in range(size[1]) for x in range(size[0]) if (x, y) not in occupied)
    return [next(free) if core.place is None else core.place for core in cores]


def _locations(cores: Sequence[Bin], size: tuple[int, int], host: Place) -> list[Place]:
    """Places that are tried, row by row: all, or of a large mesh those next to the host and to the pinned cores."""
    most = max(MAX_LOCATIONS, 2 * len(cores))
    if size[0] * size[1] <= most:
        return [(x, y) for y in range(size[1]) for x in range(size[0]) if (x, y) != host]
    pinned = {core.place for core in cores if core.place is not None}
    inside = min(max(host[0], 0), size[0] - 1), min(max(host[1], 0), size[1] - 1)
    radius = [max(math.isqrt(2 * most) + 1, -(-most // size[1 - axis])) for axis in (0, 1)]
    apart: dict[Place, int] = {}
    for anchor in {inside, *pinned}:
        spans = [range(max(0, anchor[axis] - radius[axis]), min(size[axis], anchor[axis] + radius[axis] + 1))
                 for axis in (0, 1)]
        for x, y in itertools.product(*spans):
            hops = abs(x - anchor[0]) + abs(y - anchor[1])
            apart[x, y] = min(hops, apart.get((x, y), hops))
    apart.pop(host, None)
    nearest = sorted(apart, key=lambda place: (place not in pinned, apart[place], place[1], place[0]))
    return sorted(nearest[:most], key=lambda place: (place[1], place[0]))


# -- traffic and distance ----------------------------------------------------------------------


def _traffic(cut: PartitionedProgram, cores: Sequence[Bin]) -> Array:
    """Events per frame from core to core, ends included; the host is last."""
    host = len(cores)
    number = {name: index for index, core in enumerate(cores) for name in core.names}
    matrix = np.zeros((host + 1, host + 1), np.int64)
    for descriptor in cut.descriptors:
        destination = cut.by_name[descriptor.edge.destination]
        for name, shift in zip(descriptor.sources, descriptor.shifts, strict=True):
            source = cut.by_name[name]
            columns, rows = reach(descriptor.edge, shift, source, destination)
            events = 1 if descriptor.silent else 1 + source.shape[0] * columns * rows
            matrix[number.get(name, host), number[destination.name]] += events
    for output in cut.outputs:
        for name in output.sources:
            depth, width, height = cut.by_name[name].shape
            matrix[number[name], host] += 1 + depth * width * height
    np.fill_diagonal(matrix, 0)
    return matrix


def _hops(traffic: Array, ends: Sequence[Place]) -> int:
    """Traffic × distance between places."""
    return round(float((traffic * _distance(ends, None)).sum()))


def _distance(locations: Sequence[Place], config: CoreConfig | None) -> Array:
    """Hops between locations; with a configuration, out of reach is far worse than anything else."""
    at = np.array(locations)
    apart = np.abs(at[:, None] - at)
    hops = apart.sum(axis=2)
    if config is None:
        return np.asarray(hops)
    beyond = np.maximum(0, apart - config.mesh_reach).sum(axis=2)
    return np.asarray(hops + OUT_OF_REACH * beyond)


# -- optimization ------------------------------------------------------------------------------


def _optimized(
    traffic: Array, cores: Sequence[Bin], size: tuple[int, int], host: Place, config: CoreConfig
) -> list[Place]:
    """Places of the cores, by `optimize` with a silent core on every place that is left."""
    locations = _locations(cores, size, host)
    number = {place: index for index, place in enumerate(locations)}
    fixed = {index: number[core.place] for index, core in enumerate(cores) if core.place is not None}
    order = [*range(len(cores)), len(locations)]
    padded = np.zeros((len(locations) + 1,) * 2, np.int64)
    padded[np.ix_(order, order)] = traffic
    snake = np.array(sorted(number.values(), key=lambda index: (
        locations[index][1], locations[index][0] * (1, -1)[locations[index][1] % 2])))
    chosen = optimize(padded, _distance([*locations, host], config), fixed, snake)
    return [locations[index] for index in chosen[:len(cores)].tolist()]


def _check_room(
    cut: PartitionedProgram, cores: Sequence[Bin], traffic: Array, size: tuple[int, int], host: Place
) -> None:
    """Refuse at once what cannot be in reach wherever it is placed."""
    far = cut.config.mesh_reach
    crowd = crowded((traffic + traffic.T) > 0, size, host, far)
    if crowd is None:
        return
    name = next(iter(cores[crowd.core].names)) if crowd.core < len(cores) else ""
    raise RuleError([Violation(
        layer=cut.by_name[name].layer if name else "host", rule="reach",
        needed=f"{crowd.cores} cores within {crowd.links * far} columns and rows of " + (
            f"that of '{name}'" if name else "the host") + f", from which they are at most {crowd.links} links",
        available=f"{crowd.places} places in a mesh of {size[0]} × {size[1]} for cores with as many around them",
        help=either(raised(cut.config, "mesh_bits", signed_bits(max(size))), "cores with more memory"),
        repair=Repair.OTHER_MESH)])


def _check_reach(cut: PartitionedProgram, cores: Sequence[Bin], ends: Sequence[Place]) -> None:
    """Refuse links that relative addresses cannot tell, and name the layers at both ends."""
    far, host = cut.config.mesh_reach, len(cores)
    number = {name: index for index, core in enumerate(cores) for name in core.names}
    links = [(number.get(name, host), number[item.edge.destination], name, item.edge.destination)
             for item in cut.descriptors for name in item.sources]
    links += [(number[name], host, name, "") for output in cut.outputs for name in output.sources]
    violations: dict[tuple[str, str], tuple[int, Violation]] = {}
    for i, j, source, destination in links:
        apart = max(abs(ends[i][axis] - ends[j][axis]) for axis in (0, 1))
        if apart > far:
            layers = [cut.by_name[name].layer if name else "host" for name in (source, destination)]
            names = [f"'{source}'" if i != host else f"the host ('{source}')", f"'{destination}'" if j != host else
                     "the host"]
            found = Violation(
                layer=layers[j != host], rule="reach", available=str(far),
                needed=f"{apart} columns or rows from {names[0]} at {ends[i]} to {names[1]} at {ends[j]}",
                help=either(raised(cut.config, "mesh_bits", signed_bits(apart)),
                            "let both ends lie closer: a smaller mesh, fewer pins, or another place of the host"),
                repair=Repair.OTHER_MESH)
            before = violations.get((layers[0], layers[1]))
            if before is None or before[0] < apart:
                violations[layers[0], layers[1]] = apart, found
    if violations:
        raise RuleError([violation for _, violation in violations.values()])
