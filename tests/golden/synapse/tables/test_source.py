"""The look-up tables at the source against the matrices that they were made of, and the paper's bits."""

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError, FieldRangeError, ImageError, NetworkError
from golden.synapse.organisations.compressed_rows import CompressedRows
from golden.synapse.organisations.interface import Sizes
from golden.synapse.tables import flat, routing
from golden.synapse.tables.flat import Flat
from golden.synapse.tables.routing import Routing
from golden.synapse.tables.source import Sent, SourceTable
from golden.types import Fields, IntArray
from golden.words import EventKind, layouts

SIZES = Sizes(address_bits=12)
CORES = [(0, 0), (1, -2), (-8, 7)]


def matrix_of(rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Weights, and which of CORES each output is in."""
    inputs, outputs = (int(n) for n in rng.integers(1, 40, 2))
    return rng.integers(-128, 128, (inputs, outputs)) * (rng.random((inputs, outputs)) < rng.random()), \
        rng.integers(0, len(CORES), outputs)


def send(table: SourceTable, index: int, value: int, end: int = 0) -> Sent:
    return table.expand({"index": index, "value": value, "end": end})


def test_flat_sums_are_the_product_of_the_matrix(seed: int) -> None:
    """One event for each weight; a receiver that only adds has W.T @ values."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        matrix, part = matrix_of(rng)
        place = np.array(CORES)[part]
        neuron = rng.permutation(1 << 16)[:matrix.shape[1]]
        table = Flat.of(matrix, place[:, 0], place[:, 1], neuron, sizes=SIZES, index_base=3, entry_base=700)
        values, states = rng.integers(-256, 256, len(matrix)), dict.fromkeys(
            ((*CORES[core], int(number)) for core, number in zip(part, neuron, strict=True)), 0)
        for index, value in enumerate(values.tolist()):
            events = send(table, index, value).events
            assert len(events["kind"]) == np.count_nonzero(matrix[index]) and not events["kind"].any()
            for x, y, number, increment in zip(*(events[name].tolist() for name in (
                    "core_x", "core_y", "neuron", "increment")), strict=True):
                states[x, y, number] += increment
        assert list(states.values()) == (matrix.T @ values).tolist()
        entries = np.count_nonzero(matrix)
        assert table.storage_bits() == {"entries": 23 * entries, "weights": 8 * entries}
        ends = send(table, 0, 5, end=1).events
        assert {(x, y) for x, y in zip(ends["core_x"].tolist(), ends["core_y"].tolist(), strict=True)} \
            == {CORES[core] for core in part[matrix.any(axis=0)]}
        assert (ends["kind"] == EventKind.END).all() and not ends["increment"].any()


def test_tags_are_rows_of_the_destinations_tables(seed: int) -> None:
    """Both levels together give W.T @ values: routes, and in each core a table of compressed rows."""
    rng = np.random.default_rng(seed)
    for _ in range(20):
        matrix, part = matrix_of(rng)
        table = Routing.of(matrix, part, CORES, [4, 5, 200], sizes=SIZES, index_base=100)
        values, total = rng.integers(-256, 256, len(matrix)), np.zeros(matrix.shape[1], np.int64)
        columns = {core: np.flatnonzero(part == core) for core in range(len(CORES))}
        there = {core: CompressedRows.pack(matrix[:, found], weight_bits=8, sizes=SIZES)
                 for core, found in columns.items() if found.size}
        count = 0
        for index, value in enumerate(values.tolist()):
            events = send(table, index, value).events
            for row in zip(*(events[name].tolist() for name in ("core_x", "core_y", "id", "tag", "v")), strict=True):
                core = CORES.index(row[:2])
                assert row[2] == [4, 5, 200][core]
                found = there[core].expand({"pass": 0, "neuron": row[3], "value": row[4]})
                np.add.at(total, columns[core][found.neurons], found.weights * row[4])
                count += 1
        np.testing.assert_array_equal(total, matrix.T @ values)
        assert table.storage_bits() == {"entries": 23 * count}


@pytest.mark.parametrize("sizes", [SIZES, Sizes(address_bits=12, serial=1, read_latency=3)], ids=["plain", "serial"])
def test_counts_are_those_of_the_walks(sizes: Sizes, seed: int) -> None:
    matrix, part = matrix_of(np.random.default_rng(seed))
    table = Routing.of(matrix, part, CORES, [1, 2, 3], sizes=sizes)
    counts, sent = table.counts(np.arange(len(matrix))), [send(table, index, 1) for index in range(len(matrix))]
    for kind in ("index_read", "entry_read"):
        assert counts[kind].tolist() == [one.counts[kind] for one in sent]
    assert counts["events"].tolist() == [len(one.events["kind"]) for one in sent]
    assert counts["cycles"].tolist() == [one.cycles for one in sent]
    assert counts["interval"].tolist() == [one.interval for one in sent]
    assert send(table, len(matrix), 1).errors == 1, "the row of an end is nobody's"


def test_events_are_words_of_the_network() -> None:
    config = CoreConfig.preset("grai_vip")
    tagged: Fields = {"v": -3, "tag": 60_000, "id": 9, "kind": 0, "core_x": -8, "core_y": 7}
    word = layouts(config).event.unpack(routing.event_word(config, tagged))
    assert word["x"] == 0 and word["y"] * (1 << config.channel_bits) + word["c"] == 60_000
    assert all(word[name] == tagged[name] for name in ("v", "id", "kind", "core_x", "core_y"))
    increment: Fields = {"increment": -128 * 255, "neuron": 60_000, "kind": 1, "core_x": -8, "core_y": 7}
    packed = flat.event_word(config, increment)
    word = layouts(config).event.unpack(packed)
    bits = config.value_bits + config.channel_bits
    assert packed % (1 << bits) == -128 * 255 % (1 << bits)
    assert packed >> bits & 0xFFFF == 60_000
    assert all(word[name] == increment[name] for name in ("kind", "core_x", "core_y"))
    small = CoreConfig.preset("fpga_small")
    with pytest.raises(ConfigError, match="tag of 16 bits"):
        routing.event_word(small, tagged)
    narrow = CoreConfig(name="narrow", channel_bits=6, population_bits=5)
    with pytest.raises(ConfigError, match="increment of 17 bits"):
        flat.event_word(narrow, increment)


def test_malformed_tables_are_refused() -> None:
    none: dict[str, IntArray] = {name: np.zeros(0, np.int64) for name in ("tag", "id", "core_x", "core_y")}
    one = {name: np.ones(1, np.int64) for name in none}
    with pytest.raises(NetworkError, match="sum to 2"):
        Routing.pack([1, 1], one, none, sizes=SIZES)
    with pytest.raises(NetworkError, match="more than 65536"):
        Routing.pack(np.zeros(1 << 16, np.int64), none, none, sizes=Sizes(address_bits=20))
    with pytest.raises(FieldRangeError, match="core_x"):
        Routing.pack([1], one | {"core_x": np.array([8])}, none, sizes=SIZES)
    with pytest.raises(ImageError, match="entries"):
        Routing.pack([1], one, none, sizes=SIZES, entry_base=1 << 12)
    with pytest.raises(NetworkError, match="integers"):
        Flat.of(np.ones((2, 2)), [0, 0], [0, 0], [0, 1], sizes=SIZES)
    with pytest.raises(ConfigError, match="must be at least 16"):
        Routing.pack([1], one, none, sizes=Sizes(address_bits=12, neuron_bits=8))
