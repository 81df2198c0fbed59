"""Plain dense evaluation of a program: the independent check of everything event-driven.

Nothing here knows of events, words or addresses: a feature map is an array (N, D, W, H) over a batch, an edge is the
textbook cross-correlation [B §3], a timestep evaluates the populations in topological order. It shares only
`golden.neuron.evaluate` and `spike` (bias, requantization, saturation; threshold, reset, leak) with the event-driven
models, and the checks of inputs. The members of a batch know nothing of each other: timesteps are calls of `run`, one
after another, see `run_timesteps`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.network.by_value import by_value
from golden.network.evaluation import evaluate_population, initial_states
from golden.network.inputs import input_frames, sent
from golden.neuron.types import neuron_model
from golden.program import Edge, Population, Program
from golden.types import Array, IntArray, Integers, Pair
from golden.words import NeuronType

_EXACT_FLOAT = 1 << 53
"""Integers below this are exact in float64, so a matrix product of them may use BLAS."""
_CHUNK_ELEMENTS = 1 << 22
"""Source elements converted at a time; bounds the working memory of large batches."""


def output_size(
    size: Pair, kernel: Pair, stride: Pair, padding: tuple[int, int, int, int], dilation: Pair, upsample: int = 0
) -> Pair:
    """Width and height of a convolution's result, rounded down; padding is (left, top, right, bottom).

    The upsampled source has zeros between its elements only: ((W - 1) << upsample) + 1 of them.
    """
    width, height = (
        (((size[i] - 1) << upsample) + 1 + padding[i] + padding[i + 2] - ((kernel[i] - 1) * dilation[i] + 1))
        // stride[i] + 1
        for i in (0, 1)
    )
    return width, height


def conv2d(
    source: npt.ArrayLike,
    weights: npt.ArrayLike,
    *,
    stride: Pair = (1, 1),
    padding: Pair | tuple[int, int, int, int] = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    upsample: int = 0,
    size: Pair | None = None,
    shift: int = 0,
    maximum: bool = False,
    product_bits: int | None = None,
) -> IntArray:
    """Integer cross-correlation P[c,x,y] = Σ W[c,i,j,k] · S_up[i, S·x + j·d - XP, S·y + k·d - YP], exact.

    Args:
        source: (N, D_src, W, H), integers.
        weights: (D_dst, D_src / groups, KW, KH), or (1, 1, KW, KH) where groups = D_src and all channels are alike.
        stride, dilation: x and y.
        padding: left and top, or left, top, right and bottom; negative values crop.
        upsample: log2 of the upsampling of the source, zeros between.
        size: width and height of the result; by default it follows from the padding (a pair: the same on both sides).
        shift: left shift of every product.
        maximum: the maximum over the products and 0, instead of their sum.
        product_bits: with `maximum`, the width to which each product wraps before it is compared.

    Returns:
        (N, D_dst, W_dst, H_dst).

    Raises:
        NetworkError: shapes or groups do not match, or the result would be empty.
    """
    source, weights = np.asarray(source), np.asarray(weights)
    if source.ndim != 4 or weights.ndim != 4:
        raise NetworkError(f"convolution: source {source.shape} and weights {weights.shape} must have 4 dimensions")
    count, depth = source.shape[:2]
    if weights.shape[:2] == (1, 1) and groups == depth > 1:
        weights = np.broadcast_to(weights, (depth, *weights.shape[1:]))
    kernel: Pair = weights.shape[2:]
    if depth % groups or weights.shape[0] % groups or weights.shape[1] * groups != depth:
        raise NetworkError(f"convolution: weights {weights.shape} with {groups} groups do not fit {depth} channels")
    if size is None:
        around = (*padding, *padding) if len(padding) == 2 else padding
        size = output_size(source.shape[2:], kernel, stride, around, dilation, upsample)
    if min(size) < 1:
        raise NetworkError(f"convolution: the result would be empty: {size[0]} × {size[1]}")
    result = np.empty((count, weights.shape[0], *size), np.int64)
    step = max(1, _CHUNK_ELEMENTS // max(1, depth * source.shape[2] * source.shape[3]))
    for first in range(0, count, step):
        part = source[first:first + step].astype(np.int64)
        taps = _taps(part, kernel, stride, (padding[0], padding[1]), dilation, upsample, size)
        if maximum:
            result[first:first + step] = _maximum(taps, weights, groups, shift, product_bits)
        else:
            result[first:first + step] = _sum(taps, weights, groups, part) << shift
    return result


def _taps(
    source: IntArray, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, upsample: int, size: Pair
) -> Iterator[tuple[int, int, IntArray]]:
    """For each tap (j, k) the source elements it meets, (D_src, N, W_dst, H_dst)."""
    need = [(size[i] - 1) * stride[i] + (kernel[i] - 1) * dilation[i] + 1 for i in (0, 1)]
    field = np.zeros((source.shape[1], source.shape[0], *need), np.int64)
    positions, kept = [], []
    for i in (0, 1):
        at = (np.arange(source.shape[2 + i]) << upsample) + padding[i]
        inside = (at >= 0) & (at < need[i])
        positions.append(at[inside])
        kept.append(np.flatnonzero(inside))
    if len(positions[0]) and len(positions[1]):
        field[:, :, positions[0][:, None], positions[1]] = (
            source.transpose(1, 0, 2, 3)[:, :, kept[0][:, None], kept[1]])
    for j in range(kernel[0]):
        for k in range(kernel[1]):
            x, y = j * dilation[0], k * dilation[1]
            yield j, k, field[:, :, x:x + (size[0] - 1) * stride[0] + 1:stride[0],
                              y:y + (size[1] - 1) * stride[1] + 1:stride[1]]


def _sum(taps: Iterator[tuple[int, int, IntArray]], weights: Integers, groups: int, source: IntArray) -> IntArray:
    terms = weights[0].size
    bound = terms * int(np.abs(weights.astype(np.int64)).max(initial=0)) * int(np.abs(source).max(initial=0))
    dtype = np.float64 if bound < _EXACT_FLOAT and weights.shape[1] > 1 else np.int64
    per_group = weights.shape[0] // groups
    total: Array | None = None
    for j, k, tap in taps:
        shape = tap.shape[1:]
        kernel = weights[:, :, j, k].astype(dtype)
        if weights.shape[1] == 1:
            grouped = tap.reshape(groups, 1, *shape)
            product = kernel.reshape(groups, per_group, 1, 1, 1) * grouped
        else:
            grouped = tap.reshape(groups, weights.shape[1], -1).astype(dtype)
            product = kernel.reshape(groups, per_group, -1) @ grouped
        product = product.reshape(weights.shape[0], *shape)
        total = product if total is None else np.add(total, product, out=total)
    assert total is not None
    return total.transpose(1, 0, 2, 3).astype(np.int64)


def _maximum(
    taps: Iterator[tuple[int, int, IntArray]], weights: Integers, groups: int, shift: int, bits: int | None
) -> IntArray:
    per_group = weights.shape[0] // groups
    result: IntArray | None = None
    for j, k, tap in taps:
        shape = tap.shape[1:]
        grouped = tap.reshape(groups, 1, weights.shape[1], *shape)
        kernel = weights[:, :, j, k].astype(np.int64).reshape(groups, per_group, weights.shape[1], 1, 1, 1)
        for i in range(weights.shape[1]):
            product = ((kernel[:, :, i] * grouped[:, :, i]) << shift).reshape(weights.shape[0], *shape)
            product = product if bits is None else wrap(product, bits)
            result = np.maximum(product, 0 if result is None else result)
    assert result is not None
    return result.transpose(1, 0, 2, 3)


def wrap(values: IntArray, bits: int) -> IntArray:
    """Two's complement of `bits` bits, as int64."""
    return ((values + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))


