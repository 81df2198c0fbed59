"""What populations need of the neuron types that a core has."""

from collections.abc import Iterator

import numpy as np

from golden.config import CoreConfig
from golden.neuron.types import built_types, neuron_types
from golden.neuron.types.cuba import Cuba
from golden.neuron.types.sigma_delta import SigmaDelta
from golden.program import Program
from golden.words import Saturation
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.program_rules import layer_of


def check_types(program: Program, config: CoreConfig) -> None:
    """That a core of this configuration has the neuron types of a program, however it is cut.

    Raises:
        RuleError: it has not.
        ConfigError: there is no such core.
    """
    violations = list(_built(program, config))
    if violations:
        raise RuleError(violations)


def _built(program: Program, config: CoreConfig) -> Iterator[Violation]:
    """The core has the types of all populations, and its events hold differences of their thresholds."""
    if config.update == "cim":
        yield Violation(
            layer=program.name, rule="update unit", needed="states in memory words",
            available="a core whose states lie in an array (update = cim)",
            help="Build its image by synapress.mapper.cim.image.build_cim_image.")
        return
    there = built_types(config)
    for population in program.populations:
        model = neuron_types().get(population.type)
        if model is not None and population.type not in there and population.name not in program.inputs:
            name = model.__module__.rpartition(".")[2]
            wide = model in (SigmaDelta, Cuba) and config.state_bits < 32
            yield Violation(
                layer=layer_of(population), rule="neuron type", needed=f"neurons of type '{name}'",
                available=f"a core with {', '.join(config.neuron_types)}",
                help=f"Add '{name}' to neuron_types{', with state_bits at 32' if wide else ''}.")
            return  # the others need the same
        most = Saturation.bounds(Saturation.FULL, config.value_bits)[1]
        if model is SigmaDelta and population.threshold is not None and np.max(population.threshold) > most:
            yield Violation(
                layer=layer_of(population), rule="differences", needed=f"threshold {np.max(population.threshold)}",
                available=f"at most {most}, the largest difference that an event holds", help="Lower the threshold.")
