"""Random layers in the memories of an organisation, sound or damaged, and requests for their neurons."""

import random
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from golden.errors import ImageError
from golden.memory_words import numbers
from golden.synapse.organisations.convolution import Convolution, Map, anchor_layout
from golden.synapse.organisations.interface import Expansion, Organisation, Pass, Sizes, request_layout
from golden.types import Fields, IntArray, Words


def random_matrix(rng: np.random.Generator, most: int, bits: int) -> IntArray:
    """Weights of any density, perhaps with empty rows and columns."""
    shape = tuple(int(size) for size in rng.choice([1, 2, 63, 64, 65, *rng.integers(1, most + 1, 5)], 2))
    half = 1 << bits - 1
    matrix = rng.integers(-half, half, np.minimum(shape, most))
    matrix[rng.random(matrix.shape) >= rng.choice([0, 0.02, 0.1, 0.5, 0.9, 1])] = 0
    matrix[rng.random(len(matrix)) < rng.choice([0, 0.3])] = 0
    matrix[:, rng.random(matrix.shape[1]) < rng.choice([0, 0.3])] = 0
    return matrix


def full_matrix(rng: np.random.Generator, shape: tuple[int, int], bits: int) -> IntArray:
    """Weights of which about half are zeros, wherever one looks."""
    half = 1 << bits - 1
    return rng.integers(-half, half, shape) * (rng.random(shape) < 0.5)


class Write(NamedTuple):
    """Some bits of a word to be changed."""

    word: int
    offset: int
    bits: int
    value: int

    def into(self, word: int) -> int:
        """The word with these bits."""
        return word & ~((1 << self.bits) - 1 << self.offset) | self.value << self.offset


