"""What the two look-up tables at the source share: of each neuron a row of entries, each of which becomes an event.

The references of Bamberg et al., arXiv 2112.07019, section 3.2.2, in the place of the event generator
(`golden.synapse.peg`). Pointers and entries lie as in a table of compressed rows, and are walked as these are
(`golden.synapse.organisations.compressed_rows`); the last row is that of the end of a timestep.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError, NetworkError
from golden.synapse.organisations.compressed_rows import ENTRY, CompressedRows
from golden.synapse.organisations.interface import POINTER_BITS, Pass, Sizes
from golden.synapse.organisations.packing import pack_words, require_room
from golden.types import Fields, IntArray
from golden.words import Field, WordLayout

NEURON_BITS, CORE_BITS = 15, 8
"""A neuron within a core, and a core, as the paper counts them."""
TARGET_BITS = 16
"""What an entry names in its core: a neuron, or a row of the table there."""
AXIS_BITS = 4
"""A core's place in the mesh relative to the source, per axis, signed: together the paper's 8 bits."""


def neuron_layout(sizes: Sizes) -> WordLayout:
    """A neuron that fires, by its index in the population; or with `end` the end of a timestep, on all of its cores."""
    return WordLayout("neuron", (
        Field("index", sizes.neuron_bits), Field("value", sizes.value_bits, signed=True), Field("end", 1)))


def table_layout(sizes: Sizes) -> WordLayout:
    """What the hardware knows of a table: its rows, with that of an end; the first words of pointers and entries.

    Raises:
        ConfigError: an index is narrower than what an entry names.
    """
    if sizes.neuron_bits < TARGET_BITS:
        raise ConfigError(f"look-up table at the source: neuron_bits = {sizes.neuron_bits} must be at least "
                          f"{TARGET_BITS}")
    return WordLayout("table", (
        Field("rows", sizes.neuron_bits, bias=1), Field("index_base", sizes.address_bits),
        Field("entry_base", sizes.address_bits)))


def entry_layout(name: str, target: str, info: Field) -> WordLayout:
    """An entry as wide as a pointer: the target in the core, what else there is to say, and the core."""
    return WordLayout(name, (
        Field(target, TARGET_BITS), info, Field("core_y", AXIS_BITS, signed=True),
        Field("core_x", AXIS_BITS, signed=True)))


@dataclass(frozen=True)
class Sent:
    """What becomes of one neuron, in the hardware's order."""

    events: dict[str, IntArray]
    """By field of the event's layout."""
    counts: dict[str, int]
    """Accesses: `index_read`, `entry_read`."""
    errors: int
    """Neurons, rows or the rest of rows that have been dropped."""
    steps: tuple[tuple[int, bool], ...]
    """See `golden.synapse.organisations.interface.Expansion`, as for the next two."""
    interval: int
    cycles: int


