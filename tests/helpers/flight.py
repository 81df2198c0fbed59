"""Frames that follow one another on the golden mesh, as fast as credits let them, in any order of events."""

from collections.abc import Mapping, Sequence

import numpy as np

from golden.mesh import Mesh, decode_frame
from golden.neuron.states import unpack_states
from golden.types import IntArray, Place
from golden.words import EventKind
from synapress.engines.mesh.simulate import encode_inputs, ends_by_id
from synapress.mapper.image.mesh import MeshImage

States = dict[str, list[IntArray]]


class Host:
    """Sends an input's next frame as soon as all credits for its last one are back, and answers what comes.

    Of populations that share an event ID it answers the ends together, so that it knows the frame of each value.
    """

    def __init__(self, image: MeshImage, frames: Sequence[Mapping[str, IntArray]], rng: np.random.Generator) -> None:
        self.image, self.rng = image, rng
        self.mesh = Mesh(image.config, image.words(), host=image.host, random=rng)
        self.event = self.mesh.event
        table = image.manifest["inputs"]
        parts = [encode_inputs(frame, table, image.config) for frame in frames]
        self.waiting = [[frame[number] for frame in parts] for number in range(len(table))]
        self.owed, self.sent = [0] * len(table), [0] * len(table)
        first = Mesh(image.config, image.words(), host=image.host).run_frame(np.concatenate(parts[0]))
        self.sources = ends_by_id(first, image.config)
        self.values: list[list[int]] = [[] for _ in frames]
        self.ends: dict[int, list[int]] = {identifier: [] for identifier in self.sources}
        self.done = dict.fromkeys(self.ends, 0)
        self.states: States = {}
        self.most_ahead = 0
        """Most frames that an input was ahead of the fragment that was evaluated least often."""

    def run(self) -> None:
        """Until nothing moves any more."""
        while True:
            self._feed()
            if not self.mesh._channels:
                break
            receiver, moved, _ = self.mesh._next()
            if receiver == self.image.host:
                self._take(moved)
                continue
            core = self.mesh.cores[receiver]
            for done in core.evaluations(moved):
                self._keep(receiver, done.population, done.states)
                self.mesh._send(receiver, done.credits)
                self.mesh._send(receiver, done.sent)

    def _feed(self) -> None:
        for number, frames in enumerate(self.waiting):
            if frames and not self.owed[number]:
                events = frames.pop(0)
                self.owed[number] = int(np.sum(self.event.column(events, "kind") == EventKind.END))
                self.sent[number] += 1
                self.mesh._send(self.image.host, events)
                if self.owed[number]:  # else nothing follows from it
                    self.most_ahead = max(self.most_ahead, self.sent[number] - self._evaluated())

    def _evaluated(self) -> int:
        """How often every fragment was evaluated."""
        return min(len(self.states.get(entry["name"], [])) for entry in self.image.manifest["fragments"])

    def _take(self, events: IntArray) -> None:
        for word in events.tolist():
            fields = self.event.unpack(word)
            if fields["kind"] == EventKind.CREDIT:
                self.owed[fields["id"]] -= 1
                continue
            identifier = fields["id"]
            if fields["kind"] == EventKind.VALUE:
                self.values[self.done[identifier]].append(word)
                continue
            self.ends[identifier].append(self.event.pack(
                kind=EventKind.CREDIT, core_x=-fields["x"], core_y=-fields["y"], id=fields["c"]))
            if len(self.ends[identifier]) == self.sources[identifier]:
                self.mesh._send(self.image.host, np.array(self.ends[identifier], np.uint64))
                self.ends[identifier].clear()
                self.done[identifier] += 1

    def _keep(self, place: Place, population: int, states: IntArray) -> None:
        config, image = self.image.config, self.image.images[place]
        entry = image.manifest["population_table"][population]
        depth, width, height = entry["shape"]
        lanes = unpack_states(states[:, 0] if states.shape[1] == 1 else states, config)
        shaped = lanes.reshape(entry["depth_words"], width, height, config.lanes).transpose(0, 3, 1, 2)
        self.states.setdefault(entry["name"], []).append(shaped.reshape(-1, width, height)[:depth])

    def outputs(self, frame: int) -> dict[str, IntArray]:
        return decode_frame(np.array(self.values[frame], np.uint64), self.image.manifest["outputs"], self.image.config)
