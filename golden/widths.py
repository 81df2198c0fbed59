"""The widths and sizes of a core, and those that follow from them.

Widths of the default preset follow Bamberg et al., arXiv 2112.07019, section 5.1.
"""

from dataclasses import dataclass

CONNECTIVITY_BITS = 64
"""Width of a connectivity word (axon, population, geometry, edge), whatever the memory's width."""

TABLE_ENTRY_BITS = 16
"""Width of an entry of a value table, of which an event value takes the low bits."""

TYPE_BITS = 4
"""Width of the code of a neuron type."""

KIND_BITS = 3
"""Width of the kind of an event."""

NEAR_MESH_BITS = 4
"""Width of a relative core address in an axon word; one that is farther away takes the second axon word."""


@dataclass(frozen=True, kw_only=True)
class Widths:
    """The fields of a configuration, unchecked: `golden.config.CoreConfig` adds the checks, presets and files.

    The packed words (`golden.words`) are made of these fields, and a configuration is checked against its words: so the
    fields stand below both.
    """

    name: str = "grai_vip"
    address_bits: int = 15
    """Word address; the unified memory has 2**address_bits words."""
    lanes: int = 4
    """Neuron states updated per cycle; one memory word holds the states of this many adjacent channels."""
    state_bits: int = 16
    """Two's complement neuron state; accumulation wraps."""
    weight_bits: int = 8
    """Signed synaptic weight."""
    value_bits: int = 9
    """Signed event value: uint8, int8 and the difference of two of them are exact."""
    coordinate_bits: int = 8
    """Width and height of a population (stored minus one) and a neuron's x and y."""
    channel_bits: int = 10
    """Channel index and depth of a population."""
    kernel_bits: int = 4
    """Kernel width and height, stored minus one."""
    step_bits: int = 2
    """log2 of a stride or of a dilation rate."""
    upsample_bits: int = 3
    """Upsample shift at the source."""
    offset_bits: int = 9
    """Signed axon offsets and event anchors x_min, y_min."""
    hit_test: int = 1
    """1: the PEG sends no event that meets no neuron of the destination; 0: every one that an event word can say."""
    short_events: int = 0
    """1: the ESU takes an event of the same ID in every cycle if its kernel is 1×1; 0: in every fourth, as any other,
    which is hidden where an event has at least four word operations."""
    forward_states: int = 0
    """1: an operation right behind another one on the same state word adds to its result, and one write does for both;
    0: it waits until that is written, three cycles more."""
    skip_silent: int = 0
    """1: the evaluation looks at a state word per cycle, and evaluates those of its neurons that can fire; 0: it
    evaluates one neuron per cycle, whether it fires or not."""
    extent_unit_log2: int = 3
    """An axon stores the destination's extent in units of 2**this, rounded up: false hits are harmless."""
    edge_bits: int = 5
    """Event ID: an edge (or group of edges) into a population of the destination core."""
    population_bits: int = 5
    """Populations per core; at most edge_bits, as a credit carries the population in its ID."""
    mesh_bits: int = 6
    """Signed relative core address, per axis; an axon word holds `near_mesh_bits` of it."""
    axon_count_bits: int = 6
    """Axons of one population."""
    incoming_bits: int = 6
    """End-of-timestep events that a population waits for; also the size of the core's return table (2**this)."""
    weight_stride_bits: int = 16
    """Bytes from one source channel's weights to the next's."""
    product_shift_bits: int = 3
    """Left shift of every product of an edge."""
    multiplier_bits: int = 16
    """Unsigned requantization multiplier of the evaluation."""
    shift_bits: int = 6
    """Right shift after the multiplication."""
    banks: int = 4
    """Single-port memory banks, interleaved by the low address bits."""
    input_queue: int = 4
    """Events that the input queue holds. What each depth is for: docs/architecture.md, "Queues"."""
    local_queue: int = 8
    """Events that the queue from the core to itself holds; at least `LEAST_LOCAL_QUEUE`."""
    output_queue: int = 9
    """Events that the output queue holds; at least `LEAST_OUTPUT_QUEUE` (`golden.timing.microarchitecture`)."""
    counter_bits: int = 40
    """Width of the performance counters."""
    guard_states: int = 0
    """1: work only on populations whose words agree about their states, so that no write leaves these."""
    access_counters: int = 0
    """1: the core counts the reads and writes of each memory port, too (`golden.registers.ACCESS_COUNTERS`)."""
    decoder: str = "esu"
    """What turns an event into synapses: a block of `golden.rooms.DECODERS`. "mixed" for the ESU beside tables."""
    organisations: tuple[str, ...] = ()
    """How synapses may lie in tables, with the decoder "mixed" only: names of `golden.words.TABLE_ORGANISATIONS`."""
    table_weight_bits: int = 8
    """The widest signed weight of a table; each table has a width of its own up to it."""
    update: str = "neuron"
    """What does synaptic operations on states: a block of `golden.rooms.UPDATES`."""
    product: str = "linear"
    """Product of a weight and a value: a block of `golden.rooms.PRODUCTS`."""
    ttfs_times: int = 24
    """Times T at which a neuron that fires once may spike: logarithmic products, neuron type "ttfs"."""
    ttfs_tau: int = 4
    """Times τ in which such a spike comes to weigh half as much."""
    log_levels: int = 2
    """Logarithmic weights per octave, p: 1, 2 or 4."""
    log_fraction_bits: int = 12
    """Fraction bits of a logarithmic product, without the edge's shift, which takes some away."""
    encoder: str = "search"
    """How such a neuron's time is found, see `golden.neuron.types.ttfs`: "search", neuron by neuron; or "sweep", time
    by time, `lanes` neurons per cycle, so that spikes leave in the order of their times."""
    neuron_types: tuple[str, ...] = ("sum", "product", "spiking")
    """Neuron types that the core has, SUM always among them: blocks of `golden.rooms.NEURON_TYPES`."""
    cim_rows: int = 512
    """Word lines of the compute-in-memory array, with update "cim" only, as are the next two."""
    cim_columns: int = 256
    """Columns of the array, each with its bit-serial adder."""
    cim_tags: int = 1024
    """Places for operands in the array that its tags can tell apart: of potentials, and as many of weights."""

    # -- derived -------------------------------------------------------------------------------

    @property
    def word_bits(self) -> int:
        """Bits of a memory word: one state per lane."""
        return self.lanes * self.state_bits

    @property
    def memory_words(self) -> int:
        return 1 << self.address_bits

    @property
    def memory_bytes(self) -> int:
        return self.memory_words * self.word_bits // 8

    @property
    def lane_bits(self) -> int:
        """log2 of the number of lanes."""
        return (self.lanes - 1).bit_length()

    @property
    def byte_bits(self) -> int:
        """log2 of the bytes in a memory word."""
        return (self.word_bits // 8 - 1).bit_length()

    @property
    def weight_address_bits(self) -> int:
        """Byte address of a weight."""
        return self.address_bits + self.byte_bits

    @property
    def depth_word_bits(self) -> int:
        """Channel words of one position."""
        return self.channel_bits - self.lane_bits

    @property
    def near_mesh_bits(self) -> int:
        """Signed relative core address in an axon word, per axis."""
        return min(self.mesh_bits, NEAR_MESH_BITS)

    @property
    def mesh_reach(self) -> int:
        """Columns or rows that a relative address reaches, forth and back."""
        return (1 << (self.mesh_bits - 1)) - 1

    @property
    def near_mesh_reach(self) -> int:
        """Columns or rows that an axon word reaches without a second word, forth and back."""
        return (1 << (self.near_mesh_bits - 1)) - 1

    @property
    def axon_extent_bits(self) -> int:
        """Coarse destination extent in an axon."""
        return self.offset_bits - 1 - self.extent_unit_log2

    @property
    def slope_bits(self) -> int:
        """Signed slope or threshold in a parameter word: as wide as is of use, or as the word has room for."""
        room = CONNECTIVITY_BITS - 1 - self.state_bits - self.multiplier_bits - self.shift_bits
        return min(max(self.multiplier_bits, self.state_bits) + 1, room)

    @property
    def factor_bits(self) -> int:
        """Width of a product's weight: the widest of kernels and tables, an even number."""
        return max(self.weight_bits, self.table_weight_bits + self.table_weight_bits % 2 if self.organisations else 0)

    @property
    def operand_bits(self) -> int:
        """Width of an operand of a product: half a state, or what a weight and the product shift can reach."""
        return min(self.state_bits // 2, self.weight_bits - 2 + (1 << self.product_shift_bits) - 1)

    @property
    def log_period(self) -> int:
        """Exponents of logarithmic products in an octave: entries of the table of powers."""
        return max(self.ttfs_tau, self.log_levels)

    @property
    def table_words(self) -> int:
        """Words of a value table: one entry of TABLE_ENTRY_BITS for each event value."""
        return max(1, (TABLE_ENTRY_BITS << self.value_bits) // self.word_bits)

    @property
    def threshold_words(self) -> int:
        """Words of the thresholds of a population whose neurons spike once, each as wide as a state."""
        return -(-self.ttfs_times // self.lanes)

    @property
    def max_edges(self) -> int:
        return 1 << self.edge_bits

    @property
    def max_populations(self) -> int:
        return 1 << self.population_bits
