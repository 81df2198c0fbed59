"""`synapress area`: how large blocks and their parts are, which device holds them, how fast they are clocked."""

import statistics
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from golden.config import CoreConfig
from golden.errors import ConfigError
from synapress.cli.mesh_options import Columns, Depth, Hosts, OpenEdges, Rows, mesh_options
from synapress.cli.options import AsJson, Blocks, Config, blocks_named, print_json, steps
from synapress.reports.tables import Sheet, show

if TYPE_CHECKING:
    from synapress.tools.area import AreaReport, CmosArea, FpgaArea
    from synapress.tools.frequency import Frequency
    from synapress.tools.mesh_area import Kind


class Target(StrEnum):
    ALL = "all"
    CMOS = "cmos"
    ICE40 = "ice40"
    ECP5 = "ecp5"
    XILINX = "xilinx"


def area(
    tops: Blocks = None,
    config: Config = "grai_vip",
    target: Annotated[list[Target] | None, typer.Option(
        help="Technology; may be repeated. An FPGA family also tells which device holds the block. [default: all, or "
        "none with --liberty or --fmax]")] = None,
    liberty: Annotated[list[Path] | None, typer.Option(
        metavar="FILE", help="Standard-cell library; may be repeated.")] = None,
    fmax: Annotated[bool, typer.Option(
        "--fmax", help="Place and route on an ECP5 for the clock frequency and the slowest path (slow).")] = False,
    seeds: Annotated[int, typer.Option(
        min=1, metavar="N", help="With --fmax: place and route with the seeds 1 to N, and tell the median.")] = 1,
    dsp: Annotated[bool, typer.Option("--dsp", help="Let FPGA flows use hard multipliers.")] = False,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="Count the large memories.")] = True,
    parts: Annotated[bool | None, typer.Option(
        "--parts/--no-parts", show_default="of named blocks", help="Also tell how the area is shared among the parts "
        "of each block; not by a library.")] = None,
    columns: Columns = None,
    rows: Rows = None,
    hosts: Hosts = None,
    open_edges: OpenEdges = None,
    depth: Depth = None,
    as_json: AsJson = False,
) -> None:
    """Estimate area and clock of blocks with open tools.

    A mesh is the sum of its nodes and of what is around them.
    """
    from synapress.tools import area as estimates
    from synapress.tools.frequency import fmax as clock
    from synapress.tools.mesh_area import together

    core = CoreConfig.load(config)
    blocks = blocks_named(tops or [])
    libraries = liberty or []
    for library in libraries:
        if not library.is_file():
            raise ConfigError(f"Liberty library '{library}' is not a file")
    mesh = mesh_options([top for top in blocks if top == "mesh"], columns=columns, rows=rows, hosts=hosts,
                        open_edges=open_edges, depth=depth)
    if fmax and "mesh" in blocks:
        raise ConfigError("--fmax: no combinational path crosses a node, and the clock of a mesh is that of a node; "
                          "name the block 'node' instead")
    targets = list(target or ([] if libraries or fmax else [Target.ALL]))
    names = list(estimates.TARGETS) if Target.ALL in targets else [item.value for item in dict.fromkeys(targets)]
    reports: list[AreaReport] = []
    frequencies: list[Frequency] = []
    shares: dict[tuple[str, str], list[CmosArea | FpgaArea]] = {}
    kinds: list[list[Kind]] = []
    with steps() as progress:
        for top in blocks:
            if top == "mesh":
                kinds = _mesh(core, mesh, [*names, *libraries], progress, memory=memory, dsp=dsp)
                reports += [together(top, found) for found in kinds]
                continue
            divided = bool(tops if parts is None else parts) and bool(estimates.parts_of(top, core))
            for name in names:
                progress(f"{top}: {name}")
                reports.append(estimates.estimate(top, core, name, memory=memory, dsp=dsp))
                if divided:
                    progress(f"{top}: {name}, part by part")
                    shares[top, name] = estimates.estimate_parts(top, core, name, memory=memory, dsp=dsp)
            for library in libraries:
                progress(f"{top}: {library.name}")
                reports.append(estimates.estimate(top, core, "liberty", memory=memory, liberty=library))
            if fmax:
                frequencies += [clock(top, core, dsp=dsp, seed=seed, progress=_of(top, progress))
                                for seed in range(1, seeds + 1)]
    if as_json:
        print_json({
            "area": [report.to_json() for report in reports], "fmax": [item.to_json() for item in frequencies],
            "parts": [{"block": top, "target": name, "area": [report.to_json() for report in shared]}
                      for (top, name), shared in shares.items()],
            "nodes": [{"block": "mesh", "target": found[0].area.target, "area": [
                kind.area.to_json() | {"count": kind.count} for kind in found]} for found in kinds]})
        return
    show([*_tables(reports, frequencies), *_shares(shares), *map(_nodes, kinds)])
    if not fmax:
        typer.echo(_how_to_get_the_clock(tops or [], reports))


