"""How the mapper refuses: a violation names the layer, the rule, what is needed, what there is, and what would help."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from golden.errors import MappingError, NetworkError


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One broken rule of the hardware."""

    layer: str
    rule: str
    needed: str
    available: str
    help: str

    def __str__(self) -> str:
        where = f"layer '{self.layer}', rule '{self.rule}'"
        return f"{where}: needs {self.needed}; available: {self.available}. {self.help}"

    def to_json(self) -> dict[str, str]:
        return asdict(self)


class RuleError(MappingError):
    """A network is sound but breaks rules of the hardware.

    `violations` lists all that were found; the message has the first `SHOWN` of each rule, a line each.
    """

    SHOWN = 3

    def __init__(self, violations: Sequence[Violation]):
        self.violations = tuple(violations)
        rules: dict[str, list[Violation]] = {}
        for violation in self.violations:  # one rule in several cores is one rule
            rules.setdefault(violation.rule.split(" of core ")[0], []).append(violation)
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
        available = " ".join(str(available).split())
        self.violation = Violation(layer=node, rule=rule, needed=str(needed), available=str(available), help=help)
        super().__init__(f"node '{node}', rule '{rule}': needs {needed}; given: {available}. {help}")


class ModelWarning(UserWarning):
    """A model was taken, but may compute something else than its training did; the message names what would help."""
