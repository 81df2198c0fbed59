"""Edges in the form that descriptors can express, which is that of the hardware.

`legalize` adapts edges to a configuration without changing what they compute: strides and dilations made equal in x and
y where one of them does not matter, kernels zero-filled where they have both, and kernels too large for a descriptor
split into several at other offsets [B §4.4].
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from golden.config import CoreConfig
from golden.program import Edge, Population, Program
from golden.types import Pair
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.look_up import in_tables, look_up_edge
from synapress.mapper.memory_map import DEPTHWISE, TABLE, edge_kind, position_bytes
from synapress.mapper.network.strides import needed_strides, step_of
from synapress.mapper.product_rules import products
from synapress.mapper.program_rules import layer_of
from synapress.mapper.rules import steps
from synapress.mapper.ways_out import MESH, either


def legalize(program: Program, config: CoreConfig, *, whole: bool = True, mesh: bool = False) -> Program:
    """The same network with edges that descriptors can express; edges may be split, populations stay.

    Args:
        whole: populations stay whole. Else `synapress.mapper.partition.cut` cuts them, and an edge with a stride that
            needs cuts keeps it.
        mesh: the program is mapped to a mesh already, which a refusal then does not advise.

    Raises:
        RuleError: a stride that the hardware does not have, or a product whose operands do not fit.
    """
    edges: list[Edge] = []
    violations = list(products(program, config))
    for edge in program.edges:
        destination = program.population(edge.destination)
        legal = legalize_edge(edge, program.population(edge.source), destination, config, mesh=mesh)
        if isinstance(legal, Violation) and not whole:
            edges.append(_dilate(_place_operand(edge, config), config)[0])
        elif isinstance(legal, Violation):
            violations.append(legal)
        else:
            edges += legal
    if violations:
        raise RuleError(violations)
    return dataclasses.replace(program, edges=edges)


def legalize_edge(
    edge: Edge, source: Population, destination: Population, config: CoreConfig, *, mesh: bool = False
) -> list[Edge] | Violation:
    """One edge between uncut populations in pieces that descriptors can express, or why there is none.

    In tables it is one piece, whatever its strides.
    """
    if in_tables(edge):
        return [look_up_edge(edge, source.shape)]
    step = step_of(edge, destination.shape[1:], source.shape[1:], config)
    if step is None:
        return stride_violation(edge, destination, config, mesh=mesh)
    phase, shift = step.phase(edge, (0, 0))
    stepped = step.apply(edge, phase)
    if stepped is None:  # padding is all that it meets
        stepped = dataclasses.replace(edge, weights=np.zeros_like(edge.weights[:, :, :1, :1]), stride=(1, 1))
    else:
        stepped = dataclasses.replace(
            stepped, padding=(stepped.padding[0] + shift[0], stepped.padding[1] + shift[1]))
    return edge_pieces(stepped, source.shape[0], destination.shape[0], config)


def edge_pieces(edge: Edge, source_depth: int, destination_depth: int, config: CoreConfig) -> list[Edge]:
    """One edge, whose stride the hardware has, in pieces that descriptors can express."""
    filled, dilation = _dilate(_place_operand(edge, config), config)
    return list(_split(filled, dilation, source_depth, destination_depth, config))


def _place_operand(edge: Edge, config: CoreConfig) -> Edge:
    """Operand B of a product as weights and product shift, which make it `operand_bits` higher."""
    if not edge.operand:
        return edge
    shift = min(config.operand_bits, (1 << config.product_shift_bits) - 1)
    weights = np.asarray(edge.weights, np.int64) << (config.operand_bits - shift)
    return dataclasses.replace(edge, weights=weights, shift=edge.shift + shift, operand=0)


def stride_violation(edge: Edge, destination: Population, config: CoreConfig, *, mesh: bool) -> Violation:
    """Why an edge has no stride that the hardware has (`synapress.mapper.network.strides.step_of`).

    Args:
        mesh: it is on a mesh already.
    """
    needed = sorted(needed_strides(edge.stride, destination.shape[1:]))
    layer, powers = layer_of(destination), ", ".join(map(str, sorted(steps(config))))
    most = min((1 << config.axon_count_bits) - 1, (1 << config.incoming_bits) - 1)
    small = edge.upsample == 0 and max(destination.shape[1:]) <= most
    advice = f"{MESH}, which cuts the maps for it" if small and not mesh else ""
    if len(needed) > 1:
        return Violation(
            layer=layer, rule="equal strides", needed=f"strides {edge.stride} in x and y (edge '{edge.name}')",
            available="one stride for both axes",
            help=either(f"use the same stride in x and y, one of {powers}", advice))
    return Violation(
        layer=layer, rule="stride", needed=f"stride {needed[0]} (edge '{edge.name}')", available=f"strides {powers}",
        help=either("use one of these strides", advice))


def filled_rates(edge: Edge, config: CoreConfig) -> Pair:
    """Dilation rates in x and y that become zeros of the kernel, as they are not the hardware's; (1, 1): none."""
    kernel = edge.weights.shape[2:]
    rates = {edge.dilation[i] for i in (0, 1) if kernel[i] > 1}
    if not rates - {1} or (edge.stride == (1, 1) and len(rates) == 1 and rates <= steps(config)):
        return 1, 1
    return edge.dilation[0] if kernel[0] > 1 else 1, edge.dilation[1] if kernel[1] > 1 else 1


