"""A mesh of a given size: its hosts, its edges, and the ways of events through its links.

`golden.mesh` is the ideal network, which knows no size. What it gives is what a mesh must give, if every event has a
way here: XY routing leads along the row first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from golden.errors import ConfigError
from golden.noc.access import HOP_BITS
from golden.noc.router import PORTS, STEPS, decide
from golden.types import Place

EDGES = tuple(port for port in PORTS if port != "local")
BACK = {"north": "south", "south": "north", "east": "west", "west": "east"}
"""The side of the neighbor at which what leaves at a side comes in."""
Host = tuple[str, int]
"""Edge, and column (north, south) or row (east, west) of the node that the host is beside."""
Link = tuple[Place, str]
"""A node and the side at which events leave it. A host's only link is that into the mesh: its place, "in"."""


@dataclass(frozen=True)
class MeshPlan:
    """What a mesh is made of.

    Args:
        columns, rows: of nodes; (0, 0) is the north-west corner.
        hosts: each just outside an edge. A host at the north or south edge hears all cores; one at the west or east
            edge hears those of its row only, as events go along their row first, and out of the mesh at its end.
        open_edges: edges whose links lead to another mesh. They have no hosts.

    Raises:
        ConfigError: no such edge or place, too many nodes for the access network, or an edge is open and has a host.
    """

    columns: int
    rows: int
    hosts: tuple[Host, ...] = (("north", 0),)
    open_edges: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, count in (("columns", self.columns), ("rows", self.rows)):
            if not 1 <= count <= 1 << HOP_BITS:
                raise ConfigError(f"mesh: {name} = {count} is outside [1, {1 << HOP_BITS}]")
        for edge in (*(edge for edge, _ in self.hosts), *self.open_edges):
            if edge not in EDGES:
                raise ConfigError(f"mesh: there is no edge '{edge}'; there are: {', '.join(EDGES)}")
        for edge, number in self.hosts:
            if not 0 <= number < self.length(edge):
                raise ConfigError(f"mesh: there is no host place {number} at the {edge} edge, which has "
                                  f"{self.length(edge)}; they count from 0")
            if edge in self.open_edges:
                raise ConfigError(f"mesh: the {edge} edge is open, to another mesh, and cannot have a host; "
                                  "choose another edge for one of them")
        if len(set(self.hosts)) < len(self.hosts):
            raise ConfigError(f"mesh: two hosts at one place: {', '.join(f'{edge} {n}' for edge, n in self.hosts)}")

    def length(self, edge: str) -> int:
        """Nodes along an edge."""
        return self.columns if edge in ("north", "south") else self.rows

    def node(self, edge: str, number: int) -> Place:
        """The node at an edge."""
        return {"north": (number, 0), "south": (number, self.rows - 1), "west": (0, number),
                "east": (self.columns - 1, number)}[edge]

    def host_place(self, host: Host) -> Place:
        """A host's place: one step outside of its node, as `golden.mesh.Mesh` and the mapper count it."""
        return _step(self.node(*host), host[0])

    @property
    def places(self) -> tuple[Place, ...]:
        """All nodes, row by row."""
        return tuple((column, row) for row in range(self.rows) for column in range(self.columns))

    def inside(self, place: Place) -> bool:
        """Whether there is a node."""
        return 0 <= place[0] < self.columns and 0 <= place[1] < self.rows

    def route(self, source: Place, destination: Place) -> tuple[list[Link], bool]:
        """The links of an event from a node or a host, and whether it arrives.

        What does not arrive is dropped, and told as an error: to the sender itself and back to where it came from by a
        router, to a place outside of the mesh at the edge behind its last link. At an open edge its way goes on in the
        other mesh, and is told as arrived.
        """
        hosts = {self.host_place(host): host for host in self.hosts}
        x, y = destination[0] - source[0], destination[1] - source[1]
        links: list[Link] = []
        at, came = source, "local"
        if source in hosts:  # it enters straight
            edge = hosts[source][0]
            links.append((source, "in"))
            at, came = self.node(*hosts[source]), edge
            x, y = x + STEPS[edge][0], y + STEPS[edge][1]
        while True:
            output, x, y = decide(x, y)
            if output == came:
                return links, False
            if output == "local":
                return links, True
            links.append((at, output))
            at, came = _step(at, output), BACK[output]
            if not self.inside(at):
                return links, output in self.open_edges or (at in hosts and (x, y) == (0, 0))

    def loads(self, traffic: Mapping[tuple[Place, Place], int]) -> dict[Link, int]:
        """Events over each link that has any, by how many went from each sender to each receiver.

        Raises:
            ConfigError: some of them have no way.
        """
        found: Counter[Link] = Counter()
        for (source, destination), events in traffic.items():
            links, arrives = self.route(source, destination)
            if not arrives:
                raise ConfigError(
                    f"mesh of {self.columns} × {self.rows}: no way from {source} to {destination}; both must be nodes "
                    f"inside or hosts, at {self._host_places()}, and the way along the row first must lead there")
            for link in links:
                found[link] += events
        return dict(found)

    def _host_places(self) -> list[Place]:
        return [self.host_place(host) for host in self.hosts]


def _step(place: Place, side: str) -> Place:
    return place[0] + STEPS[side][0], place[1] + STEPS[side][1]


def entries(hosts: Iterable[Host]) -> tuple[str, ...]:
    """The sides at which nodes beside hosts have an entry (`golden.noc.router.ways`)."""
    edges = {edge for edge, _ in hosts}
    return tuple(edge for edge in EDGES if edge in edges)
