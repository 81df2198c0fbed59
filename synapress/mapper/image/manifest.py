"""JSON manifests of images, meshes and models: read once, here, against a schema of dataclasses.

The schema is checked by pydantic, which every installation has as typer needs it: strictly, so that a number in quotes
is no number, and true is none either.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import pydantic
import pydantic_core

from golden.config import CoreConfig
from golden.errors import ConfigError, ImageError
from golden.files import read_bytes
from golden.words import layouts

T = TypeVar("T")
Natural = Annotated[int, pydantic.Field(ge=0, lt=1 << 48)]
"""A count, index or address, within what arrays can count."""
Positive = Annotated[int, pydantic.Field(ge=1, lt=1 << 48)]
Shape = tuple[Positive, Positive, Positive]
Origin = tuple[Natural, Natural, Natural]
"""The fields of an axon word; see `check_axons`."""

_HELP = "The file is damaged or was edited: write it again."
_SHOWN = 60


class Manifest:
    """A manifest that was read: its file, to name in messages, and its content as plain JSON."""

    def __init__(self, path: Path, data: dict[str, Any], text: bytes):
        self.path, self.data, self._text = path, data, text

    def refuse(self, field: str, needed: object, given: object) -> NoReturn:
        """
        Raises:
            ImageError: always; with file, field, what is needed and what is given.
        """
        shown = given if isinstance(given, str) else repr(given)
        shown = shown.rstrip(".") or "."  # a full stop follows
        shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
        raise ImageError(f"'{self.path}', field '{field}': needs {needed}; given: {shown}. {_HELP}")

    def parse(self, schema: type[T]) -> T:
        """The content as a dataclass.

        Raises:
            ImageError: a field is missing, or of another type or range.
        """
        key: Any = schema  # to mypy a type variable is not hashable
        try:
            checked: T = _adapter(key).validate_json(self._text, strict=True)
            return checked
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
        missing = first["type"] == "missing"
        needed = first["msg"].removeprefix("Input should be ")
        needed = f"a number {needed}" if needed.startswith(("greater", "less")) else needed
        self.refuse(_dotted(first["loc"]), "the field" if missing else needed,
                    "nothing" if missing else repr(first["input"]))

    def config(self, data: object) -> CoreConfig:
        """The configuration in it.

        Raises:
            ImageError: it is none.
        """
        try:
            return CoreConfig.from_json(data)
        except ConfigError as error:
            raise ImageError(f"'{self.path}', field 'config': {error}. {_HELP}") from error

    def check_axons(self, field: str, axons: Sequence[Mapping[str, int]], config: CoreConfig) -> None:
        """Each has the fields of an axon word of this configuration, and each field its range.

        Raises:
            ImageError: one has not.
        """
        words = layouts(config)
        far = {item.name: item for item in words.second_axon.fields}
        fields = [far.get(item.name, item) for item in words.axon.fields]
        for number, axon in enumerate(axons):
            where = f"{field}[{number}]"
            if set(axon) != {item.name for item in fields}:
                self.refuse(where, "the fields of an axon word: " + ", ".join(item.name for item in fields),
                            ", ".join(axon))
            for item in fields:
                if not item.low <= axon[item.name] <= item.high:
                    self.refuse(f"{where}.{item.name}", f"{item.low} to {item.high} in {config.name}", axon[item.name])

    def check_order(self, field: str, found: Iterable[object], wanted: Iterable[object]) -> None:
        """Entries of a table are what another part of the manifest, or the image, says they are.

        Raises:
            ImageError: with the first that is not.
        """
        given, needed = list(found), list(wanted)
        if len(given) != len(needed):
            self.refuse(field, f"{len(needed)} entries", f"{len(given)}")
        for number, (one, other) in enumerate(zip(given, needed, strict=True)):
            if one != other:
                self.refuse(f"{field}[{number}]", repr(other), repr(one))


def read_manifest(path: Path, what: str, kind: str, version: int) -> Manifest:
    """A manifest of its kind and version, its fields not yet checked.

    Args:
        what: lies in the folder, for messages.
        kind, version: what the fields `format` and `version` must say.

    Raises:
        ImageError: the file is missing, no JSON, or of another kind or version.
    """
    try:
        text = read_bytes(path)
        data = pydantic_core.from_json(text)
    except (OSError, ValueError) as error:
        raise ImageError(f"no {what} in '{path.parent}': '{path.name}': {getattr(error, 'strerror', None) or error}"
                         ) from error
    header = (data.get("format"), repr(data.get("version"))) if isinstance(data, dict) else ()
    if header != (kind, repr(version)):  # true is no version 1
        given = (f"{data.get('format', 'no format')} version {data.get('version', 'none')}" if isinstance(data, dict)
                 else type(data).__name__)
        raise ImageError(f"no {what} in '{path.parent}': '{path.name}' is not {kind} version {version}; given: "
                         f"{given[:_SHOWN]}")
    return Manifest(path, data, text)


@cache
def _adapter(schema: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(schema)


def _dotted(location: Sequence[int | str]) -> str:
    """As population_table[3].shape[0]."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")
