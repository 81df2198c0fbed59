"""What a front end hands over."""

from dataclasses import dataclass

from mapper.frontend.graph import FloatGraph
from mapper.frontend.neurons import Neurons
from mapper.frontend.tensor import Port


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
    neurons: Neurons | None = None
    """How its neurons were read, if it has any."""
    warnings: tuple[str, ...] = ()
    """Why it may compute something else than its training did, and what would help."""
