"""One layer that learns: a memory organisation, the update unit, and what is kept by neuron or by weight.

    FORWARD   sums[post] += weight · value
    BACKWARD  sums[pre]  += weight · value
    UPDATE    the same, and the weight moves by trace of pre and value (`golden.synapse.learning.update`); or, with a
              rule that accumulates, gradients[weight] += product
    APPLY     each weight of a kernel moves by its gradient, which is 0 then

Requests are worked off one after the other; results are as if each synapse were done before the next one begins. What
happens between the passes is the host's: neurons, traces, errors. It reads sums and writes traces while nothing is
inside, so a forward and a backward pass never meet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError, FieldRangeError
from golden.synapse.learning.lfsr import Lfsr
from golden.synapse.learning.update import LearningSizes, Rule, moved, product, wrapped
from golden.synapse.organisations.interface import KINDS, Expansion, Organisation, Pass, request_layout
from golden.synapse.organisations.numbers import weight_numbers
from golden.types import Fields, IntArray, Words

COUNTS = (*KINDS, "requests", "synapses", "errors", "beyond", "cycles")
"""Of the requests of one pass: accesses, of weights also those that are really written; what was dropped by the
organisation; synapses without a sum or a gradient; and cycles from request to request if nothing waits."""


class _Visit(NamedTuple):
    """What a request does, whatever the weights are."""

    neurons: IntArray
    """Of the synapses that have a sum and a gradient, if they need them."""
    places: IntArray
    """Their bit addresses from the weight memory's first word on."""
    numbers: IntArray
    """Of their gradients, if the rule accumulates."""
    counts: dict[str, int]
    apart: bool
    """No neuron and no place comes twice."""


