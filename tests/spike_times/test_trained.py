"""Trained networks of spikes in time: their codes by exact powers, their files, and what is refused."""

import dataclasses
import json
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest

from golden.errors import ImageError, NetworkError
from golden.files import save_arrays
from synapress.spike_times.trained import Trained, TrainedLayer, load_trained, quantize, save_trained, weights_of


def network(rng: np.random.Generator) -> Trained:
    """A conv, a max pool and a dense layer."""
    return Trained(
        name="small", steps=12, tau=2, levels=2, input_shape=(2, 6, 5), threshold=0.5, classes=("a", "b", "c"), layers=(
            TrainedLayer(name="conv", kind="conv", weight=rng.normal(size=(4, 2, 3, 3)).astype(np.float32),
                         bias=rng.normal(size=4), padding=(1, 1, 1, 1), threshold=1.5),
            TrainedLayer(name="pool", kind="max_pool", kernel=(2, 2), stride=(2, 2)),
            TrainedLayer(name="dense", kind="dense", weight=rng.normal(size=(3, 4, 3, 2)))))


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_codes_are_the_nearest_powers(levels: int, seed: int) -> None:
    """By decimals of 60 digits: in logarithms no code is nearer, and all weights are at most 2**k0."""
    rng = np.random.default_rng([seed, 810, levels])
    array = rng.normal(size=300) * 2.0 ** rng.uniform(-18 / levels, 3, 300)
    codes, largest = quantize(array, levels)
    assert np.abs(array).max() <= 2.0 ** largest < 2 * np.abs(array).max()
    with localcontext() as context:
        context.prec = 60
        for weight, code in zip(array.tolist(), codes.tolist(), strict=True):
            exact = (largest - abs(Decimal(weight)).ln() / Decimal(2).ln()) * levels
            q = min(range(16), key=lambda number, exact=exact: abs(number - exact))
            assert code == (0 if q == 15 else 15 - q + 16 * (weight < 0)), (weight, code)
    back = weights_of(codes, largest, levels)
    kept = codes > 0
    assert kept.sum() > 20 and (back[~kept] == 0).all()
    assert (np.abs(np.log2(back[kept] / array[kept])) <= 0.5 / levels + 1e-12).all()
    again, same = quantize(back, levels)
    if (codes & 15).max() > 15 - levels:  # else a smaller k0 would do
        assert same == largest and (again == codes).all()


def test_powers_of_two_are_their_own_bound() -> None:
    for largest in (-30, -1, 0, 1, 7):
        assert quantize([2.0 ** largest, -(2.0 ** (largest - 1))], 2)[1] == largest
        assert quantize([np.nextafter(2.0 ** largest, np.inf)], 2)[1] == largest + 1
    assert quantize([[4.0, -4.0, 2.0, 0.0]], 2)[0].tolist() == [[15, 31, 13, 0]]
    assert quantize(np.zeros((2, 3)), 4) == (pytest.approx(np.zeros((2, 3))), 0)


def test_files(tmp_path: Path, seed: int) -> None:
    written = network(np.random.default_rng([seed, 811]))
    save_trained(written, tmp_path / "small.npz")
    read = load_trained(tmp_path / "small.npz")
    assert read.shapes == {"input": (2, 6, 5), "conv": (4, 6, 5), "pool": (4, 3, 2), "dense": (3, 1, 1)}
    for one, other in zip((written, *written.layers), (read, *read.layers), strict=True):
        for field in dataclasses.fields(one):
            if field.name != "layers":
                np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
    assert read.layers[0].weight is not None and read.layers[0].weight.dtype == np.float32
    assert read.layers[2].bias is None and (read.layers[2].biases == 0).all()


