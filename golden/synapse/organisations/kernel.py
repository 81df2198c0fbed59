"""Kernels into memory words, as every functional organisation begins to pack them."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from golden.errors import FieldRangeError, NetworkError
from golden.synapse.organisations.convolution import Map, common_fields
from golden.synapse.organisations.interface import Sizes
from golden.synapse.organisations.packing import array, integers, pack_words, require_room, stored_places
from golden.types import IntArray, Words


class Packed(NamedTuple):
    """A kernel in memory order, as every functional organisation begins to pack it."""

    weights: IntArray
    """(sources, columns, rows, channels) of the transposed kernel."""
    stored: npt.NDArray[np.bool_]
    """Which of them are to be stored."""
    fields: dict[str, int]
    """Those of `common_fields`, for taps that are all stored."""


def transposed(kernel: npt.ArrayLike, place: Map, *, weight_bits: int, sizes: Sizes, weight_base: int,
               stored: npt.ArrayLike | None) -> Packed:
    """A kernel (channels, sources, width, height), flipped, and the layer's fields. `stored`: see `Organisation.pack`.

    Raises:
        NetworkError, FieldRangeError: it is malformed or too large, or a weight does not fit.
    """
    given = array(kernel)
    if given.ndim != 4 or not given.size:
        raise NetworkError(f"a kernel has shape (channels, sources, width, height), none 0, not {given.shape}")
    channels, sources, width, height = given.shape
    weights = integers(given, weight_bits=weight_bits, sizes=sizes)
    tap_words = -(-channels // (sizes.word_bits // weight_bits))
    y_stride, source_y_stride = place.y_stride or channels, place.source_y_stride or sources
    fields = {
        "sources": sources, "channels": channels, "width": place.width, "height": place.height,
        "kernel_width": width, "kernel_height": height, "step": place.step, "dilated": place.dilated,
        "weight_bits": weight_bits, "x_stride": place.x_stride or place.height * y_stride, "y_stride": y_stride,
        "weight_base": weight_base, "tap_words": tap_words, "source_words": width * height * tap_words}
    if sizes.learning:
        fields |= {
            "source_width": place.source_width, "source_height": place.source_height,
            "x_offset": place.x_offset, "y_offset": place.y_offset,
            "source_x_stride": place.source_x_stride or place.source_height * source_y_stride,
            "source_y_stride": source_y_stride, "stored_taps": sources * width * height}
    for item in common_fields(sizes):
        if not item.low <= fields[item.name] <= item.high:
            raise FieldRangeError("layer", item.name, fields[item.name], item.low, item.high)
    last = (place.width - 1) * fields["x_stride"] + (place.height - 1) * y_stride + channels - 1
    if sizes.learning:
        last = max(last, (place.source_width - 1) * fields["source_x_stride"]
                   + (place.source_height - 1) * source_y_stride + sources - 1)
    if last >> sizes.neuron_bits:
        raise NetworkError(f"the last of the layer's neurons is {last}, which {sizes.neuron_bits} bits cannot name")
    there = stored_places(weights, stored)[:, :, ::-1, ::-1].transpose(1, 2, 3, 0)
    return Packed(weights[:, :, ::-1, ::-1].transpose(1, 2, 3, 0), there, fields)


def tap_words(weights: IntArray, fields: Mapping[str, int], sizes: Sizes) -> Words:
    """The words of taps (taps, channels), each from a word's begin on.

    Raises:
        ImageError: they do not fit the memory.
    """
    words = pack_words(weights, fields["weight_bits"], sizes)
    flat: Words = words.reshape(-1, *words.shape[2:])
    require_room("kernel", fields["weight_base"], len(flat), sizes)
    return flat
