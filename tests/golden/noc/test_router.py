"""XY routing on whole meshes: every way leads to the receiver, and no routers can wait for each other in a circle."""

import graphlib
import itertools
import random
from collections.abc import Callable, Collection

import pytest

from golden.config import PRESETS
from golden.errors import ConfigError, EventError
from golden.noc.router import PORTS, STEPS, Router, decide, ways
from golden.types import Place
from golden.words import layouts

COLUMNS, ROWS = 4, 3
OPPOSITE = {"north": "south", "south": "north", "east": "west", "west": "east"}


def edges(place: Place) -> list[str]:
    """The ports of a place that lead out of the mesh."""
    return [port for port in OPPOSITE if not _inside(_behind(place, port))]


def _inside(place: Place) -> bool:
    return 0 <= place[0] < COLUMNS and 0 <= place[1] < ROWS


def _behind(place: Place, output: str) -> Place:
    return place[0] + STEPS[output][0], place[1] + STEPS[output][1]


def follow(place: Place, port: str, x: int, y: int, entries: Callable[[Place], Collection[str]] = edges) -> list[Place]:
    """The places of an event that enters the mesh there, to its receiver or out of the mesh."""
    passed = [place]
    while True:
        output, x, y = decide(x, y)
        assert output in ways(entries=entries(place))[port], f"{port} to {output} at {place}"
        if output == "local":
            assert (x, y) == (0, 0)
            return passed
        place, port = _behind(place, output), OPPOSITE[output]
        passed.append(place)
        if not _inside(place):
            return passed


def test_every_way_leads_to_the_receiver() -> None:
    """From each core to each other one, and from outside each edge to each core and back, in as few steps as can be."""
    places = list(itertools.product(range(COLUMNS), range(ROWS)))
    checked = 0
    for start, end in itertools.product(places, places):
        x, y = end[0] - start[0], end[1] - start[1]
        if start != end:
            passed = follow(start, "local", x, y)
            assert passed[-1] == end and len(passed) == 1 + abs(x) + abs(y)
            checked += 1
        for port in edges(start):  # a host behind it has sent: its own step is done
            passed = follow(start, port, x, y)
            assert passed[-1] == end and len(passed) == 1 + abs(x) + abs(y)
    # To a host in the north of (2, 0), which a core reaches as another place.
    for place in places:
        assert follow(place, "local", 2 - place[0], -1 - place[1])[-1] == (2, -1)
    assert checked == len(places) * (len(places) - 1)


def dependencies(entries: Callable[[Place], Collection[str]]) -> dict[object, set[object]]:
    """Which inputs of which routers wait for which others: an event waits for room in the queue it goes to next."""
    graph: dict[object, set[object]] = {}
    for place in itertools.product(range(COLUMNS), range(ROWS)):
        for port, outputs in ways(entries=entries(place)).items():
            graph[place, port] = {(_behind(place, output), OPPOSITE[output]) for output in outputs
                                  if output != "local" and _inside(_behind(place, output))}
    return graph


def test_no_circle_of_waiting() -> None:
    """With hosts at all edges; but a turn from a column into a row inside the mesh makes a circle."""
    assert len(tuple(graphlib.TopologicalSorter(dependencies(edges)).static_order())) == COLUMNS * ROWS * len(PORTS)
    with pytest.raises(graphlib.CycleError):
        tuple(graphlib.TopologicalSorter(dependencies(
            lambda place: [*edges(place), *({"north", "south"} - {*edges(place)})])).static_order())


def test_the_model_takes_any_order_of_inputs_and_none_within_one(seed: int) -> None:
    config, pick = PRESETS["fpga_small"], random.Random(seed)
    router, event = Router(config, missing=("south",)), layouts(config).event
    given = {port: [event.pack(core_x=0, core_y=-2, c=index, v=value) for value in range(5)]
             for index, port in enumerate(("local", "east", "west"))}
    for port, events in given.items():
        assert {router.enter(port, word) for word in events} == {"north"}
    moved = {port: [event.pack(event.unpack(word) | {"core_y": -1}) for word in events]
             for port, events in given.items()}
    with pytest.raises(EventError, match="no input's next event"):
        router.leave("north", moved["east"][1])
    order = [port for port in given for _ in range(5)]
    pick.shuffle(order)
    for port in order:
        assert router.leave("north", moved[port].pop(0)) == port
    assert router.waiting == 0 == router.dropped


def test_what_has_no_way_is_dropped_or_refused() -> None:
    config = PRESETS["fpga_small"]
    router, event = Router(config, missing=("south",), entries=("north",)), layouts(config).event
    assert router.enter("local", event.pack(core_y=1)) is None and router.enter("local", event.pack()) is None
    assert router.enter("north", event.pack(core_y=-1)) is None and router.dropped == 3
    assert router.enter("north", event.pack(core_x=1)) == "east" and router.waiting == 1
    with pytest.raises(EventError, match="for 'east' comes in at 'east', where no router sends it"):
        Router(config).enter("east", event.pack(core_x=1))
    assert router.enter("west", event.pack(core_y=1)) is None  # for a row that is not there


@pytest.mark.parametrize(("missing", "entries", "message"), [
    (("up",), (), "there is no port 'up'"), ((), ("local",), "neither missing nor an entry"),
    (("local",), (), "neither missing nor an entry"), (PORTS[1:], (), "needs no router"),
    (("north",), ("north",), "both an entry and missing")])
def test_impossible_ports_are_refused(missing: tuple[str, ...], entries: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ways(missing, entries)
