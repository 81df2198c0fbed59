"""Random small convolutional networks of spikes in time, and what they compute by the definition, in integers.

Nothing here comes from the golden model: powers and thresholds are decimals of 60 digits, sums are loops over taps, and
spike times are found time by time.
"""

import dataclasses
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal, localcontext

import numpy as np

from golden.config import PRESETS, CoreConfig
from golden.types import IntArray
from synapress.mapper import Network, falling_thresholds

VALUE, SIGN = 16, 16
SMALL = dataclasses.replace(
    PRESETS["fpga_small"], name="times", product="log", neuron_types=("sum", "ttfs"), value_bits=8)


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer: codes (D_dst, D, KW, KH) with a padding, or a max pool of this size."""

    name: str
    codes: IntArray | None = None
    padding: int = 0
    bias: IntArray | None = None
    shift: int = 0
    pool: int = 0
    spikes: bool = True
    linear: bool = False
    """Its codes are weights as they are."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, and what it computes."""

    config: CoreConfig
    network: Network
    layers: list[Layer]
    shape: tuple[int, int, int]


def random_config(rng: np.random.Generator, product: str = "log") -> CoreConfig:
    """Random times, levels and fraction bits."""
    bits = int(rng.choice([16, 16, 32]))
    return dataclasses.replace(
        SMALL, product=product, state_bits=bits, lanes=64 // bits, ttfs_times=int(rng.integers(4, 41)),
        ttfs_tau=int(rng.choice([1, 2, 4, 8])), log_levels=int(rng.choice([1, 2, 4])),
        log_fraction_bits=int(rng.integers(8, 13) if bits == 16 else rng.integers(10, 25)))


def random_case(rng: np.random.Generator, config: CoreConfig) -> Case:
    """A convolution, perhaps a max pool, a convolution, and a dense layer that does not spike.

    On a core with both products the weights of the last one are linear.
    """
    network, shape = Network("times"), (int(rng.integers(1, 4)), 6, 6)
    network.input("in", shape)
    layers, source = [], shape
    choice = config.product == "both"
    for name in ("first", "pool", "second", "last"):
        if name == "pool":
            if rng.random() < 0.3:
                continue
            layers.append(Layer(name, pool=2))
            network.max_pool("pool", layers[-2].name, 2)
            source = (source[0], source[1] // 2, source[2] // 2)
            continue
        last = name == "last"
        depth, kernel = int(rng.integers(2, 8)), source[1] if last else int(rng.choice([1, 3]))
        padding, shift = 0 if last else kernel // 2, int(rng.integers(0, 4 if choice else 5))
        shift = min(shift, config.log_fraction_bits - 5)
        codes = rng.choice([*range(16), *range(17, 32), 0, 0, 0], (depth, source[0], kernel, kernel))
        unit = config.log_fraction_bits - shift
        bias = rng.integers(-(1 << unit), 1 << unit, depth)
        linear = last and config.product == "both"
        layers.append(Layer(name, codes, padding, bias, shift, spikes=not last, linear=linear))
        before = layers[-2].name if len(layers) > 1 else "in"
        branch = network.branch(before, codes, padding=padding, product_shift=shift, logarithmic=not linear)
        if last:
            network.add(name, [branch], bias=bias, shift=max(0, unit - 5), saturation=2)
            network.output(name)
        else:
            network.ttfs(name, [branch], bias=bias, thresholds=falling_thresholds(config, product_shift=shift))
        source = (depth, 1, 1) if last else (depth, *source[1:])
    network.output("second")
    return Case(config, network, layers, shape)


def frame(rng: np.random.Generator, case: Case) -> IntArray:
    """Random times, and many that do not spike."""
    values = rng.integers(1, case.config.ttfs_times + 1, case.shape)
    return np.where(rng.random(case.shape) < rng.choice([0.3, 0.9]), values, 0)


def products(shift: int, config: CoreConfig) -> IntArray:
    """What a code and a value make: (32, T + 1)."""
    table = np.zeros((32, config.ttfs_times + 1), np.int64)
    with localcontext() as context:
        context.prec = 60
        for number in range(1, 16):
            for value in range(1, config.ttfs_times + 1):
                exponent = (Decimal(15 - number) / config.log_levels
                            + Decimal(config.ttfs_times - value) / config.ttfs_tau + shift)
                power = Decimal(2) ** (config.log_fraction_bits - exponent % 1)
                table[number, value] = int(power.quantize(Decimal(1), ROUND_HALF_EVEN)) >> int(exponent)
    table[SIGN + 1:] = -table[1:16]
    return table


def thresholds(shift: int, config: CoreConfig) -> list[int]:
    """By time, from that of time 0 on."""
    with localcontext() as context:
        context.prec = 60
        return [int((Decimal(2) ** (config.log_fraction_bits - shift - Decimal(t) / config.ttfs_tau)).quantize(
            Decimal(1), ROUND_CEILING)) for t in range(config.ttfs_times)]


def first_time(potential: int, falling: list[int]) -> int:
    """T - t of the first time at which the threshold is reached; 0 if there is none."""
    return next((len(falling) - t for t, threshold in enumerate(falling) if potential >= threshold), 0)


def wrapped(states: IntArray, config: CoreConfig) -> IntArray:
    half = 1 << config.state_bits - 1
    return (states + half) % (2 * half) - half


def potentials(layer: Layer, values: IntArray, config: CoreConfig) -> IntArray:
    """The sums of a layer as they wrap, and its bias, (D, W, H)."""
    assert layer.codes is not None and layer.bias is not None
    table = np.outer(np.arange(32), np.arange(config.ttfs_times + 1) << layer.shift) if layer.linear else products(
        layer.shift, config)
    width, height = layer.codes.shape[2:]
    padded = np.pad(values, ((0, 0), (layer.padding, layer.padding), (layer.padding, layer.padding)))
    size = (padded.shape[1] - width + 1, padded.shape[2] - height + 1)
    sums = np.zeros((len(layer.codes), *size), np.int64)
    for i in range(width):
        for j in range(height):
            met = padded[np.newaxis, :, i:i + size[0], j:j + size[1]]
            sums += table[layer.codes[:, :, i, j, np.newaxis, np.newaxis], met].sum(axis=1)
    return wrapped(sums, config) + layer.bias[:, np.newaxis, np.newaxis]


def network_values(case: Case, values: IntArray) -> dict[str, IntArray]:
    """The values of every layer."""
    found: dict[str, IntArray] = {}
    for layer in case.layers:
        if layer.pool:
            depth, width, height = (size // layer.pool for size in values.shape)
            depth = len(values)
            values = values.reshape(depth, width, layer.pool, height, layer.pool).max(axis=(2, 4))
        else:
            reached = potentials(layer, values, case.config)
            if layer.spikes:
                falling = thresholds(layer.shift, case.config)
                values = np.vectorize(lambda potential, falling=falling: first_time(potential, falling), otypes=[int])(
                    reached)
            else:
                unit = max(0, case.config.log_fraction_bits - layer.shift - 5)
                half = 1 << case.config.value_bits - 1
                exact = np.array([round(int(v) / 2.0 ** unit) for v in reached.ravel()]).reshape(reached.shape)
                values = np.clip(exact, -half, half - 1)
        found[layer.name] = values
    return found