@dataclass(frozen=True)
class Result:
    """One population over one timestep: both (N, D, W, H), or (D, W, H) if the inputs had no batch dimension."""

    states: IntArray
    """Before evaluation; zeros for an input, which has no states."""
    outputs: IntArray
    kept: IntArray
    """States after the evaluation, with which the next timestep starts: zeros but for SPIKING."""
    start: IntArray
    """States with which this timestep started."""


def accumulate_edge(
    edge: Edge, source: IntArray, destination: Population, operand_bits: int, product_bits: int | None = None
) -> IntArray:
    """What one edge adds to its destination (or offers to its maximum), sums not wrapped: (N, D, W, H).

    Operand B of a product goes `operand_bits` higher than A.

    Raises:
        NetworkError: the weights fit neither the source nor the destination.
    """
    maximum = destination.type == NeuronType.MAX
    try:
        products = conv2d(
            source, edge.weights, stride=edge.stride, padding=edge.padding, dilation=edge.dilation, groups=edge.groups,
            upsample=edge.upsample, size=destination.shape[1:], shift=edge.shift + edge.operand * operand_bits,
            maximum=maximum, product_bits=product_bits)
    except NetworkError as error:
        raise NetworkError(f"edge '{edge.name}': {error}") from error
    if products.shape[1] != destination.shape[0]:
        raise NetworkError(f"edge '{edge.name}': weights make {products.shape[1]} channels, "
                           f"'{destination.name}' has {destination.shape[0]}")
    return products


def true_states(
    program: Program, name: str, outputs: Mapping[str, IntArray], operand_bits: int, product_bits: int | None = None,
    config: CoreConfig | None = None,
) -> IntArray:
    """What a timestep adds to the states of a population (or their maximum), without the wrap: (N, D, W, H).

    `outputs` are those of its sources; `config` says which products there are, by default linear ones. It shows how
    many bits the states need.
    """
    population, config = program.population(name), config or CoreConfig()
    parts = [accumulate_edge(part, source.astype(np.int64, copy=False), population, operand_bits, product_bits)
             for edge in program.edges_into(name) for part, source in by_value(edge, outputs[edge.source], config)]
    if not parts:
        raise NetworkError(f"population '{name}' has no incoming edge and is no input")
    return np.maximum.reduce(parts) if population.type == NeuronType.MAX else np.add.reduce(parts)


