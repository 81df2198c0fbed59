"""The operators of ONNX that are supported, each declared by `operator` where it is implemented.

    @operator("Sin", opsets=(7, 22), flattened=elementwise)
    def sine(context: Context, call: Call) -> Tensor:
        return context.function(call, call.tensor(), "sin")

A declaration says which versions of the operator the function reads, and what it does on two kinds of operands that are
no plain feature maps of real numbers: 8-bit integers (`synapress.mapper.importers.onnx.integers`) and flattened maps
behind each other (`synapress.mapper.importers.onnx.flattened`). By default integers are refused, and flattened maps
become one map of channels. Operators outside this package are declared in the same way before a file is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import onnx

from synapress.mapper.importers.onnx.context import Call, Context, Handler, Policy, Result
from synapress.mapper.importers.onnx.flattened import as_map
from synapress.mapper.importers.onnx.integers import refused
from synapress.mapper.importers.tensor import Tensor

Own = TypeVar("Own", bound=Handler)

ONNX = ""
MICROSOFT = "com.microsoft"
"""Domain of onnxruntime's own operators."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """A supported operator."""

    name: str
    domain: str
    opsets: tuple[int, int]
    """First and last version of the operator that the function reads."""
    handler: Handler
    integers: Policy
    flattened: Policy
    constants: bool
    """Called for constants alone, too, instead of being computed by onnx's reference evaluator."""

    def __call__(self, context: Context, call: Call) -> Result:
        """Import a node: its outputs."""
        return self.flattened(context, call, self._on_maps)

    def _on_maps(self, context: Context, call: Call) -> Result:
        return self.integers(context, call, self.handler)

    def check_version(self, call: Call) -> None:
        """
        Raises:
            ModelError: the file has the operator in a version that the function does not read.
        """
        if self.domain != ONNX:
            return
        version = onnx.defs.get_schema(self.name, call.version, self.domain).since_version
        if not self.opsets[0] <= version <= self.opsets[1]:
            call.refuse("operator set", f"version {self.opsets[0]} … {self.opsets[1]} of the operator", version,
                        f"Export with an operator set below {version}." if version > self.opsets[1]
                        else f"Export with operator set {self.opsets[0]} or later.")


_OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(
    *names: str, opsets: tuple[int, int], domain: str = ONNX, integers: Policy = refused, flattened: Policy = as_map,
    constants: bool = False,
) -> Callable[[Own], Own]:
    """Declare that a function imports an operator.

    Args:
        names: the operator's name; several, if the function is the same.
        opsets: first and last version of the operator (not of the file) that the function reads.
        domain: of the operator set; "" is ONNX's own.
        integers: what it does on 8-bit integers.
        flattened: what it does on flattened maps behind each other.
        constants: whether it is called for constants alone, too.

    Raises:
        ValueError: the operator is declared already.
    """
    def declare(handler: Own) -> Own:
        for name in names:
            if (domain, name) in _OPERATORS:
                raise ValueError(f"operator '{name}' of domain '{domain}' is declared already")
            _OPERATORS[domain, name] = Operator(
                name=name, domain=domain, opsets=opsets, handler=handler, integers=integers, flattened=flattened,
                constants=constants)
        return handler
    return declare


def withdraw(name: str, domain: str = ONNX) -> None:
    """Undo a declaration, so that another one can follow."""
    del _OPERATORS[domain, name]


def find(domain: str, name: str) -> Operator | None:
    """The operator that a node asks for, if it is supported."""
    return _OPERATORS.get((ONNX if domain == "ai.onnx" else domain, name))


def apply(context: Context, call: Call, name: str) -> Result:
    """What ONNX's operator `name` makes of a call, for operators that are an abbreviation of others."""
    return _OPERATORS[ONNX, name](context, call)


def apply_to_map(context: Context, call: Call, name: str) -> Tensor:
    """The same of an operator whose result is one feature map."""
    result = apply(context, call, name)
    assert isinstance(result, Tensor)
    return result


def declared() -> list[Operator]:
    """All supported operators, by domain and name."""
    return [_OPERATORS[key] for key in sorted(_OPERATORS)]
