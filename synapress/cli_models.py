"""The commands for trained models: `synapress compile | simulate | report`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from golden.errors import ConfigError

if TYPE_CHECKING:
    from synapress.models import Compiled


class Engine(StrEnum):
    GOLDEN = "golden"
    RTL = "rtl"


class Method(StrEnum):
    MAX = "max"
    PERCENTILE = "percentile"
    ERROR = "error"


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="What `synapress compile` wrote.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("compile")(compile_model)
    app.command("simulate")(simulate_model)
    app.command("report")(report_model)


def _read(path: Path) -> Any:
    """Arrays of a .npy or .npz file: one array, or arrays by input name."""
    try:
        loaded = np.load(path, allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except FileNotFoundError as error:
        raise ConfigError(f"'{path}': no such file; give a .npy or .npz file of numpy") from error
    except Exception as error:  # numpy raises several kinds for files that are none of its own
        raise ConfigError(f"'{path}' is no .npy or .npz file of numbers: {error}") from error


def compile_model(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="ONNX (float or quantised), or NIR.")],
    config: Annotated[str, typer.Option("--config", "-c", metavar="PRESET|FILE", help="Configuration.")] = "grai_vip",
    calibration: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Typical inputs: .npy, or .npz by input name. A quantised model needs none.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")] = Path(
        "build/model"),
    method: Annotated[Method, typer.Option(help="How ranges of activations are chosen.")] = Method.ERROR,
    percentile: Annotated[float, typer.Option(help="Share of the activations for `percentile`.")] = 99.99,
    neurons: Annotated[str | None, typer.Option(
        help="NIR: how neurons compute: nir, snntorch, sinabs or norse (docs/models.md).")] = None,
) -> None:
    """Quantise a trained model and write the memory image of a core."""
    from mapper.quantize import Options
    from synapress.model_files import save_compiled
    from synapress.models import compile, load

    read = load(model, neurons=neurons)
    data = None if calibration is None else _read(calibration)
    compiled = compile(read, config=config, calibration=data,
                       options=Options(method=method.value, percentile=percentile))
    save_compiled(compiled, output)
    Console().print(_table(compiled))
    typer.echo(f"{output}: {len(compiled.image):,} words of {compiled.config.name}")


def simulate_model(
    folder: Folder,
    inputs: Annotated[Path, typer.Option("--inputs", "-i", metavar="FILE", help=".npy, or .npz by input name.")],
    engine: Annotated[Engine, typer.Option(help="golden: the model; rtl: the Verilog, compared with it.")] = (
        Engine.GOLDEN),
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Outputs as .npz.")] = None,
) -> None:
    """Run inputs through a compiled model; prints the work by layer."""
    from synapress.model_files import open_compiled
    from synapress.models import simulate

    result = simulate(open_compiled(folder), _read(inputs), engine=engine.value)
    table = Table("layer", title="Work")
    for heading in ("neurons", "events", "synaptic operations"):
        table.add_column(heading, justify="right")
    for name, count in result.counts.items():
        table.add_row(escape(name), f"{count.neurons:,}", f"{count.events:,}", f"{count.operations:,}")
    Console().print(table)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(result.outputs)
        np.savez_compressed(output, **arrays)
    for name, array in result.outputs.items():
        typer.echo(f"{name}: {array.shape}, from {array.min():.6g} to {array.max():.6g}")


def report_model(
    folder: Folder, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Say by layer how fine the integers are, where accuracy is lost, and whether the sums fit."""
    from synapress.model_files import open_compiled

    compiled = open_compiled(folder)
    if as_json:
        typer.echo(json.dumps(compiled.to_json(), indent=1))
    else:
        Console().print(_table(compiled))


def _table(compiled: "Compiled") -> Table:
    table = Table("layer", title=f"Quantisation ({compiled.config.name})", caption_justify="left")
    for heading in ("step", "SQNR dB", "own SQNR dB", "states", "weight levels", "sums"):
        table.add_column(heading, justify="right")
    verdicts = {item.population: item.verdict for item in compiled.sums}
    for layer in compiled.layers:
        table.add_row(escape(layer.layer), f"{layer.step:.4g}", f"{layer.sqnr:.1f}", f"{layer.own_sqnr:.1f}",
                      f"{layer.states[0]:,} … {layer.states[1]:,}", str(layer.weight_levels),
                      verdicts.get(layer.layer, ""))
    table.caption = ("SQNR: against the float model, on the calibration; own: what this layer adds. Sums: proved for "
                     "any input, or measured on the calibration.")
    return table
