"""What leaves a router has a way in the next one, so that only few inputs are checked; nothing overtakes or doubles."""

from collections.abc import Collection
from pathlib import Path

import pytest
from amaranth import Signal, Value

from golden.config import PRESETS, CoreConfig
from rtl.noc.router import Router
from tests.formal.prover import Observed, prove

CONFIG = PRESETS["fpga_small"]
INSIDE = ("north", "east", "south", "west")
BACK = dict(zip(INSIDE, ("south", "west", "north", "east"), strict=True))
"""Where events travel that come in there."""


def travels(stream, way: str) -> Value:  # type: ignore[no-untyped-def]
    """That an event which travels that way may be where it is: it does not go back, and stays in a column."""
    x, y = stream.payload.core_x, stream.payload.core_y
    return ~stream.valid | {
        "east": x >= 0, "west": x <= 0, "north": (x == 0) & (y <= 0), "south": (x == 0) & (y >= 0),
        "local": (x == 0) & (y == 0)}[way]


def leads(stream, output: str) -> Value:  # type: ignore[no-untyped-def]
    """That an event goes to that output, by the whole of its address."""
    x, y = stream.payload.core_x, stream.payload.core_y
    return {"local": (x == 0) & (y == 0), "north": (x == 0) & (y < 0), "east": x > 0, "south": (x == 0) & (y > 0),
            "west": x < 0}[output]


class Legal(Observed):
    """Events from routers travel away from them; those of the core, of entries and from `outside` are any.

    `v` says where an event is to leave: the router keeps no sign that it can tell from the way, so that the address
    behind a wrong output would look right.
    """

    def __init__(self, config: CoreConfig, entries: Collection[str] = (), outside: Collection[str] = ()):
        super().__init__(Router(config, entries=entries))
        self.inner = [port for port in INSIDE if port not in entries and port not in outside]

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, router = self.connected(), self.block
        came = {port: getattr(router, f"{port}_in") for port in router.ways}
        gone = {way: getattr(router, f"{way}_out") for way in router.ways}
        told = [~stream.valid | ~leads(stream, way) | (stream.payload.v[:3] == code)
                for stream in came.values() for code, way in enumerate(gone)]
        self.settle(m, [*(travels(came[port], BACK[port]) for port in self.inner), *told],
                    {way: travels(stream, way) & (~stream.valid | (stream.payload.v[:3] == code))
                     for code, (way, stream) in enumerate(gone.items())})
        return m


@pytest.mark.parametrize("entries", [(), ("north",), INSIDE])
def test_what_leaves_has_a_way(entries: tuple[str, ...], tmp_path: Path) -> None:
    prove(Legal(CONFIG, entries), tmp_path)


@pytest.mark.parametrize("outside", ["north", "west"])
def test_an_input_from_outside_that_is_no_entry_is_refuted(outside: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"broken_\w+=1"):
        prove(Legal(CONFIG, outside=(outside,)), tmp_path)


class InOrder(Observed):
    """Two events of an input that go to one output, anywhere among any others: each leaves there, once, in their order.

    `v` marks the two, and no others.
    """

    def __init__(self, config: CoreConfig, port: str, output: str, depth: int = 2, swapped: bool = False):
        super().__init__(Router(config, depth))
        self.port, self.output, self.swapped = port, output, swapped

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, router = self.connected(), self.block
        entered, left = Signal(2, name="entered"), Signal(2, name="left")
        came = getattr(router, f"{self.port}_in")
        taken = came.valid & came.ready
        m.d.sync += entered.eq(entered | (came.payload.v[:2] & taken.replicate(2)))
        mark = came.payload.v[:2]
        one_by_one = ((mark & entered) == 0) & (mark != 3) & (~mark[1] | entered[0])
        assumed = [~came.valid | (mark == 0) | (leads(came, self.output) & one_by_one)]
        assumed += [~stream.valid | (stream.payload.v[:2] == 0) for stream in (
            getattr(router, f"{port}_in") for port in router.ways if port != self.port)]
        claimed: dict[str, Value] = {}
        for output in router.ways:
            gone = getattr(router, f"{output}_out")
            mark, taken = gone.payload.v[:2], gone.valid & gone.ready
            first, second = (1, 0) if self.swapped else (0, 1)
            if output == self.output:
                m.d.sync += left.eq(left | (mark & taken.replicate(2)))
                claimed["once"] = ~gone.valid | ((mark & (left | ~entered)) == 0)
                claimed["order"] = ~taken | ~mark[second] | left[first]
            else:
                claimed[f"not_{output}"] = ~gone.valid | (mark == 0)
        self.shown |= {"entered": entered, "left": left}
        self.settle(m, assumed, claimed)
        return m


PAIRS = [("west", "east"), ("local", "north"), ("east", "south"), ("north", "local")]


@pytest.mark.parametrize(("port", "output"), PAIRS)
def test_two_events_leave_once_and_in_order(port: str, output: str, tmp_path: Path) -> None:
    prove(InOrder(CONFIG, port, output), tmp_path)


def test_the_other_order_is_refuted(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="broken_order=1"):
        prove(InOrder(CONFIG, "west", "east", swapped=True), tmp_path)
