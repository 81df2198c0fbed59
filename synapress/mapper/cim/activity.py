"""Layers of integrate-and-fire neurons over whole recordings, with potentials of any number of bits.

All timesteps of a layer are one batch of products of matrices (`golden.network.convolution`); its potentials then go
from timestep to timestep. Accumulation wraps, so this is what a compute-in-memory core computes event by event, for
every resolution (Chauvaux et al., arXiv 2410.23082, section II). With saturation the core's result depends on the order
of events, and this model clips once per timestep.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.network.convolution import check, integrate, largest, magnitude
from golden.neuron.states import wrap_array
from golden.program import Population, Program
from golden.types import IntArray, Pair
from golden.words import NeuronType, Reset

WIDE = 32
"""Bits of potentials that no sum reaches."""
_CHUNK = 1 << 25
"""Potentials computed at a time, of some recordings: bounds the working memory. Results do not depend on it."""

Spikes = npt.NDArray[np.uint8]
"""(recordings, timesteps, D, W, H), of zeros and ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """A population over all recordings."""

    spikes: Spikes
    potentials: Pair
    """Lowest and highest potential before the threshold is looked at, had it not wrapped since the timestep before."""
    wrapped: int
    """Sums of a timestep that did not fit, of neurons and timesteps."""

    @property
    def sparsity(self) -> float:
        """Share of neurons and timesteps without a spike."""
        return 1 - float(self.spikes.mean())


def check_program(program: Program) -> None:
    """Whether a program is one that this model runs.

    Raises:
        NetworkError: a population behind the inputs does more than integrate and fire.
    """
    for population in program.populations:
        plain = population.type == NeuronType.SPIKING and population.saturation in (Reset.SUBTRACT, Reset.ZERO)
        if population.name not in program.inputs and not (
                plain and population.threshold is not None and not population.bias.any()
                and (population.multiplier == 1).all() and not population.shift.any()):
            raise NetworkError(f"population '{population.name}': needs neurons that integrate and fire, without bias "
                               "and leak, as an array computes no others")


def run(
    program: Program, inputs: Mapping[str, Spikes], *, bits: Mapping[str, int] = MappingProxyType({}),
    saturate: bool = False,
) -> Iterator[tuple[str, Activity]]:
    """Populations behind the inputs in topological order, each over all recordings, from potentials of zero.

    Args:
        program: of integrate-and-fire neurons.
        inputs: by name.
        bits: of potentials by population; default `WIDE`.
        saturate: what exceeds them is clipped after each timestep's sum, in place of the wrap.

    Raises:
        NetworkError: the program is none of this model's, or inputs do not fit.
    """
    check_program(program)
    values = dict(inputs)
    for name in program.inputs:
        shape = program.population(name).shape
        if name not in values or values[name].ndim != 5 or values[name].shape[2:] != shape:
            raise NetworkError(f"input '{name}': needs (recordings, timesteps, {', '.join(map(str, shape))}); given: "
                               f"{values[name].shape if name in values else 'none'}")
    for name in program.topological_order():
        if name not in program.inputs:
            activity = layer(program, name, values, bits=bits.get(name, WIDE), saturate=saturate)
            values[name] = activity.spikes
            yield name, activity


def layer(
    program: Program, name: str, values: Mapping[str, Spikes], *, bits: int = WIDE, saturate: bool = False
) -> Activity:
    """One population, from the spikes of its sources. Arguments as of `run`."""
    population, parts, ends, wrapped = program.population(name), [], [], 0
    for drive in drives(program, name, values):
        spikes, reached, misfits = fire(drive, population, bits=bits, saturate=saturate)
        parts.append(spikes)
        ends.append(reached)
        wrapped += misfits
    potentials = min(low for low, _ in ends), max(high for _, high in ends)
    return Activity(spikes=np.concatenate(parts), potentials=potentials, wrapped=wrapped)


