"""The parameter words of a population: their fields, and how many there are."""

import numpy as np

from golden.neuron.types import neuron_model
from golden.program import Population


def parameter_size(population: Population) -> int:
    """Parameter words of a channel."""
    return 2 if neuron_model(population.type).second_parameter else 1


def parameter_words(population: Population) -> list[dict[str, int]]:
    """Fields of a population's parameter words: one if all channels are alike, else one per channel."""
    columns = {"bias": population.bias, "multiplier": population.multiplier, "shift": population.shift}
    model = neuron_model(population.type)
    columns |= population.second or {}
    if model.thresholds and population.threshold is not None:
        columns |= {model.threshold_field: population.threshold}
    elif population.slope is not None:
        columns |= {"leaky": np.array([1]), "slope": population.slope}
    arrays = [np.broadcast_to(np.asarray(column, np.int64).reshape(-1), population.shape[0]).tolist()
              for column in columns.values()]
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*arrays, strict=True)]
    return rows[:1] if all(row == rows[0] for row in rows) else rows
