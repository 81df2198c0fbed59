"""A small network of integrate-and-fire neurons, and recordings, drawn by a seed."""

import numpy as np

from golden.program import Program
from synapress.mapper.cim.activity import Spikes
from synapress.mapper.network.layer import Branch
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower

SHAPE = (2, 6, 6)


def small(seed: int, amplitude: int = 100, threshold: int = 90) -> Program:
    """A convolution, a pool, and a dense layer of three classes."""
    rng = np.random.default_rng(seed)
    network = Network("small")
    network.input("events", SHAPE)
    weights = rng.integers(-amplitude, amplitude + 1, (4, 2, 3, 3))
    network.lif("conv", [network.branch("events", weights, padding=1)], threshold=threshold)
    network.lif("pool", [Branch(source="conv", kernel=(2, 2), stride=(2, 2))], threshold=1, reset="zero")
    classes = rng.integers(-amplitude, amplitude + 1, (3, 4, 3, 3))
    network.lif("classes", [network.branch("pool", classes)], threshold=threshold)
    network.output("classes")
    return lower(network)


def recordings(seed: int, count: int = 4, timesteps: int = 5, share: float = 0.3) -> Spikes:
    return (np.random.default_rng([seed, 1]).random((count, timesteps, *SHAPE)) < share).astype(np.uint8)
