"""Who learns on chip: real numbers, the golden model of the learner, and its compiled hardware."""

from collections.abc import Callable

from synapress.learning.on_chip import Real, Run, Settings, learn


def learn_real(settings: Settings, *, progress: Callable[[int], None] | None = None) -> Run:
    """In real numbers: what the integers are measured against."""
    return learn(settings, lambda weights, stored, _, number: Real(weights, stored, settings), integers=False,
                 progress=progress)


def learn_golden(settings: Settings, organisation: str = "crossbar", *, keep_history: bool = False,
                 progress: Callable[[int], None] | None = None) -> Run:
    """By the golden model of the learner, whose weights are in memory as a memory organisation has them."""
    raise NotImplementedError


def learn_rtl(settings: Settings, organisation: str = "crossbar", *, keep_history: bool = False,
              progress: Callable[[int], None] | None = None) -> Run:
    """By the learner's compiled Verilog.

    Raises:
        ToolError: no simulator, or the hardware hangs.
    """
    raise NotImplementedError
