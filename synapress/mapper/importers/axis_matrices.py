"""Matrices of one axis: (destination positions, source positions). Means over windows and resizing are made of them."""

import numpy as np

from golden.types import Floats


def mean_matrix(
    size: int, result: int, kernel: int, stride: int, before: int, after: int, dilation: int, include_pad: bool
) -> Floats:
    """Means over windows of an axis; with `include_pad` explicit padding counts, what ceil_mode adds never does."""
    matrix = np.zeros((result, size))
    for x in range(result):
        taps = x * stride - before + dilation * np.arange(kernel)
        inside = taps[(taps >= 0) & (taps < size)]
        counted = taps[(taps >= -before) & (taps < size + after)] if include_pad else inside
        if len(inside):
            matrix[x, inside] = 1 / len(counted)
    return matrix


def select_matrix(size: int, chosen: np.ndarray) -> Floats:
    """Positions picked out of an axis."""
    matrix = np.zeros((len(chosen), size))
    matrix[np.arange(len(chosen)), chosen] = 1
    return matrix


def denominator(matrix: Floats, most: int = 512) -> int:
    """The least n ≤ most of which all weights are whole fractions; `most` if there is none."""
    values = np.unique(np.abs(matrix))
    return next((n for n in range(1, most) if np.abs(values * n - np.rint(values * n)).max() < 1e-7), most)


def _source_positions(size: int, result: int, scale: float, transformation: str, region: tuple[float, float]) -> Floats:
    x = np.arange(result, dtype=np.float64)
    if transformation == "half_pixel":
        return (x + 0.5) / scale - 0.5
    if transformation == "pytorch_half_pixel":
        return (x + 0.5) / scale - 0.5 if result > 1 else np.zeros(1)
    if transformation == "align_corners":
        length = scale * size
        return x * (size - 1) / (length - 1) if result > 1 and length != 1 else np.zeros(result)
    if transformation == "asymmetric":
        return x / scale
    if transformation == "half_pixel_symmetric":
        adjustment = result / (scale * size)
        return size / 2 * (1 - adjustment) + (x + 0.5) / scale - 0.5
    if transformation == "tf_crop_and_resize":
        first, last = region
        if result == 1:
            return np.full(1, 0.5 * (first + last) * (size - 1))
        return first * (size - 1) + x * (last - first) * (size - 1) / (result - 1)
    raise ValueError(f"unknown coordinate_transformation_mode {transformation!r}")


def _nearest(position: float, rounding: str) -> int:
    if rounding == "round_prefer_ceil":
        return int(np.floor(position + 0.5))
    if rounding == "floor":
        return int(np.floor(position))
    if rounding == "ceil":
        return int(np.ceil(position))
    return int(np.ceil(position - 0.5))  # round_prefer_floor


def _kernel(distance: Floats, mode: str, a: float) -> Floats:
    d = np.abs(distance)
    if mode == "linear":
        return np.maximum(0, 1 - d)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def resize_matrix(
    size: int, result: int, scale: float, mode: str = "nearest", *, transformation: str = "half_pixel",
    rounding: str = "round_prefer_floor", cubic: float = -0.75, exclude_outside: bool = False, antialias: bool = False,
    region: tuple[float, float] = (0.0, 1.0),
) -> Floats:
    """One axis of ONNX's Resize: nearest, linear or cubic, border elements repeated beyond the borders."""
    matrix = np.zeros((result, size))
    stretch = min(1.0, scale) if antialias and mode != "nearest" else 1.0
    for x, position in enumerate(_source_positions(size, result, scale, transformation, region)):
        if transformation == "tf_crop_and_resize" and not 0 <= position <= size - 1:
            continue  # beyond the map: a constant, which the caller adds
        if mode == "nearest":
            matrix[x, min(max(_nearest(round(position, 9), rounding), 0), size - 1)] = 1
            continue
        reach = int(np.ceil((1 if mode == "linear" else 2) / stretch))
        taps = np.arange(int(np.floor(position)) - reach + 1, int(np.floor(position)) + reach + 1)
        weights = _kernel((taps - position) * stretch, mode, cubic)
        if exclude_outside:
            weights = np.where((taps >= 0) & (taps < size), weights, 0)
        weights = weights / weights.sum()
        np.add.at(matrix[x], np.clip(taps, 0, size - 1), weights)
    return matrix
