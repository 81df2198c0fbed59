"""Logarithmic weights in training are those of the file, and as near as the definition says."""

import math

import numpy as np
import pytest

from golden.errors import NetworkError
from synapress.spike_times.trained import quantize, weights_of
from synapress.training import quantized
from synapress.training.torch_module import torch


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_they_equal_those_of_numpy_and_the_definition(levels: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    for shape in ((3, 2, 3, 3), (40,), (1,)):
        weight = (random.normal(0, 1, shape) * 2.0 ** random.integers(-8, 4)).astype(np.float32)
        found = quantized(torch.from_numpy(weight), levels)
        assert (found.double().numpy() == weights_of(*quantize(weight, levels), levels).astype(np.float32)).all()
        largest = math.ceil(math.log2(float(np.abs(weight).max())))
        for one, result in zip(weight.reshape(-1).tolist(), found.reshape(-1).tolist(), strict=True):
            q = round(levels * (largest - math.log2(abs(one))))
            expected = math.copysign(2 ** (largest - q / levels), one) if q < 15 else 0.0
            assert result == pytest.approx(expected, rel=1e-6)


def test_the_gradient_goes_straight_through() -> None:
    weight = torch.tensor([0.3, -0.7, 0.0, 1.0], requires_grad=True)
    result = quantized(weight, 2)
    assert result.tolist() == pytest.approx([2 ** -1.5, -(2 ** -0.5), 0, 1])
    (result * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert weight.grad is not None and weight.grad.tolist() == [1, 2, 3, 4]


def test_weights_that_are_not_finite_are_refused() -> None:
    with pytest.raises(NetworkError, match="finite"):
        quantized(torch.tensor([1.0, float("nan")]))
