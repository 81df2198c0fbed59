"""How numbers are quantized while a network learns: weights, states, errors, and gradients by chance.

Written anew after the code of Schaefer et al. (Intelligent-Microsystems-Lab/QuantizedSNNs, quantization.py, commit
827e3dd), which follows Wu, Li, Chen and Shi, "Training and inference with integers in deep neural networks", ICLR 2018.
All scales are powers of two, so that sums of quantized numbers are exact in single precision: a run gives the same
figures on every machine.
"""

import numpy as np

from golden.errors import ConfigError
from golden.types import Array, IntArray

DRAW_BITS = 16
"""Of a random number by which a gradient is rounded."""
FAN_IN = 784
"""What the authors' code takes for the inputs of each layer, whatever it has."""


def require_bits(what: str, bits: int | None, low: int = 2) -> None:
    """Raises:
        ConfigError: a width that no quantizer has.
    """
    if bits is not None and not low <= bits <= 16:
        raise ConfigError(f"learning: {what} of {bits} bits are outside [{low}, 16]")


def limit(bits: int) -> float:
    """The largest quantized number: 1, less one step."""
    return 1 - 2.0 ** (1 - bits)


def quantize(values: Array, bits: int) -> Array:
    """The nearest of the numbers that `bits` bits can have, -limit to limit; halves go to the even one."""
    scale, most = np.float32(2 ** (bits - 1)), np.float32(limit(bits))
    found: Array = np.rint(np.clip(values, -most, most) * scale) / scale
    return found


def power_of_two(largest: Array) -> Array:
    """The power of two whose exponent is the nearest to that of each number; 1 for 0.

    Exact: no logarithm is computed, whose last bit depends on the machine.
    """
    fraction, exponent = np.frexp(largest)
    found: Array = np.ldexp(np.float32(1), np.where(fraction < np.sqrt(0.5), exponent - 1, exponent))
    return np.where(largest > 0, found, np.float32(1)).astype(np.float32)


def errors(values: Array, bits: int | None, axes: int | tuple[int, ...] = -1) -> Array:
    """Errors in relation to the largest along `axes`: what they are multiplied by is lost. None: as they are."""
    if bits is None:
        return values
    return quantize(values / power_of_two(np.abs(values).max(axis=axes, keepdims=True)), bits)


def gradient(values: Array, bits: int, rate: float, rng: np.random.Generator) -> Array:
    """Gradients in relation to the largest, times `rate`, rounded by chance to multiples of one step of `bits` bits."""
    scaled = np.abs(values) * np.float32(rate / power_of_two(np.abs(values).max()))
    whole = np.floor(scaled)
    drawn = np.frombuffer(rng.bytes(2 * values.size), np.uint16).reshape(values.shape)
    up = (scaled - whole) * np.float32(1 << DRAW_BITS) > drawn
    return np.copysign((whole + up) * np.float32(2.0 ** (1 - bits)), values)


def widest(weight_bits: int) -> tuple[float, float]:
    """Of weights at the start: the largest, and by how much a quantized weight is divided."""
    most, wanted = 1 - 2.0 ** -weight_bits, float(np.sqrt(3 / FAN_IN))
    return max(most, wanted), max(1.0, float(power_of_two(np.array(most / wanted))))


def codes(weights: Array, weight_bits: int) -> IntArray:
    """Quantized weights as the integers that a memory holds, -(2**(bits-1) - 1) to 2**(bits-1) - 1."""
    return np.rint(quantize(weights, weight_bits) * 2 ** (weight_bits - 1)).astype(np.int64)
