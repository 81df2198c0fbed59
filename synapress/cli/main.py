"""The command line: `synapress footprint | map | compile | simulate | report | verilog | area | config | demo`.

Errors that a user can cause go to stderr with exit status 1, never as a traceback: as one line, or, where a network
violates several rules of the hardware, as one line for each of the first few by rule. Invalid options end with exit
status 2 and the usage.
"""

import importlib
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError, SynapressError
from synapress import __version__
from synapress.cli import completion
from synapress.cli import models as cli_models
from synapress.cli.networks import footprint, map_
from synapress.cli.options import AsJson, Config, Output, print_json, read_arrays, steps
from synapress.cli.python_file import run_python
from synapress.install import install_hint_for
from synapress.reports.tables import Sheet, show

if TYPE_CHECKING:
    from synapress.tools.area import AreaReport, CmosArea, FpgaArea, Frequency

app = typer.Typer(help="Generator of event-based CNN accelerators with compressed synapses.", no_args_is_help=True,
                  pretty_exceptions_enable=False, rich_markup_mode=None)

Blocks = Annotated[list[str] | None, typer.Argument(
    metavar="[BLOCK]...", autocompletion=completion.blocks, help="Blocks; all if none is named.")]


class Target(StrEnum):
    ALL = "all"
    CMOS = "cmos"
    ICE40 = "ice40"
    ECP5 = "ecp5"
    XILINX = "xilinx"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"synapress {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                          help="Print the version and exit.")] = False,
    operators: Annotated[list[Path] | None, typer.Option(
        "--operators", metavar="FILE.py", exists=True, dir_okay=False, help="ONNX: run a Python file that declares "
        "operators (docs/models.md), before the command. May be repeated.")] = None,
) -> None:
    for path in operators or ():
        run_python(path, "operators")


app.command()(footprint)
app.command("map")(map_)


def _blocks(tops: list[str]) -> list[str]:
    """The named blocks, each checked before the first is worked on; none means all."""
    from rtl.verilog import TOPS

    for top in tops:
        if top not in TOPS:
            raise ConfigError(f"unknown block '{top}'; there are: {', '.join(TOPS)}")
    return list(dict.fromkeys(tops)) or list(TOPS)


