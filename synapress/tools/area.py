"""Estimates of area and clock frequency, from open tools alone.

**cmos.** Yosys maps to gates of two to four inputs (`abc -g cmos`) and D flip-flops, and adds up the transistors of
static CMOS (its own table: 4 for a NAND2, 16 for a flip-flop). A gate equivalent is 4 transistors. Memories of at least
SRAM_BITS bits are not made of gates: they count 6 transistors a bit, for the bit cells alone, without decoders and
sense amplifiers. Smaller ones are flip-flops. No wires, clock tree or fill: good for comparing blocks, not for square
millimetres; for those give a Liberty library.

**ice40, ecp5, xilinx.** Yosys' own flows (7 series for Xilinx), without buffers at the pins. LUTs as the devices have
them: LUT4, or LUT6 for Xilinx. Carry chains of the ECP5 and LUTs used as memory count as the LUTs they occupy;
inverters of the Xilinx flow, which place and route absorbs, do not count.

Clock frequency is in `synapress.tools.frequency`.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from amaranth.lib import wiring

from golden.config import CoreConfig
from golden.errors import ConfigError, ToolError
from rtl import verilog
from synapress.tools.devices import Fit, fit
from synapress.tools.yosys import CACHE, run_yosys

TARGETS = ("cmos", "ice40", "ecp5", "xilinx")
"""What area can be estimated for, besides Liberty libraries."""

SRAM_BITS = 4096
"""A memory of at least so many bits is an SRAM; a smaller one is made of flip-flops."""

SRAM_TRANSISTORS = 6
"""Per bit: the six-transistor cell."""

GATE_TRANSISTORS = 4
"""Per gate equivalent: a two-input NAND."""

OPENED = {"node": ("core",)}
"""By block, submodules whose own parts are told instead of them."""


@dataclass(frozen=True, kw_only=True)
class AreaReport:
    """An estimate for one block and one target. `model` says what it rests on; `cells` counts by type, as mapped."""

    top: str
    config: str
    target: str
    model: str
    flip_flops: int
    sram_bits: int
    """Bits in memories of at least SRAM_BITS bits, wherever they went."""
    memory: bool
    """Whether those memories are part of the estimate."""
    cells: dict[str, int] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class CmosArea(AreaReport):
    """Transistors of the gates and flip-flops, without SRAM."""

    transistors: int

    @property
    def size(self) -> int:
        """What parts of a block are compared by."""
        return self.transistors

    @property
    def gate_equivalents(self) -> float:
        return self.transistors / GATE_TRANSISTORS

    @property
    def sram_transistors(self) -> int:
        return SRAM_TRANSISTORS * self.sram_bits if self.memory else 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"gate_equivalents": self.gate_equivalents, "sram_transistors": self.sram_transistors}


@dataclass(frozen=True, kw_only=True)
class FpgaArea(AreaReport):
    """LUTs, block RAMs (4 kb for ice40, 18 kb for ecp5, 36 kb for xilinx; halves are possible) and multipliers."""

    luts: int
    block_rams: float
    dsps: int

    @property
    def size(self) -> int:
        """What parts of a block are compared by."""
        return self.luts

    @property
    def fit(self) -> Fit:
        """The smallest device of the family that holds the block, or what the nearest one lacks.

        Memories that are left out (`memory` false) are not counted here either.
        """
        return fit(self.target, self.top, {"luts": self.luts, "flip_flops": self.flip_flops,
                                           "block_rams": self.block_rams, "dsps": self.dsps})

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"fit": self.fit.to_json()}


@dataclass(frozen=True, kw_only=True)
class LibertyArea(AreaReport):
    """Cell area in the unit of the Liberty `file` (usually µm²), without SRAM."""

    file: str
    cell_area: float


# -- public --------------------------------------------------------------------------------------


def estimate(block: str | wiring.Component, config: CoreConfig, target: str, *, memory: bool = True, dsp: bool = False,
             liberty: Path | None = None, cache: Path | None = CACHE) -> AreaReport:
    """Area of one block: by its name in `rtl.verilog.TOPS`, or a component.

    Args:
        target: one of TARGETS, or "liberty" with a library file `liberty`.
        memory: whether memories of at least SRAM_BITS bits take part; otherwise they are left out as black boxes.
        dsp: let the FPGA flows use hard multipliers (LUTs otherwise).
        cache: folder for results, or None.

    Raises:
        ConfigError: unknown block or target.
        ToolError: a tool is missing or failed.
    """
    name, component = component_of(block, config)
    text, sram_bits = _mark_memories(verilog.to_rtlil(component, name))
    if target not in (*TARGETS, "liberty"):
        raise ConfigError(f"unknown target '{target}'; there are: {', '.join(TARGETS)}, liberty")
    common: dict[str, Any] = {"top": name, "config": config.name, "target": target, "sram_bits": sram_bits,
                              "memory": memory}
    return _estimate(text, common, dsp=dsp, liberty=liberty, cache=cache)


def estimate_around(block: wiring.Component, config: CoreConfig, target: str, *, dsp: bool = False,
                    liberty: Path | None = None, cache: Path | None = CACHE) -> AreaReport:
    """Area of what is between the instances (`rtl.instances`) of a block, which are left out.

    Arguments and errors as of `estimate`. The block has no memories of its own.
    """
    name, component = component_of(block, config)
    parts = [f"{name}.{part}" for part in getattr(component, "parts", {})]
    common: dict[str, Any] = {"top": "rest", "config": config.name, "target": target, "sram_bits": 0, "memory": True}
    return _estimate(verilog.to_rtlil(component, name), common, dsp=dsp, liberty=liberty, cache=cache, before=[
        f"blackbox {' '.join(parts)}", f"hierarchy -top {name}", "proc", "flatten",
        f"select -set instances {' '.join(f't:{part}' for part in parts)}", "expose -evert @instances",
        f"delete {' '.join(f'={part}' for part in parts)}"])


def _estimate(text: str, common: dict[str, Any], *, dsp: bool, liberty: Path | None, cache: Path | None,
              before: Sequence[str] = ()) -> AreaReport:
    if common["target"] == "cmos":
        return _cmos(text, common, cache, before)
    if common["target"] == "liberty":
        return _liberty(text, common, liberty, cache, before)
    return _fpga(text, common, dsp, cache, before)


def parts_of(block: str | wiring.Component, config: CoreConfig) -> list[str]:
    """The parts that `estimate_parts` tells of a block; none if it is made of one piece.

    Raises:
        ConfigError: unknown block.
    """
    name, component = component_of(block, config)
    return _parts(verilog.to_rtlil(component, name), name)


def estimate_parts(block: str | wiring.Component, config: CoreConfig, target: str, *, memory: bool = True,
                   dsp: bool = False, cache: Path | None = CACHE) -> list[CmosArea | FpgaArea]:
    """Area of the parts of one block, largest first: of each submodule, and as "rest" of what is between them.

    Of submodules in OPENED, alike, the parts and what is between them.

    Nothing is optimized across the borders of parts, so that their sum differs a little from what `estimate` gives.
    Arguments and errors as of `estimate`, for TARGETS.
    """
    if target not in TARGETS:
        raise ConfigError(f"unknown target '{target}'; there are: {', '.join(TARGETS)}")
    name, component = component_of(block, config)
    text, total = _mark_memories(verilog.to_rtlil(component, name))
    head = rf"^module \\{re.escape(name)}\."
    below = {part: [f"{part}.{item}" for item in _parts(text, f"{name}.{part}") if part in OPENED.get(name, ())]
             for part in _parts(text, name)}
    parts = [item for part, items in below.items() for item in (part, *items)]
    kept = re.sub(rf"(?m)({head}(?:{'|'.join(map(re.escape, parts))})$)", r"attribute \\keep_hierarchy 1\n\1", text)
    common: dict[str, Any] = {"config": config.name, "target": target, "memory": memory}
    found = _synthesize(kept, common | {"top": name, "sram_bits": total}, target == "cmos" or not memory,
                        CMOS_STEPS if target == "cmos" else [FLOWS[target].command(dsp)],
                        "stat -json -tech cmos" if target == "cmos" else "stat -json", cache)["modules"]
    reports: list[CmosArea | FpgaArea] = []
    for part in (*parts, ""):
        statistic = found[f"\\{name}.{part}".rstrip(".")]
        inside = below.get(part, ()) if part else tuple(below)
        if inside and target == "cmos":  # the only figure that counts what is below
            statistic = statistic | {"estimated_num_transistors": str(int(statistic["estimated_num_transistors"]) - sum(
                int(found[f"\\{name}.{item}"].get("estimated_num_transistors", 0)) for item in inside))}
        bits = 0 if inside or not part else sum(_mark_memories(module)[1] for module in re.findall(
            rf"(?ms){head}{re.escape(part)}(?:\..*?)?$.*?^end$", text))
        mine = common | {"top": _part_name(part, inside), "sram_bits": bits}
        reports.append(_transistors(statistic, mine) if target == "cmos" else fpga_cells(
            statistic["num_cells_by_type"], mine, dsp))
    return sorted(reports, key=lambda item: item.size, reverse=True)


# -- the design ----------------------------------------------------------------------------------


def component_of(block: str | wiring.Component, config: CoreConfig) -> tuple[str, wiring.Component]:
    """A block's name, and the component."""
    if isinstance(block, str):
        return block, verilog.component(block, config)
    return type(block).__name__.lower(), block


