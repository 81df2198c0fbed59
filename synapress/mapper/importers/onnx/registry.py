"""The operators of ONNX that are supported, each declared by `operator` where it is implemented.

    @operator("Sin", opsets=(7, 22), flattened=elementwise)
    def sine(context: Context, call: Call) -> Tensor:
        return context.function(call, call.tensor(), "sin")

A declaration says which versions of the operator the function reads, and what it does on two kinds of operands that are
no plain feature maps of real numbers: 8-bit integers (`synapress.mapper.importers.onnx.integers`) and flattened maps
behind each other (`synapress.mapper.importers.onnx.flattened`). By default integers are refused, and flattened maps
become one map of channels. Operators outside this package are declared in the same way before a file is read
(`synapress.onnx_operators`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import onnx

from synapress.mapper.errors import OperatorError
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
    """First and last version that the function reads: of the operator, or of the operator set of another domain."""
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
        first, last = self.opsets
        if self.domain == ONNX:
            version, below = onnx.defs.get_schema(self.name, call.version, self.domain).since_version, 0
            needed = f"version {first} … {last} of the operator"
        else:  # whose operators have no schema that would tell their own version
            version, below = call.version, last + 1
            needed = f"version {first} … {last} of the operator set '{self.domain}'"
        if not first <= version <= last:
            call.refuse("operator set", needed, version,
                        f"Export with an operator set below {below or version}." if version > last
                        else f"Export with operator set {first} or later.")


_OPERATORS: dict[tuple[str, str], Operator] = {}


def operator(
    *names: str, opsets: tuple[int, int], domain: str = ONNX, integers: Policy = refused, flattened: Policy = as_map,
    constants: bool = False,
) -> Callable[[Own], Own]:
    """Declare that a function imports an operator.

    Args:
        names: the operator's name; several, if the function is the same.
        opsets: first and last version that the function reads: in ONNX's own domain versions of the operator (not of
            the file), in others those of the domain's operator set, of which a file imports one.
        domain: of the operator set; "" is ONNX's own.
        integers: what it does on 8-bit integers.
        flattened: what it does on flattened maps behind each other.
        constants: whether it is called for constants alone, too.

    Raises:
        OperatorError: the operator is declared already.
    """
    def declare(handler: Own) -> Own:
        keys = [_key(domain, name) for name in names]
        for key, name in zip(keys, names, strict=True):  # all of them before the first is declared
            if key in _OPERATORS:
                raise OperatorError(f"operator '{name}' of domain '{key[0]}' is declared already; "
                                    f"withdraw('{name}', '{key[0]}') before makes room for another declaration")
        for key in keys:
            _OPERATORS[key] = Operator(name=key[1], domain=key[0], opsets=opsets, handler=handler, integers=integers,
                                       flattened=flattened, constants=constants)
        return handler
    return declare


def withdraw(name: str, domain: str = ONNX) -> None:
    """Undo a declaration, so that another one can follow.

    Raises:
        OperatorError: no such operator is declared.
    """
    if _OPERATORS.pop(_key(domain, name), None) is None:
        raise OperatorError(f"operator '{name}' of domain '{domain}' is not declared; there is nothing to withdraw")


def find(domain: str, name: str) -> Operator | None:
    """The operator that a node asks for, if it is supported."""
    return _OPERATORS.get(_key(domain, name))


def _key(domain: str, name: str) -> tuple[str, str]:
    return ONNX if domain == "ai.onnx" else domain, name


def apply(context: Context, call: Call, name: str) -> Result:
    """What ONNX's operator `name` makes of a call, for operators that are an abbreviation of others.

    Raises:
        ModelError: that operator was withdrawn.
    """
    found = find(ONNX, name)
    if found is None:
        call.refuse("operator", f"the operator {name}, of which it is made", "none, it was withdrawn",
                    f"Declare {name} by `synapress.onnx_operators.operator` before the file is read.")
    return found(context, call)


def apply_to_map(context: Context, call: Call, name: str) -> Tensor:
    """The same of an operator whose result is one feature map."""
    result = apply(context, call, name)
    assert isinstance(result, Tensor)
    return result


def declared() -> list[Operator]:
    """All supported operators, by domain and name."""
    return [_OPERATORS[key] for key in sorted(_OPERATORS)]
