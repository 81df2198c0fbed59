"""Energy of whole systems of compute-in-memory macros against sparsity, beside the published gains.

The model is the paper's (arXiv 2410.23082, section IV, figure 7b): per timestep, each synaptic operation costs as many
column operations as a potential has bits, all columns at work; and each 32 bits moved cost an access to DRAM and one to
the buffer. Synaptic operations are those of the layers' source neurons that fire, taps beyond an edge included. The
paper does not say which operands stay, how often the buffer spares the DRAM, what the dense layers take, or the tuned
resolutions: every case says what it assumes. Gains are computed from published constants; nothing is measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from synapress.energy.cim import BUFFER, DRAM, FAST
from synapress.mapper.cim.macros import best_held
from synapress.mapper.cim.stationarity import MACRO_BITS, PUBLISHED, Choice, Layer, best, resolved, weight_stationary

SPARSITIES = (0.85, 0.90, 0.95, 0.99)
PUBLISHED_GAINS = {"fixed precision": (0.87, 0.90), "IMPULSE": (0.79, 0.86)}
"""Lowest and highest gain over the range of sparsities, against two fixed, weight-stationary systems."""
FIXED_SOP = 7.1
"""pJ of a synaptic operation of the published fixed-precision system, 8-bit weights and 16-bit potentials."""
TUNED_FOOTPRINT = 0.84
"""Bits of all operands at the paper's tuned resolutions, in those at 8 and 12 bits; they themselves are not printed."""


@dataclass(frozen=True)
class System:
    """What a timestep takes."""

    name: str
    synapses: int
    """Synaptic operations if every source neuron fires."""
    sop: float
    """pJ of one."""
    moved: float
    """Bits moved per timestep."""

    @classmethod
    def of(cls, choice: Choice, sop: float | None = None, footprint: float = 1.0) -> "System":
        """A network with what stays of it.

        Args:
            sop: pJ of a synaptic operation; default: by each layer's potentials, at the faster published point.
            footprint: of all operands, in that of the layers; operations get as much shorter.
        """
        synapses = sum(layer.synapses for layer in choice.layers)
        if sop is None:
            sop = sum(layer.synapses * FAST.per_sop(layer.potential_bits) for layer in choice.layers) / synapses
        return cls(choice.name, synapses, sop * footprint, choice.moved() * footprint)

    def energy(self, sparsity: float) -> tuple[float, float]:
        """pJ of a timestep: of operations, and of what is moved."""
        return self.synapses * (1 - sparsity) * self.sop, self.moved / 32 * (DRAM + BUFFER)


@dataclass(frozen=True)
class Case:
    """A system beside another one."""

    name: str
    ours: System
    other: System
    published: tuple[float, float]
    assumes: str

    def gain(self, sparsity: float) -> float:
        """The share of the other's energy that is saved."""
        return 1 - sum(self.ours.energy(sparsity)) / sum(self.other.energy(sparsity))


def fixed_precision(layers: Sequence[Layer] = PUBLISHED) -> System:
    """The published system that is compared with: 8-bit weights, which stay, and 16-bit potentials, which do not."""
    return System.of(weight_stationary(resolved(layers, 8, 16)), FIXED_SOP)


def tuned(name: str, layers: Sequence[Layer], macros: int) -> Case:
    """Layers at resolutions of one's own, against fixed precision."""
    return Case(name, System.of(best(layers, macros * MACRO_BITS)), fixed_precision(layers),
                PUBLISHED_GAINS["fixed precision"],
                f"{macros} macros hold what moves least, counted in bits; weights of 8 and potentials of 16 bits, "
                "weight-stationary, on the other side")


def cases() -> tuple[Case, ...]:
    """The published network under the assumptions that come nearest to the paper's."""
    smaller = best(PUBLISHED, int(16 * MACRO_BITS / TUNED_FOOTPRINT))
    least = resolved(PUBLISHED, 6, 11)
    sop = FAST.per_sop(11)
    fixed, impulse = PUBLISHED_GAINS["fixed precision"], PUBLISHED_GAINS["IMPULSE"]
    return (
        tuned("8b/12b, 16 macros", PUBLISHED, 16),
        Case("8b/12b, 16 macros as placed", System.of(best_held(PUBLISHED, 16)), fixed_precision(), fixed,
             "as before, but what stays is what strips of operands, with rows to work in, leave room for"),
        Case(f"8b/12b, footprint × {TUNED_FOOTPRINT}, 16 macros", System.of(smaller, footprint=TUNED_FOOTPRINT),
             fixed_precision(), fixed,
             "tuned resolutions taken as one factor, on all operands and on the cycles of an operation"),
        Case("6b/11b, 18 macros", System.of(best(least, 18 * MACRO_BITS), sop),
             System.of(weight_stationary(least), sop), impulse,
             "the same resolutions and the same energy of an operation on both sides: stationarity alone"),
    )
