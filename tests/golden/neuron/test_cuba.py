"""Neurons with a leaky current and a leaky potential: golden model against plain integers, hardware, and a network."""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from golden.neuron.states import wrap_array
from golden.neuron.types import built_types
from golden.neuron.types.cuba import Cuba
from golden.types import IntArray
from golden.words import Reset
from tests.tb.test_evaluation import random_config as evaluation_config
from tests.tb.test_evaluation import run

CODE = next(iter(Cuba.codes))
TYPES = ("sum", "product", "spiking", "cuba")
CONFIG = dataclasses.replace(PRESETS["grai_vip"], name="cuba", address_bits=14, lanes=2, state_bits=32, channel_bits=9,
                             neuron_types=(*TYPES, "li", "lif"))
SHORT = dataclasses.replace(CONFIG, name="cuba_short", lanes=4, value_bits=4, multiplier_bits=13, shift_bits=4)


class Neuron:
    """Loihi's neuron as its documents give it, with numbers of its own."""

    def __init__(self, parameter: dict[str, int], *, zero: bool):
        self.parameter, self.zero, self.u, self.v = parameter, zero, 0, 0

    def step(self, given: int) -> int:
        """Both leak first, then the current takes the input, and the potential the current."""
        parameter = self.parameter
        self.u = int(Fraction(self.u * (4096 - parameter["decay"]), 4096)) + given
        self.v = int(Fraction(self.v * parameter["multiplier"], 2 ** parameter["shift"])) + self.u + parameter["bias"]
        if self.v >= parameter["highest"]:
            self.v = 0 if self.zero else self.v - parameter["highest"]
            return 1
        self.v = max(self.v, parameter["lowest"])
        return 0


def random_parameter(rng: np.random.Generator) -> dict[str, int]:
    """A neuron whose numbers keep within their bits."""
    left, shift = int(rng.choice([0, 4096, rng.integers(0, 4097)])), 12
    return {
        "bias": int(rng.integers(-40, 41)), "multiplier": left, "shift": shift, "leaky": 0, "slope": 0,
        "decay": int(rng.choice([4096, rng.integers(200, 4097), rng.integers(1000, 3000)])),
        "lowest": int(rng.choice([-9000, -1, 0, rng.integers(-2000, 1)])), "highest": int(rng.integers(1, 3000))}


def test_populations_equal_plain_integers(seed: int) -> None:
    """500 random populations, 50 timesteps each: every spike, every current and every potential."""
    rng, spikes, clipped = np.random.default_rng([seed, 1]), 0, 0
    for mode in (Reset.SUBTRACT, Reset.ZERO):
        neurons = [Neuron(random_parameter(rng), zero=mode == Reset.ZERO) for _ in range(250)]
        parameters = {name: np.array([neuron.parameter[name] for neuron in neurons]) for name in neurons[0].parameter}
        spread = rng.choice([3, 100, 500], len(neurons))
        states = np.zeros(len(neurons), np.int64)
        for _ in range(50):
            given = rng.integers(-spread, spread + 1) * (rng.random(len(neurons)) < 0.5)
            fired, states = Cuba.evaluate(wrap_array(states + given, 32), parameters, mode, CONFIG, type=CODE)
            assert fired.tolist() == [neuron.step(value) for neuron, value in zip(neurons, given.tolist(), strict=True)]
            # From the definition of a state, by remainders: what stays has leaked already, for the next timestep.
            for state, neuron in zip(states.tolist(), neurons, strict=True):
                current = (state + 32768) % 65536 - 32768
                assert current == int(neuron.u * (4096 - neuron.parameter["decay"]) / 4096)
                potential = int(neuron.v * neuron.parameter["multiplier"] / 2 ** neuron.parameter["shift"])
                assert state == potential * 65536 + current
                clipped += neuron.v == neuron.parameter["lowest"]
            spikes += int(fired.sum())
    assert spikes > 500 and clipped > 500


