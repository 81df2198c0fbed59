"""The layers whose operands are counted: those of the paper, or of any network of convolutions and dense layers."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from golden.errors import ConfigError
from golden.program import Edge, Program
from synapress.mapper.cim.stationarity import Layer

DEFAULT_BITS = (8, 12)
"""Of weights and potentials, as in the paper's network."""


def layers_of(program: Program) -> tuple[list[Layer], list[str]]:
    """A network's layers, and the names of pools, which are left out.

    A layer that is a kernel as large as its map is a dense one: each source neuron is a channel.

    Raises:
        ConfigError: a layer is neither dense nor a square convolution of all channels that keeps the map's size, or
            there is no layer.
    """
    found, pools = [], []
    for edge in program.edges:
        if _is_pool(edge):
            pools.append(edge.destination)
            continue
        shape, source = program.population(edge.destination).shape, program.population(edge.source).shape
        channels, inputs, *kernel = edge.weights.shape
        if tuple(kernel) == source[1:] and shape[1:] == (1, 1) and edge.groups == 1:
            found.append(Layer(name=edge.destination, inputs=prod(source), outputs=channels, kernel=1, height=1))
            continue
        if edge.groups != 1 or len({*kernel}) > 1 or len({*shape[1:]}) > 1 or shape[1:] != source[1:]:
            raise ConfigError(f"layer '{edge.name}': groups {edge.groups}, kernel {kernel[0]}×{kernel[1]}, map "
                              f"{_map(source)} to {_map(shape)}: only dense layers are counted, and square ones that "
                              "keep the size of the map, without groups")
        found.append(Layer(name=edge.destination, inputs=inputs, outputs=channels, kernel=kernel[0], height=shape[1]))
    if not found:
        raise ConfigError(f"'{program.name}': has no layer with weights of its own")
    return found, pools


def _map(shape: tuple[int, int, int]) -> str:
    return f"{shape[1]}×{shape[2]}"


def _is_pool(edge: Edge) -> bool:
    """Each channel for itself, with weights of 1."""
    return edge.groups > 1 and edge.weights.shape[1] == 1 and bool(np.all(edge.weights == 1))


def with_resolutions(layers: Sequence[Layer], text: str) -> list[Layer]:
    """Layers with WEIGHTS/POTENTIALS bits: one pair for all of them, or one for each.

    Raises:
        ConfigError: the text is not in this form, or there are more or fewer pairs than layers.
    """
    try:
        pairs = [(int(weights), int(potentials)) for weights, potentials in
                 (part.split("/") for part in text.split(","))]
    except ValueError:
        raise ConfigError(f"--resolutions {text}: needs WEIGHTS/POTENTIALS bits, as 8/12, or a pair for each layer, "
                          "as 8/12,6/11") from None
    if len(pairs) not in (1, len(layers)):
        raise ConfigError(f"--resolutions {text}: {len(pairs)} pairs for {len(layers)} layers; give 1 or {len(layers)}")
    return [replace(layer, weight_bits=weights, potential_bits=potentials)
            for layer, (weights, potentials) in zip(layers, pairs * (len(layers) // len(pairs)), strict=True)]
