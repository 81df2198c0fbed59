"""A core of logarithmic products has no multiplier between a weight and a state, before anything is mapped to gates."""

import dataclasses
from collections import Counter

import pytest
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import PRESETS, CoreConfig
from rtl import verilog
from rtl.neuron.products import product_unit
from rtl.neuron.update import NeuronUpdate
from synapress.tools.yosys import run_yosys

LOG = dataclasses.replace(PRESETS["grai_vip"], name="log", product="log", neuron_types=("sum", "ttfs"))


class Multiplies(wiring.Component):
    """What is looked for."""

    def __init__(self) -> None:
        super().__init__({"a": In(8), "b": In(9), "c": Out(17)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.c.eq(self.a * self.b)
        return m


def cells(component: wiring.Component) -> Counter[str]:
    """Cells of a component by type, flattened and optimized, before any of them becomes gates."""
    script = ["hierarchy -top top", "proc", "flatten", "opt -full", "tee -q -o stat.json stat -json"]
    stat = run_yosys(verilog.to_rtlil(component, "top"), script, who="top", cache=None)["stat.json"]
    return Counter(stat["design"]["num_cells_by_type"])


@pytest.mark.parametrize("config", [LOG, dataclasses.replace(
    LOG, name="log32", lanes=2, state_bits=32, log_fraction_bits=20)], ids=lambda config: config.name)
def test_no_multiplier_in_the_synapse_path(config: CoreConfig) -> None:
    """No cell multiplies, nor do rows of adders: a lane adds exponents, and 1 to a magnitude with a sign."""
    assert cells(Multiplies())["$mul"] == 1
    assert cells(NeuronUpdate(config))["$mul"] == 0
    stage = cells(product_unit(config))
    linear = cells(product_unit(dataclasses.replace(config, product="linear")))
    shared = 2  # of all lanes: T - v, and the shift
    assert stage["$add"] + stage["$sub"] <= 2 * config.lanes + shared and stage["$mul"] == 0, stage
    assert linear["$add"] + linear["$sub"] >= 4 * config.lanes, linear
