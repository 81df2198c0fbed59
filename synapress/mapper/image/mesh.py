"""Fragments with places → one memory image per core, and what the host must know.

Every core's image is complete in itself (`synapress.mapper.image.image.Image`); addresses between cores are relative
[B §5.1].
"""

import contextlib
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden.config import CoreConfig
from golden.errors import ImageError
from golden.files import Writing
from golden.types import Pair, Place, Words
from synapress.mapper.axon_entries import AxonEntry
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.image.image import FILES, Image, write_image
from synapress.mapper.image.manifest import read_manifest
from synapress.mapper.image.schemas import MeshContent, check_mesh
from synapress.mapper.memory_map import MemoryMap
from synapress.mapper.partition.fragments import (
    Descriptor,
    PartitionedProgram,
    host_violations,
    link_axon,
    plan_fragments,
)
from synapress.mapper.rules import RULES, axon_violations
from synapress.mapper.sharing.exclusion import check_sharing

FORMAT, VERSION = "synapress-mesh", 2


@dataclass(eq=False)
class MeshImage:
    """The memory images of a mesh.

    `manifest` has the fragments of the inputs (`inputs`: parent, origin, shape, axons as seen from the host), the event
    IDs of the host (`outputs`: parent, origin, shape) and the places of all fragments.
    """

    config: CoreConfig
    size: tuple[int, int]
    host: Place
    images: dict[Place, Image]
    manifest: dict[str, Any]

    def words(self) -> dict[Place, tuple[Words, int, int]]:
        """By place: words, edges and populations, as `golden.mesh.Mesh` takes them."""
        return {place: (image.parts, image.edges, image.populations) for place, image in self.images.items()}

    def save(self, directory: str | Path, *, files: Writing | None = None) -> None:
        """Write `mesh.json`, and each core's image into a directory `core_X_Y`.

        Images of cores that a former mesh in this directory had, and this one has not, are removed; nothing else is.

        Args:
            files: what they are written together with, all or none; default: this mesh alone.

        Raises:
            FileError: a file cannot be written; all are as they were.
        """
        path = Path(directory)
        with Writing() if files is None else contextlib.nullcontext(files) as out:
            for place in _saved_cores(path) - set(self.images):
                for name in FILES:
                    out.remove(path / _folder(place) / name)
            out.write(path / "mesh.json", json.dumps(self.manifest, indent=1) + "\n")
            for place, image in self.images.items():
                image.save(path / _folder(place), files=out)

    @classmethod
    def load(cls, directory: str | Path) -> "MeshImage":
        """Read what `save` wrote, and check it.

        Raises:
            ImageError: a file is missing or damaged, or an image points outside its memory.
        """
        path = Path(directory)
        found = read_manifest(path / "mesh.json", "mesh", FORMAT, VERSION)
        content = found.parse(MeshContent)
        config = found.config(content.config)
        check_mesh(found, content, config)
        images = {}
        for number, entry in enumerate(content.cores):
            images[entry.place] = image = Image.load(path / _folder(entry.place))
            if image.manifest["sha256"] != entry.sha256:
                raise ImageError(f"'{path}': core {entry.place} does not have the checksum that mesh.json gives")
            if image.config != config:
                found.refuse(f"cores[{number}]", f"the configuration of mesh.json, {config.name}", image.config.name)
        return cls(config, content.size, content.host, images, found.data)


def _folder(place: Place) -> str:
    return f"core_{place[0]}_{place[1]}"


def _saved_cores(path: Path) -> set[Place]:
    """Cores of the mesh that a directory has, if it has one that can be read."""
    try:
        content = read_manifest(path / "mesh.json", "mesh", FORMAT, VERSION).parse(MeshContent)
    except ImageError:
        return set()
    return {core.place for core in content.cores}


