"""Options that several commands have."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from golden.config import NAMED
from golden.errors import ConfigError, FileError
from golden.files import load_arrays
from synapress.cli import completion

if TYPE_CHECKING:
    from synapress.mapper.throughput.options import Throughput

SEEDS = (1 << 32) - 1
"""The largest seed: of any generator, and of the stalls of the compiled RTL."""
MOST_CELLS = 2000
"""Of a sweep: as the densities × widths of weights × layers of organisations."""
Config = Annotated[str, typer.Option("--config", "-c", metavar="PRESET|FILE", autocompletion=completion.presets,
                                     help=f"Configuration: {', '.join(NAMED)}, or a JSON file.")]
AnyConfig = Annotated[str | None, typer.Option(
    "--config", "-c", metavar="PRESET|FILE", autocompletion=completion.presets,
    show_default="a compiled model's own, else grai_vip", help=f"Configuration: {', '.join(NAMED)}, or a JSON file.")]
Neurons = Annotated[str | None, typer.Option(
    metavar="STYLE[,OPTION=VALUE...]", autocompletion=completion.styles,
    help="NIR: how neurons compute: nir, snntorch, sinabs or norse, perhaps with options that differ from its "
         "defaults, as snntorch,reset=zero or sinabs,spikes=one,bound=none (docs/models.md).")]
Cut = Annotated[str | None, typer.Option(
    "--cut", metavar="auto", help="ONNX: the cores get the largest part that they can compute, the host the rest.")]
HostAfter = Annotated[list[str] | None, typer.Option(
    "--host-after", metavar="NODE", help="ONNX: the host computes all that depends on this node. May be repeated.")]
InputShapes = Annotated[list[str] | None, typer.Option(
    "--shape", metavar="INPUT=SIZES", help="ONNX: all sizes of an input of which the file leaves some open, such as "
    "x=1,3,96,96. May be repeated.")]
Constants = Annotated[list[str] | None, typer.Option(
    "--constant", metavar="INPUT=VALUES|FILE.npy", help="ONNX: an input that is known when compiling, such as k=1,-1 "
    "or w=weights.npy. May be repeated.")]
MODEL_FILES = (".onnx", ".nir", ".h5", ".hdf5")
Many = Annotated[bool, typer.Option(
    "--throughput", help="Use all cores of the mesh, or those of --cores, so that frames follow one another fast.")]
Cores = Annotated[int | None, typer.Option(
    metavar="N", show_default="all of the mesh", help="With --throughput: at most so many cores.")]
Activity = Annotated[float | None, typer.Option(
    metavar="SHARE", show_default="measured on the calibration, else 0.5",
    help="With --throughput: share of the neurons that fire.")]
ShareStates = Annotated[str | None, typer.Option(
    "--share-states", metavar="frame|pipeline", help="Layers that never need their states at once share them: with one "
    "frame in flight, or with more of them and more connections.")]
Organised = Annotated[str | None, typer.Option(
    "--organisation", metavar="auto|functional|crossbar|bitmap|compressed_rows", show_default="as layers say",
    help="How a core with tables stores the synapses of dense layers; auto: the cheapest way for each.")]
Cheapest = Annotated[str, typer.Option(metavar="bits|cycles|energy", help="What --organisation auto takes least of.")]
Blocks = Annotated[list[str] | None, typer.Argument(
    metavar="[BLOCK]...", autocompletion=completion.blocks, help="Blocks; all but node and mesh if none is named.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to write to.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object to stdout, and nothing else.")]


def throughput_of(many: bool, cores: int | None, activity: float | None) -> "Throughput | None":
    """What the options on throughput ask for.

    Raises:
        ConfigError: a number is out of range, or given without --throughput.
    """
    from synapress.mapper.throughput.options import Throughput

    if not many:
        if cores is not None or activity is not None:
            raise ConfigError("--cores and --activity are for --throughput: give it, too, or leave them out")
        return None
    return Throughput(cores=cores, activity=activity)


def blocks_named(tops: list[str]) -> list[str]:
    """The named blocks, each checked before the first is worked on; none means all but those made of whole cores.

    Raises:
        ConfigError: there is no such block.
    """
    from rtl.verilog import LARGE, TOPS

    for top in tops:
        if top not in TOPS:
            raise ConfigError(f"unknown block '{top}'; there are: {', '.join(TOPS)}")
    return list(dict.fromkeys(tops)) or [top for top in TOPS if top not in LARGE]


def input_shapes(given: list[str] | None) -> dict[str, tuple[int, ...]]:
    """Sizes by input.

    Raises:
        ConfigError: a text is not INPUT=SIZES.
    """
    found = {}
    for text in given or ():
        name, _, sizes = text.rpartition("=")
        parts = sizes.split(",")
        if not name or not all(part.strip().isdigit() for part in parts):
            raise ConfigError(f"--shape {text}: needs the input's name and all its sizes, such as x=1,3,96,96")
        found[name] = tuple(map(int, parts))
    return found


def constants(given: list[str] | None) -> dict[str, Any]:
    """Values by input: a list of numbers, or the array of a file.

    Raises:
        ConfigError: a text is neither INPUT=VALUE,VALUE nor INPUT=FILE.npy, or the file cannot be read.
    """
    found: dict[str, Any] = {}
    for text in given or ():
        name, _, values = text.rpartition("=")
        try:
            found[name] = read_arrays(Path(values)) if values.endswith(".npy") else [
                _number(value.strip()) for value in values.split(",")]
        except ValueError:
            name = ""
        if not name:
            raise ConfigError(f"--constant {text}: needs the input's name and its values, such as k=1,-1, or a file, "
                              "such as w=weights.npy")
    return found


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def reading(*, neurons: str | None, cut: str | None, host_after: list[str] | None, shape: list[str] | None,
            constant: list[str] | None) -> dict[str, Any]:
    """The options on how a model's file is read, as arguments of `synapress.load`; those that were not given left out.

    Raises:
        ConfigError: a text is not in the form of its option.
    """
    found = {"neurons": neurons, "cut": cut, "host_after": host_after, "shapes": input_shapes(shape),
             "constants": constants(constant)}
    return {name: value for name, value in found.items() if value}


def check_unread(source: str, given: Mapping[str, Any]) -> None:
    """That no option is about a file where none is read.

    Raises:
        ConfigError: one is.
    """
    options = {"neurons": "--neurons", "cut": "--cut", "host_after": "--host-after", "shapes": "--shape",
               "constants": "--constant"}
    if given:
        raise ConfigError(f"{', '.join(options[name] for name in given)}: for models of {', '.join(MODEL_FILES)} only; "
                          f"'{source}' is none: leave the option out")


def numbers(option: str, text: str, kind: type) -> list[float]:
    """Numbers of an option: a list, or from, to and step.

    Raises:
        ConfigError: they are none.
    """
    try:
        if ":" not in text:
            return list(dict.fromkeys(kind(part) for part in text.split(",")))
        low, high, *step = (kind(part) for part in text.split(":"))
        width, = step or [kind(1)]
        count = int((high - low) / width + 1e-9) + 1
        if not width > 0 or not 0 < count <= MOST_CELLS:
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError):
        form = "SHARE, SHARE,SHARE... or FROM:TO:STEP" if kind is float else "NUMBER, NUMBER,NUMBER... or FROM:TO"
        raise ConfigError(f"{option} {text}: needs {form}") from None
    return [kind(round(low + number * width, 9)) for number in range(count)]


def read_arrays(path: Path) -> Any:
    """Arrays of a .npy or .npz file: one array, or arrays by input name.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return load_arrays(path)
    except FileNotFoundError as error:
        raise ConfigError(f"'{path}': no such file; give a .npy or .npz file of numpy") from error
    except Exception as error:  # numpy and zipfile raise several kinds of errors for invalid files
        why = error.strerror if isinstance(error, FileError) else error
        raise ConfigError(f"'{path}' is not a readable .npy or .npz file of numbers: {why}") from error


