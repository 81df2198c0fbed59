"""A mapped network as stages of `golden.timing.mesh_frames`: what each fragment and the host send, and when.

Beside the stages of the mapper's searches (`synapress.mapper.throughput.stages`), these have the values for the host,
the host's own order, and the fill of an evaluation, in the cycles of the hardware.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.timing.cycles import evaluation_cycles
from golden.timing.frames import HOST, Stage
from golden.timing.microarchitecture import AXON_LATENCY, EVALUATION_FILL, LOOKUP_WORDS, PEG_LATENCY
from golden.types import IntArray
from synapress.mapper.partition.fragments import Fragment
from synapress.mapper.throughput.stages import Frame, Pace

APART = 1 << 40
"""Between the places of two inputs that the host sends one after the other."""


def mesh_stages(frame: Frame, at: Mapping[str, int], pace: Pace, *, spread: bool = False, every: int = 1
                ) -> list[Stage]:
    """The fragments as stages, inputs first, in the order of the cut.

    Args:
        at: the number of each fragment's core.
        pace: by link, how many times as long its events take as by their word operations.
        spread: see `golden.host.encode`.
        every: so many events of a link become one, with the cycles of all.
    """
    cut = frame.cut
    members = [*cut.inputs, *cut.hosted]
    number = {item.name: index for index, item in enumerate(members)}
    found = []
    for index, item in enumerate(members):
        axons, costs, sent = _links(frame, item, pace, every)
        targets = [number[descriptor.edge.destination] for descriptor in cut.out_of[item.name]]
        if index < len(cut.inputs):
            order, times = _host_order(axons, spread, index)
            length = 1.0 if spread else APART * (index + 1)
            found.append(_stage(HOST, targets, axons[order], times, costs[order], length, delays=False))
            continue
        targets += [HOST] * len(cut.outputs_of.get(item.name, ()))
        ready, length = _evaluation(frame, item, len(targets))
        order = np.lexsort((axons, ready[sent]))
        found.append(_stage(at[item.name], targets, axons[order], ready[sent][order], costs[order], length,
                            delays=item.delays))
    return found


def _links(frame: Frame, item: Fragment, pace: Pace, every: int
           ) -> tuple[IntArray, npt.NDArray[np.float64], IntArray]:
    """Of all events of a fragment, axon by axon: axon, cycles, and which of the firing neurons sends it."""
    cut, axons, costs, sent = frame.cut, [], [], []
    for descriptor in cut.out_of[item.name]:
        link = frame.events(descriptor, item.name)
        first = np.arange(0, len(link.sent), every)
        costs.append(np.add.reduceat(link.cycles, first) * pace.get((descriptor, item.name), 1.0)
                     if len(first) else np.zeros(0))
        sent.append(link.sent[first])
    for _ in cut.outputs_of.get(item.name, ()):
        fired = np.arange(0, len(frame.firing(item.name)[0]), every)
        costs.append(np.zeros(len(fired)))
        sent.append(fired)
    axons = [np.full(len(mine), number) for number, mine in enumerate(sent)]
    return (np.concatenate([np.zeros(0, np.int64), *axons]).astype(np.int64),
            np.concatenate([np.zeros(0), *costs]), np.concatenate([np.zeros(0, np.int64), *sent]).astype(np.int64))


def _host_order(axons: IntArray, spread: bool, number: int) -> tuple[IntArray, npt.NDArray[np.float64]]:
    """The host's events of an input in the order of sending, and by which of them inputs take turns."""
    if not spread:
        return np.arange(len(axons)), np.arange(len(axons), dtype=np.float64) + APART * number
    share = np.zeros(len(axons))
    for axon in np.unique(axons):
        mine = axons == axon
        share[mine] = (np.arange(mine.sum()) + 0.5) / mine.sum()
    order = np.argsort(share, kind="stable")
    return order, np.arange(len(axons), dtype=np.float64) / max(1, len(axons))


def _evaluation(frame: Frame, item: Fragment, axons: int) -> tuple[npt.NDArray[np.float64], float]:
    """Cycle of each firing neuron's first event, and of the end, from the command on."""
    (c, x, y), lanes = frame.firing(item.name), frame.config.lanes
    depth, width, height = item.shape
    first = c // lanes * lanes
    neurons = np.minimum(lanes, depth - first)
    before = EVALUATION_FILL - 1 + PEG_LATENCY
    # A state word takes a cycle per neuron, and at least two, in which it is read and cleared.
    order = first * width * height + (x * height + y) * np.maximum(neurons, 2) + c - first
    length = before + 1 + evaluation_cycles(item, frame.config) - EVALUATION_FILL
    sent = _sent((before + order).tolist(), axons)
    return np.array(sent), max(length, sent[-1] + axons if sent else length + AXON_LATENCY - 1)


def _sent(ready: list[int], axons: int) -> list[float]:
    """When the PEG takes each neuron, with a cycle for each axon; so many wait that LOOKUP_WORDS are on their way."""
    found: list[float] = []
    late = 0.0
    for number, time in enumerate(ready):
        if number >= LOOKUP_WORDS:
            late = max(late, found[number - LOOKUP_WORDS] - time)
        found.append(max(time + late, found[-1] + axons) if found else time + AXON_LATENCY - 1.0)
    return found


def _stage(core: int, targets: list[int], axons: IntArray, times: npt.NDArray[np.float64],
           costs: npt.NDArray[np.float64], length: float, *, delays: bool) -> Stage:
    return Stage(core=core, targets=targets, axons=axons.tolist(), times=times.tolist(), cycles=costs.tolist(),
                 length=length, delays=delays)
