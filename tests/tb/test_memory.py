"""The banked memory against a list of words, and that each bank becomes one block of single-port RAM."""

import dataclasses
import json
from pathlib import Path

import pytest
from amaranth.back import rtlil
from pyosys import libyosys

from golden.config import PRESETS, CoreConfig
from rtl.memory import BankedMemory
from synapress.tools.simulator import launch

BENCH = "tb.tb_memory"
BASE = CoreConfig(name="small", address_bits=9)
CONFIGS = {
    "4 banks": BASE,
    "2 banks": dataclasses.replace(BASE, banks=2),
    "8 banks, 8 lanes": dataclasses.replace(BASE, banks=8, lanes=8),
}
LONG = {
    "fpga_small": PRESETS["fpga_small"],
    "grai_vip": PRESETS["grai_vip"],
    "16 banks, states of 32 bits": dataclasses.replace(BASE, banks=16, state_bits=32),
}


def run(config: CoreConfig, simulator: str, seed: int, cycles: int) -> None:
    launch(BankedMemory(config), name="banked_memory", module=BENCH, simulator=simulator, seed=seed,
           parameters={"config": config.to_json(), "cycles": cycles})


@pytest.mark.parametrize("name", CONFIGS)
def test_random_requests(name: str, simulator: str, seed: int) -> None:
    """Every grant, every word read, the whole memory at the end, every pair of requesters in conflict."""
    run(CONFIGS[name], simulator, seed, 6000)


@pytest.mark.long
@pytest.mark.parametrize("name", LONG)
def test_random_requests_long(name: str, simulator: str, seed: int) -> None:
    run(LONG[name], simulator, seed, 20000)


SINGLE_PORT = """
ram block $__SINGLE_PORT_ {{
    abits {abits};
    width {width};
    cost 1000;
    init any;
    port srsw "A" {{
        clock posedge;
        clken;
        rden;
        rdwr no_change;
    }}
}}
"""
"""Yosys's description of one SRAM macro: one port, which reads or writes."""


def test_banks_are_single_port(tmp_path: Path) -> None:
    """Synthesis puts each bank into exactly one single-port RAM, and nothing of it into logic."""
    config = PRESETS["grai_vip"]
    design, library, result = (tmp_path / name for name in ("memory.il", "ram.txt", "stat.json"))
    design.write_text(rtlil.convert(BankedMemory(config), name="memory", emit_src=False))
    abits = config.address_bits - (config.banks - 1).bit_length()
    library.write_text(SINGLE_PORT.format(abits=abits, width=config.word_bits))
    yosys = libyosys.Design()
    for command in (f"read_rtlil {design}", "hierarchy -top memory", "proc", "flatten", "opt", "memory -nomap",
                    f"memory_libmap -lib {library}", f"tee -q -o {result} stat -json"):
        libyosys.run_pass(command, yosys)
    cells = json.loads(result.read_text())["design"]["num_cells_by_type"]
    assert cells["$__SINGLE_PORT_"] == config.banks
    assert not [cell for cell in cells if cell.startswith("$mem")], "memory left for logic"
