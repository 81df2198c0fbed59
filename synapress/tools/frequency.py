"""The clock frequency of a block, and where it is lost, by open place and route.

nextpnr on an ECP5 of speed grade 6, all ports registered: in one long shift register, as no package has so many pins.
Registers right behind a block RAM become its own output registers (`synapress.tools.output_registers`).
One seed; other seeds differ by some percent.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from golden.config import CoreConfig
from golden.errors import ConfigError, ToolError
from rtl import conversion
from synapress.tools.area import FLOWS, component_of, fpga_cells
from synapress.tools.critical_path import Step, critical_path
from synapress.tools.devices import FAMILIES
from synapress.tools.output_registers import move_registers
from synapress.tools.scan import Scan
from synapress.tools.yosys import CACHE, run_nextpnr, run_yosys

SECONDS_PER_LUT = 0.02
"""Of place and route on a processor of a small server: a core of 9,100 LUTs took 195 s, a block of 2,600 took 45 s."""

_STAGES = {"Info: Packing": "packing", "Info: Creating initial analytic placement": "placing",
           "Info: Running simulated annealing placer": "refining the placement", "Info: Routing..": "routing"}
"""What nextpnr writes when it begins a stage, and what it then does; in this order."""


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """Highest clock frequency after place and route, and the slowest path.

    `path` has the path's signals from register to register; `sentence` tells it, with what its time is spent on.
    """

    top: str
    config: str
    model: str
    mhz: float
    device: str
    seed: int
    path: tuple[Step, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def fmax(block: str | wiring.Component, config: CoreConfig, *, dsp: bool = False, device: str | None = None,
         seed: int = 1, cache: Path | None = CACHE, progress: Callable[[str], None] = lambda stage: None) -> Frequency:
    """Clock frequency of one block on an ECP5; `device` is 25k, 45k or 85k, or the smallest that holds it.

    Memories are in block RAM; multipliers are made of LUTs unless `dsp`. `progress` is told each stage and how long
    place and route will take.

    Raises:
        ConfigError: unknown block or device.
        ToolError: a tool is missing or failed, or the block does not fit.
    """
    known = [one.name for one in FAMILIES["ecp5"].devices]
    if device is not None and device not in known:
        raise ConfigError(f"unknown device '{device}'; there are: {', '.join(known)}")
    name, component = component_of(block, config)
    progress("synthesis for place and route")
    scan = Scan(component)
    text = conversion.to_rtlil(scan, name, scan.ports)
    flow = FLOWS["ecp5"].command(dsp)
    results = run_yosys(text, [flow, "tee -q -o stat.json stat -json", "write_json net.json"], who=name, cache=cache)
    area = fpga_cells(results["stat.json"]["design"]["num_cells_by_type"],
                      {"top": name, "config": config.name, "target": "ecp5", "sram_bits": 0, "memory": True}, dsp)
    if device is None and area.fit.device is None:
        raise ToolError(f"{area.fit.sentence} There is no clock frequency without place and route")
    chosen = device or area.fit.nearest
    moved = move_registers(results["net.json"], name)
    whole = f"place and route, {duration(area.luts)} in all"
    progress(whole)
    report = run_nextpnr(results["net.json"], chosen, seed, who=name, cache=cache,
                         watch=lambda log: progress(f"{whole}: {stage(log)}"))
    if not report["fmax"]:
        raise ToolError(f"'{name}' has no path from register to register, so no clock frequency")
    clock, entry = min(report["fmax"].items(), key=lambda item: item[1]["achieved"])
    edge = f"posedge {clock}"
    slowest = next(path["path"] for path in report["critical_paths"] if path["from"] == path["to"] == edge)
    path = critical_path(slowest, results["net.json"], text, name)
    return Frequency(top=name, config=config.name, mhz=round(entry["achieved"], 2), device=f"ECP5-{chosen}", seed=seed,
                     model=f"yosys, {flow}; {moved} bits in output registers of block RAMs; nextpnr-ecp5, "
                           "speed grade 6, ports registered", path=path.steps,
                     sentence=path.sentence)


def duration(luts: int) -> str:
    """Roughly how long place and route takes for so many LUTs, in words."""
    minutes = -(-int(luts * SECONDS_PER_LUT) // 60)
    return "under a minute" if minutes < 2 else f"about {minutes} minutes"


def stage(log: str) -> str:
    """What nextpnr is doing, by what it wrote so far."""
    return next((stage for line, stage in reversed(_STAGES.items()) if line in log), "reading")
