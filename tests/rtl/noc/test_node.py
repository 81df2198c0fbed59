"""No combinational path crosses a node, nor a router, a station or a core."""

import dataclasses
from collections.abc import Callable

import pytest
from amaranth.lib import wiring

from golden.config import PRESETS
from golden.noc.access import COUNTS
from rtl.noc.access import AccessEnd, AccessStation
from rtl.noc.node import Node
from rtl.noc.router import Router
from rtl.queues import EventQueues
from rtl.skid import Relay, SkidBuffer
from tests.helpers.crossing import crossing_paths

SMALL = dataclasses.replace(PRESETS["fpga_small"], banks=2, neuron_types=("sum",))
"""What is left out has no ports of its own at a node."""


@pytest.mark.parametrize("make", [
    lambda: Node(SMALL, entries=("north", "west")),
    lambda: Router(SMALL, 3), lambda: AccessEnd(SMALL, "row"),
    *(lambda count=count: AccessStation(SMALL, count) for count in COUNTS),
    lambda: Relay(8), lambda: SkidBuffer(8)])
def test_no_path_crosses(make: Callable[[], wiring.Component]) -> None:
    assert crossing_paths(make()) == set()


def test_paths_that_cross_are_seen() -> None:
    """A stopped core takes no event, from the same cycle on."""
    assert ("running", "event_in__ready") in crossing_paths(EventQueues(SMALL))