def print_json(found: dict[str, Any]) -> None:
    """The whole output of a command that was asked for JSON."""
    typer.echo(json.dumps(found, indent=1, allow_nan=False))


@contextmanager
def steps() -> Iterator[Callable[[str], None]]:
    """Shows on stderr, if that is a terminal, what is being done and for how long."""
    console = Console(stderr=True)
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), transient=True,
                  console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda step: progress.update(task, description=step)


@contextmanager
def warnings_told(known: Sequence[str] = ()) -> Iterator[None]:
    """Prints on stderr, at the end, what is known already and the `ModelWarning`s of its block, each text once."""
    from synapress.mapper.errors import ModelWarning

    texts = dict.fromkeys(known)
    show = warnings.showwarning

    def keep(message: Warning | str, category: type[Warning], filename: str, lineno: int,
             file: TextIO | None = None, line: str | None = None) -> None:
        if issubclass(category, ModelWarning):
            texts[str(message)] = None
        else:
            show(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        warnings.simplefilter("always", ModelWarning)
        warnings.showwarning = keep
        try:
            yield
        finally:
            for text in texts:
                typer.echo(f"synapress: warning: {text}", err=True)


def check_output(path: Path | None, *suffixes: str, inputs: Path | None = None, option: str = "--output") -> None:
    """That a file can be written, before the work for it begins.

    Raises:
        ConfigError: it has another suffix, is a folder, lies in none, or is what is read.
    """
    if path is None:
        return
    if path.suffix not in suffixes:
        raise ConfigError(f"{option} {path}: the suffix must be {' or '.join(suffixes)}")
    if path.is_dir():
        raise ConfigError(f"{option} {path}: is a folder; name a file")
    if inputs is not None and path.exists() and inputs.exists() and path.samefile(inputs):
        raise ConfigError(f"{option} {path}: would overwrite the file of --inputs; name another one")
    for folder in path.parents:
        if folder.exists():
            if not folder.is_dir():
                raise ConfigError(f"{option} {path}: '{folder}' is no folder")
            return


def mesh_size(text: str | None) -> tuple[int, int] | None:
    """Columns and rows of an option as 12x12."""
    if text is None:
        return None
    numbers = text.lower().split("x")
    if len(numbers) != 2 or not all(number.isdecimal() and int(number) for number in numbers):
        raise ConfigError(f"--mesh {text}: needs columns x rows, as 12x12")
    return int(numbers[0]), int(numbers[1])
