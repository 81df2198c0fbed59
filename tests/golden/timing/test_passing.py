"""What the cycle model says of an evaluation with `skip_silent`, against what the words of a memory image say."""

import dataclasses

import numpy as np

from golden.config import CoreConfig
from golden.network import fast as network
from golden.neuron.evaluation import PopulationMap, second_word, state_words
from golden.neuron.silent import population_tests
from golden.neuron.states import pack_lanes
from golden.timing.passing import channel_words
from golden.words import layouts
from synapress.engines.layer_cycles import alone
from synapress.mapper import legalize, lower
from tests.helpers.networks import random_input, random_network

CONFIG = dataclasses.replace(CoreConfig(), skip_silent=1)
LOW_64 = (1 << 64) - 1


def test_lanes_that_pass(seed):
    """Of every layer of random networks: the lanes of each word, and whether one parameter is for all."""
    rng, some = np.random.default_rng([seed, 5]), 0
    for _ in range(3):
        net = random_network(rng, layers=4, neurons=True)
        program = legalize(lower(net), CONFIG)
        results = network.run(program, random_input(rng, net, 0.3), CONFIG)
        outputs = {name: result.outputs for name, result in results.items()}
        for population in program.populations:
            if not program.edges_into(population.name):
                continue
            image = alone(program, population.name, outputs, CONFIG).image
            memory = [sum(int(part) << 64 * number for number, part in enumerate(parts)) for parts in image.parts]
            memory += [0] * (CONFIG.memory_words - len(memory))
            packed = memory[1] & LOW_64  # behind the geometry word
            fields = layouts(CONFIG).population.unpack(packed)
            place = PopulationMap.of(fields, CONFIG, second_word(memory, fields, CONFIG))
            states = results[population.name].states
            for address, word, x, y in state_words(place, fields):
                lanes = states[word * CONFIG.lanes:(word + 1) * CONFIG.lanes, x, y].tolist()
                memory[address] = pack_lanes([*lanes, *[0] * (CONFIG.lanes - len(lanes))], CONFIG)
            words, uniform = channel_words(population, states, CONFIG)
            passing = [lanes for word in words for lanes in word.passes]
            assert passing == [sum(test.passes) for test in population_tests(memory, packed, CONFIG)]
            assert uniform == bool(fields["uniform"])
            some += 0 < sum(passing) < states.size
    assert some
