"""A compiled model in a folder: the memory image with its manifest, the program, scales, ports and the report."""

import base64
import dataclasses
import hashlib
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from golden.errors import ImageError
from golden.program import Edge, Population, Program
from mapper import Image, MeshImage
from mapper.frontend.layers import Part, Value
from mapper.frontend.tensor import Port
from mapper.quantised import LayerReport
from mapper.scales import Scale
from mapper.sums import SumReport
from synapress.models import Compiled

FORMAT, VERSION = "synapress-model", 1


def save_compiled(compiled: Compiled, directory: str | Path) -> None:
    """Write `image/` (one core's, or a mesh's), `program.npz`, `model.json` and `report.json` into a folder."""
    path = Path(directory)
    if path.exists() and not path.is_dir():
        raise ImageError(f"'{path}' is a file; a compiled model needs a folder")
    if (path / "model.json").is_file():  # of a model before, perhaps on other cores
        shutil.rmtree(path / "image", ignore_errors=True)
    compiled.image.save(path / "image")
    arrays: dict[str, Any] = {}
    lowered = compiled.lowered
    program = {"name": lowered.name, "inputs": lowered.inputs, "outputs": lowered.outputs,
               "populations": [_plain(item, f"p{i}", arrays) for i, item in enumerate(lowered.populations)],
               "edges": [_plain(item, f"e{i}", arrays) for i, item in enumerate(lowered.edges)]}
    np.savez_compressed(path / "program.npz", **arrays)
    model = {
        "format": FORMAT, "version": VERSION, "program": program,
        "inputs": [dataclasses.asdict(port) for port in compiled.inputs],
        "outputs": [dataclasses.asdict(port) for port in compiled.outputs],
        "places": {name: dataclasses.asdict(value) for name, value in compiled.places.items()},
        "scales": {name: dataclasses.asdict(scale) for name, scale in compiled.scales.items()},
        "layers": [dataclasses.asdict(layer) for layer in compiled.layers],
        "sums": [dataclasses.asdict(item) for item in compiled.sums],
        "loads": [[*link, events] for link, events in compiled.loads.items()],
        "host": base64.b64encode(compiled.host).decode()}
    (path / "model.json").write_text(json.dumps(model, indent=1) + "\n")
    (path / "report.json").write_text(json.dumps(compiled.to_json(), indent=1, allow_nan=False) + "\n")
    (path / "checksums.json").write_text(json.dumps(_checksums(path), indent=1) + "\n")


def _checksums(path: Path) -> dict[str, str]:
    """Of every file that a model consists of."""
    files = [path / "model.json", path / "program.npz", *sorted((path / "image").rglob("*"))]
    return {str(file.relative_to(path).as_posix()): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in files if file.is_file()}


def _plain(item: Population | Edge, prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    fields = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if isinstance(value, np.ndarray):
            arrays[f"{prefix}.{field.name}"] = value
        else:
            fields[field.name] = value
    return fields


def open_compiled(directory: str | Path) -> Compiled:
    """Read what `save_compiled` wrote.

    Raises:
        ImageError: a file is missing or damaged.
    """
    path = Path(directory)
    try:
        expected, found = json.loads((path / "checksums.json").read_text()), _checksums(path)
    except (OSError, ValueError) as error:
        raise ImageError(f"no compiled model in '{path}': {error}") from error
    if expected != found:
        wrong = [name for name in found if not isinstance(expected, dict) or expected.get(name) != found[name]]
        raise ImageError(f"no compiled model in '{path}': damaged, missing or of another model: "
                         f"{', '.join(wrong[:3]) or 'a file of checksums.json'}")
    image = (MeshImage if (path / "image" / "mesh.json").exists() else Image).load(path / "image")
    try:
        model = json.loads((path / "model.json").read_text())
        if model["format"] != FORMAT or model["version"] != VERSION:
            raise ValueError(f"not {FORMAT} version {VERSION}")
        with np.load(path / "program.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        described = model["program"]
        program = Program(
            name=described["name"], inputs=described["inputs"], outputs=described["outputs"],
            populations=[Population(**_tuples(item), **_arrays(arrays, f"p{i}."))
                         for i, item in enumerate(described["populations"])],
            edges=[Edge(**_tuples(item), **_arrays(arrays, f"e{i}.")) for i, item in enumerate(described["edges"])])
        ports = {side: [Port(**_tuples(port)) for port in model[side]] for side in ("inputs", "outputs")}
        return Compiled(
            config=image.config, lowered=program, image=image, inputs=ports["inputs"], outputs=ports["outputs"],
            places={name: Value(shape=tuple(value["shape"]), parts=tuple(Part(**part) for part in value["parts"]))
                    for name, value in model["places"].items()},
            scales={name: Scale(**scale) for name, scale in model["scales"].items()},
            layers=[LayerReport(**_tuples(layer)) for layer in model["layers"]],
            sums=[SumReport(**_tuples(item)) for item in model["sums"]],
            loads={(tuple(source), tuple(to)): events for source, to, events in model["loads"]},
            host=base64.b64decode(model.get("host", "")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ImageError(f"no compiled model in '{path}': {type(error).__name__}: {error}") from error


def _arrays(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _tuples(item: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples they were."""
    def convert(value: Any) -> Any:
        return tuple(convert(part) for part in value) if isinstance(value, list) else value
    return {name: convert(value) for name, value in item.items()}
