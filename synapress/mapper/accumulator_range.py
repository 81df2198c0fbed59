"""Do the states of a program hold its sums? Worst case, proved by the weights, and what was measured.

The bias needs no room in the states: it is not accumulated, but added as the population is evaluated, in an adder of
state_bits + 2 bits (`rtl.neuron.requantize`: `biased` and, with the threshold, `rest`; `golden.neuron.requantize`).
State and bias have state_bits bits each, so their sum has one more, a product a · b + bias two more; less a threshold
of state_bits + 1 bits it has two more. So nothing wraps there, and the proof is about what the edges add alone. It
takes each source at the ends of its range, also an input: frames beyond an input's range are refused
(`golden.network.inputs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.neuron.products import product
from golden.neuron.types import neuron_model
from golden.neuron.types.product import Product
from golden.neuron.types.sigma_delta import SigmaDelta
from golden.program import Edge, Population, Program
from golden.types import IntArray
from golden.words import NeuronType


@dataclass(frozen=True, kw_only=True)
class AccumulatorRange:
    """Whether the states of a population hold its sums; a sum that does not fit wraps, in golden model and hardware."""

    layer: str
    population: str
    worst: tuple[int, int]
    """Lowest and highest sum that any input could cause, products included one by one, and what was kept before."""
    measured: tuple[int, int] | None
    """Lowest and highest sum seen, where measured."""
    available: tuple[int, int]
    verdict: str
    """'proved' (the worst case fits), 'measured' (what was seen fits), 'unproved', or 'wraps' (was seen to wrap)."""

    @property
    def bits(self) -> int:
        """Bits of a state that would hold the worst case."""
        return 1 + max((number if number >= 0 else ~number).bit_length() for number in self.worst)

    def to_json(self) -> dict[str, Any]:
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    def __str__(self) -> str:
        seen = f", measured [{self.measured[0]}, {self.measured[1]}]" if self.measured else ""
        return (f"layer '{self.layer}', rule 'sums': {self.verdict}: worst case [{self.worst[0]}, {self.worst[1]}]"
                f"{seen}; available: [{self.available[0]}, {self.available[1]}]")


def sums(
    program: Program, config: CoreConfig, *, measured: Mapping[str, tuple[int, int]] | None = None,
    values: Mapping[str, tuple[int, int]] | None = None,
) -> list[AccumulatorRange]:
    """Compare the sums of every population with its states' range.

    Args:
        measured: population → lowest and highest state seen without wrap (`golden.network.dense.state_ranges`).
        values: population → lowest and highest output value, where known to be tighter than its saturation.

    For a product, whose operands were checked by lowering, the wider operand is reported. Of neurons that remember,
    `worst` is the worst case of one timestep on top of all that they may keep: sums of those that keep any state can
    only be measured, of SPIKING ones with `golden.words.Reset.HALVED` perhaps be proved.
    """
    reports = []
    for population in program.populations:
        if population.name in program.inputs:
            continue
        if neuron_model(population.type) is Product:
            reports.append(_operands(program, population, config))
            continue
        model = neuron_model(population.type, config)
        half = 1 << (model.sum_bits(config) - 1)
        worst = _worst_case(program, population, config, values or {})
        if model.keeps and model is not SigmaDelta:
            kept = model.kept_range(population.saturation, config)
            first = model.sums(0 if population.initial is None else population.initial, config)
            worst = worst[0] + min(kept[0], int(np.min(first))), worst[1] + max(kept[1], int(np.max(first)))
        seen = (measured or {}).get(population.name)
        if -half <= worst[0] and worst[1] < half:
            verdict = "proved"
        elif seen is None:
            verdict = "unproved"
        else:
            verdict = "measured" if -half <= seen[0] and seen[1] < half else "wraps"
        reports.append(AccumulatorRange(
            layer=population.layer or population.name, population=population.name, worst=worst, measured=seen,
            available=(-half, half - 1), verdict=verdict))
    return reports


def _operands(program: Program, population: Population, config: CoreConfig) -> AccumulatorRange:
    bounds = [program.population(edge.source).bounds(config.value_bits) for edge in program.edges_into(population.name)]
    worst = min(low for low, _ in bounds), max(high for _, high in bounds)
    return AccumulatorRange(
        layer=population.layer or population.name, population=population.name, worst=worst, measured=None,
        available=(-(1 << (config.operand_bits - 1)), (1 << config.operand_bits) - 1), verdict="proved")


def _repeated(program: Program, population: Population) -> Population:
    """The population whose values a delay repeats, if it does; else itself. A loop of delays has none."""
    for _ in program.populations:
        incoming = program.edges_into(population.name) if population.delays else []
        if len(incoming) != 1 or incoming[0].weights.size != 1 or not (
                incoming[0].weights.item() == population.multiplier.item(0) == 1):
            break
        population = program.population(incoming[0].source)
    return population


def _products(edge: Edge, value: int, config: CoreConfig) -> IntArray:
    """Products of an edge's weights with an end of a range of values; logarithmic ones grow up to the first spike."""
    if edge.logarithmic:
        return product(config).of(edge.weights, min(value, config.ttfs_times), edge.product_shift(config), config)
    return (edge.weights.astype(np.int64) << edge.shift) * value


def _worst_case(
    program: Program, population: Population, config: CoreConfig, values: Mapping[str, tuple[int, int]]
) -> tuple[int, int]:
    parts = []
    for edge in program.edges_into(population.name):
        source = _repeated(program, program.population(edge.source))
        # Differences add up to a value that was sent.
        bounds = source.given if neuron_model(source.type) is SigmaDelta else source.bounds
        low, high = values.get(source.name, bounds(config.value_bits))
        ends = np.sort(np.stack([_products(edge, min(low, 0), config), _products(edge, max(high, 0), config)]), axis=0)
        if population.type == NeuronType.MAX:  # each product must fit alone: one that wraps is compared wrongly
            parts.append(np.array([[ends[0].min()], [ends[1].max()]]))
        else:
            parts.append(np.broadcast_to(ends.sum(axis=(2, 3, 4)), (2, population.shape[0])))
    if population.type == NeuronType.MAX:
        return min(int(part[0, 0]) for part in parts), max(int(part[1, 0]) for part in parts)
    total = np.sum(parts, axis=0)
    return int(total[0].min()), int(total[1].max())
