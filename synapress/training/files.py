"""A module of torch from an ONNX file, to be trained for spikes in time."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from golden.types import Floats, Pair, Shape
from synapress.mapper.importers.graph import Activation, Affine, Conv, Input, MaxPool, Node
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.training.errors import TrainingError
from synapress.training.torch_module import nn, torch


def from_onnx(path: str | Path, *, batch_norm: bool = False) -> tuple[nn.Sequential, Shape]:
    """A module with the layers and weights of a file, and the shape of one sample, (channels, rows, columns).

    Scales and biases per channel, so batch norms of the file, are in the weights and biases of the layer before. A
    dense layer is a convolution of its map's size.

    Args:
        path: an ONNX file in floating point: a chain of convolutions, dense layers, batch norms, ReLUs and max pools.
        batch_norm: put a new batch norm behind each layer with weights but the last. It makes values that fit θ0 of
            weights of any scale.

    Raises:
        ModelError: the file cannot be read.
        TrainingError: it is no such chain.
    """
    found = read_onnx(path)
    nodes = list(found.graph)
    if len(found.inputs) != 1 or not isinstance(nodes[0], Input):
        raise TrainingError(f"'{path}'", "inputs", "one input", len(found.inputs), "Export a model with one input.")
    layers: list[nn.Module] = []
    for last, node in pairwise(nodes):
        where = f"'{path}', node '{node.name}'"
        if node.sources != (last.name,):
            raise TrainingError(where, "chain", f"a layer that reads '{last.name}' only", ", ".join(node.sources),
                                "Branches and sums of layers cannot be trained: leave them out.")
        if isinstance(node, Affine):
            _scale(layers, node, where)
        else:
            layers.append(_layer(node, last, where))
    if [port.node for port in found.outputs] != [nodes[-1].name]:
        raise TrainingError(f"'{path}'", "outputs", f"the last layer '{nodes[-1].name}' alone",
                            ", ".join(port.node for port in found.outputs), "Export the logits only.")
    if batch_norm:
        weighted = [layer for layer in layers if isinstance(layer, nn.Conv2d)][:-1]
        layers = [part for layer in layers for part in (
            [layer, nn.BatchNorm2d(layer.out_channels)] if layer in weighted and isinstance(layer, nn.Conv2d)
            else [layer])]
    channels, columns, rows = nodes[0].shape
    return nn.Sequential(*layers, nn.Flatten()), (channels, rows, columns)


def _layer(node: Node, last: Node, where: str) -> nn.Module:
    if isinstance(node, Conv):
        weights = node.weights
        conv = nn.Conv2d(weights.shape[1] * node.groups, weights.shape[0], weights.shape[:1:-1],
                         stride=node.stride[::-1], padding=_padding(node, last, where),
                         dilation=node.dilation[::-1], groups=node.groups)
        _fill(conv, weights.transpose(0, 1, 3, 2), node.bias)
        return conv
    if isinstance(node, MaxPool):
        return nn.MaxPool2d(node.kernel[::-1], node.stride[::-1], _padding(node, last, where), node.dilation[::-1])
    if isinstance(node, Activation) and node.function == "relu":
        return nn.ReLU()
    given = node.function if isinstance(node, Activation) else node.operator or type(node).__name__
    raise TrainingError(where, "operator", "convolutions, dense layers, batch norms, ReLUs and max pools", given,
                        "Use ReLU for activations and MaxPool for pools.")


def _padding(node: Conv | MaxPool, last: Node, where: str) -> Pair:
    """Rows and columns on either side. A file may have fewer behind the map, where no window of the others begins."""
    left, top, right, bottom = node.padding
    kernel = node.kernel if isinstance(node, MaxPool) else node.weights.shape[2:]
    sizes = tuple((size + 2 * pad - dilation * (side - 1) - 1) // stride + 1
                  for size, pad, dilation, side, stride in zip(
                      last.shape[1:], (left, top), node.dilation, kernel, node.stride, strict=True))
    if left < right or top < bottom or sizes != node.shape[1:]:
        raise TrainingError(where, "padding", "as much before as behind", node.padding, "Pad both sides alike.")
    return top, left


def _fill(conv: nn.Conv2d, weight: Floats, bias: Floats) -> None:
    assert conv.bias is not None
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        conv.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))


def _scale(layers: list[nn.Module], node: Affine, where: str) -> None:
    """Put a scale and an offset per channel into the layer before."""
    last = layers[-1] if layers else None
    if not isinstance(last, nn.Conv2d):
        raise TrainingError(where, "batch norm", "a layer with weights directly before it",
                            "none" if last is None else type(last).__name__,
                            "Put it between the weights and the activation.")
    assert last.bias is not None
    weight, bias = (part.detach().double().numpy() for part in (last.weight, last.bias))
    _fill(last, weight * node.scale[:, None, None, None], bias * node.scale + node.offset)
