"""Frames of a program's inputs, checked before a model takes them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import EventError, NetworkError
from golden.network.evaluation import evaluate_population, initial_states
from golden.neuron.types import neuron_model
from golden.program import Population, Program
from golden.types import IntArray, Integers


def input_frames(
    program: Program, inputs: Mapping[str, npt.ArrayLike], config: CoreConfig
) -> tuple[dict[str, npt.NDArray[np.integer]], bool]:
    """The inputs as batches (N, D, W, H), of the type given, and whether they came as batches.

    Raises:
        NetworkError: an input is missing, unknown or of the wrong shape, or the batches differ.
        EventError: a value is no integer or outside the input's range (its saturation), which the mapper relies on.
    """
    if set(inputs) != set(program.inputs):
        raise NetworkError(f"program '{program.name}' has the inputs {', '.join(sorted(program.inputs))}; "
                           f"given: {', '.join(sorted(inputs)) or 'none'}")
    values: dict[str, npt.NDArray[np.integer]] = {}
    batches = set()
    for name in program.inputs:
        array = np.asarray(inputs[name])
        shape = tuple(program.population(name).shape)
        low, high = program.population(name).given(config.value_bits)
        if not np.issubdtype(array.dtype, np.integer):
            raise EventError(f"input '{name}': values must be integers, not {array.dtype}")
        if array.shape[-3:] != shape or array.ndim not in (3, 4):
            raise NetworkError(f"input '{name}': needs shape {shape}, perhaps with a batch in front, not {array.shape}")
        if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
            raise EventError(f"input '{name}': values from {array.min()} to {array.max()} do not fit its range: "
                             f"[{low}, {high}]")
        batches.add(len(array) if array.ndim == 4 else None)
        values[name] = array.reshape(-1, *shape)
    if len(batches) > 1:
        raise NetworkError(f"program '{program.name}': its inputs have different batches: {batches}")
    return values, batches != {None}


def sent(
    population: Population, frames: Integers, before: Integers | None, config: CoreConfig
) -> tuple[Integers, IntArray | None]:
    """What the host sends of an input's frames (N, D, W, H), and what it keeps for the next timestep.

    The values; or of an input with a type that keeps its states, an encoder, what neurons of this type would send.

    Args:
        before: what was kept in the timestep before; None: this is the first one.
    """
    if not neuron_model(population.type).keeps:
        return frames, None
    start = initial_states(population, frames.shape) if before is None else np.asarray(before).reshape(frames.shape)
    return evaluate_population(start + frames, population, config)
