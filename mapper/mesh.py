"""Fragments with places → one memory image per core, and what the host must know.

Every core's image is complete in itself (`mapper.image.Image`); addresses between cores are relative [B §5.1].
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ImageError
from golden.words import layouts
from mapper.errors import RuleError, Violation
from mapper.fragments import Core, CutProgram, Descriptor, host_violations, link_axon, plan_fragments
from mapper.image import FILES, Image, write_image
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
        """Write `mesh.json`, and each core's image into a directory `core_X_Y`.

        Images of cores that a former mesh in this directory had, and this one has not, are removed; nothing else is.
        """
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        for place in _saved_cores(path) - set(self.images):
            folder = path / _folder(place)
            for name in FILES:
                (folder / name).unlink(missing_ok=True)
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        (path / "mesh.json").write_text(json.dumps(self.manifest, indent=1) + "\n")
        for place, image in self.images.items():
            image.save(path / _folder(place))

    @classmethod
    def load(cls, directory: str | Path) -> "MeshImage":
        """Read what `save` wrote, and check it.

        Raises:
            ImageError: a file is missing or damaged, or an image points outside its memory.
            ConfigError: the configuration is none.
        """
        path = Path(directory)
        try:
            manifest = json.loads((path / "mesh.json").read_text())
        except (OSError, ValueError) as error:
            raise ImageError(f"no mesh in '{path}': {error}") from error
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
            raise ImageError(f"'{path}': mesh.json is not {FORMAT} version {VERSION}")
        config = CoreConfig.from_json(manifest.get("config"))
        _check_manifest(path, manifest, config)
        images = {}
        for entry in manifest["cores"]:
            place = entry["place"][0], entry["place"][1]
            images[place] = Image.load(path / _folder(place))
            if images[place].manifest["sha256"] != entry["sha256"]:
                raise ImageError(f"'{path}': core {place} does not have the checksum that mesh.json gives")
        if any(image.config != config for image in images.values()):
            raise ImageError(f"'{path}': a core has another configuration than mesh.json")
        return cls(config, tuple(manifest["size"]), tuple(manifest["host"]), images, manifest)


def _folder(place: Core) -> str:
    return f"core_{place[0]}_{place[1]}"


def _saved_cores(path: Path) -> set[Core]:
    """Cores of the mesh that a directory has, if it has one that can be read."""
    try:
        manifest = json.loads((path / "mesh.json").read_text())
        if manifest["format"] != FORMAT:
            return set()
        return {(int(x), int(y)) for x, y in (entry["place"] for entry in manifest["cores"])}
    except (OSError, ValueError, TypeError, KeyError):
        return set()


_INTEGERS = {"place": 2, "origin": 3, "shape": 3, "size": 2, "host": 2}
"""Entries that are lists of so many integers."""


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_manifest(path: Path, manifest: Mapping[str, Any], config: CoreConfig) -> None:
    """Everything of mesh.json that loading, running or decoding looks at has the type and range that it needs.

    Raises:
        ImageError: with the first thing that has not.
    """
    def refuse(where: str, needed: str, given: object) -> NoReturn:
        raise ImageError(f"'{path}': mesh.json, {where}: needs {needed}; given: {given!r}")

    def check(where: str, entry: object, keys: Sequence[str]) -> None:
        if not isinstance(entry, dict):
            refuse(where, "an object", entry)
        for key in keys:
            value: Any = entry.get(key)
            count = _INTEGERS.get(key)
            if count is not None and not (
                    isinstance(value, list) and len(value) == count and all(map(_is_integer, value))):
                refuse(f"{where}, '{key}'", f"{count} integers", value)
            least = {"shape": 1, "size": 1, "origin": 0}.get(key)
            if least is not None and min(value) < least:
                refuse(f"{where}, '{key}'", f"at least {least} of each", value)
            if key in ("name", "parent", "sha256", "network") and not isinstance(value, str):
                refuse(f"{where}, '{key}'", "a string", value)
            if key in ("id", "index", "words") and not (_is_integer(value) and value >= 0):
                refuse(f"{where}, '{key}'", "a natural number", value)

    check("top", manifest, ("size", "host", "network"))
    axon = layouts(config).axon
    lists = {"cores": ("place", "sha256", "words"), "fragments": ("name", "parent", "origin", "shape", "place"),
             "inputs": ("name", "parent", "index", "origin", "shape"), "outputs": ("id", "parent", "origin", "shape")}
    for kind, keys in lists.items():
        if not isinstance(manifest.get(kind), list):
            refuse(f"'{kind}'", "a list", manifest.get(kind))
        for number, entry in enumerate(manifest[kind]):
            where = f"'{kind}', entry {number}"
            check(where, entry, keys)
            if kind != "inputs":
                continue
            axons = entry.get("axons")
            if not isinstance(axons, list):
                refuse(f"{where}, 'axons'", "a list", axons)
            for fields in axons:
                if not isinstance(fields, dict) or set(fields) != {field.name for field in axon.fields} or not all(
                        _is_integer(fields[field.name]) and field.low <= fields[field.name] <= field.high
                        for field in axon.fields):
                    refuse(f"{where}, 'axons'", f"the fields of an axon word, each in its range, in {config.name}",
                           fields)
    columns, rows = manifest["size"]
    host, places = manifest["host"], [tuple(entry["place"]) for entry in manifest["cores"]]
    for place in places:
        if not (0 <= place[0] < columns and 0 <= place[1] < rows) or place == tuple(host) or places.count(place) > 1:
            refuse("'cores'", f"each place once, in {columns} × {rows} cores, not the host's", list(place))
    for kind in ("fragments", "inputs"):
        for entry in manifest[kind]:
            targets = [tuple(entry["place"])] if kind == "fragments" else [
                (host[0] + fields["core_x"], host[1] + fields["core_y"]) for fields in entry["axons"]]
            for place in targets:
                if place not in places:
                    refuse(f"'{kind}', '{entry['name']}'", "a place of 'cores'", list(place))


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
    violations = [*_places(cut, places, size, host), *host_violations(cut)]
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
