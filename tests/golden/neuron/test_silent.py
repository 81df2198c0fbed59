"""The test that `skip_silent` makes of a state word: it never loses a neuron, and knows when its states stay."""

import dataclasses
import random

import pytest

from golden.config import CoreConfig
from golden.neuron.silent import lane_test, word_test
from golden.neuron.types import neuron_model
from golden.types import Fields
from golden.words import NeuronType, Reset, Saturation

CONFIG = CoreConfig(skip_silent=1, neuron_types=("sum", "product", "spiking", "refractory"))
NARROW = dataclasses.replace(CONFIG, lanes=2, state_bits=32, multiplier_bits=24, shift_bits=3, value_bits=4)
TYPES = (*range(10), 15)


def some_parameter(pick: random.Random, config: CoreConfig) -> Fields:
    """Often without bias and leak, often near the ends of the fields."""
    half, steep = 1 << config.state_bits - 1, 1 << config.slope_bits - 1
    return {
        "bias": pick.choice([0, 0, 0, 1, -1, half - 1, -half, pick.randint(-300, 300)]),
        "multiplier": pick.choice([0, 1, 1, 1, (1 << config.multiplier_bits) - 1]),
        "shift": pick.choice([0, 0, 0, 1, (1 << config.shift_bits) - 1]), "leaky": pick.randrange(2),
        "slope": pick.choice([0, 1, 100, -1, steep - 1, -steep, pick.randint(-300, 300)]), "refractory": 3,
    }


def some_state(pick: random.Random, parameter: Fields, config: CoreConfig) -> int:
    half = 1 << config.state_bits - 1
    near = pick.choice([0, 1, -parameter["bias"], parameter["slope"] - parameter["bias"]]) + pick.randint(-1, 1)
    return max(-half, min(half - 1, pick.choice([0, near, near, half - 1, -half, pick.randint(-300, 300)])))


@pytest.mark.parametrize("config", [CONFIG, NARROW], ids=["16 bits", "32 bits"])
def test_no_neuron_is_lost(config: CoreConfig, seed: int) -> None:
    """Against the evaluation of each neuron: values where a lane does not pass, states that stay, and words at once."""
    pick, seen = random.Random(seed), set()
    for _ in range(8000):
        kind, mode, used = pick.choice(TYPES), pick.randrange(4), pick.randint(1, config.lanes)
        model = neuron_model(kind, config)
        parameters = [some_parameter(pick, config) for _ in range(used)]
        states = [some_state(pick, parameters[min(lane, used - 1)], config) if lane < used or pick.random() < 0.1 else 0
                  for lane in range(config.lanes)]
        test = word_test(states, parameters, mode, config, type=kind)
        names = ("bias", "multiplier", "shift", "leaky", "slope") + ("refractory",) * model.second_parameter
        results = [model.evaluate_one(state, {name: parameter[name] for name in names}, mode, config, type=kind,
                                      table=lambda index: 1 + index % 3)
                   for state, parameter in zip(states, parameters, strict=False)]
        values, kept = zip(*results, strict=True)
        lost = [lane for lane, value in enumerate(values) if value and not test.passes[lane]]
        assert not lost, (kind, mode, states, parameters)
        assert not any(test.passes[used:]) and len(test.passes) == config.lanes
        if test.at_once:
            assert test.kept == (*kept, *(0,) * (config.lanes - used))
            assert test.passes[:used] == tuple(bool(value) for value in values) and set(values) <= {0, 1}
        if model.keeps and not test.written:
            assert states == [*kept, *(0,) * (config.lanes - used)]
        seen.add((kind, any(test.passes), test.at_once))
    for kind in TYPES:
        assert (kind, True, False) in seen
        assert ((kind, False, False) in seen) == (model_tests(kind, config) and kind != NeuronType.SPIKING)
    assert {(NeuronType.SPIKING, some, True) for some in (True, False)} <= seen


def model_tests(kind: int, config: CoreConfig) -> bool:
    return bool(neuron_model(kind, config).silence)


def test_examples() -> None:
    """What docs/architecture.md says of each type, one by one."""
    plain = {"bias": 0, "multiplier": 1, "shift": 0, "leaky": 0, "slope": 0}

    def passes(state: int, kind: int = NeuronType.SUM, mode: int = Saturation.RELU, **changed: int) -> bool:
        above, awake = lane_test(state, plain | changed, mode, CONFIG, type=kind)
        return above or awake

    assert [passes(state) for state in (-1, 0, 1)] == [False, False, True]
    assert [passes(state, bias=5) for state in (-5, -4)] == [False, True]
    assert passes(-1, leaky=1, slope=-1) and not passes(-1, leaky=1, slope=1)
    assert passes(-1, mode=Saturation.FULL) and not passes(0, mode=Saturation.SIGNED)
    assert passes(0, mode=Saturation.TABLE) and passes(0, NeuronType.PRODUCT) and passes(0, 8)
    spiking = {"kind": NeuronType.SPIKING, "mode": Reset.SUBTRACT, "slope": 100}
    assert [passes(state, **spiking) for state in (99, 100)] == [False, True]
    assert passes(1, shift=1, **spiking) and not passes(0, shift=1, **spiking) and passes(1, bias=1, **spiking)
    halved = spiking | {"mode": Reset.HALVED}
    assert passes(-16385, **halved) and not passes(-16384, **halved) and not passes(-16385, **spiking)
    word = word_test([150, 99, 0, 0], [plain | {"slope": 100}] * 3, Reset.SUBTRACT, CONFIG, type=NeuronType.SPIKING)
    assert word.passes == (True, False, False, False) and word.at_once and word.kept == (50, 99, 0, 0)
