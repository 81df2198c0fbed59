"""When the evaluation unit does what, if nothing waits: a model of its cycles, apart from its values."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from golden.config import CoreConfig
from golden.neuron.evaluation import parameter_words
from golden.neuron.silent import WordTest
from golden.neuron.types import neuron_model
from golden.ports import READ_LATENCY
from golden.timing.microarchitecture import (
    COMMAND_LATENCY,
    EVALUATION_WORDS,
    FIRE_LATENCY,
    LANE_LATENCY,
    LOOKUP_LATENCY,
)
from golden.timing.skipping import ChannelWord, replay_evaluation
from golden.types import Fields
from rtl.neuron.requantize import Requantize


def schedule(fields: Fields, config: CoreConfig) -> tuple[list[int], list[int], int]:
    """When nothing waits: cycles after the command's in which memory is accessed, neurons are sent, and END is.

    For populations that do not keep states, and have no second parameter words. Neurons in the order of evaluation, all
    of them, whether they fire or not. Value tables have a port of their own and change nothing; thresholds, read
    over it, may come later than the first sum.
    """
    lanes, depth = config.lanes, fields["depth"]
    latency = Requantize(config).stages + LOOKUP_LATENCY + FIRE_LATENCY
    accesses: list[int] = []
    evaluated: list[int] = []
    popped: list[int] = []
    after_loads = False
    begun = 0
    loaded = READ_LATENCY + 1 + config.threshold_words if neuron_model(fields["type"], config).falling_threshold else 0
    """The cycle in which the sum can be compared."""
    before: list[int] = []
    """Cycles in which the lanes of the word before were evaluated."""
    port = COMMAND_LATENCY - 1 if depth else 2
    """The cycle in which something can be asked for; its access is one later, and its word is there two later still."""
    if fields["extended"]:  # the second population word is read first
        accesses.append(2)
        port += 5
    for word in range(-(-depth // lanes)):
        used = min(lanes, depth - word * lanes)
        for position in range(fields["width"] * fields["height"]):
            loads = position == 0 and (word == 0 or not fields["uniform"])
            # Behind the first word of a channel word nothing is read while one of the channel word before is left.
            slots = 2 if evaluated and after_loads else EVALUATION_WORDS
            read = max(port, popped[-slots] + 1 if len(popped) >= slots else 0, begun if loads else 0)
            after_loads = loads
            accesses.append(read + 1)
            port, there = read + 1, [read + 1 + LANE_LATENCY] * lanes
            if loads:
                for lane in range(1 if fields["uniform"] else used):
                    # Once a lane of the word before is taken, or when that word is.
                    port = max(port, min(before[lane] + 2, before[-1] + 1) if before else 0)
                    accesses.append(port + 1)
                    if lane == 0:  # the next channel word waits for it
                        begun = port + 1 + LANE_LATENCY
                    there[lane] = max(there[lane], port + 1 + LANE_LATENCY)
                    port += 1
                if fields["uniform"]:
                    there = [there[0]] * lanes
            accesses.append(port + 1)
            port += 1
            before = []
            for lane in range(used):
                before.append(max(there[lane], evaluated[-1] + 1 if evaluated else 0))
                if evaluated and before[-1] > evaluated[0] + 1:
                    before[-1] = max(before[-1], loaded)
                evaluated.append(before[-1])
            popped.append(before[-1])
    # The last word is cleared before the end goes on its way, and an end takes a cycle more than a neuron.
    end = max(port + 1, popped[-1] + 1) if popped else port
    first = [*evaluated, end][0] + 2  # where it waits for thresholds, and what comes right behind it, too
    *evaluated, end = (max(cycle, loaded) if cycle >= first else cycle + max(0, loaded - first)
                       for cycle in (*evaluated, end))
    return accesses, [cycle + latency for cycle in evaluated], end + latency + 1


@dataclass(frozen=True)
class SkippingSchedule:
    """When nothing waits, with `skip_silent`: cycles after the command's, of reads, of neurons that pass, of END."""

    accesses: list[int]
    neurons: list[tuple[tuple[int, int, int], int]]
    """(c, x, y) of each neuron that passes, in order, and when it is sent if it fires."""
    end: int


def skipping_schedule(fields: Fields, tests: Sequence[WordTest], config: CoreConfig) -> SkippingSchedule | None:
    """The same with `skip_silent`; None if a word is not in the memory, or if its kept states need the arithmetic."""
    width, height, depth = fields["width"], fields["height"], fields["depth"]
    places = list(product(range(-(-depth // config.lanes)), range(width), range(height)))
    keeps = neuron_model(fields["type"], config).keeps
    if len(tests) < len(places) or (keeps and not all(test.at_once for test in tests)):
        return None
    words, passing = [], []
    for number in range(-(-depth // config.lanes)):
        own = tests[number * width * height:(number + 1) * width * height]
        used = min(config.lanes, depth - number * config.lanes)
        parameters = parameter_words(fields["type"], config) * ((number == 0) if fields["uniform"] else used)
        words.append(ChannelWord(parameters, [sum(test.passes) for test in own], keeps))
    for (number, x, y), test in zip(places, tests, strict=True):
        passing += [(number * config.lanes + lane, x, y) for lane, passes in enumerate(test.passes) if passes]
    run = replay_evaluation(words, config, uniform=bool(fields["uniform"]), extended=bool(fields["extended"]))
    return SkippingSchedule(run.accesses, list(zip(passing, run.neurons, strict=True)), run.end)
