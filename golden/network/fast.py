"""Whole networks, fast: states, values and work of every population of a program, exact to the bit.

An event-driven core adds up the same integers in another order, and accumulation wraps, so a timestep can be computed
with matrix products (`golden.network.convolution`). `golden.core` is the model of the hardware, event by event;
`golden.network.dense` is the independent reference. Work is counted as the hardware's counters count it
(docs/architecture.md). Bamberg et al., arXiv 2112.07019, sections 3 and 4.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.network.by_value import by_value
from golden.network.convolution import check, integrate, largest, magnitude
from golden.network.evaluation import evaluate_population, initial_states
from golden.network.inputs import input_frames, sent
from golden.neuron.products import product
from golden.neuron.states import wrap_array
from golden.neuron.types import neuron_model
from golden.neuron.types.product import Product
from golden.program import Edge, Population, Program
from golden.timing.look_up import edge_operations
from golden.timing.operations import EdgeCounts
from golden.types import Integers

_CHUNK_NEURONS = 1 << 26
"""Neurons computed at a time, over the frames of a batch."""
_CHUNK_EVALUATION = 1 << 16
"""Neurons evaluated at a time, so that the intermediate results stay in the cache."""


@dataclass(frozen=True)
class Result:
    """One population over one timestep: both (N, D, W, H), or (D, W, H) if the inputs had no batch dimension."""

    states: Integers
    """Before evaluation, int32; zeros for an input, which has no states."""
    outputs: Integers
    """Values, int16; zero where a neuron does not fire."""
    state_range: tuple[int, int]
    """Lowest and highest state over the batch without the wrap: whether the sums fit. (0, 0) for an input."""
    kept: Integers | None = None
    """What stays for the next timestep, int32: states, of types that keep them; of delays the values, which it gets."""
    wrapped: int = 0
    """So many sums over the batch did not fit the states; operands of products are no sums."""


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
    keep: Collection[str] | None = None, before: Mapping[str, Result] | None = None,
) -> dict[str, Result]:
    """Evaluate a whole program over one timestep, over a batch of frames, which know nothing of each other.

    Args:
        program: any program, before or after `synapress.mapper.legalize`.
        inputs: input population → event values, integers (N, D, W, H) or (D, W, H); a zero is no event.
        config: widths of states and values; default `grai_vip`.
        keep: populations whose results are wanted; default all. The others take memory only while they are needed.
        before: what the timestep before gave for the same batch, populations with `kept` at least; default: this is the
            first timestep, from the initial states, in which delays deliver nothing.

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
    arrays: dict[str, Result] = {}
    for part in stream(program, inputs, config, before=before):
        if part.name not in kept:
            continue
        result = part.result
        kept[part.name].append(result)
        if len(result.states) < count:
            whole = arrays.setdefault(part.name, _map(
                result, lambda array: np.empty((count, *array.shape[1:]), array.dtype)))
            for all_frames, some in zip(_arrays(whole), _arrays(result), strict=True):
                all_frames[part.first:part.first + len(some)] = some
            kept[part.name][-1] = replace(whole, state_range=result.state_range, wrapped=result.wrapped)
    results = {}
    for name, parts in kept.items():
        ends = min(part.state_range[0] for part in parts), max(part.state_range[1] for part in parts)
        result = parts[0] if batched else _map(parts[0], lambda array: array[0])
        results[name] = replace(result, state_range=ends, wrapped=sum(part.wrapped for part in parts))
    return results


def _arrays(result: Result) -> list[Integers]:
    return [array for array in (result.states, result.outputs, result.kept) if array is not None]


def _map(result: Result, change: Callable[[Integers], Integers]) -> Result:
    """A result with every array changed."""
    return replace(result, states=change(result.states), outputs=change(result.outputs),
                   kept=None if result.kept is None else change(result.kept))


