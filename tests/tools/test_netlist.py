"""A block as gates: its outputs are the block's, its loads and transitions are told by hand."""

import itertools
import random

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from synapress.tools.area import CmosArea, estimate
from synapress.tools.netlist import FLIP_FLOP_TRANSISTORS, Netlist
from tests.helpers.blocks import Nands

CONFIG = CoreConfig.preset("fpga_small")


class Counter(wiring.Component):
    """Counts by a step, from a value of its own on."""

    def __init__(self) -> None:
        super().__init__({"step": In(3), "up": In(1), "count": Out(6, init=37)})

    def elaborate(self, platform: object) -> Module:
        m, count = Module(), self.count
        with m.If(self.up):
            m.d.sync += count.eq(count + self.step)
        with m.Else():
            m.d.sync += count.eq(count ^ self.step)
        return m


def test_gates_do_what_the_block_does(seed: int) -> None:
    rng, netlist, count = random.Random(seed), Netlist(Counter(), CONFIG), 37
    area = estimate(Counter(), CONFIG, "cmos")
    assert isinstance(area, CmosArea) and netlist.transistors == area.transistors
    trace, values = [], []
    for cycle in range(500):
        given = {"step": rng.randrange(8), "up": rng.randrange(2), "rst": int(cycle == 250)}
        found, nets = netlist.step(given)
        assert found == {"count": count}, cycle
        values.append(count)
        trace.append(nets)
        count = 37 if given["rst"] else (count + given["step"] if given["up"] else count ^ given["step"]) % 64
    activity = netlist.activity(trace)
    assert activity.cycles == 500 and activity.flip_flops == 6 and activity.clock == FLIP_FLOP_TRANSISTORS * 6
    flips = sum((a ^ b).bit_count() for a, b in itertools.pairwise(values)) / 499
    assert 0 < flips * 2 < activity.transitions and 0 < activity.share < 1


def test_nothing_moves_but_the_clock() -> None:
    netlist = Netlist(Counter(), CONFIG)
    activity = netlist.activity([netlist.step({})[1] for _ in range(10)])
    assert (activity.transitions, activity.share) == (0, 0) and activity.clock > 0


def test_loads_are_the_transistors_of_the_inputs() -> None:
    """Each net of the block drives as many transistors as there are, but for the clock's half of the flip-flops."""
    netlist = Netlist(Nands(4), CONFIG)
    flip_flops = 3 * 4
    assert netlist.load.sum() == pytest.approx(netlist.transistors - flip_flops * FLIP_FLOP_TRANSISTORS / 2)
    assert (np.unique(netlist.load[netlist.load > 0]) >= 2).all()
