"""The layers whose operands are counted: those of the paper, or of any network of convolutions and dense layers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from golden.cim.layer import MOST_BITS
from golden.errors import ConfigError
from golden.program import Edge, Program
from synapress.mapper.cim.resolutions import BASELINE_BITS, facts
from synapress.mapper.cim.stationarity import Layer


def layers_of(program: Program) -> tuple[list[Layer], list[str]]:
    """A network's layers, and the names of pools, which are left out.

    Raises:
        ConfigError: a layer is neither dense nor a square convolution of all channels that keeps the map's size, or
            there is no layer.
        NetworkError: a layer has several sources.
    """
    names, pools = [], []
    for edge in program.edges:
        if is_pool(edge):
            pools.append(edge.destination)
            continue
        shape, source = program.population(edge.destination).shape, program.population(edge.source).shape
        kernel = edge.weights.shape[2:]
        dense = kernel == source[1:] and shape[1:] == (1, 1)
        kept = shape[1:] == source[1:] and shape[1] == shape[2]
        if edge.groups != 1 or kernel[0] != kernel[1] or not (dense or kept):
            raise ConfigError(f"layer '{edge.name}': groups {edge.groups}, kernel {kernel[0]}×{kernel[1]}, map "
                              f"{_map(source)} to {_map(shape)}: only square layers without groups are counted, which "
                              "keep the size of the map or are dense")
        names.append(edge.destination)
    if not names:
        raise ConfigError(f"'{program.name}': has no layer with weights of its own")
    return list(facts(program, names, dict.fromkeys(names, BASELINE_BITS))), pools


def _map(shape: tuple[int, int, int]) -> str:
    return f"{shape[1]}×{shape[2]}"


def is_pool(edge: Edge) -> bool:
    """Each channel for itself, with weights of 1."""
    return edge.groups > 1 and edge.weights.shape[1] == 1 and bool(np.all(edge.weights == 1))


def with_resolutions(layers: Sequence[Layer], text: str) -> list[Layer]:
    """Layers with WEIGHTS/POTENTIALS bits: one pair for all of them, or one for each.

    Raises:
        ConfigError: the text is not in this form, there are more or fewer pairs than layers, or an array has no such
            operands.
    """
    try:
        pairs = [(int(weights), int(potentials)) for weights, potentials in
                 (part.split("/") for part in text.split(","))]
    except ValueError:
        raise ConfigError(f"--resolutions {text}: needs WEIGHTS/POTENTIALS bits, as 8/12, or a pair for each layer, "
                          "as 8/12,6/11") from None
    if len(pairs) not in (1, len(layers)):
        raise ConfigError(f"--resolutions {text}: {len(pairs)} pairs for {len(layers)} layers; give 1 or {len(layers)}")
    for weights, potentials in pairs:
        if weights > potentials or potentials > MOST_BITS:
            raise ConfigError(f"--resolutions {text}: {weights}/{potentials}: an array adds weights to potentials that "
                              f"have at least as many bits, and {MOST_BITS} at most")
    return [replace(layer, weight_bits=weights, potential_bits=potentials)
            for layer, (weights, potentials) in zip(layers, pairs * (len(layers) // len(pairs)), strict=True)]
