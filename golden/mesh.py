"""Several cores on an ideal network: events with relative addresses, in order from each sender to each receiver.

The network has no size, no routes and no delay; which of the waiting events moves next is arbitrary and can be drawn at
random: credits make the results independent of it (docs/architecture.md). Relative addresses and ends of timestep are
those of Bamberg et al., arXiv 2112.07019, sections 4 and 5.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.core import Core, Evaluation
from golden.errors import EventError
from golden.host import decode, encode
from golden.types import IntArray, Place, Words
from golden.words import EventKind, layouts


class Observer:
    """Is told what happens in a mesh, in order; this one keeps the state words evaluated, in the cores' traces.

    Of what is sent it says the cause, whatever that may be: the mesh hands it on with the events.
    """

    def frame(self) -> Any:
        """The host sends a frame: its cause."""

    def answer(self, cause: Any) -> Any:
        """The host sends the credits of ends that came to it: their cause, from that of the ends."""

    def arrives(self, receiver: Place, core: Core | None, events: Words, cause: Any) -> None:
        """Events are about to be taken by a core, or by the host (None), in order."""

    def evaluated(self, place: Place, core: Core, done: Evaluation) -> tuple[Any, Any]:
        """A population was evaluated: the causes of its credits, and of what it sends."""
        core.keep(done)
        return None, None


class Mesh:
    """Cores at places (column, row), and a host at a place of its own, which may lie outside.

    Args:
        images: by place the words of a core's image (see `golden.core.Core`), its edges and its populations.
        host: place of the host: an input's events start there, the outputs' go there.
        random: draws which of the waiting events move next, and how many of them; default: in the order of sending.
        literal: see `golden.core.Core`.
        observer: is told what happens, and fills the cores' traces, or not where these would be larger than the memory.

    Attributes:
        cores: by place.
        traffic: VALUE events by (sender, receiver), those to the own core not counted.
        moved: events of all kinds, alike.

    Raises:
        ImageError: an image does not fit its core.
        EventError: while running, an event is addressed to a place without a core.
    """

    def __init__(
        self, config: CoreConfig, images: Mapping[Place, tuple[Words, int, int]], *, host: Place,
        random: np.random.Generator | None = None, literal: bool = False, observer: Observer | None = None,
    ):
        self.config = config
        self.event = layouts(config).event
        self.host = host
        self.random = random
        self.observer = observer or Observer()
        self.cores = {place: Core(config, words, edges=edges, populations=populations, literal=literal)
                      for place, (words, edges, populations) in images.items()}
        self.traffic: dict[tuple[Place, Place], int] = {}
        self.moved: dict[tuple[Place, Place], int] = {}
        self._channels: dict[tuple[Place, Place], list[tuple[Words, Any]]] = {}
        self._started = False

    def _start(self) -> None:
        """The first ends of all cores, once, before the host sends anything; they count nowhere, as in a core."""
        if self._started:
            return
        self._started = True
        sent = [(place, core, done) for place, core in self.cores.items() for done in core.first_ends()]
        for place, core, done in sent:
            self._tell(place, core, done)
        if not sent:
            return
        self._deliver()  # none of it leads to the host, as no delay is an output
        for core in self.cores.values():
            core.counters.update(dict.fromkeys(core.counters, 0))

    def run(self, events: Words) -> Words:
        """Take packed events of the host, and all that follows from them; returns what comes to the host, packed."""
        self._start()
        self._send(self.host, np.asarray(events, np.uint64), self.observer.frame())
        return np.concatenate([np.zeros(0, np.uint64), *(moved for moved, _ in self._deliver())])

    def _deliver(self) -> list[tuple[Words, Any]]:
        """All that waits, and all that follows from it; returns what comes to the host, with its causes."""
        arrived = []
        while self._channels:
            receiver, moved, cause = self._next()
            if receiver == self.host:
                self.observer.arrives(receiver, None, moved, cause)
                arrived.append((moved, cause))
                continue
            core = self.cores[receiver]
            self.observer.arrives(receiver, core, moved, cause)
            for done in core.evaluations(moved):
                self._tell(receiver, core, done)
        return arrived

    def _tell(self, place: Place, core: Core, done: Evaluation) -> None:
        """Tell the observer of an evaluation, and send what comes of it."""
        for_credits, for_sent = self.observer.evaluated(place, core, done)
        self._send(place, done.credits, for_credits)
        self._send(place, done.sent, for_sent)

    def _send(self, sender: Place, events: Words, cause: Any = None) -> None:
        """Append events to the channels that they take, each in order."""
        if not len(events):
            return
        column, row = self.event.column(events, "core_x"), self.event.column(events, "core_y")
        code = column << 32 | row & 0xFFFFFFFF
        order = np.argsort(code, kind="stable")
        starts = np.flatnonzero(np.diff(code[order], prepend=code[order[0]] - 1))
        for mine in np.split(order, starts[1:]):
            receiver = (sender[0] + int(column[mine[0]]), sender[1] + int(row[mine[0]]))
            if receiver != self.host and receiver not in self.cores:
                raise EventError(f"core {sender} sends {len(mine)} events to {receiver}, where there is no core")
            key, sent = (sender, receiver), events[mine]
            values = int(np.sum(self.event.column(sent, "kind") == EventKind.VALUE))
            self.traffic[key] = self.traffic.get(key, 0) + values
            self.moved[key] = self.moved.get(key, 0) + len(mine)
            self._channels.setdefault(key, []).append((sent, cause))

    def _next(self) -> tuple[Place, Words, Any]:
        """Take events from a channel: a whole run of them, or with `random` some of any channel.

        Returns:
            Who gets them, the events, and their cause.
        """
        keys = list(self._channels)
        key = keys[0] if self.random is None else keys[int(self.random.integers(len(keys)))]
        waiting = self._channels[key]
        moved, cause = waiting.pop(0)
        if self.random is not None and len(moved) > 1:
            count = int(self.random.integers(1, len(moved) + 1))
            if count < len(moved):
                waiting.insert(0, (moved[count:], cause))
                moved = moved[:count]
        if not waiting:
            del self._channels[key]
        return key[1], moved, cause

    # -- the host ------------------------------------------------------------------------------

    def run_frame(self, frame: Words) -> Words:
        """One timestep: packed input events, ends included; returns the values and ends that come to the host.

        Raises:
            EventError: not every end of the frame was answered by a credit: some population still waits.
        """
        self._start()
        events = np.asarray(frame, np.uint64)
        owed = int(np.sum(self.event.column(events, "kind") == EventKind.END))
        out: list[Words] = [np.zeros(0, np.uint64)]
        self._send(self.host, events, self.observer.frame())
        while self._channels:
            for sent, cause in self._deliver():
                fields = self.event.unpack_array(sent)
                owed -= int(np.sum(fields["kind"] == EventKind.CREDIT))
                out.append(sent[fields["kind"] != EventKind.CREDIT])
                ends = np.flatnonzero(fields["kind"] == EventKind.END)
                self._send(self.host, np.array([self.event.pack(
                    kind=EventKind.CREDIT, core_x=-int(fields["x"][i]), core_y=-int(fields["y"][i]),
                    id=int(fields["c"][i])) for i in ends], np.uint64), self.observer.answer(cause))
        if owed:
            raise EventError(f"{owed} ends of timestep of the frame were not answered by credits: an end is missing "
                             "for some incoming axon")
        return np.concatenate(out)


def encode_frame(
    inputs: Mapping[str, IntArray], table: Sequence[Mapping[str, Any]], config: CoreConfig, *, spread: bool = False
) -> Words:
    """One frame of packed input events of input fragments.

    Args:
        inputs: uncut feature maps (D, W, H) by name.
        table: per input fragment, in order, `parent`, `origin` and `shape` (both channel, column, row) and `axons`,
            the fields of its axon words as seen from the host.
        spread: see `golden.host.encode`.
    """
    parts = []
    for entry in table:
        (c, x, y), (depth, width, height) = entry["origin"], entry["shape"]
        feature_map = np.asarray(inputs[entry["parent"]])
        parts.append((feature_map[c:c + depth, x:x + width, y:y + height], entry["axons"]))
    return encode(parts, config, spread=spread)


def decode_frame(events: Words, table: Sequence[Mapping[str, Any]], config: CoreConfig) -> dict[str, IntArray]:
    """The uncut output feature maps (D, W, H) by name.

    Args:
        table: per event ID of the host `id`, `parent`, `origin` and `shape` of what its events describe.
    """
    sizes: dict[str, IntArray] = {}
    for entry in table:
        end = np.add(entry["origin"], entry["shape"])
        sizes[entry["parent"]] = np.maximum(sizes.get(entry["parent"], end), end)
    outputs = {name: np.zeros(tuple(size), np.int64) for name, size in sizes.items()}
    for entry in table:
        (c, x, y), (depth, width, height) = entry["origin"], entry["shape"]
        part = decode(events, entry["id"], (depth, width, height), config)
        outputs[entry["parent"]][c:c + depth, x:x + width, y:y + height] = part
    return outputs
