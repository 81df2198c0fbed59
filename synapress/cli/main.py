"""The command line: `synapress footprint | map | compile | simulate | report | verify | verilog | area |
organisations | cim | config | demo | demo-pilotnet | demo-ttfs | demo-resnet50 |
demo-learning`.

Errors that a user can cause go to stderr with exit status 1, never as a traceback: as one line, or, where a network
violates several rules of the hardware, as one line for each of the first few by rule. Invalid options end with exit
status 2 and the usage.
"""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from golden.config import NAMED, CoreConfig
from golden.errors import ConfigError, SynapressError
from synapress import __version__
from synapress.cli import completion
from synapress.cli import models as cli_models
from synapress.cli.area import area
from synapress.cli.cim import cim
from synapress.cli.mesh_options import MESHES, Columns, Depth, Hosts, OpenEdges, Rows, mesh_options
from synapress.cli.networks import footprint, map_
from synapress.cli.options import (
    SEEDS,
    AsJson,
    Blocks,
    Config,
    Output,
    ShareStates,
    blocks_named,
    print_json,
    read_arrays,
    steps,
)
from synapress.cli.organisations import organisations
from synapress.cli.python_file import run_python
from synapress.cli.verify import verify
from synapress.install import install_hint_for

app = typer.Typer(help="Generator of event-based CNN accelerators with compressed synapses.", no_args_is_help=True,
                  pretty_exceptions_enable=False, rich_markup_mode=None)


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


@app.command()
def verilog(
    tops: Blocks = None,
    config: Config = "grai_vip",
    output: Output = Path("build/verilog"),
    prefix: Annotated[str, typer.Option(help="Put before the names of modules and files.")] = "",
    columns: Columns = None,
    rows: Rows = None,
    hosts: Hosts = None,
    open_edges: OpenEdges = None,
    depth: Depth = None,
    as_json: AsJson = False,
) -> None:
    """Write the Verilog of blocks.

    Beside each a JSON description: ports, parameters, packed words.
    """
    from rtl.verilog import generate

    core, written, blocks = CoreConfig.load(config), [], blocks_named(tops or [])
    mesh = mesh_options(blocks, columns=columns, rows=rows, hosts=hosts, open_edges=open_edges, depth=depth)
    for top in blocks:
        path = generate(top, core, output, name=prefix + top, **(mesh if top in MESHES else {}))
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


app.command()(area)
app.command()(organisations)
app.command()(cim)


@app.command("config")
def show_config(source: Annotated[str, typer.Argument(
        metavar="[PRESET|FILE]", autocompletion=completion.presets,
        help=f"{', '.join(NAMED)}, or a JSON file to complete and check.")] = "grai_vip",
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
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of the stalls.")] = 1,
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


@app.command("demo-pilotnet")
def demo_pilotnet(
    config: Config = "grai_vip",
    cores: Annotated[list[int] | None, typer.Option(
        min=1, metavar="N", show_default="3 and 2", help="On so many cores; may be repeated.")] = None,
    frames: Annotated[int, typer.Option(min=1, help="In flight.")] = 3,
    output: Output = Path("build/demo-pilotnet"),
    stall: Annotated[float, typer.Option(min=0, max=0.99, help="Chance per cycle that the host waits.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of weights, frames and stalls.")] = 1,
    threads: Annotated[int, typer.Option(min=1, max=8, help="Threads of the simulator.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Run road frames through PilotNet on a mesh, in RTL.

    Compared bit for bit with the golden model; cycles beside what the mapper had predicted.
    """
    demo = importlib.import_module("synapress.demo_pilotnet")
    found = demo.run(CoreConfig.load(config), cores=cores or demo.CORES, frames=frames, directory=output, stall=stall,
                     seed=seed, threads=threads, console=Console(stderr=as_json))
    if as_json:
        print_json(found)


@app.command("demo-ttfs")
def demo_ttfs(
    config: Config = "grai_vip",
    digits: Annotated[int, typer.Option(help="Test digits to simulate in RTL.")] = 100,
    network: Annotated[Path | None, typer.Option(
        metavar="FILE", help="A trained network of digits; default: the one that comes with it.")] = None,
    output: Output = Path("build/demo-ttfs"),
    stall: Annotated[float, typer.Option(min=0, max=0.99, help="Chance per cycle that the host waits.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of the stalls.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run digits through neurons that spike once, in RTL.

    Every spike time compared with the integer network; weights are logarithmic, so that no synapse multiplies.
    """
    run = importlib.import_module("synapress.demo_spike_times").run
    found = run(CoreConfig.load(config), digits=digits, network=network, directory=output, stall=stall, seed=seed,
                console=Console(stderr=as_json))
    if as_json:
        print_json(found)


@app.command("demo-resnet50")
def demo_resnet50(
    config: Config = "grai_vip",
    network: Annotated[str, typer.Option(help="resnet50, mobilenet, darknet53 or resnet101.")] = "resnet50",
    frame: Annotated[Path | None, typer.Option(
        "--input", metavar="FILE", help="A .npy or .npz file with the frame: integers (channels, columns, rows), from "
        "0 to 255; default: a drawn one.")] = None,
    jobs: Annotated[int | None, typer.Option(
        min=1, metavar="N", show_default="one for each processor", help="Cores at a time.")] = None,
    scheduler: Annotated[str | None, typer.Option(
        metavar="ADDRESS", help="Of a Dask cluster whose workers replay the cores, such as tcp://host:8786.")] = None,
    share_states: ShareStates = None, output: Output = Path("build/demo-replay"),
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of the weights and the drawn frame.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Run a frame of ImageNet size through the RTL, core by core.

    All states and events are compared with the golden model; a run that was interrupted goes on. For a trained network
    of your own: `synapress compile`, then `synapress simulate --engine replay`.
    """
    demo = importlib.import_module("synapress.demo_replay")
    found = demo.run(
        CoreConfig.load(config), network=network, directory=output, seed=seed, jobs=jobs, scheduler=scheduler,
        frame=None if frame is None else read_arrays(frame), share_states=share_states,
        console=Console(stderr=as_json))
    if as_json:
        print_json(found)


@app.command("demo-learning")
def demo_learning(
    only: Annotated[list[str] | None, typer.Option(
        "--only", metavar="ORGANISATION", help="crossbar, bitmap or compressed_rows; may be repeated.",
        show_default="all three")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="The task is shown so often.")] = 60,
    density: Annotated[float, typer.Option(help="Share of the weights that there are.")] = 0.5,
    bits: Annotated[int, typer.Option(help="Of a weight, 2 to 12.")] = 12,
    model: Annotated[str, typer.Option(help="Of the energy of memory accesses.")] = "cacti22",
    output: Output = Path("build/demo-learning"),
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of task, weights and rounding.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Teach a spiking network a picture in RTL, in each memory organisation.

    The update unit changes the weights in memory; they are compared with the golden model bit for bit after every
    epoch, and the losses with learning in real numbers.
    """
    demo = importlib.import_module("synapress.demo_learning")
    found = demo.run(organisations=only or demo.MATRICES, epochs=epochs, density=density, weight_bits=bits, model=model,
                     directory=output, seed=seed, console=Console(stderr=as_json))
    if as_json:
        print_json(found)


cli_models.register(app)
app.command()(verify)


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
