"""Logarithmic weights of 5 bits as an operation of torch, for training with them."""

from typing import Any

from synapress.spike_times.trained import quantize, weights_of
from synapress.training.torch_module import torch


class _Quantized(torch.autograd.Function):
    """The weights that are nearest by logarithm forward, the gradient as it comes backward."""

    @staticmethod
    def forward(context: Any, weight: torch.Tensor, levels: int) -> torch.Tensor:
        codes, largest = quantize(weight.detach().cpu().numpy(), levels)
        return torch.from_numpy(weights_of(codes, largest, levels)).to(weight)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0], None


def quantized(weight: torch.Tensor, levels: int = 2) -> torch.Tensor:
    """The weights ±2**(k0 - q/p), q = 0..14, or 0, that stand for these, with a straight-through gradient.

    They are those of `synapress.spike_times.trained.quantize`, which computes them.

    Args:
        weight: of any shape.
        levels: p, weights per octave: 1, 2 or 4.
    """
    result: torch.Tensor = _Quantized.apply(weight, levels)
    return result