def drives(program: Program, name: str, values: Mapping[str, Spikes]) -> Iterator[IntArray]:
    """What each timestep adds to the potentials, (some recordings, timesteps, D, W, H), from spikes of the sources."""
    population, edges = program.population(name), program.edges_into(name)
    count, steps = values[edges[0].source].shape[:2]
    chunk = max(1, _CHUNK // (steps * int(np.prod(population.shape))))
    for edge in edges:
        check(edge, program.population(edge.source), population)
    for first in range(0, count, chunk):
        parts = [values[edge.source][first:first + chunk] for edge in edges]
        states = np.zeros((len(parts[0]) * steps, *population.shape), np.int32)
        for edge, part in zip(edges, parts, strict=True):
            flat = part.reshape(-1, *part.shape[2:])
            integrate(edge, flat, states, population.type, WIDE, magnitude(edge) * largest(flat))
        yield states.reshape(-1, steps, *population.shape)


def fire(
    drive: IntArray, population: Population, *, bits: int = WIDE, saturate: bool = False
) -> tuple[Spikes, Pair, int]:
    """Spikes of neurons (recordings, timesteps, D, W, H), lowest and highest sum, and how many sums did not fit.

    In each timestep: the drive is added, modulo 2**bits or clipped; those at the threshold or above fire, and lose the
    threshold, or all of their potential.
    """
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    spikes, ends, wrapped = np.empty(drive.shape, np.uint8), (0, 0), 0

    def held(sums: IntArray) -> IntArray:
        nonlocal ends, wrapped
        least, most = int(sums.min()), int(sums.max())
        ends = min(ends[0], least), max(ends[1], most)
        if low <= least and most <= high:
            return sums
        wrapped += int(np.count_nonzero((sums < low) | (sums > high)))
        return np.clip(sums, low, high) if saturate else wrap_array(sums, bits)

    for step, fires in enumerate(_timesteps(drive, population, held)):
        spikes[:, step] = fires
    return spikes, ends, wrapped


def _timesteps(
    drive: IntArray, population: Population, held: Callable[[IntArray], IntArray]
) -> Iterator[npt.NDArray[np.bool_]]:
    """Who fires, timestep by timestep; `held` makes of each timestep's sums what the potentials hold."""
    assert population.threshold is not None
    threshold = population.threshold.astype(np.int64).reshape(-1, 1, 1)
    potentials = np.zeros((len(drive), *drive.shape[2:]), np.int64)
    for step in range(drive.shape[1]):
        potentials = held(potentials + drive[:, step])
        fires = potentials >= threshold
        if population.saturation == Reset.ZERO:
            potentials[fires] = 0
        else:
            potentials -= fires * threshold  # the threshold is positive, so this fits
        yield fires


def reach(program: Program, name: str, values: Mapping[str, Spikes], cover: float) -> float:
    """What the magnitudes of a population's potentials do not exceed, but for a share 1 - cover of them.

    The share is that of the timestep in which it is most; potentials do not wrap.
    """
    most = 0.0

    def held(sums: IntArray) -> IntArray:
        nonlocal most
        most = max(most, float(np.quantile(np.abs(sums), cover, method="higher")))
        return sums

    for drive in drives(program, name, values):
        for _ in _timesteps(drive, program.population(name), held):
            pass
    return most


def calibrated(program: Program, inputs: Mapping[str, Spikes], sparsity: float | Mapping[str, float]) -> Program:
    """The program with thresholds, one for each layer, at which its neurons are about as sparse as asked for.

    Layer by layer, each behind sources that are calibrated already: the lowest threshold at which at least that share
    of neurons and timesteps has no spike. Layers that reset to zero, as pools do, keep theirs.

    Args:
        inputs: recordings, by input.
        sparsity: of all layers, or by layer: 0 to 1; a layer without one keeps its threshold.

    Raises:
        NetworkError: as of `run`, or a sparsity outside 0 to 1.
    """
    check_program(program)
    values, found = dict(inputs), program
    for name in program.topological_order():
        if name in program.inputs:
            continue
        population = program.population(name)
        asked = sparsity.get(name) if isinstance(sparsity, Mapping) else sparsity
        if asked is not None and population.saturation != Reset.ZERO:
            if not 0 <= asked <= 1:
                raise NetworkError(f"layer '{name}': needs a sparsity of 0 to 1; given: {asked}")
            drive = np.concatenate(list(drives(found, name, values)))
            population = replace(population, threshold=np.array([_threshold(drive, population, asked)]))
            found = replace(found, populations=[population if each.name == name else each
                                                for each in found.populations])
        values[name] = layer(found, name, values).spikes
    return found


def _threshold(drive: IntArray, population: Population, sparsity: float) -> int:
    """The lowest threshold with a sparsity; at the highest potential that there can be, nothing fires."""
    low, high = 0, 1 + int(np.maximum(drive, 0).sum(axis=1, dtype=np.int64).max(initial=0))
    while high - low > 1:
        middle = (low + high) // 2
        spikes, _, _ = fire(drive, replace(population, threshold=np.array([middle])))
        low, high = (low, middle) if 1 - spikes.mean() >= sparsity else (middle, high)
    return high
