"""What the room of memory organisations holds: how synapses lie in memory, and what a walk through those of one neuron
gives.

A request names a neuron; an organisation gives its synapses, each with the neuron at the other end, the weight and the
weight's place, in the hardware's order. After Schaefer, Faley, Neftci and Joshi, ISCAS 2020, arXiv 2003.11639, whose
abstract and introduction name the organisations; the layouts, bit by bit, are this project's (docs/architecture.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError, require_within
from golden.fields import Field, WordLayout
from golden.memory_words import number
from golden.ports import READ_LATENCY
from golden.types import Fields, IntArray, Words


class Pass:
    """What a walk is for. Hardware without `Sizes.learning` drops, and counts, all but the first one."""

    FORWARD = 0
    """The synapses that leave a neuron, in the order of the neurons that they lead to."""
    BACKWARD = 1
    """Those that lead to a neuron, in the order of the neurons that they leave. Each reads its weight's word afresh."""
    UPDATE = 2
    """As BACKWARD; each weight is written before it is read again. The organisation gives the synapses, whoever takes
    them writes. What is stored stays so: a weight that becomes 0 remains a synapse."""
    APPLY = 3
    """Every stored weight of a layer once, in the order of the memory, to be written: what is summed over many UPDATEs
    of weights that many synapses share. Only functional organisations have it; the request's neuron is not looked at.
    """


KINDS = ("index_read", "bitmap_read", "weight_read", "weight_write")
"""The kinds of memory access, as counters and the hardware's pulses name them. Each is one word."""
IN_FLIGHT = 8
"""With `read_latency`, how many weights of an UPDATE may be between their read and their write: as many as there are if
the unit behind the synapses takes one per cycle and writes it after up to six."""
POINTER_BITS = 32
"""A pointer to the synapses of a row; a word holds several."""


@dataclass(frozen=True)
class Sizes:
    """The widths of an organisation's hardware.

    Raises:
        ConfigError: on construction, naming the field.
    """

    address_bits: int
    """Word address of each of the two memories, which may be one."""
    word_bits: int = 64
    """A memory word: 64 or 128."""
    neuron_bits: int = 16
    """A neuron's index, at either end."""
    weight_bits: int = 12
    """The widest weight; a layer says how wide its own are."""
    value_bits: int = 9
    """The value that a request carries, signed."""
    serial: int = 0
    """1: one memory access for each pointer, weight or entry, as in the paper. 0: a word is read once for all that one
    request takes from it, one after the other."""
    read_latency: int = 1
    """Cycles from a granted access to its word."""
    learning: int = 0
    """1: also BACKWARD and UPDATE."""
    search: int = 0
    """1, only with `learning`: compressed rows have no links; BACKWARD searches each row for the neuron, as in the
    paper."""
    checkpoints: int = 0
    """1, only with `learning`: a bitmap has a pointer for each of its words instead of one for each row."""

    def __post_init__(self) -> None:
        bounds = {"address_bits": (4, 28), "word_bits": (64, 128), "neuron_bits": (2, 20), "weight_bits": (1, 12),
                  "value_bits": (1, 16), "serial": (0, 1), "read_latency": (1, 8),
                  **dict.fromkeys(("learning", "search", "checkpoints"), (0, 1))}
        require_within("organisation", self, bounds)
        if self.word_bits not in (64, 128):
            raise ConfigError(f"organisation: word_bits = {self.word_bits} must be 64 or 128")
        if (self.search or self.checkpoints) and not self.learning:
            raise ConfigError("organisation: search = 1 and checkpoints = 1 need learning = 1")

    @classmethod
    def of(cls, config: CoreConfig) -> "Sizes":
        """Those of an organisation in a core.

        Raises:
            ConfigError: its words are wider than 128 bits.
        """
        return cls(address_bits=config.address_bits, word_bits=config.word_bits, weight_bits=config.table_weight_bits,
                   value_bits=config.value_bits, read_latency=READ_LATENCY)

    @property
    def offset_bits(self) -> int:
        """A bit's place in a word."""
        return self.word_bits.bit_length() - 1


def layer_layout(sizes: Sizes) -> WordLayout:
    """What the hardware knows of a layer whose synapses are looked up.

    inputs, outputs: neurons at either end. weight_bits: of one weight. index_base: first word of the pointers.
    bitmap_base: first word of the bitmap. weight_base: first word of weights or entries. row_words: words of a row, of
    the bitmap if there is one, else of the weights. With `learning` column_base and link_base: first words of the
    column pointers and of the links of compressed rows.
    """
    more = ("column", "link") if sizes.learning else ()
    return WordLayout("layer", (
        Field("inputs", sizes.neuron_bits, bias=1), Field("outputs", sizes.neuron_bits, bias=1),
        Field("weight_bits", 4), *(Field(f"{name}_base", sizes.address_bits) for name in ("index", "bitmap", "weight")),
        Field("row_words", sizes.neuron_bits), *(Field(f"{name}_base", sizes.address_bits) for name in more),
    ))


