"""Delivery in the next timestep: golden core, mesh and whole-network models against a recurrence without relays."""

import numpy as np
import pytest

from golden.core import Core
from golden.host import decode, encode, run_frame
from golden.network import dense, fast
from synapress.mapper import compile_network
from tests.helpers.recurrent import CONFIG, output_of, random_frames, random_recurrent


def run_random(rng: np.random.Generator, timesteps: int, *, literal: bool = False) -> int:
    """Random groups through core and models; returns how many populations they have."""
    made = random_recurrent(rng)
    program, image = compile_network(made.network, CONFIG)
    frames = random_frames(rng, made.network, timesteps)
    wanted = made.reference(frames)
    core = Core(CONFIG, image.parts, edges=image.edges, populations=image.populations, literal=literal)
    table = {entry["name"]: entry for entry in image.manifest["outputs"]}
    before, slow = None, None
    for t in range(timesteps):
        frame = {name: array[t] for name, array in frames.items()}
        before = fast.run(program, frame, CONFIG, before=before)
        slow = dense.run(program, frame, CONFIG, before=slow) if t < 5 else None
        events = run_frame(core, encode([(before[entry["name"]].outputs, entry["axons"])
                                         for entry in image.manifest["inputs"]], CONFIG))
        for group in made.groups:
            name = output_of(group)
            where = f"{made.network.name}, timestep {t}, {name}"
            np.testing.assert_array_equal(before[name].outputs, wanted[group.name][t], where)
            np.testing.assert_array_equal(decode(events, table[name]["id"], group.shape, CONFIG),
                                          wanted[group.name][t], where)
        for name, result in (slow or {}).items():
            np.testing.assert_array_equal(before[name].states, result.states)
    assert not core.counters["protocol_error"] and core.counters["neurons_fired"]
    return sum(not population.delays for population in program.populations) - len(made.network.inputs)


@pytest.mark.parametrize("networks", [3, pytest.param(140, marks=pytest.mark.long)])
def test_recurrent_populations_equal_a_plain_recurrence(networks: int, seed: int) -> None:
    """Of all neuron types that spike or sum, 50 timesteps each; in the long sweep more than 500 populations."""
    rng = np.random.default_rng([seed, networks])
    count = sum(run_random(rng, 50) for _ in range(networks))
    assert count > (500 if networks > 99 else 8)


def test_event_by_event(seed: int) -> None:
    """The same in the literal core."""
    run_random(np.random.default_rng([seed, 3]), 6, literal=True)
