"""Whole networks, fast: states, values and work of every population of a program, exact to the bit.

An event-driven core adds up the same integers in another order, and accumulation wraps, so a timestep can be computed
with matrix products (`golden.convolution`). `golden.core` is the model of the hardware, event by event; `golden.dense`
is the independent reference. Work is counted as the hardware's counters count it (docs/architecture.md).
Bamberg et al., arXiv 2112.07019, sections 3 and 4.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.convolution import check, integrate, largest, magnitude
from golden.errors import NetworkError
from golden.frames import input_frames
from golden.neuron import evaluate, wrap_array
from golden.program import Edge, Population, Program
from golden.work import EdgeCounts, EdgeWork

Array = npt.NDArray[np.integer]

_CHUNK_NEURONS = 1 << 26
"""Neurons computed at a time, over the frames of a batch."""
_CHUNK_EVALUATION = 1 << 16
"""Neurons evaluated at a time, so that the intermediate results stay in the cache."""


@dataclass(frozen=True)
class Result:
    """One population over one timestep: both (N, D, W, H), or (D, W, H) if the inputs had no batch dimension."""

    states: Array
    """Before evaluation, int32; zeros for an input, which has no states."""
    outputs: Array
    """Values, int16; zero where a neuron does not fire."""
    state_range: tuple[int, int]
    """Lowest and highest state over the batch without the wrap: whether the sums fit. (0, 0) for an input."""


@dataclass(frozen=True)
class Part:
    """One population over some frames of a batch."""

    name: str
    first: int
    """Index of the first frame."""
    result: Result
    """Arrays (N, D, W, H) of these frames."""


def run(
    program: Program, inputs: Mapping[str, npt.ArrayLike], config: CoreConfig | None = None, *,
    keep: Collection[str] | None = None,
) -> dict[str, Result]:
    """Evaluate a whole program over one timestep, over a batch of frames.

    Args:
        program: any program, before or after `mapper.legalise`.
        inputs: input population → event values, integers (N, D, W, H) or (D, W, H); a zero is no event.
        config: widths of states and values; default `grai_vip`.
        keep: populations whose results are wanted; default all. The others take memory only while they are needed.

    Returns:
        Population → result, in topological order.

    Raises:
        NetworkError: an input is missing, unknown or of the wrong shape, `keep` names no population, or the program is
            inconsistent.
        EventError: an input value does not fit an event.
    """
    config = config or CoreConfig()
    names = program.topological_order()
    unknown = sorted(set(keep or ()) - set(names))
    if unknown:
        raise NetworkError(f"program '{program.name}': there is no population {', '.join(unknown)} to keep")
    frames, batched = input_frames(program, inputs, config)
    count = len(next(iter(frames.values()), ()))
    kept: dict[str, list[Result]] = {name: [] for name in names if keep is None or name in keep}
    # A batch that is computed in several parts is put together as they come.
    arrays: dict[str, tuple[Array, Array]] = {}
    for part in stream(program, inputs, config):
        if part.name not in kept:
            continue
        result = part.result
        kept[part.name].append(result)
        if len(result.states) < count:
            shape = (count, *result.states.shape[1:])
            states, outputs = arrays.setdefault(
                part.name, (np.empty(shape, result.states.dtype), np.empty(shape, result.outputs.dtype)))
            states[part.first:part.first + len(result.states)] = result.states
            outputs[part.first:part.first + len(result.states)] = result.outputs
            kept[part.name][-1] = Result(states, outputs, result.state_range)
    results = {}
    for name, parts in kept.items():
        states, outputs = (parts[0].states, parts[0].outputs) if batched else (parts[0].states[0], parts[0].outputs[0])
        results[name] = Result(states, outputs, (min(part.state_range[0] for part in parts),
                                                 max(part.state_range[1] for part in parts)))
    return results


def stream(
    program: Program, inputs: Mapping[str, npt.ArrayLike], config: CoreConfig | None = None
) -> Iterator[Part]:
    """The same as `run`, a population and a few frames at a time, for what need not be kept: statistics, calibration.

    Of each few frames the populations come in topological order. Arguments and errors are those of `run`.
    """
    config = config or CoreConfig()
    order = program.topological_order()
    populations = {population.name: population for population in program.populations}
    frames, _ = input_frames(program, inputs, config)
    for edge in program.edges:
        check(edge, populations[edge.source], populations[edge.destination])
    for name in order:
        if name not in frames and not program.edges_into(name):
            raise NetworkError(f"population '{name}' has no incoming edge and is no input")
    magnitudes = {edge.name: magnitude(edge) for edge in program.edges}
    last = {name: max((order.index(edge.destination) for edge in program.edges_from(name)), default=-1)
            for name in order}
    count = len(next(iter(frames.values()), ()))
    step = max(1, _CHUNK_NEURONS // sum(int(np.prod(population.shape)) for population in program.populations))
    for first in range(0, max(1, count), step):
        values: dict[str, Array] = {}
        for index, name in enumerate(order):
            if name in frames:
                values[name] = frames[name][first:first + step].astype(np.int16)
                yield Part(name, first, Result(np.zeros(values[name].shape, np.int32), values[name], (0, 0)))
            else:
                result = _population(program.edges_into(name), populations[name], values, magnitudes, config)
                values[name] = result.outputs
                yield Part(name, first, result)
                del result
            for done in [done for done in values if last[done] <= index]:
                del values[done]


def _population(
    edges: list[Edge], population: Population, values: Mapping[str, Array], magnitudes: Mapping[str, int],
    config: CoreConfig,
) -> Result:
    """States and values of one population from the values of its sources."""
    number = len(values[edges[0].source])
    reaches = [magnitudes[edge.name] * largest(values[edge.source]) for edge in edges]
    most = sum(reach << edge.shift for reach, edge in zip(reaches, edges, strict=True))
    states = np.zeros((number, *population.shape), np.int32 if most < 1 << 31 else np.int64)
    for edge, reach in zip(edges, reaches, strict=True):
        integrate(edge, values[edge.source], states, population.type, config.state_bits, reach)
    ends = (int(states.min()), int(states.max())) if states.size else (0, 0)
    half = 1 << (config.state_bits - 1)
    if not -half <= ends[0] <= ends[1] < half:
        states = wrap_array(states.astype(np.int64), config.state_bits)
    states = states.astype(np.int32, copy=False)
    return Result(states, _evaluate(states, population, config), ends)


def _evaluate(states: Array, population: Population, config: CoreConfig) -> Array:
    """Values of a population, in blocks of channels that fit the cache."""
    depth, width, height = population.shape
    bias, multiplier, shift = (
        np.broadcast_to(np.asarray(parameter, np.int64).reshape(-1, 1, 1), (depth, 1, 1))
        for parameter in (population.bias, population.multiplier, population.shift))
    outputs = np.empty(states.shape, np.int16)
    channels = max(1, _CHUNK_EVALUATION // (width * height))
    frames = max(1, _CHUNK_EVALUATION // (depth * width * height))
    for first in range(0, len(states), frames):
        for low in range(0, depth, channels):
            block = slice(low, low + channels)
            outputs[first:first + frames, block] = evaluate(
                states[first:first + frames, block], bias[block], multiplier[block], shift[block],
                population.saturation, config)
    return outputs


def counts(
    program: Program, inputs: Mapping[str, npt.ArrayLike], config: CoreConfig | None = None
) -> dict[str, EdgeCounts]:
    """The work of each edge by name, over all frames of the inputs. Arguments and errors are those of `run`.

    The program should be as mapped (`mapper.legalise`): what a kernel is filled with counts as synapses.
    """
    config = config or CoreConfig()
    work = {edge.name: EdgeWork.of(edge, program.population(edge.source), program.population(edge.destination), config)
            for edge in program.edges}
    total = dict.fromkeys(work, EdgeCounts())
    for part in stream(program, inputs, config):
        for edge in program.edges_from(part.name):
            total[edge.name] += work[edge.name].counts(part.result.outputs)
    return total
