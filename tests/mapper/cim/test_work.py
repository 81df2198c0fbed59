"""Counted work of a timestep against loops over events, taps and channels; designs side by side; whole systems."""

from dataclasses import replace

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from synapress.energy.cim import FAST, FRUGAL, energy_of
from synapress.energy.memory import memory_model
from synapress.mapper.cim.comparison import MODEL, compare, memory_of
from synapress.mapper.cim.gains import SPARSITIES, cases, fixed_precision, tuned
from synapress.mapper.cim.stationarity import KILOBYTE, PUBLISHED, Layer, resolved
from synapress.mapper.cim.work import Frame, cim_work, drawn, lanes_work, moved_words, summed, widest

CONFIG = CoreConfig()
COUNTED = ("events", "synapses", "adds", "compares", "resets", "cim_cycles", "column_ops", "idle_column_ops")


def by_hand(layer: Layer, frame: Frame, columns: int, array: int) -> dict[str, int]:
    """Event by event, tap by tap, block by block, row by row."""
    rows, block, reach = -(-layer.potential_bits // columns), array // columns, (layer.kernel - 1) // 2
    blocks = [range(first, min(first + block, layer.outputs)) for first in range(0, layer.outputs, block)]
    found = dict.fromkeys(COUNTED, 0)

    def operation(name: str, channels: range) -> None:
        found[name] += 1
        for _ in range(rows):
            found["cim_cycles"] += 1
            found["column_ops"] += len(channels) * columns
            found["idle_column_ops"] += array - len(channels) * columns

    places = range(layer.height)
    for _, x, y in zip(*np.nonzero(frame.events), strict=True):
        found["events"] += 1
        for i in range(layer.kernel):
            for j in range(layer.kernel):  # the neuron at x' sees the sources x' + i - reach
                if x - i + reach in places and y - j + reach in places:
                    found["synapses"] += layer.outputs
                    for channels in blocks:
                        operation("adds", channels)
    for x in places:
        for y in places:
            for channels in blocks:
                operation("compares", channels)
                if any(frame.fires[channel, x, y] for channel in channels):
                    operation("resets", channels)
    return found


def test_work_is_that_of_loops(seed: int) -> None:
    random = np.random.default_rng(seed)
    several = 0
    for _ in range(12):
        layer = Layer(name="a", inputs=int(random.integers(1, 4)), outputs=int(random.integers(1, 9)),
                      kernel=int(random.integers(1, 4)), height=int(random.integers(2, 6)),
                      potential_bits=int(random.integers(1, 13)))
        columns, array = int(random.integers(1, 5)), int(random.choice([8, 16, 32]))
        frame = drawn(layer, float(random.random()), int(random.integers(100)))
        assert cim_work(layer, frame, CONFIG, columns, array) == by_hand(layer, frame, columns, array)
        lanes = lanes_work(layer, frame, CONFIG)
        counted = by_hand(layer, frame, columns, array)
        assert (lanes["events"], lanes["synapses"]) == (counted["events"], counted["synapses"])
        assert lanes["word_ops"] * layer.outputs == -(-layer.outputs // CONFIG.lanes) * counted["synapses"]
        assert lanes["busy"] >= lanes["word_ops"] == lanes["state_reads"] == lanes["write_back_writes"]
        several += layer.outputs * columns > array
    assert several > 1


def test_as_many_neurons_at_once_as_fit() -> None:
    """⌊256 / N_C⌋ neurons in N_R cycles: all columns at work when they fill the array."""
    layer = Layer(name="a", inputs=1, outputs=256, kernel=1, height=1, potential_bits=16)
    one = Frame(np.ones((1, 1, 1), np.int64), np.zeros((256, 1, 1), np.int64))
    for columns, blocks in ((1, 1), (2, 2), (4, 4), (16, 16)):
        work = cim_work(layer, one, CONFIG, columns)
        assert work["adds"] == blocks and work["cim_cycles"] == 2 * blocks * 16 // columns  # added, compared
        assert work["idle_column_ops"] == 0
    pj = energy_of(work | moved_words(layer, "both", 64), 64).total
    assert pj == pytest.approx(2 * 256 * FAST.per_sop(16))


def test_the_widest_operands() -> None:
    """Fewest rows, and of these fewest columns: 12 bits of 16 channels in one row, of 32 in two, of 64 in three."""
    assert [widest(layer) for layer in PUBLISHED] == [12, 12, 6, 6, 4, 4]
    assert widest(Layer(name="a", inputs=1, outputs=300, kernel=1, height=1)) == 1


def test_moved_words() -> None:
    layer = PUBLISHED[0]  # 1,024 and 786,432 bits
    assert moved_words(layer, "none", 64) == {"state_reads": 12288, "weight_reads": 16, "write_back_writes": 12288}
    assert moved_words(layer, "weights", 64) == {"state_reads": 12288, "weight_reads": 0, "write_back_writes": 12288}
    assert moved_words(layer, "potentials", 64) == {"state_reads": 0, "weight_reads": 16, "write_back_writes": 0}
    assert set(moved_words(layer, "both", 64).values()) == {0}
    assert summed([]) == {} and summed([{"a": 1}, {"a": 2}]) == {"a": 3}


SMALL = tuple(replace(layer, height=16) for layer in PUBLISHED[:3])


def test_designs_take_the_same_events() -> None:
    cim, fixed, one, lanes = compare(SMALL, 0.9, macros=1)
    for design in (cim, fixed, one, lanes):
        assert [part["synapses"] for part in design.layers] == [part["synapses"] for part in cim.layers]
        assert design.total == sum(design.pj.values()) > 0
    assert cim.cycles < lanes.cycles and cim.pj["columns"] < fixed.pj["columns"]
    assert cim.moved_words < fixed.moved_words and lanes.moved_words == 0
    assert cim.pj["columns"] == pytest.approx(FAST.column * sum(part["column_ops"] for part in cim.layers))
    assert one.cycles == cim.cycles and one.moved_words > cim.moved_words  # nothing stays from layer to layer
    assert cim.latency(FAST) == (cim.cycles / 157, (cim.cycles + cim.moved_words) / 157)
    assert cim.latency(FRUGAL)[0] == cim.cycles / 75.5
    assert compare(SMALL, 0.99)[0].cycles < cim.cycles
    narrow = compare(SMALL, 0.9, columns={"L1": 1})[0]
    assert narrow.layers[0]["cim_cycles"] == 12 * cim.layers[0]["cim_cycles"]
    with pytest.raises(ConfigError, match=r"sparsity: 1.5 is outside \[0, 1\]"):
        compare(SMALL, 1.5)
    with pytest.raises(ConfigError, match="300 columns of an operand are outside"):
        compare(SMALL, 0.9, columns={"L1": 300})


def test_the_core_with_lanes_pays_for_its_accesses() -> None:
    """Three words of an operation, two of a state in an evaluation, all of one bank's energy."""
    lanes = compare(SMALL, 0.9)[-1]
    config = memory_of(resolved(SMALL, 8, 16), CONFIG)
    need = sum(layer.outputs // 4 * 256 + layer.weights // 8 for layer in SMALL)
    assert config.memory_words // 2 < need <= config.memory_words
    bank = config.memory_words * config.word_bits / config.banks
    read, write = (getattr(memory_model(MODEL), kind)(bank, config.word_bits) for kind in ("read", "write"))
    total = summed(lanes.layers)
    assert lanes.total == pytest.approx(
        (total["word_ops"] + total["weight_reads"] + total["evaluation_reads"]) * read
        + (total["word_ops"] + total["evaluation_writes"]) * write)


def test_the_table_of_gains() -> None:
    """Gains in % at 85, 90, 95 and 99 % sparsity, and kB moved, worked out from the constants by hand."""
    found = {case.name: [round(100 * case.gain(sparsity), 1) for sparsity in SPARSITIES] for case in cases()}
    assert found["8b/12b, 16 macros"] == [82.2, 84.2, 86.3, 88.0]
    assert found["8b/12b, footprint × 0.84, 16 macros"] == [91.0, 92.9, 94.9, 96.6]
    assert found["6b/11b, 18 macros"] == [89.4, 92.5, 95.8, 98.6]
    placed = found["8b/12b, 16 macros as placed"]
    assert all(0 < best - held < 1 for best, held in zip(found["8b/12b, 16 macros"], placed, strict=True))
    ours, other = cases()[0].ours, cases()[0].other
    assert (ours.moved / KILOBYTE, other.moved / KILOBYTE) == (79.5, 692)
    assert ours.energy(0.85) == pytest.approx((18_808_832 * .15 * 12 * 17.9 / 157 / .256, 79.5 * 256 * 1030))
    assert other.energy(1.0)[0] == 0 and fixed_precision() == other


def test_resolutions_of_ones_own() -> None:
    low = tuned("mine", resolved(PUBLISHED, 4, 8), 16)
    assert low.ours.moved == 0 and low.gain(0.85) > cases()[0].gain(0.85)
    mixed = (replace(PUBLISHED[0], potential_bits=10), *PUBLISHED[1:])
    assert FAST.per_sop(11) < tuned("mixed", mixed, 16).ours.sop < FAST.per_sop(12)
