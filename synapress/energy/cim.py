"""Energy of compute-in-memory: the published constants times counted events, in pJ; never a measurement of ours.

One column operation adds, compares or writes one bit below one column in one cycle. Constants: Chauvaux et al., arXiv
2410.23082, table I (power at two operating points, all 256 columns at work) and section III (an idle column takes 87 %
less); DRAM and buffer as the paper takes them from Horowitz, ISSCC 2014.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from golden.cim.macro import COLUMNS
from golden.errors import ConfigError

IDLE = 0.13
"""Energy of an idle column, in that of an active one."""
DRAM, BUFFER = 1000.0, 30.0
"""pJ for 32 bits read or written."""
COLUMN_COUNTERS = ("column_ops", "idle_column_ops")
MOVED_COUNTERS = ("state_reads", "weight_reads", "write_back_writes")
"""Words between the array and the memory behind it: potentials, weights and thresholds and descriptors, potentials."""


@dataclass(frozen=True)
class Point:
    """An operating point of the published macro."""

    name: str
    supply: float
    """V."""
    clock: float
    """MHz."""
    column: float
    """pJ of a column operation."""

    def per_sop(self, potential_bits: int) -> float:
        """pJ of a synaptic operation: one column operation for each bit of the potential."""
        return potential_bits * self.column

    def per_bits(self, weight_bits: int, potential_bits: int) -> float:
        """fJ of a synaptic operation by the product of its resolutions."""
        return 1000 * self.per_sop(potential_bits) / (weight_bits * potential_bits)

    def rate(self, potential_bits: int) -> float:
        """GSOPS, all columns at work."""
        return self.clock * COLUMNS / potential_bits / 1000

    def microseconds(self, cycles: float) -> float:
        """Time of so many cycles."""
        return cycles / self.clock


FAST = Point("1.1 V", 1.1, 157.0, 17.9e3 / 157 / COLUMNS)
FRUGAL = Point("0.9 V", 0.9, 75.5, 0.352)
POINTS = (FAST, FRUGAL)


@dataclass(frozen=True)
class Energy:
    """pJ by where it goes."""

    columns: float
    """Active column operations."""
    idle: float
    """Idle ones."""
    buffer: float
    """Words between arrays and buffer."""
    dram: float
    """The same words between buffer and DRAM, if they come from there."""

    @property
    def total(self) -> float:
        return self.columns + self.idle + self.buffer + self.dram


def energy_of(counters: Mapping[str, int], word_bits: int, point: Point = FAST, *, idle: float = IDLE,
              buffer: float = BUFFER, dram: float = 0.0) -> Energy:
    """Energy of what a core counted.

    Args:
        counters: by name (`golden.registers`): COLUMN_COUNTERS, and MOVED_COUNTERS, which are words.
        word_bits: of the memory behind the array.
        idle: energy of an idle column, in that of an active one.
        buffer: pJ for 32 bits between the array and the memory behind it.
        dram: pJ for 32 bits between that and DRAM, for each word moved (DRAM); default: nothing comes from there.

    Raises:
        ConfigError: a counter is missing.
    """
    missing = [name for name in (*COLUMN_COUNTERS, *MOVED_COUNTERS) if name not in counters]
    if missing:
        raise ConfigError(f"energy of compute-in-memory: needs the counters {', '.join(missing)}; "
                          f"given: {', '.join(counters) or 'none'}")
    active, inactive = (counters[name] for name in COLUMN_COUNTERS)
    moved = sum(counters[name] for name in MOVED_COUNTERS) * word_bits / 32
    return Energy(active * point.column, inactive * point.column * idle, moved * buffer, moved * dram)


# -- shapes -------------------------------------------------------------------------------------------------------

SHAPES = ((8, 2), (6, 3), (4, 4), (3, 6), (2, 8))
"""Rows and columns of operands whose energies are published, at 16 bits; 6 × 3 and 3 × 6 have two bits more."""
SHAPE_CHANNELS = 32
PUBLISHED_SPREAD = 0.24
"""Of these energies: "less than" that."""
PUBLISHED_FACTOR = 4.3
"""What the standby of idle columns and the shape together save, as published."""


def shape_energy(rows: int, columns: int, *, channels: int = SHAPE_CHANNELS, point: Point = FAST,
                 idle: float = IDLE) -> float:
    """pJ of a synaptic operation with channels side by side, whose potentials are of rows × columns bits.

    Args:
        idle: 1: columns have no standby.

    Raises:
        ConfigError: the channels have no room.
    """
    if not 0 < channels * columns <= COLUMNS:
        raise ConfigError(f"energy of a shape: {channels} channels of {columns} columns have no room in {COLUMNS}")
    active = channels * columns
    return rows * (active + (COLUMNS - active) * idle) * point.column / channels


def spread(idle: float = IDLE, *, bits: int | None = None) -> float:
    """How much more than the cheapest the dearest of SHAPES takes, as a share.

    Args:
        bits: only of shapes with exactly so many; default: of all.
    """
    energies = [shape_energy(*shape, idle=idle) for shape in SHAPES if bits in (None, shape[0] * shape[1])]
    return max(energies) / min(energies) - 1


def fitted_idle(goal: float = PUBLISHED_SPREAD, *, bits: int | None = None) -> float:
    """The energy of idle columns at which the spread would be as published; found by halving, as it rises with it."""
    low, high = 0.0, IDLE
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if spread(middle, bits=bits) > goal else (middle, high)
    return low


def standby_pairs() -> dict[str, float]:
    """Ratios of energies that may be meant by PUBLISHED_FACTOR: which one is, the paper does not say."""
    return {
        "16 × 1 without standby / 16 × 1": shape_energy(16, 1, idle=1) / shape_energy(16, 1),
        "8 × 2 without standby / 2 × 8": shape_energy(8, 2, idle=1) / shape_energy(2, 8),
    }
