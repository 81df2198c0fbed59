"""A trained network of torch as arrays, from which the hardware's integers are made; and back, to compare."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from golden.types import Floats, Padding, Pair, Shape
from synapress.spike_times.trained import Trained, TrainedLayer, quantize, weights_of
from synapress.training.activation import SpikeTime
from synapress.training.chain import Step
from synapress.training.errors import TrainingError
from synapress.training.network import Section, SpikeTimeNetwork
from synapress.training.torch_module import nn, torch


def export(network: SpikeTimeNetwork, *, name: str = "trained", levels: int = 2,
           classes: Sequence[str] = ()) -> Trained:
    """The network as arrays in float64, each batch norm folded into the weights before it, nothing quantized.

    Args:
        network: as trained.
        name: of the network.
        levels: p, logarithmic weights per octave, when it is quantized.
        classes: names of the outputs, or none.

    Raises:
        TrainingError: a layer has a setting that the hardware has not.
        NetworkError: weights are not finite, or shapes do not match.
    """
    layers: list[TrainedLayer] = []
    shape: tuple[int, ...] = network.shape
    for section in network.sections:
        if section.weights is not None:
            layers.append(_weighted(section.weights, section, shape, f"layer{len(layers) + 1}", network.threshold))
            shape = section.weights.after
        for pool in section.pools:
            layers.append(_pool(pool, f"pool{len(layers) + 1}"))
            shape = pool.after
    channels, rows, columns = network.shape
    return Trained(name=name, steps=network.steps, tau=network.tau, levels=levels, threshold=network.threshold,
                   input_shape=(channels, columns, rows), layers=tuple(layers), classes=tuple(classes))


def fold(section: Section) -> tuple[Floats, Floats]:
    """Weights and biases of a section in float64 with its batch norm, at its running mean and variance, in them."""
    assert section.weights is not None
    layer = section.weights.layer
    assert isinstance(layer, nn.Conv2d | nn.Linear)
    weight = _array(layer.weight)
    bias = np.zeros(len(weight)) if layer.bias is None else _array(layer.bias)
    if section.norm is not None:
        norm = section.norm.layer
        assert isinstance(norm, nn.BatchNorm2d | nn.BatchNorm1d)
        assert norm.running_var is not None and norm.running_mean is not None
        scale = (1.0 if norm.weight is None else _array(norm.weight)) / np.sqrt(_array(norm.running_var) + norm.eps)
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        bias = (bias - _array(norm.running_mean)) * scale + (0.0 if norm.bias is None else _array(norm.bias))
    return weight, bias


def _array(tensor: torch.Tensor) -> Floats:
    array: Floats = tensor.detach().cpu().double().numpy()
    return array


def _weighted(step: Step, section: Section, shape: tuple[int, ...], name: str, threshold: float) -> TrainedLayer:
    weight, bias = fold(section)
    layer: Any = step.layer
    if isinstance(layer, nn.Linear):
        image: Shape = (shape[0], shape[1], shape[2]) if len(shape) == 3 else (shape[0], 1, 1)
        dense = weight.reshape(len(weight), *image).transpose(0, 1, 3, 2)
        return TrainedLayer(name=name, kind="dense", weight=dense, bias=bias, threshold=threshold)
    if layer.padding_mode != "zeros":
        raise TrainingError(step.name, "padding", "zeros around the map", layer.padding_mode,
                            "Use padding_mode='zeros'.")
    return TrainedLayer(name=name, kind="conv", weight=weight.transpose(0, 1, 3, 2), bias=bias, threshold=threshold,
                        stride=_turned(layer.stride), dilation=_turned(layer.dilation), groups=layer.groups,
                        padding=_padding(layer))


def _pool(step: Step, name: str) -> TrainedLayer:
    layer: Any = step.layer
    for setting, needed in (("ceil_mode", False), ("dilation", 1)):
        given = getattr(layer, setting)
        if given not in (needed, (needed, needed)):
            raise TrainingError(step.name, "max pool", f"{setting} = {needed}", given, f"Leave out {setting}.")
    x, y = _turned(layer.padding)
    return TrainedLayer(name=name, kind="max_pool", kernel=_turned(layer.kernel_size), stride=_turned(layer.stride),
                        padding=(x, y, x, y))


def _turned(pair: int | tuple[int, ...]) -> Pair:
    """Columns before rows, as the hardware's maps are; torch has rows before columns."""
    return (pair, pair) if isinstance(pair, int) else (pair[1], pair[0])


def _padding(layer: Any) -> Padding:
    """Left, top, right, bottom."""
    if layer.padding == "valid":
        return 0, 0, 0, 0
    if layer.padding == "same":  # as torch does it: the odd one behind
        (x, y) = ((dilation * (size - 1)) for dilation, size in zip(
            _turned(layer.dilation), _turned(layer.kernel_size), strict=True))
        return x // 2, y // 2, x - x // 2, y - y // 2
    x, y = _turned(layer.padding)
    return x, y, x, y


# -- back to torch -------------------------------------------------------------------------------


def as_module(trained: Trained, *, quantized: bool = False) -> nn.Sequential:
    """A module in float32 that computes what a trained network does with spikes in time: its outputs for images.

    Args:
        trained: the network.
        quantized: with its logarithmic weights of 5 bits in place of its own; biases stay as they are.
    """
    parts: list[nn.Module] = [SpikeTime(trained.steps, trained.tau, trained.threshold)]
    for layer in trained.layers:
        if layer.kind == "max_pool":
            parts += [_padded(layer), nn.MaxPool2d(
                _turned(layer.kernel), _turned(layer.stride), dilation=_turned(layer.dilation))]
            continue
        assert layer.weight is not None
        weight = weights_of(*quantize(layer.weight, trained.levels), trained.levels) if quantized else layer.weight
        conv = nn.Conv2d(weight.shape[1] * layer.groups, weight.shape[0], _turned(weight.shape[2:]),
                         stride=_turned(layer.stride), dilation=_turned(layer.dilation), groups=layer.groups)
        assert conv.bias is not None
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.transpose(0, 1, 3, 2))))
            conv.bias.copy_(torch.from_numpy(layer.biases))
        parts += [_padded(layer), conv, SpikeTime(trained.steps, trained.tau, layer.threshold)]
    return nn.Sequential(*parts[:-1], nn.Flatten()).eval()


def _padded(layer: TrainedLayer) -> nn.Module:
    left, top, right, bottom = layer.padding
    return nn.ZeroPad2d((left, right, top, bottom)) if any(layer.padding) else nn.Identity()
