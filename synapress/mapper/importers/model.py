"""The result of an importer."""

from dataclasses import dataclass, field
from pathlib import Path

from golden.files import check_regular
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.tensor import Port

LAVA = ".net"
"""Suffix of Lava-DL's HDF5 files, which hold integers and become no `Model`."""


@dataclass(kw_only=True)
class Model:
    """A model as read: the float graph, and what its inputs and outputs are in the file."""

    graph: FloatGraph
    inputs: list[Port]
    outputs: list[Port]
    source: str = ""
    ignored: tuple[str, ...] = ()
    """Inputs of the file on which no output depends."""
    host: bytes = b""
    """What the host makes of the outputs to get those of the file, as an ONNX model; empty: nothing."""
    on_host: tuple[str, ...] = ()
    """The operators that the host computes, in order."""
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Sizes of inputs that the file leaves open, as `load` was told."""
    neurons: Neurons | None = None
    """How its neurons were read, if it has any."""
    warnings: tuple[str, ...] = ()
    """Why it may compute something else than its training did, and what would help."""


def check_model_file(path: Path, what: str) -> None:
    """That a model's file can be read to its end; `what` it must be.

    Raises:
        ModelError: there is none, or it is no regular file.
    """
    try:
        check_regular(path)
    except OSError as error:
        given = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or error
        raise ModelError(str(path), "file", what, given, "Check the path.") from error
