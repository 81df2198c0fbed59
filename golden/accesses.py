"""How often a core's work reads and writes its memory, by the names of the counters (`golden.ports.accesses`).

What is here follows from the work alone, whenever it is done. Weight and descriptor words are kept from one operation
or event to the next, as long as a unit is busy: their reads are those of `golden.timing.pipeline`.
"""

from collections.abc import Mapping

from golden.config import CoreConfig
from golden.neuron.evaluation import PopulationMap, parameter_words, sweeps
from golden.neuron.types import neuron_model
from golden.timing.microarchitecture import AXON_WORDS


def start_accesses(populations: int, edges: int, others: int = 0) -> dict[str, int]:
    """Those of a start: the scheduler reads each population word, and each edge word, if there is a population.

    Args:
        others: populations whose words it reads once more, as it looks for delays, and which are none.
    """
    return {"evaluation_reads": populations + edges + others if populations else 0}


def operation_accesses(operations: int) -> dict[str, int]:
    """Those of word operations on states; dropped ones have none."""
    return {"state_reads": operations, "write_back_writes": operations}


def evaluation_accesses(
    population: Mapping[str, int], second: Mapping[str, int] | None, fired: int, config: CoreConfig
) -> dict[str, int]:
    """Those of one evaluation, from its command to the axons of its end neuron.

    The scheduler reads the population word, the evaluation the second one if there is one, each parameter word once,
    each state word once, and for each neuron with a value table a word of it, or each word of thresholds once. Neurons
    that are evaluated time by time are read at each time, behind a word of thresholds by the same port. Each state word
    is written once; with `skip_silent` those that stay as they are are not, which are not told here. With update "cim"
    states and thresholds are operands, which other ports move.

    Args:
        population: fields of its population word (`golden.words`).
        second: fields of its second word; None if it has none.
        fired: neurons that fire.
    """
    place = PopulationMap.of(population, config, second)
    axon_words = population["axons"] * place.axon_words
    axon_reads = axon_words * (1 if axon_words <= AXON_WORDS else fired + 1)
    if config.update == "cim":
        return {"evaluation_reads": 1 + population["extended"], "axon_reads": axon_reads}
    depth, positions = population["depth"], population["width"] * population["height"]
    states = place.depth_words * positions
    parameters = parameter_words(population["type"], config) * (min(depth, 1) if population["uniform"] else depth)
    model = neuron_model(population["type"], config)
    thresholds = config.threshold_words * model.falling_threshold
    if sweeps(population["type"], config):  # each time reads all of it, and its threshold, by the same port
        times = config.ttfs_times * (depth > 0)
        parameters, states_read, thresholds = times * parameters, times * (states + 1), 0
    else:
        states_read = states
    return {
        "evaluation_reads": 1 + population["extended"] + parameters + states_read,
        **({} if config.skip_silent else {"evaluation_writes": states}),
        "axon_reads": axon_reads,
        "table_reads": depth * positions if model.looks_up(population["saturation"]) else thresholds,
    }