def _part_name(part: str, inside: Sequence[str]) -> str:
    return "rest" if not part else f"rest of {part}" if inside else part.rpartition(".")[2]


def _parts(text: str, name: str) -> list[str]:
    return re.findall(rf"(?m)^module \\{re.escape(name)}\.([^.\s]+)$", text)


def _mark_memories(text: str) -> tuple[str, int]:
    """The RTLIL with an attribute on each memory that is an SRAM, which its cell will inherit; and their bits."""
    bits = 0

    def mark(match: re.Match[str]) -> str:
        nonlocal bits
        size = int(match[1]) * int(match[2])
        if size < SRAM_BITS:
            return match[0]
        bits += size
        return f"  attribute \\synapress_sram 1\n{match[0]}"

    return re.sub(r"^  memory width (\d+) size (\d+) ", mark, text, flags=re.MULTILINE), bits


_EVERT = [
    "hierarchy -auto-top", "proc", "flatten", "opt_expr", "opt_clean", "memory -nomap",
    "select -set sram t:$mem_v2 a:synapress_sram %i", "expose -evert @sram",
]
"""Makes ports of the wires at each SRAM, so that all logic around it stays, and takes it out."""


def _synthesize(text: str, common: dict[str, Any], evert: bool, script: list[str], statistics: str, cache: Path | None,
                files: dict[str, str] | None = None) -> dict[str, Any]:
    """Statistics after a script: of the whole design, and of its modules."""
    steps = [*(_EVERT if evert and common["sram_bits"] else []), *script, "delete t:$scopeinfo",
             f"tee -q -o stat.json {statistics}"]
    results = run_yosys(text, steps, who=common["top"], files=files, cache=cache)
    statistics_: dict[str, Any] = results["stat.json"]
    return statistics_


