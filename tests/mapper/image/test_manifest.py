"""Manifests of images and meshes that are damaged: refused with file, field, what is needed and what is given."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ImageError
from synapress.mapper import Image, MeshImage, compile_network
from tests.helpers.damage import DROP, put, survey
from tests.mapper.image.test_image import small_network
from tests.mapper.partition.test_cut import small_mesh

SAVED: dict[str, tuple[Callable[[], Image | MeshImage], str, Callable[[Path], Any]]] = {
    "image": (lambda: compile_network(small_network(np.random.default_rng(5)), CoreConfig())[1], "manifest.json",
              Image.load),
    "mesh": (small_mesh, "mesh.json", MeshImage.load),
    "core of a mesh": (small_mesh, "core_1_0/manifest.json", MeshImage.load),
}
"""What is saved, its manifest, and what reads it."""
TOLERATED = re.compile(r"""
    config\.\w+(\[\d+\])?\ dropped            # a field of the configuration has a default
  | sums.*                          # a report for people
  | place.*|.*\.(parent|origin|axon|sources|first_source_channel)\ (dropped|null)  # of either a core or a mesh's core
  | edge_table\[\d+\]\.(table_base|sources\[\d+\])\ (null|dropped) | .*\.fragments\[\d+\]\ dropped
  | .*\.ids(\ \[\]|\[\d+\]\ dropped)|.*\.(sources|fragments|axons)\ \[\]|(regions|inputs|outputs|fragments)\ \[\]
  | (regions|inputs|outputs|fragments)\[\d+\]\ dropped|.*\.axons\[\d+\]\ dropped   # a table with a row less
  | .*\.(saturation|type)\ -1|host\[\d\]\ -1|.*\.[xy]_offset\ -1|.*\.core_[xy]\ -1    # may be negative
