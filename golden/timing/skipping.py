"""The cycles of an evaluation with `skip_silent`, replayed register by register from the lanes that pass the test.

What decides a cycle is how many lanes of each state word go on; values do not matter. Memory and PEG refuse nothing.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from golden.timing.microarchitecture import (
    COMMAND_LATENCY,
    EVALUATION_STAGES,
    FIRE_LATENCY,
    LOOKUP_LATENCY,
    LOOKUP_WORDS,
    SKIPPING_MASKS,
    SKIPPING_WORDS,
)

TESTED = READ_LATENCY + 2
"""Cycles from a state word asked for to the result of its test: the register of the request, the memory, the test."""


@dataclass(frozen=True)
class ChannelWord:
    """One channel word of a population."""

    parameters: int
    """Parameter words that are read for it."""
    passes: Sequence[int]
    """Lanes that go on, of each of its state words."""
    at_once: bool = False
    """Its states are kept, and known without the arithmetic; else its type keeps none."""


@dataclass
class Replay:
    """When what happens, in cycles after the command's."""

    accesses: list[int] = field(default_factory=list)
    """Reads."""
    neurons: list[int] = field(default_factory=list)
    """Neurons that passed, where they are sent if they fire."""
    end: int = 0
    """The end neuron is sent."""


class _Places:
    """Which word the next value belongs to: masks that wait, the next one of them, and the place that is used."""

    def __init__(self) -> None:
        self.masks: deque[int] = deque()
        self.next = self.left = self.walked = 0
        self.some = False

    def step(self, take: bool, tested: int | None) -> None:
        """A cycle; `take`: a value is taken; `tested`: lanes of a word that was tested."""
        free = not self.left or (take and self.left == 1)
        walks = self.some and (free or not self.next)
        moves = bool(self.masks) and (not self.some or walks)
        if take:
            self.left -= 1
        if free:
            self.left = self.next if self.some else 0
        if moves:
            self.next = self.masks.popleft()
        self.some = moves or (self.some and not walks)
        self.walked = int(walks)
        if tested is not None:
            self.masks.append(tested)


class _Values:
    """The arithmetic and the lookup: what is in each stage (None: nothing; True: the end), and the results."""

    def __init__(self, stages: int):
        self.stages: list[bool | None] = [None] * stages
        self.queue: deque[bool] = deque()
        self.under_way: list[bool | None] = [None] * (LOOKUP_LATENCY - 2)
        self.results: deque[bool] = deque()
        self.reserved = 0

    def step(self, given: bool | None, taken: bool) -> None:
        """A cycle; `given` enters, if `ready`."""
        go = bool(self.queue) and self.reserved < LOOKUP_WORDS
        arrived = self.under_way[-1]
        self.under_way = [self.queue[0] if go else None, *self.under_way[:-1]]
        ready = self.ready
        if go:
            self.queue.popleft()
        if ready:
            if self.stages[-1] is not None:
                self.queue.append(self.stages[-1])
            self.stages = [given, *self.stages[:-1]]
        if taken:
            self.results.popleft()
        if arrived is not None:
            self.results.append(arrived)
        self.reserved += go - taken

    @property
    def ready(self) -> bool:
        return len(self.queue) < 2


def replay_evaluation(channel_words: Sequence[ChannelWord], config: CoreConfig, *, uniform: bool,
                      extended: bool = False) -> Replay:
    """The cycles of the evaluation of a population, one at a time.

    Args:
        channel_words: in order, those that lie in the memory.
        uniform: one parameter word is for all; else they are kept for two channel words.
        extended: there is a second population word, which is read first.
    """
    run = Replay([2] if extended else [])
    cycle = COMMAND_LATENCY - 1 + 5 * extended if channel_words else 2 + 5 * extended
    # What is still to be asked for: (parameter, lanes that pass, last of its channel word, at once).
    asks = deque(ask for word in channel_words for ask in (
        *((True, 0, number == word.parameters - 1, False) for number in range(word.parameters)),
        *((False, lanes, not uniform and number == len(word.passes) - 1, word.at_once)
          for number, lanes in enumerate(word.passes))))
    coming: deque[tuple[int, int, bool, bool]] = deque()
    words: deque[tuple[int, bool, bool]] = deque()
    head: list[int] | None = None
    places, values = _Places(), _Values(EVALUATION_STAGES - (config.shift_bits <= 4))
    sets = closed = reserved = unwalked = storing = 0
    ends, over = False, not asks
    while True:
        tested = coming.popleft() if coming and coming[0][0] == cycle else None
        goes = tested is not None and (tested[1] > 0 or tested[2])
        # The oldest word: a lane of it goes on.
        take = (head is not None and head[0] > 0 and not (head[3] and head[2] and storing) and values.ready)
        pop = head is not None and (head[0] == 0 or (take and head[0] == 1))
        given: bool | None = False if take else None
        if over and not ends and not reserved and not coming and not storing and values.ready:
            given, ends = True, True
        result = values.results[0] if values.results else None
        idle = not places.some and not places.left and not places.masks
        if result and idle:
            run.end = cycle + 1 + FIRE_LATENCY
            return run
        taken = result is False and places.left > 0
        if taken:
            run.neurons.append(cycle + FIRE_LATENCY)
        asked = None
        if asks and (sets < 2 if asks[0][0] else reserved < SKIPPING_WORDS and unwalked < SKIPPING_MASKS):
            asked = asks.popleft()
            run.accesses.append(cycle + 1)
            if not asked[0]:
                coming.append((cycle + TESTED, *asked[1:]))
        # All registers at once.
        walked = places.walked
        places.step(taken, tested[1] if tested is not None else None)
        values.step(given, taken)
        sets += (asked is not None and asked[0] and asked[2]) - closed
        closed = int(pop and head is not None and bool(head[1]))
        reserved += (asked is not None and not asked[0]) - pop - (tested is not None and not goes)
        unwalked += (asked is not None and not asked[0]) - walked
        storing = int(take and head is not None and bool(head[2] and head[3]))
        if take and head is not None:
            head[0], head[2] = head[0] - 1, 0
        if pop:
            head = None
        if head is None and words:
            lanes, closes, at_once = words.popleft()
            head = [lanes, closes, 1, at_once]
        if tested is not None and goes:
            words.append(tested[1:])
        over = not asks
        cycle += 1