def corners(rng: np.random.Generator, count: int) -> tuple[IntArray, dict[str, IntArray]]:
    """Any states and any parameter words, among them sums about where they fire, and ends of both parts."""
    half = 1 << 15
    ends = [-half, half - 1, -1, 0, 1]
    states = (rng.choice([*ends, rng.integers(-half, half)], count) << 16) + rng.choice(ends, count)
    states = np.where(rng.random(count) < 0.5, states, rng.integers(-(1 << 31), 1 << 31, count))
    return wrap_array(states, 32), {
        "bias": rng.integers(-(1 << 31), 1 << 31, count) >> rng.integers(0, 32, count),
        "multiplier": rng.integers(0, 1 << 16, count) >> rng.integers(0, 16, count),
        "shift": rng.integers(0, 64, count) >> rng.integers(0, 4, count), "leaky": rng.integers(0, 2, count),
        "slope": rng.integers(-256, 256, count), "decay": rng.integers(0, 1 << 16, count),
        "lowest": rng.integers(-half, half, count), "highest": rng.integers(-half, half, count)}


def test_arrays_equal_literal(seed: int) -> None:
    states, parameters = corners(np.random.default_rng([seed, 2]), 4000)
    for mode in range(4):
        fired, kept = Cuba.evaluate(states, parameters, mode, CONFIG, type=CODE)
        for i in range(mode, len(states), 4):
            parameter = {name: int(array[i]) for name, array in parameters.items()}
            assert (fired[i], kept[i]) == Cuba.evaluate_one(int(states[i]), parameter, mode, CONFIG, type=CODE)
        assert 0 < fired.sum() < len(states) and len(np.unique(kept)) > 2000


@pytest.mark.parametrize("simulator", ["verilator", pytest.param("icarus", marks=pytest.mark.long)], indirect=True)
def test_hardware_equals_golden(simulator: str, seed: int) -> None:
    """Among populations of all other types, with pauses everywhere: every neuron and every state that is kept."""
    run(CONFIG, simulator, seed, scenario="random", populations=150, corners=False, command="rarely", memory="rarely",
        neuron="rarely")


@pytest.mark.long
def test_hardware_equals_golden_at_length(simulator: str, seed: int) -> None:
    """Every corner of the arithmetic, without pauses and with them; and where silent neurons are passed over.

    The first has memory for as many populations as its rarest corners take.
    """
    for config in (dataclasses.replace(CONFIG, name="cuba_alone", address_bits=15, neuron_types=TYPES),
                   dataclasses.replace(SHORT, neuron_types=TYPES),
                   dataclasses.replace(CONFIG, name="cuba_skipping", skip_silent=1)):
        run(config, simulator, seed, scenario="random", populations=900,
            corners=not config.skip_silent, memory="rarely", neuron="rarely")


def random_config(seed: int) -> CoreConfig:
    """Random widths of all that the evaluation unit sees, with these neuron types and more."""
    for number in itertools.count(100 * seed):
        try:
            config = dataclasses.replace(evaluation_config(number), address_bits=14, state_bits=32, neuron_types=(
                *TYPES, "li", "lif", "refractory"))
            built_types(config)
        except ConfigError:
            continue
        return config
    raise AssertionError


@pytest.mark.long
@pytest.mark.parametrize("number", range(6))
def test_random_configurations(number: int, simulator: str, seed: int) -> None:
    config = random_config(6 * seed + number)
    print(config.to_json())
    run(config, simulator, seed + number, scenario="random", populations=300, corners=False, memory="randomly",
        neuron="randomly")


def test_narrow_cores_are_refused() -> None:
    short = CoreConfig(neuron_types=("sum", "cuba"))
    with pytest.raises(ConfigError, match="needs state_bits = 32, not 16; set state_bits to 32"):
        built_types(short)
    wide = dataclasses.replace(short, state_bits=32, lanes=2, channel_bits=9)
    assert built_types(wide)[CODE] is Cuba
    with pytest.raises(ConfigError, match="needs multiplier_bits >= 13, not 9; set multiplier_bits to 13"):
        built_types(dataclasses.replace(wide, multiplier_bits=9))
