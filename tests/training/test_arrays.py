"""What is exported computes what was trained: batch norms folded, axes turned, pools before and behind activations."""

from pathlib import Path

import numpy as np
import pytest

from synapress.spike_times.trained import load_trained, quantize, save_trained, weights_of
from synapress.training import SpikeTimeNetwork, Stage, TrainingError, as_module, export
from synapress.training.torch_module import nn, torch
from tests.training.networks import SHAPE, networks, unsettle


def codes(x: torch.Tensor) -> torch.Tensor:
    """Inputs for which no sum lies so near to a threshold that rounding decides."""
    return (x * 64).round() / 64


def test_the_arrays_compute_what_the_network_does(tmp_path: Path, seed: int) -> None:
    """In numbers of 64 bits, so that no potential is rounded across a threshold."""
    torch.manual_seed(seed)
    count = 0
    for module in networks():
        network = SpikeTimeNetwork(unsettle(module), SHAPE, steps=12, tau=2).eval()
        x = torch.rand((4, *SHAPE), dtype=torch.float64)
        save_trained(export(network, classes=("a", "b", "c")), tmp_path / "file.npz")
        found = load_trained(tmp_path / "file.npz")
        assert (found.steps, found.tau, found.input_shape, found.classes) == (12, 2, (2, 6, 8), ("a", "b", "c"))
        again = exact(as_module(found), [layer.weight for layer in found.layers])
        with torch.no_grad():
            expected = network.double()(x)
            assert torch.allclose(again(x), expected, rtol=1e-9, atol=1e-9)
            network.set_stage(Stage.RELU)
            assert not torch.allclose(network(x), expected, atol=1e-3), "spikes matter"
        count += 1
    assert count == 26


def exact(module: nn.Sequential, weights: list[object]) -> nn.Sequential:
    """A module in numbers of 64 bits, with weights that were not rounded to 32."""
    module.double()
    convs = [part for part in module if isinstance(part, nn.Conv2d)]
    for conv, weight in zip(convs, [weight for weight in weights if weight is not None], strict=True):
        conv.weight.data = torch.from_numpy(np.ascontiguousarray(np.asarray(weight).transpose(0, 1, 3, 2)))
    return module


def test_quantized_weights_are_those_of_the_codes(seed: int) -> None:
    torch.manual_seed(seed)
    network = SpikeTimeNetwork(unsettle(next(networks())), SHAPE)
    found = export(network, levels=4)
    convs = [part for part in as_module(found, quantized=True) if isinstance(part, nn.Conv2d)]
    layers = [layer for layer in found.layers if layer.weight is not None]
    for conv, layer in zip(convs, layers, strict=True):
        weight = weights_of(*quantize(layer.weight, 4), 4).transpose(0, 1, 3, 2)
        assert (conv.weight.detach().numpy() == weight.astype(np.float32)).all()


@pytest.mark.parametrize(("layer", "rule"), [
    (nn.Conv2d(2, 3, 3, padding_mode="circular", padding=1), "padding"),
    (nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, ceil_mode=True)), "max pool"),
    (nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, dilation=2)), "max pool")])
def test_settings_that_the_hardware_has_not_are_refused(layer: nn.Module, rule: str) -> None:
    module = nn.Sequential(layer, nn.ReLU(), nn.Conv2d(3, 3, 1))
    with pytest.raises(TrainingError, match=f"rule '{rule}'"):
        export(SpikeTimeNetwork(module, SHAPE))
