"""Where the events of a placed network travel: the load of every link under XY routing.

Loads are estimates, as is the traffic of a placement: every neuron that has a synapse on an axon fires once.
"""

from collections.abc import Iterator, Mapping

from golden.types import Place

Link = tuple[Place, Place]
"""Two neighboring routers, from and to; the host is one of them."""


def route(source: Place, destination: Place, size: tuple[int, int]) -> Iterator[Link]:
    """The links of one route: along x, then along y; a host beside the mesh first enters it straight.

    Args:
        size: columns and rows of the mesh.
    """
    at = list(source)
    for axis in (0, 1):
        while not 0 <= at[axis] < size[axis] and tuple(at) != destination:
            yield _step(at, axis, 1 if at[axis] < 0 else -1)
    for axis in (0, 1):
        while at[axis] != destination[axis]:
            yield _step(at, axis, 1 if destination[axis] > at[axis] else -1)


def _step(at: list[int], axis: int, by: int) -> Link:
    before = (at[0], at[1])
    at[axis] += by
    return before, (at[0], at[1])


def link_loads(traffic: Mapping[Link, int], size: tuple[int, int]) -> dict[Link, int]:
    """Events per frame over every link in use, the most loaded first.

    Args:
        traffic: events by source and destination, see `synapress.mapper.placement.place.Placement.links`.
    """
    loads: dict[Link, int] = {}
    for (source, destination), events in traffic.items():
        for link in route(source, destination, size):
            loads[link] = loads.get(link, 0) + events
    return dict(sorted(loads.items(), key=lambda item: (-item[1], item[0])))
