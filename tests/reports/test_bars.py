"""The area and clock that the PEG and the ESU must keep, at the paper's widths."""

import pytest

from golden.config import CoreConfig
from rtl.synapse.axons import AxonWords
from synapress.tools.area import CmosArea, FpgaArea, estimate
from synapress.tools.frequency import fmax

CONFIG = CoreConfig()


def test_peg_and_esu_are_small() -> None:
    """At most 680 Xilinx LUTs together, memories outside; and the axon words that are kept at most 100."""
    reports = [estimate(block, CONFIG, "xilinx") for block in ("peg", "esu", AxonWords(CONFIG))]
    luts = [report.luts for report in reports if isinstance(report, FpgaArea) and report.dsps == 0]
    peg, esu, kept = luts
    assert min(luts) > 50 and peg - kept + esu <= 680 and kept <= 100


@pytest.mark.long
def test_peg_and_esu_are_a_small_part_of_the_core() -> None:
    """At most 2 % of the core's transistors, of which an SRAM bit counts six."""
    peg, esu, core = (estimate(block, CONFIG, "cmos") for block in ("peg", "esu", "core"))
    assert isinstance(peg, CmosArea) and isinstance(esu, CmosArea) and isinstance(core, CmosArea)
    assert core.sram_bits == 8 * CONFIG.memory_bytes
    assert peg.transistors + esu.transistors <= 0.02 * (core.transistors + core.sram_transistors)


@pytest.mark.long
@pytest.mark.parametrize("block", ["peg", "esu"])
def test_clock(block: str) -> None:
    """At least 100 MHz on an ECP5."""
    assert fmax(block, CONFIG).mhz >= 100
