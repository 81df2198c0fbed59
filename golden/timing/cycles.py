"""Cycles of a layer on the event core: its events as word operations, and these through the model of the pipeline.

The cycles of a layer are those in which the ESU or the neuron update of an otherwise idle core is busy when it is given
all events of the layer, edge after edge, without a pause. They are exact: the figures of the hardware's counters. A
large layer is replayed in samples, which is an estimate. The evaluation of its population is counted apart. Where
events come slower, or an evaluation wants the memory in between, a layer takes longer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.program import LookUpEdge, Population, Program
from golden.timing.evaluating import uniform
from golden.timing.look_up import LookUpOperations
from golden.timing.microarchitecture import EVALUATION_FILL, EVENT_FILL, EVENT_MINIMUM
from golden.timing.operations import EdgeOperations, Events, Place
from golden.timing.passing import skipping_cycles
from golden.timing.pipeline import Cycles, OperationStream, replay, require_replay
from golden.types import IntArray, Integers

STRETCHES = 16
"""Samples of an edge that is too large to be replayed."""


@dataclass(frozen=True)
class LayerCycles:
    """What a layer takes of the core's time, in cycles."""

    busy: int
    """ESU or neuron update at work."""
    ideal: int
    """The same without banks, hazards and start-up, where each event takes one per word operation and at least a beat.

    It can be more than `busy`, as short events hide behind long ones before them.
    """
    evaluation: int
    """Evaluation of its population, if neither memory nor the PEG makes it wait; see `evaluation_cycles`."""
    exact: bool
    """`busy` was replayed in whole, not estimated from samples."""
    stall_bank: int
    stall_hazard: int
    stall_weight: int
    weight_reads: int
    descriptor_reads: int
    forwarded: int
    """As the counters of these names, and as `golden.timing.pipeline` says; of the samples only, if not exact. Reads of
    descriptors are those of `places`: without them edges are not told apart."""