class Learner:
    """A layer's weights, sums, traces, gradients and random numbers, and what requests make of them.

    Args:
        organisation: its weights, which are changed in place.
        rule: see `rule`.
        sizes: the hardware's; None: those of the organisation, and what else by its default, but sums for all neurons.
        random: perhaps that of another layer on the same hardware.

    Attributes:
        rule: how weights move; may be set between requests.
        sums, traces: by neuron, for the host to read and write; (2**entry_bits,).
        gradients: by weight (`golden.synapse.organisations.numbers`); (2**gradient_bits,), or none.
        counts: COUNTS of all requests so far, by pass.

    Raises:
        ConfigError: the sizes are not the organisation's, or `learning` is missing.
    """

    def __init__(self, organisation: Organisation, rule: Rule | None = None, sizes: LearningSizes | None = None,
                 random: Lfsr | None = None):
        if sizes is None:
            sizes = LearningSizes(organisation.sizes, entry_bits=organisation.sizes.neuron_bits)
        if sizes.memory != organisation.sizes:
            raise ConfigError("learning: the sizes' memory is not the organisation's")
        self.sizes, self.rule = sizes, rule or Rule()
        self.random = random or Lfsr(sizes.polynomial, sizes.seed)
        self.sums, self.traces = (np.zeros(1 << sizes.entry_bits, np.int64) for _ in range(2))
        self.gradients = np.zeros(1 << sizes.gradient_bits if sizes.gradient_bits else 0, np.int64)
        self.counts = {walk: dict.fromkeys(COUNTS, 0) for walk in range(4)}
        self._organisation = organisation
        # Weights by bit address from the memory's first word on, those that a fast visit has met; the words of the
        # organisation are behind them until somebody looks.
        bits = organisation.weight_words.size * 64
        self._weights, self._met = np.zeros(bits, np.int16), np.zeros(bits, bool)
        self._ahead = False
        self._visits: dict[tuple[int, int, int], _Visit] = {}

    @property
    def organisation(self) -> Organisation:
        """The weights in memory, as they are now."""
        if self._ahead:
            places = np.flatnonzero(self._met)
            _store(self._organisation.weight_words, places, self._weights[places].astype(np.int64),
                   self._organisation.layer["weight_bits"])
            self._ahead = False
        return self._organisation

    def weights(self) -> IntArray:
        """The matrix, or the kernel, as it is now."""
        return self.organisation.weights()

    # -- literally -----------------------------------------------------------------------------

    def step(self, request: Mapping[str, int]) -> Expansion:
        """One request, synapse by synapse, whatever the memory holds.

        Returns:
            its synapses; the weights are those before the request.
        """
        self._check([request])
        organisation, rule, walk, value = self.organisation, self.rule, request["pass"], request["value"]
        found, offset = organisation.expand(request), self.sizes.memory.word_bits * organisation.weight_origin
        numbers = self._numbers(walk, found)
        written, beyond = 0, 0
        for neuron, address, number in zip(found.neurons.tolist(), found.weight_addresses.tolist(), numbers.tolist(),
                                           strict=True):
            weight = organisation.read_weight(address)
            if self._is_beyond(walk, neuron, number):
                beyond += 1
                continue
            if walk != Pass.APPLY:
                self.sums[neuron] = wrapped(int(self.sums[neuron]) + weight * value)
            if walk == Pass.UPDATE and rule.accumulate:
                gradient = int(self.gradients[number]) + product(int(self.traces[neuron]), value, rule)
                self.gradients[number] = wrapped(gradient)
            elif walk in (Pass.UPDATE, Pass.APPLY):
                if walk == Pass.APPLY:
                    change, self.gradients[number] = int(self.gradients[number]), 0
                else:
                    change = product(int(self.traces[neuron]), value, rule)
                if weight or not rule.keep_zeros:
                    random = 0 if rule.nearest else int(self.random.draw(1)[0])
                    weight = moved(weight, change, random, bits=organisation.layer["weight_bits"], rule=rule)
                    organisation.write_weight(address, weight)
                    if 0 <= address - offset < len(self._weights):
                        self._weights[address - offset] = weight
                    written += 1
        self._count(walk, {**found.counts, "weight_write": written, "synapses": len(found.neurons),
                           "errors": found.errors, "beyond": beyond, "cycles": found.interval, "requests": 1})
        return found

    def _numbers(self, walk: int, found: Expansion) -> IntArray:
        """The number of each synapse's gradient; 0 if it needs none."""
        if len(found.neurons) and (walk == Pass.APPLY or (walk == Pass.UPDATE and self.rule.accumulate)):
            return weight_numbers(self._organisation.layer, self._organisation.sizes, found.weight_addresses)
        return np.zeros_like(found.neurons)

    def _is_beyond(self, walk: int, neurons: npt.ArrayLike, numbers: npt.ArrayLike) -> npt.ArrayLike:
        """Whether synapses lack a sum, or a gradient that they need."""
        beyond = np.zeros(np.shape(neurons), bool)
        if walk != Pass.APPLY:
            beyond |= np.asarray(neurons) >= len(self.sums)
        if walk == Pass.APPLY or (walk == Pass.UPDATE and self.rule.accumulate):
            beyond |= np.asarray(numbers) >= len(self.gradients)
        return beyond

    def _check(self, requests: Iterable[Mapping[str, int]]) -> None:
        if self.rule.accumulate and not len(self.gradients):
            raise ConfigError("learning: a rule with accumulate needs gradient_bits")
        most = (1 << self.sizes.trace_bits) - 1
        if self.traces.min() < 0 or self.traces.max() > most:
            wrong = next(int(trace) for trace in self.traces if not 0 <= trace <= most)
            raise FieldRangeError("trace", "trace", wrong, 0, most)
        value = request_layout(self.sizes.memory).field("value")
        for request in requests:
            if not value.low <= request["value"] <= value.high:
                raise FieldRangeError("request", "value", request["value"], value.low, value.high)

    def _count(self, walk: int, found: Mapping[str, int]) -> None:
        total = self.counts[walk]
        for name, count in found.items():
            total[name] += count

    # -- many requests, quickly ----------------------------------------------------------------

    def run(self, requests: Iterable[Fields]) -> None:
        """Requests, one after the other, as `step` would do them; each with all its synapses at once.

        The memory must be as `pack` wrote it, but for weights.

        Raises:
            FieldRangeError: a value or a trace does not fit.
            ConfigError: the rule accumulates, and there are no gradients.
        """
        given = list(requests)
        self._check(given)
        rule, accumulate = self.rule, self.rule.accumulate
        sums, weights, met = self.sums, self._weights, self._visits
        bits = self._organisation.layer["weight_bits"]
        traces = self.traces >> rule.trace_shift
        for request in given:
            walk, value = request["pass"], request["value"]
            visit = met.get((walk, request["neuron"], accumulate)) or self._visit(request)
            if not visit.apart:
                self.step(request)
                continue
            neurons, places = visit.neurons, visit.places
            before: IntArray = weights[places].astype(np.int64)
            if walk != Pass.APPLY:
                sums[neurons] += before * value
            written = 0
            if walk == Pass.UPDATE and accumulate:
                self.gradients[visit.numbers] += traces[neurons] * value
            elif walk in (Pass.UPDATE, Pass.APPLY):
                change: IntArray = wrapped(self.gradients[visit.numbers]) if walk == Pass.APPLY \
                    else traces[neurons] * value
                if walk == Pass.APPLY:
                    self.gradients[visit.numbers] = 0
                if rule.keep_zeros:
                    moves = np.flatnonzero(before)
                    before, change, places = before[moves], change[moves], places[moves]
                written = len(places)
                random: IntArray = change if rule.nearest else self.random.draw(written)
                weights[places] = moved(before, change, random, bits=bits, rule=rule)
                self._ahead = True
            total = self.counts[walk]
            for name, count in visit.counts.items():
                total[name] += count
            total["weight_write"] += written
        sums[:], self.gradients[:] = wrapped(sums), wrapped(self.gradients)

    def _visit(self, request: Fields) -> _Visit:
        """What a request does, found literally and kept."""
        organisation, walk = self._organisation, request["pass"]
        found = organisation.expand(request)
        places = found.weight_addresses - self.sizes.memory.word_bits * organisation.weight_origin
        new = ~self._met[places]
        self._weights[places[new]] = found.weights[new]
        self._met[places] = True
        numbers = self._numbers(walk, found)
        there = ~np.asarray(self._is_beyond(walk, found.neurons, numbers))
        counts = {**found.counts, "requests": 1, "synapses": len(found.neurons), "errors": found.errors,
                  "beyond": int((~there).sum()), "cycles": found.interval}
        del counts["weight_write"]  # those that stay are not written
        neurons, places = found.neurons[there], places[there]
        apart = len(np.unique(places)) == len(places) \
            and (walk == Pass.APPLY or len(np.unique(neurons)) == len(neurons))
        visit = _Visit(neurons, places, numbers[there], counts, apart)
        self._visits[walk, request["neuron"], self.rule.accumulate] = visit
        return visit


