"""Sigma-delta neurons: their golden model against the textbook in floats, their hardware, and networks of them."""

import dataclasses

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from golden.neuron.states import wrap_array
from golden.neuron.types import built_types
from golden.neuron.types.sigma_delta import CODE, ENCODER, READOUT, SigmaDelta
from golden.types import IntArray
from golden.words import Saturation
from tests.tb.test_evaluation import run

TYPES = ("sum", "product", "spiking", "sigma_delta")
CONFIG = dataclasses.replace(PRESETS["grai_vip"], name="sigma_delta", address_bits=14, lanes=2, state_bits=32,
                             channel_bits=9, neuron_types=TYPES)
NARROW = dataclasses.replace(CONFIG, name="sigma_delta_narrow", lanes=4, value_bits=4, multiplier_bits=9, shift_bits=4)
RANGES = {4: ((0, 7), (-4, 3), (-8, 7)), 9: ((0, 255), (-128, 127), (-256, 255))}
"""By value bits, what values each saturation has."""


class Textbook:
    """Sums and last values in arrays of their own, in floats, which hold these numbers exactly."""

    def __init__(self, shape: tuple[int, ...], code: int, mode: int, value_bits: int):
        self.code, self.low, self.high = code, *RANGES[value_bits][mode]
        self.event = RANGES[value_bits][2]
        self.sigma, self.last = np.zeros(shape), np.zeros(shape)
        self.kept_back = 0

    def step(self, added: IntArray, bias: IntArray, scale: IntArray, threshold: IntArray) -> IntArray:
        """What is sent; `scale` is a float that the sum is multiplied by."""
        self.sigma = self.sigma + added
        value = np.minimum(np.maximum(np.round((self.sigma + bias) * scale), self.low), self.high)
        if self.code == ENCODER:
            self.sigma = np.zeros_like(self.sigma)
        if self.code == READOUT:
            return value
        far = (value - self.last >= threshold) | (self.last - value >= threshold)
        self.kept_back = np.count_nonzero(~far & (value != self.last))
        moved = np.where(far, value - self.last, 0)
        moved = np.minimum(np.maximum(moved, self.event[0]), self.event[1])
        self.last = self.last + moved
        return moved


def numbers(rng: np.random.Generator, config: CoreConfig) -> dict[str, IntArray]:
    """Parameters of the channels of a population, which spread its values over their range, as (D, 1, 1)."""
    depth, shift = int(rng.integers(1, 7)), int(rng.integers(0, min(13, 1 << config.shift_bits)))
    column, most = (depth, 1, 1), (1 << config.value_bits - 1) - 1
    multiplier = rng.integers(0, 1 << min(shift + 1, 9), column) >> rng.integers(0, 10, column)
    return {"bias": rng.integers(-400, 400, column), "multiplier": multiplier,
            "shift": np.full(column, shift), "leaky": np.zeros(column, np.int64),
            "slope": rng.choice([0, 0, 1, 2, most // 4, most], column), "spread": np.full(column, rng.choice(
                [3, 300, 5000]))}


def random_populations(rng: np.random.Generator, config: CoreConfig, count: int) -> dict[str, IntArray]:
    """The neurons of so many random populations in a row, with their parameters."""
    found: dict[str, list[IntArray]] = {}
    for _ in range(count):
        size = (1, *rng.integers(1, 4, 2))
        for name, values in numbers(rng, config).items():
            found.setdefault(name, []).append(np.broadcast_to(values, np.maximum(values.shape, size)).ravel())
    return {name: np.concatenate(values) for name, values in found.items()}


@pytest.mark.parametrize("config", [CONFIG, NARROW], ids=lambda config: config.name)
@pytest.mark.parametrize("code", SigmaDelta.codes)
@pytest.mark.parametrize("mode", range(4))
def test_populations_equal_the_textbook(config: CoreConfig, code: int, mode: int, seed: int) -> None:
    """Over 500 random populations, 50 timesteps each: what is sent, and both numbers of every state."""
    rng, seen = np.random.default_rng([seed, 1, code, mode]), {"sent": 0, "negative": 0, "kept back": 0}
    parameters = random_populations(rng, config, 42)
    spread, bits, around = parameters.pop("spread"), 32 - config.value_bits, 2.0**config.value_bits
    book = Textbook(spread.shape, code, min(mode, Saturation.FULL), config.value_bits)
    states, low, high = np.zeros(spread.shape, np.int64), 0, 0
    for _ in range(50):
        added = rng.integers(-spread, spread + 1) * (rng.random(spread.shape) < 0.5)
        sent, states = SigmaDelta.evaluate(wrap_array(states + added, 32), parameters, mode, config, type=code)
        np.testing.assert_array_equal(sent, book.step(
            added, parameters["bias"], parameters["multiplier"] / 2.0 ** parameters["shift"], parameters["slope"]))
        # From the definition of a state, in floats: a remainder around 0, and what is left.
        sigma = states - np.round(states / 2.0**bits) * 2.0**bits
        last = (states - sigma) / 2.0**bits
        np.testing.assert_array_equal(sigma, book.sigma)
        np.testing.assert_array_equal(last - np.floor(last / around + 0.5) * around, book.last)
        low, high = min(low, int(sent.min())), max(high, int(sent.max()))
        seen["sent"] += np.count_nonzero(sent)
        seen["negative"] += np.count_nonzero(sent < 0)
        seen["kept back"] += book.kept_back
    assert SigmaDelta.bounds(min(mode, Saturation.FULL), code, config.value_bits) == (low, high)
    none = {"negative"} if code == READOUT and mode == Saturation.RELU else set()
    none |= {"kept back"} if code == READOUT else set()
    assert {name for name, count in seen.items() if not count} == none


