"""Random layers that learn, and what becomes of them by the definitions alone: no organisation, no word, no shift."""

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from golden.synapse.learning.learner import Learner
from golden.synapse.learning.update import SUM_BITS, LearningSizes, Rule
from golden.synapse.organisations.convolution import Convolution, Map, anchor_layout, post_layout
from golden.synapse.organisations.interface import Organisation, Pass
from golden.synapse.organisations.numbers import slot_bits
from golden.types import Fields, IntArray


class Plain:
    """A list of weights, and for each request the (neuron, weight) of its synapses, in the order of the definition."""

    def __init__(self, weights: IntArray, bits: int, rule: Rule, sizes: LearningSizes):
        self.weights: list[int] = weights.ravel().tolist()
        self.bits, self.rule = bits, rule
        self.sums, self.traces = ([0] * (1 << sizes.entry_bits) for _ in range(2))
        self.gradients = [0] * len(self.weights)
        self.random, self._polynomial = sizes.seed, sizes.polynomial

    def synapses(self, request: Mapping[str, int]) -> Iterator[tuple[int, int]]:
        """Of FORWARD, BACKWARD and UPDATE."""
        raise NotImplementedError

    def all_weights(self) -> Iterator[int]:
        """In the order of memory."""
        raise NotImplementedError

    def run(self, request: Mapping[str, int]) -> None:
        walk, value = request["pass"], request["value"]
        if walk == Pass.APPLY:
            for place in self.all_weights():
                self._move(place, self.gradients[place])
                self.gradients[place] = 0
            return
        for neuron, place in self.synapses(request):
            if neuron >= len(self.sums):
                continue
            self.sums[neuron] = _wrap(self.sums[neuron] + self.weights[place] * value)
            if walk == Pass.UPDATE:
                change = self.traces[neuron] // 2 ** self.rule.trace_shift * value
                if self.rule.accumulate:
                    self.gradients[place] = _wrap(self.gradients[place] + change)
                else:
                    self._move(place, change)

    def _move(self, place: int, change: int) -> None:
        weight, rate = self.weights[place], 2 ** self.rule.rate_shift
        if weight == 0 and self.rule.keep_zeros:
            return
        if self.rule.nearest:
            step = (2 * change + rate) // (2 * rate)
        else:
            step = (change + self.random % rate) // rate
            for _ in range(16):
                last = bin(self.random & self._polynomial).count("1") % 2
                self.random = self.random // 2 + last * 2 ** 15
        most = 2 ** (self.bits - 1) - 1
        self.weights[place] = sorted((-most, weight + (step if self.rule.ascend else -step), most))[1]


def _wrap(total: int) -> int:
    return (total + 2 ** 31) % 2 ** 32 - 2 ** 31


class PlainMatrix(Plain):
    """Weights (inputs, outputs)."""

    def __init__(self, matrix: IntArray, *others: Any):
        super().__init__(matrix, *others)
        self.inputs, self.outputs = matrix.shape

    def synapses(self, request: Mapping[str, int]) -> Iterator[tuple[int, int]]:
        neuron, forward = request["neuron"], request["pass"] == Pass.FORWARD
        if neuron < (self.inputs if forward else self.outputs):
            for other in range(self.outputs if forward else self.inputs):
                yield other, neuron * self.outputs + other if forward else other * self.outputs + neuron