def build_mesh(
    cut: PartitionedProgram, places: Mapping[str, Place], size: Pair, *, host: Place = (0, -1), pad: bool = True,
) -> MeshImage:
    """The images of a placed network.

    Args:
        places: core (column, row) of every fragment that is not an input's.
        size: columns and rows of the mesh.
        host: its place, outside the mesh or in it, in no core's stead.
        pad: odd words per position for populations with depthwise kernels, where their core has room for it.

    Raises:
        RuleError: with everything that does not fit a core, a field, or the reach of relative addresses.
        MappingError: populations share states whose uses do not exclude each other.
    """
    check_sharing(cut)
    violations = [*_places(cut, places, size, host), *host_violations(cut)]
    if violations:
        raise RuleError(violations)
    cores: dict[Place, list[str]] = {}
    for fragment in cut.hosted:
        cores.setdefault(places[fragment.name], []).append(fragment.name)
    cores = dict(sorted(cores.items(), key=lambda item: (item[0][1], item[0][0])))
    ids = {descriptor: number for names in cores.values() for number, descriptor in enumerate(cut.of_core(names))}

    def relative(source: str, destination: str | None) -> Place:
        x, y = places[source]
        to_x, to_y = host if destination is None else places[destination]
        return to_x - x, to_y - y

    plans = {place: plan_fragments(cut, names, ids=ids, relative=relative, pad=pad) for place, names in cores.items()}
    inputs = _inputs(cut, places, ids, host)
    for place, plan in plans.items():
        for violation in (found for rule in RULES for found in rule(plan)):
            violations.append(dataclasses.replace(violation, core=place))
    violations += [found for layer, axons in inputs.values() for axon in axons
                   for found in axon_violations(axon, layer, cut.config)]
    if violations:
        raise RuleError(violations)
    images = {place: _image(cut, plan, place) for place, plan in plans.items()}
    manifest = {
        "format": FORMAT, "version": VERSION, "network": cut.program.name, "config": cut.config.to_json(),
        "size": list(size), "host": list(host),
        "cores": [{"place": list(place), "words": len(image), "sha256": image.manifest["sha256"],
                   "fragments": cores[place]} for place, image in images.items()],
        "fragments": [{"name": item.name, "parent": item.parent, "origin": list(item.origin),
                       "shape": list(item.shape), "place": list(places[item.name])} for item in cut.hosted],
        "inputs": [{"name": item.name, "parent": item.parent, "index": index, "origin": list(item.origin),
                    "shape": list(item.shape), "axons": [axon.fields for axon in inputs[item.name][1]]}
                   for index, item in enumerate(cut.inputs)],
        "outputs": [{"id": item.id, "parent": item.name, "origin": list(item.origin), "shape": list(item.shape)}
                    for item in cut.outputs],
    }
    return MeshImage(cut.config, size, host, images, manifest)


def _places(cut: PartitionedProgram, places: Mapping[str, Place], size: Pair, host: Place) -> list[Violation]:
    """Fragments without a place, or with an invalid one."""
    found = []
    for fragment in cut.hosted:
        place = places.get(fragment.name)
        if place is None:
            found.append(Violation(
                layer=fragment.layer, rule="placement", needed=f"a core for '{fragment.name}'", available="none given",
                help="synapress.mapper.placement.place places every fragment."))
        elif place == host or not (0 <= place[0] < size[0] and 0 <= place[1] < size[1]):
            found.append(Violation(
                layer=fragment.layer, rule="placement", needed=f"core {place} for '{fragment.name}'",
                available=f"a mesh of {size[0]} × {size[1]}, host at {host}", help="Choose a core of the mesh."))
    return found


def _inputs(
    cut: PartitionedProgram, places: Mapping[str, Place], ids: Mapping[Descriptor, int], host: Place
) -> dict[str, tuple[str, list[AxonEntry]]]:
    """Layer and axons of every input fragment, as seen from the host."""
    found = {}
    for fragment in cut.inputs:
        axons = []
        for descriptor in cut.out_of[fragment.name]:
            x, y = places[descriptor.edge.destination]
            axons.append(link_axon(cut, descriptor, fragment.name, ids[descriptor], (x - host[0], y - host[1])))
        found[fragment.name] = (fragment.layer, axons)
    return found


def _image(cut: PartitionedProgram, plan: MemoryMap, place: Place) -> Image:
    """One core's image, whose manifest knows of cuts and of other cores."""
    image = write_image(plan)
    manifest = image.manifest
    manifest["place"] = list(place)
    for entry in manifest["population_table"]:
        fragment = cut.by_name[entry["name"]]
        entry |= {"parent": fragment.parent, "origin": list(fragment.origin)}
    descriptors = cut.of_core([item.population.name for item in plan.populations])
    for entry, descriptor in zip(manifest["edge_table"], descriptors, strict=True):
        del entry["axon"]
        entry |= {"sources": list(descriptor.sources), "first_source_channel": descriptor.first}
    manifest["inputs"], manifest["outputs"] = [], []
    return image
