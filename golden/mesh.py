"""Several cores on an ideal network: events with relative addresses, in order from each sender to each receiver.

The network has no size, no routes and no delay; which of the waiting events moves next is arbitrary and can be drawn at
random: credits make the results independent of it (docs/architecture.md). Relative addresses and ends of timestep are
those of Bamberg et al., arXiv 2112.07019, sections 4 and 5.1.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import EventError
from golden.host import decode, encode
from golden.types import IntArray, Place, Words
from golden.words import EventKind, layouts


class Mesh:
    """Cores at places (column, row), and a host at a place of its own, which may lie outside.

    Args:
        images: by place the words of a core's image (see `golden.core.Core`), its edges and its populations.
        host: place of the host: an input's events start there, the outputs' go there.
        random: draws which of the waiting events move next, and how many of them; default: in the order of sending.
        literal: see `golden.core.Core`.

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
        random: np.random.Generator | None = None, literal: bool = False,
    ):
        self.config = config
        self.event = layouts(config).event
        self.host = host
        self.random = random
        self.cores = {place: Core(config, words, edges=edges, populations=populations, literal=literal)
                      for place, (words, edges, populations) in images.items()}
        self.traffic: dict[tuple[Place, Place], int] = {}
        self.moved: dict[tuple[Place, Place], int] = {}
        self._channels: dict[tuple[Place, Place], list[Words]] = {}

    def run(self, events: Words) -> Words:
        """Take packed events of the host, and all that follows from them; returns what comes to the host, packed."""
        self._send(self.host, np.asarray(events, np.uint64))
        arrived: list[Words] = []
        while self._channels:
            (_, receiver), moved = self._next()
            if receiver == self.host:
                arrived.append(moved)
            else:
                self._send(receiver, self.cores[receiver].run(moved))
        return np.concatenate(arrived) if arrived else np.zeros(0, np.uint64)

    def _send(self, sender: Place, events: Words) -> None:
        """Append events to the channels that they take, each in order."""
        fields = self.event.unpack_array(events)
        addresses = np.stack([fields["core_x"], fields["core_y"]], axis=1)
        for address in np.unique(addresses, axis=0):
            mine = (addresses == address).all(axis=1)
            receiver = (sender[0] + int(address[0]), sender[1] + int(address[1]))
            if receiver != self.host and receiver not in self.cores:
                raise EventError(f"core {sender} sends {int(mine.sum())} events to {receiver}, where there is no core")
            key = (sender, receiver)
            self.traffic[key] = self.traffic.get(key, 0) + int(np.sum(fields["kind"][mine] == EventKind.VALUE))
            self.moved[key] = self.moved.get(key, 0) + int(mine.sum())
            self._channels.setdefault(key, []).append(events[mine])

    def _next(self) -> tuple[tuple[Place, Place], Words]:
        """Take events from a channel: a whole run of them, or with `random` some of any channel."""
        keys = list(self._channels)
        key = keys[0] if self.random is None else keys[int(self.random.integers(len(keys)))]
        waiting = self._channels[key]
        moved = waiting.pop(0)
        if self.random is not None and len(moved) > 1:
            count = int(self.random.integers(1, len(moved) + 1))
            if count < len(moved):
                waiting.insert(0, moved[count:])
                moved = moved[:count]
        if not waiting:
            del self._channels[key]
        return key, moved

    # -- the host ------------------------------------------------------------------------------

    def run_frame(self, frame: Words) -> Words:
        """One timestep: packed input events, ends included; returns the values and ends that come to the host.

        Raises:
            EventError: not every end of the frame was answered by a credit: some population still waits.
        """
        events = np.asarray(frame, np.uint64)
        owed = int(np.sum(self.event.unpack_array(events)["kind"] == EventKind.END))
        out: list[Words] = [np.zeros(0, np.uint64)]
        while len(events):
            sent = self.run(events)
            fields = self.event.unpack_array(sent)
            owed -= int(np.sum(fields["kind"] == EventKind.CREDIT))
            out.append(sent[fields["kind"] != EventKind.CREDIT])
            ends = np.flatnonzero(fields["kind"] == EventKind.END)
            events = np.array([self.event.pack(
                kind=EventKind.CREDIT, core_x=-int(fields["x"][i]), core_y=-int(fields["y"][i]), id=int(fields["c"][i]))
                for i in ends], np.uint64)
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
