"""When an evaluation takes up its neurons, and what happens to those that fire: word by word, neuron by neuron.

Memory refuses nothing. Rules are those of the reader and the look-up in hardware.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from golden.config import CoreConfig
from golden.neuron.evaluation import sweeps
from golden.neuron.types import built_types
from golden.ports import READ_LATENCY
from golden.program import Population
from golden.timing.microarchitecture import (
    AXON_LATENCY,
    COMMAND_LATENCY,
    EVALUATION_STAGES,
    EVALUATION_WORDS,
    LANE_LATENCY,
    LOOKUP_LATENCY,
    LOOKUP_WORDS,
)
from golden.timing.pipeline import require_replay
from golden.types import IntArray

SWEEP_TIME, SWEEP_CHANNELS = 10, 7
"""Cycles that a time takes beside those of words and parameters; and as many for each channel word but the first."""
STEP = 2
"""Cycles from a state word to the next one: it is asked for, and cleared or left."""
WAITING = LOOKUP_WORDS + 2
"""Results that wait behind one that does not go on: those with a place, and two in front of the places."""


def uniform(population: Population) -> bool:
    """Whether all channels share a parameter word."""
    depth = population.shape[0]
    parameters = np.stack([np.broadcast_to(np.asarray(values, np.int64).reshape(-1), depth)
                           for values in (population.bias, population.multiplier, population.shift)])
    return bool((parameters == parameters[:, :1]).all())


def neuron_times(population: Population, config: CoreConfig) -> tuple[IntArray, int]:
    """Cycles from the command to each neuron's first stage of arithmetic, in the order of evaluation; and to the end's.

    Per state word, an access each STEP cycles at best, and only EVALUATION_WORDS of them ahead of the neurons. Behind
    the first word of a channel word come its parameters; and what is read then waits until the words before are used.

    Raises:
        ConfigError: the core has another evaluation.
    """
    require_replay(config)
    if sweeps(population.type, config):
        return _swept(population, config)
    depth, width, height = population.shape
    one, words = uniform(population), 1 + built_types(config)[population.type].second_parameter
    # The first sum may wait for thresholds, two moves behind the first stage.
    thresholds = (READ_LATENCY - 1 + config.threshold_words
                  if built_types(config)[population.type].falling_threshold else 0)
    times: list[int] = []
    asked = COMMAND_LATENCY - 1
    pops = [0] * EVALUATION_WORDS  # cycles in which the last words were used up
    for first in range(0, depth, config.lanes):
        neurons = min(config.lanes, depth - first)
        loads = not one or not first
        there: list[int] = []  # cycles from which each lane's parameter can be used
        for word in range(width * height):
            asked = max(asked, pops[-EVALUATION_WORDS] + 1)
            if word == 1 and loads:
                asked = max(asked, pops[-2] + 1)
            begin, after = asked + 1 + LANE_LATENCY, asked + STEP
            if loads and not word:
                there, after = _parameters(asked, pops[-2:], times[-config.lanes:], 1 if one else neurons, words)
                after += STEP - 1
            lane = max(begin, times[-1] + 1 if times else thresholds)
            for number in range(neurons):
                if loads and not word:
                    lane = max(lane, there[min(number, len(there) - 1)])
                times.append(lane)
                lane += 1
            pops.append(times[-1])
            asked = after
        if loads and not one:
            # The next channel word is read when a parameter of this one is there.
            asked = max(asked, there[0])
    # The last word is cleared in the cycle before `asked`, by an access that takes two.
    return np.array(times, np.int64), max(pops[-1] + 1, asked + 1)


def _swept(population: Population, config: CoreConfig) -> tuple[IntArray, int]:
    """The same of neurons that are evaluated time by time: an estimate, as if their spikes were spread over the times.

    A cycle for each word and parameter at each time, and what a time takes besides; as the hardware promises.
    """
    depth, width, height = population.shape
    channels, one = -(-depth // config.lanes), uniform(population)
    words = channels * width * height
    each = words + (1 if one else depth) + SWEEP_TIME + (0 if one else SWEEP_CHANNELS * (channels - 1))
    end = COMMAND_LATENCY + config.ttfs_times * each + words
    return COMMAND_LATENCY + np.arange(1, depth * width * height + 1) * (
        config.ttfs_times * each) // (depth * width * height), end


def _parameters(asked: int, pops: Sequence[int], before: Sequence[int], many: int, words: int) -> tuple[list[int], int]:
    """Cycles from which parameters can be used, and in which the next access may be; behind a state word `asked` for.

    A parameter takes the place of that of the word before, once the neuron that needs it has passed.
    """
    found, at = [], max(asked, pops[-2]) + 1
    for number in range(many):
        for _ in range(words):
            if at <= pops[-1] and number < len(before):
                at = max(at, min(before[number] + 2, pops[-1] + 1))
            at += 1
        found.append(at - 1 + 1 + LANE_LATENCY)
    return found, at


@dataclass(frozen=True, kw_only=True)
class Firing:
    """An evaluation from its command on, if nothing refuses its events; arrays by firing neuron."""

    left: IntArray
    """Cycle in which the neuron's value leaves the results that wait for the PEG."""
    limits: IntArray
    """If it leaves later than this, all that is behind is late by as much."""
    end: int
    """Like `left`, of the end."""


def firing(population: Population, fires: IntArray, axons: int, config: CoreConfig) -> Firing:
    """The evaluation of a population of which the neurons `fires`, numbers in the order of evaluation, fire."""
    times, end = neuron_times(population, config)
    stages = EVALUATION_STAGES - (config.shift_bits <= 4)
    results = times[fires] + stages + LOOKUP_LATENCY
    # Of the neuron or the end so many behind; nothing is after the end.
    behind = np.append(times, end)[np.minimum(fires + WAITING, len(times))] + stages - 2
    behind[fires + WAITING > len(times)] = 1 << 40
    left, limits = np.zeros(len(fires), np.int64), np.zeros(len(fires), np.int64)
    late, taken, last = 0, 0, 0
    for number, (result, limit) in enumerate(zip(results.tolist(), behind.tolist(), strict=True)):
        now = max(result + late, taken)
        left[number], limits[number] = now, max(limit + late, now)
        late = max(late, now - limit)
        taken = max(now + 1, last)
        last = taken + (1 if number else AXON_LATENCY) + max(axons, 1) - 1
    return Firing(left=left, limits=limits, end=max(end + stages + LOOKUP_LATENCY + 1 + late, taken))