def _store(words: Words, places: IntArray, values: IntArray, bits: int) -> None:
    """Integers of `bits` bits at bit places of words, (words,) or (words, words of 64 bits), which change in place."""
    flat = words.reshape(-1)
    part, shift = places >> 6, (places & 63).astype(np.uint64)
    mask, raw = np.uint64((1 << bits) - 1), (values & (1 << bits) - 1).astype(np.uint64)
    np.bitwise_and.at(flat, part, ~(mask << shift))
    np.bitwise_or.at(flat, part, raw << shift)
    across = np.flatnonzero(shift > np.uint64(64 - bits))
    back = np.uint64(64) - shift[across]
    np.bitwise_and.at(flat, part[across] + 1, ~(mask >> back))
    np.bitwise_or.at(flat, part[across] + 1, raw[across] >> back)


def phase(walk: int, values: npt.ArrayLike) -> list[Fields]:
    """The requests of one pass: of each neuron whose value is not 0, in order."""
    array = np.asarray(values)
    return [{"pass": walk, "neuron": int(neuron), "value": int(array[neuron])} for neuron in np.flatnonzero(array)]


def copied(organisation: Organisation) -> Organisation:
    """The same layer with words of its own, so that two learners do not share weights."""
    return replace(organisation, index_words=organisation.index_words.copy(),
                   weight_words=organisation.weight_words.copy())
