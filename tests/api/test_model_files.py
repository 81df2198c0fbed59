"""Folders of compiled models that are damaged: refused with file, field, what is needed and what is given."""

import json
import re
from pathlib import Path

import nir
import numpy as np
import pytest

import synapress
from golden.errors import ImageError
from synapress.model_files import _checksums
from synapress.results import CompiledModel
from tests.helpers.damage import DROP, put, survey
from tests.helpers.spiking_graphs import graph

TOLERATED = re.compile(r"""
    .*\.(exclusive|c|x|y|zero_point|view|blocks|normalization|operand|spikes|own_spikes|scale)\ dropped  # has a default
  | .*\.(logarithmic|organisation)\ dropped | shapes\ dropped
  | (host|integer)\ dropped | neurons\ (dropped|null) | (warnings|clips)\ dropped
  | (inputs|outputs)\[\d+\]\.(scale\ .*|zero_point\ -1|labels\[\d\]\[0\]\ dropped|dims\[\d+\]\ -1|view\ null)
  | .*\.(padding|measured|available|worst|states)\[\d\]\ -1|scales\.\w+(\ dropped|\.(low|high|saturation)\ -1)
  | (sums|layers|loads)(\ \[\]|\[\d+\].*)
""", re.VERBOSE)
"""What a model may have or lack all the same."""


@pytest.fixture
def folder(tmp_path: Path, seed: int) -> Path:
    rng = np.random.default_rng([seed, 940])
    nir.write(tmp_path / "snn.nir", graph(rng, "norse", 4)[0])
    frames = (rng.random((3, 6, 2, 4, 4)) < 0.5).astype(float)
    synapress.compile(synapress.load(tmp_path / "snn.nir", neurons="norse"), calibration=frames).save(tmp_path / "out")
    return tmp_path / "out"


def write(folder: Path, text: str) -> None:
    """model.json, and the checksums that then are right."""
    (folder / "model.json").write_text(text)
    (folder / "checksums.json").write_text(json.dumps(_checksums(folder)))


@pytest.mark.parametrize("one_in", [20, pytest.param(1, marks=pytest.mark.long)])
def test_a_field_that_is_missing_or_wrong_is_named(folder: Path, one_in: int, seed: int) -> None:
    data = json.loads((folder / "model.json").read_text())
    refused, taken = survey(data, lambda text: write(folder, text), lambda: CompiledModel.load(folder),
                            np.random.default_rng([seed, 941]), one_in)
    assert len(refused) > 1000 // one_in
    for message in refused:
        assert str(folder) in message and len(message) < 600 and "\n" not in message
    assert [item for item in taken if not TOLERATED.fullmatch(item)] == []


def test_what_contradicts_the_program_is_refused(folder: Path) -> None:
    data = json.loads((folder / "model.json").read_text())
    for path, value, says in (
            (("places", "n3", "parts"), [], r"places.n3.parts': needs at least one"),
            (("places", "n3", "parts", 0, "layer"), "p2", r"places.n3.parts\[0\]': needs channels of an output"),
            (("places", "n3", "parts", 0, "count"), 5, r"places.n3.parts\[0\]': needs channels of an output"),
            (("places", "n3"), DROP, "field 'places': needs the output 'n3'"),
            (("scales", "input"), DROP, "field 'scales': needs one for 'input'"),
            (("scales", "dense", "step"), 0, "scales.dense.step': needs more than 0"),
            (("inputs", 0, "labels"), [["N"], ["D"], ["D"], ["W"]], r"field 'inputs\[0\]': needs labels of dimensions"),
            (("inputs", 0, "node"), "other", "field 'inputs': needs the program's, input; given: other"),
            (("outputs",), [], "field 'outputs': needs at least one"),
            (("program", "edges", 0, "source"), "nobody", "field 'program': .*no population 'nobody'"),
            (("program", "edges", 4), DROP, "field 'program': needs an entry for each array of program.npz")):
        write(folder, json.dumps(put(data, path, value)))
        with pytest.raises(ImageError, match=says):
            CompiledModel.load(folder)


def test_files_that_are_no_model_are_refused(folder: Path, seed: int) -> None:
    text, sums = (folder / "model.json").read_text(), (folder / "checksums.json").read_text()
    for cut in np.random.default_rng([seed, 942]).integers(0, len(text) - 2, 10):
        write(folder, text[:cut])
        with pytest.raises(ImageError, match=r"no compiled model in '.*': 'model.json': "):
            CompiledModel.load(folder)
    write(folder, text)
    arrays = (folder / "program.npz").read_bytes()
    (folder / "program.npz").write_bytes(arrays[:len(arrays) // 2])
    write(folder, text)
    with pytest.raises(ImageError, match=r"no compiled model in '.*': 'program.npz': "):
        CompiledModel.load(folder)
    (folder / "program.npz").write_bytes(arrays)
    for bad in ("", "[" * 100_000, "[]", "{}", sums[:40], sums.replace('": "', '": "x', 1)):
        (folder / "checksums.json").write_text(bad)
        with pytest.raises(ImageError, match="no compiled model in"):
            CompiledModel.load(folder)
    (folder / "checksums.json").write_text(sums)
    assert CompiledModel.load(folder).images
    with pytest.raises(ImageError, match=r"no compiled model in .*`synapress compile` writes one"):
        CompiledModel.load(folder / "image")


def test_arrays_that_are_not_the_programs_are_refused(folder: Path) -> None:
    """Of an edge that is missing, of another name, or no integers."""
    text = (folder / "model.json").read_text()
    with np.load(folder / "program.npz") as file:
        arrays = dict(file)
    for change in ({"e0.weights": arrays["e0.weights"] * 0.5}, {"e0.color": arrays["e0.weights"]},
                   {"e99.weights": arrays["e0.weights"]}, {"e0.weights": None}):
        changed = {key: array for key, array in (arrays | change).items() if array is not None}
        np.savez(folder / "program.npz", **changed)
        write(folder, text)
        with pytest.raises(ImageError, match=r"model.json', field 'program': needs "):
            CompiledModel.load(folder)


def test_nothing_of_the_user_is_overwritten_or_removed(folder: Path) -> None:
    made = CompiledModel.load(folder)
    (folder / "image/notes.txt").write_text("mine")
    for _ in range(2):
        made.save(folder)
    assert (folder / "image/notes.txt").read_text() == "mine" and CompiledModel.load(folder).images
    victim = folder.parent / "victim.txt"
    victim.write_text("mine")
    sums = json.loads((folder / "checksums.json").read_text())
    (folder / "checksums.json").write_text(json.dumps(sums | {"../victim.txt": "", "image/../../victim.txt": ""}))
    made.save(folder)
    assert victim.exists() and CompiledModel.load(folder).images
    other = folder.parent / "other"
    (other / "image").mkdir(parents=True)
    (other / "image/photo.png").write_bytes(b"mine")
    (other / "model.json").write_text('{"mine": 1}')
    with pytest.raises(ImageError, match=r"a model.json that is not a synapress-model, and is not"):
        made.save(other)
    assert (other / "model.json").read_text() == '{"mine": 1}' and (other / "image/photo.png").exists()
