"""The packed words of memory and network as field tables: the one source of every bit position.

Field 0 is the least significant. A memory wider than 64 bits keeps connectivity words in its low 64 bits.
Bamberg et al., arXiv 2112.07019, sections 4 and 5.1; the edge descriptor shared by all source channels,
the geometry that all edges into a population share, are this project's.
"""

from dataclasses import dataclass
from functools import cache

from golden.errors import ConfigError
from golden.fields import Field, WordLayout
from golden.widths import CONNECTIVITY_BITS, KIND_BITS, TYPE_BITS, Widths


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
    HALVED = 2
    """Added to one of them for SPIKING: the potential that is kept saturates in half of the state's range."""


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
    """No kernel: synapses one by one, from a table (`Layouts.extended_edge`). The IDs of these edges are the last ones.
    A core without `organisations` drops their events, and counts them."""


TABLE_ORGANISATIONS = {"crossbar": 1, "bitmap": 2, "compressed_rows": 3}
"""How the synapses of a table may lie in memory (`golden.synapse.organisations`), and the code in the edge word; other
codes are reserved."""


@dataclass(frozen=True)
class Layouts:
    """The word layouts of one configuration. See docs/architecture.md for every field's meaning."""

    axon: WordLayout
    second_axon: WordLayout
    geometry: WordLayout
    edge: WordLayout
    extended_edge: WordLayout
    """In the place of `edge`, of kind EXTENDED; kind, shift and population are at the bits that they have there."""
    table_header: WordLayout
    """The word at `table_base` of an extended edge: the matrix, and the strides that make a row of it of an event."""
    table_bases: WordLayout
    """The word behind it: where the parts of the table lie."""
    table: WordLayout
    population: WordLayout
    second_population: WordLayout
    parameter: WordLayout
    second_parameter: WordLayout
    event: WordLayout


OF_TABLES = ("extended_edge", "table_header", "table_bases")
"""Layouts of words that only a core with `organisations` reads."""

RESERVED = {
    "second axon": (),
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
    edge = _edge(config, kernel)
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
        edge=edge,
        **_tables(config, edge),
        table=WordLayout("kernel table", (*depth, *kernel, Field("first_channel", c.channel_bits))),
        population=_population(config),
        second_population=WordLayout("second population", (
            Field("far_axons", 1),
            Field("state_width", 2),
            Field("lane_layout", 3),
            Field("second_state", 1),
            Field("apart", 1),
            Field("state_base", address),
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
    for name, layout in vars(found).items():
        if layout.bits > CONNECTIVITY_BITS and (config.organisations or name not in OF_TABLES):
            widths = ", ".join(f"{field.name} {field.bits}" for field in layout.fields)
            raise ConfigError(f"the {layout.name} word needs {layout.bits} bits and has {CONNECTIVITY_BITS}: {widths}")
    if config.organisations and found.extended_edge.positions["kind"] > edge.positions["kind"]:
        raise ConfigError("configuration field 'organisations': the extended edge word has too few bits below its "
                          f"kind, at bit {edge.positions['kind']}, and needs {found.extended_edge.positions['kind']}")
    if config.organisations and found.table_bases.field("row_words").bits < 8:
        raise ConfigError(f"configuration field 'address_bits' = {address} must be at most 18 with organisations: "
                          "a table's three addresses share a word")
    return found


def _edge(config: "Widths", kernel: tuple[Field, ...]) -> WordLayout:
    return WordLayout("edge", (
        Field("source_channels", config.channel_bits, bias=1),
        *kernel,
        Field("weight_stride", config.weight_stride_bits),
        Field("step", config.step_bits),
        Field("dilated", 1),
        *_edge_ends(config),
    ))


def _edge_ends(config: "Widths") -> tuple[Field, ...]:
    """What edge words of all kinds have at their highest bits."""
    return (
        Field("kind", 2),
        Field("shift", config.product_shift_bits),
        Field("population", config.population_bits),
    )


def _tables(config: "Widths", edge: WordLayout) -> dict[str, WordLayout]:
    """The words of edges whose synapses lie in tables."""
    address = config.address_bits
    fields = (Field("table_base", address), Field("organisation", 3), Field("weight_bits", 4),
              Field("state_base", address))
    filler = edge.positions["kind"] - sum(field.bits for field in fields)
    return {
        "extended_edge": WordLayout("extended edge", (
            *fields, *([Field("filler", filler)] if filler > 0 else []), *_edge_ends(config))),
        "table_header": WordLayout("table header", (
            Field("inputs", 16, bias=1),
            Field("outputs", 16, bias=1),
            Field("x_stride", 16),
            Field("y_stride", 12),
        )),
        "table_bases": WordLayout("table bases", (
            Field("index_base", address),
            Field("bitmap_base", address),
            Field("weight_base", address),
            Field("row_words", max(0, min(16, CONNECTIVITY_BITS - 3 * address))),
        )),
    }


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
