"""The way back through synapses that are looked up, and weights that change, against plain numpy."""

import numpy as np
import pytest

from golden.errors import ConfigError, NetworkError
from golden.synapse.organisations.interface import KINDS, Organisation, Pass, Sizes, offers
from golden.synapse.organisations.place import place, reciprocal
from golden.types import IntArray
from tests.golden.synapse.organisations.test_lookup import NAMES, organisation, random_matrix, random_sizes

BACK = (Pass.BACKWARD, Pass.UPDATE)


def stored_matrix(rng: np.random.Generator) -> tuple[IntArray, int, IntArray]:
    """A matrix, the bits of its weights, and which of them are stored though they are 0."""
    matrix, bits = random_matrix(rng, 150)
    return matrix, bits, (rng.random(matrix.shape) < rng.choice([0, 0.2])).astype(int)


@pytest.mark.parametrize("name", NAMES)
def test_columns(name: str, seed: int) -> None:
    """Column by column the weights of the matrix, each where it can be read, and the word accesses by the formulas."""
    rng = np.random.default_rng(seed)
    for _ in range(25):
        matrix, bits, stored = stored_matrix(rng)
        sizes = random_sizes(rng, learning=1)
        item = organisation(name).pack(matrix, weight_bits=bits, sizes=sizes, index_base=int(rng.integers(50)),
                                       weight_base=int(rng.integers(50)), stored=stored)
        assert (item.weights() == matrix).all()
        inputs, outputs = matrix.shape
        for j in rng.integers(0, outputs, 8).tolist():
            there = np.flatnonzero((matrix[:, j] != 0) | (stored[:, j] != 0) | (name == "crossbar"))
            for walk in BACK:
                found = item.expand({"pass": walk, "neuron": j, "value": 3})
                assert (found.neurons == there).all() and not found.errors
                assert found.weights.tolist() == matrix[there, j].tolist() == [
                    item.read_weight(int(where)) for where in found.weight_addresses]
                assert found.counts["weight_write"] == (len(there) if walk == Pass.UPDATE else 0)
            reads = {kind: found.counts[kind] for kind in ("index_read", "bitmap_read")}
            searched = name == "compressed_rows" and sizes.search
            assert searched or found.counts["weight_read"] == len(there)
            words = 1 if sizes.checkpoints else j // sizes.word_bits + 1
            if name == "bitmap":
                assert reads == {"index_read": inputs, "bitmap_read": inputs * words}
            elif name == "crossbar" or searched:
                assert reads["bitmap_read"] == 0 and reads["index_read"] <= searched * (inputs + 1)
            elif sizes.serial or sizes.word_bits == 64:
                assert reads["index_read"] - len(there) in (1, 2) and reads["bitmap_read"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_counts_of_many(name: str, seed: int) -> None:
    """The closed forms are what the literal walks count, of all passes side by side."""
    rng = np.random.default_rng(seed)
    for _ in range(40):
        matrix, bits, stored = stored_matrix(rng)
        item = organisation(name).pack(matrix, weight_bits=bits, sizes=random_sizes(rng, learning=1), index_base=7,
                                       weight_base=9, stored=stored)
        passes = rng.integers(0, 3, 10)
        neurons = rng.integers(0, np.where(passes == Pass.FORWARD, *matrix.shape))
        counted = item.counts(neurons, passes)
        for place_, (walk, i) in enumerate(zip(passes.tolist(), neurons.tolist(), strict=True)):
            one = item.expand({"pass": walk, "neuron": i, "value": 0})
            literal = {**one.counts, "synapses": len(one.neurons), "cycles": one.cycles, "interval": one.interval}
            assert {kind: int(values[place_]) for kind, values in counted.items()} == literal
        assert set(KINDS) < set(counted)
        one_pass = item.counts(np.arange(matrix.shape[1]), Pass.BACKWARD)
        assert one_pass["synapses"].sum() == item.counts(np.arange(len(matrix)))["synapses"].sum()
    with pytest.raises(ConfigError, match="learning = 1"):
        organisation(name).pack(matrix, weight_bits=bits, sizes=Sizes(address_bits=16)).counts([0], Pass.UPDATE)


def test_errors_and_states_are_numpys(seed: int) -> None:
    """Sums over the ways of all neurons: W·e backward, and the transposed product forward, in every organisation."""
    rng = np.random.default_rng(seed)
    for _ in range(8):
        matrix, bits = random_matrix(rng, 60)
        values = [rng.integers(-256, 256, size) * (rng.random(size) < 0.5) for size in matrix.shape]
        for name in NAMES:
            item = organisation(name).pack(matrix, weight_bits=bits, sizes=random_sizes(rng, learning=1))
            for walk, given, expected in ((Pass.FORWARD, values[0], matrix.T @ values[0]),
                                          (Pass.BACKWARD, values[1], matrix @ values[1])):
                sums = np.zeros_like(expected)
                for neuron in np.flatnonzero(given).tolist():
                    found = item.expand({"pass": walk, "neuron": neuron, "value": int(given[neuron])})
                    np.add.at(sums, found.neurons, found.weights * given[neuron])
                assert (sums == expected).all()


@pytest.mark.parametrize("name", NAMES)
def test_weights_change_in_place(name: str, seed: int) -> None:
    """What is written is read again, forward and backward, and nothing else is; not even a 0 changes what is stored."""
    rng = np.random.default_rng(seed)
    for _ in range(12):
        matrix, bits, stored = stored_matrix(rng)
        item = organisation(name).pack(matrix, weight_bits=bits, sizes=random_sizes(rng, learning=1), index_base=3,
                                       weight_base=5, stored=stored)
        there = organisation(name).pack(matrix, weight_bits=bits, sizes=item.sizes, stored=stored).counts(
            np.arange(len(matrix)))["synapses"]
        half = 1 << bits - 1
        for j in rng.integers(0, matrix.shape[1], 6).tolist():
            found = item.expand({"pass": Pass.UPDATE, "neuron": j, "value": 1})
            new = rng.integers(-half, half, len(found.neurons)) * (rng.random(len(found.neurons)) < 0.7)
            for address, weight in zip(found.weight_addresses.tolist(), new.tolist(), strict=True):
                item.write_weight(address, weight)
            matrix[found.neurons, j] = new
        assert (item.weights() == matrix).all()
        assert (item.counts(np.arange(len(matrix)))["synapses"] == there).all()
        outputs = rng.integers(0, matrix.shape[1], 5).tolist()
        for j in outputs:
            found = item.expand({"pass": Pass.BACKWARD, "neuron": j, "value": 1})
            assert (found.weights == matrix[found.neurons, j]).all()


def test_division_by_weights_per_word() -> None:
    """The constants of the hardware give the quotient, of every number that a neuron's index can be."""
    numbers = np.arange(1 << 20, dtype=np.uint64)
    for word_bits in (64, 128):
        sizes = Sizes(address_bits=10, word_bits=word_bits)
        for width in range(1, 13):
            factor, shift, used = reciprocal(width, 20, sizes)
            assert ((numbers * np.uint64(factor) >> np.uint64(shift)) == numbers // np.uint64(word_bits // width)).all()
            assert used == word_bits // width * width
            assert place(1000, width, sizes) == (1000 // (word_bits // width), 1000 % (word_bits // width) * width)


def test_cycles_as_they_are_said() -> None:
    """The figures of the hardware's docstrings, by hand: a synapse per cycle, or a row in two."""
    for latency in (1, 3):
        for name, options, first, space in (
                ("crossbar", {}, 3 + latency, 1), ("compressed_rows", {}, 4 + 3 * latency, 1),
                ("bitmap", {}, 6 + 2 * latency, 2), ("bitmap", {"checkpoints": 1}, 6 + 2 * latency, 2),
                ("compressed_rows", {"search": 1}, 5 + 3 * latency, 3 + latency)):
            sizes = Sizes(address_bits=14, read_latency=latency, learning=1, **options)
            outputs = 200 if "checkpoints" in options else 1 if "search" in options else 64
            item = organisation(name).pack(np.ones((100, outputs), int), weight_bits=8, sizes=sizes)
            found = item.expand({"pass": Pass.UPDATE, "neuron": outputs - 1, "value": 1})
            assert item.start_up(sizes, Pass.UPDATE) == first
            assert offers([0], [found.steps], latency) == [list(range(first, first + 100 * space, space))]


def test_what_is_dropped_and_refused() -> None:
    """A neuron that is not there at the other end, a pass that is none; and what is only for learning."""
    sizes = Sizes(address_bits=10, learning=1)
    for name in NAMES:
        item = organisation(name).pack(np.ones((5, 9), int), weight_bits=2, sizes=sizes)
        for walk, neuron, errors in ((1, 8, 0), (2, 8, 0), (1, 9, 1), (2, 9, 1), (3, 0, 1), (0, 5, 1)):
            found = item.expand({"pass": walk, "neuron": neuron, "value": 1})
            assert found.errors == errors and bool(len(found.neurons)) != bool(errors)
        with pytest.raises(NetworkError, match="shape"):
            organisation(name).pack(np.ones((5, 9), int), weight_bits=2, sizes=sizes, stored=np.ones((5, 8)))
    for option in ("search", "checkpoints"):
        with pytest.raises(ConfigError, match=option):
            Sizes(address_bits=10, **{option: 1})


def test_what_only_the_way_back_needs() -> None:
    """Beside the formulas: links and column pointers, and pointers of words of bits."""
    matrix = np.ones((10, 150), int)
    for options, expected in (({}, {"crossbar": 0, "bitmap": 0, "compressed_rows": 151 * 32 + 1500 * 64}),
                              ({"search": 1, "checkpoints": 1}, {"crossbar": 0, "bitmap": 20 * 32,
                                                                "compressed_rows": 0})):
        for name in NAMES:
            packed: list[Organisation] = [organisation(name).pack(matrix, weight_bits=4, sizes=Sizes(
                address_bits=14, **more)) for more in ({}, {"learning": 1, **options})]
            assert sum(packed[1].learning_bits().values()) == expected[name]
            assert packed[0].storage_bits() == packed[1].storage_bits()
            assert packed[1].image_words - packed[0].image_words == -(-expected[name] // 64)
