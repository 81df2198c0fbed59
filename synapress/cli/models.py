"""The commands for trained models: `synapress compile | simulate | report`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from golden.errors import ConfigError
from golden.files import Writing, save_arrays, write
from synapress.cli import completion
from synapress.cli.open_network import own_network
from synapress.cli.options import (
    Activity,
    AsJson,
    Cheapest,
    Config,
    Constants,
    Cores,
    Cut,
    HostAfter,
    InputShapes,
    Many,
    Neurons,
    Organised,
    ShareStates,
    check_output,
    check_unread,
    constants,
    input_shapes,
    mesh_size,
    print_json,
    read_arrays,
    reading,
    steps,
    throughput_of,
    warnings_told,
)
from synapress.cli.replay_options import Jobs, MixSeed, Scheduler, Stall, replay_options
from synapress.mapper.importers.model import LAVA
from synapress.reports.tables import Sheet, show

if TYPE_CHECKING:
    from synapress.mapper.pipeline import Compilation
    from synapress.mapper.throughput.prediction import Prediction
    from synapress.results import CompiledModel


class Engine(StrEnum):
    FAST = "fast"
    GOLDEN = "golden"
    RTL = "rtl"
    REPLAY = "replay"


class Method(StrEnum):
    MAX = "max"
    PERCENTILE = "percentile"
    ERROR = "error"


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that `synapress compile` wrote.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command("compile")(compile_model)
    app.command("simulate")(simulate_model)
    app.command("report")(report_model)


def compile_model(
    model: Annotated[Path, typer.Argument(metavar="FILE", help="ONNX (float or quantized), NIR, Lava's (.net), or a "
                                            "Python file with a function network() that returns a Network.")],
    config: Config = "grai_vip",
    calibration: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Typical inputs: .npy, or .npz by input name. A quantized model needs none.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")] = Path(
        "build/model"),
    method: Annotated[Method, typer.Option(help="How ranges of activations are chosen.")] = Method.ERROR,
    percentile: Annotated[float, typer.Option(help="Share of the activations for `percentile`.")] = 99.99,
    mesh: Annotated[str | None, typer.Option(
        metavar="COLUMNSxROWS", help="Default: one core if the model fits, else the smallest mesh.")] = None,
    throughput: Many = False, cores: Cores = None, activity: Activity = None, share_states: ShareStates = None,
    organisation: Organised = None, cheapest: Cheapest = "bits",
    headroom: Annotated[float, typer.Option(
        help="Room in the states beyond the largest sum of the calibration.")] = 2.0,
    levels: Annotated[int | None, typer.Option(
        show_default="as many as fit", help="Steps of an activation above 0.")] = None,
    saturate: Annotated[bool, typer.Option(
        help="Keep neurons' potentials within half of the states' range, so that none wraps.")] = True,
    neurons: Neurons = None, cut: Cut = None, host_after: HostAfter = None, shape: InputShapes = None,
    constant: Constants = None, to: Annotated[str, typer.Option(
        "--to", metavar="STEP", autocompletion=completion.steps,
        help="Stop after this step and write no model: import, lower, split, quantize, populations, partition, place; "
             "write is the last one.")] = "write",
    keep: Annotated[Path | None, typer.Option(
        metavar="DIR", help="Also write what each step makes, as JSON and .npz.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Hold each step's result to the step before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Quantize a trained model and write its memory images.

    Of one core, or of a mesh. A model that the folder had before is replaced; `synapress report` tells more of it.
    """
    from synapress.mapper.network.network import Network
    from synapress.mapper.pipeline import LAST, check_step
    from synapress.mapper.quantization.quantized import Options
    from synapress.model import compile_to, load
    from synapress.model_files import check_folder
    from synapress.results import CompiledModel

    given = reading(neurons=neurons, cut=cut, host_after=host_after, shape=shape, constant=constant)
    options: Options | None = Options(method=method.value, percentile=percentile, headroom=headroom, levels=levels,
                                      saturate=saturate)
    source: Path | Network = model
    if model.suffix in (".py", LAVA):
        check_unread(str(model), given)
        options = None if options == Options() else options
        with warnings_told():
            source = own_network(str(model))
    check_step(to, source)
    check_folder(output)
    size, data = mesh_size(mesh), None if calibration is None else read_arrays(calibration)
    fast = throughput_of(throughput, cores, activity)
    with warnings_told(), steps() as progress:
        progress(f"reading {model}")
        read = load(source, **given) if isinstance(source, Path) else source
        work = compile_to(to, read, config=config, calibration=data, options=options, mesh=size, throughput=fast,
                          share_states=share_states, organisation=organisation, cheapest=cheapest, check=check,
                          keep=keep, progress=progress)
        compiled = CompiledModel.of(work) if to == LAST else None
        if compiled is not None:
            progress(f"writing {output}")
            compiled.save(output)
    if keep is not None:
        typer.echo(f"steps: {keep}", err=True)
    _tell_steps(work, to, compiled, output, as_json=as_json)


