"""The activation with which a network is trained for spikes in time: what a neuron that spikes once can tell."""

import math
from enum import StrEnum
from typing import Any

from synapress.training.errors import TrainingError
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
    def forward(context: Any, x: torch.Tensor, activation: "SpikeTime") -> torch.Tensor:
        context.save_for_backward(x)
        context.threshold = activation.threshold
        return activation.coded(x)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        x, = context.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradients[0], x, 0.0, context.threshold), None


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

    Raises:
        TrainingError: float32 cannot hold all values.
    """

    levels: torch.Tensor
    """(T + 1,): the values, 0 first; rounded up, so that x in float32 reaches one where it reaches the exact one."""
    buckets: torch.Tensor
    """(3, buckets): of the numbers whose first bits are the same, the level among them, the values below and from it.

    A search among the levels takes five times as long.
    """

    def __init__(self, steps: int, tau: int, threshold: float = 1.0, stage: Stage = Stage.TTFS):
        super().__init__()
        self.stage = stage
        self.threshold = threshold
        times = torch.arange(steps - 1, -1, -1, dtype=torch.float64)
        exact = torch.cat([torch.zeros(1, dtype=torch.float64), threshold * 2 ** (-times / tau)])
        near = exact.float()
        levels = torch.where(near.double() < exact, torch.nextafter(near, torch.tensor(torch.inf)), near)
        if not torch.finfo(torch.float32).tiny <= float(levels[1]) <= float(levels[-1]) < math.inf:
            raise TrainingError("settings", "steps", "values that float32 can hold",
                                f"{float(exact[1]):.3g} to {threshold:.3g}", "Lower T or raise τ.")
        bits = levels[1:].view(torch.int32)
        self.dropped = next(drop for drop in range(23, -1, -1) if len((bits >> drop).unique()) == steps)
        self.first = int(bits[0] >> self.dropped) - 1
        heads = torch.arange(self.first, int(bits[-1] >> self.dropped) + 1)
        below = torch.searchsorted(bits >> self.dropped, heads)
        within = torch.isin(heads, bits >> self.dropped)
        bound = torch.where(within, levels[(below + 1).clamp(max=steps)], torch.inf)
        self.register_buffer("levels", levels, persistent=False)
        self.register_buffer("buckets", torch.stack([bound, levels[below], levels[below + within]]), persistent=False)

    def coded(self, x: torch.Tensor) -> torch.Tensor:
        """φ(x), without a gradient."""
        if x.dtype != torch.float32:
            return self.levels.to(x)[torch.bucketize(x, self.levels[1:].to(x), right=True)]
        heads = (x.clamp(0, self.levels[-1]).view(torch.int32) >> self.dropped).sub_(self.first).clamp_(min=0)
        bound, below, reached = (part.index_select(0, heads.flatten()).view(x.shape) for part in self.buckets)
        return torch.where(x >= bound, reached, below)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.stage == Stage.TTFS:
            coded: torch.Tensor = _Coded.apply(x, self)
            return coded
        return torch.relu(x) if self.stage == Stage.RELU else torch.clamp(x, 0, self.threshold)

    def extra_repr(self) -> str:
        return f"{len(self.levels) - 1} values up to {self.threshold}"
