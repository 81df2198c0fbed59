"""A cut network on cores as stages of frames in flight: the events of a frame, in order, and what each costs.

The maps are those of a real frame, or of an expected one (`expected_maps`). `golden.timing.frames` runs the stages.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import MappingError
from golden.program import Program
from golden.timing.cycles import Events, evaluation_cycles, firing_order
from golden.timing.frames import HOST, Stage
from golden.timing.microarchitecture import EVENT_MINIMUM
from golden.timing.operations import EdgeOperations
from golden.types import IntArray, Integers
from synapress.mapper.look_up import in_tables
from synapress.mapper.partition.fragments import Descriptor, Fragment, PartitionedProgram
from synapress.mapper.throughput.work import Rates, box, link_operations

Pace = Mapping[tuple[Descriptor, str], float]
"""By link, how many times as long its events take as by their word operations."""


class LinkEvents(NamedTuple):
    """The events of one source fragment for a descriptor, in the order of sending."""

    work: EdgeOperations
    events: Events
    """Channel, counted from the descriptor's first, x and y in the source fragment."""
    sent: IntArray
    """Which of the source's firing neurons they are of."""
    cycles: IntArray
    """Word operations of each, or the beat if that is longer."""


def expected_maps(program: Program, rates: Rates) -> dict[str, Integers]:
    """A frame with as many firing neurons as expected, spread evenly: 1 where one fires."""
    found: dict[str, Integers] = {}
    for population in program.populations:
        rate = rates[population.name]
        each = rate if isinstance(rate, np.ndarray) else np.full(population.shape, rate)
        whole = np.floor(np.cumsum(each.reshape(-1)) + 1e-9)
        found[population.name] = np.diff(whole, prepend=0).astype(np.int16).reshape(population.shape)
    return found


class Frame:
    """The events of one frame in a cut network.

    Args:
        maps: values (D, W, H) of all populations of the uncut program, inputs included; a zero does not fire.
        like: of another cut of the same program by the same `Cutter`, and of the same maps: what links they have in
            common is made once.

    Raises:
        MappingError: synapses are looked up in tables, whose cycles among others are not modeled.
    """

    def __init__(self, cut: PartitionedProgram, maps: Mapping[str, Integers], like: "Frame | None" = None) -> None:
        if names := [item.edge.name for item in cut.descriptors if in_tables(item.edge)]:
            raise MappingError(f"the cycles of synapses in tables among others are not modeled (edge '{names[0]}'); "
                               "store them as kernels: leave organisations out")
        self.cut, self.config = cut, cut.config
        self._links: dict[tuple[Descriptor, str], LinkEvents] = {} if like is None else like._links
        self._firing = {item.name: firing_order(
            maps[item.parent][box(item)], cut.config, host=item.parent in cut.program.inputs)
            for item in cut.fragments}

    def firing(self, name: str) -> Events:
        """The firing neurons of a fragment, in the order of their events."""
        return self._firing[name]

    def events(self, descriptor: Descriptor, source: str) -> LinkEvents:
        """What a fragment sends to a descriptor."""
        if (descriptor, source) not in self._links:
            self._links[descriptor, source] = self._events(descriptor, source)
        return self._links[descriptor, source]

    def _events(self, descriptor: Descriptor, source: str) -> LinkEvents:
        c, x, y = self._firing[source]
        work = link_operations(self.cut, descriptor, source)
        sent = np.flatnonzero(work.sends()[x, y]) if not descriptor.silent else np.zeros(0, np.int64)
        c, x, y = c[sent] + self.cut.by_name[source].origin[0] - descriptor.first, x[sent], y[sent]
        least = 1 if work.single(self.config) else EVENT_MINIMUM
        return LinkEvents(work, (c, x, y), sent, np.maximum(work.positions()[x, y] * work.words[c], least))

    def stages(self, at: Mapping[str, int], pace: Pace | None = None, every: int = 1) -> list[Stage]:
        """The fragments as stages, inputs first, in the order of the cut.

        Args:
            at: the number of each fragment's core.
            pace: see `Pace`; default: by word operations.
            every: so many events of a link become one, with the cycles of all: coarser, and as many times faster.
        """
        members = [*self.cut.inputs, *self.cut.hosted]
        number = {item.name: index for index, item in enumerate(members)}
        return [self._stage(item, at.get(item.name, HOST), number, pace or {}, every) for item in members]

    def _stage(self, item: Fragment, core: int, number: Mapping[str, int], pace: Pace, every: int) -> Stage:
        out, ids = self.cut.out_of[item.name], self.cut.outputs_of.get(item.name, ())
        c, x, y = self._firing[item.name]
        # An evaluation takes a cycle per neuron, and one more for each further axon of one that fires.
        more = max(0, len(out) + len(ids) - 1)
        ready = evaluation_order(item, c, x, y, self.config) + np.arange(len(c)) * more
        length = evaluation_cycles(item, self.config) + len(c) * more
        axons: list[IntArray] = []
        times: list[IntArray] = []
        cycles: list[npt.NDArray[np.float64]] = []
        for axon, descriptor in enumerate(out):
            link = self.events(descriptor, item.name)
            first = np.arange(0, len(link.sent), every)
            times.append(ready[link.sent[first]])
            cycles.append(np.add.reduceat(link.cycles, first) * pace.get((descriptor, item.name), 1.0)
                          if len(first) else np.zeros(0))
            axons.append(np.full(len(first), axon))
        # The host can send in any order: the same share of each axon's events at any time.
        if core == HOST:
            length = sum(map(len, times)) * every
            times = [(2 * np.arange(len(mine)) + 1) * length // max(1, 2 * len(mine)) for mine in times]
        return _merged(core, [number[descriptor.edge.destination] for descriptor in out] + [HOST] * len(ids),
                       axons, times, cycles, length, delays=item.delays)


def _merged(
    core: int, targets: Sequence[int], axons: Sequence[IntArray], times: Sequence[IntArray],
    cycles: Sequence[npt.NDArray[np.float64]], length: int, delays: bool
) -> Stage:
    """A stage whose events go out by time, and those of a neuron axon by axon.

    Values for the host cost nothing, and are left out.
    """
    numbers, ready, costs = (np.concatenate([np.zeros(0, np.int64), *parts]) for parts in (axons, times, cycles))
    order = np.lexsort((numbers, ready))
    return Stage(core=core, length=length, targets=targets, axons=numbers[order].astype(np.int64).tolist(),
                 times=ready[order].astype(np.int64).tolist(), cycles=costs[order].tolist(), delays=delays)


def evaluation_order(item: Fragment, c: IntArray, x: IntArray, y: IntArray, config: CoreConfig) -> IntArray:
    """The number of each neuron in the order of evaluation: channel word, x, y, lane."""
    depth, width, height = item.shape
    first = c // config.lanes * config.lanes
    return np.asarray(first * width * height + (x * height + y) * np.minimum(config.lanes, depth - first) + c - first)
