"""The packed words of memory and network as field tables: the one source of every bit position.

Field 0 is the least significant. A memory wider than 64 bits keeps connectivity words in its low 64 bits.
Bamberg et al., arXiv 2112.07019, sections 4 and 5.1; the edge descriptor shared by all source channels,
the geometry that all edges into a population share, are this project's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError, FieldRangeError
from golden.widths import CONNECTIVITY_BITS, KIND_BITS, TYPE_BITS, Widths


@dataclass(frozen=True)
class Field:
    """One field: `bits` wide, perhaps signed, storing value - `bias`."""

    name: str
    bits: int
    signed: bool = False
    bias: int = 0

    @property
    def low(self) -> int:
        return (-(1 << (self.bits - 1)) if self.signed and self.bits else 0) + self.bias

    @property
    def high(self) -> int:
        return ((1 << (self.bits - 1)) - 1 if self.signed and self.bits else (1 << self.bits) - 1) + self.bias


@dataclass(frozen=True)
class WordLayout:
    """A packed word: an ordered table of fields."""

    name: str
    fields: tuple[Field, ...]

    @property
    def bits(self) -> int:
        return sum(field.bits for field in self.fields)

    @property
    def positions(self) -> dict[str, int]:
        """Field → its lowest bit."""
        found, low = {}, 0
        for field in self.fields:
            found[field.name] = low
            low += field.bits
        return found

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    def pack(self, values: Mapping[str, int] | None = None, *, where: str = "", **more: int) -> int:
        """Values by field name into one integer; a missing field holds its lowest stored pattern (0).

        Raises:
            FieldRangeError: a value does not fit; `where` names who asked.
        """
        given = {**(values or {}), **more}
        word, shift = 0, 0
        for field in self.fields:
            value = int(given.pop(field.name, field.bias))
            if not field.low <= value <= field.high:
                raise FieldRangeError(self.name, field.name, value, field.low, field.high, where)
            word |= ((value - field.bias) & ((1 << field.bits) - 1)) << shift
            shift += field.bits
        if given:
            raise KeyError(f"{self.name} word has no field {', '.join(given)}")
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """All fields of one packed integer."""
        values, word = {}, int(word)
        for field in self.fields:
            raw = word & ((1 << field.bits) - 1)
            if field.signed and field.bits and raw >> (field.bits - 1):
                raw -= 1 << field.bits
            values[field.name] = raw + field.bias
            word >>= field.bits
        return values

    def pack_array(self, values: Mapping[str, npt.ArrayLike], *, where: str = "") -> npt.NDArray[np.uint64]:
        """`pack` for arrays that broadcast, of a word of at most 64 bits.

        Raises:
            FieldRangeError: a value does not fit; it names the first that does not.
        """
        arrays = {name: np.asarray(array, np.int64) for name, array in values.items()}
        words = np.zeros(np.broadcast_shapes(*(array.shape for array in arrays.values())), np.uint64)
        shift = 0
        for field in self.fields:
            if field.name in arrays:
                array = arrays.pop(field.name)
                wrong = array[(array < field.low) | (array > field.high)]
                if wrong.size:
                    raise FieldRangeError(self.name, field.name, int(wrong[0]), field.low, field.high, where)
                raw = ((array - field.bias) & ((1 << field.bits) - 1)).astype(np.uint64)
                words |= raw << np.uint64(shift)
            shift += field.bits
        if arrays:
            raise KeyError(f"{self.name} word has no field {', '.join(arrays)}")
        return words

    def column(self, words: npt.NDArray[np.uint64], name: str) -> npt.NDArray[np.int64]:
        """One field of an array of packed words of at most 64 bits: quicker than `unpack_array` for few of them."""
        field = self.field(name)
        raw = ((words >> np.uint64(self.positions[name])) & np.uint64((1 << field.bits) - 1)).astype(np.int64)
        if field.signed and field.bits:
            raw -= (raw >> (field.bits - 1)) << field.bits
        return raw + field.bias

    def unpack_array(self, words: npt.NDArray[np.uint64]) -> dict[str, npt.NDArray[np.int64]]:
        """All fields of an array of packed words of at most 64 bits, as int64 arrays."""
        if self.bits > 64:
            raise ValueError(f"{self.name} word has {self.bits} bits; arrays hold 64")
        words = np.asarray(words, np.uint64)
        values, shift = {}, 0
        for field in self.fields:
            if not field.bits:
                values[field.name] = np.full(words.shape, field.bias, np.int64)
                continue
            raw = ((words >> np.uint64(shift)) & np.uint64((1 << field.bits) - 1)).astype(np.int64)
            if field.signed:
                raw -= (raw >> (field.bits - 1)) << field.bits
            values[field.name] = raw + field.bias
            shift += field.bits
        return values


class EventKind:
    """What an event says."""

    VALUE = 0
    """A neuron fired: x, y anchor the transposed kernel, c is the source channel, v the value."""
    END = 1
    """End of timestep on this axon: x, y hold the way back to the source core, c the source population."""
    CREDIT = 2
    """A destination evaluated: id names the population (of the receiving core) that gets a credit."""


class ReservedKind:
    """Kinds of events to come, which have their numbers; they are dropped, and counted."""

    COLUMN = 3
    """One column of a population is complete; x names it."""
    ERROR = 4
    """An error that goes back along an edge, for learning; else as VALUE."""


@dataclass(frozen=True)
class KindOfEvent:
    """A kind of event as an integrator sees it, and what its fields hold."""

    name: str
    kind: int
    meaning: str
    fields: dict[str, str]


EVENT_KINDS = (
    KindOfEvent("VALUE", EventKind.VALUE, "a neuron fired", {
        "id": "event ID: of an edge of the receiving core, or of an output", "c": "channel",
        "x": "column", "y": "row, as the axon moved both to where the receiver's kernel begins", "v": "value"}),
    KindOfEvent("END", EventKind.END, "the timestep of one source has ended, on one axon", {
        "id": "event ID", "c": "population of the source", "x": "core_x as the source sent it",
        "y": "core_y as the source sent it: the credit goes to (-x, -y)"}),
    KindOfEvent("CREDIT", EventKind.CREDIT, "the receiver of an end has evaluated: its source may fire again", {
        "id": "population of the source"}),
)
"""All kinds; others are dropped. `core_x` and `core_y` of each say which core it goes to, relative to the sender."""


class NeuronType:
    """How a population's states are updated and evaluated: codes of `golden.neuron.types`."""

    SUM = 0
    MAX = 1
    PRODUCT = 2
    """Two operands in one state, multiplied: both signed."""
    SPIKING = 3
    """Integrates over timesteps and fires at a threshold; its state is kept."""
    PRODUCT_MIXED = 4
    """A product whose operand A, in the low bits, is unsigned."""
    PRODUCT_UNSIGNED = 6
    """A product of two unsigned operands."""

    PRODUCTS = (PRODUCT, PRODUCT_MIXED, PRODUCT_UNSIGNED)


