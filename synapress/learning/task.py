"""The task: random spikes go in, and the output neurons shall draw a picture with theirs.

The task of Schaefer, Faley, Neftci and Joshi, ISCAS 2020, arXiv 2003.11639: a network of 700, 400 and 250 neurons
learns a raster of 250 steps of a millisecond. Their inputs and pictures are files of their repository; these are drawn
by a formula and a seed, so that losses can be compared with each other, but not with theirs.
"""

from dataclasses import dataclass

import numpy as np

from golden.errors import NetworkError
from golden.types import Array

TRACE = 0.75
"""What remains of the trace of the van Rossum distance after a step."""
TAU = 5e-3
"""Its time constant in seconds, by which the distance is divided."""
_EYES = ((0.37, 0.63), (0.63, 0.63))


@dataclass(frozen=True, eq=False)
class Task:
    """Spikes that go in, and those that shall come out: booleans (steps, neurons)."""

    inputs: Array
    target: Array

    def __post_init__(self) -> None:
        for name, raster in (("inputs", self.inputs), ("target", self.target)):
            if raster.ndim != 2 or raster.dtype != bool or not raster.size:
                raise NetworkError(f"learning: the {name} are booleans (steps, neurons), neither 0, not "
                                   f"{raster.dtype} of shape {raster.shape}")
        if len(self.inputs) != len(self.target):
            raise NetworkError(f"learning: {len(self.inputs)} steps go in, but the target has {len(self.target)}")

    @property
    def steps(self) -> int:
        return len(self.inputs)

    @property
    def silence(self) -> float:
        """The distance of the target from no spikes at all."""
        return float(van_rossum(np.zeros((1, *self.target.shape), bool), self.target)[0][0])


def draw(*, inputs: int = 700, outputs: int = 250, steps: int = 250, rate: float = 0.04, kept: float = 0.95,
         seed: int = 1) -> Task:
    """A face: time to the right, neurons upward.

    Args:
        rate: share of steps in which an input fires, each drawn by itself.
        kept: share of the picture's points that become spikes, as the authors' pictures have in their names.
        seed: of both.

    Raises:
        NetworkError: no neurons, no steps, or a share outside 0 to 1.
    """
    if min(inputs, outputs, steps) < 1 or not 0 <= rate <= 1 or not 0 <= kept <= 1:
        raise NetworkError(f"learning: a task has at least one step, input and output, and shares from 0 to 1, not "
                           f"{steps} steps, {inputs} inputs, {outputs} outputs, shares {rate} and {kept}")
    rng = np.random.default_rng([seed, steps])
    spikes = rng.random((steps, inputs)) < rate
    around = np.linspace(0, 2 * np.pi, 16 * (steps + outputs))
    mouth = np.linspace(1.15 * np.pi, 1.85 * np.pi, 16 * (steps + outputs))
    points = [(0.5 + 0.36 * np.cos(around), 0.5 + 0.42 * np.sin(around)),
              (0.5 + 0.2 * np.cos(mouth), 0.5 + 0.23 * np.sin(mouth)),
              *((x + 0.03 * np.cos(around), y + 0.035 * np.sin(around)) for x, y in _EYES)]
    picture = np.zeros((steps, outputs), bool)
    for x, y in points:
        picture[(x * steps).astype(int), (y * outputs).astype(int)] = True
    return Task(inputs=spikes, target=picture & (rng.random(picture.shape) < kept))


def traces(spikes: Array) -> Array:
    """Spikes, steps in front, each of which fades by TRACE in a step."""
    found = np.array(spikes, np.float32)
    for step in range(1, len(found)):
        found[step] += np.float32(TRACE) * found[step - 1]
    return found


def van_rossum(spikes: Array, target: Array) -> tuple[Array, Array]:
    """The distance of rasters from a target, and its gradient by each spike.

    Args:
        spikes: (runs, steps, neurons). target: (steps, neurons).

    Returns:
        sqrt(sum of squared differences of the traces / TAU) of each run, and (runs, steps, neurons), 0 where it is 0.
    """
    apart = np.moveaxis(traces(np.moveaxis(spikes, 0, 1)), 1, 0) - traces(target)
    # Run by run: the order in which numbers are added must not depend on how many runs there are.
    distances = np.sqrt([np.square(np.ascontiguousarray(run), dtype=np.float64).sum() / TAU for run in apart])
    back = apart
    for step in reversed(range(back.shape[1] - 1)):
        back[:, step] += np.float32(TRACE) * back[:, step + 1]
    scale = np.divide(1 / TAU, distances, out=np.zeros_like(distances), where=distances > 0)
    return distances, back * scale[:, None, None].astype(np.float32)