@pytest.mark.parametrize("config", [CONFIG, NARROW], ids=lambda config: config.name)
def test_arrays_equal_literal(config: CoreConfig, seed: int) -> None:
    """Any state, also sums at the ends of their bits, and any parameter word."""
    rng, count = np.random.default_rng([seed, 2]), 3000
    bits = 32 - config.value_bits
    ends = (rng.integers(-(1 << config.value_bits - 1), 1 << config.value_bits - 1, count) << bits) + rng.choice(
        [-(1 << bits - 1), (1 << bits - 1) - 1, -1, 0, 1], count)
    states = wrap_array(np.where(rng.random(count) < 0.5, ends, rng.integers(-(1 << 31), 1 << 31, count)), 32)
    steep = 1 << config.slope_bits - 1
    parameters = {
        "bias": rng.integers(-(1 << 31), 1 << 31, count) >> rng.integers(0, 32, count),
        "multiplier": rng.integers(0, 1 << config.multiplier_bits, count),
        "shift": rng.integers(0, 1 << config.shift_bits, count), "leaky": rng.integers(0, 2, count),
        "slope": rng.integers(-steep, steep, count)}
    for code in SigmaDelta.codes:
        for mode in range(4):
            sent, kept = SigmaDelta.evaluate(states, parameters, mode, config, type=code)
            for i in range(0, count, 4):
                parameter = {name: int(array[i]) for name, array in parameters.items()}
                assert (sent[i], kept[i]) == SigmaDelta.evaluate_one(
                    int(states[i]), parameter, mode, config, type=code)
            assert len(np.unique(sent)) > 4 and (code == READOUT) == np.array_equal(states, kept)


def test_by_hand() -> None:
    """The bias reaches the first value; small moves add up until they count; nothing is lost."""
    def run(added: list[int], code: int = CODE, mode: int = Saturation.RELU, **more: int) -> list[int]:
        parameter = {"bias": 5, "multiplier": 1, "shift": 1, "leaky": 0, "slope": 0} | more
        state, sent = 0, []
        for each in added:
            value, state = SigmaDelta.evaluate_one(state + each, parameter, mode, CONFIG, type=code)
            sent.append(value)
        return sent

    assert run([0, 0, 1, 0, -2]) == [2, 0, 1, 0, -1]  # 2.5 to even, 3, 2
    assert run([0, 2, 2, 2, 0, -100], slope=3) == [0, 4, 0, 0, 0, -4]  # values 2, 4, 4, 6, 6, 0
    assert run([1000, 0], mode=Saturation.FULL) == [255, 0]
    assert run([-1000, 2000, 0, 0], mode=Saturation.FULL) == [-256, 255, 255, 1]  # the rest of 511 comes later
    assert run([11, 0, 4], code=READOUT) == [8, 8, 10]
    assert run([11, 11, 4, 4], code=ENCODER) == [8, 0, -4, 0]  # 4.5 to even


@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.long)], indirect=True)
def test_hardware_equals_golden(simulator: str, seed: int) -> None:
    """Among populations of all other types, with pauses everywhere: every neuron and every state that is kept."""
    run(CONFIG, simulator, seed, scenario="random", populations=150, corners=False, command="rarely", memory="rarely",
        neuron="rarely")


@pytest.mark.long
@pytest.mark.parametrize("config", [CONFIG, NARROW], ids=lambda config: config.name)
def test_hardware_equals_golden_at_length(config: CoreConfig, simulator: str, seed: int) -> None:
    """500 populations, also where silent neurons are passed over; and without pauses, each cycle as modeled."""
    for skipping in (0, 1):
        run(dataclasses.replace(config, name=f"{config.name}_{skipping}", skip_silent=skipping, address_bits=15),
            simulator, seed, scenario="random", populations=500, corners=False, memory="rarely", neuron="rarely")
    run(config, simulator, seed, scenario="timing", populations=60, corners=False)


def test_short_states_are_refused() -> None:
    short = CoreConfig(neuron_types=TYPES)
    with pytest.raises(ConfigError, match="needs state_bits = 32, not 16; set state_bits to 32"):
        built_types(short)
    assert built_types(dataclasses.replace(short, state_bits=32, lanes=2, channel_bits=9))[CODE] is SigmaDelta
