"""Neurons whose values are delivered in the next timestep: what breaks a circle of populations, and delays a layer.

Issued by the scheduler, not by the evaluation (`golden.core`): out of reset such a population sends its
ends of timestep once, and no values. So its receivers get in timestep t what it computed in t - 1, and in the first
timestep nothing; as it may fire only when they have evaluated t - 1, nothing reaches a neuron of t - 1 too late or too
early (docs/architecture.md, "Delivery in the next timestep"). This project's.
"""

from typing import ClassVar

from golden.neuron.types.sum import Sum


class Delay(Sum):
    """A sum, requantized as of any other; with weight 1 and saturation FULL it repeats its source."""

    codes: ClassVar = {7: "delay"}
    delays = True


(CODE,) = Delay.codes
