"""The commands for trained models: `synapress compile | simulate | report`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from golden.errors import ConfigError
from synapress.options import mesh_size
from synapress.tables import show


class Engine(StrEnum):
    FAST = "fast"
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
    mesh: Annotated[str | None, typer.Option(
        metavar="COLUMNSxROWS", help="Default: one core if the model fits, else the smallest mesh.")] = None,
) -> None:
    """Quantise a trained model and write its memory images, of one core or of a mesh."""
    from mapper.quantize import Options
    from synapress.model_files import save_compiled
    from synapress.models import compile, load
    from synapress.report import quantisation_sheet

    read = load(model)
    data = None if calibration is None else _read(calibration)
    compiled = compile(read, config=config, calibration=data,
                       options=Options(method=method.value, percentile=percentile), mesh=mesh_size(mesh))
    save_compiled(compiled, output)
    show([quantisation_sheet(compiled)])
    cores = len(compiled.images)
    typer.echo(f"{output}: {compiled.words:,} words on {cores} core{'s' * (cores > 1)} of {compiled.config.name}")


def simulate_model(
    folder: Folder,
    inputs: Annotated[Path, typer.Option("--inputs", "-i", metavar="FILE", help=".npy, or .npz by input name.")],
    engine: Annotated[Engine, typer.Option(
        help="fast: whole-network model; golden: event by event from the images; rtl: the Verilog. Each is compared "
             "with those before it.")] = Engine.FAST,
    cycles: Annotated[bool, typer.Option("--cycles", help="Cycles by layer, too, by the cycle model.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Outputs as .npz.")] = None,
) -> None:
    """Run inputs through a compiled model; prints the work by layer."""
    from synapress.model_files import open_compiled
    from synapress.models import simulate
    from synapress.report import work_sheet

    result = simulate(open_compiled(folder), _read(inputs), engine=engine.value, cycles=cycles)
    show([work_sheet(result)])
    for name, total in (result.counters or {}).items():
        typer.echo(f"counter {name}: {total:,}")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = dict(result.outputs)
        np.savez_compressed(output, **arrays)
    for name, array in result.outputs.items():
        typer.echo(f"{name}: {array.shape}, from {array.min():.6g} to {array.max():.6g}")


def report_model(
    folder: Folder,
    output: Annotated[Path | None, typer.Option(
        "--output", "-o", metavar="FILE", help="Write one self-contained HTML page.")] = None,
    inputs: Annotated[Path | None, typer.Option(
        "--inputs", "-i", metavar="FILE",
        help="Frames for the work of each layer: .npy, or .npz by input name.")] = None,
    labels: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Their classes, for the accuracy: .npy of integers.")] = None,
    cycles: Annotated[bool, typer.Option("--cycles/--no-cycles", help="Cycles by layer, by the cycle model.")] = True,
    area: Annotated[bool, typer.Option("--area", help="Estimate the area, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say by layer how fine the integers are, where accuracy is lost, whether the sums fit; as a page much more."""
    from synapress import report
    from synapress.model_files import open_compiled
    from synapress.models import simulate

    if labels is not None and inputs is None:
        raise ConfigError("--labels are those of the frames of --inputs: give both")
    compiled = open_compiled(folder)
    with Console(stderr=True).status("") as status:
        simulated = None
        if inputs is not None:
            status.update("frames")
            simulated = simulate(compiled, _read(inputs), cycles=cycles)
        classes = None if labels is None else _read(labels)
        if classes is not None and simulated is not None and np.size(classes) != simulated.frames:
            raise ConfigError(f"--labels: {np.size(classes)} labels of {simulated.frames} frames")
        text = None if output is None else report.html(
            compiled, simulated=simulated, labels=classes, area=area, progress=status.update)
    if as_json:
        typer.echo(json.dumps(compiled.to_json(), indent=1))
    else:
        show([report.quantisation_sheet(compiled)])
        if simulated is not None:
            show([report.work_sheet(simulated)])
            if classes is not None:
                typer.echo(f"accuracy: {report.accuracy(simulated, classes):.2%}")
    if output is not None and text is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
        typer.echo(f"page: {output}", err=True)
