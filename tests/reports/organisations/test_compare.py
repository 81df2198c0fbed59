"""Layers in all organisations: accesses against brute force, bits against formulas told by hand, crossovers."""

import json
from pathlib import Path

import numpy as np
import pytest

from golden.errors import ConfigError
from golden.synapse.organisations.convolution import anchor_layout
from golden.synapse.organisations.interface import KINDS, Pass
from synapress.energy.memory import memory_model
from synapress.reports.organisations.compare import (
    MATRICES,
    Row,
    compare,
    crossovers,
    formula_bits,
    organisations_of,
    packed,
    requests,
    sizes_of,
)
from synapress.reports.organisations.layers import Convolved, Drawn, Layer, read_layers, swept
from synapress.reports.organisations.side_by_side import compared
from synapress.reports.organisations.tables import LINES, picture_parts, sheets
from tests.helpers.organised_layers import LAYERS

MODEL = memory_model("cacti22")


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_row_is_the_sum_of_its_requests(layer: Layer, serial: bool, seed: int) -> None:
    sizes = sizes_of(serial=serial)
    for row in compare(layer, sizes=sizes, models=[MODEL], seed=seed):
        made = packed(row.organisation, layer, sizes, seed)
        walks = [made.expand({"pass": Pass.FORWARD, "neuron": neuron, "value": 1})
                 for neuron in requests(row.organisation, layer).tolist()]
        assert row.accesses == {kind: sum(walk.counts[kind] for walk in walks) for kind in KINDS}, row.organisation
        assert row.cycles == sum(walk.interval for walk in walks) and row.events == layer.inputs
        assert row.bits == formula_bits(row.organisation, layer), row.organisation
        assert row.words is not None and sum(row.words.values()) == made.image_words and not row.note
        assert row.energy[MODEL.name] == pytest.approx(sum(
            row.accesses[f"{part}_read"] * MODEL.read(max(64 * words, 8192), 64) for part, words in row.words.items()
        ) / 1000)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_all_organisations_have_the_layers_synapses(layer: Layer, seed: int) -> None:
    """Each source neuron reaches the same neurons with the same weights, whatever the organisation."""
    matrix, sizes = layer.matrix(seed), sizes_of()
    assert np.count_nonzero(matrix) == layer.synapses
    for name in organisations_of(layer):
        made, found = packed(name, layer, sizes, seed), np.zeros_like(matrix)
        for row, neuron in enumerate(requests(name, layer).tolist()):
            walk = made.expand({"pass": Pass.FORWARD, "neuron": neuron, "value": 1})
            found[row, walk.neurons] = walk.weights
        assert np.array_equal(found, matrix), name


def test_a_convolution_by_brute_force(seed: int) -> None:
    layer = next(item for item in LAYERS if item.name == "strided")
    assert isinstance(layer, Convolved)
    weights, matrix = layer.weights(seed), layer.matrix(seed)
    (depth, columns, rows), (channels, width, height) = layer.source, layer.shape
    for _ in range(300):
        rng = np.random.default_rng()
        x, y, c, i, j, k = (int(rng.integers(count)) for count in (columns, rows, depth, width, height, channels))
        tap = x - (2 * i - 1), y - 2 * j
        inside = 0 <= tap[0] < 3 and 0 <= tap[1] < 2
        assert matrix[(x * rows + y) * depth + c, (i * height + j) * channels + k] == (
            weights[k, c, tap[0], tap[1]] if inside else 0)
    x_anchor, y_anchor, source = layer.anchors()
    packed_anchors = anchor_layout().unpack_array(requests("functional", layer).astype(np.uint64))
    assert packed_anchors["c"].tolist() == source.tolist() and (x_anchor.min(), y_anchor.min()) == (-1, -1)


def test_groups_join_no_others(seed: int) -> None:
    layer = Convolved(name="groups", source=(4, 3, 3), shape=(6, 3, 3), kernel=(1, 1), groups=2)
    kernel = layer.weights(seed)[:, :, 0, 0] != 0
    assert kernel[:3, :2].all() and kernel[3:, 2:].all() and kernel.sum() == 12
    assert np.count_nonzero(layer.matrix(seed)) == layer.synapses == 9 * 12
    rows = compare(layer, sizes=sizes_of(), models=[], seed=seed)
    assert [row.organisation for row in rows if not row.note] == list(MATRICES)
    assert all("groups" in row.note and row.words is None for row in rows if row.organisation not in MATRICES)


def test_what_is_too_large_has_its_bits_by_the_formula() -> None:
    layer = Convolved.square("large", kernel=3, image=120, channels=4)
    rows = {row.organisation: row for row in compare(layer, sizes=sizes_of(), models=[MODEL], seed=1)}
    assert rows["crossbar"].total_bits == 8 * 4 * 120 ** 4 and rows["crossbar"].cycles is None
    assert "places are not packed" in rows["crossbar"].note
    assert rows["functional"].total_bits == 8 * 4 * 9 and rows["functional"].note == ""


