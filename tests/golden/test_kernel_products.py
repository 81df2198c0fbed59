"""Events of an edge by products of matrices: the same as event by event."""

import dataclasses

import numpy as np
import pytest

from golden import kernel_products
from golden.config import CoreConfig
from golden.core import Core
from golden.host import encode, run_frame
from golden.synapse.esu import expand_events
from synapress.mapper import Network, compile_network
from tests.helpers.networks import random_input, random_network

SMALL = CoreConfig.preset("fpga_small")


def run(network: Network, frames: list[dict[str, np.ndarray]], config: CoreConfig, literal: bool) -> Core:
    _, image = compile_network(network, config)
    core = Core(config, image.parts, edges=image.edges, populations=image.populations, literal=literal)
    for frame in frames:
        run_frame(core, encode([(frame[entry["name"]], entry["axons"]) for entry in image.manifest["inputs"]], config))
    return core


@pytest.mark.parametrize("config", [SMALL, CoreConfig(name="wide", lanes=8, address_bits=14, guard_states=1)])
def test_equal_to_single_operations(config: CoreConfig, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Networks of all kinds of layers, every event by products where the edge allows it, against the literal core."""
    taken, whole = 0, kernel_products.integrate

    def counted(config, memory, edges, populations, events, good, counters, done):
        nonlocal taken
        rest = whole(config, memory, edges, populations, events, good, counters, done)
        taken += len(events["v"]) - len(rest["v"])
        return rest

    monkeypatch.setattr(kernel_products, "FEWEST", 1)
    monkeypatch.setattr(kernel_products, "OPERATION", 1e9)
    monkeypatch.setattr(kernel_products, "integrate", counted)
    for number in range(3):
        rng = np.random.default_rng([seed, 71, number])
        network = random_network(rng, neurons=True)
        frames = [random_input(rng, network) for _ in range(2)]
        fast, literal = (run(network, frames, config, literal) for literal in (False, True))
        np.testing.assert_array_equal(fast.memory, literal.memory)
        assert fast.trace == literal.trace and fast.counters == literal.counters
        np.testing.assert_array_equal(fast.operations, literal.operations)
        assert fast.operations.sum(axis=0).tolist() == [fast.counters[name] for name in ("word_ops", "synapses")]
    assert taken > 400


def test_large_sums_wrap(seed: int) -> None:
    """Sums beyond what 32-bit numbers hold exactly, and beyond a state: as plain products say."""
    rng = np.random.default_rng([seed, 72])
    config = dataclasses.replace(SMALL, address_bits=15, channel_bits=10)
    network = Network("large")
    network.input("in", (600, 2, 3))
    weights = rng.choice([-128, 127, 126], (9, 600, 1, 1))
    network.output(network.conv("sums", "in", weights, product_shift=2))
    values = rng.integers(200, 256, (600, 2, 3))
    assert kernel_products.FEWEST <= values.size
    core = run(network, [{"in": values}], config, False)
    found = np.array([[state >> (16 * lane) & 0xFFFF for lane in range(4)] for _, state in core.trace])
    found = found.reshape(3, 2, 3, 4).transpose(0, 3, 1, 2).reshape(12, 2, 3)[:9]
    expected = np.einsum("oi,ixy->oxy", weights[:, :, 0, 0], values) << 2
    assert np.abs(expected).max() > 1 << 24
    np.testing.assert_array_equal(found, expected & 0xFFFF)


def test_unknown_events_are_left_alone() -> None:
    """Events of channels or IDs that are not there are dropped and counted one by one."""
    network = Network("few")
    network.input("in", (1, 30, 30))
    network.output(network.conv("sums", "in", np.ones((1, 1, 3, 3), int)))
    _, image = compile_network(network, SMALL)
    memory = np.zeros((SMALL.memory_words, 1), np.uint64)
    memory[:len(image.parts), 0] = image.parts.reshape(-1)
    done = np.zeros((image.edges, 2), np.int64)
    many = {name: np.zeros(100, np.int64) for name in ("id", "x", "y", "c", "v")}
    for changed in ({"id": many["id"] + 9}, {"c": many["c"] + 3}):
        counters = {"word_ops": 0, "synapses": 0}
        events = many | changed
        left = kernel_products.integrate(SMALL, memory, image.edges, image.populations, events, None, counters, done)
        assert left is events and counters == {"word_ops": 0, "synapses": 0}
    counters = {"word_ops": 0, "synapses": 0}
    left = kernel_products.integrate(SMALL, memory, image.edges, image.populations, many, None, counters, done)
    assert not len(left["v"]) and done.tolist() == [list(counters.values())]
    assert counters["word_ops"] == len(expand_events(SMALL, memory[:, 0], image.edges, image.populations, many)) > 0
