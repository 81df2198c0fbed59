"""Which neurons of a state word can fire at all: what the evaluation looks at with `skip_silent`, a word at a time.

The test of a lane is an addition and a few gates, and so it is cautious: a neuron that it passes may turn out to be
silent, which costs a cycle. One that it does not pass has the value 0, and if its type keeps states, this one stays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

from golden.config import CoreConfig
from golden.neuron.evaluation import PopulationMap, channel_parameters, second_word, state_words
from golden.neuron.interface import Silence
from golden.neuron.states import unpack_lanes, wrap
from golden.neuron.types import neuron_model
from golden.types import Memory
from golden.words import Reset, Saturation, layouts


@dataclass(frozen=True)
class WordTest:
    """What the test says of one state word."""

    passes: tuple[bool, ...]
    """The lanes whose neurons are evaluated, one after another."""
    at_once: bool
    """Of a type that keeps its states: all of them are known without the arithmetic, and `kept` are they."""
    kept: tuple[int, ...]
    """The states that stay, by lane, if `at_once`; else nothing."""

    @property
    def written(self) -> bool:
        """Of a type that keeps its states: the word is written. One that does not change is not."""
        return any(self.passes)


def lane_test(state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int
              ) -> tuple[bool, bool]:
    """Whether a neuron is `above` where it fires, and `awake`: it is evaluated whatever its sum.

    SUM and MAX with saturation RELU: above where state + bias > 0. Where a sum below 0 can fire (another saturation, or
    a negative slope), awake but for state and bias 0. SPIKING: above where it fires; awake if its state changes
    although it does not fire: with a bias, or with a leak unless the state is 0; or if its state is beyond what it may
    keep (`kept_range` of its type). A threshold below 0 has no test. Other types, and value tables,
    whose entries nobody knows, are always awake.
    """
    silence = neuron_model(type, config).silence
    bias = parameter["bias"]
    if silence == Silence.THRESHOLD:
        threshold = wrap(parameter["slope"], config.state_bits + 1)
        leaks = parameter["multiplier"] != 1 or parameter["shift"] != 0
        low, high = neuron_model(type, config).kept_range(mode, config)
        return state + bias >= threshold, bias != 0 or threshold < 0 or (leaks and state != 0) or not (
            low <= state <= high)
    if silence == Silence.SUM and mode != Saturation.TABLE:
        slope = wrap(parameter["slope"], config.multiplier_bits + 1)
        if mode == Saturation.RELU and not (parameter["leaky"] and slope < 0):
            return state + bias > 0, False
        return False, bias != 0 or state != 0
    return False, True


def word_test(states: Sequence[int], parameters: Sequence[Mapping[str, int]], mode: int, config: CoreConfig, *,
              type: int) -> WordTest:
    """The test of one state word.

    Args:
        states: of all lanes.
        parameters: fields of the lanes that have a neuron, the first ones. A lane without one keeps the state 0: if it
            holds another one, the whole word of a type that keeps its states is evaluated.
        mode: the saturation field of the population word; type: its type field.
    """
    used, model = len(parameters), neuron_model(type, config)
    tests = [lane_test(state, parameter, mode, config, type=type)
             for state, parameter in zip(states, parameters, strict=False)]
    above, awake = [test[0] for test in tests], [test[1] for test in tests]
    beyond = (False,) * (config.lanes - used)
    if not model.keeps:
        return WordTest((*(a or b for a, b in tests), *beyond), False, ())
    if any(awake) or any(states[used:]):
        return WordTest((*(True for _ in tests), *beyond), False, ())
    kept = (state if not fires else 0 if mode & 1 == Reset.ZERO else state - wrap(
        parameter["slope"], config.state_bits + 1) for state, fires, parameter in zip(
            states, above, parameters, strict=False))
    return WordTest((*above, *beyond), True, (*kept, *(0 for _ in beyond)))


def population_tests(memory: Memory, word: int, config: CoreConfig) -> list[WordTest]:
    """The tests of a population's state words, in the order of their evaluation, given its packed population word."""
    population = layouts(config).population.unpack(word)
    place = PopulationMap.of(population, config, second_word(memory, population, config))

    @cache
    def parameters(channel_word: int) -> list[dict[str, int]]:
        first = channel_word * config.lanes
        return [channel_parameters(memory, place, population, c, config)
                for c in range(first, min(first + config.lanes, population["depth"]))]

    inside = takewhile(lambda item: item[0] < config.memory_words, state_words(place, population))
    return [word_test(unpack_lanes(int(memory[address]), config), parameters(channel_word), population["saturation"],
                      config, type=population["type"]) for address, channel_word, _, _ in inside]
