"""A mapped network as stages of `golden.timing.mesh_frames`: what each fragment and the host send, and when.

Beside the stages of the mapper's searches (`synapress.mapper.throughput.stages`), these have the values for the host,
the host's own order, the event IDs, and all of an evaluation, in the cycles of the hardware.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.timing.evaluating import firing
from golden.timing.frames import HOST
from golden.timing.mesh_stage import Evaluated, MeshStage
from golden.types import IntArray
from synapress.mapper.partition.fragments import Descriptor, Fragment
from synapress.mapper.throughput.stages import Frame, Pace, evaluation_order
from synapress.mapper.throughput.work import anchored

APART = 1 << 40
"""Between the places of two inputs that the host sends one after the other."""


def mesh_stages(frame: Frame, at: Mapping[str, int], pace: Pace, *, spread: bool = False) -> list[MeshStage]:
    """The fragments as stages, inputs first, in the order of the cut.

    Args:
        at: the number of each fragment's core.
        pace: by link, how many times as long its events take as by their word operations.
        spread: see `golden.host.encode`.
    """
    cut = frame.cut
    members = [*cut.inputs, *cut.hosted]
    number = {item.name: index for index, item in enumerate(members)}
    ids = {descriptor: index for index, descriptor in enumerate(cut.descriptors)}
    found = []
    for index, item in enumerate(members):
        axons, costs, sent = _links(frame, item, pace)
        out, outputs = cut.out_of[item.name], cut.outputs_of.get(item.name, ())
        if index < len(cut.inputs):
            order, turns = _host_order(axons, spread, index)
            turns = np.append(turns, 1.0 if spread else APART * (index + 1))
            evaluated = None
        else:
            order, turns = np.lexsort((axons, sent)), np.zeros(0)
            evaluated = _evaluated(frame, item, sent[order], len(out) + len(outputs))
        found.append(MeshStage(
            core=at.get(item.name, HOST), evaluated=evaluated, turns=turns.tolist(), delays=item.delays,
            targets=[*(number[descriptor.edge.destination] for descriptor in out), *(HOST for _ in outputs)],
            edges=[*(ids[descriptor] for descriptor in out), *(output.id for output in outputs)],
            tables=[*(frame.events(descriptor, item.name).work.table for descriptor in out), *(False for _ in outputs)],
            axons=axons[order].tolist(), cycles=costs[order].tolist()))
    return found


def _evaluated(frame: Frame, item: Fragment, sent: IntArray, axons: int) -> Evaluated:
    """The evaluation of a fragment; `sent`: by event, which firing neuron sends it. Of the others none is kept."""
    order = evaluation_order(item, *frame.firing(item.name), frame.config)
    plan = firing(item, order, axons, frame.config)
    kept, begins = np.unique(sent, return_index=True)
    return Evaluated(left=plan.left[kept].tolist(), limits=plan.limits[kept].tolist(),
                     begins=[*begins.tolist(), len(sent)], end=plan.end)


def operations(frame: Frame, descriptor: Descriptor, source: str) -> IntArray:
    """Word operations of each event; one of a zero at the anchor for a channel without synapses at the destination."""
    link = frame.events(descriptor, source)
    (c, x, y), work = link.events, link.work
    found = work.positions()[x, y] * work.words[c]
    if not work.words.all():
        found = np.where(work.words[c] == 0, anchored(frame.cut, descriptor, source)[x, y], found)
    return np.asarray(found)


def _links(frame: Frame, item: Fragment, pace: Pace) -> tuple[IntArray, npt.NDArray[np.float64], IntArray]:
    """Of all events of a fragment, axon by axon: axon, cycles, and which of the firing neurons sends it."""
    cut, axons, costs, sent = frame.cut, [], [], []
    for descriptor in cut.out_of[item.name]:
        link = frame.events(descriptor, item.name)
        costs.append(operations(frame, descriptor, item.name) * pace.get((descriptor, item.name), 1.0))
        sent.append(link.sent)
    for _ in cut.outputs_of.get(item.name, ()):
        fired = np.arange(len(frame.firing(item.name)[0]))
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
