"""A neuron type of its own: its golden model by hand and on arrays, its hardware, and a network of such neurons.

The type is added by two files and this one: nothing else names it.
"""

import dataclasses

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.core import Core
from golden.errors import ConfigError
from golden.host import encode, run_frame
from golden.network import dense, fast
from golden.neuron.types.refractory import Refractory
from golden.program import Edge, Population, Program
from golden.words import EventKind, layouts
from synapress.mapper.image.image import build_image
from tests.tb.test_evaluation import run

CODE = next(iter(Refractory.codes))
TYPES = ("sum", "product", "spiking", "refractory")
CONFIG = dataclasses.replace(PRESETS["grai_vip"], name="refractory", address_bits=13, neuron_types=TYPES)


def spikes(current: list[int], threshold: int, time: int) -> list[int]:
    """The textbook: nothing is integrated for `time` timesteps after a spike, which starts again from 0."""
    potential, wait, fired = 0, 0, []
    for given in current:
        if wait:
            wait -= 1
            fired.append(0)
            continue
        potential += given
        fired.append(int(potential >= threshold))
        if fired[-1]:
            potential, wait = 0, time
    return fired


def test_by_the_textbook(seed: int) -> None:
    rng = np.random.default_rng([seed, 1])
    for time in range(8):
        current = rng.integers(-5, 30, 200).tolist()
        parameter = {"bias": 0, "multiplier": 1, "shift": 0, "leaky": 0, "slope": 40, "refractory": time}
        state, found = 0, []
        for given in current:
            value, state = Refractory.evaluate_one(state + (given << 3), parameter, 0, CONFIG, type=CODE)
            found.append(value)
        assert found == spikes(current, 40, time) and 0 < sum(found) < 200


def test_arrays_equal_literal(seed: int) -> None:
    rng = np.random.default_rng([seed, 2])
    count = 4000
    states = rng.integers(-(1 << 15), 1 << 15, count)
    parameters = {
        "bias": rng.integers(-300, 300, count), "multiplier": rng.integers(0, 9, count),
        "shift": rng.integers(0, 9, count), "leaky": rng.integers(0, 2, count),
        "slope": rng.integers(-(1 << 16), 1 << 16, count) >> rng.integers(0, 16, count),
        "refractory": rng.integers(0, 256, count)}
    values, kept = Refractory.evaluate(states, parameters, 1, CONFIG, type=CODE)
    for i in range(count):
        parameter = {name: int(array[i]) for name, array in parameters.items()}
        assert (values[i], kept[i]) == Refractory.evaluate_one(int(states[i]), parameter, 1, CONFIG, type=CODE)
    assert 0 < values.sum() < count and len(np.unique(kept & 7)) == 8


def test_hardware_equals_golden(simulator: str, seed: int) -> None:
    """Among populations of all other types, with pauses everywhere."""
    run(CONFIG, simulator, seed, scenario="random", populations=150, corners=False, command="rarely", memory="rarely",
        neuron="rarely")


def test_a_network_of_such_neurons(seed: int) -> None:
    """The same spikes from a memory image in the core, literally and on arrays, and from the network models."""
    rng = np.random.default_rng([seed, 3])
    weights = rng.integers(-3, 9, (6, 2, 3, 3))
    program = Program(
        name="refractory", inputs=["in"], outputs=["neurons"],
        populations=[
            Population(name="in", shape=(2, 6, 6)),
            Population(name="neurons", shape=(6, 4, 4), type=CODE, saturation=0,
                       threshold=rng.integers(40, 90, 6), second={"refractory": rng.integers(0, 4, 6)})],
        edges=[Edge(name="edge", source="in", destination="neurons", weights=weights, shift=3)])
    image = build_image(program, CONFIG)
    axons = image.manifest["inputs"][0]["axons"]
    cores = [Core(CONFIG, image.words, edges=image.edges, populations=image.populations, literal=literal)
             for literal in (False, True)]
    before, seen = None, set()
    for _ in range(12):
        frame = rng.integers(0, 3, (2, 6, 6))
        expected = dense.run(program, {"in": frame}, CONFIG, before=before)
        quick = fast.run(program, {"in": frame}, CONFIG) if before is None else None
        before = expected
        for core in cores:
            fields = layouts(CONFIG).event.unpack_array(run_frame(core, encode([(frame, axons)], CONFIG)))
            values = fields["kind"] == EventKind.VALUE
            fired = np.zeros((6, 4, 4), np.int64)
            fired[fields["c"][values], fields["x"][values], fields["y"][values]] = 1
            np.testing.assert_array_equal(fired, expected["neurons"].outputs)
        assert quick is None or np.array_equal(quick["neurons"].outputs, expected["neurons"].outputs)
        seen |= set(np.unique(expected["neurons"].kept & 7).tolist())
    assert seen == {0, 1, 2, 3}


def test_a_core_without_the_type_refuses_it() -> None:
    with pytest.raises(ConfigError, match=r"no neuron type 'rectory'; there are: .*product, refractory, .*, sum"):
        CoreConfig(neuron_types=("sum", "rectory"))
    with pytest.raises(ConfigError, match="must have 'sum'"):
        CoreConfig(neuron_types=("refractory",))
    assert CoreConfig.from_json(CONFIG.to_json()) == CONFIG
