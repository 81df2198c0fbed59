"""What each step made, as files that people and scripts can read: `N_STEP.json` with its arrays in `N_STEP.npz`.

The JSON follows the representation's fields. In place of an array it has its name in the .npz, its shape and its type;
arrays of at most `MAX_INLINE` numbers stand in the JSON. What a step before kept is named, not repeated. The last step
keeps the memory images, in `8_write`. The same compilation gives the same bytes.
"""

import base64
import contextlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.files import Writing, save_arrays
from golden.program import Program
from synapress.mapper.image.image import FILES
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.network.network import Network
from synapress.mapper.pipeline import LAST, NAMES, STEPS, Compilation

MAX_INLINE = 16
"""Numbers of an array that stands in the JSON: the parameters of a small layer, but no kernels."""


def file_names(step: str) -> tuple[str, str]:
    """The JSON file and the .npz file, or the folder, of a step."""
    stem = f"{NAMES.index(step) + 1}_{step}"
    return f"{stem}.json", stem if step == LAST else f"{stem}.npz"


class Keeper:
    """A hook of `synapress.mapper.pipeline.run` that writes each representation into a folder.

    Files that a compilation before kept there are removed first; nothing else is.

    Raises:
        ConfigError: there is a file in the folder's place.
        FileError: a file cannot be written.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise ConfigError(f"keep: '{folder}' is a file; the steps need a folder")
        images = self.folder / file_names(LAST)[1]
        with Writing() as files:
            for name in (name for step in NAMES[:-1] for name in file_names(step)):
                files.remove(self.folder / name)
            for path in sorted(images.rglob("*"), reverse=True):
                if path.name in (*FILES, "mesh.json"):
                    files.remove(path)
        with contextlib.suppress(OSError):  # not there, or something else is in it
            images.rmdir()

    def __call__(self, step: str, work: Compilation) -> None:
        makes = next(item.makes for item in STEPS if item.name == step)
        made, (text, arrays) = getattr(work, makes), file_names(step)
        with Writing() as files:
            if step == LAST:
                made.save(self.folder / arrays, files=files)
                return
            writer = _Description(step)
            described = {"step": step, "config": work.config.name, makes: writer.of(made, makes)}
            files.write(self.folder / text, json.dumps(described, indent=1, allow_nan=False) + "\n")
            if writer.arrays:
                with files.open(self.folder / arrays) as file:
                    save_arrays(file, writer.arrays)


class _Description:
    """Representations as JSON, and the arrays that are too large for it."""

    def __init__(self, step: str):
        self.step = step
        self.arrays: dict[str, np.ndarray] = {}

    def of(self, value: Any, where: str) -> Any:
        """A value as JSON; `where` it stands names its arrays."""
        if isinstance(value, np.ndarray):
            return self.array(value, where)
        if isinstance(value, bool | int | str) or value is None:
            return value
        if isinstance(value, float):
            return value if np.isfinite(value) else str(value)  # JSON has no infinity
        if isinstance(value, np.generic):
            return self.of(value.item(), where)
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, CoreConfig):
            return value.name
        if isinstance(value, Program) and self.step != "populations":
            return f"program of the step populations: {value.name}"
        if isinstance(value, FloatGraph | Network):
            return self.of({name: item for name, item in vars(value).items() if not name.startswith("_")}, where)
        if isinstance(value, Mapping):
            return {key if isinstance(key, str) else str(key): self.of(item, f"{where}.{key}")
                    for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(item, f"{where}.{self.name(item, number)}") for number, item in enumerate(value)]
        if is_dataclass(value):
            return {"kind": type(value).__name__} | {
                item.name: self.of(getattr(value, item.name), f"{where}.{item.name}") for item in fields(value)}
        raise TypeError(f"{where}: a {type(value).__name__} has no description")

    @staticmethod
    def name(item: Any, number: int) -> str:
        """Of an item of a list: its own, if it has one."""
        return str(getattr(item, "name", number))

    def array(self, value: np.ndarray, where: str) -> Any:
        if value.size <= MAX_INLINE:
            return self.of(value.tolist(), where)
        name = where
        for number in range(2, 2 + len(self.arrays)):  # two edges of one name
            if name not in self.arrays:
                break
            name = f"{where}'{number}"
        self.arrays[name] = value
        return {"array": name, "shape": list(value.shape), "type": str(value.dtype)}