class Reset:
    """What a SPIKING neuron's state becomes when it fires; in the place of the saturation, of which bit 0 counts."""

    SUBTRACT = 0
    ZERO = 1


class Saturation:
    """The range that an evaluated value is clipped to."""

    RELU = 0
    """[0, 2**(value_bits-1) - 1]: uint8 for 9-bit events."""
    SIGNED = 1
    """[-2**(value_bits-2), 2**(value_bits-2) - 1]: int8 for 9-bit events."""
    FULL = 2
    """The whole signed event value: [-256, 255] for 9 bits."""
    TABLE = 3
    """Clipped like FULL, and then looked up in the population's value table."""

    @staticmethod
    def bounds(saturation: int, value_bits: int) -> tuple[int, int]:
        """Lowest and highest value of a saturation mode; of TABLE, of what is looked up."""
        half, quarter = 1 << (value_bits - 1), 1 << (value_bits - 2)
        return ((0, half - 1), (-quarter, quarter - 1), (-half, half - 1), (-half, half - 1))[saturation]


class EdgeKind:
    """What kind of kernel an edge word describes."""

    DENSE = 0
    """One kernel for each source channel, into all destination channels."""
    TABLE = 1
    """A kernel table word for each source channel: grouped convolutions."""
    DEPTHWISE = 2
    """A source channel leads to the same destination channel."""
    EXTENDED = 3
    """Reserved: a second edge word at `weight_base` says the kind and more. Its events are dropped, and counted."""


@dataclass(frozen=True)
class Layouts:
    """The word layouts of one configuration. See docs/architecture.md for every field's meaning."""

    axon: WordLayout
    second_axon: WordLayout
    geometry: WordLayout
    edge: WordLayout
    second_edge: WordLayout
    table: WordLayout
    population: WordLayout
    second_population: WordLayout
    parameter: WordLayout
    second_parameter: WordLayout
    event: WordLayout


RESERVED = {
    "second axon": (),
    "second edge": ("kind", "weight_base", "weight_width", "sparse", "product", "exponent_bias", "lane_layout"),
    "second population": ("state_width", "lane_layout", "second_state"),
    "second parameter": (),
}
"""Fields that have their place and no meaning yet: nothing reads them, and an image holds zeros there.

Neuron types say which fields of a second parameter word they look at: `golden.neuron.interface.NeuronModel`.
"""


