"""What events cost the cores of a mesh: the pipeline of ESU and neuron update, replayed with each core's real mix.

Events of a source that lead to several fragments of one core come by turns, and each change of fragment costs reads of
other weights. So the events of a source for a core are replayed together, in the order in which they are sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from golden.config import CoreConfig
from golden.timing.esu import EventsOfEsu
from golden.timing.operations import Place
from golden.timing.pipeline import OperationStream, replay
from golden.types import IntArray
from synapress.mapper.partition.fragments import Descriptor
from synapress.mapper.throughput.stages import Frame, LinkEvents

STRETCHES = 8
"""Samples of a source's events for a core that are too many to be replayed."""


def paces(frame: Frame, at: Mapping[str, int], places: Mapping[Descriptor, Place], *, spread: bool = False,
          limit: int = 200_000) -> dict[tuple[Descriptor, str], float]:
    """By link, how many times as long its events take as by their word operations and beats.

    Args:
        at: the number of each fragment's core.
        places: where each descriptor lies, for the banks.
        spread: see `golden.host.encode`.
        limit: cycles to replay for a source and core; more are sampled.
    """
    found: dict[tuple[Descriptor, str], float] = {}
    for item in (*frame.cut.inputs, *frame.cut.hosted):
        by_core: dict[int, list[Descriptor]] = {}
        for descriptor in frame.cut.out_of[item.name]:
            by_core.setdefault(at[descriptor.edge.destination], []).append(descriptor)
        one_by_one = item in frame.cut.inputs and not spread
        for mine in by_core.values():
            links = [frame.events(descriptor, item.name) for descriptor in mine]
            pace = _pace(links, [places[descriptor] for descriptor in mine], frame.config, one_by_one, limit)
            found |= {(descriptor, item.name): pace for descriptor in mine}
    return found


def _pace(links: Sequence[LinkEvents], places: Sequence[Place], config: CoreConfig, one_by_one: bool, limit: int
          ) -> float:
    ideal = np.concatenate([link.cycles for link in links])
    if not len(ideal):
        return 1.0
    link = np.repeat(np.arange(len(links)), [len(item.sent) for item in links])
    index = np.concatenate([np.arange(len(item.sent)) for item in links])
    order = np.arange(len(ideal)) if one_by_one else np.lexsort((link, np.concatenate([item.sent for item in links])))
    pieces = [order]
    if int(ideal.sum()) > limit:
        length = max(1, int(limit / STRETCHES / ideal.mean()))
        pieces = [order[len(order) * number // STRETCHES:][:length] for number in range(STRETCHES)]
    lost = least = 0.0
    for piece in pieces:
        work = _mixed(links, places, link[piece], index[piece], config)
        run, least = replay(work, config.banks, config.forward_states), least + int(work.operations.sum())
        esu, now = EventsOfEsu(), 0
        for edge, cycles, table in zip(work.edge.tolist(), work.operations.tolist(), work.table.tolist(), strict=True):
            now = esu.take(now, edge, cycles, table >= 0)
        lost += max(0.0, float(run.busy - esu.idle))
    return 1 + lost / least if least else 1.0


def _mixed(links: Sequence[LinkEvents], places: Sequence[Place], link: IntArray, index: IntArray, config: CoreConfig
           ) -> OperationStream:
    """The operations of events of several links, in this order."""
    parts, position = [], np.zeros(len(link), np.int64)
    count = 0
    for number, (found, place) in enumerate(zip(links, places, strict=True)):
        mine = np.flatnonzero(link == number)
        if len(mine):
            c, x, y = (axis[index[mine]] for axis in found.events)
            parts.append(found.work.work((c, x, y), place, config))
            position[mine] = count + np.arange(len(mine))
            count += len(mine)
    return reordered(OperationStream.join(parts), position)


def reordered(stream: OperationStream, order: IntArray) -> OperationStream:
    """The same events in another order."""
    counts = stream.operations[order]
    starts = (np.cumsum(stream.operations) - stream.operations)[order]
    operations = np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
    return OperationStream(**{field.name: getattr(stream, field.name)[
        operations if field.name in ("state", "weight") else order] for field in fields(stream)})