@app.command()
def verilog(
    tops: Blocks = None,
    config: Config = "grai_vip",
    output: Output = Path("build/verilog"),
    prefix: Annotated[str, typer.Option(help="Put before the names of modules and files.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write the Verilog of blocks.

    Beside each a JSON description: ports, parameters, packed words.
    """
    from rtl.verilog import generate

    core, written = CoreConfig.load(config), []
    for top in _blocks(tops or []):
        path = generate(top, core, output, name=prefix + top)
        written.append({"block": top, "verilog": str(path), "description": str(path.with_suffix(".json"))})
        if not as_json:
            typer.echo(f"{path} and {path.with_suffix('.json').name}: {top} of {core.name}")
    if as_json:
        print_json({"config": core.name, "blocks": written})


@app.command("testbench")
def verilog_testbench_(
    folder: Annotated[Path | None, typer.Argument(
        metavar="[FOLDER]", show_default="digits network",
        help="A model on one core with one output, that `synapress compile` wrote.")] = None,
    inputs: Annotated[Path | None, typer.Option(
        "--inputs", "-i", metavar="FILE", help="Its frames: .npy, or .npz by input name.")] = None,
    config: Annotated[str | None, typer.Option(
        "--config", "-c", metavar="PRESET|FILE", autocompletion=completion.presets, show_default="fpga_small",
        help="Configuration of the digits network; a model has its own.")] = None,
    output: Output = Path("build/testbench"),
    as_json: AsJson = False,
) -> None:
    """Write an example testbench in plain Verilog, with the core, an image, frames and what must come out.

    It runs in any simulator, without Python; the commands for Icarus and Verilator are printed.
    """
    from synapress.demo import digits_testbench
    from synapress.engines.testbench import commands
    from synapress.hardware import verilog_testbench
    from synapress.results import CompiledModel

    if (folder is None) != (inputs is None) or (folder is not None and config is not None):
        raise ConfigError("give a folder and --inputs, or neither: then it is a digit of the digits network, "
                          "with the --config you like")
    with steps() as progress:
        progress("golden model, Verilog")
        if folder is not None and inputs is not None:
            path = verilog_testbench(CompiledModel.load(folder), read_arrays(inputs), output)
        else:
            path = digits_testbench(CoreConfig.load(config or "fpga_small"), output)
    lines = commands("core")
    if as_json:
        print_json({"testbench": str(path), "commands": lines})
        return
    typer.echo(f"{path}. Run it in its folder, in Icarus or in Verilator:")
    for line in lines:
        typer.echo(f"  cd {output} && {line}")


@app.command()
def area(
    tops: Blocks = None,
    config: Config = "grai_vip",
    target: Annotated[list[Target] | None, typer.Option(
        help="Technology; may be repeated. [default: all, or none with --liberty or --fmax]")] = None,
    liberty: Annotated[list[Path] | None, typer.Option(
        metavar="FILE", help="Standard-cell library; may be repeated.")] = None,
    fmax: Annotated[bool, typer.Option(
        "--fmax", help="Place and route on an ECP5 for the clock frequency (slow).")] = False,
    dsp: Annotated[bool, typer.Option("--dsp", help="Let FPGA flows use hard multipliers.")] = False,
    memory: Annotated[bool, typer.Option("--memory/--no-memory", help="Count the large memories.")] = True,
    parts: Annotated[bool, typer.Option(
        "--parts", help="Also tell how the area is shared among the parts of each block; not by a library.")] = False,
    as_json: AsJson = False,
) -> None:
    """Estimate area and clock of blocks with open tools."""
    from synapress.tools import area as estimates

    core = CoreConfig.load(config)
    blocks = _blocks(tops or [])
    libraries = liberty or []
    for library in libraries:
        if not library.is_file():
            raise ConfigError(f"Liberty library '{library}' is not a file")
    targets = list(target or ([] if libraries or fmax else [Target.ALL]))
    names = list(estimates.TARGETS) if Target.ALL in targets else [item.value for item in dict.fromkeys(targets)]
    reports: list[estimates.AreaReport] = []
    frequencies: list[estimates.Frequency] = []
    shares: dict[tuple[str, str], list[estimates.CmosArea | estimates.FpgaArea]] = {}
    with steps() as progress:
        for top in blocks:
            for name in names:
                progress(f"{top}: {name}")
                reports.append(estimates.estimate(top, core, name, memory=memory, dsp=dsp))
                if parts:
                    progress(f"{top}: {name}, part by part")
                    shares[top, name] = estimates.estimate_parts(top, core, name, memory=memory, dsp=dsp)
            for library in libraries:
                progress(f"{top}: {library.name}")
                reports.append(estimates.estimate(top, core, "liberty", memory=memory, liberty=library))
            if fmax:
                progress(f"{top}: place and route")
                frequencies.append(estimates.fmax(top, core, dsp=dsp))
    if as_json:
        found = {"area": [report.to_json() for report in reports], "fmax": [item.to_json() for item in frequencies]}
        if parts:
            found["parts"] = [{"block": top, "target": name, "area": [report.to_json() for report in shared]}
                              for (top, name), shared in shares.items()]
        print_json(found)
        return
    show([*_tables(reports, frequencies), *(_shares(*key, shared) for key, shared in shares.items())])


def _shares(block: str, target: str, parts: "list[CmosArea | FpgaArea]") -> Sheet:
    """Which part of a block takes how much."""
    from synapress.tools.area import FpgaArea

    cmos = target == "cmos"
    sheet = Sheet(
        title=f"Parts of {block}, {target} ({parts[0].config})",
        headings=("part", "transistors" if cmos else "LUTs", "share", "flip-flops",
                  *(() if cmos else ("block RAMs", "DSPs")), "SRAM bits"))
    whole = max(sum(part.size for part in parts), 1)
    for part in parts:
        hard = (f"{part.block_rams:,g}", f"{part.dsps:,}") if isinstance(part, FpgaArea) else ()
        sheet.add_row(part.top, f"{part.size:,}", f"{part.size / whole:.1%}", f"{part.flip_flops:,}", *hard,
                      f"{part.sram_bits:,}")
    sheet.caption = "Without optimization across the borders of parts. SRAM is not in the shares."
    return sheet


def _tables(reports: "list[AreaReport]", frequencies: "list[Frequency]") -> list[Sheet]:
    """One table per kind of figure; its caption says what the figures rest on."""
    from synapress.tools.area import SRAM_BITS, SRAM_TRANSISTORS, CmosArea, FpgaArea, LibertyArea

    tables = []
    if cmos := [report for report in reports if isinstance(report, CmosArea)]:
        table = Sheet(
            title=f"Transistors, estimated ({cmos[0].config})",
            headings=("block", "transistors", "gate equivalents", "flip-flops", "SRAM bits", "SRAM transistors"))
        for transistor in cmos:
            sram = f"{transistor.sram_transistors:,}" if transistor.memory else "left out"
            table.add_row(transistor.top, f"{transistor.transistors:,}", f"{transistor.gate_equivalents:,.0f}",
                          f"{transistor.flip_flops:,}", f"{transistor.sram_bits:,}", sram)
        table.caption = (f"{cmos[0].model}. SRAM: memories of {SRAM_BITS:,} bits and more, {SRAM_TRANSISTORS} "
                         "transistors a bit for the cells alone; not in the first columns.")
        tables.append(table)
    fpga = [report for report in reports if isinstance(report, FpgaArea)]
    for target in dict.fromkeys(report.target for report in fpga):
        chosen = [report for report in fpga if report.target == target]
        table = Sheet(
            title=f"{target}, synthesized ({chosen[0].config})",
            headings=("block", "LUTs", "flip-flops", "block RAMs", "DSPs"))
        for report in chosen:
            rams = f"{report.block_rams:,g}" if report.memory or not report.sram_bits else "left out"
            table.add_row(report.top, f"{report.luts:,}", f"{report.flip_flops:,}", rams, f"{report.dsps:,}")
        table.caption = f"{chosen[0].model}."
        tables.append(table)
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
            headings=("block", "MHz", "device", "slowest path"))
        for item in frequencies:
            table.add_row(item.top, f"{item.mhz:.1f}", item.device, " to ".join(item.path))
        table.caption = f"{frequencies[0].model}; seed {frequencies[0].seed}."
        tables.append(table)
    return tables


@app.command("config")
def show_config(source: Annotated[str, typer.Argument(
        metavar="[PRESET|FILE]", autocompletion=completion.presets,
        help=f"{', '.join(PRESETS)}, or a JSON file to complete and check.")] = "grai_vip",
        as_json: AsJson = False) -> None:
    """Print a configuration as JSON, with --json or without, to change or check it."""
    print_json(CoreConfig.load(source).to_json())


@app.command()
def demo(
    config: Config = "grai_vip",
    digits: Annotated[int, typer.Option(help="Test digits to simulate in RTL.")] = 200,
    output: Output = Path("build/demo"),
    area: Annotated[bool, typer.Option("--area/--no-area", help="Estimate the area too.")] = True,
    stall: Annotated[float, typer.Option(min=0, max=0.99, help="Chance per cycle that the host waits.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the stalls.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run handwritten digits through the RTL.

    Compared bit for bit with the golden model; needs nothing but a C++ compiler.
    """
    run = importlib.import_module("synapress.demo").run
    found = run(CoreConfig.load(config), digits=digits, directory=output, area=area, stall=stall, seed=seed,
                console=Console(stderr=as_json))
    if as_json:
        print_json(found)


cli_models.register(app)


def main() -> None:
    """Entry point of the `synapress` command."""
    try:
        app(prog_name="synapress")  # also as `python -m synapress`: the name that shell completion is for
    except SynapressError as error:
        sys.exit(f"synapress: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"synapress: {error.name} is not installed: {install_hint_for(error.name or '')}")
    except OSError as error:  # a file or folder that cannot be read or written
        sys.exit(f"synapress: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
