"""Counts the pulses that a design gives."""

from collections.abc import Callable, Iterable
from typing import Any

from tb.streams import Steps, Wires, after_reset


class Pulses:
    """Counts cycles and pulses, from the end of the reset on.

    Args:
        names: of the ports that pulse. look: called in each cycle, behind the counting.

    Attributes:
        cycle: how many cycles there were. pulses: in how many of them each port was 1.
    """

    def __init__(self, dut: Any, names: Iterable[str], look: Callable[[], None]):
        self.wires, self.cycle = Wires(dut), 0
        self.pulses = dict.fromkeys(names, 0)
        after_reset(dut, self._run(look))

    def _run(self, look: Callable[[], None]) -> Steps:
        reads = [(name, getattr(self.wires, name)) for name in self.pulses]
        while True:
            self.cycle += 1
            for name, read in reads:
                self.pulses[name] += read()
            look()
            yield
