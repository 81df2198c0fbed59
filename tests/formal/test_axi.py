"""Rules of AXI at the ports of the buses, whatever their neighbors do: offers hold, answers follow questions."""

import dataclasses
from pathlib import Path

import pytest
from amaranth import Cat, Module, Signal, Value
from amaranth.lib.wiring import In

from golden.config import PRESETS, CoreConfig
from rtl.bus.axi_lite import AxiLite
from tests.formal.prover import Observed, held, prove
from tests.helpers.crossing import crossing_paths

CONFIG = dataclasses.replace(PRESETS["fpga_small"], name="tiny", address_bits=6, weight_stride_bits=8)
CHANNELS = {"aw": ("awaddr",), "w": ("wdata", "wstrb"), "ar": ("araddr",), "b": ("bresp",), "r": ("rdata", "rresp")}


class Rules(Observed):
    """The manager's offers are assumed to hold.

    `deaf`: the bus is told that its answers are taken whenever another input likes, so that a rule is broken.
    """

    def __init__(self, config: CoreConfig, deaf: bool = False):
        super().__init__(AxiLite(config, 2, 1), {"nudge": In(1)} if deaf else {})
        self.deaf = deaf

    def _offer(self, m: Module, channel: str) -> tuple[Value, Value, Value]:
        """Whether a channel's offer has held; whether it is there; whether it is taken."""
        outward = channel in ("b", "r")
        valid, ready = (getattr(self if (name == "ready") == outward else self.block, f"s_axil_{channel}{name}")
                        for name in ("valid", "ready"))
        source = self.block if outward else self
        payload = Cat(getattr(source, f"s_axil_{name}") for name in CHANNELS[channel])
        waited, offered = Signal(name=f"{channel}_waited"), Signal(len(payload), name=f"{channel}_offered")
        m.d.sync += [waited.eq(valid & ~ready), offered.eq(payload)]
        return ~waited | (valid & (payload == offered)), valid, valid & ready

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        bus = self.block
        m = self.connected({f"s_axil_{name}ready": getattr(self, f"s_axil_{name}ready") | self.nudge
                            for name in ("b", "r")} if self.deaf else {})
        holds, offered, taken = ({} for _ in range(3))
        for channel in CHANNELS:
            holds[channel], offered[channel], taken[channel] = self._offer(m, channel)
        owed = {answer: Signal(2, name=f"owed_{answer}") for answer in ("b", "r")}
        for (answer, count), asked in zip(owed.items(), (taken["aw"], taken["ar"]), strict=True):
            m.d.sync += count.eq(count + asked - taken[answer])
        self.settle(m, [holds["aw"], holds["w"], holds["ar"]], {
            "b_holds": holds["b"], "r_holds": holds["r"], "access_holds": held(m, bus.access, "access"),
            "address_with_data": taken["aw"] == taken["w"],
            "b_was_asked_for": ~offered["b"] | (owed["b"] != 0), "r_was_asked_for": ~offered["r"] | (owed["r"] != 0),
            "few_are_owed": (owed["b"] != 3) & (owed["r"] != 3),
        })
        return m


def test_rules_of_axi_lite(tmp_path: Path) -> None:
    prove(Rules(CONFIG), tmp_path)


def test_an_answer_that_is_withdrawn_is_refuted(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"broken_[br]_holds=1"):
        prove(Rules(CONFIG, deaf=True), tmp_path)


def test_no_input_reaches_an_output_within_a_cycle() -> None:
    """Its netlist has no such path. `tests/rtl/noc/test_node.py` shows that one would be seen."""
    assert crossing_paths(AxiLite(CONFIG, 2, 1)) == set()
