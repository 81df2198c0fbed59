"""The outside of one core: makes events of feature maps as a PEG would, answers ends with credits, reads outputs."""

from collections.abc import Sequence

import numpy as np

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import EventError
from golden.synapse.peg import generate_array
from golden.types import Fields, IntArray, Words
from golden.words import EventKind, layouts


def encode(
    inputs: Sequence[tuple[IntArray, Sequence[Fields]]], config: CoreConfig, *, spread: bool = False,
    by_position: bool = False,
) -> Words:
    """One frame of packed input events: the nonzero elements of every input on each of its axons, then the ends.

    Args:
        inputs: per input the feature map (D, W, H) and the fields of its axon words, in the order of the inputs.
        spread: the same share of each axon's events at any time, so that many cores work at once; default: axon after
            axon.
        by_position: position by position, channels innermost, as a population of a core fires; default: channel by
            channel. Cores with an array move fewer operands so.

    Raises:
        EventError: a value does not fit an event.
    """
    event = layouts(config).event
    values, ends = [np.zeros(0, np.uint64)], []
    shares = [np.zeros(0)]
    for index, (feature_map, axons) in enumerate(inputs):
        if by_position:
            x, y, c = np.nonzero(np.transpose(feature_map, (1, 2, 0)))
        else:
            c, x, y = np.nonzero(feature_map)
        v = np.asarray(feature_map, np.int64)[c, x, y]
        field = event.field("v")
        if len(v) and not field.low <= int(v.min()) <= int(v.max()) <= field.high:
            raise EventError(f"input {index}: values from {v.min()} to {v.max()} do not fit an event: "
                             f"[{field.low}, {field.high}]")
        for axon in axons:
            _, fields = generate_array(x, y, c, v, axon, config)
            values.append(event.pack_array(fields))
            shares.append((np.arange(len(values[-1])) + 0.5) / max(1, len(values[-1])))
            ends.append(event.pack(kind=EventKind.END, id=axon["id"], core_x=axon["core_x"], core_y=axon["core_y"],
                                   x=axon["core_x"], y=axon["core_y"], c=index))
    sent = np.concatenate(values)
    if spread:
        sent = sent[np.argsort(np.concatenate(shares), kind="stable")]
    return np.concatenate([sent, np.array(ends, np.uint64)])


def decode(events: Words, identifier: int, shape: tuple[int, int, int], config: CoreConfig) -> IntArray:
    """The feature map (D, W, H) that one output's value events describe; what did not fire is 0."""
    fields = layouts(config).event.unpack_array(events)
    mine = (fields["kind"] == EventKind.VALUE) & (fields["id"] == identifier)
    feature_map = np.zeros(shape, np.int64)
    feature_map[fields["c"][mine], fields["x"][mine], fields["y"][mine]] = fields["v"][mine]
    return feature_map


def run_frame(core: Core, frame: Words) -> Words:
    """One timestep: packed input events, ends included; returns the values and ends that come out.

    Raises:
        EventError: the frame leaves all populations waiting.
    """
    event = core.layouts.event
    out: list[Words] = []
    events = np.asarray(frame, np.uint64)
    while len(events):
        sent = core.run(events)
        fields = event.unpack_array(sent)
        out.append(sent[fields["kind"] != EventKind.CREDIT])
        owed = fields["c"][fields["kind"] == EventKind.END]
        events = np.array([event.pack(kind=EventKind.CREDIT, id=int(source)) for source in owed], np.uint64)
    result = np.concatenate(out)
    if not len(result):
        raise EventError("the frame brought no timestep to an end: an end is missing for some incoming axon")
    return result
