"""What the functional memory organisations share: a kernel is stored once, and the walk finds the neurons.

A request's `neuron` packs the anchor of the transposed kernel and the source channel (`anchor_layout`), as the ESU's
event has them; stride and dilation are native, as there. The ESU (`golden.synapse.esu`) remains a core's decoder for
convolutions: it gives a word of neurons at a time, has 8-bit weights, and reads its descriptors itself. These give one
synapse at a time behind the interface of all organisations, so that they can be compared with look-up tables. Their
names are those of Schaefer, Faley, Neftci and Joshi, ISCAS 2020, arXiv 2003.11639; what their walks do is this
project's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from golden.errors import FieldRangeError, NetworkError
from golden.synapse.esu import ValueEvent, taps
from golden.synapse.organisations.interface import KINDS, Expansion, Organisation, Pass, Sizes, request_layout
from golden.synapse.organisations.packing import array, integers, pack_words, require_room
from golden.synapse.organisations.walk import Walk, field
from golden.types import IntArray, Words
from golden.words import Field, WordLayout

COORDINATE_BITS = 8
"""Width and height of the destination, stored minus one: as a core has them."""
ANCHOR_BITS = 10
"""A signed anchor, before the stride."""
CHANNEL_BITS = 10
"""Channels of the source and of the destination, stored minus one."""
KERNEL_BITS = 3
"""Kernels of up to 8×8: a word of 64 bits holds a bit for each tap."""
SIDE = 1 << KERNEL_BITS


def anchor_layout() -> WordLayout:
    """What the request's `neuron` packs: the source channel, and the anchor before the stride."""
    return WordLayout("anchor", (
        Field("c", CHANNEL_BITS), Field("y", ANCHOR_BITS, signed=True), Field("x", ANCHOR_BITS, signed=True)))


def common_fields(sizes: Sizes) -> tuple[Field, ...]:
    """What every functional organisation knows of a layer.

    sources, channels: source and destination channels. width, height: of the destination. kernel_width, kernel_height.
    step: log2 of the stride, or with `dilated` of the dilation. x_stride, y_stride: neurons from one column, and from
    one row to the next; a neuron is x · x_stride + y · y_stride + its channel, modulo 2**neuron_bits. weight_base:
    first word of the weights. tap_words, source_words: words of one tap, and of one source channel.
    """
    return (
        Field("sources", CHANNEL_BITS, bias=1), Field("channels", CHANNEL_BITS, bias=1),
        Field("width", COORDINATE_BITS, bias=1), Field("height", COORDINATE_BITS, bias=1),
        Field("kernel_width", KERNEL_BITS, bias=1), Field("kernel_height", KERNEL_BITS, bias=1),
        Field("step", 2), Field("dilated", 1), Field("weight_bits", 4),
        Field("x_stride", sizes.neuron_bits), Field("y_stride", sizes.neuron_bits),
        Field("weight_base", sizes.address_bits),
        Field("tap_words", CHANNEL_BITS), Field("source_words", CHANNEL_BITS + 2 * KERNEL_BITS),
    )


@dataclass(frozen=True)
class Map:
    """Where a kernel is laid: the destination's size in neurons, its stride or dilation as a log2, and the neurons from
    one column and one row to the next (0: packed, channels innermost, then rows)."""

    width: int
    height: int
    step: int = 0
    dilated: int = 0
    x_stride: int = 0
    y_stride: int = 0


DROP = 2
"""The cycle in which a request is dropped."""


class Tap(NamedTuple):
    """A tap that is visited: the first word of its weights, and the first neuron that they lead to; or one outside."""

    address: int = 0
    neuron: int = 0
    inside: bool = True


class _Kernel(NamedTuple):
    """What `golden.synapse.esu.taps` has to know of a layer."""

    kernel_width: int
    kernel_height: int
    width: int
    height: int
    step: int
    dilated: int


