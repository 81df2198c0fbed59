"""The evaluation of whole feature maps, as the models without events need it: `golden.neuron` on populations."""

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.neuron.requantize import RequantizedNeuron
from golden.neuron.types import neuron_model
from golden.program import Population
from golden.types import IntArray, Integers


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
    model = neuron_model(population.type, config)
    if model.thresholds and population.threshold is None:
        raise NetworkError(f"population '{population.name}' fires at a threshold and has none")
    if population.needs_table and population.table is None:
        raise NetworkError(f"population '{population.name}' needs a table and has none")
    parameters = {name: values[channels] for name, values in parameter_fields(population).items()}
    return model.evaluate(states, parameters, population.saturation, config, type=population.type,
                          table=population.table)


def unsaturated(states: Integers, population: Population, config: CoreConfig) -> IntArray:
    """Values (..., D, W, H) of a population before they are saturated or looked up; of types that requantize."""
    model = neuron_model(population.type, config)
    assert issubclass(model, RequantizedNeuron), f"population '{population.name}' does not requantize"
    return model.unsaturated(states, parameter_fields(population), config, type=population.type)


def parameter_fields(population: Population) -> dict[str, IntArray]:
    """The fields of the parameter words (`golden.words`), each (D, 1, 1)."""
    model, leaky = neuron_model(population.type), int(population.slope is not None)
    fields: dict[str, npt.ArrayLike] = {
        "bias": population.bias, "multiplier": population.multiplier, "shift": population.shift, "leaky": leaky,
        "slope": 0 if population.slope is None else population.slope, **(population.second or {})}
    if model.thresholds and population.threshold is not None:
        fields[model.threshold_field] = population.threshold
    return {name: _column(population, values) for name, values in fields.items()}


def _column(population: Population, values: npt.ArrayLike) -> IntArray:
    """Parameters (D, 1, 1), of one entry for all channels or one for each."""
    return np.broadcast_to(np.asarray(values, np.int64).reshape(-1, 1, 1), (population.shape[0], 1, 1))