_GATES = "synth -noabc -flatten"
CMOS_STEPS = [_GATES, "dfflegalize -cell $_DFF_P_ 01", "abc -g cmos", "opt_clean"]
"""From RTLIL to static CMOS gates and D flip-flops."""


def _count(cells: dict[str, int], pattern: str) -> int:
    return sum(count for name, count in cells.items() if re.fullmatch(pattern, name))


def _cmos(text: str, common: dict[str, Any], cache: Path | None, before: Sequence[str]) -> CmosArea:
    found = _synthesize(text, common, True, [*before, *CMOS_STEPS], "stat -json -tech cmos", cache)
    return _transistors(found["design"], common)


def _transistors(statistic: dict[str, Any], common: dict[str, Any]) -> CmosArea:
    cells = statistic["num_cells_by_type"]
    # A + after the number says that some cells have no known transistors: there must be none.
    transistors = str(statistic["estimated_num_transistors"])
    if not transistors.isdigit():
        raise ToolError(f"'{common['top']}': yosys knows no transistor count for some of {', '.join(cells)}")
    return CmosArea(**common, model="yosys, abc -g cmos, transistors of static CMOS gates", cells=cells,
                    flip_flops=_count(cells, r"\$_DFF.*"), transistors=int(transistors))


def _liberty(text: str, common: dict[str, Any], liberty: Path | None, cache: Path | None, before: Sequence[str]
             ) -> LibertyArea:
    if liberty is None:
        raise ConfigError("target 'liberty' needs a library file")
    if not liberty.is_file():
        raise ConfigError(f"Liberty library '{liberty}' is not a file")
    library = liberty.read_text(errors="replace")
    script = [*before, _GATES, "dfflibmap -liberty cells.lib", "abc -liberty cells.lib", "opt_clean"]
    statistic = _synthesize(text, common, True, script, "stat -json -liberty cells.lib", cache,
                            {"cells.lib": library})["design"]
    cells = statistic["num_cells_by_type"]
    unmapped = sorted(name for name in cells if name.startswith("$"))
    if unmapped:
        raise ToolError(f"library '{liberty}' has no cell for {', '.join(unmapped)}: it needs a D flip-flop, an "
                        "inverter, a buffer and a two-input gate")
    # Cells with a group `ff` before the next cell begins.
    pattern = r"\bcell\s*\(\s*\"?(\w+)\"?\s*\)(?:(?!\bcell\s*\().)*?\bff\s*\("
    sequential = set(re.findall(pattern, library, re.DOTALL))
    return LibertyArea(**common, model=f"yosys, dfflibmap and abc with {liberty.name}", cells=cells,
                       flip_flops=sum(count for name, count in cells.items() if name in sequential),
                       file=liberty.name, cell_area=float(statistic["area"]))


