"""A compiled model in a folder: the memory image with its manifest, the program, scales, ports and the report."""

import base64
import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.errors import ImageError, NetworkError
from golden.files import Writing, load_arrays, read_bytes, save_arrays
from golden.neuron.types import neuron_types
from golden.program import Edge, Population, Program
from golden.types import Pair, Place
from synapress.engines.saturation import Clips
from synapress.mapper import Image, MeshImage
from synapress.mapper.accumulator_range import AccumulatorRange
from synapress.mapper.errors import ModelError
from synapress.mapper.image.image import FILES
from synapress.mapper.image.manifest import Manifest, Natural, Positive, Shape, read_manifest
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.tensor import Port, shape_in_blocks
from synapress.mapper.lowering.layers import Value
from synapress.mapper.organise import Choice
from synapress.mapper.placement.routes import Link
from synapress.mapper.quantization.quantized import LayerReport
from synapress.mapper.quantization.scales import Scale

FORMAT, VERSION = "synapress-model", 2


@dataclass(kw_only=True)
class ModelData:
    """What a compiled model consists of (`synapress.results.CompiledModel`): the program, the memory images, and what
    its integers mean."""

    config: CoreConfig
    lowered: Program
    """One population per layer, one edge per branch (`synapress.mapper.network.populations`)."""
    image: Image | MeshImage
    inputs: list[Port]
    outputs: list[Port]
    ignored: tuple[str, ...] = ()
    """Inputs of the file on which no output depends: frames for them are not looked at."""
    places: dict[str, Value]
    """Of each output: the populations that it lies in."""
    scales: dict[str, Scale]
    layers: list[LayerReport] = field(default_factory=list)
    sums: list[AccumulatorRange] = field(default_factory=list)
    loads: dict[Link, int] = field(default_factory=dict)
    """On a mesh: estimated events per frame by link, see `synapress.mapper.placement.routes.link_loads`."""
    host: bytes = b""
    """What the host makes of the outputs to get those of the file, see `synapress.host.host`."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of inputs that the file leaves open, as `load` was told."""
    neurons: Neurons | None = None
    """How the neurons of the file were read, if it has any."""
    warnings: tuple[str, ...] = ()
    """Why the model may compute something else than its training did, as `load` told."""
    clips: Clips = field(default_factory=dict)
    """What the ranges chosen for the outputs clip, see `synapress.mapper.quantization.quantized.Quantized.clips`."""
    integer: bool = False
    """Inputs and outputs are the integers themselves: it was a `Network` or a `Program`."""
    choices: list[Choice] = field(default_factory=list)
    """How edges are stored of which that was asked, on a core with tables."""


@dataclass(kw_only=True)
class _Population:
    """The fields of `golden.program.Population` that are no arrays; those are in program.npz."""

    name: str
    shape: Shape
    type: Natural
    saturation: Natural
    layer: str


@dataclass(kw_only=True)
class _Edge:
    """The same of `golden.program.Edge`."""

    name: str
    source: str
    destination: str
    stride: tuple[Positive, Positive]
    padding: Pair
    dilation: tuple[Positive, Positive]
    groups: Positive
    upsample: Natural
    shift: Natural
    operand: Natural
    logarithmic: bool = False
    organisation: str | None = None


@dataclass(kw_only=True)
class _Program:
    name: str
    populations: list[_Population]
    edges: list[_Edge]
    inputs: list[str]
    outputs: list[str]


@dataclass(kw_only=True)
class _Content:
    """What model.json holds; `save_model` writes it."""

    program: _Program
    inputs: list[Port]
    outputs: list[Port]
    ignored: list[str]
    places: dict[str, Value]
    scales: dict[str, Scale]
    layers: list[LayerReport]
    sums: list[AccumulatorRange]
    loads: list[tuple[Place, Place, Natural]]
    host: str = ""
    shapes: dict[str, tuple[Positive, ...]] = field(default_factory=dict)
    neurons: str | None = None
    warnings: list[str] = field(default_factory=list)
    clips: Clips = field(default_factory=dict)
    integer: bool = False
    choices: list[Choice] = field(default_factory=list)