@cache
def layouts(config: Widths) -> Layouts:
    """The layouts of a configuration.

    Raises:
        ConfigError: the fields of a connectivity word exceed 64 bits.
    """
    c, address = config, config.address_bits
    # A table word replaces the depth of the geometry word and the kernel of the edge word, each at its very bits.
    depth = (Field("depth_words", c.depth_word_bits), Field("last_lane", c.lane_bits))
    kernel = (
        Field("kernel_width", c.kernel_bits, bias=1),
        Field("kernel_height", c.kernel_bits, bias=1),
        Field("weight_base", address),
    )
    found = Layouts(
        axon=_axon(config),
        second_axon=WordLayout("second axon", (
            Field("core_x", c.mesh_bits, signed=True),
            Field("core_y", c.mesh_bits, signed=True),
        )),
        geometry=WordLayout("geometry", (
            *depth,
            Field("state_base", address),
            Field("width", c.coordinate_bits, bias=1),
            Field("height", c.coordinate_bits, bias=1),
            Field("x_stride", address),
            Field("pad", 1),
            Field("max", 1),
        )),
        edge=WordLayout("edge", (
            Field("source_channels", c.channel_bits, bias=1),
            *kernel,
            Field("weight_stride", c.weight_stride_bits),
            Field("step", c.step_bits),
            Field("dilated", 1),
            Field("kind", 2),
            Field("shift", c.product_shift_bits),
            Field("population", c.population_bits),
        )),
        second_edge=WordLayout("second edge", (
            Field("kind", 2),
            Field("weight_base", address),
            Field("weight_width", 3),
            Field("sparse", 1),
            Field("product", 3),
            Field("exponent_bias", 6, signed=True),
            Field("lane_layout", 3),
        )),
        table=WordLayout("kernel table", (*depth, *kernel, Field("first_channel", c.channel_bits))),
        population=_population(config),
        second_population=WordLayout("second population", (
            Field("far_axons", 1),
            Field("state_width", 2),
            Field("lane_layout", 3),
            Field("second_state", 1),
        )),
        parameter=WordLayout("parameter", (
            Field("bias", c.state_bits, signed=True),
            Field("multiplier", c.multiplier_bits),
            Field("shift", c.shift_bits),
            Field("leaky", 1),
            Field("slope", c.slope_bits, signed=True),
        )),
        second_parameter=WordLayout("second parameter", (
            Field("refractory", 8),
            Field("decay", min(c.multiplier_bits, 16)),
            Field("lowest", min(c.state_bits, 16), signed=True),
            Field("highest", min(c.state_bits, 16), signed=True),
        )),
        event=_event(config),
    )
    for layout in vars(found).values():
        if layout.bits > CONNECTIVITY_BITS:
            widths = ", ".join(f"{field.name} {field.bits}" for field in layout.fields)
            raise ConfigError(f"the {layout.name} word needs {layout.bits} bits and has {CONNECTIVITY_BITS}: {widths}")
    return found


def _axon(config: "Widths") -> WordLayout:
    return WordLayout("axon", (
        Field("x_offset", config.offset_bits, signed=True),
        Field("y_offset", config.offset_bits, signed=True),
        Field("c_offset", config.channel_bits),
        Field("x_limit", config.axon_extent_bits),
        Field("y_limit", config.axon_extent_bits),
        Field("kernel_width", config.kernel_bits, bias=1),
        Field("kernel_height", config.kernel_bits, bias=1),
        Field("upsample", config.upsample_bits),
        Field("stride", config.step_bits),
        Field("core_x", config.near_mesh_bits, signed=True),
        Field("core_y", config.near_mesh_bits, signed=True),
        Field("id", config.edge_bits),
    ))


def _population(config: "Widths") -> WordLayout:
    return WordLayout("population", (
        Field("base", config.address_bits),
        Field("width", config.coordinate_bits, bias=1),
        Field("height", config.coordinate_bits, bias=1),
        Field("depth", config.channel_bits),
        Field("type", TYPE_BITS),
        Field("saturation", 2),
        Field("uniform", 1),
        Field("pad", 1),
        Field("axons", config.axon_count_bits),
        Field("incoming", config.incoming_bits),
        Field("extended", 1),
    ))


def _event(config: "Widths") -> WordLayout:
    return WordLayout("event", (
        Field("v", config.value_bits, signed=True),
        Field("c", config.channel_bits),
        Field("y", config.offset_bits, signed=True),
        Field("x", config.offset_bits, signed=True),
        Field("id", config.edge_bits),
        Field("kind", KIND_BITS),
        Field("core_y", config.mesh_bits, signed=True),
        Field("core_x", config.mesh_bits, signed=True),
    ))