def _mesh(core: CoreConfig, options: Mapping[str, Any], targets: "list[str | Path]", progress: Callable[[str], None],
          *, memory: bool, dsp: bool) -> "list[list[Kind]]":
    """By target, or library, the nodes of a mesh and what is around them."""
    from rtl.noc.mesh import Mesh
    from synapress.tools.mesh_area import mesh_kinds

    mesh, found = Mesh(core, **options), []
    for target in targets:
        library = target if isinstance(target, Path) else None
        progress(f"mesh: {target}, each kind of node once")
        found.append(mesh_kinds(mesh, core, "liberty" if library else str(target), memory=memory, dsp=dsp,
                                liberty=library))
    return found


def _nodes(kinds: "list[Kind]") -> Sheet:
    """What a mesh is made of."""
    from synapress.tools.area import CmosArea, FpgaArea

    first = kinds[0].area
    fields = (("transistors", "transistors"), ("sram_transistors", "SRAM transistors")) if isinstance(
        first, CmosArea) else (("luts", "LUTs"), ("block_rams", "block RAMs")) if isinstance(
        first, FpgaArea) else (("cell_area", "cell area"),)
    sheet = Sheet(title=f"Parts of the mesh ({first.config}, {first.target})", headings=(
        "part", "count", *(heading for _, heading in fields), *(f"{heading}, all" for _, heading in fields), "share"),
        caption="Share: of the first of these. A host_node is beside a host; rest: what is around the nodes.")
    whole = max(sum(kind.count * getattr(kind.area, fields[0][0]) for kind in kinds), 1)
    for kind in kinds:
        values = [getattr(kind.area, field) for field, _ in fields]
        sheet.add_row(kind.area.top, f"{kind.count}", *(f"{value:,.15g}" for value in values),
                      *(f"{kind.count * value:,.15g}" for value in values), f"{kind.count * values[0] / whole:.1%}")
    return sheet


def _of(top: str, progress: Callable[[str], None]) -> Callable[[str], None]:
    """Progress that names its block."""
    return lambda step: progress(f"{top}: {step}")


def _how_to_get_the_clock(named: list[str], reports: "list[AreaReport]") -> str:
    """The command, and how long it takes where the block's LUTs are known."""
    from synapress.tools.frequency import duration

    luts = sum(getattr(report, "luts", 0) for report in reports if report.target == "ecp5")
    how_long = duration(luts) if luts else "seconds for a small block, minutes for a core"
    return ("Clock and slowest path, by place and route: add --fmax "
            f"({how_long}{'' if named else '; name a block to place it alone'}).")


def _shares(shares: "dict[tuple[str, str], list[CmosArea | FpgaArea]]") -> list[Sheet]:
    """Which part of a block takes how much: one table a block, of all targets."""
    return [_shares_of(top, {target: parts for (block, target), parts in shares.items() if block == top})
            for top in dict.fromkeys(top for top, _ in shares)]


def _shares_of(block: str, by_target: "dict[str, list[CmosArea | FpgaArea]]") -> Sheet:
    """The first target (transistors, if they are among them) gives the order, the shares and the flip-flops."""
    from synapress.tools.area import SRAM_TRANSISTORS, FpgaArea

    first = by_target.get("cmos") or next(iter(by_target.values()))
    fpga = {target: {part.top: part for part in parts if isinstance(part, FpgaArea)}
            for target, parts in by_target.items() if target != "cmos"}
    fields = [(target, name, heading) for target, parts in fpga.items()
              for name, heading in (("luts", "LUTs"), ("block_rams", "RAMs"), ("dsps", "DSPs"))
              if name == "luts" or len(fpga) == 1 or any(getattr(part, name) for part in parts.values())]
    cmos = "cmos" in by_target
    # SRAM has a share of its own kind of transistors; block RAMs are no LUTs.
    sram = cmos and any(getattr(part, "sram_transistors", 0) for part in first)
    of = first[0].target
    sheet = Sheet(
        title=f"Parts of {block} ({first[0].config})",
        headings=("part", *(("transistors",) if cmos else ()), "share",
                  *(("share with SRAM",) if sram else ()), "flip-flops",
                  *(f"{target} {heading}" for target, _, heading in fields), "SRAM bits"))
    whole = max(sum(part.size for part in first), 1)

    def with_sram(chosen: "list[CmosArea | FpgaArea]") -> int:
        return sum(part.size + getattr(part, "sram_transistors", 0) for part in chosen)

    def row(name: str, chosen: "list[CmosArea | FpgaArea]") -> None:
        def total(values: "list[Any]", field: str) -> str:
            return f"{sum(getattr(value, field) for value in values):,.15g}"

        named = {part.top for part in chosen}
        sheet.add_row(name, *((total(chosen, "transistors"),) if cmos else ()),
                      f"{sum(part.size for part in chosen) / whole:.1%}",
                      *((f"{with_sram(chosen) / with_sram(first):.2%}",) if sram else ()), total(chosen, "flip_flops"),
                      *(total([part for part in fpga[target].values() if part.top in named], field)
                        for target, field, _ in fields), total(chosen, "sram_bits"))

    for part in first:
        row(part.top, [part])
    sheet.add_section()
    row("together", first)
    sheet.caption = (f"Shares of {'transistors' if cmos else 'LUTs'}, and flip-flops, as of {of}. Without optimization "
                     "across the borders of parts. SRAM is not in the shares" + (
                         f" but in those with SRAM, {SRAM_TRANSISTORS} transistors a bit." if sram else "."))
    return sheet