@pytest.mark.parametrize(("change", "message"), [
    ({"steps": 0}, "field 'steps': needs a number greater than or equal to 1; given: 0"),
    ({"levels": 3}, "field 'levels': needs"),
    ({"threshold": float("nan")}, "field 'threshold': needs"),
    ({"version": 2}, "field 'version': needs"),
    ({"layers": []}, "field 'layers': needs a layer for each array; given: 0.weight"),
])
def test_damaged_files(change: dict, message: str, tmp_path: Path, seed: int) -> None:
    path = tmp_path / "small.npz"
    save_trained(network(np.random.default_rng([seed, 812])), path)
    with np.load(path) as stored:
        arrays = dict(stored)
    content = json.loads(arrays["content"].tobytes()) | change
    arrays["content"] = np.frombuffer(json.dumps(content).encode(), np.uint8)
    with path.open("wb") as file:
        save_arrays(file, arrays)
    with pytest.raises(ImageError, match=message):
        load_trained(path)


def test_no_such_files(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"no trained network in .*No such file"):
        load_trained(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("PK, but no archive")
    with pytest.raises(ImageError, match="no trained network in"):
        load_trained(tmp_path / "text.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ImageError, match="one array; needs several"):
        load_trained(tmp_path / "one.npy")
    np.savez(tmp_path / "other.npz", weights=np.zeros(3))
    with pytest.raises(ImageError, match=r"no trained network in .*content"):
        load_trained(tmp_path / "other.npz")


@pytest.mark.parametrize(("change", "message"), [
    ({"steps": 0}, "network 'small', rule 'steps': needs at least 1; given: 0"),
    ({"levels": 3}, "rule 'levels': needs one of"),
    ({"threshold": np.inf}, "rule 'threshold'"),
    ({"input_shape": (2, 6)}, "rule 'input shape'"),
    ({"layers": ()}, "rule 'layers': needs a last one with weights; given: none"),
    ({"classes": ("a",)}, "rule 'classes': needs 3, or none; given: 1"),
    ({"input_shape": (3, 6, 5)}, "layer 'conv', rule 'source channels'"),
    ({"input_shape": (2, 9, 9)}, r"layer 'dense', rule 'weights': needs \(D_dst, D, W, H\) over \(4, 4, 4\)"),
])
def test_refused_networks(change: dict, message: str, seed: int) -> None:
    with pytest.raises(NetworkError, match=message):
        dataclasses.replace(network(np.random.default_rng([seed, 813])), **change)


@pytest.mark.parametrize(("fields", "message"), [
    ({"kind": "lstm"}, "rule 'kind': needs one of conv, dense, max_pool; given: 'lstm'"),
    ({}, "rule 'weights': .*given: none"),
    ({"weight": np.full((1, 1, 1, 1), np.nan)}, "rule 'weights'"),
    ({"weight": np.zeros((1, 1))}, "rule 'weights'"),
    ({"weight": np.zeros((2, 1, 1, 1)), "bias": np.zeros(3)}, "rule 'bias': needs 2 finite numbers"),
    ({"kind": "max_pool", "kernel": (0, 2)}, "rule 'pool size'"),
    ({"kind": "max_pool", "weight": np.zeros((2, 1, 1, 1))}, "rule 'weights': needs none of a max pool"),
    ({"weight": np.zeros((2, 1, 1, 1)), "threshold": 0.0}, "rule 'threshold'"),
])
def test_refused_layers(fields: dict, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        TrainedLayer(**{"name": "layer", "kind": "conv"} | fields)


def test_refused_names_and_weights(seed: int) -> None:
    small = network(np.random.default_rng([seed, 814]))
    twice = dataclasses.replace(small.layers[0], name="pool", padding=(1, 1, 1, 1))
    with pytest.raises(NetworkError, match="rule 'name': needs a name of its own for each layer"):
        dataclasses.replace(small, layers=(twice, *small.layers[1:]))
    with pytest.raises(NetworkError, match="rule 'weights': needs finite numbers; given: NaN"):
        quantize([1.0, np.nan], 2)
    with pytest.raises(NetworkError, match="rule 'levels'"):
        quantize([1.0], 8)