def save_model(compiled: ModelData, report: dict[str, Any], directory: str | Path) -> None:
    """Write `image/` (one core's, or a mesh's), `program.npz`, `model.json` and `report.json` into a folder.

    Images of a model that this folder had before are removed; nothing else is. If a file cannot be written, the model
    that the folder had before is still there.

    Raises:
        ImageError: there is a file in the folder's place, or a model.json that is not ours.
        FileError: a file cannot be written.
    """
    path = Path(directory)
    check_folder(path)
    arrays: dict[str, Any] = {}
    lowered = compiled.lowered
    program = {"name": lowered.name, "inputs": lowered.inputs, "outputs": lowered.outputs,
               "populations": [_plain(item, f"p{i}", arrays) for i, item in enumerate(lowered.populations)],
               "edges": [_plain(item, f"e{i}", arrays) for i, item in enumerate(lowered.edges)]}
    model = {
        "format": FORMAT, "version": VERSION, "program": program,
        "inputs": [dataclasses.asdict(port) for port in compiled.inputs], "ignored": list(compiled.ignored),
        "outputs": [dataclasses.asdict(port) for port in compiled.outputs],
        "places": {name: dataclasses.asdict(value) for name, value in compiled.places.items()},
        "scales": {name: dataclasses.asdict(scale) for name, scale in compiled.scales.items()},
        "layers": [dataclasses.asdict(layer) for layer in compiled.layers],
        "sums": [dataclasses.asdict(item) for item in compiled.sums],
        "loads": [[*link, events] for link, events in compiled.loads.items()],
        "host": base64.b64encode(compiled.host).decode(),
        "shapes": compiled.shapes, "neurons": None if compiled.neurons is None else str(compiled.neurons),
        "warnings": list(compiled.warnings), "clips": compiled.clips, "integer": compiled.integer,
        **({"choices": [dataclasses.asdict(item) for item in compiled.choices]} if compiled.choices else {})}
    with Writing() as files:
        _remove_images(path, files)
        compiled.image.save(path / "image", files=files)
        with files.open(path / "program.npz") as file:
            save_arrays(file, arrays)
        files.write(path / "model.json", json.dumps(model, indent=1) + "\n")
        files.write(path / "report.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
        files.write(path / "checksums.json", json.dumps(_checksums(path, files), indent=1) + "\n")


def check_folder(path: Path) -> None:
    """That a model may be written to a folder.

    Raises:
        ImageError: there is a file in its place, or in it a model.json that is not ours.
    """
    if path.exists() and not path.is_dir():
        raise ImageError(f"'{path}' is a file; a compiled model needs a folder")
    if (path / "model.json").exists():
        try:
            found = json.loads(read_bytes(path / "model.json"))
        except (OSError, ValueError, RecursionError):
            found = None
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ImageError(f"'{path}' has a model.json that is not a {FORMAT}, and is not overwritten: choose "
                             "another folder, or remove it")


def _remove_images(path: Path, files: Writing) -> None:
    """Remove the images of a model before, perhaps on other cores, by its list of files."""
    try:
        listed = json.loads(read_bytes(path / "checksums.json"))
    except (OSError, ValueError, RecursionError):
        return
    for name in listed if isinstance(listed, dict) else ():
        file = path / name
        if name.startswith("image/") and ".." not in Path(name).parts and file.is_file():
            files.remove(file)


def _checksums(path: Path, files: Writing | None = None) -> dict[str, str]:
    """Of every file that a model consists of, as it is, or will be when `files` are written."""
    files = Writing() if files is None else files
    images = [f"image/{file.as_posix()}" for file in files.inside(path / "image")
              if file.name in (*FILES, "mesh.json")]
    contents = {name: files.content(path / name) for name in ("model.json", "program.npz", *images)}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in contents.items() if file is not None}


