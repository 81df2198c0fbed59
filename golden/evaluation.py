"""The evaluation of whole feature maps, as the models without events need it: `golden.neuron` on populations."""

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.neuron import evaluate, requantized, spike
from golden.program import Population
from golden.types import IntArray, Integers
from golden.words import NeuronType


def initial_states(population: Population, shape: tuple[int, ...]) -> IntArray:
    """The states (..., D, W, H) with which the first timestep starts."""
    if population.initial is None:
        return np.zeros(shape, np.int64)
    return np.array(np.broadcast_to(population.initial.reshape(-1, 1, 1), shape), np.int64)


def evaluate_population(
    states: Integers, population: Population, config: CoreConfig, channels: slice = slice(None)
) -> tuple[IntArray, IntArray]:
    """Values of a population (or of some channels of it), and the states that stay.

    Args:
        states: (..., D, W, H), of these channels only.

    Raises:
        NetworkError: a threshold or a table is missing.
    """
    bias, multiplier, shift = (_column(population, values)[channels] for values in (
        population.bias, population.multiplier, population.shift))
    if population.type == NeuronType.SPIKING:
        if population.threshold is None:
            raise NetworkError(f"population '{population.name}' is SPIKING and has no threshold")
        return spike(states, bias, multiplier, shift, population.saturation, config,
                     slope=_column(population, population.threshold)[channels])
    if population.looks_up and population.table is None:
        raise NetworkError(f"population '{population.name}' has saturation TABLE and no table")
    leaky = population.slope is not None
    values = evaluate(states, bias, multiplier, shift, population.saturation, config, leaky=int(leaky),
                      slope=0 if population.slope is None else _column(population, population.slope)[channels],
                      type=population.type, table=population.table)
    return values, np.zeros(states.shape, np.int64)


def unsaturated(states: Integers, population: Population, config: CoreConfig) -> IntArray:
    """Values (..., D, W, H) of a population before they are saturated or looked up; not of SPIKING."""
    leaky = population.slope is not None
    return requantized(
        states, _column(population, population.bias), _column(population, population.multiplier),
        _column(population, population.shift), config, leaky=int(leaky),
        slope=0 if population.slope is None else _column(population, population.slope), type=population.type)


def _column(population: Population, values: npt.ArrayLike) -> IntArray:
    """Parameters (D, 1, 1), of one entry for all channels or one for each."""
    return np.broadcast_to(np.asarray(values, np.int64).reshape(-1, 1, 1), (population.shape[0], 1, 1))
