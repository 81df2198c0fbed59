"""A search for the resolutions of a network's weights and potentials, layer by layer, under a bound on its accuracy.

Chauvaux et al., arXiv 2410.23082, figure 6a, tune them; how is not said there. Here weights are scaled so that the
threshold, an integer, scales with them: the layer then differs by the rounding of its weights alone, and by what its
potentials, which wrap, do not hold.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError, NetworkError
from golden.program import Program
from golden.types import IntArray
from synapress.mapper.cim.activity import WIDE, Activity, Spikes, check_program, layer, reach, run
from synapress.mapper.cim.stationarity import Layer, hybrid_least

Bits = tuple[int, int]
"""Of a layer's weights and of its potentials."""
Resolutions = Mapping[str, Bits]
"""By layer; layers that it does not name stay as they are, with potentials that do not wrap."""
Objective = Callable[[Sequence[Layer]], int]
"""Of layers with their resolutions, what shall be small, in bits."""
BASELINE_BITS = 8, 16
"""Those of the usual cores, from which the search goes down."""
LOWEST_BITS = 1, 2
"""Those that it ends at."""
COVER = 0.9999
"""Share of potentials for which a layer's have bits; the others wrap."""
MANY = 2_000
"""Choices of an exact search, which may evaluate all of them."""


def footprint(layers: Sequence[Layer]) -> int:
    """All weights and all potentials."""
    return sum(each.weights * each.weight_bits + each.potentials * each.potential_bits for each in layers)


def stationary(layers: Sequence[Layer]) -> int:
    """Of each layer the smaller operand, as HS-min keeps it."""
    return hybrid_least(layers).kept()


def facts(program: Program, names: Sequence[str], resolutions: Resolutions) -> tuple[Layer, ...]:
    """What the tables of stationarity need of some layers, from the program.

    Raises:
        NetworkError: a layer has several sources, or is not square.
    """
    found = []
    for name in names:
        shape, edges = program.population(name).shape, program.edges_into(name)
        if len(edges) != 1 or shape[1] != shape[2] or edges[0].weights.shape[2] != edges[0].weights.shape[3]:
            raise NetworkError(f"layer '{name}': needs one source, and as many columns as rows; given: {len(edges)}, "
                               f"{shape[1]} x {shape[2]}")
        outputs, inputs, kernel, _ = edges[0].weights.shape
        height = shape[1]
        if height == 1:  # a dense layer: every tap is a channel of its own
            inputs, kernel = inputs * kernel ** 2, 1
        found.append(Layer(name=name, inputs=inputs, outputs=outputs, kernel=kernel, height=height,
                           weight_bits=resolutions[name][0], potential_bits=resolutions[name][1]))
    return tuple(found)


def coarsened(weights: IntArray, threshold: int, bits: int, highest: int) -> tuple[IntArray, int]:
    """Weights of some bits, and the threshold that belongs to them, at most `highest`.

    Of all thresholds t up to the given one, weights · t / threshold are rounded and clipped; the t with the least
    squared error, all scaled back, is taken: of equal ones the smallest.
    """
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    best: tuple[float, int, IntArray] | None = None
    numbers, counts = np.unique(weights, return_counts=True)
    for scaled in range(1, max(1, min(threshold, highest)) + 1):
        found = np.clip(np.rint(numbers * (scaled / threshold)), low, high).astype(np.int64)
        error = float(counts @ (numbers - found * (threshold / scaled)) ** 2)
        if best is None or error < best[0]:
            best = error, scaled, found
    assert best is not None
    _, scaled, found = best
    return found[np.searchsorted(numbers, weights)], scaled


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a choice of resolutions does."""

    resolutions: tuple[tuple[str, Bits], ...]
    bits: int
    """By the objective."""
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search has found, and how."""

    baseline: Trial
    best: Trial
    least: float
    """Accuracy that was asked for."""
    trials: tuple[Trial, ...]
    """All that were evaluated, in order."""
    exact: bool
    """Whether no choice within the bounds needs fewer bits; else it is greedy."""

    @property
    def ratio(self) -> float:
        """Bits of the best, of those of the baseline."""
        return self.best.bits / self.baseline.bits


class Packed:
    """An activity, whose spikes take a bit each."""

    def __init__(self, activity: Activity):
        self.potentials, self.wrapped = activity.potentials, activity.wrapped
        self._shape, self._bits = activity.spikes.shape, np.packbits(activity.spikes)

    @property
    def spikes(self) -> Spikes:
        return np.unpackbits(self._bits, count=int(np.prod(self._shape))).reshape(self._shape)


