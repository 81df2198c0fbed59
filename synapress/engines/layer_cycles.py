"""One layer of a program alone on a core: its real events in the RTL, and what the counters say."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.program import Program
from golden.synapse.peg import generate_array
from golden.timing.cycles import firing_order
from golden.timing.operations import Place, places
from golden.words import EventKind, layouts
from synapress.engines.verilated import RtlRun, run
from synapress.mapper import Image, build_image


@dataclass(frozen=True)
class Layer:
    """A layer on a core of its own: a program whose inputs are the layer's sources, and one timestep of events."""

    program: Program
    image: Image
    frame: npt.NDArray[np.uint64]

    @property
    def places(self) -> dict[str, Place]:
        return places(self.image.manifest)

    def simulate(self) -> RtlRun:
        """The timestep in compiled RTL; its counters are the layer's."""
        image = self.image
        return run(image.config, image.parts, image.edges, image.populations, [self.frame],
                   inputs=len(self.program.edges), outputs=1)


def alone(
    program: Program, name: str, outputs: Mapping[str, npt.NDArray[np.integer]], config: CoreConfig
) -> Layer:
    """Population `name` of a legal program, given the values (D, W, H) of its sources.

    The events come edge by edge, each in the order in which its source fires (`golden.timing.cycles.firing_order`).

    Raises:
        MappingError: the layer does not fit one core.
    """
    event, edges = layouts(config).event, program.edges_into(name)
    sources = list(dict.fromkeys(edge.source for edge in edges))
    layer = Program(
        name=name, populations=[program.population(source) for source in (*sources, name)], edges=edges,
        inputs=sources, outputs=[name])
    image = build_image(layer, config)
    axons = {entry["name"]: entry["axon"] for entry in image.manifest["edge_table"]}
    values, ends = [], []
    for edge in edges:
        feature_map, axon = outputs[edge.source], axons[edge.name]
        c, x, y = firing_order(feature_map, config, host=edge.source in program.inputs)
        _, fields = generate_array(x, y, c, feature_map[c, x, y].astype(np.int64), axon, config)
        values.append(event.pack_array(fields))
        ends.append(event.pack(
            kind=EventKind.END, id=axon["id"], core_x=axon["core_x"], core_y=axon["core_y"], x=axon["core_x"],
            y=axon["core_y"], c=sources.index(edge.source)))
    return Layer(layer, image, np.concatenate([*values, np.array(ends, np.uint64)]))
