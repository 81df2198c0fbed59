"""VGG-16 has the paper's sizes, and drawn weights make as many spikes as are said, layer by layer."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import log_product, vgg
from golden.errors import NetworkError
from golden.types import IntArray
from synapress.spike_times import float_network
from synapress.zoo.road import road
from synapress.zoo.vgg import vgg16

CONV_MACS, CONV_WEIGHTS = 313.2e6, 14.71e6
"""Of 13 convolutions of 3 × 3 over an image of 32 pixels, padding counted: VGG-16 with the channels of its authors."""


@pytest.mark.parametrize(("size", "classes"), [(32, 10), (32, 100), (64, 200)])
def test_sizes(size: int, classes: int) -> None:
    network = vgg16(size, classes)
    weights = {layer.name: layer.weight.size for layer in network.layers if layer.weight is not None}
    last = weights.pop("classes")
    macs = sum(count * np.prod(network.shapes[name][1:]) for name, count in weights.items())
    assert sum(weights.values()) == pytest.approx(CONV_WEIGHTS, rel=1e-3) and len(weights) == 13
    assert macs == pytest.approx(CONV_MACS * (size // 32) ** 2, rel=1e-3)
    assert last == 512 * (size // 32) ** 2 * classes and network.shapes["classes"] == (classes, 1, 1)


def test_drawn_weights_keep_neurons_alive(seed: int) -> None:
    """The first layers, by the network in real numbers."""
    network = vgg16(32, 10, seed)
    values: IntArray = float_network.code_inputs(network, road((3, 32, 32), seed)[np.newaxis] / 255)
    for layer in network.layers[:5]:
        if layer.kind == "max_pool":
            values = float_network.pooled(layer, values)
        else:
            values = float_network.spike_values(
                network, float_network.potentials(network, layer, values, 1.0), layer.threshold)
            assert 0.1 < (values > 0).mean() < 0.6, layer.name
            assert len(np.unique(values)) > 12, layer.name


def test_sizes_that_pools_do_not_halve() -> None:
    with pytest.raises(NetworkError, match="vgg16: needs images of 32, 64, … pixels a side, as five pools halve them; "
                                           "given: 48"):
        vgg16(48)


@pytest.mark.parametrize(("main", "wrong"), [
    (vgg.main, ["--images", "0"]), (vgg.main, ["--seed", "-1"]), (log_product.main, ["--fmax", "-1"])])
def test_wrong_options_of_the_benchmarks(
    main: Callable[[list[str]], None], wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(wrong)
    assert "at least" in capsys.readouterr().err
