"""All passes of learning: against literal walks, closed forms and each other; tables and pictures."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.synapse.organisations.interface import KINDS, Pass
from synapress.energy.memory import memory_model
from synapress.reports.organisations.compare import organisations_of, packed
from synapress.reports.organisations.layers import Convolved, Drawn, Layer, swept
from synapress.reports.organisations.learning import (
    PASSES,
    Learned,
    asked,
    learned,
    learning_sizes,
    split,
    variants,
)
from synapress.reports.organisations.learning_tables import STEP, picture_parts, sheets, spent
from synapress.reports.organisations.pictures import organisations_picture
from synapress.reports.organisations.side_by_side import learned_layers
from tests.helpers.organised_layers import LAYERS

MODEL = memory_model("cacti22")


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_a_pass_is_the_sum_of_its_requests(layer: Layer, serial: bool, seed: int) -> None:
    for row in learned(layer, models=[MODEL], seed=seed, serial=serial):
        variant = next(item for item in variants(row.organisation, layer, 64) if item.label == row.variant)
        made = packed(row.organisation, layer, learning_sizes(variant, serial=serial), seed)
        assert row.words == split(made, variant) and not row.note
        assert sum(count for part, count in row.words.items() if part != "gradients") == made.image_words
        for name, what in PASSES.items():
            walks = [made.expand({"pass": what, "neuron": neuron, "value": 1})
                     for neuron in asked(row.organisation, layer, what).tolist()]
            counts = {kind: sum(walk.counts[kind] for walk in walks) for kind in KINDS}
            if variant.summed and what == Pass.UPDATE:
                _check_summed(row, layer, counts)
                applied = made.expand({"pass": Pass.APPLY, "neuron": 0, "value": 0})
                assert row.passes[name].cycles == sum(walk.interval for walk in walks) + applied.interval
                continue
            if variant.every_place and what != Pass.FORWARD:
                counts["weight_read"] = layer.inputs * layer.outputs
            else:
                assert row.passes[name].cycles == sum(walk.interval for walk in walks)
            assert row.passes[name].accesses == counts and not any(walk.errors for walk in walks), (row.name, name)
            index = row.words["links" if what != Pass.FORWARD and row.name == "compressed_rows" else "index"]
            at = row.words | {"index": index}
            assert row.passes[name].energy[MODEL.name] == pytest.approx(sum(
                counts[kind] * access(max(64 * at[part], 8192), 64) for kind, part, access in (
                    ("index_read", "index", MODEL.read), ("bitmap_read", "bitmap", MODEL.read),
                    ("weight_read", "weight", MODEL.read), ("weight_write", "weight", MODEL.write))) / 1000)


def _check_summed(row: Learned, layer: Layer, each: dict[str, int]) -> None:
    """An update whose gradients are summed, against one that writes each synapse: a write for each weight instead."""
    assert isinstance(layer, Convolved) and row.words is not None
    stored = layer.stored_taps(row.organisation) * layer.source[0] * layer.shape[0]
    found, synapses = row.passes["update"].accesses, each["weight_write"]
    assert found == each | {"weight_read": each["weight_read"] + stored, "weight_write": stored,
                            "gradient_read": synapses + stored, "gradient_write": synapses + stored}
    bits = max(64 * row.words["gradients"], 8192)
    assert bits >= 32 * stored
    index = max(64 * row.words["bitmap"], 8192)
    weight = max(64 * row.words["weight"], 8192)
    assert row.passes["update"].energy[MODEL.name] == pytest.approx((
        found["weight_read"] * MODEL.read(weight, 64) + stored * MODEL.write(weight, 64)
        + found["bitmap_read"] * MODEL.read(index, 64)
        + found["gradient_read"] * (MODEL.read(bits, 32) + MODEL.write(bits, 32))) / 1000)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_the_walk_backward_meets_the_same_synapses(layer: Layer, seed: int) -> None:
    """Of each destination neuron the column of the layer's matrix, whatever the organisation."""
    matrix = layer.matrix(seed)
    for name in organisations_of(layer):
        for variant in variants(name, layer, 64):
            made, found = packed(name, layer, learning_sizes(variant), seed), np.zeros_like(matrix)
            for column, neuron in enumerate(asked(name, layer, Pass.BACKWARD).tolist()):
                walk = made.expand({"pass": Pass.BACKWARD, "neuron": neuron, "value": 1})
                found[walk.neurons, column] = walk.weights
            assert np.array_equal(found, matrix), (name, variant.label)


