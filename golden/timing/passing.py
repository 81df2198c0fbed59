"""What an evaluation with `skip_silent` has to do for a whole population, from the states before it."""

import numpy as np

from golden.config import CoreConfig
from golden.network.evaluation import parameter_fields
from golden.neuron.silent import word_test
from golden.neuron.types import neuron_model
from golden.program import Population
from golden.timing.skipping import ChannelWord, replay_evaluation
from golden.types import Integers


def channel_words(population: Population, states: Integers, config: CoreConfig) -> tuple[list[ChannelWord], bool]:
    """The channel words of a population as the replay wants them, and whether one parameter is for all channels.

    Args:
        states: (D, W, H), before the evaluation.
    """
    depth = population.shape[0]
    columns = {name: values.reshape(-1).tolist() for name, values in parameter_fields(population).items()}
    parameters = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    uniform = all(parameter == parameters[0] for parameter in parameters)
    model, words = neuron_model(population.type, config), []
    each = 2 if model.second_parameter else 1
    for first in range(0, depth, config.lanes):
        own = parameters[first:first + config.lanes]
        lanes = np.zeros((config.lanes, *population.shape[1:]), np.int64)
        lanes[:len(own)] = states[first:first + len(own)]
        # The order of the evaluation: x, then y.
        tests = [word_test(word, own, population.saturation, config, type=population.type)
                 for word in lanes.reshape(config.lanes, -1).T.tolist()]
        words.append(ChannelWord(
            each * ((first == 0) if uniform else len(own)), [sum(test.passes) for test in tests],
            model.keeps and all(test.at_once for test in tests)))
    return words, uniform


def skipping_cycles(population: Population, states: Integers, config: CoreConfig) -> int:
    """Cycles of an evaluation with `skip_silent` that no other block holds up, from its command to its end neuron.

    They are exact; but words of which kept states come out of the arithmetic (SPIKING with a bias or a leak) may wait
    for those before them, so that the cycles are a bound from below.

    Args:
        states: (D, W, H), before the evaluation.
    """
    words, uniform = channel_words(population, states, config)
    return replay_evaluation(words, config, uniform=uniform).end