def _plain(item: Population | Edge, prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    fields = {}
    for item_field in dataclasses.fields(item):
        value = getattr(item, item_field.name)
        if isinstance(value, np.ndarray):
            arrays[f"{prefix}.{item_field.name}"] = value
        elif isinstance(value, Mapping):
            arrays |= {f"{prefix}.{item_field.name}.{name}": array for name, array in value.items()}
        elif value is not None:
            fields[item_field.name] = value
    return fields


def read_model(directory: str | Path) -> ModelData:
    """Read what `save_model` wrote.

    Raises:
        ImageError: a file is missing or damaged.
    """
    path = Path(directory)
    _check_sums(path)
    found = read_manifest(path / "model.json", "compiled model", FORMAT, VERSION)
    content = found.parse(_Content)
    image = (MeshImage if (path / "image" / "mesh.json").exists() else Image).load(path / "image")
    program = _program(found, content.program, path / "program.npz")
    _check_names(found, content, program)
    return ModelData(
        config=image.config, lowered=program, image=image, inputs=content.inputs, outputs=content.outputs,
        ignored=tuple(content.ignored), places=content.places, scales=content.scales, layers=content.layers,
        sums=content.sums, loads={(source, to): events for source, to, events in content.loads},
        host=_host(found, content.host), shapes=content.shapes, neurons=_neurons(found, content.neurons),
        warnings=tuple(content.warnings), clips=content.clips, integer=content.integer,
        choices=content.choices)


def _neurons(found: Manifest, text: str | None) -> Neurons | None:
    """How neurons were read.

    Raises:
        ImageError: these are no options.
    """
    try:
        return None if text is None else Neurons.parse(text)
    except ModelError as error:
        found.refuse("neurons", error.violation.needed, error.violation.available)


def _host(found: Manifest, text: str) -> bytes:
    """The host's part of the model.

    Raises:
        ImageError: it is none.
    """
    try:
        host = base64.b64decode(text, validate=True)
        if host:
            from synapress.host.host import ready

            ready(host)
    except Exception as error:  # base64 and protobuf raise several kinds
        found.refuse("host", "an ONNX model in base64", str(error) or type(error).__name__)
        raise AssertionError from error
    return host


def _check_names(found: Manifest, content: _Content, program: Program) -> None:
    """Ports, places and scales are those of the program.

    Raises:
        ImageError: one is not.
    """
    shapes = {population.name: population.shape for population in program.populations}
    if not content.outputs:
        found.refuse("outputs", "at least one", "none")
    for port in content.outputs:
        if port.node not in content.places:
            found.refuse("places", f"the output '{port.node}'", ", ".join(content.places))
    for name, value in content.places.items():
        if not value.parts:
            found.refuse(f"places.{name}.parts", "at least one", "none")
        for number, part in enumerate(value.parts):
            depth, width, height = shapes[part.layer] if part.layer in program.outputs else (0, 0, 0)
            ends = part.first + part.count, part.c + part.count, part.x + width, part.y + height
            if min(part.first, part.count - 1, part.c, part.x, part.y) < 0 or any(
                    end > size for end, size in zip(ends, (depth, *value.shape), strict=True)):
                found.refuse(f"places.{name}.parts[{number}]",
                             f"channels of an output of the program, which lie in {value.shape}", part)
    for name in (*program.inputs, *program.outputs):
        if name not in content.scales:
            found.refuse("scales", f"one for '{name}'", ", ".join(content.scales))
    for output, populations in content.clips.items():
        for name in (output, *populations):
            if name not in shapes:
                found.refuse(f"clips.{output}", "populations of the program", name)
    for name, scale in content.scales.items():
        if not 0 < scale.step < np.inf:
            found.refuse(f"scales.{name}.step", "more than 0, and finite", scale.step)
    for side, ports in (("inputs", content.inputs), ("outputs", content.outputs)):
        for number, port in enumerate(ports):
            sizes = dict(zip("DWH", port.shape, strict=True))
            if side == "outputs":  # whose channels the host may lay out in groups
                sizes |= {axis: int(axis.split(".")[2]) for label in port.labels for axis in label
                          if re.fullmatch(r"D\.\d\.[1-9]\d{0,8}", axis)}
            axes = [axis for label in port.labels for axis in label if axis != "N"]
            spread = prod(sizes.get(axis, 0) for axis in axes), prod(port.shape)
            dims = port.dims if port.view is None else port.view
            if len(set(axes)) < len(axes) or spread[0] != spread[1] or len(port.labels) != len(dims) or min(
                    *dims, *port.shape, *port.blocks) < 1:
                found.refuse(f"{side}[{number}]", "labels of dimensions that hold the axes of its shape, and blocks",
                             (port.labels, dims, port.shape, port.blocks))
    for number, port in enumerate(content.inputs):
        if port.node in shapes and shape_in_blocks(port.shape, port.blocks) != shapes[port.node]:
            found.refuse(f"inputs[{number}].blocks", f"the program's {shapes[port.node]} of {port.shape}",
                         port.blocks)
        if port.normalization is not None and not (
                len(port.normalization.scale) == len(port.normalization.offset) in (1, port.shape[0])
                and sorted(port.normalization.order) in ([], list(range(port.shape[0])))
                and np.isfinite((port.normalization.scale, port.normalization.offset)).all()):
            found.refuse(f"inputs[{number}].normalization",
                         f"scale, offset and order of {port.shape[0]} channels, or one scale and offset",
                         port.normalization)
    if sorted(port.node for port in content.inputs) != sorted(program.inputs):
        found.refuse("inputs", f"the program's, {', '.join(program.inputs)}",
                     ", ".join(port.node for port in content.inputs))


def _check_sums(path: Path) -> None:
    """
    Raises:
        ImageError: a file is missing, or is another than was written.
    """
    try:
        expected, found = json.loads(read_bytes(path / "checksums.json")), _checksums(path)
    except (OSError, ValueError, RecursionError) as error:
        raise ImageError(f"no compiled model in '{path}': {error}; `synapress compile` writes one") from error
    if expected != found:
        wrong = [name for name in found if not isinstance(expected, dict) or expected.get(name) != found[name]]
        raise ImageError(f"no compiled model in '{path}': damaged, missing or of another model: "
                         f"{', '.join(wrong[:3]) or 'a file of checksums.json'}; compile it again")


def _program(found: Manifest, described: _Program, file: Path) -> Program:
    """The program, its arrays from program.npz.

    Raises:
        ImageError: what the two files say does not fit together.
    """
    try:
        arrays = load_arrays(file)
        if not isinstance(arrays, dict):
            raise ValueError("one array; needs several, as .npz")
    except Exception as error:  # zipfile and zlib raise several kinds
        raise ImageError(f"no compiled model in '{file.parent}': '{file.name}': "
                         f"{getattr(error, 'strerror', None) or error}") from error

    numbers = {"p": len(described.populations), "e": len(described.edges)}
    for name in arrays:
        if not (number := name[1:].partition(".")[0]).isdecimal() or int(number) >= numbers.get(name[0], 0):
            found.refuse("program", f"an entry for each array of {file.name}", name)

    def whole(kind: type[Population | Edge], item: _Population | _Edge, prefix: str) -> dict[str, Any]:
        mine = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
        known = {field.name for field in dataclasses.fields(kind)} - set(vars(item)) - {"second"}
        if kind is Population:
            known |= {f"second.{name}" for model in neuron_types().values() for name in model.second_fields}
        for name, array in mine.items():
            if name not in known or not np.issubdtype(array.dtype, np.integer):
                found.refuse("program", f"integers in {file.name}, of {', '.join(sorted(known))}",
                             f"{prefix}{name} of {array.dtype}")
        second = {name.removeprefix("second."): mine.pop(name) for name in [*mine] if name.startswith("second.")}
        return vars(item) | mine | ({"second": second} if second else {})

    try:
        program = Program(
            name=described.name, inputs=described.inputs, outputs=described.outputs,
            populations=[Population(**whole(Population, item, f"p{i}."))
                         for i, item in enumerate(described.populations)],
            edges=[Edge(**whole(Edge, item, f"e{i}.")) for i, item in enumerate(described.edges)])
        program.topological_order()
    except (TypeError, NetworkError) as error:  # an array that is missing, or names that lead nowhere
        found.refuse("program", f"what {file.name} completes to a program", str(error))
    return program