def _dilate(edge: Edge, config: CoreConfig) -> tuple[Edge, Pair]:
    """The edge with its dilation native, or made part of the kernel; and the rates that were filled with zeros."""
    kernel, fill = edge.weights.shape[2:], filled_rates(edge, config)
    if fill == (1, 1):
        rate = max(edge.dilation[i] if kernel[i] > 1 else 1 for i in (0, 1))
        return dataclasses.replace(edge, dilation=(rate, rate)), fill
    size = [(kernel[i] - 1) * fill[i] + 1 for i in (0, 1)]
    weights = np.zeros((*edge.weights.shape[:2], *size), edge.weights.dtype)
    weights[:, :, ::fill[0], ::fill[1]] = edge.weights
    return dataclasses.replace(edge, weights=weights, dilation=(1, 1)), fill


def _split(
    edge: Edge, fill: Pair, source_depth: int, destination_depth: int, config: CoreConfig
) -> Iterator[Edge]:
    """The edge in pieces whose kernels fit a descriptor; pieces of nothing but filled-in zeros are left out."""
    width, height = edge.weights.shape[2:]
    kind = edge_kind(edge, source_depth, destination_depth)
    unit = position_bytes(edge, source_depth, destination_depth, config)
    most = min(1 << config.kernel_bits, ((1 << (config.offset_bits - 2)) - 1) // edge.dilation[0] + 1)
    one_kernel = source_depth == 1 or kind == TABLE or (kind == DEPTHWISE and edge.weights.shape[0] == 1)
    positions = width * height if one_kernel else max(1, ((1 << config.weight_stride_bits) - 1) // unit)
    most_height = min(height, most, positions)
    most_width = max(1, min(width, most, positions // most_height))
    for j0, j1 in _ranges(width, most_width, fill[0]):
        for k0, k1 in _ranges(height, most_height, fill[1]):
            whole = (j0, j1, k0, k1) == (0, width, 0, height)
            yield dataclasses.replace(
                edge, name=edge.name if whole else f"{edge.name}[{j0}:{j1},{k0}:{k1}]",
                weights=edge.weights[:, :, j0:j1, k0:k1],
                padding=(edge.padding[0] - j0 * edge.dilation[0], edge.padding[1] - k0 * edge.dilation[1]))


def _ranges(size: int, most: int, fill: int) -> list[Pair]:
    """Equal parts (within one) of a kernel dimension, without those between two taps of a zero-filled kernel."""
    count = -(-size // most)
    bounds = [size * i // count for i in range(count + 1)]
    return [(low, high) for low, high in itertools.pairwise(bounds) if -(-low // fill) * fill < high]
