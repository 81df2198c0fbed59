"""What a function that imports an ONNX operator works with: the call with its operands, and the state of the import."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from golden.types import Array
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.functions import FUNCTIONS, Formula
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.importers.tensor import FlattenedConcat, Port, Quantization, Tensor

Value = Tensor | FlattenedConcat | Array | None
"""What a name in a file stands for: a feature map, flattened maps behind each other, a constant, or nothing."""
Result = Sequence[Value] | Value
Handler = Callable[["Context", "Call"], Result]
"""Imports one node: adds what it computes to the graph, and returns its outputs."""
Policy = Callable[["Context", "Call", Handler], Result]
"""What an operator does on a kind of operands; it may call the operator's function, or one of its own."""


@dataclass(kw_only=True)
class Call:
    """One ONNX node with its operands."""

    name: str
    op: str
    inputs: list[Value]
    attributes: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    """Of the operator set that the file imports."""
    outputs: list[str] = field(default_factory=list)
    integers: Quantization | None = None
    """Of an operator on 8-bit integers: what they mean."""

    def input(self, index: int) -> Value:
        """An operand, None if the node has none there."""
        return self.inputs[index] if index < len(self.inputs) else None

    def tensor(self, index: int = 0) -> Tensor:
        """An operand that must be a feature map."""
        value = self.input(index)
        if not isinstance(value, Tensor):
            self.refuse("operand", f"a feature map as input {index}", "a constant or nothing",
                        "Fold constants when exporting.")
        return value

    def constant(self, index: int, default: Any = None) -> Any:
        """An operand that must be known when compiling; `default` if it is absent."""
        value = self.input(index)
        if isinstance(value, (Tensor, FlattenedConcat)):
            self.refuse("constant operand", f"input {index} known when compiling", "one that depends on the data",
                        "Make it an initializer, or bind it with `constants` (--constant NAME=VALUES).")
        return default if value is None else value

    def text(self, attribute: str, default: str) -> str:
        """An attribute that is text."""
        return bytes(self.attributes.get(attribute, default.encode())).decode()

    def refuse(self, rule: str, needed: object, available: object, help: str) -> NoReturn:
        raise ModelError(self.name, f"{self.op}: {rule}", needed, available, help)


@dataclass
class Context:
    """The state of one import: values by name, and the graph so far."""

    graph: FloatGraph
    values: dict[str, Value] = field(default_factory=dict)
    """By name, as far as they are still to be read."""
    reads: Counter[str] = field(default_factory=Counter)
    """By name of a value: how many operands and outputs are still to read it."""
    ports: dict[str, Port] = field(default_factory=dict)
    """Inputs, by node."""
    batch: bool = True
    dynamic: bool = False
    """Whether the file leaves the number of frames open: they must then be a dimension of each output."""
    rounded: dict[str, Quantization] = field(default_factory=dict)
    """Input nodes whose arrays are integers, and what the file says they mean."""

    def take(self, name: str) -> Value:
        """A value as an operand; it is forgotten with the last one, so that only what is still to be read counts."""
        value = self.values[name]
        self.reads[name] -= 1
        if name and not self.reads[name]:
            del self.values[name]
        return value

    def fresh(self, name: str) -> str:
        """A name that no node has yet."""
        result, count = name, 1
        while result in self.graph.nodes:
            count += 1
            result = f"{name}_{count}"
        return result

    def add(self, node: g.Node) -> str:
        """Add a node to the graph, and return its name, which differs from others."""
        return self.graph.add(replace(node, name=self.fresh(node.name)))

    def like(self, tensor: Tensor, node: g.Node) -> Tensor:
        """A new node whose map is laid out as a tensor's."""
        return replace(tensor, node=self.add(node))

    def function(self, call: Call, tensor: Tensor, name: str, *parameters: float) -> Tensor:
        """A function of each element: one of `synapress.mapper.importers.functions`.

        Raises:
            ModelError: there is no function of that name, or it takes other parameters.
        """
        if name not in FUNCTIONS:
            call.refuse("function", "the name of a registered function", f"'{name}'",
                        "Register it by `synapress.onnx_operators.register` before the file is read.")
        try:
            Formula(name, parameters)(np.ones(1))
        except TypeError as error:
            call.refuse("function", f"as many parameters as '{name}' takes", parameters,
                        f"Give others to `Context.function`: {error}.")
        node = g.Activation(name=call.name, operator=call.op, sources=(tensor.node,), function=name,
                            parameters=parameters)
        if name == "leaky_relu":  # whose slope may differ by channel
            node = replace(node, parameters=(), slope=np.full(self.shape(tensor)[0], parameters[0]))
        return self.like(tensor, node)

    def shape(self, tensor: Tensor) -> tuple[int, int, int]:
        """Channels, columns and rows of a tensor's map."""
        return self.graph.shape(tensor.node)

    def sizes(self, tensor: Tensor) -> dict[str, int]:
        """Sizes of the axes of a tensor's map; N from its dimensions."""
        sizes = dict(zip("DWH", self.shape(tensor), strict=True)) | {"N": 1}
        index = tensor.find("N")
        if index is not None and tensor.labels[index] == ("N",):
            sizes["N"] = tensor.dims[index]
        return sizes


def seen(context: Context, call: Call, handler: Handler) -> Result:
    """The policy of an operator whose own function knows this kind of operands."""
    return handler(context, call)