class Layers:
    """Layers side by side in two memories, with random words between and behind them.

    Args:
        most: inputs and outputs of random matrices. full: instead of them matrices of this size, half of whose weights
            are none.

    Attributes:
        index, weight: the memories, as numbers.
        layers: each as its packed organisation, in these memories.
        matrices: what they were packed from.
    """

    def __init__(self, organisation: type[Organisation], sizes: Sizes, rng: np.random.Generator, *, most: int,
                 layers: int, full: tuple[int, int] | None = None):
        self.sizes, self.rng = sizes, rng
        shape = (1 << sizes.address_bits, sizes.word_bits // 64)
        self._index, self._weight = (rng.integers(0, 1 << 64, shape, np.uint64) for _ in range(2))
        self.layers: list[Organisation] = []
        self.matrices: list[IntArray] = []
        places = [0, 0]
        for _ in range(20 * layers):
            bits = int(rng.integers(1, sizes.weight_bits + 1))
            matrix = full_matrix(rng, full, bits) if full else random_matrix(rng, most, bits)
            stored = rng.random(matrix.shape) < rng.choice([0, 0.1]) if sizes.learning else None
            index, weight = (place + int(rng.integers(4)) for place in places)
            try:
                layer = organisation.pack(matrix, weight_bits=bits, sizes=sizes, index_base=index, weight_base=weight,
                                          stored=stored)
            except ImageError:
                continue
            for memory, origin, words in ((self._index, index, layer.index_words),
                                          (self._weight, weight, layer.weight_words)):
                memory[origin:origin + len(words)] = words.reshape(-1, shape[1])
            places = [index + len(layer.index_words), weight + len(layer.weight_words)]
            self.layers.append(layer)
            self.matrices.append(matrix)
            if len(self.layers) == layers:
                break
        assert self.layers, "no layer fits the memory"
        self._used = places
        self._share()

    def _share(self) -> None:
        words: list[Words] = [memory if memory.shape[1] > 1 else memory[:, 0] for memory in (self._index, self._weight)]
        self.layers = [layer.within(*words) for layer in self.layers]
        self.index, self.weight = (
            numbers(memory) for memory in (self._index, self._weight))

    def damage(self, generator: random.Random) -> None:
        """Flip bits of the memories, and change fields of the layers."""
        for memory, used in ((self._index, self._used[0]), (self._weight, self._used[1])):
            flat = memory[:max(used, 1)].reshape(-1)
            for _ in range(generator.choice([0, 10, len(flat), 3 * len(flat)])):
                flat[generator.randrange(len(flat))] ^= np.uint64(1 << generator.randrange(64))
        end = 1 << self.sizes.address_bits
        changed = []
        for layer, matrix in zip(self.layers, self.matrices, strict=True):
            fields: Fields = {}
            if generator.random() < 0.3:
                fields[generator.choice([name for name in layer.layer if name.endswith("_base")])] = generator.choice(
                    [end - 1, end - generator.randint(1, min(end, 40)), generator.randrange(end)])
            if generator.random() < 0.2:
                fields["row_words"] = generator.choice([0, 1, generator.getrandbits(self.sizes.neuron_bits)])
            if generator.random() < 0.4:
                # One fewer than the first row has weights, or any number.
                fewer = max(int(np.count_nonzero(matrix[0])) - 1, 1)
                fields["outputs"] = generator.choice([fewer, generator.randint(1, 400)])
            if generator.random() < 0.2:
                # On the way back every row costs cycles.
                fields["inputs"] = generator.choice([1, 100 if self.sizes.learning else 1 << self.sizes.neuron_bits])
            if generator.random() < 0.1:
                fields["weight_bits"] = generator.randrange(16)
            changed.append(layer.within(layer.index_words, layer.weight_words, **fields))
        if self.sizes.learning and generator.random() < 0.3:
            # One layer's words as weights of several widths, few of them: updates meet while they are on their way.
            one, most = changed[0], self.sizes.weight_bits
            changed = [one.within(one.index_words, one.weight_words, inputs=generator.randint(1, 3), outputs=12,
                                  weight_bits=generator.randint(1, most)) for _ in changed]
        self.layers = changed
        self._share()

    def requests(self, generator: random.Random, count: int) -> list[tuple[int, Fields]]:
        """Requests in any order, of any pass that the hardware has, as (layer, fields); some that must be dropped."""
        half, found = 1 << self.sizes.value_bits - 1, []
        back = [Pass.BACKWARD, Pass.UPDATE]
        passes, others = ([Pass.FORWARD, *back], [3]) if self.sizes.learning else ([Pass.FORWARD], [*back, 3])
        for _ in range(count):
            number, walk = generator.randrange(len(self.layers)), generator.choice(passes)
            neurons = self.layers[number].layer["inputs" if walk == Pass.FORWARD else "outputs"]
            fields = {"pass": walk, "neuron": generator.choice([0, generator.randrange(min(neurons, 1 << 12))]),
                      "value": generator.randint(-half, half - 1)}
            kind = generator.random()
            if kind < 0.06:
                fields["pass"] = generator.choice(others)
            elif kind < 0.14:
                fields["neuron"] = min(neurons + generator.randrange(2), (1 << self.sizes.neuron_bits) - 1)
            found.append((number, fields))
            if self.sizes.learning and kind > 0.8:
                # Weights that are close, or the same, perhaps before they have been written.
                fields["pass"], close = int(Pass.UPDATE), generator.choice([fields["neuron"], generator.randrange(12)])
                found.append((generator.choice([number, generator.randrange(len(self.layers))]),
                              {**fields, "neuron": close, "pass": generator.choice(passes[1:])}))
        return found[:count]

    def back(self) -> list[tuple[int, Fields]]:
        """BACKWARD from the first and from the last neuron of each bitmap word of a row, of all layers."""
        found = []
        for number, matrix in enumerate(self.matrices):
            outputs, word = matrix.shape[1], self.sizes.word_bits
            edges = {0, outputs - 1} | {at + side for at in range(word, outputs, word) for side in (-1, 0)}
            found += [(number, {"pass": int(Pass.BACKWARD), "neuron": neuron, "value": 1}) for neuron in sorted(edges)]
        return found

    def updates(self, generator: random.Random, count: int) -> list[tuple[int, Fields]]:
        """Requests of UPDATE for different neurons of one layer: none of them waits for another."""
        number = generator.randrange(len(self.layers))
        outputs = range(self.matrices[number].shape[1])
        return [(number, {"pass": Pass.UPDATE, "neuron": neuron, "value": 1})
                for neuron in generator.sample(outputs, k=min(count, len(outputs)))]

    def write(self, number: int, expansion: Expansion, generator: random.Random) -> tuple[list[int], list[Write]]:
        """What the synapses of an UPDATE read, one after the other, each of which writes another weight."""
        layer, seen, writes = self.layers[number], [], []
        bits = layer.layer["weight_bits"]
        for address in expansion.weight_addresses.tolist():
            seen.append(layer.read_weight(address))
            weight = generator.choice([0, generator.getrandbits(bits)])
            word, offset = divmod(address, self.sizes.word_bits)
            writes.append(Write(word, offset, bits, weight))
            layer.write_weight(address, weight)
        return seen, writes

    def expand(self, number: int, fields: Mapping[str, int]) -> Expansion:
        """What must become of a request."""
        return self.layers[number].expand(fields)

    def payload(self, number: int, fields: Mapping[str, int]) -> int:
        """A request with its layer, packed."""
        layer, request = self.layers[number], request_layout(self.sizes)
        return request.pack(fields) | layer.layer_layout(self.sizes).pack(layer.layer) << request.bits


class Single:
    """One matrix in the memories of any organisation, of which nothing but the organisation depends on which it is.

    A functional one has it as a kernel of 1×1 of as many source channels as it has rows.

    Attributes:
        matrix, weight_bits: the layer.
        index, weight: the memories, as numbers.
        layer: the packed organisation.
    """

    def __init__(self, organisation: type[Organisation], sizes: Sizes, rng: np.random.Generator, number: int, *,
                 most: int):
        assert sizes.word_bits == 64
        self.sizes, self.weight_bits = sizes, 1 + number % sizes.weight_bits
        half = 1 << self.weight_bits - 1
        self.matrix = rng.integers(-half, half, (most, most)) if number % 50 == 0 \
            else random_matrix(rng, most, self.weight_bits)
        index, weight = (int(base) for base in rng.integers(8, size=2))
        self.functional = issubclass(organisation, Convolution)
        if self.functional:
            options = {"per_source": 1} if organisation.name == "functional_bitmap" else {}
            self.layer = organisation.pack(
                self.matrix.T[:, :, np.newaxis, np.newaxis], weight_bits=self.weight_bits, sizes=sizes,
                index_base=index, weight_base=weight, place=Map(1, 1), **options)  # type: ignore[call-arg]
        else:
            self.layer = organisation.pack(self.matrix, weight_bits=self.weight_bits, sizes=sizes, index_base=index,
                                           weight_base=weight)
        around = rng.integers(0, 1 << 64, 2, np.uint64).tolist()
        self.index, self.weight = (
            [other] * origin + words.tolist() + [other] * ((1 << sizes.address_bits) - origin - len(words))
            for other, origin, words in zip(around, (self.layer.index_origin, self.layer.weight_origin),
                                            (self.layer.index_words, self.layer.weight_words), strict=True))

    def requests(self, generator: random.Random, count: int) -> list[tuple[int, Fields]]:
        """The first and the last row, one without weights if there is one, any others; and some that are dropped."""
        inputs, half = len(self.matrix), 1 << self.sizes.value_bits - 1
        rows = [0, inputs - 1, *np.flatnonzero(~self.matrix.any(axis=1))[:1].tolist()]
        rows += [generator.randrange(inputs) for _ in range(count - len(rows))]
        found = []
        for row in generator.sample(rows[:count], k=min(count, len(rows))):
            kind, walk = generator.random(), int(Pass.FORWARD)
            if kind < 0.04:
                walk = generator.choice([Pass.BACKWARD, Pass.UPDATE, 3])
            elif kind < 0.08:
                row = inputs + generator.randrange(2)
            found.append((0, {"pass": walk, "neuron": row, "value": generator.randint(-half, half - 1)}))
        return found

    def states(self, states: IntArray, requests: list[tuple[int, Fields]]) -> IntArray:
        """What becomes of states, those behind the last neuron among them, by numpy alone."""
        values = np.zeros(len(self.matrix), np.int64)
        for _, request in requests:
            if request["pass"] == Pass.FORWARD and request["neuron"] < len(values):
                values[request["neuron"]] += request["value"]
        sums = np.zeros_like(states)
        sums[:self.matrix.shape[1]] = self.matrix.T @ values
        return (states + sums).astype(np.int16).astype(np.int64)

    def _fields(self, fields: Mapping[str, int]) -> Fields:
        return {**fields, "neuron": anchor_layout().pack({"c": fields["neuron"], "x": 0, "y": 0})} \
            if self.functional else dict(fields)

    def expand(self, number: int, fields: Mapping[str, int]) -> Expansion:
        """What must become of a request."""
        return self.layer.expand(self._fields(fields))

    def payload(self, number: int, fields: Mapping[str, int]) -> int:
        """A request with its layer, packed."""
        layer = self.layer
        request = layer.request_layout(self.sizes) if isinstance(layer, Convolution) else request_layout(self.sizes)
        return request.pack(self._fields(fields)) | layer.layer_layout(self.sizes).pack(layer.layer) << request.bits
