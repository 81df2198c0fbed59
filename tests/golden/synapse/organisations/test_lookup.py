"""Synapses that are looked up: what the packers write and the walks give, against plain numpy."""

import itertools

import numpy as np
import pytest

from golden.config import PRESETS
from golden.errors import ConfigError, FieldRangeError, ImageError, NetworkError
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.interface import KINDS, Organisation, Sizes, offers, synapse_layout
from golden.types import IntArray

NAMES = ("crossbar", "bitmap", "compressed_rows")


def organisation(name: str) -> type[Organisation]:
    return ORGANISATIONS.load(name, Organisation)


def random_matrix(rng: np.random.Generator, most: int = 300) -> tuple[IntArray, int]:
    """A matrix of any shape and density, perhaps with empty rows and columns, and the bits of its weights."""
    shape = tuple(int(size) for size in rng.choice([1, 2, 63, 64, 65, int(rng.integers(1, most + 1))], 2))
    bits = int(rng.integers(1, 13))
    half = 1 << bits - 1
    matrix = rng.integers(-half, half, shape)
    matrix[rng.random(shape) >= rng.choice([0, 0.02, 0.3, 0.9, 1])] = 0
    matrix[rng.random(shape[0]) < rng.choice([0, 0.3])] = 0
    matrix[:, rng.random(shape[1]) < rng.choice([0, 0.3])] = 0
    return matrix, bits


def random_sizes(rng: np.random.Generator, learning: int = 0) -> Sizes:
    return Sizes(address_bits=16, word_bits=int(rng.choice([64, 128])), serial=int(rng.integers(2)),
                 read_latency=int(rng.integers(1, 4)), learning=learning, search=learning and int(rng.integers(2)),
                 checkpoints=learning and int(rng.integers(2)))


def stored_bits(item: Organisation, address: int, bits: int) -> int:
    """A signed number at a bit address of the weight memory."""
    word, offset = divmod(address, item.sizes.word_bits)
    assert offset + bits <= item.sizes.word_bits, "a weight lies across words"
    raw = item.weight_word(word) >> offset & (1 << bits) - 1
    return raw - (raw >> bits - 1 << bits)