def _tell_steps(work: "Compilation", to: str, compiled: "CompiledModel | None", output: Path, *, as_json: bool) -> None:
    """What the steps found, and where the model is if it was written."""
    expected = _expected(work)
    if as_json:
        cycles = {} if expected is None or work.activity is None else {
            "cycles": expected.to_json(), "activity": work.activity.to_json()}
        shared = {} if work.sharing is None else {"sharing": work.sharing.to_json()}
        written = {} if compiled is None else {"output": str(output), "model": compiled.to_json()}
        print_json({"steps": work.done, **cycles, **shared, "checks": [item.to_json() for item in work.checks],
                    "output": None, "model": None, **written})
        return
    for text in (*(f"checked: {item}" for item in work.checks), *filter(None, [work.sharing])):
        typer.echo(str(text))
    if expected is not None:
        from synapress.reports.mapping import cycles_sheet

        show([cycles_sheet(expected)])
        typer.echo(str(work.activity))
    if compiled is not None:
        _tell(compiled, output)
        return
    typer.echo(f"stopped after {to}; steps done: {', '.join(work.done)}")


def _expected(work: "Compilation") -> "Prediction | None":
    """What a frame takes of the cores, where the network is mapped for throughput and placed."""
    from synapress.mapper.throughput.prediction import predict

    if work.balanced is None or work.placement is None or "place" not in work.done:
        return None
    return predict(work.balanced.cut, work.placement.places, {}, balanced=work.balanced)


def _tell(compiled: "CompiledModel", output: Path) -> None:
    """What was compiled, for people."""
    from synapress.reports.choices import organisations_sheet
    from synapress.reports.neurons import neurons_text
    from synapress.reports.report import host_text, quantization_sheet

    show([quantization_sheet(compiled), *([organisations_sheet(compiled)] if compiled.choices else [])])
    if text := host_text(compiled):
        typer.echo(text)
    if compiled.neurons is not None:
        typer.echo(f"neurons: {neurons_text(compiled.neurons)}")
    cores = len(compiled.images)
    typer.echo(f"{output}: {compiled.words:,} words on {cores} core{'s' * (cores > 1)} of {compiled.config.name}")


def simulate_model(
    folder: Folder,
    inputs: Annotated[Path, typer.Option("--inputs", "-i", metavar="FILE", help=".npy, or .npz by input name.")],
    engine: Annotated[Engine, typer.Option(
        help="fast: whole-network model; golden: event by event from the images; rtl: the Verilog; replay: that of a "
             "mesh core by core, for any size. Each is compared with those before it.")] = Engine.FAST,
    cycles: Annotated[bool, typer.Option("--cycles", help="Also give cycles by layer, by the cycle model.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Outputs as .npz.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(
        metavar="FOLDER", help="RTL of a mesh: save the run there each minute, and go on from what is saved. Replay: "
                               "keep there what is done, core by core.")] = None,
    jobs: Jobs = None, scheduler: Scheduler = None, stall: Stall = None, seed: MixSeed = None,
    as_json: AsJson = False,
) -> None:
    """Run inputs through a compiled model.

    Prints the work by layer and the range of the outputs; of a mesh's RTL also the counters of its cores and the events
    over its links. With --output writes the outputs.
    """
    from synapress.model import simulate
    from synapress.reports.replay import core_sheet, layer_sheet
    from synapress.reports.report import frame, work_sheet
    from synapress.results import CompiledModel

    check_output(output, ".npz", inputs=inputs)
    compiled, arrays = CompiledModel.load(folder), read_arrays(inputs)
    with steps() as progress:
        progress({"fast": "whole-network model", "golden": "golden model, event by event",
                  "rtl": "RTL: Verilog, Verilator, and cycle by cycle",
                  "replay": "golden mesh, and the RTL of each core"}[engine.value])
        result = simulate(compiled, arrays, engine=engine.value, cycles=cycles, checkpoint=checkpoint,
                          replay=replay_options(jobs, scheduler, stall, seed), progress=progress)
    if output is not None:
        with Writing() as files, files.open(output) as file:
            save_arrays(file, result.outputs)
    if as_json:
        print_json(result.to_json() | {"engine": engine.value, "outputs": {name: {
            "shape": list(array.shape), "least": float(array.min()), "largest": float(array.max())}
            for name, array in result.outputs.items()}})
    else:
        show([work_sheet(result, frame(compiled))])
        show([sheet for run in result.replays or () for sheet in (layer_sheet(run), core_sheet(run))])
        if result.counters is not None:
            sheet = Sheet(title=f"Counters, {result.frames:,} frames in total", headings=("counter", engine.value))
            for name, total in result.counters.items():
                sheet.add_row(name, f"{total:,}")
            show([sheet])
        if result.mesh is not None:
            from synapress.reports.mesh_run import totals_sheets

            show(totals_sheets(result.mesh, result.frames))
        for name, array in result.outputs.items():
            typer.echo(f"{name}: {array.shape}, from {array.min():.6g} to {array.max():.6g}")
    if output is not None:
        typer.echo(f"outputs: {output}", err=True)