def _tables(reports: "list[AreaReport]", frequencies: "list[Frequency]") -> list[Sheet]:
    """One table per kind of figure; its caption says what the figures rest on."""
    from synapress.tools.area import CmosArea, FpgaArea, LibertyArea

    tables = []
    if cmos := [report for report in reports if isinstance(report, CmosArea)]:
        tables.append(_transistors(cmos))
    fpga = [report for report in reports if isinstance(report, FpgaArea)]
    tables += [_fpga([report for report in fpga if report.target == target])
               for target in dict.fromkeys(report.target for report in fpga)]
    libraries = [report for report in reports if isinstance(report, LibertyArea)]
    for library in dict.fromkeys(report.file for report in libraries):
        same = [report for report in libraries if report.file == library]
        table = Sheet(
            title=f"{library}, synthesized ({same[0].config})",
            headings=("block", "cell area", "flip-flops", "SRAM bits, not in it"))
        for cells in same:
            table.add_row(cells.top, f"{cells.cell_area:,.1f}", f"{cells.flip_flops:,}", f"{cells.sram_bits:,}")
        table.caption = f"{same[0].model}."
        tables.append(table)
    if frequencies:
        table = Sheet(
            title=f"Clock frequency, placed and routed ({frequencies[0].config})",
            headings=("block", "MHz", "device", "seed", "slowest path"), left=(0, 4))
        for item in frequencies:
            table.add_row(item.top, f"{item.mhz:.1f}", item.device, f"{item.seed}", item.sentence)
        medians = [f"{top}: median {statistics.median(clocks):.1f} MHz, of {min(clocks):.1f} to {max(clocks):.1f}"
                   for top in dict.fromkeys(item.top for item in frequencies)
                   if len(clocks := [item.mhz for item in frequencies if item.top == top]) > 1]
        table.caption = f"{'; '.join([frequencies[0].model, *medians])}."
        tables.append(table)
    return tables


def _transistors(reports: "list[CmosArea]") -> Sheet:
    from synapress.tools.area import SRAM_BITS, SRAM_TRANSISTORS

    table = Sheet(
        title=f"Transistors, estimated ({reports[0].config})",
        headings=("block", "transistors", "gate equivalents", "flip-flops", "SRAM bits", "SRAM transistors"))
    for report in reports:
        sram = f"{report.sram_transistors:,}" if report.memory else "left out"
        table.add_row(report.top, f"{report.transistors:,}", f"{report.gate_equivalents:,.0f}",
                      f"{report.flip_flops:,}", f"{report.sram_bits:,}", sram)
    table.caption = (f"{reports[0].model}. SRAM: memories of {SRAM_BITS:,} bits and more, {SRAM_TRANSISTORS} "
                     "transistors a bit for the cells alone; not in the first columns.")
    return table


def _fpga(reports: "list[FpgaArea]") -> Sheet:
    table = Sheet(
        title=f"{reports[0].target}, synthesized ({reports[0].config})",
        headings=("block", "LUTs", "flip-flops", "block RAMs", "DSPs", "smallest device that holds it"), left=(0, 5))
    for report in reports:
        rams = f"{report.block_rams:,g}" if report.memory or not report.sram_bits else "left out"
        table.add_row(report.top, f"{report.luts:,}", f"{report.flip_flops:,}", rams, f"{report.dsps:,}",
                      report.fit.sentence.removeprefix(f"{report.top} ").rstrip("."))
    left_out = "" if all(report.memory or not report.sram_bits for report in reports) else (
        " The devices must hold the memories that were left out, too.")
    table.caption = f"{reports[0].model}. By data sheets, without pins.{left_out}"
    return table
