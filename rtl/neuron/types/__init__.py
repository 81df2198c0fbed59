"""The neuron types that the hardware of a configuration has."""

from golden.config import CoreConfig
from rtl.neuron.interface import NeuronUnit
from rtl.rooms import NEURON_TYPES


def neuron_units(config: CoreConfig) -> dict[str, NeuronUnit]:
    """A unit for each type that the configuration names, by name."""
    return {name: NEURON_TYPES.load(name, NeuronUnit)(config) for name in config.neuron_types}
