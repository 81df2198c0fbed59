"""The network that Chauvaux et al., arXiv 2410.23082, section IV, run: six convolutions of integrate-and-fire neurons.

Their sizes (`synapress.mapper.cim.stationarity.PUBLISHED`) follow from the totals of stationary operands that the paper
prints; the pools between the layers and the dense layers behind them are not described there, and are this project's
choice.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from golden.types import IntArray
from synapress.mapper.cim.stationarity import PUBLISHED
from synapress.mapper.network.layer import Branch
from synapress.mapper.network.network import Network

SIZE, POLARITIES = PUBLISHED[0].height, PUBLISHED[0].inputs
"""Pixels a side of the event camera's map, and its channels: where it became darker, and where brighter."""
WEIGHT_BITS = PUBLISHED[0].weight_bits
"""Of every layer's drawn or trained weights."""
DENSE = (128, 64, 11)
"""Neurons of the dense layers, the last ones the classes."""
CLASSES = ("hand clap", "right hand wave", "left hand wave", "right arm clockwise", "right arm counterclockwise",
           "left arm clockwise", "left arm counterclockwise", "arm roll", "air drums", "air guitar", "other")
"""Those of the DVS gesture data set, Amir et al., CVPR 2017."""
SPREAD = 40
"""Standard deviation of what a timestep adds to a potential, for which drawn weights are scaled."""
ACTIVITY = (0.05, 0.15)
"""Share of firing sources that drawn weights are scaled for: of the camera, and of a layer behind a pool."""


POOLED = ("L2", "L3", "L4", "L5")
"""Layers that a pool of 2 × 2 follows, so that the next one is half as large."""


def gesture(
    seed: int | None = None, *, size: int = SIZE, classifier: bool = False,
    weights: Mapping[str, npt.ArrayLike] | None = None, thresholds: Mapping[str, int] | None = None,
) -> Network:
    """Six convolutions with pools between them; input "events", 2 × size × size, of zeros and ones.

    All neurons integrate and fire, and fire ones; they subtract their threshold. A pool fires where any of its four
    sources does: its weights and its threshold are one, and it resets to zero.

    Args:
        seed: of drawn weights of 8 bits, with mean 0 over each kernel; None: they only have a shape.
        size: of the map, a multiple of 16: smaller ones have fewer potentials, and the same weights.
        classifier: with the dense layers F1 to F3, whose last neurons are `CLASSES`; else L6 is the output.
        weights: by layer, in place of drawn ones.
        thresholds: by layer; default: what is drawn fires now and then. See `synapress.mapper.cim.activity`.
    """
    network, drawn, given = Network("gesture"), _Drawn(seed), weights or {}
    last = network.input("events", (POLARITIES, size, size))
    for facts in PUBLISHED:
        found = given.get(facts.name)
        if found is None:
            found = drawn((facts.outputs, facts.inputs, facts.kernel, facts.kernel), ACTIVITY[facts.name != "L1"])
        before, after = (facts.kernel - 1) // 2, facts.kernel // 2
        branch = network.branch(last, found, padding=(before, before, after, after))
        last = network.lif(facts.name, [branch], threshold=_threshold(facts.name, thresholds))
        if facts.name in POOLED:
            pool = Branch(source=last, kernel=(2, 2), stride=(2, 2))
            last = network.lif(f"P{facts.name[1:]}", [pool], threshold=1, reset="zero")
    for number, count in enumerate(DENSE if classifier else (), 1):
        name, shape = f"F{number}", network.shape(last)
        found = given.get(name)
        if found is None:
            found = drawn((count, *shape), ACTIVITY[1])
        last = network.lif(name, [network.branch(last, found)], threshold=_threshold(name, thresholds))
    network.output(last)
    return network


def _threshold(name: str, thresholds: Mapping[str, int] | None) -> int:
    return 2 * SPREAD if thresholds is None else thresholds[name]


class _Drawn:
    """Makes weights of the network, layer by layer: ones that take no memory, or drawn ones."""

    def __init__(self, seed: int | None):
        self.random = None if seed is None else np.random.default_rng(seed)

    def __call__(self, shape: Sequence[int], activity: float) -> IntArray:
        if self.random is None:
            return np.broadcast_to(np.int64(1), tuple(shape))
        weights = self.random.standard_normal(tuple(shape))
        weights -= weights.mean(axis=(1, 2, 3), keepdims=True)
        scaled = np.rint(weights * SPREAD / np.sqrt(weights[0].size * activity))
        highest = (1 << WEIGHT_BITS - 1) - 1
        return np.clip(scaled, -highest - 1, highest).astype(np.int64)
