"""The network that was trained on drawn gestures, with weights of 8 bits."""

from pathlib import Path

import numpy as np

from synapress.mapper.network.network import Network
from synapress.zoo.gesture.network import gesture

FILE = Path(__file__).with_name("gesture.npz")
"""By layer its weights, and its threshold: `synapress.zoo.gesture.train` writes it."""


def trained(*, classifier: bool = True) -> Network:
    """The network of `FILE`, for maps of 64 × 64.

    Args:
        classifier: with the dense layers, whose last neurons are the classes: the one that fires most often is the
            answer. Else it ends with L6.
    """
    with np.load(FILE) as arrays:
        names = [name.removesuffix(".threshold") for name in arrays if name.endswith(".threshold")]
        weights = {name: arrays[f"{name}.weights"].astype(np.int64) for name in names}
        thresholds = {name: int(arrays[f"{name}.threshold"]) for name in names}
    return gesture(classifier=classifier, weights=weights, thresholds=thresholds)