class Evaluator:
    """Accuracy of a classifier by the resolutions of its layers; what two choices have in common is computed once.

    Args:
        program: of integrate-and-fire neurons, with one input and one output, whose neurons are classes; the class that
            fires most often is the answer, the first of equals. Its weights and thresholds are those of the baseline.
        recordings: (recordings, timesteps, D, W, H).
        labels: (recordings,).
        cover: thresholds are scaled so that potentials hold this share of the baseline's, in the worst timestep.

    Raises:
        NetworkError: the program is another one, or labels and recordings do not fit.
    """

    def __init__(self, program: Program, recordings: Spikes, labels: npt.ArrayLike, *, cover: float = COVER):
        check_program(program)
        self.program, self.recordings, self.labels = program, recordings, np.asarray(labels)
        self.cover = cover
        if len(program.inputs) != 1 or len(program.outputs) != 1 or self.labels.shape != recordings.shape[:1]:
            raise NetworkError(f"program '{program.name}': needs one input, one output and a label for each of "
                               f"{len(recordings)} recordings; given: {len(program.inputs)}, {len(program.outputs)}, "
                               f"{len(self.labels)}")
        self._order = [name for name in program.topological_order() if name not in program.inputs]
        self._made: dict[tuple[object, ...], Packed] = {}
        self._reached: dict[str, float] = {}
        self._coarsened: dict[tuple[str, Bits], tuple[IntArray, int]] = {}

    def accuracy(self, resolutions: Resolutions) -> float:
        """Share of recordings whose answer is right."""
        return _right(self.made(resolutions)[self.program.outputs[0]].spikes, self.labels)

    def elsewhere(self, resolutions: Resolutions, recordings: Spikes, labels: npt.ArrayLike, *, saturate: bool = False
                  ) -> float:
        """The same for other recordings, of the network with weights and thresholds as they are here.

        Args:
            saturate: potentials are clipped in place of wrapped: see `synapress.mapper.cim.activity`.
        """
        bits = {name: potential_bits for name, (_, potential_bits) in resolutions.items()}
        found = dict(run(self.coarsened(resolutions), {self.program.inputs[0]: recordings}, bits=bits,
                         saturate=saturate))
        return _right(found[self.program.outputs[0]].spikes, np.asarray(labels))

    def made(self, resolutions: Resolutions) -> dict[str, Packed]:
        """What every population behind the input does."""
        found: dict[str, Packed] = {}
        key: tuple[object, ...] = ()
        for name in self._order:
            bits = resolutions.get(name)
            key += bits,
            if key not in self._made:
                program = self.program if bits is None else self.coarsened({name: bits})
                self._made[key] = Packed(layer(program, name, self._sources(name, found),
                                               bits=WIDE if bits is None else bits[1]))
            found[name] = self._made[key]
        return found

    def _sources(self, name: str, made: Mapping[str, Packed]) -> dict[str, Spikes]:
        return {edge.source: made[edge.source].spikes if edge.source in made else self.recordings
                for edge in self.program.edges_into(name)}

    def coarsened(self, resolutions: Resolutions) -> Program:
        """The program with weights and thresholds as the resolutions round them: for an image, too."""
        populations, edges = [], []
        for population in self.program.populations:
            bits = resolutions.get(population.name)
            populations.append(population if bits is None else replace(
                population, threshold=np.array([self._rounded(population.name, bits)[1]])))
        for edge in self.program.edges:
            bits = resolutions.get(edge.destination)
            edges.append(edge if bits is None else replace(edge, weights=self._rounded(edge.destination, bits)[0]))
        return replace(self.program, populations=populations, edges=edges)

    def _rounded(self, name: str, bits: Bits) -> tuple[IntArray, int]:
        if (name, bits) not in self._coarsened:
            threshold = self.program.population(name).threshold
            edges = self.program.edges_into(name)
            if len(edges) != 1 or threshold is None or len(np.unique(threshold)) != 1:
                raise NetworkError(f"layer '{name}': needs one source, and one threshold for all channels")
            reached = self._reach(name) / int(threshold[0])
            highest = int(((1 << bits[1] - 1) - 1) / max(1.0, reached))
            self._coarsened[name, bits] = coarsened(edges[0].weights, int(threshold[0]), bits[0], highest)
        return self._coarsened[name, bits]

    def _reach(self, name: str) -> float:
        """What potentials of the baseline do not exceed, but for a share that is not covered."""
        if name not in self._reached:
            self._reached[name] = reach(self.program, name, self._sources(name, self.made({})), self.cover)
        return self._reached[name]


def _right(spikes: Spikes, labels: IntArray) -> float:
    """Share of recordings in which the class fires most often that the label says."""
    counts = spikes.sum(axis=1, dtype=np.int64).reshape(len(spikes), -1)
    return float((counts.argmax(axis=1) == labels).mean())


