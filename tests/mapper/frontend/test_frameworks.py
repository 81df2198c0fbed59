"""Files that snnTorch, sinabs and Norse wrote, against the spikes that they computed (`tests/frameworks/write.py`)."""

from pathlib import Path

import numpy as np
import pytest

import synapress
from mapper.frontend import reference
from mapper.frontend.nir_reader import read_nir

FILES = Path(__file__).parents[2] / "frameworks"
NAMES = ("snntorch", "sinabs_iaf", "sinabs_lif", "norse_lifbox", "norse_iaf", "norse_lif")


@pytest.mark.parametrize("name", NAMES)
def test_float_reference_fires_as_the_framework_does(name: str) -> None:
    """Every spike of every layer; and most of the integer network, on which the engines agree."""
    model = read_nir(FILES / f"{name}.nir", neurons=name.partition("_")[0])
    with np.load(FILES / f"{name}.npz") as file:
        arrays = {key: file[key].astype(float) for key in file.files}
    x = arrays.pop("x")
    (source,), (sink,) = model.inputs, model.outputs
    maps = reference.run(model.graph, {source.node: source.to_maps(x)}, timesteps=len(x))
    same = total = 0
    for layer, spikes in arrays.items():
        expected = spikes.reshape(len(x), -1)
        got = maps[layer].swapaxes(2, 3).reshape(len(x), -1)
        assert 0.02 < expected.mean() < 0.98
        same, total = same + int((got == expected).sum()), total + expected.size
    assert same == total
    made = synapress.compile(model, calibration=x[None])
    fast, golden = (synapress.simulate(made, x, engine=engine).outputs[sink.name] for engine in ("fast", "golden"))
    np.testing.assert_array_equal(fast, golden)
    assert (fast.reshape(len(x), -1) == expected).mean() > 0.85