def _crossbar(n: int, m: int, nz: int, b: int) -> dict[str, tuple[int, ...]]:
    return {"forward": (0, 0, n * -(-m // (64 // b)), 0), "backward": (0, 0, n * m, 0), "update": (0, 0, n * m, n * m)}


def _bitmap(n: int, m: int, nz: int, b: int) -> dict[str, tuple[int, ...]]:
    """Full rows of at most a word of bits: with checkpoints a pointer and a word for each source."""
    rows = sum(-(-(row * m % (64 // b) + m) // (64 // b)) for row in range(n))
    return {"forward": (n, n, rows, 0), "backward": (n * m, n * m, nz, 0), "update": (n * m, n * m, nz, nz)}


def _compressed(n: int, m: int, nz: int, b: int) -> dict[str, tuple[int, ...]]:
    """Two pointers to a word; each column's links."""
    rows = sum(-(-(row * m % 2 + m) // 2) for row in range(n))
    links = sum(1 + (column % 2) for column in range(m)) + nz
    pointers = sum(1 + (row % 2) for row in range(n))
    return {"forward": (pointers, 0, rows, 0), "backward": (links, 0, nz, 0), "update": (links, 0, nz, nz)}


@pytest.mark.parametrize(("name", "forms"), [("crossbar", _crossbar), ("bitmap", _bitmap),
                                             ("compressed_rows", _compressed)])
@pytest.mark.parametrize(("n", "m", "b"), [(20, 30, 8), (7, 64, 5), (33, 1, 12)])
def test_full_matrices_by_closed_forms(name: str, forms: Callable[..., dict[str, tuple[int, ...]]], n: int, m: int,
                                       b: int) -> None:
    row = learned(Drawn(name="full", inputs=n, outputs=m, weight_bits=b), models=[], seed=1, named=[name])[0]
    assert {each: tuple(one.accesses[kind] for kind in KINDS) for each, one in row.passes.items()} == forms(
        n, m, n * m, b)


def test_cycles_of_the_walk_backward() -> None:
    """A synapse per cycle of crossbars, linked rows and kernels; at most two cycles for each source of a bitmap. What
    is above that is the start of each request, at most 12 cycles."""
    layers: list[Layer] = [Drawn(name="dense", inputs=300, outputs=100, density=0.3),
                           Convolved.square("kernel", kernel=3, image=8, channels=4, source_channels=6)]
    for layer in layers:
        for row in learned(layer, models=[], seed=1):
            for name in ("backward", "update"):
                cycles, most = row.passes[name].cycles, layer.synapses
                if row.organisation in ("crossbar", "functional_pure", "bitmap"):
                    continue
                if row.variant != "search":
                    assert cycles is not None and most <= cycles <= most + 12 * layer.outputs, row.name
    row, = (row for row in learned(layers[0], models=[], seed=1, named=["bitmap"]) if not row.variant)
    assert (row.passes["update"].cycles or 0) <= 100 * (2 * 300 + 12)
    full, = learned(layers[0], models=[], seed=1, named=["crossbar"])
    assert 30000 <= (full.passes["backward"].cycles or 0) <= 30000 + 12 * 100


def test_a_sweep_its_tables_and_its_picture(tmp_path: Path) -> None:
    layers = swept(Drawn(name="x", inputs=40, outputs=70), (0.02, 0.5), (2, 8))
    found = learned_layers("x", layers, named=(), models=[MODEL], word_bits=64, serial=False, memory_bits=None, seed=1,
                           controllers=False, capacitance=None)
    rows = len(layers) * 6
    assert len(found.rows) == rows and len(sheets(found)[0].rows) == 3 * rows
    parts = picture_parts(found, "cacti22")
    assert len(parts["rows"]) == 3
    assert all({of: len(panel) for of, panel in panels.items()} == {
        "density": 12, "bits of a weight": 12} for panels in parts["rows"].values())
    organisations_picture(tmp_path / "x.svg", **parts)
    assert (tmp_path / "x.svg").stat().st_size > 10000
    row = found.rows[0]
    assert spent(row, STEP, "cacti22") == pytest.approx(
        sum(row.passes[name].energy["cacti22"] or 0 for name in ("forward", "update")))
    told: Any = json.loads(json.dumps(found.to_json()))
    assert {item["quantity"].split(", ")[-1] for item in told["crossovers"]} <= {*PASSES, STEP}


def test_what_cannot_be_walked_is_told() -> None:
    large = Convolved.square("large", kernel=3, image=120, channels=4)
    rows: dict[str, Learned] = {row.name: row for row in learned(large, models=[MODEL], seed=1)}
    assert "places are not packed" in rows["crossbar"].note and not rows["crossbar"].passes
    assert rows["functional"].passes and not rows["functional"].note
    small = learned(Drawn(name="x", inputs=40, outputs=40), models=[MODEL], seed=1, memory_bits=1024)
    assert all(one.energy == {"cacti22": None} for row in small for one in row.passes.values())
    assert all("do not fit the memory of 1,024" in row.note for row in small)
