"""Fragments with places → one memory image per core, and what the host must know.

Every core's image is complete in itself (`mapper.image.Image`); addresses between cores are relative [B §5.1].
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ImageError
from mapper.errors import RuleError, Violation
from mapper.fragments import Core, CutProgram, Descriptor, link_axon, plan_fragments
from mapper.image import Image, write_image
from mapper.plan import AxonPlan, Plan
from mapper.rules import RULES, axon_violations

FORMAT, VERSION = "synapress-mesh", 1


@dataclass(eq=False)
class MeshImage:
    """The memory images of a mesh.

    `manifest` has the fragments of the inputs (`inputs`: parent, origin, shape, axons as seen from the host), the event
    IDs of the host (`outputs`: parent, origin, shape) and the places of all fragments.
    """

    config: CoreConfig
    size: tuple[int, int]
    host: Core
    images: dict[Core, Image]
    manifest: dict[str, Any]

    def words(self) -> dict[Core, tuple[npt.NDArray[np.uint64], int, int]]:
        """By place: words, edges and populations, as `golden.mesh.Mesh` takes them."""
        return {place: (image.parts, image.edges, image.populations) for place, image in self.images.items()}

    def save(self, directory: str | Path) -> None:
        """Write `mesh.json`, and each core's image into a directory `core_X_Y`."""
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        (path / "mesh.json").write_text(json.dumps(self.manifest, indent=1) + "\n")
        for (x, y), image in self.images.items():
            image.save(path / f"core_{x}_{y}")

    @classmethod
    def load(cls, directory: str | Path) -> "MeshImage":
        """Read what `save` wrote, and check it.

        Raises:
            ImageError: a file is missing or damaged, or an image points outside its memory.
        """
        path = Path(directory)
        try:
            manifest = json.loads((path / "mesh.json").read_text())
        except (OSError, ValueError) as error:
            raise ImageError(f"no mesh in '{path}': {error}") from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
            raise ImageError(f"'{path}': mesh.json is not {FORMAT} version {VERSION}")
        missing = [key for key in ("config", "size", "host", "cores", "inputs", "outputs") if key not in manifest]
        if missing:
            raise ImageError(f"'{path}': mesh.json lacks {', '.join(missing)}")
        images = {}
        for entry in manifest["cores"]:
            x, y = entry["place"]
            images[x, y] = Image.load(path / f"core_{x}_{y}")
            if images[x, y].manifest["sha256"] != entry["sha256"]:
                raise ImageError(f"'{path}': core ({x}, {y}) does not have the checksum that mesh.json gives")
        config = CoreConfig.from_json(manifest["config"])
        if any(image.config != config for image in images.values()):
            raise ImageError(f"'{path}': a core has another configuration than mesh.json")
        return cls(config, tuple(manifest["size"]), tuple(manifest["host"]), images, manifest)


def build_mesh(
    cut: CutProgram, places: Mapping[str, Core], size: tuple[int, int], *, host: Core = (0, -1), pad: bool = True,
) -> MeshImage:
    """The images of a placed network.

    Args:
        places: core (column, row) of every fragment that is not an input's.
        size: columns and rows of the mesh.
        host: its place, outside the mesh or in it, in no core's stead.
        pad: odd words per position for populations with depthwise kernels, where their core has room for it.

    Raises:
        RuleError: with everything that does not fit a core, a field, or the reach of relative addresses.
    """
    violations = list(_places(cut, places, size, host))
    if violations:
        raise RuleError(violations)
    cores: dict[Core, list[str]] = {}
    for fragment in cut.hosted:
        cores.setdefault(places[fragment.name], []).append(fragment.name)
    cores = dict(sorted(cores.items(), key=lambda item: (item[0][1], item[0][0])))
    ids = {descriptor: number for names in cores.values()
           for number, descriptor in enumerate(item for name in names for item in cut.into[name])}

    def relative(source: str, destination: str | None) -> Core:
        x, y = places[source]
        to_x, to_y = host if destination is None else places[destination]
        return to_x - x, to_y - y

    plans = {place: plan_fragments(cut, names, ids=ids, relative=relative, pad=pad) for place, names in cores.items()}
    inputs = _inputs(cut, places, ids, host)
    for place, plan in plans.items():
        for violation in (found for rule in RULES for found in rule(plan)):
            violations.append(Violation(**violation.to_json() | {"rule": f"{violation.rule} of core {place}"}))
    for number, (layer, axons) in enumerate(inputs.values()):
        violations += [found for axon in axons for found in axon_violations(axon, layer, cut.config)]
        if number == cut.config.max_populations:
            violations.append(Violation(
                layer=layer, rule="number of input fragments", needed=str(len(inputs)), help="Raise population_bits.",
                available=str(cut.config.max_populations)))
    if len(cut.outputs) > cut.config.max_edges:
        violations.append(Violation(
            layer=cut.program.name, rule="number of output IDs", needed=str(len(cut.outputs)),
            available=str(cut.config.max_edges), help="Fewer or smaller outputs, or raise edge_bits."))
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


def _places(cut: CutProgram, places: Mapping[str, Core], size: tuple[int, int], host: Core) -> list[Violation]:
    """Fragments without a place, or with one that is none."""
    found = []
    for fragment in cut.hosted:
        place = places.get(fragment.name)
        if place is None:
            found.append(Violation(
                layer=fragment.layer, rule="placement", needed=f"a core for '{fragment.name}'", available="none given",
                help="mapper.place places every fragment."))
        elif place == host or not (0 <= place[0] < size[0] and 0 <= place[1] < size[1]):
            found.append(Violation(
                layer=fragment.layer, rule="placement", needed=f"core {place} for '{fragment.name}'",
                available=f"a mesh of {size[0]} × {size[1]}, host at {host}", help="Choose a core of the mesh."))
    return found


def _inputs(
    cut: CutProgram, places: Mapping[str, Core], ids: Mapping[Descriptor, int], host: Core
) -> dict[str, tuple[str, list[AxonPlan]]]:
    """Layer and axons of every input fragment, as seen from the host."""
    found = {}
    for fragment in cut.inputs:
        axons = []
        for descriptor in cut.out_of[fragment.name]:
            x, y = places[descriptor.edge.destination]
            axons.append(link_axon(cut, descriptor, fragment.name, ids[descriptor], (x - host[0], y - host[1])))
        found[fragment.name] = (fragment.layer, axons)
    return found


def _image(cut: CutProgram, plan: Plan, place: Core) -> Image:
    """One core's image, whose manifest knows of cuts and of other cores."""
    image = write_image(plan)
    manifest = image.manifest
    manifest["place"] = list(place)
    for entry in manifest["population_table"]:
        fragment = cut.by_name[entry["name"]]
        entry |= {"parent": fragment.parent, "origin": list(fragment.origin)}
    descriptors = [descriptor for item in plan.populations for descriptor in cut.into[item.population.name]]
    for entry, descriptor in zip(manifest["edge_table"], descriptors, strict=True):
        del entry["axon"]
        entry |= {"sources": list(descriptor.sources), "first_source_channel": descriptor.first}
    manifest["inputs"], manifest["outputs"] = [], []
    return image
