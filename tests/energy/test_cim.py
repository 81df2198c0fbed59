"""Energy of compute-in-memory: the published table from its constants, shapes, and counted events."""

import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from synapress.energy.accesses import access_energy
from synapress.energy.cim import (
    BUFFER,
    DRAM,
    FAST,
    FRUGAL,
    POINTS,
    PUBLISHED_FACTOR,
    PUBLISHED_SPREAD,
    SHAPES,
    energy_of,
    fitted_idle,
    shape_energy,
    spread,
    standby_pairs,
)
from synapress.energy.memory import memory_model

COUNTERS = {"column_ops": 100, "idle_column_ops": 200, "state_reads": 3, "weight_reads": 5, "write_back_writes": 7}


def test_the_published_table() -> None:
    """At 8-bit weights and 16-bit potentials; within 1.4 % of what table I prints."""
    found = [(round(point.per_sop(16), 2), round(point.per_bits(8, 16), 1), round(point.rate(16), 3))
             for point in POINTS]
    assert found == [(7.13, 55.7, 2.512), (5.63, 44.0, 1.208)]
    for mine, printed in zip(found, ((7.2, 56.3, 2.5), (5.7, 44.5, 1.2)), strict=True):
        assert mine == pytest.approx(printed, rel=0.014)
    assert round(FAST.column, 3) == 0.445 and FAST.microseconds(157) == 1 == FRUGAL.microseconds(75.5)


def test_energy_of_counters() -> None:
    found = energy_of(COUNTERS, 64)
    assert (found.columns, found.idle) == pytest.approx((100 * FAST.column, 200 * FAST.column * 0.13))
    assert (found.buffer, found.dram) == (15 * 2 * BUFFER, 0)
    assert found.total == pytest.approx(found.columns + found.idle + found.buffer)
    other = energy_of(COUNTERS | {"cycles": 9}, 32, FRUGAL, idle=1, buffer=2, dram=DRAM)
    assert (other.columns, other.idle, other.buffer, other.dram) == pytest.approx((35.2, 70.4, 30, 15_000))
    with pytest.raises(ConfigError, match="needs the counters weight_reads, write_back_writes; given: column_ops"):
        energy_of({name: COUNTERS[name] for name in list(COUNTERS)[:3]}, 64)


def test_shapes() -> None:
    """Relative to 2 × 8; the standby that the paper's spread would need is not the printed one."""
    assert [round(shape_energy(*shape) / shape_energy(2, 8), 2) for shape in SHAPES] == [1.39, 1.37, 1.13, 1.17, 1]
    assert shape_energy(2, 8) == pytest.approx(FAST.per_sop(16))  # no column is idle
    assert round(spread(), 2) == 0.39 > PUBLISHED_SPREAD
    assert round(fitted_idle(bits=16), 4) == 0.08 and round(fitted_idle(), 3) == 0.061
    assert spread(fitted_idle()) == pytest.approx(PUBLISHED_SPREAD) == spread(0.08, bits=16)
    pairs = standby_pairs()
    assert [round(ratio, 2) for ratio in pairs.values()] == [4.19, 4.0] and max(pairs.values()) < PUBLISHED_FACTOR
    with pytest.raises(ConfigError, match="32 channels of 9 columns have no room in 256"):
        shape_energy(1, 9)


def test_accesses_of_a_core() -> None:
    config, model = CoreConfig(), memory_model("cacti22")
    bits = config.memory_words * config.word_bits / config.banks
    counters = {"state_reads": 2, "axon_reads": 1, "write_back_writes": 5, "cycles": 1000}
    assert access_energy(counters, config, model) == pytest.approx(3 * model.read(bits, 64) + 5 * model.write(bits, 64))
