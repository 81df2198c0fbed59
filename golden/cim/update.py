"""What the compute-in-memory update does to potentials, group by group, as arithmetic of integers.

Chauvaux et al., arXiv 2410.23082, section II. The array does the same bit by bit (`golden.cim.macro`). Additions wrap
by default, and then their order does not matter. A layer may saturate instead; its potentials then depend on the order
of the additions, which is that of the word operations.
"""

import numpy as np
import numpy.typing as npt

from golden.neuron.states import wrap_array
from golden.types import IntArray
from golden.words import Reset


def settle(values: npt.ArrayLike, bits: int, saturate: int) -> IntArray:
    """Values into `bits` bits, at most 62: clipped with `saturate`, else wrapped."""
    values, half = np.asarray(values, np.int64), 1 << bits - 1
    return np.clip(values, -half, half - 1) if saturate else wrap_array(values, bits)


def add(potentials: npt.ArrayLike, weights: npt.ArrayLike, bits: int, saturate: int) -> IntArray:
    """ADD: potentials after one weight each, in `bits` bits."""
    return settle(np.asarray(potentials, np.int64) + np.asarray(weights, np.int64), bits, saturate)


def add_in_order(
    potentials: IntArray, weights: npt.ArrayLike, place: IntArray, bits: int, saturate: int
) -> None:
    """Many additions, in place: weights (n, groups), each to the row of `potentials` (rows, groups) that `place` says.

    What wraps is added up first. What saturates is added one by one, in order: all first additions of each row at
    once, then all second ones.
    """
    weights = np.asarray(weights, np.int64)
    if not len(place):
        return
    order = np.argsort(place, kind="stable")
    sorted_place = place[order]
    starts = np.flatnonzero(np.diff(sorted_place, prepend=sorted_place[0] - 1))
    rows, counts = sorted_place[starts], np.diff(starts, append=len(place))
    if not saturate:
        sums = np.add.reduceat(weights[order], starts, axis=0)
        potentials[rows] = settle(potentials[rows] + sums, bits, 0)
        return
    for turn in range(int(counts.max())):
        left = counts > turn
        potentials[rows[left]] = add(potentials[rows[left]], weights[order[starts[left] + turn]], bits, 1)


def compare(potentials: npt.ArrayLike, thresholds: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """COMPARE: which groups spike, V - θ >= 0 exactly."""
    return np.asarray(potentials, np.int64) >= np.asarray(thresholds, np.int64)


def reset(
    potentials: npt.ArrayLike, thresholds: npt.ArrayLike, spikes: npt.ArrayLike, bits: int, mode: int, saturate: int
) -> IntArray:
    """Potentials after the RESET of those that spiked: minus the threshold, or zero, by `golden.words.Reset`."""
    potentials = np.asarray(potentials, np.int64)
    after = 0 if mode & Reset.ZERO else settle(potentials - np.asarray(thresholds, np.int64), bits, saturate)
    return np.where(np.asarray(spikes, bool), after, potentials)