def request_layout(sizes: Sizes) -> WordLayout:
    """A request, to which the hardware's adds the layer."""
    return WordLayout("request", (
        Field("pass", 2), Field("neuron", sizes.neuron_bits), Field("value", sizes.value_bits, signed=True),
    ))


def synapse_layout(sizes: Sizes) -> WordLayout:
    """One synapse: the neuron at the other end, the weight, the bit address of the weight, the request's value; with
    `learning` whether the request is an UPDATE."""
    return WordLayout("synapse", (
        Field("neuron", sizes.neuron_bits), Field("weight", sizes.weight_bits, signed=True),
        Field("weight_address", sizes.address_bits + sizes.offset_bits),
        Field("value", sizes.value_bits, signed=True), *((Field("update", 1),) if sizes.learning else ()),
    ))


@dataclass(frozen=True)
class Expansion:
    """What becomes of one request, in the hardware's order.

    Cycles hold if no read waits and each synapse is taken when it is offered, and if the unit was idle; in an UPDATE
    also if no weight is met again before it has been written. An UPDATE gives the weights that are there at its begin,
    and counts a write for each synapse.
    """

    neurons: IntArray
    weights: IntArray
    weight_addresses: IntArray
    """Bit addresses."""
    counts: dict[str, int]
    """Accesses by KINDS."""
    errors: int
    """Requests, rows or synapses that have been dropped."""
    steps: tuple[tuple[int, bool], ...]
    """Each synapse, each one that is dropped and perhaps an end after them: the cycle in which the walk gives it, the
    one in which the request is taken being 0, and whether it waits for a word of its own."""
    interval: int
    """Cycles from the request that is taken to the next one that can be taken."""
    cycles: int
    """Cycles from the request that is taken to `done`."""


def offers(taken: Sequence[int], steps: Sequence[Sequence[tuple[int, bool]]], read_latency: int) -> list[list[int]]:
    """The cycles in which each step of requests, one after the other, is at the output, if nothing waits.

    A step that waits for a word passes to the output `read_latency` cycles after it was given, another one a cycle
    after; they stay in order, one per cycle, and the output is a register. With its last step a request is `done`.

    Args:
        taken: the cycle in which each request is taken.
        steps: of each request, see `Expansion.steps`.
    """
    offered: list[list[int]] = []
    passed = -1
    for start, given in zip(taken, steps, strict=True):
        offered.append([])
        for cycle, fetch in given:
            passed = max(start + cycle + (read_latency if fetch else 1), passed + 1)
            offered[-1].append(passed + 1)
    return offered


