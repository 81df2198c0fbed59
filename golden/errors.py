"""The typed exceptions of the whole project: each message says who, which rule, what is needed and what there is."""

import os
from collections.abc import Mapping


class SynapressError(Exception):
    """Base of every error that a user of Synapress can cause."""


class ConfigError(SynapressError):
    """A configuration contradicts itself or leaves the supported range."""


class FieldRangeError(SynapressError):
    """A value does not fit the word field that must hold it."""

    def __init__(self, word: str, field: str, value: int, low: int, high: int, where: str = ""):
        self.word, self.field, self.value, self.low, self.high = word, field, value, low, high
        prefix = f"{where}: " if where else ""
        super().__init__(f"{prefix}{word} word, field '{field}': value {value} is outside [{low}, {high}]")


class ImageError(SynapressError):
    """A memory image is malformed: words that do not fit, or pointers that leave the memory."""


class NetworkError(SynapressError):
    """A network is inconsistent: shapes, types or connections do not match."""


class MappingError(SynapressError):
    """A network is sound but does not fit the hardware; the message says what would help."""


class EventError(SynapressError):
    """An event that no core can accept: unknown ID, or a source channel outside its edge."""


class ToolError(SynapressError):
    """An external tool (simulator, synthesizer) is missing or failed."""


class FileError(SynapressError, OSError):
    """A file cannot be read or written as asked; `filename` names it, `strerror` says why."""

    def __init__(self, path: str | os.PathLike[str], why: str):
        self.why = f"'{os.fspath(path)}': {why}"
        super().__init__(self.why)
        self.filename, self.strerror = os.fspath(path), why

    def __str__(self) -> str:
        return self.why  # OSError would put an error number in front


def require_within(what: str, settings: object, bounds: Mapping[str, tuple[int, int]]) -> None:
    """That attributes are integers from their lowest to their highest value.

    Raises:
        ConfigError: one is not; `what` and its name are in the text.
    """
    for name, (low, high) in bounds.items():
        value = getattr(settings, name)
        if not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{what}: {name} = {value!r} is outside [{low}, {high}]")
