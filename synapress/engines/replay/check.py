"""Every value of the golden mesh against the whole-network model, as it is recorded: a damaged image is named."""

from collections.abc import Sequence

import numpy as np

from golden.core import Evaluation
from golden.errors import ToolError
from golden.recording import Condition, Sink
from golden.types import Maps, Place, Words
from synapress.mapper import MeshImage


class Checked:
    """A `golden.recording.Sink` before another one, which holds all that fires to the values of whole layers.

    Args:
        expected: (N, D, W, H) by layer; layers that are not there are not compared.
    """

    def __init__(self, sink: Sink, image: MeshImage, expected: Maps):
        self.sink, self.expected = sink, expected
        self._tables = {place: core.manifest["population_table"] for place, core in image.images.items()}
        self._frames: dict[tuple[Place, int], int] = {}

    def arrival(self, place: Place, source: Place | str, conditions: Sequence[Condition], events: Words) -> None:
        """See `golden.recording.Sink`."""
        self.sink.arrival(place, source, conditions, events)

    def evaluation(self, place: Place, done: Evaluation) -> None:
        """See `golden.recording.Sink`.

        Raises:
            ToolError: a value differs.
        """
        if not len(done.addresses):  # the first ends of a delay
            self.sink.evaluation(place, done)
            return
        frame = self._frames.get((place, done.population), 0)
        self._frames[place, done.population] = frame + 1
        entry = self._tables[place][done.population]
        layer = self.expected.get(entry["parent"])
        if layer is not None:
            (c, x, y), (depth, width, height) = entry["origin"], entry["shape"]
            found = np.zeros((depth, width, height), np.int64)
            found[tuple(done.fired[:, :3].T)] = done.fired[:, 3]
            wanted = layer[frame, c:c + depth, x:x + width, y:y + height]
            if (wrong := np.argwhere(found != wanted)).size:
                first = tuple(wrong[0])
                raise ToolError(
                    f"core {place}, population '{entry['name']}', frame {frame + 1}: {len(wrong)} values of the golden "
                    f"mesh differ from the fast model, first at channel {first[0]}, column {first[1]}, row {first[2]}: "
                    f"{found[first]}, expected {wanted[first]}. The image of this core, or of one that sends to it, is "
                    "damaged")
        self.sink.evaluation(place, done)
