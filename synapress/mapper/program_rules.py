"""What a program must keep to make sense at all, before any plan of it: one small named function per rule."""

from collections.abc import Callable, Iterator

import numpy as np

from golden.neuron.types import neuron_model
from golden.program import Population, Program
from golden.words import Reset
from synapress.mapper.errors import RuleError, Violation

ProgramRule = Callable[[Program], Iterator[Violation]]


def layer_of(population: Population) -> str:
    """The layer that a message names."""
    return population.layer or population.name


def connections(program: Program) -> Iterator[Violation]:
    """Every computed population has sources, no input has any, and every edge and output name is unique."""
    for population in program.populations:
        incoming = program.edges_into(population.name)
        if population.name in program.inputs and incoming:
            yield Violation(
                layer=layer_of(population), rule="connections", needed=f"{len(incoming)} edges into an input",
                available="none: the host makes an input's events", help="Make it a layer with an identity kernel.")
        if population.name not in program.inputs and not incoming:
            yield Violation(
                layer=layer_of(population), rule="connections", needed="a source", available="no incoming edge",
                help="A population evaluates when its sources end a timestep; connect one, or make it an input.")
        if incoming and not population.delays and all(program.population(edge.source).delays for edge in incoming):
            yield Violation(
                layer=layer_of(population), rule="connections", needed="a source of the timestep",
                available="delays alone, with which it would run ahead",
                help="Connect an input as well, with weights of 0 if need be.")
    for kind, names in (("edge", [edge.name for edge in program.edges]), ("output", program.outputs)):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Violation(layer=name, rule="connections", needed=f"two {kind}s named '{name}'",
                            available=f"one {kind} per name", help="Rename one.")
    for name in program.outputs:
        if name in program.inputs:
            yield Violation(
                layer=name, rule="connections", needed="an input as an output", available="computed outputs",
                help="The host knows its input already.")
        elif program.population(name).delays:
            yield Violation(
                layer=name, rule="connections", needed="a delay as an output", available="outputs of the timestep",
                help="Make its source an output, or sum it in a layer in between.")


def shapes(program: Program) -> Iterator[Violation]:
    """Weights fit the depths of source and destination, parameters the depth of their population."""
    for edge in program.edges:
        source, destination = program.population(edge.source), program.population(edge.destination)
        depth, groups = source.shape[0], max(1, edge.groups)
        shared = edge.weights.shape[:2] == (1, 1) and groups == depth == destination.shape[0]
        fits = depth % groups == 0 and edge.weights.shape[:2] == (destination.shape[0], depth // groups)
        if edge.weights.size == 0 or (not shared and not (fits and destination.shape[0] % groups == 0)):
            yield Violation(
                layer=layer_of(destination), rule="shapes", needed=f"weights {edge.weights.shape} in {groups} groups",
                available=f"{depth} source and {destination.shape[0]} destination channels (edge '{edge.name}')",
                help="Weights are (D_dst, D_src / groups, KW, KH).")
    for population in program.populations:
        for name in ("bias", "multiplier", "shift", "slope", "threshold", "initial"):
            column = getattr(population, name)
            if column is not None and np.size(column) not in (1, population.shape[0]):
                yield Violation(
                    layer=layer_of(population), rule="shapes", needed=f"{np.size(column)} entries of {name}",
                    available=f"1 or {population.shape[0]}", help="Parameters are per channel, or one for all.")


def neurons(program: Program) -> Iterator[Violation]:
    """A population has what its type and saturation need, and nothing that they do not look at."""
    for population in program.populations:
        model = neuron_model(population.type)
        for name, needed in (("threshold", model.thresholds), ("table", population.needs_table)):
            given = getattr(population, name) is not None
            if needed != given and population.name not in program.inputs:
                yield Violation(
                    layer=layer_of(population), rule=f"neuron {name}", needed=f"a {name}" if needed else f"no {name}",
                    available=f"a {name}" if given else "none",
                    help="Populations that fire at a threshold have one, others with saturation TABLE a table.")
        if population.initial is not None and not model.keeps:
            yield Violation(layer=layer_of(population), rule="neuron initial", needed="no initial states",
                            available="some", help="Only spiking populations keep states.")
        if model.thresholds and (population.slope is not None or population.saturation not in model.modes):
            resets = model.modes[-1] in (Reset.ZERO, Reset.HALVED + Reset.ZERO)
            yield Violation(
                layer=layer_of(population), rule="neuron reset" if resets else "neuron saturation",
                needed=f"no slope, and {'a Reset in place of a saturation' if resets else 'no table'}",
                available=f"saturation {population.saturation}, slope {population.slope}",
                help="A threshold takes the slope's place in the parameter word.")


PROGRAM_RULES: tuple[ProgramRule, ...] = (connections, shapes, neurons)
"""Rules without which a plan makes no sense: checked first."""


def check_program(program: Program) -> None:
    """The rules of `check` that need no plan."""
    program.topological_order()
    violations = [violation for rule in PROGRAM_RULES for violation in rule(program)]
    if violations:
        raise RuleError(violations)
