"""Where cores end the host takes over, if the user says so also with learned weights; refusals name the line that works."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import synapress
from synapress.mapper.errors import ModelError, ModelWarning
from synapress.mapper.quantization.scales import sqnr
from synapress.model import float_outputs
from synapress.model_files import open_compiled, save_compiled
from tests.helpers.own_networks import Net, frames
from tests.host.test_host import SHAPE, by_onnxruntime, saved

BINS = 8
"""Of the distribution of each distance of a box."""


def boxes(b: Net) -> list[str]:
    """A head as YOLOv8's: boxes as distributions over bins, whose mean a convolution of fixed weights takes."""
    first = b.conv("x", 8, 3, 2, "silu")
    parts = []
    for x in (first, b.conv(first, 8, 3, 2, "silu")):
        joined = b.node("Concat", b.bare(x, 4 * BINS, 1, bias=True), b.bare(x, 3, 1, bias=True), axis=1)
        parts.append(b.node("Reshape", joined, b.constant(np.array([0, 4 * BINS + 3, -1]))))
    box, scores = b.node("Split", b.node("Concat", *parts, axis=2), b.constant(np.array([4 * BINS, 3])), outputs=2, axis=1)
    count = b.shape(box)[-1]
    x = b.node("Reshape", box, b.constant(np.array([0, 4, BINS, count])))
    x = b.node("Softmax", b.node("Transpose", x, perm=[0, 2, 1, 3]), axis=1)
    x = b.node("Conv", x, b.constant(np.arange(BINS, dtype=np.float32).reshape(1, BINS, 1, 1)))
    x = b.node("Reshape", x, b.constant(np.array([0, 4, count])))
    anchors = b.constant(np.arange(2 * count, dtype=np.float32).reshape(1, 2, count) / 10)
    near, far = b.node("Split", x, b.constant(np.array([2, 2])), outputs=2, axis=1)
    low, high = b.node("Sub", anchors, near), b.node("Add", anchors, far)
    return [b.node("Concat", low, high, b.node("Sigmoid", scores), axis=1)]
