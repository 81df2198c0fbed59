"""What the manifests of images and meshes hold, and what must agree in them."""

from dataclasses import dataclass, field
from typing import Any

from golden.config import CoreConfig
from golden.types import Fields, Place, Words
from golden.words import layouts
from synapress.mapper.image.manifest import Manifest, Natural, Origin, Positive, Shape

CATEGORIES = (
    "geometry words", "population words", "edge descriptors", "axons", "parameters", "value tables", "states",
    "tables", "weights")
"""Every word of an image belongs to one of these; bytes of them that carry nothing are counted as padding."""


@dataclass(kw_only=True)
class PopulationRow:
    name: str
    index: Natural
    layer: str
    shape: Shape
    type: int
    saturation: int
    base: Natural
    axons: Natural
    table_words: Natural
    parameter_base: Natural
    parameters: Natural
    state_base: Natural
    state_words: Natural
    x_stride: Natural
    y_stride: Natural
    depth_words: Natural
    ids: list[Natural]
    cim: dict[str, Any] | None = None
    """Of a core with a compute-in-memory array: the shape of its operands, and what of them stays there."""
    parent: str | None = None
    """On a mesh: the population that this one is cut from, and where it starts in it."""
    origin: Origin | None = None


@dataclass(kw_only=True)
class EdgeRow:
    id: Natural
    name: str
    source: str
    destination: str
    kind: str
    kernel: tuple[Positive, Positive]
    table_base: Natural | None
    weight_base: Natural
    weight_words: Natural
    axon: Fields | None = None
    """On a mesh, instead of an axon: the fragments that send, and the first channel."""
    sources: list[str] = field(default_factory=list)
    first_source_channel: Natural = 0
    tables: dict[str, Any] | None = None
    """Of synapses in tables: organisation, bits of a weight, inputs, outputs, synapses, and words by part."""


@dataclass(kw_only=True)
class InputRow:
    name: str
    index: Natural
    shape: Shape
    saturation: int
    axons: list[Fields]
    differences: bool = False
    """Its events say how far values have moved since they were sent, and not where they are."""


@dataclass(kw_only=True)
class OutputRow:
    name: str
    id: Natural
    index: Natural
    shape: Shape
    saturation: int


@dataclass(kw_only=True)
class RegionRow:
    category: str
    owner: str
    first: Natural
    words: Natural
    padding_bytes: Natural


@dataclass(kw_only=True)
class ImageContent:
    """What manifest.json of an image holds; `synapress.mapper.image.image` writes it, and `synapress.mapper.image.mesh`
    adds to it."""

    network: str
    config: dict[str, Any]
    edges: Natural
    populations: Natural
    words: Natural
    host: Place
    sha256: str
    population_table: list[PopulationRow]
    edge_table: list[EdgeRow]
    inputs: list[InputRow]
    outputs: list[OutputRow]
    regions: list[RegionRow]
    sums: list[dict[str, Any]] = field(default_factory=list)
    place: Place | None = None


@dataclass(kw_only=True)
class CoreRow:
    place: Place
    words: Natural
    sha256: str
    fragments: list[str]


@dataclass(kw_only=True)
class FragmentRow:
    name: str
    parent: str
    origin: Origin
    shape: Shape
    place: Place


@dataclass(kw_only=True)
class MeshInputRow:
    name: str
    parent: str
    index: Natural
    origin: Origin
    shape: Shape
    axons: list[Fields]
    """As seen from the host."""


@dataclass(kw_only=True)
class MeshOutputRow:
    id: Natural
    """Of the host's events."""
    parent: str
    origin: Origin
    shape: Shape


@dataclass(kw_only=True)
class MeshContent:
    """What mesh.json holds; `synapress.mapper.image.mesh.build_mesh` writes it."""

    network: str
    config: dict[str, Any]
    size: tuple[Positive, Positive]
    host: Place
    cores: list[CoreRow]
    fragments: list[FragmentRow]
    inputs: list[MeshInputRow]
    outputs: list[MeshOutputRow]


def check_image(found: Manifest, content: ImageContent, config: CoreConfig, parts: Words) -> None:
    """The manifest says of populations, edges and regions what the words say.

    Raises:
        ImageError: it does not.
    """
    table, shapes = layouts(config), []
    for index in range(content.populations):
        geometry, population = table.geometry.unpack(int(parts[2 * index, 0])), table.population.unpack(
            int(parts[2 * index + 1, 0]))
        shapes.append((population["depth"], geometry["width"], geometry["height"]))
    rows, names = content.population_table, [row.name for row in content.population_table]
    found.check_order("population_table", [(row.index, row.shape) for row in rows], enumerate(shapes))
    found.check_order("edge_table", [row.id for row in content.edge_table], range(content.edges))
    for number, row in enumerate(rows):
        if names.count(row.name) > 1:
            found.refuse(f"population_table[{number}].name", "a name of its own", row.name)
    for number, edge in enumerate(content.edge_table):
        if edge.destination not in names:
            found.refuse(f"edge_table[{number}].destination", "a name of population_table", edge.destination)
        if edge.axon is not None:
            found.check_axons(f"edge_table[{number}].axon", [edge.axon], config)
    found.check_order("inputs", [entry.index for entry in content.inputs], range(len(content.inputs)))
    for number, entry in enumerate(content.inputs):
        found.check_axons(f"inputs[{number}].axons", entry.axons, config)
    for number, output in enumerate(content.outputs):
        if output.index >= len(rows) or output.shape != rows[output.index].shape:
            found.refuse(f"outputs[{number}]", "index and shape of a population", (output.index, output.shape))
    for number, region in enumerate(content.regions):
        if region.category not in CATEGORIES:
            found.refuse(f"regions[{number}].category", f"one of {', '.join(CATEGORIES)}", region.category)
        if region.first + region.words > content.words or region.padding_bytes * 8 > region.words * config.word_bits:
            found.refuse(f"regions[{number}]", f"words of {content.words}, and no more padding than words",
                         (region.first, region.words, region.padding_bytes))


def check_mesh(found: Manifest, content: MeshContent, config: CoreConfig) -> None:
    """Every place that mesh.json names is a core's, and every axon of the host leads to one.

    Raises:
        ImageError: one is not.
    """
    (columns, rows), host = content.size, content.host
    places = [core.place for core in content.cores]
    for number, place in enumerate(places):
        if not (0 <= place[0] < columns and 0 <= place[1] < rows) or place == host or places.count(place) > 1:
            found.refuse(f"cores[{number}].place", f"a place of its own in {columns} × {rows} cores, not the host's",
                         place)
    for number, fragment in enumerate(content.fragments):
        if fragment.place not in places:
            found.refuse(f"fragments[{number}].place", "a place of 'cores'", fragment.place)
    for number, entry in enumerate(content.inputs):
        found.check_axons(f"inputs[{number}].axons", entry.axons, config)
        for axon in entry.axons:
            place = host[0] + axon["core_x"], host[1] + axon["core_y"]
            if place not in places:
                found.refuse(f"inputs[{number}].axons", "axons to places of 'cores'", place)
