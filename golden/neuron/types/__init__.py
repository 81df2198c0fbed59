"""All neuron types, by the code that a population word holds; a file of this folder is one."""

from functools import cache

from golden.config import CoreConfig
from golden.neuron.interface import NeuronModel
from golden.rooms import NEURON_TYPES
from golden.words import NeuronType


@cache
def neuron_types() -> dict[int, type[NeuronModel]]:
    """Every type that there is, by its codes."""
    found: dict[int, type[NeuronModel]] = {}
    for name in NEURON_TYPES.names():
        model = NEURON_TYPES.load(name, NeuronModel)
        assert not set(found) & set(model.codes), f"neuron type '{name}' has codes of another one"
        found |= dict.fromkeys(model.codes, model)
    return found


@cache
def built_types(config: CoreConfig) -> dict[int, type[NeuronModel]]:
    """Those that a core of this configuration has, by their codes.

    Raises:
        ConfigError: it can not have one of them.
    """
    models = [NEURON_TYPES.load(name, NeuronModel) for name in config.neuron_types]
    for model in models:
        model.check(config)
    return {code: model for model in models for code in model.codes}


def neuron_model(code: int, config: CoreConfig | None = None) -> type[NeuronModel]:
    """The type of a code.

    Without a configuration, of all that there are. A core evaluates a code that it does not have like SUM.
    """
    models = neuron_types() if config is None else built_types(config)
    return models.get(code, neuron_types()[NeuronType.SUM])