def report_model(
    folder: Folder,
    output: Annotated[Path | None, typer.Option(
        "--output", "-o", metavar="FILE", help="Write one self-contained HTML page.")] = None,
    inputs: Annotated[Path | None, typer.Option(
        "--inputs", "-i", metavar="FILE",
        help="Frames for the work of each layer: .npy, or .npz by input name.")] = None,
    labels: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Their classes, for the accuracy: .npy of integers. For a model with neurons, one per "
                             "sequence, whose spikes are counted.")] = None,
    model: Annotated[Path | None, typer.Option(
        metavar="FILE", help="The model's own file, to compare with in float on these frames.")] = None,
    neurons: Annotated[str | None, typer.Option(
        metavar="STYLE[,OPTION=VALUE...]", show_default="those of the compilation",
        help="NIR: how neurons compute, as in `synapress compile`.")] = None,
    shape: InputShapes = None, constant: Constants = None,
    cycles: Annotated[bool, typer.Option("--cycles/--no-cycles", help="Cycles by layer, by the cycle model.")] = True,
    area: Annotated[bool, typer.Option("--area", help="Add an area estimate to the page.")] = False,
    as_json: AsJson = False,
) -> None:
    """Report on a compiled model, on the terminal or as a page.

    By layer how fine the integers are, where accuracy is lost, whether the sums fit; with --inputs the work; the page
    has network, memory and mapping, too.
    """
    from synapress.host.host import choice
    from synapress.model import float_outputs, load, simulate
    from synapress.reports import report
    from synapress.reports.neurons import neurons_text
    from synapress.results import CompiledModel, finite

    if inputs is None and (labels is not None or model is not None):
        raise ConfigError("--labels and --model are about the frames of --inputs: give them, too")
    if area and output is None:
        raise ConfigError("--area is a section of the page: give --output, too")
    check_output(output, ".html", ".htm")
    compiled = CompiledModel.load(folder)
    options = _neurons(neurons, compiled, model is not None)
    simulated, accuracy = None, {}
    with warnings_told(compiled.warnings), steps() as progress:
        if inputs is not None:
            progress("frames, and cycles by layer" if cycles else "frames")
            frames = read_arrays(inputs)
            simulated = simulate(compiled, frames, cycles=cycles)
            classes = None if labels is None else _labels(labels, simulated.sequences or simulated.frames)
            wanted = None
            if model is not None:
                progress("float model")
                wanted = float_outputs(load(
                    model, neurons=options, shapes=compiled.shapes | input_shapes(shape),
                    constants=constants(constant), **choice(compiled.host)), frames)
            accuracy = report.accuracies(simulated, classes, wanted)
        text = None if output is None else report.html(
            compiled, simulated=simulated, accuracy=accuracy, area=area, progress=progress)
    if as_json:
        found = compiled.to_json() | ({} if simulated is None else {
            "work": simulated.to_json(), "accuracy": {name: finite(value) for name, value in accuracy.items()}})
        print_json(found)
    else:
        show([report.quantization_sheet(compiled)])
        if text_on_host := report.host_text(compiled):
            typer.echo(text_on_host)
        if compiled.neurons is not None:
            typer.echo(f"neurons: {neurons_text(compiled.neurons)}")
        if simulated is not None:
            show([report.work_sheet(simulated, report.frame(compiled))])
        for name, value in accuracy.items():
            typer.echo(f"{name}: {report.accuracy_text(name, value)}")
    if output is not None and text is not None:
        write(output, text)
        typer.echo(f"page: {output}", err=True)


def _neurons(given: str | None, compiled: Any, needed: bool) -> Any:
    """The options that the model was compiled with, which given ones must equal."""
    from synapress.engines.timesteps import is_spiking
    from synapress.mapper.importers.neurons import Neurons as Options

    wanted = None if given is None else Options.parse(given)
    if not is_spiking(compiled.lowered):
        return wanted
    if compiled.neurons is None:
        if needed and wanted is None:
            raise ConfigError("--model: the compiled model does not say how its neurons were read: give --neurons, or "
                              "compile it again")
        return wanted
    if wanted not in (None, compiled.neurons):
        differ = {name: (value, vars(wanted)[name]) for name, value in vars(compiled.neurons).items()
                  if value != vars(wanted)[name]}
        raise ConfigError(f"--neurons {given}: the model was compiled with other neurons: "
                          f"{', '.join(f'{name} = {was}, not {now}' for name, (was, now) in differ.items())}; leave "
                          "the option out, or compile the model with it")
    return compiled.neurons


def _labels(path: Path, frames: int) -> Any:
    classes = read_arrays(path)
    if not isinstance(classes, np.ndarray) or not np.issubdtype(classes.dtype, np.integer) or classes.size != frames:
        what = f"{classes.size} of {classes.dtype}" if isinstance(classes, np.ndarray) else "several arrays"
        raise ConfigError(f"--labels {path}: needs {frames} integers, one per frame or sequence; given: {what}")
    return classes