def test_kernels_beyond_reason() -> None:
    """They are neither drawn nor walked through before it is seen that they are too large."""
    wide = Convolved.square("wide", kernel=400, image=500, channels=1000, source_channels=1000)
    rows = {row.organisation: row for row in compare(wide, sizes=sizes_of(), models=[MODEL], seed=1)}
    assert rows["functional_pure"].total_bits == 8 * 400 ** 2 * 1000 ** 2
    assert "kernels of more than" in rows["functional_pure"].note
    with pytest.raises(ConfigError, match="no more than 1,048,576 are compared"):
        Convolved.square("huge", kernel=10 ** 5, image=10 ** 5, channels=1)


def test_one_memory_for_all_parts() -> None:
    layer = Drawn(name="x", inputs=40, outputs=40)
    alone, together, small = (compare(layer, sizes=sizes_of(), models=[MODEL], seed=1, memory_bits=bits)[1]
                              for bits in (None, 1 << 20, 1 << 10))
    assert alone.accesses == together.accesses is not None
    assert together.energy["cacti22"] == pytest.approx(
        sum((together.accesses or {}).values()) * MODEL.read(1 << 20, 64) / 1000)
    assert small.energy == {"cacti22": None} and "do not fit the memory of 1,024" in small.note


def test_crossovers_lie_where_the_lines_meet() -> None:
    def row(name: str, density: float, cycles: int) -> Row:
        return Row(layer="x", organisation=name, inputs=1, outputs=1, density=density, weight_bits=8, synapses=1,
                   bits={"weights": 1}, cycles=cycles)

    found = crossovers([row("compressed_rows", 0.0, 0), row("compressed_rows", 1.0, 10), row("bitmap", 0.0, 4),
                        row("bitmap", 1.0, 4)])
    assert [(item.quantity, item.cheaper_below, item.density) for item in found] == [
        ("cycles", "compressed_rows", pytest.approx(0.4))]


def test_sweeps_pictures_and_tables() -> None:
    layers = swept(Drawn(name="x", inputs=20, outputs=20), (0.1, 0.5, 0.9), (2, 8))
    assert [(layer.density, layer.weight_bits) for layer in layers] == [
        (density, bits) for bits in (2, 8) for density in (0.1, 0.5, 0.9)]
    found = compared("x", layers, named=(), models=[MODEL], word_bits=64, serial=False, memory_bits=None, seed=1,
                     controllers=False, capacitance=None)
    parts = picture_parts(found, "cacti22")
    lines = {of: len(panel) for panels in parts["rows"].values() for of, panel in panels.items()}
    assert lines == {"density": 3 * 2, "bits of a weight": 3 * LINES, "bits of the layer, by the paper's formulas": 18}
    table = sheets(found)[0]
    assert len(table.rows) == 18 and len(table.sections) == 5 and "CACTI 7, 22 nm" in table.caption
    assert json.loads(json.dumps(found.to_json()))["seed"] == 1


@pytest.mark.parametrize(("text", "message"), [
    ("{}", "a list of layers"), ("[1]", "a list of layers"), ("[{]", "no readable JSON"),
    ('[{"inputs": 3}]', "give inputs and outputs"), ('[{"inputs": "3", "outputs": 2}]', "of the wrong kind"),
    ('[{"inputs": 0, "outputs": 2}]', "must be at least 1"), ('[{"size": 0}]', "there is no size"),
    ('[{"inputs": 3, "outputs": 2, "density": 1.5}]', "not between 0 and 1"),
    ('[{"inputs": 3, "outputs": 2, "weight_bits": 13}]', "hold 1 to 12"),
    ('[{"matrix": "none.npy"}]', "not a readable .npy"), ('[{"kernel": 9, "image": 3, "channels": 1, "padding": 0}]',
                                                          "must be at least 1"),
])
def test_malformed_files_of_layers(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "layers.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_layers(tmp_path / "layers.json")


def test_a_file_of_layers(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.eye(3, dtype=np.int8))
    (tmp_path / "layers.json").write_text(json.dumps([
        {"name": "a", "inputs": 3, "outputs": 4, "density": 0.5}, {"kernel": 3, "image": 5, "channels": 2},
        {"matrix": "own.npy", "weight_bits": 2}]))
    drawn, conv, own = read_layers(tmp_path / "layers.json")
    assert (drawn.name, drawn.synapses) == ("a", 6) and conv.outputs == 50 and own.synapses == 3
    with pytest.raises(ConfigError, match="its weights are given"):
        swept(own, (), (4,))
    with pytest.raises(ConfigError, match="its synapses are known"):
        swept(conv, (0.5,), ())
    np.save(tmp_path / "own.npy", np.full((2, 2), 9))
    with pytest.raises(ConfigError, match="2 bits cannot hold"):
        read_layers(tmp_path / "layers.json")
