"""The area and clock that the PEG, the ESU and the router must keep, at the paper's widths."""

import pytest

from golden.config import CoreConfig
from rtl.scratch import ScratchMap
from rtl.synapse.axons import AxonWords
from synapress.tools.area import CmosArea, FpgaArea, estimate
from synapress.tools.frequency import fmax

CONFIG = CoreConfig()


def test_peg_and_esu_are_small() -> None:
    """At most 680 Xilinx LUTs together, memories outside; and the axon words that are kept at most 170."""
    reports = [estimate(block, CONFIG, "xilinx") for block in ("peg", "esu", AxonWords(CONFIG))]
    luts = [report.luts for report in reports if isinstance(report, FpgaArea) and report.dsps == 0]
    peg, esu, kept = luts
    assert min(luts) > 50 and peg - kept + esu <= 680 and kept <= 170


@pytest.mark.long
def test_peg_and_esu_are_a_small_part_of_the_core() -> None:
    """At most 2 % of the core's transistors, of which an SRAM bit counts six."""
    peg, esu, core = (estimate(block, CONFIG, "cmos") for block in ("peg", "esu", "core"))
    assert isinstance(peg, CmosArea) and isinstance(esu, CmosArea) and isinstance(core, CmosArea)
    scratch = ScratchMap(CONFIG)
    assert core.sram_bits == 8 * CONFIG.memory_bytes + scratch.width * scratch.depth
    assert peg.transistors + esu.transistors <= 0.02 * (core.transistors + core.sram_transistors)


def test_the_router_is_small() -> None:
    """At most 560 Xilinx LUTs, those of its queues of two events among them."""
    report = estimate("router", CONFIG, "xilinx")
    assert isinstance(report, FpgaArea) and 250 < report.luts <= 560 and report.block_rams == report.dsps == 0


@pytest.mark.long
@pytest.mark.parametrize(("block", "least"), [("peg", 100), ("esu", 100), ("router", 120)])
def test_clock(block: str, least: int) -> None:
    """In MHz, on an ECP5."""
    assert fmax(block, CONFIG).mhz >= least
