"""Drawn gestures as an event camera sees them: a figure whose arms move, and an event where a pixel's brightness does.

The DVS gesture data set (Amir et al., CVPR 2017) has eleven gestures of people in front of a camera; these are drawings
of the same eleven, for a network that is trained where the data set is not. Nothing that is measured on them says
anything about accuracy on the data set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.errors import EventError
from golden.types import Floats, IntArray
from synapress.zoo.gesture.network import CLASSES, POLARITIES, SIZE

TIMESTEP = 30_000
"""Microseconds of a timestep."""
TIMESTEPS = 16
MOMENTS = 4
"""Brightness is looked at so often in a timestep."""
CONTRAST = 0.18
"""Difference of the logarithm of brightness at which a pixel sends an event."""
NOISE = 2e-4
"""Events of a pixel at a moment without a reason."""
TRUNK = 2
"""Limbs that are not of an arm: head and body, darker than the arms in front of them."""
FADE = 0.6
"""Pixels, of 64, over which the edge of a limb fades."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """What a camera has sent."""

    label: int
    """Number of its class in `CLASSES`."""
    events: IntArray
    """(events, 4): time in microseconds, x, y, polarity (1: brighter), in the order of time."""
    size: int
    """Columns and rows of the camera."""


def record(label: int, seed: int | Sequence[int], *, size: int = SIZE, timesteps: int = TIMESTEPS) -> Recording:
    """A gesture of one class, drawn by a seed: place and size of the figure, speed, phase, brightness and noise.

    Args:
        label: 0 to 10.
        size: columns and rows of the camera.

    Raises:
        EventError: there is no such class.
    """
    if not 0 <= label < len(CLASSES):
        raise EventError(f"gesture: needs a class of 0 to {len(CLASSES) - 1}; given: {label}")
    rng = np.random.default_rng(seed)
    moments = timesteps * MOMENTS + 1
    light = np.log(_brightness(_limbs(label, moments, rng), size, rng))
    quiet = rng.random(light.shape) >= NOISE
    reference, found = light[0], []
    for moment in range(1, moments):
        change = light[moment] - reference
        sends = (np.abs(change) >= CONTRAST) | ~quiet[moment]
        x, y = np.nonzero(sends)
        time = np.full(len(x), moment * (TIMESTEP // MOMENTS) - 1)
        found.append(np.stack([time, x, y, change[x, y] > 0], axis=1))
        reference = np.where(sends, light[moment], reference)
    return Recording(label=label, events=np.concatenate(found).astype(np.int64), size=size)


def frames(recording: Recording, timesteps: int = TIMESTEPS) -> npt.NDArray[np.uint8]:
    """Events as inputs of the network, (timesteps, 2, size, size): 1 where a pixel has sent any in a timestep."""
    time, x, y, polarity = recording.events.T
    early = time < timesteps * TIMESTEP
    found = np.zeros((timesteps, POLARITIES, recording.size, recording.size), np.uint8)
    found[time[early] // TIMESTEP, polarity[early], x[early], y[early]] = 1
    return found


def data(count: int, seed: int, *, size: int = SIZE, timesteps: int = TIMESTEPS) -> tuple[
        npt.NDArray[np.uint8], IntArray]:
    """Frames (count, timesteps, 2, size, size) of recordings, and labels (count,): the classes in turn."""
    labels = np.arange(count) % len(CLASSES)
    maps = [frames(record(int(label), (seed, number), size=size, timesteps=timesteps), timesteps)
            for number, label in enumerate(labels)]
    return np.stack(maps), labels.astype(np.int64)


# -- the figure: coordinates of 0 to 1 over the map, y downward ------------------------------------


def _limbs(label: int, moments: int, rng: np.random.Generator) -> Floats:
    """Ends and radius of the limbs, (moments, limbs, 5): x, y, x, y, radius. Its right is on the left."""
    scale, middle = rng.uniform(0.85, 1.15), np.array([rng.uniform(0.42, 0.58), rng.uniform(0.45, 0.55)])
    time = np.arange(moments) / MOMENTS
    sway = 0.006 * np.sin(time * rng.uniform(0.1, 0.3) + rng.uniform(0, 2 * np.pi))
    angle = 2 * np.pi * (time * rng.uniform(0.07, 0.14) + rng.random())
    hands = _hands(label, angle, rng)
    limbs = [_capsule(np.tile([0, -0.27], (moments, 1)), np.tile([0, -0.25], (moments, 1)), 0.075),
             _capsule(np.tile([0, -0.08], (moments, 1)), np.tile([0, 0.35], (moments, 1)), 0.11)]
    for side, hand in zip((-1, 1), hands, strict=True):
        shoulder = np.array([0.13 * side, -0.12])
        elbow = (shoulder + hand) / 2 + np.array([0.05 * side, 0.05])
        limbs += [_capsule(np.tile(shoulder, (moments, 1)), elbow, 0.035), _capsule(elbow, hand, 0.03),
                  _capsule(hand, hand, 0.05)]
    found = np.stack(limbs, axis=1) * scale
    found[..., :4] += np.tile(middle, 2)
    found[..., [0, 2]] += sway[:, np.newaxis, np.newaxis]
    return found


def _capsule(first: Floats, second: Floats, radius: float) -> Floats:
    return np.concatenate([first, second, np.full((len(first), 1), radius)], axis=1)


def _hands(label: int, angle: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Where the right and the left hand are, each (moments, 2), from the middle of the figure."""
    sine, cosine = np.sin(angle), np.cos(angle)
    wide = rng.uniform(0.85, 1.15)

    def at(x: npt.ArrayLike, y: npt.ArrayLike) -> Floats:
        return np.stack(np.broadcast_arrays(np.asarray(x, float) + 0 * angle, np.asarray(y, float)), axis=1)

    def circle(side: int, direction: int) -> Floats:
        return at(side * 0.22 + 0.11 * wide * cosine, -0.12 + 0.11 * wide * direction * sine)

    down = at(-0.2, 0.22), at(0.2, 0.22)
    if label == 0:
        return at(-0.10 - 0.09 * wide * sine, 0.0), at(0.10 + 0.09 * wide * sine, 0.0)
    if label in (1, 2):
        side = -1 if label == 1 else 1
        wave = at(side * 0.22 + 0.1 * wide * sine, -0.28 + 0.02 * cosine ** 2)
        return (wave, down[1]) if label == 1 else (down[0], wave)
    if label in (3, 4):
        return circle(-1, 1 if label == 3 else -1), down[1]
    if label in (5, 6):
        return down[0], circle(1, 1 if label == 5 else -1)
    if label == 7:
        return (at(0.08 * wide * cosine, 0.02 + 0.08 * wide * sine),
                at(-0.08 * wide * cosine, 0.02 - 0.08 * wide * sine))
    if label == 8:
        return at(-0.16, 0.08 + 0.09 * wide * sine), at(0.16, 0.08 - 0.09 * wide * sine)
    if label == 9:
        return at(-0.04 + 0.02 * cosine, 0.14 + 0.07 * wide * sine), at(0.3 + 0.015 * sine, -0.06)
    return _wandering(-0.2, angle, rng), _wandering(0.2, angle, rng)


