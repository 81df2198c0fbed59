"""Recordings of the cores of a mesh as files of 64-bit words, which `replay.h` reads: one per core.

First edges, populations and the image; then records in the order of the golden mesh: events that came, with their
conditions; a population evaluated, with its states, the events that it sent and the credits; at the end the counters
and the memory. Numbers of words stand before them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from golden.config import CoreConfig
from golden.core import Core, Evaluation
from golden.recording import HOST, HOST_CREDITS, Condition
from golden.registers import counters
from golden.types import Place, Words

ARRIVAL, EVALUATION, END = 1, 2, 3
KEPT = 1 << 15
"""Words of a core that wait in memory before they are written."""


def file_name(place: Place) -> str:
    """Of a core's recording, in the folder of the mesh's."""
    return f"core_{place[0]}_{place[1]}"


class Files:
    """A `golden.recording.Sink` that writes a file per core into a folder, little by little."""

    def __init__(self, config: CoreConfig, folder: Path, images: dict[Place, tuple[Words, int, int]]):
        self.config, self.folder = config, folder
        self._waiting: dict[Place, list[Words]] = {place: [] for place in images}
        self._count = dict.fromkeys(images, 0)
        self._sources: dict[Place, dict[Place | str, int]] = {place: {} for place in images}
        self._first, self._begun = dict.fromkeys(images, 0), False
        """Ends of other cores' delays that came before the first frame: the golden mesh does not count them."""
        for place, (words, edges, populations) in images.items():
            (folder / file_name(place)).write_bytes(b"")
            self._put(place, _numbers(edges, populations), *_block(words))

    def arrival(self, place: Place, source: Place | str, conditions: Sequence[Condition], events: Words) -> None:
        """See `golden.recording.Sink`."""
        self._begun |= source == HOST
        self._first[place] += 0 if self._begun else len(events)
        numbers = self._sources[place]
        number = numbers.setdefault(source, len(numbers))
        self._put(place, _numbers(ARRIVAL, number, len(conditions), *(word for pair in conditions for word in pair)),
                  *_block(events))

    def evaluation(self, place: Place, done: Evaluation) -> None:
        """See `golden.recording.Sink`."""
        states = np.column_stack([done.addresses.astype(np.uint64), done.states])
        self._put(place, _numbers(EVALUATION, done.population, len(states)), states.reshape(-1), *_block(done.sent),
                  *_block(done.credits))

    def finish(self, cores: dict[Place, Core]) -> None:
        """Write what the cores were in the end, and all that still waits."""
        numbers = {name: number for number, name in enumerate(counters(self.config))}
        for place, core in cores.items():
            counted = core.counters | {"ends": core.counters["ends"] + self._first[place]}
            pairs = [word for name, count in counted.items() for word in (numbers[name], count)]
            pairs += [numbers["overflow"], 0]
            self._put(place, _numbers(END, len(pairs) // 2, *pairs), *_block(core.memory))
            self._flush(place)

    def _put(self, place: Place, *words: Words) -> None:
        self._waiting[place] += words
        self._count[place] += sum(map(len, words))
        if self._count[place] > KEPT:
            self._flush(place)

    def _flush(self, place: Place) -> None:
        with (self.folder / file_name(place)).open("ab") as file:
            for words in self._waiting[place]:
                file.write(np.ascontiguousarray(words, np.uint64).tobytes())
        self._waiting[place], self._count[place] = [], 0


def source_name(source: Place | str) -> str:
    """Who sends, for people."""
    return {HOST: "the host's inputs", HOST_CREDITS: "the host's credits"}.get(str(source), f"core {source}")


def _numbers(*values: int) -> Words:
    return np.array(values, np.uint64)


def _block(words: Words) -> tuple[Words, Words]:
    """Words with their number in front."""
    flat = np.asarray(words, np.uint64).reshape(-1)
    return _numbers(len(flat)), flat
