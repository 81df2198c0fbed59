"""Thresholds and states of neurons that spike once, about where they spike, and what such a neuron covers."""

import random
from collections.abc import MutableSequence, Sequence
from functools import partial

from golden.config import CoreConfig
from golden.neuron.evaluation import threshold
from golden.neuron.states import pack_lanes
from golden.neuron.types.ttfs import Ttfs
from golden.types import Fields

TTFS_BINS = {f"ttfs: {what}" for what in (
    "first time", "last time", "no spike", "at the threshold", "just below", "negative threshold", "sum too large",
    "thresholds that fall")}


def put_thresholds(pick: random.Random, words: MutableSequence[int], base: int, config: CoreConfig, *, dense: bool
                   ) -> None:
    """Thresholds that do not fall, in front of a population, or what lies there; with `dense` all are reached."""
    half = 1 << config.state_bits - 1
    reach = pick.choice([half, half, 100, 4000])
    if dense:
        found = [-half] * config.ttfs_times
    elif pick.random() < 0.2:
        return
    else:
        low = pick.choice([-reach, 1])
        found = sorted(pick.randint(low, reach - 1) for _ in range(config.ttfs_times))
    found += [pick.randint(-half, half - 1) for _ in range(-len(found) % config.lanes)]
    for number in range(config.threshold_words):
        words[(base - config.threshold_words + number) % len(words)] = pack_lanes(
            found[config.lanes * number:config.lanes * (number + 1)], config)


def near_time(pick: random.Random, words: Sequence[int], base: int, state: int, parameter: Fields, config: CoreConfig
              ) -> int:
    """A state that is about a threshold, if there is one, and else the given one."""
    half = 1 << config.state_bits - 1
    found = threshold(words, base, pick.randrange(config.ttfs_times), config) + pick.randint(-1, 1) - parameter["bias"]
    return found if -half <= found < half else state


def ttfs_bins(words: Sequence[int], base: int, state: int, parameter: Fields, config: CoreConfig) -> set[str]:
    """What one neuron covers, of `TTFS_BINS`."""
    entry = partial(threshold, words, base, config=config)
    value = Ttfs.evaluate_one(state, parameter, 0, config, type=next(iter(Ttfs.codes)), table=entry)[0]
    potential, times = state + parameter["bias"], config.ttfs_times
    every = [entry(index) for index in range(times)]
    seen = {
        "first time": value == times, "last time": value == 1, "no spike": value == 0,
        "at the threshold": value > 0 and potential == every[value - 1],
        "just below": value < times and potential == every[value] - 1,
        "negative threshold": value > 0 and every[value - 1] < 0,
        "sum too large": potential >= 1 << config.state_bits - 1,
        "thresholds that fall": 0 < value < times and every != sorted(every)}
    return {f"ttfs: {name}" for name, there in seen.items() if there}
