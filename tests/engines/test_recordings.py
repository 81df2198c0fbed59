"""Trained spiking digits on recordings unlike the calibration: no potential wraps, and the classes stay."""

import numpy as np
import pytest

import synapress
from benchmarks.recordings import BAR, Agreement, _shifted, agreement, compiled
from synapress.zoo.digits.data import load_digits
from synapress.zoo.spiking_digits import FILE

IMAGES = 100


def results(calibration: int, recordings: tuple[str, ...], *, saturate: bool = True) -> list[Agreement]:
    digits, model = load_digits(), synapress.load(FILE, neurons="snntorch")
    made = compiled(model, 16, digits.train_images[:calibration], saturate=saturate)
    return [agreement(model, made, kind, digits.test_images[:IMAGES]) for kind in recordings]


def test_classes_are_those_of_the_float_network() -> None:
    """Calibrated with upright images of little noise, at 16 bits."""
    found = results(20, ("mirrored", "shifted by 3, 1", "noise of 20 %"))
    assert not sum(one.wrapped for one in found)
    share = np.average([one.decided for one in found], weights=[1 - one.undecided for one in found])
    assert share >= BAR and all(one.all > 0.9 for one in found), found


@pytest.mark.parametrize("saturate", [False, True])
def test_only_unbounded_potentials_wrap(saturate: bool) -> None:
    """Calibrated with one image: negatives inhibit the outputs far more than it does."""
    (found,) = results(1, ("negative",), saturate=saturate)
    assert bool(found.wrapped) != saturate and (found.decided >= BAR) == saturate


def test_what_is_shifted_in_is_black() -> None:
    images = np.arange(1, 10, dtype=np.uint8).reshape(1, 3, 3)
    assert _shifted(images, 1, 2).tolist() == [[[0, 0, 0], [0, 0, 0], [0, 1, 2]]]