# -- FPGAs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Flow:
    """How a family is synthesized, and how its cells count; patterns are regular expressions."""

    flow: str
    dsp: str
    no_dsp: str
    luts: dict[str, int]
    flip_flops: str
    block_rams: dict[str, float]
    dsps: str

    def command(self, dsp: bool) -> str:
        return f"{self.flow} {self.dsp if dsp else self.no_dsp}".strip()


FLOWS = {
    "ice40": Flow(
        flow="synth_ice40", dsp="-dsp", no_dsp="", luts={"SB_LUT4": 1}, flip_flops="SB_DFF.*",
        block_rams={"SB_RAM40_4K.*": 1}, dsps="SB_MAC16"),
    "ecp5": Flow(
        flow="synth_lattice -family ecp5", dsp="", no_dsp="-nodsp",
        # A carry cell is two LUTs; a 16×4 memory takes the two slices of its bits and one for writing.
        luts={"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}, flip_flops="TRELLIS_FF",
        block_rams={"DP16KD": 1, "PDPW16KD": 1}, dsps="MULT18X18D"),
    "xilinx": Flow(
        flow="synth_xilinx -family xc7 -flatten -noiopad -noclkbuf", dsp="", no_dsp="-nodsp",
        luts={"LUT[1-6]": 1, "SRL16E|SRLC32E": 1, "RAM(32|64)X1S": 1, "RAM(32|64)X1D": 2, "RAM128X1S": 2,
              "RAM128X1D|RAM256X1S|RAM(32|64)M": 4},
        flip_flops="FD[RSCP]E(_1)?", block_rams={"RAMB36E1": 1, "RAMB18E1": 0.5}, dsps="DSP48E1"),
}


def _fpga(text: str, common: dict[str, Any], dsp: bool, cache: Path | None, before: Sequence[str]) -> FpgaArea:
    flow = FLOWS[common["target"]].command(dsp)
    found = _synthesize(text, common, not common["memory"], [*before, flow], "stat -json", cache)
    return fpga_cells(found["design"]["num_cells_by_type"], common, dsp)


def fpga_cells(cells: dict[str, int], common: dict[str, Any], dsp: bool) -> FpgaArea:
    """Cells of a mapped netlist, by type, as an area. `common`: the fields of `AreaReport` but `model` and `cells`."""
    family = FLOWS[common["target"]]
    return FpgaArea(**common, model=f"yosys, {family.command(dsp)}", cells=cells,
                    flip_flops=_count(cells, family.flip_flops),
                    luts=sum(weight * _count(cells, pattern) for pattern, weight in family.luts.items()),
                    block_rams=sum(weight * _count(cells, pattern) for pattern, weight in family.block_rams.items()),
                    dsps=_count(cells, family.dsps))