def stream(
    program: Program, inputs: Mapping[str, npt.ArrayLike], config: CoreConfig | None = None, *,
    before: Mapping[str, Result] | None = None,
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
    linear = product(config).linear
    into = {name: [replace(edge, shift=edge.shift + edge.operand * config.operand_bits, operand=0,
                           weights=product(config).factors(edge.weights, config)) if linear else edge
                   for edge in program.edges_into(name)] for name in order}
    # Delays are computed behind their sources, and read from the timestep before, by any.
    last = {name: max((order.index(edge.destination) for edge in program.edges_from(name)), default=-1)
            for name in order}
    count = len(next(iter(frames.values()), ()))
    step = max(1, _CHUNK_NEURONS // sum(int(np.prod(population.shape)) for population in program.populations))
    for first in range(0, max(1, count), step):
        values = _delivered(program, before, slice(first, min(first + step, count)))
        for index, name in enumerate(order):
            start = None if before is None or not populations[name].keeps else before[name].kept
            if start is not None:
                start = start.reshape(-1, *populations[name].shape)[first:first + step]
            if name in frames:
                given, kept = sent(populations[name], frames[name][first:first + step], start, config)
                values[name] = given.astype(np.int16)
                yield Part(name, first, Result(np.zeros(given.shape, np.int32), values[name], (0, 0), kept))
            else:
                if start is None and populations[name].initial is not None:
                    size = (len(values[into[name][0].source]), *populations[name].shape)
                    start = initial_states(populations[name], size)
                result = _population(into[name], populations[name], values, magnitudes, start, config)
                if not populations[name].delays:
                    values[name] = result.outputs
                yield Part(name, first, result)
                del result
            for done in [done for done in values if last[done] <= index]:
                del values[done]


def _delivered(program: Program, before: Mapping[str, Result] | None, frames: slice) -> dict[str, Integers]:
    """What delays deliver in some frames of a batch: their values of the timestep before, in the first one none."""
    found: dict[str, Integers] = {}
    for population in program.populations:
        if population.delays:
            kept = None if before is None else before[population.name].kept
            found[population.name] = (
                np.zeros((frames.stop - frames.start, *population.shape), np.int16) if kept is None
                else kept.reshape(-1, *population.shape)[frames].astype(np.int16))
    return found


def _population(
    edges: list[Edge], population: Population, values: Mapping[str, Integers], magnitudes: Mapping[str, int],
    start: Integers | None, config: CoreConfig,
) -> Result:
    """States and values of one population from the values of its sources and the states it starts with."""
    number = len(values[edges[0].source])
    if not product(config).linear:
        parts = [part for edge in edges for part in by_value(edge, values[edge.source], config)]
        edges = [replace(edge, name=str(place), source=str(place)) for place, (edge, _) in enumerate(parts)]
        values = {str(place): source for place, (_, source) in enumerate(parts)}
        magnitudes = {edge.name: magnitude(edge) for edge in edges}
    reaches = [magnitudes[edge.name] * largest(values[edge.source]) for edge in edges]
    most = sum(reach << edge.shift for reach, edge in zip(reaches, edges, strict=True))
    most += 0 if start is None else largest(start)
    states = np.zeros((number, *population.shape), np.int32 if most < 1 << 31 else np.int64)
    if start is not None:
        states += start
    for edge, reach in zip(edges, reaches, strict=True):
        integrate(edge, values[edge.source], states, population.type, config.state_bits, reach)
    model, sums = neuron_model(population.type, config), states
    if start is not None and model.sum_bits(config) < config.state_bits:
        sums = states - start + model.sums(start, config)
    ends = (int(sums.min()), int(sums.max())) if sums.size else (0, 0)
    half, wrapped = 1 << (model.sum_bits(config) - 1), 0
    if not -half <= ends[0] <= ends[1] < half and not issubclass(model, Product):
        wrapped = int(np.count_nonzero((sums < -half) | (sums >= half)))
    if sums is not states:
        ends_of_states = int(states.min()), int(states.max())
    else:
        ends_of_states = ends
    half = 1 << (config.state_bits - 1)
    if not -half <= ends_of_states[0] <= ends_of_states[1] < half:
        states = wrap_array(states.astype(np.int64), config.state_bits)
    states = states.astype(np.int32, copy=False)
    outputs, kept = _evaluate(states, population, config)
    return Result(states, outputs, ends, kept, wrapped)


def _evaluate(states: Integers, population: Population, config: CoreConfig) -> tuple[Integers, Integers | None]:
    """Values of a population, and the states that it keeps, in blocks of channels that fit the cache."""
    depth, width, height = population.shape
    outputs = np.empty(states.shape, np.int16)
    kept = np.empty(states.shape, np.int32) if population.keeps else None
    channels = max(1, _CHUNK_EVALUATION // (width * height))
    frames = max(1, _CHUNK_EVALUATION // (depth * width * height))
    for first in range(0, len(states), frames):
        for low in range(0, depth, channels):
            block = slice(low, low + channels)
            values, stays = evaluate_population(states[first:first + frames, block], population, config, block)
            outputs[first:first + frames, block] = values
            if kept is not None:
                kept[first:first + frames, block] = stays
    return outputs, outputs.astype(np.int32) if population.delays else kept


def counts(
    program: Program, inputs: Mapping[str, npt.ArrayLike], config: CoreConfig | None = None
) -> dict[str, EdgeCounts]:
    """The work of each edge by name, over all frames of the inputs. Arguments and errors are those of `run`.

    The program should be as mapped (`synapress.mapper.legalize`): what a kernel is filled with counts as synapses.
    """
    config = config or CoreConfig()
    work = {
        edge.name: edge_operations(edge, program.population(edge.source), program.population(edge.destination), config)
        for edge in program.edges
    }
    total = dict.fromkeys(work, EdgeCounts())
    for part in stream(program, inputs, config):
        for edge in program.edges_from(part.name):
            total[edge.name] += work[edge.name].counts(part.result.outputs)
    return total
