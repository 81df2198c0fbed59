"""Cores that an axon word does not reach: second axon words, and the same results."""

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.neuron.evaluation import second_word
from golden.words import layouts
from synapress.mapper import compile_mesh
from tests.helpers.cuts import compare, cut_network
from tests.helpers.networks import random_input


@pytest.mark.parametrize("apart", [7, 8, 30])
def test_far_cores_give_the_same(apart: int, seed: int) -> None:
    rng = np.random.default_rng([seed, apart])
    config, network = CoreConfig(name="far", address_bits=12), cut_network(rng)
    layers = [layer for layer in network.layers if layer not in network.inputs][:2]
    pins = {layers[0]: (0, 0), layers[1]: (apart, 0)}
    result, placed, image = compile_mesh(network, config, (apart + 1, 2), pins=pins, host=(apart // 2, -1))
    assert placed.places[layers[1]] == (apart, 0)
    mesh, fired = compare(result.program, image, [random_input(rng, network) for _ in range(3)], rng)
    assert fired and mesh.traffic
    far = 0
    for core in image.images.values():
        words = core.memory()
        for index in range(core.populations):
            population = layouts(config).population.unpack(words[2 * index + 1])
            far += second_word(words, population, config)["far_axons"]
    assert (far > 0) == (apart > 7)