def run(
    program: Program, inputs: Mapping[str, npt.ArrayLike], config: CoreConfig | None = None, *,
    before: Mapping[str, Result] | None = None,
) -> dict[str, Result]:
    """Evaluate a whole program over one timestep.

    Args:
        program: any program; strides, paddings and dilations need not fit the hardware.
        inputs: input population → event values, (N, D, W, H) or (D, W, H); a zero is no event.
        config: widths of states and values; default `grai_vip`.
        before: what the timestep before gave, for the same batch; default: the first timestep, from the initial states.

    Returns:
        For every population, inputs included, its states and its outputs, in topological order.

    Raises:
        NetworkError: an input is missing, unknown or of the wrong shape, or the program is inconsistent.
        EventError: an input value does not fit an event.
    """
    config = config or CoreConfig()
    order = program.topological_order()
    frames, batched = input_frames(program, inputs, config)
    values = {name: array.astype(np.int64) for name, array in frames.items()}
    results: dict[str, Result] = {}
    outputs: dict[str, IntArray] = {}
    # What delays computed in the timestep before; those of this one are results only.
    for population in program.populations:
        if population.delays:
            shape = (len(next(iter(values.values()))), *population.shape)
            outputs[population.name] = (np.zeros(shape, np.int64) if before is None
                                        else before[population.name].outputs.reshape(shape))
    for name in order:
        if name in values:
            none = np.zeros_like(values[name])
            start = none if before is None else before[name].kept.reshape(none.shape)
            given, kept = sent(program.population(name), values[name], start, config)
            outputs[name] = given.astype(np.int64)
            results[name] = Result(none, outputs[name], none if kept is None else kept, start)
            continue
        population = program.population(name)
        added = true_states(program, name, outputs, config.operand_bits, config.state_bits, config)
        start = initial_states(population, added.shape) if before is None else before[name].kept.reshape(added.shape)
        states = wrap(start + added, config.state_bits)
        found, kept = evaluate_population(states, population, config)
        results[name] = Result(states, found, kept, start)
        if not population.delays:
            outputs[name] = found
    if not batched:
        results = {name: Result(*(array[0] for array in vars(result).values())) for name, result in results.items()}
    return results


def run_timesteps(
    program: Program, timesteps: Iterable[Mapping[str, npt.ArrayLike]], config: CoreConfig | None = None
) -> Iterator[dict[str, Result]]:
    """`run` for one timestep after another, with the states that SPIKING populations keep in between."""
    before = None
    for inputs in timesteps:
        before = run(program, inputs, config, before=before)
        yield before


def state_ranges(
    program: Program, results: Mapping[str, Result], config: CoreConfig | None = None
) -> dict[str, Pair]:
    """Lowest and highest state that each population would have reached without the wrap, over the batch of `results`.

    Ends of sums only: a partial sum may lie outside and wraps back. What SPIKING states kept counts too.
    """
    def batch(array: IntArray) -> IntArray:
        return array.reshape(-1, *array.shape[-3:])

    config = config or CoreConfig()
    outputs = {name: batch(result.outputs) for name, result in results.items()}
    ranges = {}
    for population in program.populations:
        if population.name not in program.inputs:
            start = neuron_model(population.type, config).sums(batch(results[population.name].start), config)
            states = true_states(program, population.name, outputs, config.operand_bits, config=config) + start
            ranges[population.name] = int(states.min()), int(states.max())
    return ranges


def synaptic_operations(program: Program, outputs: Mapping[str, npt.ArrayLike]) -> dict[str, int]:
    """Synaptic operations by edge: state updates by one weight that the firing neurons of `outputs` cause [B §3].

    Exact and free of padding: a tap outside the destination is no operation. `outputs` maps each source population to
    its values, (N, D, W, H) or (D, W, H); a zero does not fire. Passing ones gives the number of synapses.
    """
    operations = {}
    for edge in program.edges:
        source, destination = program.population(edge.source), program.population(edge.destination)
        firing = (np.asarray(outputs[edge.source]).reshape(-1, *source.shape) != 0).sum(axis=(0, 1))
        hits = []
        for i in (0, 1):
            reach = (np.arange(source.shape[1 + i]) << edge.upsample) + edge.padding[i]
            reach = reach[:, None] - np.arange(edge.weights.shape[2 + i]) * edge.dilation[i]
            inside = (reach >= 0) & (reach % edge.stride[i] == 0) & (reach // edge.stride[i] < destination.shape[1 + i])
            hits.append(inside.sum(axis=1))
        fan_out = destination.shape[0] // edge.groups
        operations[edge.name] = int((firing * np.outer(hits[0], hits[1])).sum()) * fan_out
    return operations
