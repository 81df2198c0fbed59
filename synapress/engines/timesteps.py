"""Models with neurons over timesteps: what `synapress.model` does with frames that follow one another."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.network import fast as network
from golden.program import Program
from golden.types import IntArray
from synapress.engines import saturation


def is_spiking(program: Program) -> bool:
    """Whether a program has populations that keep states, or deliver values, from timestep to timestep."""
    return any(population.keeps or population.delays for population in program.populations)


def run(program: Program, inputs: Mapping[str, IntArray], timesteps: int, config: CoreConfig,
        clips: saturation.Clips | None = None
        ) -> tuple[dict[str, npt.NDArray[np.int16]], dict[str, int], saturation.Channels]:
    """Values of inputs (N, D, W, H): N / timesteps sequences in a row, each from the initial states.

    States are kept for one timestep only, so that memory is that of the values.

    Returns:
        Population → values (N, D, W, H), in the order of the inputs; how many of its states wrapped; and how many of
        its values were clipped, see `synapress.engines.saturation`.
    """
    series = {name: array.reshape(-1, timesteps, *array.shape[1:]) for name, array in inputs.items()}
    count = len(next(iter(series.values())))
    values = {population.name: np.empty((count, timesteps, *population.shape), np.int16)
              for population in program.populations}
    wrapped = dict.fromkeys(values, 0)
    clipped: saturation.Channels = {}
    before: dict[str, network.Result] | None = None
    for t in range(timesteps):
        results = network.run(program, {name: array[:, t] for name, array in series.items()}, config, before=before)
        for name, result in results.items():
            values[name][:, t] = result.outputs
            wrapped[name] += result.wrapped
        clipped = {name: clipped.get(name, 0) + found
                   for name, found in saturation.count(clips or {}, results, program, config).items()}
        before = {name: result for name, result in results.items() if result.kept is not None}
        del results
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in values.items()}, wrapped, clipped
