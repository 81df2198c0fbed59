"""What leaves a router has a way in the next one; so only the core's and the entries' events need to be checked."""

from collections.abc import Collection
from pathlib import Path

import pytest
from amaranth import Value

from golden.config import PRESETS, CoreConfig
from rtl.noc.router import Router
from tests.formal.prover import Observed, prove

CONFIG = PRESETS["fpga_small"]
INSIDE = ("north", "east", "south", "west")


def travels(stream, way: str) -> Value:  # type: ignore[no-untyped-def]
    """That an event which travels that way may be where it is: it does not go back, and stays in a column."""
    x, y = stream.payload.core_x, stream.payload.core_y
    return ~stream.valid | {
        "east": x >= 0, "west": x <= 0, "north": (x == 0) & (y <= 0), "south": (x == 0) & (y >= 0),
        "local": (x == 0) & (y == 0)}[way]


class Legal(Observed):
    """Events from routers travel away from them; those of the core, of entries and from `outside` are any."""

    def __init__(self, config: CoreConfig, entries: Collection[str] = (), outside: Collection[str] = ()):
        super().__init__(Router(config, entries=entries))
        self.inner = [port for port in INSIDE if port not in entries and port not in outside]

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, router = self.connected(), self.block
        back = dict(zip(INSIDE, ("south", "west", "north", "east"), strict=True))
        self.settle(m, [travels(getattr(router, f"{port}_in"), back[port]) for port in self.inner],
                    {way: travels(getattr(router, f"{way}_out"), way) for way in (*INSIDE, "local")})
        return m


@pytest.mark.parametrize("entries", [(), ("north",), INSIDE])
def test_what_leaves_has_a_way(entries: tuple[str, ...], tmp_path: Path) -> None:
    prove(Legal(CONFIG, entries), tmp_path)


@pytest.mark.parametrize("outside", ["north", "west"])
def test_an_input_from_outside_that_is_no_entry_is_refuted(outside: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"broken_\w+=1"):
        prove(Legal(CONFIG, outside=(outside,)), tmp_path)