class Convolution(Organisation):
    """A layer's kernel in memory: per source channel and tap the weights of all channels, from a word's begin on.

    The memory's order is that of the ESU: source channel, column and row of the transposed (flipped) kernel, channel.
    """

    first_step: ClassVar[int]
    """The cycle of the first step, the request being taken in cycle 0, if the index memory needs no cycle."""
    index_reads: ClassVar[int] = 0
    """Words of the index memory that come before the first step."""

    @staticmethod
    def request_layout(sizes: Sizes) -> WordLayout:
        """A request; its neuron is packed by `anchor_layout`."""
        neuron = Field("neuron", anchor_layout().bits)
        return WordLayout("request", tuple(
            neuron if field.name == "neuron" else field for field in request_layout(sizes).fields))

    @classmethod
    def start_step(cls, sizes: Sizes) -> int:
        """The cycle of the first step, the request being taken in cycle 0."""
        return cls.first_step + cls.index_reads * sizes.read_latency

    @classmethod
    def start_up(cls, sizes: Sizes, walk: int = Pass.FORWARD) -> int:
        return cls.start_step(sizes) + sizes.read_latency + 1

    # -- one request, literally ----------------------------------------------------------------

    def walk(self, event: ValueEvent) -> Iterator[Tap]:
        """The taps that the walk visits, in order."""
        raise NotImplementedError

    def index_address(self, event: ValueEvent) -> int:
        """The word of the index memory that is read; 0 without one."""
        return 0

    def survivors(self, event: ValueEvent) -> Iterator[tuple[int, int, int]]:
        """Column and row of the taps that meet a neuron, and the first of that position's neurons."""
        kernel = _Kernel(*(self.layer[name] for name in _Kernel._fields))
        for column, row, x, y in taps(kernel, event):
            yield column, row, (x * self.layer["x_stride"] + y * self.layer["y_stride"]) % (1 << self.sizes.neuron_bits)

    def source_base(self, event: ValueEvent) -> int:
        """First word of the source channel's weights."""
        return self.layer["weight_base"] + event.c * self.layer["source_words"]

    def expand(self, request: Mapping[str, int]) -> Expansion:
        sizes, layer, walk = self.sizes, self.layer, Walk(self.sizes)
        anchor = anchor_layout().unpack(request["neuron"])
        event = ValueEvent(id=0, x=anchor["x"], y=anchor["y"], c=anchor["c"], v=request["value"])
        bits, end, cycle = layer["weight_bits"], 1 << sizes.address_bits, self.start_step(sizes)
        if (request["pass"] != Pass.FORWARD or event.c >= layer["sources"] or not 1 <= bits <= sizes.weight_bits
                or self.index_address(event) >= end):
            walk.drop(DROP)
            return walk.expansion()
        walk.counts["bitmap_read"] += self.index_reads
        first, per_word = cycle, sizes.word_bits // bits
        for tap in self.walk(event):
            if not tap.inside:
                walk.end(cycle)
                cycle += 1
                continue
            for channel in range(layer["channels"]):
                word, slot = divmod(channel, per_word)
                address = tap.address + word
                if address >= end:
                    walk.drop(cycle)
                    return walk.expansion()
                neuron = (tap.neuron + channel) % (1 << sizes.neuron_bits)
                walk.give(cycle, neuron, field(self.weight_word(address), slot * bits, bits),
                          address * sizes.word_bits + slot * bits, bool(sizes.serial) or slot == 0)
                cycle += 1
        if cycle == first:
            walk.end(cycle)
        return walk.expansion()

    # -- many requests -------------------------------------------------------------------------

    def visited(self, inside: IntArray, c: IntArray) -> tuple[IntArray, IntArray]:
        """How many taps the walks visit that meet neurons, and how many that do not.

        Args:
            inside: which taps meet a neuron, (events, columns, rows) of 0 and 1.
            c: source channel of each event.
        """
        raise NotImplementedError

    def _meets(self, anchors: IntArray, axis: str) -> IntArray:
        """Which taps of one dimension meet a neuron: (events, taps)."""
        step, size = self.layer["step"], self.layer[axis]
        tap_step, neuron_step = (step, 0) if self.layer["dilated"] else (0, step)
        positions = anchors[:, np.newaxis] + (np.arange(self.layer[f"kernel_{axis}"]) << tap_step)
        neurons = positions >> neuron_step
        return ((neurons << neuron_step == positions) & (neurons >= 0) & (neurons < size)).astype(np.int64)

    def forward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        anchor = anchor_layout().unpack_array(neurons.astype(np.uint64))
        meet = self._meets(anchor["x"], "width")[:, :, np.newaxis] * self._meets(anchor["y"], "height")[:, np.newaxis]
        inside, outside = self.visited(meet, anchor["c"])
        channels, per_word = self.layer["channels"], self.sizes.word_bits // self.layer["weight_bits"]
        reads = channels if self.sizes.serial else -(-channels // per_word)
        end = self.start_step(self.sizes) + np.maximum(inside * channels + outside, 1)
        return dict.fromkeys(KINDS, np.zeros_like(inside)) | {
            "weight_read": inside * reads, "bitmap_read": np.full_like(inside, self.index_reads),
            "synapses": inside * channels, "interval": end,
            "cycles": end + np.where(inside > 0, self.sizes.read_latency, 1)}

    # -- packing -------------------------------------------------------------------------------

    @classmethod
    def pack(  # type: ignore[override]  # a kernel, and where it is laid
            cls, matrix: npt.ArrayLike, *, place: Map, weight_bits: int, sizes: Sizes, index_base: int = 0,
            bitmap_base: int | None = None, weight_base: int = 0, **options: int) -> "Convolution":
        """The words of a kernel (channels, sources, width, height); see `Organisation.pack`.

        Args:
            options: those of the organisation.
        """
        raise NotImplementedError

    @property
    def stored_taps(self) -> int:
        """Taps whose weights are stored, of all source channels."""
        return self.layer["sources"] * self.layer["kernel_width"] * self.layer["kernel_height"]

    def storage_bits(self) -> dict[str, int]:
        return self.formula_bits(0, 0, self.stored_taps * self.layer["channels"], self.layer["weight_bits"])


class Packed(NamedTuple):
    """A kernel in memory order, as every functional organisation begins to pack it."""

    weights: IntArray
    """(sources, columns, rows, channels) of the transposed kernel."""
    fields: dict[str, int]
    """Those of `common_fields`, for taps that are all stored."""


def transposed(kernel: npt.ArrayLike, place: Map, *, weight_bits: int, sizes: Sizes, weight_base: int) -> Packed:
    """A kernel (channels, sources, width, height), flipped, and the layer's fields.

    Raises:
        NetworkError, FieldRangeError: it is malformed or too large, or a weight does not fit.
    """
    given = array(kernel)
    if given.ndim != 4 or not given.size:
        raise NetworkError(f"a kernel has shape (channels, sources, width, height), none 0, not {given.shape}")
    channels, sources, width, height = given.shape
    weights = integers(given, weight_bits=weight_bits, sizes=sizes)
    tap_words = -(-channels // (sizes.word_bits // weight_bits))
    y_stride = place.y_stride or channels
    fields = {
        "sources": sources, "channels": channels, "width": place.width, "height": place.height,
        "kernel_width": width, "kernel_height": height, "step": place.step, "dilated": place.dilated,
        "weight_bits": weight_bits, "x_stride": place.x_stride or place.height * y_stride, "y_stride": y_stride,
        "weight_base": weight_base, "tap_words": tap_words, "source_words": width * height * tap_words}
    for item in common_fields(sizes):
        if not item.low <= fields[item.name] <= item.high:
            raise FieldRangeError("layer", item.name, fields[item.name], item.low, item.high)
    last = (place.width - 1) * fields["x_stride"] + (place.height - 1) * y_stride + channels - 1
    if last >> sizes.neuron_bits:
        raise NetworkError(f"the last of the layer's neurons is {last}, which {sizes.neuron_bits} bits cannot name")
    return Packed(weights[:, :, ::-1, ::-1].transpose(1, 2, 3, 0), fields)


def tap_words(weights: IntArray, fields: Mapping[str, int], sizes: Sizes) -> Words:
    """The words of taps (taps, channels), each from a word's begin on.

    Raises:
        ImageError: they do not fit the memory.
    """
    words = pack_words(weights, fields["weight_bits"], sizes)
    flat: Words = words.reshape(-1, *words.shape[2:])
    require_room("kernel", fields["weight_base"], len(flat), sizes)
    return flat