@dataclass(frozen=True, eq=False)
class SourceTable:
    """The table of one source population.

    Attributes:
        rows: pointers and entries. Their `inputs` are the neurons and the end; a row has at most as many entries as an
            index names.
    """

    rows: CompressedRows

    name: ClassVar[str]
    entry: ClassVar[WordLayout]
    """Bits from the lowest of a word's entry on."""

    @property
    def table(self) -> Fields:
        """What goes with each neuron (`table_layout`)."""
        layer = self.rows.layer
        return {"rows": layer["inputs"], "index_base": layer["index_base"], "entry_base": layer["weight_base"]}

    @staticmethod
    def event_layout(sizes: Sizes) -> WordLayout:
        """What goes to the network."""
        raise NotImplementedError

    def events(self, entries: dict[str, IntArray], value: int, end: int) -> dict[str, IntArray]:
        """The events of one neuron's entries."""
        raise NotImplementedError

    def storage_bits(self) -> dict[str, int]:
        """Bits of the entries by the formula of the paper, which counts neither pointers nor ends."""
        raise NotImplementedError

    @classmethod
    def pack(cls, lengths: npt.ArrayLike, entries: Mapping[str, npt.ArrayLike], ends: Mapping[str, npt.ArrayLike], *,
             sizes: Sizes, index_base: int = 0, entry_base: int = 0) -> Self:
        """The words of a table.

        Args:
            lengths: how many entries each neuron has.
            entries: fields of all entries, neuron after neuron.
            ends: fields of the entries of an end: one for each core that must know of it.

        Raises:
            NetworkError: the lengths do not sum to the entries, or there are more neurons than an index can name.
            FieldRangeError: a field of an entry does not fit.
            ImageError: the words do not fit the memory.
            ConfigError: see `table_layout`.
        """
        table_layout(sizes)
        packed = [cls.entry.pack_array(fields, where=cls.name) for fields in (entries, ends)]
        each = np.append(np.asarray(lengths, np.int64), packed[1].size)
        if each.min() < 0 or each.sum() != sum(part.size for part in packed):
            raise NetworkError(f"{cls.name}: the rows' lengths sum to {each[:-1].sum()}, but there are "
                               f"{packed[0].size} entries")
        if max(len(each), each.max()) > 1 << sizes.neuron_bits:
            raise NetworkError(f"{cls.name}: {len(each) - 1} neurons and the end, or a row of {each.max()} entries, "
                               f"are more than {1 << sizes.neuron_bits}")
        pointers = pack_words(np.concatenate([[0], np.cumsum(each)]), POINTER_BITS, sizes)
        words = pack_words(np.concatenate(packed).astype(np.int64), ENTRY.bits, sizes)
        require_room(f"{cls.name}: pointers", index_base, len(pointers), sizes)
        require_room(f"{cls.name}: entries", entry_base, len(words), sizes)
        layer = {"inputs": len(each), "outputs": 1 << sizes.neuron_bits, "weight_bits": 1, "index_base": index_base,
                 "bitmap_base": 0, "weight_base": entry_base, "row_words": 0}
        return cls(CompressedRows(sizes, layer, pointers, words, index_origin=index_base, weight_origin=entry_base))

    def request(self, neuron: Mapping[str, int]) -> Fields:
        """What the walk through the rows is asked for: an end is the last row; a neuron out of range is dropped."""
        last = self.rows.layer["inputs"] - 1
        known = neuron["end"] or neuron["index"] < last
        return {"pass": Pass.FORWARD if known else Pass.UPDATE, "neuron": last if neuron["end"] else neuron["index"],
                "value": neuron["value"]}

    def expand(self, neuron: Mapping[str, int]) -> Sent:
        """The events of one neuron (`neuron_layout`), literally, whatever the memory holds."""
        found, word_bits = self.rows.expand(self.request(neuron)), self.rows.sizes.word_bits
        raw = []
        for address in (found.weight_addresses - ENTRY.positions["weight"]).tolist():
            word, low = divmod(address, word_bits)
            raw.append(self.rows.weight_word(word) >> low & (1 << ENTRY.bits) - 1)
        entries = self.entry.unpack_array(np.array(raw, np.uint64))
        counts = {"index_read": found.counts["index_read"], "entry_read": found.counts["weight_read"]}
        return Sent(self.events(entries, neuron["value"], neuron["end"]), counts, found.errors, found.steps,
                    found.interval, found.cycles)

    def counts(self, indices: npt.ArrayLike) -> dict[str, IntArray]:
        """Of many neurons, each as `expand` would count: `index_read`, `entry_read`, `events`, `cycles`, `interval`."""
        found = self.rows.counts(indices)
        return {"index_read": found["index_read"], "entry_read": found["weight_read"], "events": found["synapses"],
                "cycles": found["cycles"], "interval": found["interval"]}

    @property
    def entries(self) -> int:
        """Entries of all neurons, without those of the end."""
        return int(self.rows.counts(np.arange(self.rows.layer["inputs"] - 1))["synapses"].sum())

    @property
    def image_words(self) -> int:
        """Memory words that are really placed."""
        return self.rows.image_words