def search(
    evaluator: Evaluator, names: Sequence[str], *, loss: float, objective: Objective = footprint,
    baseline: Bits = BASELINE_BITS, lowest: Bits = LOWEST_BITS, exact: bool | None = None,
    progress: Callable[[Trial], None] = lambda _: None,
) -> Found:
    """Resolutions of some layers with few bits, whose accuracy is at most `loss` below that of the baseline.

    Exact: choices in order of their bits, until one is accurate enough. Greedy: of each operand alone the fewest bits
    that are accurate enough, by bisection; these together; then, while they are not accurate enough, a bit more where
    it helps, the cheapest first, or for all where no one helps; at last a bit less wherever it does no harm, the
    dearest first. Both give the same for the same arguments.

    Args:
        names: of layers; the others stay as they are.
        loss: of accuracy, as a share: .01 is one recording of 100.
        baseline, lowest: bounds of the bits of each layer.
        exact: default: where there are few choices.
        progress: is called after each evaluation.

    Raises:
        ConfigError: the bounds are none, a name is no layer's, or there are too many choices for an exact search.
    """
    if not names or any(name in evaluator.program.inputs or not evaluator.program.edges_into(name) for name in names):
        raise ConfigError(f"search of resolutions: needs names of layers; given: {', '.join(names) or 'none'}")
    if not (1 <= lowest[0] <= baseline[0] <= WIDE and 2 <= lowest[1] <= baseline[1] <= WIDE) or loss < 0:
        raise ConfigError(f"search of resolutions: needs bits from 1 of weights, and 2 of potentials, up to {WIDE}, "
                          f"and a loss from 0 up; given: {lowest} to {baseline}, {loss}")
    choices = ((baseline[0] - lowest[0] + 1) * (baseline[1] - lowest[1] + 1)) ** len(names)
    if exact and choices > MANY:
        raise ConfigError(f"search of resolutions: an exact one needs at most {MANY:,} choices; given: {choices:,}")
    run = _Search(evaluator, tuple(names), objective, progress)
    first = run.trial([bits for _ in names for bits in baseline])
    run.least = first.accuracy - loss
    exact = choices <= MANY if exact is None else exact
    best = run.exact(lowest, baseline) if exact else run.greedy(lowest, baseline)
    return Found(baseline=first, best=best, least=run.least, trials=tuple(run.trials.values()), exact=exact)


class _Search:
    """A search: what was evaluated, by the bits of weights and potentials of all layers, in one row."""

    def __init__(self, evaluator: Evaluator, names: tuple[str, ...], objective: Objective,
                 progress: Callable[[Trial], None]):
        self.evaluator, self.names, self.objective, self.progress = evaluator, names, objective, progress
        self.trials: dict[tuple[int, ...], Trial] = {}
        self.least = 0.0

    def resolutions(self, row: Sequence[int]) -> dict[str, Bits]:
        return {name: (row[2 * place], row[2 * place + 1]) for place, name in enumerate(self.names)}

    def cost(self, row: Sequence[int]) -> int:
        return self.objective(facts(self.evaluator.program, self.names, self.resolutions(row)))

    def trial(self, row: Sequence[int]) -> Trial:
        key = tuple(row)
        if key not in self.trials:
            found = self.resolutions(row)
            self.trials[key] = Trial(resolutions=tuple(found.items()), bits=self.cost(row),
                                     accuracy=self.evaluator.accuracy(found))
            self.progress(self.trials[key])
        return self.trials[key]

    def fits(self, row: Sequence[int]) -> bool:
        return self.trial(row).accuracy >= self.least

    def exact(self, lowest: Bits, baseline: Bits) -> Trial:
        spans = [range(lowest[place % 2], baseline[place % 2] + 1) for place in range(2 * len(self.names))]
        rows = sorted(itertools.product(*spans), key=lambda row: (self.cost(row), row))
        return self.trial(next(row for row in rows if self.fits(row)))

    def greedy(self, lowest: Bits, baseline: Bits) -> Trial:
        top = [bits for _ in self.names for bits in baseline]
        row = [self._alone(top, place, lowest[place % 2]) for place in range(len(top))]
        while not self.fits(row):
            before = list(row)
            for place in self._by_cost(row):
                raised = self._moved(row, place, 1)
                if row[place] < top[place] and self.trial(raised).accuracy > self.trial(row).accuracy:
                    row = raised
                    if self.fits(row):
                        break
            if row == before:
                row = [min(bits + 1, most) for bits, most in zip(row, top, strict=True)]
        for place in reversed(self._by_cost(row)):
            while row[place] > lowest[place % 2] and self.fits(self._moved(row, place, -1)):
                row = self._moved(row, place, -1)
        return self.trial(row)

    def _alone(self, top: Sequence[int], place: int, low: int) -> int:
        """The fewest bits of one operand, the others at the baseline, as if more were never worse."""
        high = top[place]
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.fits([*top[:place], middle, *top[place + 1:]]) else (middle + 1, high)
        return high

    def _by_cost(self, row: Sequence[int]) -> list[int]:
        """Operands, the one first whose next bit costs least."""
        return sorted(range(len(row)), key=lambda place: (self.cost(self._moved(row, place, 1)), place))

    @staticmethod
    def _moved(row: Sequence[int], place: int, by: int) -> list[int]:
        return [bits + by * (at == place) for at, bits in enumerate(row)]
