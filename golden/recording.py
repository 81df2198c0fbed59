"""What each core of a mesh gets and gives, and what must be before what: enough to run any core alone.

A core that runs alone may get an event only when all is done that it follows from. Of that the core sees what it has
sent itself: ends of timestep and credits, as nobody waits for a value. So each run of events that comes to a core has
conditions: how often which of the core's own populations must have fired, and how many credits must have been sent to
whom. They are told by vector clocks (Mattern, Virtual time and global states of distributed systems, 1989), which count
these milestones of all cores, and which travel with the events. Runs of one source stay in order; those of different
sources may come in any order that fulfills their conditions, as a network has no other rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from golden.config import CoreConfig
from golden.core import Core, Evaluation
from golden.mesh import Observer
from golden.types import IntArray, Place, Words
from golden.words import EventKind, layouts

HOST, HOST_CREDITS = "host", "host's credits"
"""Sources beside the cores: the inputs and the answers to outputs are streams of their own, without an order."""

Condition = tuple[int, int]
"""A milestone of the receiver, and how often it must have been reached: a population, which has fired; or the packed
CREDIT event that was sent, which is larger than any population."""


class Sink(Protocol):
    """Takes what is recorded of each core, in the order of the golden mesh."""

    def arrival(self, place: Place, source: Place | str, conditions: Sequence[Condition], events: Words) -> None:
        """Events of one source to a core: conditions that this source has not had before, and packed events."""
        ...

    def evaluation(self, place: Place, done: Evaluation) -> None:
        """A core has evaluated a population, and sent something."""
        ...


@dataclass(frozen=True, eq=False)
class _Cause:
    """What events follow from: counts of milestones by their number, and who sends."""

    clock: IntArray
    source: Place | str


class Recorder(Observer):
    """Observes a mesh, and tells a sink what comes to each core, under which conditions, and what it does."""

    def __init__(self, config: CoreConfig, sink: Sink):
        self.event, self.sink = layouts(config).event, sink
        self._numbers: dict[tuple[Place, int], int] = {}
        self._milestones: dict[Place, list[tuple[int, int]]] = {}
        """By core (number, milestone as of `Condition`)."""
        self._clocks: dict[tuple[Place, int], IntArray] = {}
        """By core and population: what its next evaluation follows from."""
        self._counts: dict[int, int] = {}
        self._told: dict[tuple[Place, Place | str], IntArray] = {}
        self._host = np.zeros(0, np.int64)

    def frame(self) -> _Cause:
        """A frame follows from the credits that came to the host."""
        return _Cause(self._host, HOST)

    def answer(self, cause: _Cause) -> _Cause:
        """The host's credits follow from the ends."""
        return _Cause(cause.clock, HOST_CREDITS)

    def arrives(self, receiver: Place, core: Core | None, events: Words, cause: _Cause) -> None:
        """Tell the sink, and keep what the populations that wait for these events follow from."""
        kinds = self.event.column(events, "kind")
        if core is None:
            if (kinds == EventKind.CREDIT).any():
                self._host = _later(self._host, cause.clock)
            return
        for word in events[kinds != EventKind.VALUE]:
            fields = self.event.unpack(int(word))
            population: int | None = fields["id"]
            if fields["kind"] == EventKind.END:
                population = core.owner[fields["id"]] if fields["id"] < len(core.owner) else None
            if population is not None:
                self._follow(receiver, population, cause.clock)
        key = receiver, cause.source
        before = self._told.get(key, np.zeros(0, np.int64))
        self._told[key] = _later(before, cause.clock)
        self.sink.arrival(receiver, cause.source, [
            (milestone, int(cause.clock[number])) for number, milestone in self._milestones.get(receiver, ())
            if number < len(cause.clock) and cause.clock[number] > (before[number] if number < len(before) else 0)
        ], events)

    def evaluated(self, place: Place, core: Core, done: Evaluation) -> tuple[_Cause, _Cause]:
        """Count its milestones: the population has fired, and credits were sent."""
        clock = self._counted(self._clocks.get((place, done.population), np.zeros(0, np.int64)),
                              [self._number(place, done.population)])
        self._clocks[place, done.population] = clock
        for population in done.paid:
            self._follow(place, population, clock)
        kinds = self.event.column(done.local, "kind")
        for identifier in self.event.column(done.local[kinds == EventKind.END], "id").tolist():
            if identifier < len(core.owner) and (owner := core.owner[identifier]) is not None:
                self._follow(place, owner, clock)
        self.sink.evaluation(place, done)
        for_credits = self._counted(clock, [self._number(place, word) for word in done.credits.tolist()])
        return _Cause(for_credits, place), _Cause(clock, place)

    def _follow(self, place: Place, population: int, clock: IntArray) -> None:
        key = place, population
        self._clocks[key] = _later(self._clocks.get(key, np.zeros(0, np.int64)), clock)

    def _number(self, place: Place, milestone: int) -> int:
        """Number of a milestone in all clocks."""
        key = place, milestone
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._milestones.setdefault(place, []).append((self._numbers[key], milestone))
        return self._numbers[key]

    def _counted(self, clock: IntArray, numbers: Sequence[int]) -> IntArray:
        """A clock that has these milestones, too, once more than ever before."""
        found = np.zeros(max(len(clock), 0, *(number + 1 for number in numbers)), np.int64)
        found[:len(clock)] = clock
        for number in numbers:
            self._counts[number] = found[number] = self._counts.get(number, 0) + 1
        return found


def _later(clock: IntArray, other: IntArray) -> IntArray:
    """What has both behind it."""
    long, short = (clock, other) if len(clock) >= len(other) else (other, clock)
    found = long.copy()
    np.maximum(found[:len(short)], short, out=found[:len(short)])
    return found