def _wandering(x: float, angle: Floats, rng: np.random.Generator) -> Floats:
    """A hand that goes nowhere in particular: sums of waves of unrelated periods."""
    found = np.zeros((len(angle), 2))
    for _ in range(3):
        found += np.sin(np.outer(angle, rng.uniform(0.3, 1.6, 2)) + rng.uniform(0, 2 * np.pi, 2)) * 0.07
    return found + np.array([x, 0.02])


def _brightness(limbs: Floats, size: int, rng: np.random.Generator) -> Floats:
    """Brightness of each pixel at each moment, (moments, size, size): limb over limb over a background that stays."""
    x, y = np.meshgrid(*2 * [(np.arange(size) + 0.5) / size], indexing="ij")
    found = np.tile(rng.uniform(0.2, 0.35) * (1 + 0.07 * rng.standard_normal((size, size))), (len(limbs), 1, 1))
    lights = np.where(np.arange(limbs.shape[1]) < TRUNK, rng.uniform(0.45, 0.65), rng.uniform(0.75, 1.0))
    for limb, light in zip(limbs.transpose(1, 2, 0)[..., np.newaxis, np.newaxis], lights, strict=True):
        first_x, first_y, second_x, second_y, radius = limb
        along_x, along_y = second_x - first_x, second_y - first_y
        length = np.maximum(along_x ** 2 + along_y ** 2, 1e-9)
        place = np.clip(((x - first_x) * along_x + (y - first_y) * along_y) / length, 0, 1)
        distance = np.hypot(x - first_x - place * along_x, y - first_y - place * along_y)
        found += (light - found) * np.clip((radius - distance) * SIZE / FADE, 0, 1)
    return found
