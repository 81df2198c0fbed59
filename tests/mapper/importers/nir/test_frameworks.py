"""Files that snnTorch, sinabs and Norse wrote, against the spikes that they computed (`studies/frameworks.py`)."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import synapress
from golden.types import Maps
from synapress.mapper.importers import reference
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.nir.reader import read_nir

FILES = Path(__file__).parents[3] / "frameworks"
ONCE = "sinabs,spikes=one,bound=none"
"""The files of sinabs are of networks with SingleSpike, and without min_v_mem."""
NETWORKS = {
    "snntorch": "snntorch", "sinabs_iaf": ONCE, "sinabs_lif": ONCE, "norse_lifbox": "norse",
    "norse_iaf": "norse", "norse_lif": "norse",
    "snntorch_zero": "snntorch,reset=zero", "sinabs_whole": f"{ONCE},lif_gain=one", "sinabs_zero": f"{ONCE},reset=zero",
}
"""Networks, and how their neurons are read; the last three were trained as the file does not say."""


def prepared(name: str, neurons: str) -> tuple[Model, npt.NDArray[np.float64], Maps, Maps]:
    """The model; its frames; and by layer the spikes (timesteps, neurons) of the framework, and of the reference."""
    model = read_nir(FILES / f"{name}.nir", neurons=neurons)
    with np.load(FILES / f"{name}.npz") as file:
        arrays = {key: file[key].astype(float) for key in file.files}
    x = arrays.pop("x")
    (source,) = model.inputs
    maps = reference.run(model.graph, {source.node: source.to_maps(x)}, timesteps=len(x))
    return (model, x, {layer: spikes.reshape(len(x), -1) for layer, spikes in arrays.items()},
            {layer: maps[layer].swapaxes(2, 3).reshape(len(x), -1) for layer in arrays})


@pytest.mark.parametrize("name", NETWORKS)
def test_float_reference_fires_as_the_framework_does(name: str) -> None:
    """Every spike of every layer; and most of the integer network, on which the engines agree."""
    model, x, expected, got = prepared(name, NETWORKS[name])
    assert len(expected) >= 2
    for layer, spikes in expected.items():
        assert 0.02 < spikes.mean() < 0.98
        np.testing.assert_array_equal(got[layer], spikes)
    (sink,) = model.outputs
    made = synapress.compile(model, calibration=x[None])
    fast, golden = (synapress.simulate(made, x, engine=engine).outputs[sink.name] for engine in ("fast", "golden"))
    np.testing.assert_array_equal(fast, golden)
    assert (fast.reshape(len(x), -1) == expected[sink.node]).mean() > 0.85


@pytest.mark.parametrize("name", ["snntorch_zero", "sinabs_whole", "sinabs_zero"])
def test_a_variant_needs_its_options(name: str) -> None:
    """By the defaults of its framework it fires otherwise: the file does not tell."""
    _, _, expected, got = prepared(name, ONCE if name.startswith("sinabs") else "snntorch")
    assert min(float((got[layer] == spikes).mean()) for layer, spikes in expected.items()) < 0.95
