"""The activation with which a network is trained for spikes in time: what a neuron that spikes once can tell."""

from enum import StrEnum
from typing import Any

from synapress.training.torch_module import torch


class Stage(StrEnum):
    """What the activations of a network compute. The names are those of the schedule of training."""

    RELU = "relu"
    """max(x, 0)."""
    CLIP = "clip"
    """max(x, 0), at most θ0."""
    TTFS = "ttfs"
    """θ0 · 2**(-t/τ) of the first time t at which the falling threshold meets x; 0 if it does not."""


class _Coded(torch.autograd.Function):
    """The values of spikes in time forward, the gradient of the clipped ramp backward."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(x, levels)
        return levels[torch.bucketize(x, levels[1:], right=True)]

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, levels = context.saved_tensors
        return gradients[0] * ((x > 0) & (x < levels[-1])), None


class SpikeTime(torch.nn.Module):
    """ReLU, a clipped ramp, or the value of a spike in time, as `stage` says; of any shape, element by element.

    φ(x) = θ0 · 2**(-t/τ) with the smallest t of 0..T-1 for which x >= θ0 · 2**(-t/τ), else 0. So φ(φ(x)) = φ(x), and φ
    does not fall: the maximum of values is the value of the maximum. Its gradient is taken as 1 for 0 < x < θ0 and as 0
    elsewhere.

    Lew et al., arXiv 2208.04494, abstract: "activation function for simulating the SNN during ANN training"; the
    kernel is that of T2FSNN, to the base 2. Gradient and stages are this project's, as the paper's text is not public.

    Args:
        steps: T, the times at which a neuron may spike.
        tau: τ, the times in which the threshold halves.
        threshold: θ0, the threshold at time 0, which is the largest value.
        stage: what it computes at first.
    """

    levels: torch.Tensor

    def __init__(self, steps: int, tau: int, threshold: float = 1.0, stage: Stage = Stage.TTFS):
        super().__init__()
        self.stage = stage
        self.threshold = threshold
        times = torch.arange(steps - 1, -1, -1, dtype=torch.float64)
        values = torch.cat([torch.zeros(1, dtype=torch.float64), threshold * 2 ** (-times / tau)])
        self.register_buffer("levels", values.float(), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stage == Stage.TTFS:
            coded: torch.Tensor = _Coded.apply(x, self.levels)
            return coded
        return torch.relu(x) if self.stage == Stage.RELU else torch.clamp(x, 0, self.threshold)

    def extra_repr(self) -> str:
        return f"{len(self.levels) - 1} values up to {self.threshold}"
