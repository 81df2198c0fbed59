"""The walks back of the functional memory organisations against unrolled matrices, and their numbers of weights."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from golden.errors import ConfigError, FieldRangeError, NetworkError
from golden.synapse.organisations.convolution import Convolution, Map, anchor_layout, post_layout
from golden.synapse.organisations.interface import KINDS, Pass, Sizes
from golden.synapse.organisations.numbers import slot_bits, weight_numbers
from golden.types import Fields, IntArray
from tests.golden.synapse.organisations.test_functional import NAMES, organisation, random_kernel, variants

SIZES = (Sizes(address_bits=16, learning=1),
         Sizes(address_bits=16, word_bits=128, serial=1, read_latency=3, learning=1))


def ask(walk: int, neuron: int = 0, value: int = 1) -> Fields:
    return {"pass": walk, "neuron": neuron, "value": value}


class Layer:
    """A random convolution, any stride or dilation and padding, and the matrix that it stands for.

    Attributes:
        matrix: (pres, posts) from loops over positions of the destination, as a convolution is defined.
        place: where the kernel is laid.
    """

    def __init__(self, rng: np.random.Generator, *, most: int = 8):
        self.bits = int(rng.integers(1, 13))
        channels, self.sources, columns, rows = (int(n) for n in rng.integers(1, [most, 4, 7, 9]))
        self.kernel = random_kernel(rng, self.bits, channels, self.sources, columns, rows)
        step, dilated = int(rng.integers(0, 4)), int(rng.integers(0, 2))
        stride, dilation = (1, 1 << step) if dilated else (1 << step, 1)
        self.source, self.size, offsets = [], [], []
        for taps in (columns, rows):
            reach = (taps - 1) * dilation + 1
            padding = int(rng.integers(0, reach))
            size = max(int(rng.integers(1, 7)), reach - 2 * padding)
            self.source.append(size)
            self.size.append((size + 2 * padding - reach) // stride + 1)
            offsets.append(padding - reach + 1)
        self.place = Map(*self.size, step=step, dilated=dilated, source_width=self.source[0],
                         source_height=self.source[1], x_offset=offsets[0], y_offset=offsets[1])
        self.matrix = np.zeros((*self.source, self.sources, *self.size, channels), np.int64)
        for x, y, column, row in product(*map(range, self.size), range(columns), range(rows)):
            source_x, source_y = (
                position * stride + tap * dilation - offset - (taps - 1) * dilation for position, tap, offset, taps in
                ((x, column, offsets[0], columns), (y, row, offsets[1], rows)))
            if 0 <= source_x < self.source[0] and 0 <= source_y < self.source[1]:
                self.matrix[source_x, source_y, :, x, y] += self.kernel[:, :, column, row].T
        self.matrix = self.matrix.reshape(np.prod(self.source) * self.sources, -1)

    def posts(self) -> IntArray:
        """The requests of all neurons of the destination, in their order."""
        x, y, c = np.indices((*self.size, len(self.kernel))).reshape(3, -1)
        return post_layout().pack_array({"x": x, "y": y, "c": c}).astype(np.int64)

    def anchors(self) -> IntArray:
        """The requests of all neurons of the source, in their order."""
        x, y, c = np.indices((*self.source, self.sources)).reshape(3, -1)
        return anchor_layout().pack_array(
            {"x": x + self.place.x_offset, "y": y + self.place.y_offset, "c": c}).astype(np.int64)

    def pack(self, name: str, sizes: Sizes, **options: Any) -> Convolution:
        return organisation(name).pack(self.kernel, place=self.place, weight_bits=self.bits, sizes=sizes, **options)

    def variants(self, name: str) -> list[dict[str, int]]:
        return variants(name, self.kernel.shape[2])


@pytest.mark.parametrize("sizes", SIZES, ids=["plain", "wide, serial"])
@pytest.mark.parametrize("name", NAMES)
def test_errors_are_the_matrix_product(name: str, sizes: Sizes, seed: int) -> None:
    """Walks of all posts give W @ e, of all pres W.T @ s; and the places that both find of a weight are the same."""
    rng = np.random.default_rng(seed)
    total = 0
    for _ in range(8):
        one = Layer(rng)
        pres, posts = one.matrix.shape
        value, error = rng.integers(-256, 256, pres), rng.integers(-256, 256, posts)
        for options in one.variants(name):
            layer = one.pack(name, sizes, weight_base=int(rng.integers(1000)), index_base=int(rng.integers(9)),
                             **options)
            states, errors, places = np.zeros(posts, np.int64), np.zeros(pres, np.int64), set()
            for pre, neuron in enumerate(one.anchors().tolist()):
                found = layer.expand(ask(Pass.FORWARD, neuron))
                np.add.at(states, found.neurons, found.weights * value[pre])
                places |= {(pre, *item) for item in zip(found.neurons.tolist(), found.weight_addresses.tolist(),
                                                        strict=True)}
            for post, neuron in enumerate(one.posts().tolist()):
                found, update = layer.expand(ask(Pass.BACKWARD, neuron)), layer.expand(ask(Pass.UPDATE, neuron))
                np.add.at(errors, found.neurons, found.weights * error[post])
                addresses = found.weight_addresses.tolist()
                assert not found.errors and addresses == sorted(set(addresses)) == update.weight_addresses.tolist()
                assert found.counts["weight_write"] == 0 and update.counts["weight_write"] == len(addresses)
                assert found.counts | {"weight_write": len(addresses)} == update.counts
                for item in zip(found.neurons.tolist(), addresses, strict=True):
                    places.remove((item[0], post, item[1]))
                    total += 1
            assert not places, "synapses that only FORWARD finds"
            np.testing.assert_array_equal(states, one.matrix.T @ value)
            np.testing.assert_array_equal(errors, one.matrix @ error)
    assert total > 2000


def test_orders_are_the_same(seed: int) -> None:
    """All functional organisations visit weights that are not zero in one order, which random numbers depend on."""
    rng = np.random.default_rng(seed)
    for _ in range(6):
        one, found = Layer(rng), []
        for name in NAMES:
            for options in one.variants(name):
                layer = one.pack(name, SIZES[0], **options)
                expansions = [layer.expand(ask(Pass.UPDATE, post)) for post in one.posts().tolist()]
                expansions.append(layer.expand(ask(Pass.APPLY)))
                found.append([(item.neurons[item.weights != 0].tolist(), item.weights[item.weights != 0].tolist())
                              for item in expansions])
        assert all(other == found[0] for other in found)


@pytest.mark.parametrize("sizes", SIZES, ids=["plain", "wide, serial"])
@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_the_walks(name: str, sizes: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(10):
        one = Layer(rng, most=30)
        for options in one.variants(name):
            layer = one.pack(name, sizes, **options)
            requests = [ask(Pass.FORWARD, neuron) for neuron in rng.choice(one.anchors(), 8).tolist()]
            requests += [ask(walk, neuron) for walk in (Pass.BACKWARD, Pass.UPDATE)
                         for neuron in rng.choice(one.posts(), 10).tolist()]
            requests.append(ask(Pass.APPLY))
            rng.shuffle(requests)  # type: ignore[arg-type]  # a list is shuffled, too
            counts = layer.counts([item["neuron"] for item in requests], [item["pass"] for item in requests])
            found = [layer.expand(item) for item in requests]
            for kind in KINDS:
                assert counts[kind].tolist() == [item.counts[kind] for item in found], kind
            assert counts["synapses"].tolist() == [len(item.neurons) for item in found]
            assert counts["cycles"].tolist() == [item.cycles for item in found]
            assert counts["interval"].tolist() == [item.interval for item in found]
    with pytest.raises(ConfigError, match="learning = 1"):
        Layer(rng).pack(name, Sizes(address_bits=16)).counts(0, Pass.APPLY)


def test_start_up() -> None:
    """At most six cycles to the first synapse in every pass, and as said."""
    place = Map(4, 4, source_width=4, source_height=4)
    for name in NAMES:
        layer = organisation(name).pack(np.ones((3, 2, 2, 2), int), place=place, weight_bits=4, sizes=SIZES[0])
        neurons = {Pass.FORWARD: anchor_layout().pack(x=0, y=0), Pass.BACKWARD: post_layout().pack(x=3, y=3),
                   Pass.UPDATE: post_layout().pack(x=3, y=3), Pass.APPLY: 0}
        for walk, neuron in neurons.items():
            found = layer.expand(ask(walk, neuron))
            start_up = layer.start_up(SIZES[0], walk)
            assert start_up == found.cycles - len(found.neurons) + 1 <= 6
            assert start_up == found.steps[0][0] + SIZES[0].read_latency + 1


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_applied_once(name: str, seed: int) -> None:
    """APPLY visits what is stored, in the order of the memory, each with a number of its own; and weights can be read
    back, also after they have been written."""
    rng = np.random.default_rng(seed)
    for sizes, _ in product(SIZES, range(5)):
        one = Layer(rng, most=40)
        for options in one.variants(name):
            kept = one.kernel * 0
            kept[..., rng.integers(one.kernel.shape[2]), rng.integers(one.kernel.shape[3])] = 1
            layer = one.pack(name, sizes, weight_base=int(rng.integers(1000)), stored=kept, **options)
            np.testing.assert_array_equal(layer.weights(), one.kernel)
            found = layer.expand(ask(Pass.APPLY))
            addresses = found.weight_addresses.tolist()
            assert addresses == sorted(set(addresses)) and not found.errors
            taps = layer.pattern()
            assert len(addresses) == taps.sum() * len(one.kernel) >= kept.sum() / (1 if options else one.sources)
            assert found.weights.tolist() == one.kernel[..., ::-1, ::-1].transpose(1, 2, 3, 0)[taps].ravel().tolist()
            numbers = weight_numbers(layer.layer, sizes, addresses).tolist()
            words = len(layer.weight_words)
            assert len({*numbers}) == len(numbers)
            assert 0 <= min(numbers) and max(numbers) < words << slot_bits(one.bits, sizes)
            half = 1 << one.bits - 1
            written = rng.integers(-half, half, len(addresses))
            for address, weight in zip(addresses, written.tolist(), strict=True):
                layer.write_weight(address, weight)
            assert layer.expand(ask(Pass.APPLY)).weights.tolist() == written.tolist()
            back = layer.weights()[..., ::-1, ::-1].transpose(1, 2, 3, 0)
            np.testing.assert_array_equal(back[taps].ravel(), written)


@pytest.mark.parametrize("name", NAMES)
def test_requests_that_are_dropped(name: str) -> None:
    """Posts outside, and each but FORWARD without `learning`."""
    place = Map(4, 3, source_width=4, source_height=3)
    layer = organisation(name).pack(np.ones((5, 2, 2, 2), int), place=place, weight_bits=4, sizes=SIZES[0])
    for post in ({"x": 4}, {"y": 3}, {"c": 5}, {"x": 1023, "y": 1023, "c": 1023}):
        for walk in (Pass.BACKWARD, Pass.UPDATE):
            found = layer.expand(ask(walk, post_layout().pack(post)))
            assert found.errors == 1 and not len(found.neurons) and not any(found.counts.values())
    plain = organisation(name).pack(np.ones((5, 2, 2, 2), int), place=Map(4, 3), weight_bits=4,
                                    sizes=Sizes(address_bits=16))
    assert [plain.expand(ask(walk)).errors for walk in range(4)] == [0, 1, 1, 1]


def test_malformed_sources_are_refused() -> None:
    def pack(sizes: Sizes = SIZES[0], **place: int) -> None:
        organisation("functional").pack(np.ones((1, 1, 2, 2), int), weight_bits=4, sizes=sizes, place=Map(
            **{"width": 4, "height": 4, "source_width": 5, "source_height": 5, **place}))

    pack()
    with pytest.raises(FieldRangeError, match="source_width"):
        pack(source_width=0)
    with pytest.raises(FieldRangeError, match="y_offset"):
        pack(y_offset=-513)
    with pytest.raises(NetworkError, match="cannot name"):
        pack(Sizes(address_bits=8, neuron_bits=4, learning=1))
