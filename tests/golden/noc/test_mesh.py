"""A mesh of a given size: routes against brute force over its routers, hosts, edges, loads of links, accesses."""

import itertools

import pytest

from golden.config import PRESETS
from golden.errors import ConfigError
from golden.noc.access import COUNTS, AccessNetwork, counted, missing_answer, request
from golden.noc.mesh import BACK, EDGES, MeshPlan, entries
from golden.noc.router import STEPS, Router
from golden.types import Place
from golden.words import layouts

CONFIG = PRESETS["grai_vip"]
PLAN = MeshPlan(3, 2, hosts=(("north", 1), ("south", 2), ("west", 1), ("east", 0)))


def by_routers(plan: MeshPlan, source: Place, x: int, y: int) -> tuple[list[tuple[Place, str]], Place | None]:
    """An event through golden routers, one by one: its links, and where it is delivered, None if it is dropped."""
    event = layouts(CONFIG).event
    hosts = {plan.host_place(host): host for host in plan.hosts}
    word, links, at, port = event.pack(core_x=x, core_y=y), [], source, "local"
    if source in hosts:
        port = hosts[source][0]
        links.append((source, "in"))
        at = plan.node(*hosts[source])
        word = event.pack(core_x=x + STEPS[port][0], core_y=y + STEPS[port][1])
    while True:
        output = Router(CONFIG, entries=entries(plan.hosts)).enter(port, word)
        if output is None or output == "local":
            return links, at if output else None
        router = Router(CONFIG, entries=entries(plan.hosts))
        router.enter(port, word)
        fields = event.unpack(word)
        word = event.pack(core_x=fields["core_x"] - STEPS[output][0], core_y=fields["core_y"] - STEPS[output][1])
        assert router.leave(output, word) == port
        links.append((at, output))
        at, port = (at[0] + STEPS[output][0], at[1] + STEPS[output][1]), BACK[output]
        if not plan.inside(at):
            arrived = at in hosts and not any(event.unpack(word)[name] for name in ("core_x", "core_y"))
            return links, at if arrived else None


def test_routes_are_those_of_the_routers() -> None:
    """From every node and host to every place in and around the mesh, by the golden routers."""
    sources = [*PLAN.places, *(PLAN.host_place(host) for host in PLAN.hosts)]
    arrived = dropped = 0
    for source in sources:
        for target in itertools.product(range(-2, 5), range(-2, 4)):
            links, arrives = PLAN.route(source, target)
            found, end = by_routers(PLAN, source, target[0] - source[0], target[1] - source[1])
            assert (links, target if arrives else None) == (found, end), (source, target)
            arrived, dropped = arrived + arrives, dropped + (not arrives)
    assert arrived > 6 * 6 and dropped > 100


def test_hosts_and_who_they_hear() -> None:
    """North and south hosts hear every node; west and east hosts those of their row; all reach every node."""
    places = {host: PLAN.host_place(host) for host in PLAN.hosts}
    assert places == {("north", 1): (1, -1), ("south", 2): (2, 2), ("west", 1): (-1, 1), ("east", 0): (3, 0)}
    for (edge, number), place in places.items():
        assert all(PLAN.route(place, node)[1] for node in PLAN.places)
        heard = [node for node in PLAN.places if PLAN.route(node, place)[1]]
        assert heard == [node for node in PLAN.places if edge in ("north", "south") or node[1] == number]
    assert entries(PLAN.hosts) == EDGES and entries([("south", 0), ("north", 1)]) == ("north", "south")


def test_loads_and_open_edges() -> None:
    plan = MeshPlan(2, 2, hosts=(("north", 0),), open_edges=("east",))
    loads = plan.loads({((0, -1), (1, 1)): 3, ((1, 1), (0, -1)): 2, ((0, 0), (5, 0)): 4})
    assert loads == {((0, -1), "in"): 3, ((0, 0), "east"): 7, ((1, 0), "south"): 3, ((1, 1), "west"): 2,
                     ((0, 1), "north"): 2, ((0, 0), "north"): 2, ((1, 0), "east"): 4}
    with pytest.raises(ConfigError, match=r"mesh of 2 × 2: no way from \(0, 0\) to \(-1, 0\)"):
        plan.loads({((0, 0), (-1, 0)): 1})


@pytest.mark.parametrize(("size", "hosts", "open_edges", "message"), [
    ((0, 2), (), (), r"columns = 0 is outside \[1, 256\]"), ((2, 257), (), (), "rows = 257 is outside"),
    ((2, 2), (("up", 0),), (), "there is no edge 'up'; there are: north"),
    ((2, 2), (("north", 2),), (), "no host place 2 at the north edge, which has 2"),
    ((2, 2), (("east", 0),), ("east",), "the east edge is open"),
    ((2, 2), (("east", 0), ("east", 0)), (), "two hosts at one place: east 0, east 0")])
def test_what_is_refused(size: Place, hosts: tuple, open_edges: tuple, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MeshPlan(*size, hosts, open_edges)


class Word:
    """A node that is one word."""

    value = 0

    def access(self, fields: dict[str, int]) -> int | None:
        if fields["write"]:
            self.value = fields["data"]
        return None if fields["write"] else self.value


def test_accesses_reach_their_nodes_and_none_beyond() -> None:
    layout, nodes = request(CONFIG), {place: Word() for place in PLAN.places}
    network = AccessNetwork(CONFIG, nodes)

    def access(column: int, row: int, write: int, data: int = 0) -> int:
        return layout.pack(column=column, row=row, address=0, register=0, write=write, data=data)

    assert network.run([access(*place, 1, number + 1) for number, place in enumerate(PLAN.places)]) == []
    assert network.run([access(*place, 0) for place in PLAN.places]) == [1, 2, 3, 4, 5, 6]
    assert network.errors == 0
    assert network.run([access(3, 0, 1, 9), access(0, 2, 0), access(255, 255, 0)]) == [missing_answer(CONFIG)] * 2
    assert network.errors == 3 and [node.value for node in nodes.values()] == [1, 2, 3, 4, 5, 6]


def test_what_has_been_counted_is_left_out() -> None:
    names = [[field.name for field in counted(CONFIG, count).fields] for count in COUNTS]
    assert names[0] == [field.name for field in request(CONFIG).fields] and "row" in names[0]
    assert names[1] == [name for name in names[0] if name != "row"]
