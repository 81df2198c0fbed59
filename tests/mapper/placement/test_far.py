"""Cores that an axon word does not reach: second axon words, and the same results."""

import numpy as np
import pytest

import synapress
from golden.neuron.evaluation import second_word
from golden.words import layouts
from synapress.mapper import MeshImage
from tests.mapper.placement.test_place import CoreConfig


def network(rng: np.random.Generator) -> synapress.Network:
    net = synapress.Network("far")
    last = net.input("in", (2, 6, 6))
    for number in range(3):
        depth = net.shape(last)[0]
        last = net.conv(f"layer{number}", last, rng.integers(-9, 10, (4, depth, 3, 3)), padding=1, shift=6)
    net.output(last)
    return net


@pytest.mark.parametrize("apart", [7, 8, 30])
def test_far_cores_give_the_same(apart: int, seed: int) -> None:
    rng = np.random.default_rng([seed, apart])
    config = CoreConfig(name="far", address_bits=11)
    net = network(rng)
    compiled = synapress.compile(net, config=config, mesh=(apart + 1, 1),
                                 pins={"layer0": (0, 0), "layer1": (apart, 0), "layer2": (apart // 2, 0)})
    assert isinstance(compiled.image, MeshImage)
    inputs = rng.integers(0, 256, (2, 2, 6, 6))
    golden, fast = (synapress.simulate(compiled, inputs, engine=engine) for engine in ("golden", "fast"))
    for name, array in fast.outputs.items():
        np.testing.assert_array_equal(golden.outputs[name], array)
        assert np.count_nonzero(array)
    far = 0
    for image in compiled.image.images.values():
        words = image.integers()
        for index in range(image.populations):
            population = layouts(config).population.unpack(words[2 * index + 1])
            far += second_word(image.memory(), population, config)["far_axons"]
    assert (far > 0) == (apart > 7)
