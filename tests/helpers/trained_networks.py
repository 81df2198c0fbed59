"""Drawn networks as training would leave them: convolutions, a max pool and dense layers, each of which spikes."""

import numpy as np

from synapress.spike_times.trained import Trained, TrainedLayer
from tests.helpers.spike_times import SMALL


def drawn(
    rng: np.random.Generator, *, steps: int = SMALL.ttfs_times, tau: int = SMALL.ttfs_tau,
    levels: int = SMALL.log_levels, alike: bool = False,
) -> Trained:
    """`alike`: of θ0 = 1 everywhere, as conversion-aware training leaves it."""
    first, second, hidden = (int(number) for number in rng.integers(3, 7, 3))
    groups = int(rng.choice([1, first]))
    stride = int(rng.choice([1, 2]))
    size = -(-(8 // stride) // 2)

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(size=shape) * (1.5 / np.sqrt(np.prod(shape[1:])))

    def threshold() -> float:
        return 1.0 if alike else float(rng.uniform(0.4, 2.5))

    return Trained(
        name="drawn", steps=steps, tau=tau, levels=levels, input_shape=(2, 8, 7), threshold=threshold(), layers=(
            TrainedLayer(name="first", kind="conv", weight=weight(first, 2, 3, 3), bias=rng.normal(size=first) / 5,
                         padding=(1, 1, 1, 2), stride=(stride, stride), threshold=threshold()),
            TrainedLayer(name="pool", kind="max_pool", kernel=(2, 2), stride=(2, 2)),
            TrainedLayer(name="second", kind="conv", weight=weight(second * groups, first // groups, 3, 3),
                         padding=(1, 1, 1, 1), groups=groups, threshold=threshold()),
            TrainedLayer(name="hidden", kind="dense", weight=weight(hidden, second * groups, size, size),
                         bias=rng.normal(size=hidden) / 5, threshold=threshold()),
            TrainedLayer(name="last", kind="dense", weight=weight(4, hidden, 1, 1), bias=rng.normal(size=4) / 5)))


def frames(rng: np.random.Generator, network: Trained, count: int) -> np.ndarray:
    """Real numbers, some of which are beyond θ0, and some below 0."""
    return rng.uniform(-0.2, 1.1, (count, *network.input_shape)) * network.threshold
