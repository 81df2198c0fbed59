"""Conversion without training for it, with which training is compared: that it is done as well as it can be."""

import numpy as np
import pytest

from studies.conversion import QUANTILES, calibrated, converted
from synapress.training import SpikeTime, SpikeTimeNetwork, Stage, as_module
from synapress.training.torch_module import torch
from tests.training.networks import SHAPE, networks, unsettle


@pytest.mark.parametrize("number", [0, 2, 9])
def test_conversion_approaches_the_relu_network_as_the_code_gets_finer(number: int, seed: int) -> None:
    """Errors of the outputs; values that are rounded in the middle are nearer than those rounded down."""
    torch.manual_seed(seed)
    network = SpikeTimeNetwork(unsettle([*networks()][number]), SHAPE)
    network.set_stage(Stage.RELU)
    images = torch.rand(1000, *SHAPE)
    with torch.no_grad():
        expected = network.eval()(images)
        heights = calibrated(network, (images, images, images, images))
        spiking = [layer for layer in network.layers if isinstance(layer, SpikeTime)]
        assert len(heights) == len(spiking) and all(height == sorted(height, reverse=True) for height in heights)

        def error(steps: int, tau: int, rounding: str) -> float:
            found = as_module(converted(network, [height[0] for height in heights], steps, tau, rounding))
            return float((found(images) - expected).square().mean().sqrt() / expected.std())

        assert error(1600, 128, "down") < 0.02 and error(1600, 128, "nearest") < 0.02
        for steps, tau in ((24, 2), (48, 4)):
            assert error(steps, tau, "middle") < error(steps, tau, "down")
            assert error(steps, tau, "nearest") < error(steps, tau, "down")


def test_theta_is_a_quantile_of_what_a_layer_gives() -> None:
    network = SpikeTimeNetwork(next(iter(networks())).eval(), SHAPE).eval()
    network.set_stage(Stage.RELU)
    images = torch.rand(1000, *SHAPE)
    with torch.no_grad():
        first = torch.nn.Sequential(*network.layers[:4])(images)
        found = calibrated(network, (images, images, images, images))
    assert found[0] == pytest.approx(np.quantile(first.numpy(), QUANTILES).tolist())
