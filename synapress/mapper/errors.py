"""How the mapper refuses: a violation names the layer, the rule, what is needed, what there is, and what would help."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from golden.errors import MappingError, NetworkError, SynapressError
from golden.types import Place


class Repair(Enum):
    """What a search of cuts or places may do about a violation. The rule that is broken says so; texts are for people.

    "Layer" is the population that does not fit, or the destination of an axon.
    """

    CHANNELS = auto()
    """Smaller parts of the layer along its channels; of parts of one channel word, along its columns or rows."""
    COLUMNS = auto()
    """Smaller parts of the layer along its columns."""
    ROWS = auto()
    """Smaller parts of the layer along its rows."""
    SOURCE_COLUMNS = auto()
    """Smaller parts of the axon's source along its columns."""
    SOURCE_ROWS = auto()
    """Smaller parts of the axon's source along its rows."""
    FEWER_AXONS = auto()
    """Smaller parts of the layer, each of which sends to fewer parts of its destinations."""
    FEWER_SOURCES = auto()
    """Smaller parts of the layer, each of which fewer parts of its sources reach."""
    FEWER_PIECES = auto()
    """Fewer channels of the layer, if its kernels are in pieces because the weights of one source channel exceed a
    field."""
    OTHER_CUTS = auto()
    """Nothing by itself; but what is needed depends on the cuts of other layers."""
    LARGER_PARTS = auto()
    """Fewer parts of the host's inputs or outputs, which no search makes."""
    OTHER_MESH = auto()
    """A mesh of other proportions."""


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One broken rule of the hardware."""

    layer: str
    rule: str
    needed: str
    available: str
    help: str
    core: Place | None = None
    """Of a mesh, where that is known."""
    repair: Repair | None = None
    """What may mend it; None: no cut and no place. For searches: neither the message nor JSON has it."""

    @property
    def where(self) -> str:
        """The rule, and the core of a mesh."""
        return self.rule if self.core is None else f"{self.rule} of core {self.core}"

    def __str__(self) -> str:
        where = f"layer '{self.layer}', rule '{self.where}'"
        return f"{where}: needs {self.needed}; available: {self.available}. {self.help}"

    def to_json(self) -> dict[str, str]:
        return {"layer": self.layer, "rule": self.where, "needed": self.needed, "available": self.available,
                "help": self.help}


class RuleError(MappingError):
    """A network is sound but breaks rules of the hardware.

    `violations` lists all that were found; the message has the first `SHOWN` of each rule, a line each.
    """

    SHOWN = 3

    def __init__(self, violations: Sequence[Violation]):
        self.violations = tuple(violations)
        rules: dict[str, list[Violation]] = {}
        for violation in self.violations:  # one rule in several cores is one rule
            rules.setdefault(violation.rule, []).append(violation)
        lines = []
        for rule, found in rules.items():
            distinct = list(dict.fromkeys(map(str, found)))
            lines += distinct[:self.SHOWN]
            if len(distinct) > self.SHOWN:
                lines.append(f"and {len(distinct) - self.SHOWN} more by rule '{rule}'")
        super().__init__("\n".join(lines))


class ModelError(NetworkError):
    """A model (a file, or a graph read from one) cannot be taken; `violation` names the node and what would help.

    The message is one line, whatever a library says of the file.
    """

    def __init__(self, node: str, rule: str, needed: object, available: object, help: str):
        available = " ".join(str(available).split()).rstrip(".") or "."  # a full stop follows
        self.violation = Violation(layer=node, rule=rule, needed=str(needed), available=str(available), help=help)
        super().__init__(f"node '{node}', rule '{rule}': needs {needed}; given: {available}. {help}")


class OperatorError(SynapressError, ValueError):
    """A declaration of an operator, or of a function, that contradicts another one."""


class ModelWarning(UserWarning):
    """A model was taken, but may compute something else than its training did; the message names what would help."""
