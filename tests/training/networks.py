"""Small networks of every layer that is taken, and data to train them on."""

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from synapress.training.torch_module import nn, torch

SHAPE = (2, 8, 6)


class Functions(nn.Module):
    """A network of functions, as many are written."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.second = nn.Linear(48, 8)
        self.last = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.relu(nn.functional.max_pool2d(self.norm(self.first(x)), 2))
        x = x.view(x.size(0), -1)
        x = torch.relu(self.second(nn.functional.dropout(x, 0.1, self.training)))
        return self.last(x)


def networks() -> Iterator[nn.Module]:
    """Modules for samples of SHAPE with three classes; what is drawn is drawn by torch's seed."""
    yield Functions()
    yield nn.Sequential(nn.Flatten(), nn.Linear(96, 3))
    for kernel, stride, groups, (pooled, first) in itertools.product(
            ((3, 3), (2, 3)), (1, (2, 1)), (1, 2), ((True, True), (True, False), (False, False))):
        conv = nn.Conv2d(2, 4, kernel, stride=stride, padding=1, groups=groups, bias=False)
        pool = [nn.MaxPool2d((2, 1), padding=(1, 0))] if pooled else []
        middle = [*pool, nn.ReLU()] if first else [nn.ReLU(), *pool]
        head = [conv, nn.BatchNorm2d(4, eps=0.1), *middle, nn.Conv2d(4, 4, 3, padding="same", dilation=2), nn.ReLU(),
                nn.Dropout(0.2), nn.Flatten()]
        with torch.no_grad():
            size = nn.Sequential(*head).eval()(torch.zeros(1, *SHAPE)).shape[1]
        yield nn.Sequential(*head, nn.Linear(size, 6, bias=False), nn.BatchNorm1d(6, affine=False), nn.ReLU(),
                            nn.Linear(6, 3))


def unsettle(module: nn.Module) -> nn.Module:
    """Statistics and scales of batch norms as training leaves them, some negative."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.05, 0.5)
            if part.affine:
                nn.init.normal_(part.weight, 0.5, 0.5)
                nn.init.normal_(part.bias, 0, 0.2)
    return module.eval()


def data(seed: int, count: int = 60) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Images of SHAPE whose class is the brightest third of their columns."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    images = random.random((count, *SHAPE), np.float32) / 2
    for image, label in zip(images, labels, strict=True):
        image[..., 2 * label:2 * label + 2] += 0.5
    return images, labels
