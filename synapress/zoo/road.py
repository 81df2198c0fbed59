"""Drawn frames of a camera over a road, for networks that steer."""

import numpy as np

from golden.types import IntArray

VALUES = 256
"""A pixel is below it."""


DRAWN = 800
"""Columns with which a scene that moves is drawn, over the view of the camera."""


def drive(shape: tuple[int, int, int], frames: int, seed: int, *, speed: int = 1, noise: float = 1.5) -> IntArray:
    """Frames (N, 3, W, H) of a camera that turns over a road, by `speed` pixels per frame, with noise of its own.

    The scene is drawn finer than the camera sees it, so that its texture is as a lens leaves it: a camera of fewer
    pixels sees the same scene coarser, and its texture weaker.

    Args:
        noise: standard deviation of each pixel of each frame, in steps of its value.
    """
    depth, width, height = shape
    finer = max(1, round(DRAWN / width))
    whole = road((depth, (width + (frames - 1) * speed) * finer, height * finer), seed).astype(float)
    seen = whole.reshape(depth, -1, finer, height, finer).mean(axis=(2, 4))
    rng = np.random.default_rng([seed, 1])
    found = np.stack([seen[:, number * speed:number * speed + width] for number in range(frames)])
    return np.asarray(np.clip(np.rint(found + rng.normal(0, noise, found.shape)), 1, VALUES - 1), np.int64)


def road(shape: tuple[int, int, int], seed: int) -> IntArray:
    """A frame (3, W, H) as a camera over a road might see it: values from 1 to 255."""
    depth, width, height = shape
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(width) / width, np.arange(height) / height, indexing="ij")
    horizon, bend = 0.35 + 0.1 * rng.random(), rng.uniform(-0.3, 0.3)
    near = np.clip((y - horizon) / (1 - horizon), 0, 1)
    middle = 0.5 + bend * (1 - near) ** 2
    lane = np.abs(x - middle) < 0.05 + 0.4 * near
    marking = (np.abs(x - middle) < 0.01 + 0.02 * near) & (np.sin(25 / (near + 0.1)) > 0)
    colors = np.array([[150, 190, 235], [70, 120, 50], [95, 95, 100], [230, 230, 220]])[:, :depth]
    kind = np.where(y < horizon, 0, np.where(marking, 3, np.where(lane, 2, 1)))
    frame = colors[kind].transpose(2, 0, 1) + rng.normal(0, 12, shape)
    return np.asarray(np.clip(np.rint(frame), 1, VALUES - 1), np.int64)
