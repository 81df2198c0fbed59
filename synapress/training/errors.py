"""How training refuses."""

import math
from numbers import Integral, Real
from typing import Any

from golden.errors import NetworkError


class TrainingError(NetworkError):
    """A module, data or settings with which no network of spikes in time can be trained.

    `where` names the module, the data or the setting; the message says what is needed, what was given and what helps.
    """

    def __init__(self, where: str, rule: str, needed: object, given: object, help: str):
        self.where, self.rule, self.help = where, rule, help
        given = " ".join(str(given).split()).rstrip(".")
        super().__init__(f"{where}, rule '{rule}': needs {needed}; given: {given}. {help}")


def check_whole(rule: str, number: Any, *, bits: int | None = None) -> None:
    """Raise unless a setting is a whole number of at least 1, or, if `bits` is given, of at most as many bits."""
    fits = not isinstance(number, bool) and isinstance(number, Integral) and (
        int(number) >= 1 if bits is None else int(number).bit_length() <= bits)
    if not fits:
        needed = "of at least 1" if bits is None else f"of at most {bits} bits"
        raise TrainingError("settings", rule, f"a whole number {needed}", repr(number), "Use the default.")


def check_real(rule: str, number: Any, *, above_0: bool = False) -> None:
    """Raise unless a setting is a finite number of at least 0, or above 0."""
    least = math.ulp(0) if above_0 else 0.0
    if not (isinstance(number, Real) and least <= float(number) < math.inf):
        raise TrainingError("settings", rule, f"a finite number {'above' if above_0 else 'of at least'} 0",
                            repr(number), "Use the default.")
