"""Energy of the accesses that an event core counted to its own memory."""

from collections.abc import Mapping

from golden.config import CoreConfig
from golden.ports import accesses
from synapress.energy.memory import MemoryModel


def access_energy(counters: Mapping[str, int], config: CoreConfig, model: MemoryModel) -> float:
    """pJ of all counted accesses to the banks of a core; nothing of its logic.

    Args:
        counters: by name (`golden.registers`); accesses that are not among them are none.

    Raises:
        ConfigError: the model has no such memory.
    """
    bank = config.memory_words * config.word_bits / config.banks
    cost = {False: model.read(bank, config.word_bits), True: model.write(bank, config.word_bits)}
    return sum(counters.get(name, 0) * cost[writes] for name, (_, writes) in accesses(config).items())