def firing_order(values: Integers, config: CoreConfig, *, host: bool) -> Events:
    """Channel, x and y of the firing neurons of one frame (D, W, H), in the order of their events.

    Args:
        host: the events of an input, which the host makes (`golden.host.encode`); else those of an evaluation.
    """
    c, x, y = np.nonzero(values)
    if host:
        return c, x, y
    order = np.lexsort((c % config.lanes, y, x, c // config.lanes))
    return c[order], x[order], y[order]


def layer_cycles(
    program: Program, name: str, outputs: Mapping[str, Integers], config: CoreConfig, *,
    places: Mapping[str, Place] | None = None, limit: int = 500_000, states: Integers | None = None,
) -> LayerCycles:
    """The cycles of one population's incoming events over one timestep [B §4.3].

    Args:
        program: legal edges (`synapress.mapper.legalize`).
        outputs: values (D, W, H) of the sources, of one frame.
        places: where the edges lie, by name, for the banks; see `golden.timing.operations.places`.
        limit: cycles to replay; a layer with more is sampled, at about 0.6 microseconds each.
        states: (D, W, H) of the population before its evaluation; see `evaluation_cycles`.

    Edges whose synapses are looked up count as if they came one after the other, and nothing waited.

    Raises:
        NetworkError: the population is an input: it has no cycles.
        ConfigError: the core's update unit is not replayed; so of the others here.
    """
    require_replay(config)
    edges, population = program.edges_into(name), program.population(name)
    if not edges:
        raise NetworkError(f"population '{name}' has no incoming edge, so it takes no cycles")
    parts, total, looked_up = [], 0, 0
    for edge in edges:
        source = program.population(edge.source)
        if isinstance(edge, LookUpEdge):
            found = LookUpOperations.of(edge, source, population, config)
            looked_up += int(found.cycles[np.asarray(outputs[edge.source]) != 0].sum())
            continue
        work = EdgeOperations.of(edge, source, population, config)
        c, x, y = firing_order(outputs[edge.source], config, host=edge.source in program.inputs)
        sent = work.sends()[x, y]
        c, x, y = c[sent], x[sent], y[sent]
        ideal = np.maximum(work.positions()[x, y] * work.words[c], 1 if work.single(config) else EVENT_MINIMUM)
        parts.append((work, (places or {}).get(edge.name, Place()), (c, x, y), ideal))
        total += int(ideal.sum())
    evaluation = evaluation_cycles(population, config, states)
    if not parts:
        return LayerCycles(looked_up, looked_up, evaluation, False, **_counters([]))
    if total <= limit:
        stream = OperationStream.join([work.work(events, place, config) for work, place, events, _ in parts])
        cycles = replay(stream, config.banks, config.forward_states)
        return LayerCycles(cycles.busy + looked_up, total + looked_up, evaluation, not looked_up, **_counters([cycles]))
    busy, samples = 0.0, []
    for work, place, events, ideal in parts:
        if len(ideal):
            part, runs = _sample(work, place, events, ideal, limit // len(parts), config)
            busy += part
            samples += runs
    return LayerCycles(round(busy) + EVENT_FILL + looked_up, total + looked_up, evaluation, False, **_counters(samples))


def events_cycles(
    work: EdgeOperations, place: Place, events: Events, config: CoreConfig, *, limit: int = 500_000
) -> tuple[float, bool]:
    """The cycles that events of one edge keep ESU and neuron update busy, among others of their kind: without start-up.

    Args:
        events: of neurons that send; none is no work.
        limit: cycles to replay; more are sampled.

    Returns:
        Cycles, and whether they were replayed in whole.
    """
    require_replay(config)
    c, x, y = events
    if not len(c):
        return 0.0, True
    ideal = np.maximum(work.positions()[x, y] * work.words[c], 1 if work.single(config) else EVENT_MINIMUM)
    if int(ideal.sum()) <= limit:
        run = replay(work.work(events, place, config), config.banks, config.forward_states)
        return float(run.busy - EVENT_FILL), True
    return float(_sample(work, place, events, ideal, limit, config)[0]), False


def _counters(runs: list[Cycles]) -> dict[str, int]:
    """The sums of what runs say besides their busy cycles."""
    names = [field.name for field in fields(Cycles) if field.name != "busy"]
    return {name: sum(getattr(run, name) for run in runs) for name in names}


def _sample(
    work: EdgeOperations, place: Place, events: Events, ideal: IntArray, limit: int, config: CoreConfig
) -> tuple[float, list[Cycles]]:
    """Cycles of an edge, estimated from stretches of events at even distances: what they take beyond the ideal."""
    ends, (c, x, y) = np.cumsum(ideal), events
    taken, budget, runs, whole = 0, limit // STRETCHES, [], int(ends[-1])
    busy = 0
    for number in range(STRETCHES):
        start = whole * number // STRETCHES
        first, last = (int(i) for i in np.searchsorted(ends, (start, start + min(budget, whole // STRETCHES)), "right"))
        last = max(last, first + 1)
        run = replay(work.work((c[first:last], x[first:last], y[first:last]), place, config), config.banks,
                     config.forward_states)
        runs.append(run)
        busy += run.busy - EVENT_FILL
        taken += int(ideal[first:last].sum())
    return busy / taken * whole, runs


def evaluation_cycles(population: Population, config: CoreConfig, states: Integers | None = None) -> int:
    """Cycles of an evaluation that no other block holds up, from its command to its end neuron.

    One per neuron; but a channel word of few neurons waits for the memory, which reads and clears each state word and
    reads each parameter word. The PEG takes one cycle per axon of a firing neuron. With `skip_silent` the states tell
    which neurons are evaluated, and the cycles are replayed.

    Args:
        states: (D, W, H) before the evaluation, of use with `skip_silent` only; default: no neuron is skipped.
    """
    require_replay(config)
    if config.skip_silent and states is not None:
        return skipping_cycles(population, states, config)
    depth, width, height = population.shape
    one, cycles = uniform(population), EVALUATION_FILL
    for first in range(0, depth, config.lanes):
        neurons = min(config.lanes, depth - first)
        cycles += max(width * height * neurons, 2 * width * height + (1 if one else neurons))
    return cycles
