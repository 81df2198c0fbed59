"""What the functional memory organisations share: a kernel is stored once, and the walk finds the neurons.

A request's `neuron` packs the anchor of the transposed kernel and the source channel (`anchor_layout`), as the ESU's
event has them; stride and dilation are native, as there. The ESU (`golden.synapse.esu`) remains a core's decoder for
convolutions: it gives a word of neurons at a time, has 8-bit weights, and reads its descriptors itself. These give one
synapse at a time behind the interface of all organisations, so that they can be compared with look-up tables. Their
names are those of Schaefer, Faley, Neftci and Joshi, ISCAS 2020, arXiv 2003.11639; what their walks do is this
project's.

With `Sizes.learning` a walk also leads back: a request names a position and channel of the destination (`post_layout`),
and each source channel and tap that leads to it from a position of the source is a synapse. Source channels are
outermost, so that the weights come in the order of the memory, and no weight comes twice.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError
from golden.synapse.esu import ValueEvent, taps
from golden.synapse.organisations.interface import KINDS, Expansion, Organisation, Pass, Sizes, request_layout
from golden.synapse.organisations.packing import unpacked
from golden.synapse.organisations.place import place
from golden.synapse.organisations.walk import Walk, field
from golden.types import IntArray
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


def post_layout() -> WordLayout:
    """What the `neuron` of BACKWARD and UPDATE packs, where FORWARD has its anchor: channel and position of the
    destination."""
    return WordLayout("post", (Field("c", CHANNEL_BITS), Field("y", ANCHOR_BITS), Field("x", ANCHOR_BITS)))


def common_fields(sizes: Sizes) -> tuple[Field, ...]:
    """What every functional organisation knows of a layer.

    sources, channels: source and destination channels. width, height: of the destination. kernel_width, kernel_height.
    step: log2 of the stride, or with `dilated` of the dilation. x_stride, y_stride: neurons from one column, and from
    one row to the next; a neuron is x · x_stride + y · y_stride + its channel, modulo 2**neuron_bits. weight_base:
    first word of the weights. tap_words, source_words: words of one tap, and of one source channel.

    With `learning`: source_width, source_height: of the source. x_offset, y_offset: from a position of the source to
    its anchor, as an axon has them. source_x_stride, source_y_stride: of the source's neurons. stored_taps: taps that
    are stored, of all source channels.
    """
    return (
        Field("sources", CHANNEL_BITS, bias=1), Field("channels", CHANNEL_BITS, bias=1),
        Field("width", COORDINATE_BITS, bias=1), Field("height", COORDINATE_BITS, bias=1),
        Field("kernel_width", KERNEL_BITS, bias=1), Field("kernel_height", KERNEL_BITS, bias=1),
        Field("step", 2), Field("dilated", 1), Field("weight_bits", 4),
        Field("x_stride", sizes.neuron_bits), Field("y_stride", sizes.neuron_bits),
        Field("weight_base", sizes.address_bits),
        Field("tap_words", CHANNEL_BITS), Field("source_words", CHANNEL_BITS + 2 * KERNEL_BITS),
        *(_source_fields(sizes) if sizes.learning else ()),
    )


def _source_fields(sizes: Sizes) -> tuple[Field, ...]:
    return (
        Field("source_width", COORDINATE_BITS, bias=1), Field("source_height", COORDINATE_BITS, bias=1),
        Field("x_offset", ANCHOR_BITS, signed=True), Field("y_offset", ANCHOR_BITS, signed=True),
        Field("source_x_stride", sizes.neuron_bits), Field("source_y_stride", sizes.neuron_bits),
        Field("stored_taps", CHANNEL_BITS + 2 * KERNEL_BITS + 1),
    )


@dataclass(frozen=True)
class Map:
    """Where a kernel is laid: the destination's size in neurons, its stride or dilation as a log2, and the neurons from
    one column and one row to the next (0: packed, channels innermost, then rows); and what only learning looks at, the
    source's size, the offset of its anchors, and its strides."""

    width: int
    height: int
    step: int = 0
    dilated: int = 0
    x_stride: int = 0
    y_stride: int = 0
    source_width: int = 0
    source_height: int = 0
    x_offset: int = 0
    y_offset: int = 0
    source_x_stride: int = 0
    source_y_stride: int = 0


