"""`synapress cim`: what a compute-in-memory update unit keeps, moves and takes on a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from golden.config import FLEXSPIM
from golden.errors import ConfigError
from golden.program import Program
from synapress.cli import completion
from synapress.cli.open_network import SOURCES, open_network
from synapress.cli.options import SEEDS, AsJson, numbers, print_json, steps, warnings_told
from synapress.energy.memory import MODELS, memory_model
from synapress.engines.compare import MismatchError
from synapress.reports.tables import show

if TYPE_CHECKING:
    from synapress.mapper.cim.stationarity import Layer
    from synapress.reports.cim.account import Found
    from synapress.reports.cim.run import Task

PICTURES = ("footprint", "energy", "shapes")
"""What --figures draws, each into a file of its name, with cim_ before it."""


def cim(
    source: Annotated[str, typer.Argument(
        metavar="[NETWORK|FILE]", autocompletion=completion.networks, help=f"{SOURCES}.")] = "gesture",
    macros: Annotated[str, typer.Option(
        metavar="N[,N...]|FROM:TO", help="Arrays of 512 × 256 bits, for what stays at best; the sweep over sparsities "
        "has the most of them.")] = "1,2,16",
    sparsity: Annotated[str, typer.Option(
        metavar="SHARE[,SHARE...]|FROM:TO:STEP", help="Neurons that are silent.")] = "0.85,0.9,0.95,0.99",
    resolutions: Annotated[str, typer.Option(
        metavar="WEIGHTS/POTENTIALS[,...]", help="Bits, of all layers or of each.")] = "8/12",
    shapes: Annotated[str | None, typer.Option(
        metavar="ROWSxCOLUMNS[,...]", show_default="those of the paper",
        help="Operands whose energies are compared.")] = None,
    run: Annotated[str | None, typer.Option(
        metavar="rtl|golden", help="Also run the network, layer by layer: in RTL, compared with the golden core, or "
        "in the golden core alone.")] = None,
    trained: Annotated[bool, typer.Option(
        "--trained", help="With --run: the gesture network with its trained weights and its dense layers. Else its "
        "weights are drawn, and its thresholds set for the least sparsity.")] = False,
    timesteps: Annotated[int | None, typer.Option(
        min=1, show_default="4, with --trained 16", help="Of --run.")] = None,
    search: Annotated[str | None, typer.Option(
        metavar="recorded|footprint|stationary", help="Resolutions of the trained gesture network, for a small "
        "footprint or a small part that stays: those on record, or searched anew (minutes).")] = None,
    loss: Annotated[float, typer.Option(min=0, max=1, help="Of --search: accuracy that may be lost.")] = 0.02,
    model: Annotated[str, typer.Option(help=f"Of the energy of memories: {', '.join(MODELS)}.")] = "cacti45",
    figures: Annotated[Path | None, typer.Option(
        metavar="DIR", help=f"Draw {', '.join(f'cim_{name}.png' for name in PICTURES)} there.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=SEEDS, help="Seed of drawn weights and events.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compute in memory: what of a network's operands stays in arrays, what moves, cycles and energy.

    Weight-stationary, output-stationary, by layer, and at best; against sparsity, fixed precision and a core with SRAM;
    beside the figures of FlexSpIM. Energies are published constants times counts.
    """
    from synapress.reports.cim.account import account
    from synapress.reports.cim.published import to_json
    from synapress.reports.cim.run import ENGINES
    from synapress.reports.cim.run import run as run_network
    from synapress.reports.cim.search import CHOICES
    from synapress.reports.cim.search import search as searched
    from synapress.reports.cim.tables import sheets

    if figures is not None and figures.exists() and not figures.is_dir():
        raise ConfigError(f"--figures {figures}: is a file; the pictures need a folder")
    if trained and (run is None or source != "gesture"):
        raise ConfigError("--trained: is for --run of the gesture network; leave it out")
    if search is not None and (search not in CHOICES or source != "gesture"):
        raise ConfigError(f"--search {search}: there are {', '.join(CHOICES)}, of the gesture network")
    if run is not None and run not in ENGINES:
        raise ConfigError(f"--run {run}: there are {' and '.join(ENGINES)}")
    counts = [int(count) for count in numbers("--macros", macros, int)]
    shares = numbers("--sparsity", sparsity, float)
    memory_model(model)
    with warnings_told(), steps() as progress:
        progress(f"reading {source}")
        program = open_network(source, seed=seed).program
        layers, pools = _layers(program, resolutions)
        given = {} if shapes is None else {"shapes": _shapes(shapes)}
        found = account(source, layers, pools=pools, macros=counts, sparsities=shares, seed=seed, model=model,
                        progress=progress, **given)
        if run is not None:
            progress("events and thresholds")
            task = _task(source, program, trained, min(shares), timesteps or (16 if trained else 4), seed)
            found["run"] = run_network(task, layers, FLEXSPIM, engine=run, seed=seed, progress=progress)
        if search is not None:
            found["search"] = searched(search, loss=loss, macros=found["macros"], sparsities=shares, progress=progress)
    if as_json:
        print_json(to_json(found))
    else:
        show(sheets(found))
    if figures is not None:
        _draw(found, figures)
    if "run" in found and found["run"]["differences"]:
        raise MismatchError("; ".join(found["run"]["differences"]))


def _layers(program: Program, resolutions: str) -> "tuple[list[Layer], list[str]]":
    from synapress.reports.cim.layers import layers_of, with_resolutions

    layers, pools = layers_of(program)
    return with_resolutions(layers, resolutions), pools


def _task(source: str, program: Program, own: bool, sparsity: float, timesteps: int, seed: int) -> "Task":
    """What --run runs."""
    from synapress.mapper.network.populations import lower
    from synapress.reports.cim.run import drawn_task, gesture_task
    from synapress.zoo.gesture import trained

    if source != "gesture":
        return drawn_task(program, sparsity, timesteps, seed)
    return gesture_task(lower(trained()), None, timesteps, seed) if own else gesture_task(
        program, sparsity, timesteps, seed)


def _shapes(text: str) -> list[tuple[int, int]]:
    try:
        return [(int(rows), int(columns)) for rows, columns in
                (part.lower().split("x") for part in text.split(","))]
    except ValueError:
        raise ConfigError(f"--shapes {text}: needs rows x columns, as 8x2 or 8x2,4x4") from None


def _draw(found: "Found", folder: Path) -> None:
    from synapress.reports.cim import pictures, tables

    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        path = folder / f"cim_{name}.png"
        getattr(pictures, f"{name}_picture")(path, **getattr(tables, f"{name}_parts")(found))
        typer.echo(f"figure: {path}", err=True)
