"""The programmable event generator: a firing neuron and an axon give at most one event.

Bamberg et al., arXiv 2112.07019, section 4.2 and algorithm 3. The hit test goes beyond the paper's: an event is not
sent either where the kernel overlaps the destination, but no tap survives the destination's stride.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.types import IntArray
from golden.words import EventKind


def extent(kernel_width: int, config: CoreConfig) -> int:
    """What the hit test takes as a kernel's extent: the field's maximum stands for any larger one, too."""
    return 1 << (config.offset_bits - 2) if kernel_width == 1 << config.kernel_bits else kernel_width


def hits(position: int, limit: int, kernel_width: int, stride: int, config: CoreConfig) -> bool:
    """The hit test in one dimension; it is a switch of the configuration, as in the paper.

    Without it every event goes out that an event word can say. Those that meet no neuron, the ESU drops.

    Args:
        position: x_min or y_min, the first tap, in virtual positions of the destination (before its stride).
        limit: the axon's x_limit or y_limit, the last position that survives, in units of 2**extent_unit_log2.
        kernel_width: (KW - 1) · dilation + 1, or the field's maximum for any larger one.
        stride: log2 of the stride.
    """
    if not config.hit_test:
        half = 1 << (config.offset_bits - 1)
        return -half <= position < half
    taps = extent(kernel_width, config)
    begins_before_end = position >> config.extent_unit_log2 <= limit
    ends_after_begin = position + taps > 0
    to_next_survivor = 0 if position <= 0 else -position % (1 << stride)
    return begins_before_end and ends_after_begin and to_next_survivor < taps


def generate(neuron: Mapping[str, int], axon: Mapping[str, int], config: CoreConfig) -> dict[str, int] | None:
    """The event of one neuron on one axon, as fields of an event word, or None if it misses the destination.

    Args:
        neuron: fields of `golden.messages.neuron`: x, y, c, v, or population with `end` set.
        axon: fields of an axon word (`golden.words`).

    An end of timestep goes out on every axon and carries the way back: x, y the axon's core, c the source population.
    """
    address = {"core_x": axon["core_x"], "core_y": axon["core_y"], "id": axon["id"]}
    if neuron.get("end"):
        return {**address, "kind": EventKind.END, "x": axon["core_x"], "y": axon["core_y"],
                "c": neuron["population"], "v": 0}
    x_min = (neuron["x"] << axon["upsample"]) + axon["x_offset"]
    y_min = (neuron["y"] << axon["upsample"]) + axon["y_offset"]
    hit = (hits(x_min, axon["x_limit"], axon["kernel_width"], axon["stride"], config)
           and hits(y_min, axon["y_limit"], axon["kernel_height"], axon["stride"], config))
    if not hit:
        return None
    return {**address, "kind": EventKind.VALUE, "x": x_min, "y": y_min, "c": neuron["c"] + axon["c_offset"],
            "v": neuron["v"]}


def generate_all(
    neurons: Iterable[Mapping[str, int]], axons: Iterable[Mapping[str, int]], config: CoreConfig
) -> list[dict[str, int]]:
    """The events of a population's neurons in the hardware's order: neuron by neuron, each over all axons."""
    axons = list(axons)
    events = (generate(neuron, axon, config) for neuron in neurons for axon in axons)
    return [event for event in events if event is not None]


def generate_array(
    x: IntArray, y: IntArray, c: IntArray, v: IntArray, axon: Mapping[str, int], config: CoreConfig
) -> tuple[npt.NDArray[np.bool_], dict[str, IntArray]]:
    """Many neurons on one axon: which of them hit, and the events of those that do, in order.

    Returns:
        A mask over the neurons, and arrays by the names of the event word's fields, one entry per hit.
    """
    x_min = (np.asarray(x, np.int64) << axon["upsample"]) + axon["x_offset"]
    y_min = (np.asarray(y, np.int64) << axon["upsample"]) + axon["y_offset"]
    hit = np.ones(x_min.shape, bool)
    for position, limit, kernel in ((x_min, "x_limit", "kernel_width"), (y_min, "y_limit", "kernel_height")):
        if not config.hit_test:
            half = 1 << (config.offset_bits - 1)
            hit &= (position >= -half) & (position < half)
            continue
        taps = extent(axon[kernel], config)
        hit &= (position >> config.extent_unit_log2 <= axon[limit]) & (position + taps > 0)
        hit &= (position <= 0) | (-position % (1 << axon["stride"]) < taps)
    count = int(hit.sum())
    events = {
        "x": x_min[hit], "y": y_min[hit], "c": np.asarray(c, np.int64)[hit] + axon["c_offset"],
        "v": np.asarray(v, np.int64)[hit], "kind": np.full(count, EventKind.VALUE, np.int64),
        **{name: np.full(count, axon[name], np.int64) for name in ("core_x", "core_y", "id")},
    }
    return hit, events
