"""The neuron types that the hardware of a configuration has."""

from golden.config import CoreConfig
from golden.neuron.types import built_types
from rtl.neuron.interface import NeuronUnit
from rtl.rooms import NEURON_TYPES


def reads_thresholds(config: CoreConfig) -> bool:
    """Whether a type of a configuration reads thresholds in front of an evaluation."""
    return any(model.falling_threshold for model in built_types(config).values())


def neuron_units(config: CoreConfig) -> dict[str, NeuronUnit]:
    """A unit for each type that the configuration names, by name.

    Raises:
        ConfigError: the configuration can not have one of them.
    """
    kinds = {name: NEURON_TYPES.load(name, NeuronUnit) for name in config.neuron_types}
    for kind in kinds.values():
        kind.model.check(config)
    return {name: kind(config) for name, kind in kinds.items()}
