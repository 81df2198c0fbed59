"""Energy of compute-in-memory: the published constants times counted events, in pJ; never a measurement of ours.

One column operation adds, compares or writes one bit below one column in one cycle. Constants: Chauvaux et al., arXiv
2410.23082, table I (power at two operating points, all 256 columns at work) and section III (an idle column takes 87 %
less); DRAM and buffer as the paper takes them from Horowitz, ISSCC 2014.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from golden.errors import ConfigError

COLUMNS = 256
IDLE = 0.13
"""Energy of an idle column, in that of an active one."""
DRAM, BUFFER = 1000.0, 30.0
"""pJ for 32 bits."""
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
              dram: bool = False) -> Energy:
    """Energy of what a core counted.

    Args:
        counters: by name (`golden.registers`): `column_ops`, `idle_column_ops`, `state_reads`, `weight_reads`,
            `write_back_writes`; the last three are words of the memory behind the array.
        word_bits: of that memory.
        dram: whether each word also comes from, or goes to, DRAM.

    Raises:
        ConfigError: a counter is missing.
    """
    missing = [name for name in (*COLUMN_COUNTERS, *MOVED_COUNTERS) if name not in counters]
    if missing:
        raise ConfigError(f"energy of compute-in-memory: needs the counters {', '.join(missing)}; "
                          f"given: {', '.join(counters) or 'none'}")
    active, inactive = (counters[name] for name in COLUMN_COUNTERS)
    words = sum(counters[name] for name in MOVED_COUNTERS) * word_bits / 32
    return Energy(active * point.column, inactive * point.column * idle, words * BUFFER, words * DRAM * dram)