@dataclass(frozen=True, eq=False)
class Organisation:
    """The synapses of one layer in memory: a room of `golden.rooms.ORGANISATIONS`.

    Attributes:
        layer: the fields that a request carries (`layer_layout`, or the class's own).
        index_words, weight_words: what is in the two memories, from `index_origin` and `weight_origin` on; 0 elsewhere.
            Shape (words,) or, of wide words, (words, word_bits // 64). They are the organisation's own, and weights are
            changed in place (`write_weight`).
    """

    sizes: Sizes
    layer: Fields
    index_words: Words
    weight_words: Words
    index_origin: int = 0
    weight_origin: int = 0

    name: ClassVar[str]

    @staticmethod
    def layer_layout(sizes: Sizes) -> WordLayout:
        """What a request says about the layer."""
        return layer_layout(sizes)

    @staticmethod
    def start_up(sizes: Sizes, walk: int = Pass.FORWARD) -> int:
        """Cycles from a request taken by the idle unit to its first synapse offered, if no read waits and the first
        place that the walk looks at has one."""
        raise NotImplementedError

    @classmethod
    def pack(cls, matrix: npt.ArrayLike, *, weight_bits: int, sizes: Sizes, index_base: int = 0,
             bitmap_base: int | None = None, weight_base: int = 0, stored: npt.ArrayLike | None = None
             ) -> "Organisation":
        """The words of a matrix of weights.

        Args:
            matrix: integers (inputs, outputs).
            weight_bits: of one weight, two's complement.
            index_base, bitmap_base, weight_base: first words of pointers, bitmap (None: behind the pointers) and
                weights. An organisation looks at those that it has; what only BACKWARD needs is behind the others.
            stored: which weights, (inputs, outputs), are stored even if they are 0; None: none. A crossbar stores all.

        Raises:
            NetworkError: the matrix, or `stored`, is malformed.
            FieldRangeError: a weight does not fit.
            ImageError: the words do not fit the memory.
        """
        raise NotImplementedError

    def expand(self, request: Mapping[str, int]) -> Expansion:
        """The synapses of one request (`request_layout`), literally, whatever the memory holds."""
        raise NotImplementedError

    def counts(self, neurons: npt.ArrayLike, passes: npt.ArrayLike = Pass.FORWARD) -> dict[str, IntArray]:
        """Of many requests, each as `expand` would count: KINDS, `synapses`, `cycles` and `interval`.

        The memory must be as `pack` wrote it, but for weights. Arrays of the shape of `neurons` and `passes`.

        Raises:
            ConfigError: another pass than FORWARD without `learning`.
        """
        requests = np.broadcast_arrays(np.asarray(neurons, np.int64), np.asarray(passes, np.int64))
        wanted, walks = (array.ravel() for array in requests)
        forward = walks == Pass.FORWARD
        if forward.all():
            found = self.forward_counts(wanted)
        elif not self.sizes.learning:
            raise ConfigError("organisation: BACKWARD and UPDATE need learning = 1")
        else:
            parts = self.forward_counts(wanted[forward]), self.backward_counts(wanted[~forward])
            found = {name: np.zeros(len(wanted), np.int64) for name in parts[0]}
            for name, array in found.items():
                array[forward], array[~forward] = (part[name] for part in parts)
            found["weight_write"] = np.where(walks == Pass.UPDATE, found["synapses"], 0)
        return {name: array.reshape(requests[0].shape) for name, array in found.items()}

    def forward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        """`counts` of FORWARD requests, (requests,)."""
        raise NotImplementedError

    def backward_counts(self, neurons: IntArray) -> dict[str, IntArray]:
        """`counts` of BACKWARD requests, (requests,); those of UPDATE only differ in their writes."""
        raise NotImplementedError

    def weights(self) -> IntArray:
        """The matrix as the memory has it, (inputs, outputs), 0 where nothing is stored; or the kernel."""
        raise NotImplementedError

    @staticmethod
    def formula_bits(inputs: int, outputs: int, stored: int, weight_bits: int) -> dict[str, int]:
        """Bits of each part by the formulas of the paper's figures, of a layer that need not be packed.

        Args:
            stored: weights that are stored.
        """
        return {"weights": stored * weight_bits}

    def storage_bits(self) -> dict[str, int]:
        """Bits of each part by the formulas of the paper's figures: weights as wide as they are, nothing rounded to
        words."""
        raise NotImplementedError

    def learning_bits(self) -> dict[str, int]:
        """Bits of each part that only BACKWARD and UPDATE need, as they are placed; in none of the paper's formulas."""
        return {}

    @property
    def image_words(self) -> int:
        """Memory words that are really placed."""
        return len(self.index_words) + len(self.weight_words)

    def index_word(self, address: int) -> int:
        """A word of the index memory."""
        return _word(self.index_words, address - self.index_origin)

    def pointer(self, address: int, slot: int) -> int:
        """One of the pointers in a word of the index memory."""
        return self.index_word(address) >> slot * POINTER_BITS & (1 << POINTER_BITS) - 1

    def weight_word(self, address: int) -> int:
        """A word of the weight memory."""
        return _word(self.weight_words, address - self.weight_origin)

    def read_weight(self, bit_address: int) -> int:
        """The weight at a bit address that `expand` has given."""
        word, offset = divmod(bit_address, self.sizes.word_bits)
        bits = self.layer["weight_bits"]
        raw = self.weight_word(word) >> offset & (1 << bits) - 1
        return raw - (raw >> bits - 1 << bits)

    def write_weight(self, bit_address: int, weight: int) -> None:
        """Write the weight at a bit address that `expand` has given; no other bit changes. Behind the words nothing is
        written."""
        word, offset = divmod(bit_address, self.sizes.word_bits)
        part, shift = divmod(offset, 64)
        mask = (1 << self.layer["weight_bits"]) - 1
        place = word - self.weight_origin
        if 0 <= place < len(self.weight_words):
            words = self.weight_words.reshape(len(self.weight_words), -1)
            # A weight may lie across the parts of a wide word.
            for where, up in ((part, shift), (part + 1, shift - 64)):
                if where < words.shape[1]:
                    here, value = (item << up if up >= 0 else item >> -up for item in (mask, weight & mask))
                    keep = int(words[place, where]) & ~here & (1 << 64) - 1
                    words[place, where] = keep | value & (1 << 64) - 1

    def within(self, index: Words, weight: Words, **layer: int) -> Self:
        """The same layer, perhaps with other fields, in memories that hold `index` and `weight` from address 0 on."""
        return replace(self, layer={**self.layer, **layer}, index_words=index, weight_words=weight,
                       index_origin=0, weight_origin=0)


def _word(words: Words, place: int) -> int:
    if not 0 <= place < len(words):
        return 0
    return number(words[place])
