"""A user's arrays → maps by input of the graph: checked for names, numbers, shapes and sequences."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.errors import NetworkError
from golden.types import Array, Floats
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.tensor import Port
from synapress.mapper.lowering.layers import FloatLayers

Given = npt.ArrayLike | Mapping[str, npt.ArrayLike]
"""Arrays by input name, or one array for the only input."""
OWN_FRAMES = 8
"""Frames that are drawn for a model that brings its whole quantization: they only serve the report on sums."""


def input_maps(
    ports: Sequence[Port], given: Given, what: str, *, ignored: Sequence[str] = (), spiking: bool = False
) -> tuple[dict[str, Any], tuple[int, int] | None]:
    """Maps (N, D, W, H) by node of arrays in the file's layout; a single input needs no name.

    With `spiking` there may be a dimension more, in front of all: several sequences, whose number and timesteps are
    then the second result, and which come out in a row.

    Args:
        what: of the arguments the arrays are, for messages.
        ignored: inputs on which no output depends; arrays for them are left out.

    Raises:
        NetworkError: an input is missing or unknown, or its array has no finite numbers or frames.
        ModelError: an array has other dimensions than the input.
    """
    if not isinstance(given, Mapping) and len(ports) > 1:
        raise NetworkError(f"{what}: the model has the inputs {', '.join(port.name for port in ports)}: give arrays by "
                           "these names")
    named: Mapping[str, npt.ArrayLike] = {ports[0].name: given} if not isinstance(given, Mapping) else {
        name: array for name, array in given.items() if name not in ignored}
    sequences = None
    if spiking and set(named) == {port.name for port in ports}:
        named, sequences = in_a_row(ports, named, what)
    if set(named) != {port.name for port in ports}:
        raise NetworkError(f"{what}: the model has the inputs {', '.join(port.name for port in ports)}; given: "
                           f"{', '.join(named) or 'none'}")
    maps = {port.node: port.to_maps(_numbers(named[port.name], f"{what} '{port.name}'")) for port in ports}
    count = max(len(array) for array in maps.values())
    for port in ports:
        if len(maps[port.node]) not in (1, count):
            raise NetworkError(f"{what}: the inputs have different numbers of frames: "
                               f"{', '.join(f'{name} {len(array)}' for name, array in maps.items())}")
    return {node: np.broadcast_to(array, (count, *array.shape[1:])) for node, array in maps.items()}, sequences


def _numbers(given: npt.ArrayLike, what: str) -> Array:
    """A user's array, checked for what cannot be computed with."""
    try:
        array = np.asarray(given)
    except ValueError as error:  # ragged lists
        raise NetworkError(f"{what}: needs an array of real numbers, not {type(given).__name__}: {error}") from error
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer) or array.dtype == bool):
        raise NetworkError(f"{what}: needs real numbers, not {array.dtype}")
    if not array.size:
        raise NetworkError(f"{what}: needs at least one frame; given: an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise NetworkError(f"{what}: {np.sum(~np.isfinite(array))} of {array.size} numbers are not finite")
    return array


def in_a_row(
    ports: Sequence[Port], given: Mapping[str, npt.ArrayLike], what: str
) -> tuple[dict[str, npt.ArrayLike], tuple[int, int] | None]:
    """Arrays of several sequences as one after another, and the number of sequences and their timesteps.

    Arrays that have no dimension more than the file's are one sequence and stay, with None.

    Raises:
        NetworkError: the inputs differ in sequences or timesteps.
    """
    arrays = {port.name: np.asarray(given[port.name]) for port in ports}
    if not all(arrays[port.name].ndim == len(port.dims) + 1 for port in ports):
        return dict(given), None
    sizes = {array.shape[:2] for array in arrays.values()}
    if len(sizes) > 1 or 0 in next(iter(sizes)):
        raise NetworkError(f"{what}: the inputs must have the same sequences and timesteps, at least one: "
                           f"{', '.join(f'{name} {array.shape[:2]}' for name, array in arrays.items())}")
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in arrays.items()}, sizes.pop()


def own_frames(layers: FloatLayers, source: str) -> dict[str, Floats]:
    """Random inputs over the file's own ranges, for a model that brings its whole quantization.

    Raises:
        ModelError: the model, of this `source`, does not.
    """
    if any(layer.quantize is None for layer in layers.layers.values() if layer.kind in ("input", "product")):
        raise ModelError(source, "calibration", "typical inputs: arrays in the layout of the file", "none",
                         "Give calibration=… (--calibration FILE), a few dozen frames; "
                         "only a quantized model needs none.")
    rng = np.random.default_rng(1)
    maps = {}
    for name in layers.inputs:
        node = layers.layers[name].quantize
        assert node is not None
        drawn = rng.integers(node.low, node.high + 1, (OWN_FRAMES, *layers.layers[name].shape))
        maps[name] = (drawn - node.zero_point) * node.scale
    return maps
