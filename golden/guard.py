"""Which populations of a memory may be worked on: those whose two words agree about where their states lie.

The ESU takes the place of the states from the geometry word, the evaluation from the population word
(docs/architecture.md). A flipped bit in one of them leads one of the two astray; it is found, as they no longer agree.
"""

from golden.config import CoreConfig
from golden.neuron.evaluation import PopulationMap, second_word
from golden.types import Memory
from golden.words import layouts


def agreeing(memory: Memory, populations: int, config: CoreConfig) -> list[bool]:
    """Per population whether its geometry and its population word give the same states, and any at all."""
    table = layouts(config)
    result = []
    for index in range(populations):
        geometry = table.geometry.unpack(int(memory[2 * index]))
        population = table.population.unpack(int(memory[2 * index + 1]))
        place = PopulationMap.of(population, config, second_word(memory, population, config))
        needed = {"state_base": place.states, "width": population["width"], "height": population["height"],
                  "x_stride": place.x_stride, "depth_words": place.depth_words, "pad": population["pad"]}
        result.append(population["depth"] > 0 and all(geometry[name] == value for name, value in needed.items()))
    return result
