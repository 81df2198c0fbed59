"""VGG-16 of neurons that spike once, for images of 32 or 64 pixels."""

import math

import numpy as np

from golden.errors import NetworkError
from synapress.spike_times.trained import Kind, Trained, TrainedLayer

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the 3 × 3 convolutions; a max pool of 2 × 2 ends each stage."""
SMALLEST = 1 << len(STAGES)
"""Pixels a side that five pools make one of."""
SPREAD = 0.5
"""Standard deviation of drawn sums, of the threshold 1 at time 0."""
SQUARES = (0.3, 0.12)
"""Mean squares of values that drawn weights are scaled for: of an image, and of a layer."""
BIAS = (-0.05, 0.1)
"""Mean and standard deviation of drawn biases: some 30 % of the neurons spike, as the paper's energies ask for."""


def vgg16(
    size: int = 32, classes: int = 10, seed: int | None = None, *, steps: int = 24, tau: int = 4, levels: int = 2
) -> Trained:
    """13 convolutions and one dense layer over all that the last pool leaves; input 3 × size × size.

    Lew et al., arXiv 2208.04494, name VGG-16, CIFAR-10, CIFAR-100 and Tiny-ImageNet; that one dense layer follows the
    convolutions is this project's choice. The weights are drawn, with mean 0 over each kernel, so the network has no
    meaning, but as many spikes as a trained one; or without a seed they are ones.

    Args:
        size: a multiple of 32: 32 for CIFAR, 64 for Tiny-ImageNet.
        steps, tau, levels: T, τ and p.

    Raises:
        NetworkError: the size is no multiple of 32, or `Trained` does not take a number.
    """
    if size < SMALLEST or size % SMALLEST:
        raise NetworkError(f"vgg16: needs images of {SMALLEST}, {2 * SMALLEST}, … pixels a side, as five pools halve "
                           f"them; given: {size}")
    rng = None if seed is None else np.random.default_rng(seed)
    layers: list[TrainedLayer] = []
    shape = (3, size, size)
    for number, depths in enumerate(STAGES, 1):
        for place, depth in enumerate(depths, 1):
            layers.append(_drawn(f"conv{number}.{place}", (depth, shape[0], 3, 3), rng, first=not layers))
            shape = (depth, *shape[1:])
        layers.append(TrainedLayer(name=f"pool{number}", kind="max_pool", kernel=(2, 2), stride=(2, 2)))
        shape = (shape[0], shape[1] // 2, shape[2] // 2)
    layers.append(_drawn("classes", (classes, *shape), rng, kind="dense"))
    return Trained(name="vgg16", steps=steps, tau=tau, levels=levels, input_shape=(3, size, size),
                   layers=tuple(layers))


def _drawn(
    name: str, shape: tuple[int, int, int, int], rng: np.random.Generator | None, *, kind: Kind = "conv",
    first: bool = False,
) -> TrainedLayer:
    """A layer with weights of a shape; a convolution is padded so that its result is as large as its source."""
    padding = (1, 1, 1, 1) if kind == "conv" else (0, 0, 0, 0)
    if rng is None:
        return TrainedLayer(name=name, kind=kind, weight=np.broadcast_to(np.float32(1), shape), padding=padding)
    weight = rng.standard_normal(shape, np.float32)
    weight -= weight.mean(axis=(1, 2, 3), keepdims=True)
    weight *= SPREAD / math.sqrt(math.prod(shape[1:]) * SQUARES[not first])
    return TrainedLayer(name=name, kind=kind, weight=weight, bias=rng.normal(*BIAS, shape[0]), padding=padding)