DROP = 2
"""The cycle in which a request is dropped."""
APPLY_STEP = 2
"""The cycle of the first step of APPLY."""


class Tap(NamedTuple):
    """A tap that is visited: the first word of its weights, and the first neuron that they lead to, or in a walk back
    the one that they come from; or one outside."""

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
        first = APPLY_STEP if walk == Pass.APPLY else cls.start_step(sizes)
        return first + sizes.read_latency + 1

    # -- one request, literally ----------------------------------------------------------------

    def walk(self, event: ValueEvent) -> Iterator[Tap]:
        """The taps that the walk visits, in order."""
        raise NotImplementedError

    def walk_back(self, x: int, y: int) -> Iterator[list[Tap] | None]:
        """The taps that the walk back from a position visits, of one source channel after the other, the first word of
        each with the weights of all channels; None: what says which they are lies behind the memory, and it ends."""
        raise NotImplementedError

    def index_address(self, event: ValueEvent) -> int:
        """The word of the index memory that is read; 0 without one."""
        return 0

    def words_back(self) -> int:
        """Words of the index memory that a walk back reads."""
        return self.index_reads

    def parted(self) -> bool:
        """Source channels do not depend on each other: behind an error a walk back goes on with the next one."""
        return False

    def survivors(self, event: ValueEvent) -> Iterator[tuple[int, int, int]]:
        """Column and row of the taps that meet a neuron, and the first of that position's neurons."""
        kernel = _Kernel(*(self.layer[name] for name in _Kernel._fields))
        for column, row, x, y in taps(kernel, event):
            yield column, row, (x * self.layer["x_stride"] + y * self.layer["y_stride"]) % (1 << self.sizes.neuron_bits)

    def origins(self, x: int, y: int) -> Iterator[tuple[int, int, int]]:
        """Column and row of the taps that lead to a position from one of the source, and the first of its neurons."""
        layer = self.layer
        for column in range(layer["kernel_width"]):
            source_x = self._origin(x, column, "x")
            if not 0 <= source_x < layer["source_width"]:
                continue
            for row in range(layer["kernel_height"]):
                source_y = self._origin(y, row, "y")
                if 0 <= source_y < layer["source_height"]:
                    yield column, row, source_x * layer["source_x_stride"] + source_y * layer["source_y_stride"]

    def _origin(self, position: int, tap: int, axis: str) -> int:
        """Where the source would have to be so that its tap meets a position."""
        step = self.layer["step"]
        anchor = position - (tap << step) if self.layer["dilated"] else (position << step) - tap
        return anchor - self.layer[f"{axis}_offset"]

    def source_base(self, event: ValueEvent) -> int:
        """First word of the source channel's weights."""
        return self.layer["weight_base"] + event.c * self.layer["source_words"]

    def expand(self, request: Mapping[str, int]) -> Expansion:
        layer, walk, passes = self.layer, Walk(self.sizes), request["pass"]
        back = passes in (Pass.BACKWARD, Pass.UPDATE)
        packed = (post_layout() if back else anchor_layout()).unpack(request["neuron"])
        event = ValueEvent(id=0, x=packed["x"], y=packed["y"], c=packed["c"], v=request["value"])
        known = 1 <= layer["weight_bits"] <= self.sizes.weight_bits and (passes == Pass.FORWARD or self.sizes.learning)
        if back:
            known = known and event.c < layer["channels"] and event.x < layer["width"] and event.y < layer["height"]
        elif passes == Pass.FORWARD:
            known = known and event.c < layer["sources"] and self.index_address(event) >> self.sizes.address_bits == 0
        if not known:
            walk.drop(DROP)
        elif back:
            walk.counts["bitmap_read"] += self.words_back()
            self._expand_back(walk, event)
        elif passes == Pass.APPLY:
            self._expand_taps(walk, (Tap(layer["weight_base"] + tap * layer["tap_words"])
                                     for tap in range(layer["stored_taps"])), APPLY_STEP, afresh=True)
        else:
            walk.counts["bitmap_read"] += self.index_reads
            self._expand_taps(walk, self.walk(event), self.start_step(self.sizes), afresh=bool(self.sizes.serial))
        return walk.expansion(writes=passes in (Pass.UPDATE, Pass.APPLY))

    def _expand_taps(self, walk: Walk, visited: Iterable[Tap], first: int, *, afresh: bool) -> None:
        """All channels of taps. `afresh`: each reads its word."""
        sizes, bits, cycle = self.sizes, self.layer["weight_bits"], first
        for tap in visited:
            if not tap.inside:
                walk.end(cycle)
                cycle += 1
                continue
            for channel in range(self.layer["channels"]):
                word, slot = divmod(channel, sizes.word_bits // bits)
                address = tap.address + word
                if address >> sizes.address_bits:
                    walk.drop(cycle)
                    return
                neuron = (tap.neuron + channel) % (1 << sizes.neuron_bits)
                walk.give(cycle, neuron, field(self.weight_word(address), slot * bits, bits),
                          address * sizes.word_bits + slot * bits, afresh or slot == 0)
                cycle += 1
        if cycle == first:
            walk.end(cycle)

    def _expand_back(self, walk: Walk, post: ValueEvent) -> None:
        """One channel of the taps of each source channel."""
        sizes, bits = self.sizes, self.layer["weight_bits"]
        cycle = first = self.start_step(sizes)
        word, offset = place(post.c, bits, sizes)
        for source, visited in enumerate(self.walk_back(post.x, post.y)):
            if visited is None:
                walk.drop(cycle)
                return
            for number, tap in enumerate(visited):
                address = tap.address + word
                if not tap.inside:
                    walk.end(cycle)
                elif address >> sizes.address_bits:
                    walk.drop(cycle)
                    if not self.parted() or source == self.layer["sources"] - 1:
                        return
                    # The tap behind is already there, and is dropped, which takes a cycle.
                    cycle += 1 + (number < len(visited) - 1)
                    break
                else:
                    walk.give(cycle, (tap.neuron + source) % (1 << sizes.neuron_bits),
                              field(self.weight_word(address), offset, bits), address * sizes.word_bits + offset, True)
                cycle += 1
        if cycle == first:
            walk.end(cycle)

    # -- many requests -------------------------------------------------------------------------

    def visited(self, inside: IntArray, c: IntArray) -> tuple[IntArray, IntArray]:
        """How many taps the walks visit that meet neurons, and how many that do not.

        Args:
            inside: which taps meet a neuron, (events, columns, rows) of 0 and 1.
            c: source channel of each event.
        """
        raise NotImplementedError

    def visited_back(self, inside: IntArray) -> tuple[IntArray, IntArray]:
        """The same of walks back, of all source channels."""
        hits, others = self.visited(inside, np.zeros(len(inside), np.int64))
        return hits * self.layer["sources"], others * self.layer["sources"]

    def _meets(self, anchors: IntArray, axis: str) -> IntArray:
        """Which taps of one dimension meet a neuron: (events, taps)."""
        step, size = self.layer["step"], self.layer[axis]
        tap_step, neuron_step = (step, 0) if self.layer["dilated"] else (0, step)
        positions = anchors[:, np.newaxis] + (np.arange(self.layer[f"kernel_{axis}"]) << tap_step)
        neurons = positions >> neuron_step
        return ((neurons << neuron_step == positions) & (neurons >= 0) & (neurons < size)).astype(np.int64)

    def _leads(self, positions: IntArray, axis: str, size: str) -> IntArray:
        """Which taps of one dimension lead to positions of the destination: (posts, taps)."""
        step, kernel = self.layer["step"], np.arange(self.layer[f"kernel_{size}"])
        tap_step, neuron_step = (step, 0) if self.layer["dilated"] else (0, step)
        origins = (positions[:, np.newaxis] << neuron_step) - (kernel << tap_step) - self.layer[f"{axis}_offset"]
        return ((origins >= 0) & (origins < self.layer[f"source_{size}"])).astype(np.int64)

    def counts(self, neurons: npt.ArrayLike, passes: npt.ArrayLike = Pass.FORWARD) -> dict[str, IntArray]:
        """See `Organisation.counts`; APPLY among the passes."""
        wanted, walks = np.broadcast_arrays(np.asarray(neurons, np.int64), np.asarray(passes, np.int64))
        applied = walks == Pass.APPLY
        found = super().counts(wanted, np.where(applied, Pass.FORWARD, walks))
        if applied.any():
            if not self.sizes.learning:
                raise ConfigError("organisation: APPLY needs learning = 1")
            stored = np.asarray(self.layer["stored_taps"] * self.layer["channels"])
            one = self._counted(stored, 0 * stored, APPLY_STEP, reads=stored) | {"weight_write": stored}
            found = {name: np.where(applied, one.get(name, 0), array) for name, array in found.items()}
        return found

    def forward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        anchor = anchor_layout().unpack_array(neurons.astype(np.uint64))
        meet = self._meets(anchor["x"], "width")[:, :, np.newaxis] * self._meets(anchor["y"], "height")[:, np.newaxis]
        hits, others = self.visited(meet, anchor["c"])
        channels, per_word = self.layer["channels"], self.sizes.word_bits // self.layer["weight_bits"]
        reads = channels if self.sizes.serial else -(-channels // per_word)
        return self._counted(hits * channels, others, self.start_step(self.sizes), reads=hits * reads) | {
            "bitmap_read": np.full_like(hits, self.index_reads)}

    def backward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        post = post_layout().unpack_array(neurons.astype(np.uint64))
        leads = (self._leads(post["x"], "x", "width")[:, :, np.newaxis]
                 * self._leads(post["y"], "y", "height")[:, np.newaxis])
        hits, others = self.visited_back(leads)
        return self._counted(hits, others, self.start_step(self.sizes), reads=hits) | {
            "bitmap_read": np.full_like(hits, self.words_back())}

    def _counted(self, synapses: IntArray, others: IntArray, first: int, *, reads: IntArray) -> dict[str, IntArray]:
        """What walks count whose first step is in the cycle `first`, of synapses and of taps outside."""
        end = first + np.maximum(synapses + others, 1)
        return dict.fromkeys(KINDS, np.zeros_like(synapses)) | {
            "weight_read": reads, "synapses": synapses, "interval": end,
            "cycles": end + np.where(synapses > 0, self.sizes.read_latency, 1)}

    # -- packing -------------------------------------------------------------------------------

    @classmethod
    def pack(  # type: ignore[override]  # a kernel, and where it is laid
            cls, matrix: npt.ArrayLike, *, place: Map, weight_bits: int, sizes: Sizes, index_base: int = 0,
            bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None,
            **options: int) -> "Convolution":
        """The words of a kernel (channels, sources, width, height), as `stored` is; see `Organisation.pack`.

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

    def pattern(self) -> npt.NDArray[np.bool_]:
        """Which taps are stored: (sources, columns, rows)."""
        return np.ones([self.layer[name] for name in ("sources", "kernel_width", "kernel_height")], bool)

    def weights(self) -> IntArray:
        stored, begin = self.pattern(), self.layer["weight_base"] - self.weight_origin
        words = self.weight_words[begin:begin + int(stored.sum()) * self.layer["tap_words"]]
        kernel = np.zeros((*stored.shape, self.layer["channels"]), np.int64)
        kernel[stored] = unpacked(words.reshape(-1, self.layer["tap_words"], self.sizes.word_bits // 64),
                                  self.layer["weight_bits"], self.layer["channels"], self.sizes)
        return kernel[:, ::-1, ::-1].transpose(3, 0, 1, 2)
