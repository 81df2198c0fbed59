"""The digits of `synapress/zoo/digits` as input currents."""

import numpy as np
from numpy.typing import NDArray

TIMESTEPS = 10


def frames(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images (n, y, x) as currents 0 … 1 of shape (n, 1, y, x), constant over the timesteps."""
    return images[:, None].astype(np.float32) / np.float32(255)


def sequences(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images (n, y, x) as sequences (n, timesteps, 1, y, x)."""
    return np.repeat(frames(images)[:, None], TIMESTEPS, axis=1)