class PlainKernel(Plain):
    """Weights (channels, sources, width, height), laid from `place`'s source onto its destination, neurons packed."""

    def __init__(self, kernel: IntArray, place: Map, *others: Any):
        super().__init__(kernel, *others)
        self.shape, self.place = kernel.shape, place

    def _weight(self, channel: int, source: int, column: int, row: int) -> int:
        return int(np.ravel_multi_index((channel, source, column, row), self.shape))

    def _all(self) -> Iterator[tuple[tuple[int, int, int], tuple[int, int, int], int]]:
        """Source and destination (x, y, c) of all synapses: sources outermost, then the flipped kernel."""
        channels, sources, width, height = self.shape
        for source in range(sources):
            for column in reversed(range(width)):
                for row in reversed(range(height)):
                    for channel in range(channels):
                        yield from self._laid(channel, source, column, row)

    def _laid(self, channel: int, source: int, column: int, row: int
              ) -> Iterator[tuple[tuple[int, int, int], tuple[int, int, int], int]]:
        place, unit = self.place, 1 << self.place.step
        taps = self.shape[2] - 1 - column, self.shape[3] - 1 - row
        for x in range(place.source_width):
            for y in range(place.source_height):
                at = [position + offset + tap * (unit if place.dilated else 1) for position, offset, tap in
                      ((x, place.x_offset, taps[0]), (y, place.y_offset, taps[1]))]
                if not place.dilated:
                    if at[0] % unit or at[1] % unit:
                        continue
                    at = [position // unit for position in at]
                if 0 <= at[0] < place.width and 0 <= at[1] < place.height:
                    yield (x, y, source), (at[0], at[1], channel), self._weight(channel, source, column, row)

    def synapses(self, request: Mapping[str, int]) -> Iterator[tuple[int, int]]:
        place, (channels, sources, *_) = self.place, self.shape
        forward = request["pass"] == Pass.FORWARD
        fields = (anchor_layout() if forward else post_layout()).unpack(request["neuron"])
        asked = (fields["x"] - place.x_offset, fields["y"] - place.y_offset, fields["c"]) if forward \
            else (fields["x"], fields["y"], fields["c"])
        found = [(pre, post, weight) for pre, post, weight in self._all() if asked == (pre if forward else post)]
        for pre, post, weight in found:
            other = _number(post, place.height, channels) if forward else _number(pre, place.source_height, sources)
            yield other, weight

    def all_weights(self) -> Iterator[int]:
        channels, sources, width, height = self.shape
        for source in range(sources):
            for column in reversed(range(width)):
                for row in reversed(range(height)):
                    for channel in range(channels):
                        yield self._weight(channel, source, column, row)


def _number(neuron: tuple[int, int, int], height: int, channels: int) -> int:
    x, y, c = neuron
    return (x * height + y) * channels + c


class Learning:
    """One layer with a random rule, of which nothing but the organisation depends on which it is.

    A rule that keeps zeros has any matrix, another one a matrix that is stored whole, its zeros, too.

    One layer of four has one or two weights for each output, and requests that update them again and again.

    Args:
        most: inputs and outputs.
        whole: no zeros, and all weights are written.

    Attributes:
        layer: the packed organisation. learner: the golden model. plain: the definition.
    """

    def __init__(self, organisation: type[Organisation], sizes: LearningSizes, number: int, seed: int, *, most: int,
                 whole: bool = False):
        self.whole, self.meets = whole, number % 4 == 1 and not whole
        self.rng, self.random = np.random.default_rng([seed, number]), random.Random(1000 * seed + number)
        self.sizes, pick = sizes, self.random
        self.kernel, memory = issubclass(organisation, Convolution), sizes.memory
        self.bits = 1 + number % memory.weight_bits if number % 3 else pick.randint(2, memory.weight_bits)
        if self.meets:
            self.bits = max(self.bits, min(memory.weight_bits, 6))
        adds = sizes.gradient_bits > 0 and not whole
        self.rule = Rule(rate_shift=4, accumulate=int(adds and number % 8 == 1)) if self.meets else Rule(
            trace_shift=pick.choice([0, 0, 1, 4, 7]), rate_shift=pick.choice([0, 1, 4, 8, 8, 12, 16]),
            ascend=pick.randrange(2), nearest=int(pick.random() < 0.2), keep_zeros=pick.randrange(2),
            accumulate=int(adds and pick.random() < 0.5))
        base: dict[str, Any] = {"index_base": pick.randrange(8), "weight_base": pick.randrange(8),
                                "weight_bits": self.bits, "sizes": memory}
        others = self.bits, self.rule, sizes
        if self.kernel:
            self.weights, self.place = self._kernel(most)
            per_source = pick.randrange(2)
            if organisation.name == "functional_bitmap":
                base["per_source"] = per_source
            self.plain: Plain = PlainKernel(self.weights, self.place, *others)
            base["place"] = self.place
        else:
            shape = tuple(pick.choice([1, 2, pick.randint(1, most), most]) for _ in range(2))
            self.weights = self._sparse((min(shape[0], 2), shape[1]) if self.meets else shape)
            self.plain = PlainMatrix(self.weights, *others)
        self.layer = organisation.pack(
            self.weights, stored=None if self.rule.keep_zeros else np.ones(self.weights.shape, bool), **base)
        self.learner = Learner(self.layer, self.rule, sizes)
        self.learner.traces[:] = self.rng.integers(0, 1 << sizes.trace_bits, 1 << sizes.entry_bits)
        self.learner.traces[self.rng.random(1 << sizes.entry_bits) < 0.3] = 0
        # Close to the end of what a sum can be, so that some wrap.
        self.learner.sums[:] = self.rng.choice([-1, 1], 1 << sizes.entry_bits) * (
            (1 << SUM_BITS - 1) - 1 - self.rng.integers(0, 3000, 1 << sizes.entry_bits))
        self.plain.traces, self.plain.sums = self.learner.traces.tolist(), self.learner.sums.tolist()

    def _sparse(self, shape: tuple[int, ...]) -> IntArray:
        half, pick = 1 << self.bits - 1, self.random
        weights = self.rng.integers(-half, half, shape)
        if self.whole:
            return np.where(weights, weights, -1)
        weights[self.rng.random(shape) < pick.choice([0, 0.1, 0.5, 0.9])] = 0
        return weights

    def _kernel(self, most: int) -> tuple[IntArray, Map]:
        pick = self.random
        side, step, dilated = pick.choice([1, 2, 3]), pick.choice([0, 0, 1]), pick.randrange(2)
        height = pick.choice([1, 2, 3])
        shape = (pick.randint(1, 3), pick.randint(1, 3), side, height)
        if self.meets:
            shape, side, height = (1, 1, 1, 1), 1, 1
        place = Map(pick.randint(1, 4), pick.randint(1, 4), step=step, dilated=dilated, source_width=pick.randint(1, 4),
                    source_height=pick.randint(1, 4), x_offset=-pick.randrange(side), y_offset=-pick.randrange(height))
        return self._sparse(shape), place

    def _neuron(self, walk: int) -> int:
        pick = self.random
        if not self.kernel:
            inputs, outputs = self.weights.shape
            return pick.randrange(inputs if walk == Pass.FORWARD else outputs)
        channels, sources, *_ = self.weights.shape
        place = self.place
        if walk == Pass.FORWARD:
            return anchor_layout().pack({
                "x": pick.randrange(place.source_width) + place.x_offset,
                "y": pick.randrange(place.source_height) + place.y_offset, "c": pick.randrange(sources)})
        return post_layout().pack({"x": pick.randrange(place.width), "y": pick.randrange(place.height),
                                   "c": pick.randrange(channels)})

    def posts(self) -> list[int]:
        """Neurons whose synapses share no weight, in any order, as BACKWARD and UPDATE name them; one of a kernel."""
        if self.kernel:
            return [self._neuron(Pass.UPDATE)]
        return self.random.sample(range(self.weights.shape[1]), k=self.weights.shape[1])

    def requests(self, count: int) -> list[Fields]:
        """All passes; if weights are to meet themselves always the same two neurons."""
        pick, half = self.random, 1 << self.sizes.memory.value_bits - 1
        few = {walk: [self._neuron(walk) for _ in range(2)] for walk in range(3)} if self.meets else None
        found: list[Fields] = []
        while len(found) < count:
            walk = pick.choice([Pass.FORWARD, Pass.BACKWARD, *[Pass.UPDATE] * 3])
            if self.rule.accumulate and pick.random() < 0.1:
                walk = Pass.APPLY
            neuron = 0 if walk == Pass.APPLY else pick.choice(few[walk]) if few else self._neuron(walk)
            found.append({"pass": walk, "neuron": neuron,
                          "value": pick.choice([-half, half - 1, *[pick.randrange(-half, half) for _ in range(4)]])})
        if self.rule.accumulate:
            found.append({"pass": int(Pass.APPLY), "neuron": 0, "value": 0})
        return found

    def compare(self) -> None:
        """The golden model with the definition, which has gradients for all weights."""
        learner, plain = self.learner, self.plain
        organisation = learner.organisation
        numbers = len(organisation.weight_words) << slot_bits(self.bits, organisation.sizes)
        if self.rule.accumulate and numbers > len(learner.gradients):
            return
        assert learner.sums.tolist() == plain.sums, "sums"
        assert learner.weights().ravel().tolist() == plain.weights, "weights"
        assert learner.random.state == plain.random, "random numbers"