@pytest.mark.parametrize("name", NAMES)
def test_every_synapse(name: str, seed: int) -> None:
    """Row by row the weights of the matrix; the word accesses by the formulas; the weights are where they are said."""
    rng = np.random.default_rng(seed)
    for _ in range(30):
        matrix, bits = random_matrix(rng, 120)
        sizes = random_sizes(rng)
        bases = {"index_base": int(rng.integers(50)), "weight_base": int(rng.integers(50))}
        item = organisation(name).pack(matrix, weight_bits=bits, sizes=sizes, **bases)
        assert (item.index_origin, item.weight_origin) == (bases["index_base"] * (name != "crossbar"),
                                                          bases["weight_base"])
        per_word = 2 * sizes.word_bits // 64 if name == "compressed_rows" else sizes.word_bits // bits
        for i in rng.integers(0, len(matrix), 10):
            found = item.expand({"pass": 0, "neuron": int(i), "value": 3})
            there = np.arange(matrix.shape[1]) if name == "crossbar" else np.flatnonzero(matrix[i])
            assert (found.neurons == there).all() and (found.weights == matrix[i][there]).all() and not found.errors
            stored = [stored_bits(item, int(place), bits) for place in found.weight_addresses]
            assert stored == matrix[i][there].tolist()
            words = len(there) if sizes.serial else len(set((found.weight_addresses // sizes.word_bits).tolist()))
            assert found.counts["weight_read"] == words
            assert sizes.serial or words <= -(-(len(there) + per_word - 1) // per_word)
            assert found.counts["bitmap_read"] == (-(-matrix.shape[1] // sizes.word_bits) if name == "bitmap" else 0)
            assert found.counts["index_read"] == {
                "crossbar": 0, "bitmap": 1,
                "compressed_rows": 2 if sizes.serial else 1 + ((i + 1) % (sizes.word_bits // 32) == 0)}[name]


@pytest.mark.parametrize("name", NAMES)
def test_counts_of_many(name: str, seed: int) -> None:
    """The closed form is what the literal walk counts, request by request."""
    rng = np.random.default_rng(seed)
    for _ in range(40):
        matrix, bits = random_matrix(rng, 150)
        item = organisation(name).pack(matrix, weight_bits=bits, sizes=random_sizes(rng), index_base=7, weight_base=9)
        neurons = rng.integers(0, len(matrix), 12)
        counted = item.counts(neurons)
        for place, i in enumerate(neurons):
            one = item.expand({"pass": 0, "neuron": int(i), "value": 0})
            literal = {**one.counts, "synapses": len(one.neurons), "cycles": one.cycles, "interval": one.interval}
            assert {kind: int(values[place]) for kind, values in counted.items()} == literal
        assert set(KINDS) < set(counted)


def test_all_give_the_same_states(seed: int) -> None:
    """Every organisation of a matrix adds up to numpy's product, bit for bit."""
    rng = np.random.default_rng(seed)
    for _ in range(10):
        matrix, bits = random_matrix(rng, 60)
        values = rng.integers(-256, 256, len(matrix)) * (rng.random(len(matrix)) < 0.5)
        for name in NAMES:
            item = organisation(name).pack(matrix, weight_bits=bits, sizes=random_sizes(rng))
            states = np.zeros(matrix.shape[1], np.int64)
            for i in np.flatnonzero(values):
                found = item.expand({"pass": 0, "neuron": int(i), "value": int(values[i])})
                np.add.at(states, found.neurons, found.weights * values[i])
            assert (states == matrix.T @ values).all()


def test_storage_by_the_formulas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-8, 8, (100, 70))
    inputs, outputs = matrix.shape
    nonzero, bits, place_bits = np.count_nonzero(matrix), 4, 13  # 7000 places
    expected = {"crossbar": inputs * outputs * bits,
                "bitmap": inputs * outputs + nonzero * bits + (inputs + 1) * place_bits,
                "compressed_rows": nonzero * (bits + 2 * place_bits)}
    for name in NAMES:
        item = organisation(name).pack(matrix, weight_bits=bits, sizes=Sizes(address_bits=16), index_base=3)
        assert sum(item.storage_bits().values()) == expected[name]
    # 16 weights a word: five words a row. Bits: two words a row, two pointers a word.
    assert organisation("crossbar").pack(matrix, weight_bits=4, sizes=Sizes(address_bits=16)).image_words == 500
    item = organisation("bitmap").pack(matrix, weight_bits=4, sizes=Sizes(address_bits=16))
    assert item.image_words == 51 + 200 + -(-nonzero // 16)
    item = organisation("compressed_rows").pack(matrix, weight_bits=4, sizes=Sizes(address_bits=16))
    assert item.image_words == 51 + -(-nonzero // 2)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_dropped(name: str) -> None:
    """A pass to come, a neuron too many, a layer whose weights are too wide: one error, and nothing is read."""
    sizes = Sizes(address_bits=10, weight_bits=8)
    item = organisation(name).pack(np.ones((5, 9), int), weight_bits=2, sizes=sizes)
    request = {"pass": 0, "neuron": 4, "value": 1}
    assert item.expand(request).errors == 0
    wide = item.within(item.index_words, item.weight_words, weight_bits=9)
    for broken, wrong in ((item, {"pass": 1}), (item, {"pass": 2}), (item, {"neuron": 5}), (wide, {})):
        found = broken.expand({**request, **wrong})
        assert (found.errors, len(found.neurons), sum(found.counts.values())) == (1, 0, 0)


def test_damaged_tables() -> None:
    """Pointers that lead out of the memory, and entries of neurons that are not there."""
    sizes, request = Sizes(address_bits=6), {"pass": 0, "neuron": 0, "value": 1}
    matrix = np.full((2, 40), 3)
    rows = organisation("compressed_rows").pack(matrix, weight_bits=8, sizes=sizes)
    memory = np.zeros(64, np.uint64)
    memory[:2] = rows.index_words
    backward = rows.within(np.array([5 | 4 << 32], np.uint64), memory)
    more = rows.within(np.array([0 | 41 << 32], np.uint64), memory)
    assert [item.expand(request).errors for item in (backward, more)] == [1, 1]
    near_the_end = rows.within(np.array([120 | 140 << 32], np.uint64), memory)
    found = near_the_end.expand(request)
    assert (len(found.neurons), found.errors) == (8, 1)
    strangers = rows.within(np.array([0 | 3 << 32], np.uint64), np.array([40 | 39 << 32, 41], np.uint64))
    assert strangers.expand(request).neurons.tolist() == [39] and strangers.expand(request).errors == 2

    bits = organisation("bitmap").pack(matrix, weight_bits=8, sizes=sizes)
    beyond = bits.within(np.array([0, 1 << 45 | 1 << 41 | 0b101], np.uint64), memory, bitmap_base=1)
    found = beyond.expand(request)
    assert found.neurons.tolist() == [0, 2] and found.errors == 2
    no_place = bits.within(np.array([8, 0b101], np.uint64), memory, bitmap_base=1)  # a word has eight places
    found = no_place.expand(request)
    assert (len(found.neurons), found.errors, found.counts["bitmap_read"]) == (0, 1, 1)

    crossbar = organisation("crossbar").pack(matrix, weight_bits=8, sizes=sizes)
    found = crossbar.within(memory, memory, weight_base=61).expand(request)
    assert (len(found.neurons), found.errors) == (24, 1)


def test_what_packers_refuse() -> None:
    sizes = Sizes(address_bits=6)
    for matrix, bits, error, message in (
            ([[1], [1, 2]], 8, NetworkError, "shape"),
            (np.ones(4), 8, NetworkError, "shape"), (np.ones((0, 4)), 8, NetworkError, "shape"),
            (np.full((2, 2), 0.5), 8, NetworkError, "quantize"), (np.full((2, 2), np.nan), 8, NetworkError, "quantize"),
            (np.full((2, 2), "a"), 8, NetworkError, "integers"), (np.full((2, 2), 128), 8, FieldRangeError, "8 bits"),
            (np.ones((2, 2)), 13, FieldRangeError, "weight_bits"), (np.ones((2, 2)), 0, FieldRangeError, "weight_bits"),
            (np.ones((1, 1 << 17), np.int8), 8, NetworkError, "16 bits can name"),
            (np.ones((100, 100)), 8, ImageError, "leave the memory of 64")):
        for name in NAMES:
            with pytest.raises(error, match=message):
                organisation(name).pack(matrix, weight_bits=bits, sizes=sizes)
    with pytest.raises(ImageError, match="overlaps"):
        organisation("bitmap").pack(np.ones((9, 9)), weight_bits=8, sizes=sizes, index_base=3, bitmap_base=5)
    for wrong in ({"word_bits": 96}, {"read_latency": 0}, {"serial": 2}, {"address_bits": 40}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Sizes(**{"address_bits": 10, **wrong})
    assert Sizes.of(PRESETS["grai_vip"]).read_latency == 3


def test_order_of_offers() -> None:
    """A step without a word of its own does not overtake one that waits."""
    assert offers([0], [[(2, True), (3, False), (9, False)]], 3) == [[6, 7, 11]]
    assert offers([0, 3], [[(2, True)], [(5, False)]], 3) == [[6], [10]]
    assert offers([0, 1], [[(2, True)], [(1, False)]], 5) == [[8], [9]]


def test_cycles_as_they_are_said() -> None:
    """The figures of the hardware's docstrings, by hand."""
    for latency, serial in itertools.product((1, 3), (0, 1)):
        sizes = Sizes(address_bits=14, read_latency=latency, serial=serial)
        full, empty = np.ones((2, 640), int), np.zeros((2, 640), int)
        request = {"pass": 0, "neuron": 1, "value": 1}
        for name in NAMES:
            first = 3 + latency if name == "crossbar" else 4 + 2 * latency
            found = organisation(name).pack(full, weight_bits=8, sizes=sizes).expand(request)
            assert organisation(name).start_up(sizes) == first <= (6 if latency == 1 else 10)
            assert offers([0], [found.steps], latency) == [list(range(first, first + 640))]
            assert found.cycles == first + 639
        nothing = organisation("bitmap").pack(empty, weight_bits=8, sizes=sizes).expand(request)
        fewer = organisation("bitmap").pack(empty[:, :576], weight_bits=8, sizes=sizes).expand(request)
        assert nothing.cycles - fewer.cycles == nothing.interval - fewer.interval == 1  # a word of bits
        assert nothing.interval == latency + 3 + 10


def test_words_hold_what_they_must() -> None:
    """The shapes of wide words; and the bit address of a weight fits its field."""
    for word_bits, serial in itertools.product((64, 128), (0, 1)):
        sizes = Sizes(address_bits=8, word_bits=word_bits, serial=serial)
        assert synapse_layout(sizes).field("weight_address").bits == 8 + (6 if word_bits == 64 else 7)
        for name in NAMES:
            item = organisation(name).pack(np.ones((3, 100), int), weight_bits=2, sizes=sizes)
            assert item.weight_words.shape[1:] == ((2,) if word_bits == 128 else ())