""", re.VERBOSE)
"""What a manifest may have or lack all the same."""


@pytest.mark.parametrize("one_in", [20, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", SAVED)
def test_a_field_that_is_missing_or_wrong_is_named(kind: str, one_in: int, tmp_path: Path, seed: int) -> None:
    """Every place of the manifest, or one in so many, with everything that it must not be."""
    make, file, load = SAVED[kind]
    make().save(tmp_path)
    data = json.loads((tmp_path / file).read_text())
    refused, taken = survey(data, (tmp_path / file).write_text, lambda: load(tmp_path),
                            np.random.default_rng([seed, 930]), one_in)
    assert len(refused) > 500 // one_in
    for message in refused:
        assert str(tmp_path) in message and len(message) < 600 and "\n" not in message
    assert [item for item in taken if not TOLERATED.fullmatch(item)] == []


DAMAGES: list[tuple[tuple[str | int, ...], Any, str]] = [
    # path in mesh.json, what is put there, and what the refusal says
    (("version",), 7, "is not synapress-mesh version 2; given: synapress-mesh version 7"),
    (("version",), True, "is not synapress-mesh version 2; given: synapress-mesh version True"),
    (("size",), DROP, "field 'size': needs the field; given: nothing"),
    (("size",), [0, 2], r"field 'size\[0\]': needs a number greater than or equal to 1; given: 0"),
    (("host",), None, "field 'host': needs a valid array; given: None"),
    (("cores",), None, "field 'cores': needs a valid array; given: None"),
    (("cores", 0), DROP, r"field 'fragments\[0\].place': needs a place of 'cores'; given: \(0, 0\)"),
    (("cores", 0, "place"), DROP, r"field 'cores\[0\].place': needs the field"),
    (("cores", 0, "place"), [0, "0"], r"field 'cores\[0\].place\[1\]': needs a valid integer; given: '0'"),
    (("cores", 0, "place"), [True, 0], r"field 'cores\[0\].place\[0\]': needs a valid integer; given: True"),
    (("cores", 0, "place"), [9, 9], r"field 'cores\[0\].place': needs a place of its own in 2 × 1 cores"),
    (("cores", 1, "place"), [0, 0], r"field 'cores\[0\].place': needs a place of its own"),
    (("cores", 0, "sha256"), "00", "does not have the checksum"),
    (("config", "lanes"), 3, "field 'config': configuration field 'lanes' = 3 must be a power of two"),
    (("config", "lanes"), "4", "field 'config': configuration field 'lanes' must be an integer, not '4'"),
    (("inputs", 0, "axons", 0, "id"), DROP, r"field 'inputs\[0\].axons\[0\]': needs the fields of an axon word: "),
    (("inputs", 0, "axons", 0, "x_offset"), 1 << 20, r"axons\[0\].x_offset': needs -\d+ to \d+ in .*; given: 1048576"),
    (("inputs", 0, "axons", 0, "core_x"), -5, r"field 'inputs\[0\].axons': needs axons to places of 'cores'"),
    (("inputs", 0, "origin"), [0, 0, -1], r"inputs\[0\].origin\[2\]': needs a number greater than or equal to 0"),
    (("outputs", 0, "shape"), "4x4x4", r"field 'outputs\[0\].shape': needs a valid array; given: '4x4x4'"),
]


@pytest.mark.parametrize(("path", "value", "says"), DAMAGES)
def test_a_refusal_says_what_is_needed(path: tuple[str | int, ...], value: Any, says: str, tmp_path: Path) -> None:
    small_mesh().save(tmp_path)
    data = json.loads((tmp_path / "mesh.json").read_text())
    (tmp_path / "mesh.json").write_text(json.dumps(put(data, path, value)))
    with pytest.raises(ImageError, match=says):
        MeshImage.load(tmp_path)


CONTRADICTIONS: list[tuple[tuple[str | int, ...], Any, str]] = [
    # path in manifest.json of an image, what is put there, and what the refusal says
    (("population_table", 0, "shape"), [1, 1, 1], r"'population_table\[0\]': needs \(0, \(.*; given: \(0, \(1, 1, 1"),
    (("population_table", 1), DROP, r"field 'population_table': needs \d entries; given: \d"),
    (("population_table", 1, "name"), "a", r"field 'population_table\[0\].name': needs a name of its own; given: a"),
    (("edge_table", 1), DROP, r"field 'edge_table': needs \d+ entries"),
    (("edge_table", 0, "id"), 1, r"field 'edge_table\[0\]': needs 0; given: 1"),
    (("edge_table", 0, "destination"), "z", r"edge_table\[0\].destination': needs a name of population_table"),
    (("edge_table", 0, "axon", "id"), 99, r"edge_table\[0\].axon\[0\].id': needs 0 to 31 in grai_vip; given: 99"),
    (("inputs", 0, "index"), 3, r"field 'inputs\[0\]': needs 0; given: 3"),
    (("inputs", 0, "axons", 0, "x_offset"), 999, r"inputs\[0\].axons\[0\].x_offset': needs -256 to 255 in grai_vip"),
    (("outputs", 0, "index"), 99, r"field 'outputs\[0\]': needs index and shape of a population"),
    (("outputs", 0, "shape"), [1, 1, 1], r"field 'outputs\[0\]': needs index and shape of a population"),
    (("regions", 0, "category"), "air", r"field 'regions\[0\].category': needs one of geometry words, .*; given: air"),
    (("regions", 0, "words"), 1 << 20, r"field 'regions\[0\]': needs words of \d+, and no more padding than words"),
    (("regions", 0, "padding_bytes"), 9, r"field 'regions\[0\]': needs words of"),
    (("words",), 3, "image.bin has .* bytes, needs 3 words of 64 bits"),
    (("edges",), 0, "population 0: no event ID leads into it"),
]


@pytest.mark.parametrize(("path", "value", "says"), CONTRADICTIONS)
def test_what_contradicts_the_words_is_refused(
    path: tuple[str | int, ...], value: Any, says: str, tmp_path: Path
) -> None:
    make, file, load = SAVED["image"]
    make().save(tmp_path)
    data = json.loads((tmp_path / file).read_text())
    if value == "a":
        value = data["population_table"][0]["name"]
        says = says.replace("given: a", f"given: {value}")
    (tmp_path / file).write_text(json.dumps(put(data, path, value)))
    with pytest.raises(ImageError, match=says):
        load(tmp_path)


@pytest.mark.parametrize("kind", SAVED)
def test_a_manifest_cut_short_is_refused(kind: str, tmp_path: Path, seed: int) -> None:
    make, file, load = SAVED[kind]
    make().save(tmp_path)
    text = (tmp_path / file).read_bytes().rstrip()
    cuts = np.random.default_rng([seed, 931]).integers(0, len(text), 20).tolist()
    others = [b"[]", b"null", b"3", b"[" * 100_000, b"\xff\xfe", text[:-1] + b',"a":1e999']
    for content in [text[:cut] for cut in cuts] + others:
        (tmp_path / file).write_bytes(content)
        with pytest.raises(ImageError, match=rf"^no (image|mesh) in '{tmp_path}.*{Path(file).name}"):
            load(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ImageError, match=r"No such file"):
        load(tmp_path)
    (tmp_path / file).mkdir()
    with pytest.raises(ImageError, match=r"Is a directory"):
        load(tmp_path)
