"""One layer's synapses forward, backward and in an update, in every memory organisation.

Forward, each source neuron sends one event; backward, each destination neuron sends its error; the update is the same
walk as backward, and writes each weight that it has read. Energy is that of the organisation's own memory: sums of
errors and traces, which take a read or a write for each synapse whatever the organisation, are not in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from golden.errors import ConfigError, FieldRangeError, ImageError, NetworkError
from golden.synapse.organisations.convolution import post_layout
from golden.synapse.organisations.interface import KINDS, Organisation, Pass, Sizes
from golden.synapse.organisations.numbers import slot_bits
from golden.types import IntArray
from synapress.energy.memory import MemoryModel
from synapress.reports.organisations.compare import (
    MATRICES,
    energy,
    organisations_of,
    packed,
    parts,
    requests,
    sizes_of,
)
from synapress.reports.organisations.layers import Convolved, Layer

PASSES = {"forward": Pass.FORWARD, "backward": Pass.BACKWARD, "update": Pass.UPDATE}
"""By name."""
LINK_BITS = 64
"""Of a link of compressed rows: an entry's number and its source neuron."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way to walk backward through an organisation, as there may be several."""

    label: str = ""
    """Empty: this project's default."""
    options: Mapping[str, int] = field(default_factory=dict)
    """Fields of `Sizes`."""
    every_place: bool = False
    """Backward, a weight is read at every place of the matrix, whatever the bitmap says: the authors' energies show
    it. No hardware of this project does so."""


    summed: bool = False
    """In an update the gradients of shared weights are summed in a memory of their own, and written once behind it."""


SUMMED = (Variant(), Variant(label="gradients summed", summed=True))
GRADIENT_BITS = 32
"""Of a sum of gradients (`golden.synapse.learning.learner`)."""
VARIANTS: dict[str, tuple[Variant, ...]] = {
    "bitmap": (Variant(options={"checkpoints": 1}), Variant(label="one pointer a row"),
               Variant(label="a read at every place", every_place=True)),
    "compressed_rows": (Variant(), Variant(label="search", options={"search": 1})),
    **dict.fromkeys(("functional", "functional_bitmap", "functional_pure"), SUMMED),
}
"""Of those that have several; the ones behind the first read as the authors' do, or have no extra memory."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What one pass takes. Cycles hold if no access waits and every synapse is taken; energy is nJ by model of the
    memory, None beyond its memories."""

    accesses: dict[str, int]
    cycles: int | None
    energy: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Learned:
    """One layer in one organisation, all passes. What cannot be said is left out, and `note` says why."""

    layer: str
    organisation: str
    variant: str
    inputs: int
    outputs: int
    density: float
    weight_bits: int
    synapses: int
    word_bits: int = 64
    words: dict[str, int] | None = None
    """Memory words that are placed, by part; `links` are what only the passes backward need."""
    passes: dict[str, Spent] = field(default_factory=dict)
    note: str = ""

    @property
    def name(self) -> str:
        """Organisation and variant."""
        return f"{self.organisation}, {self.variant}" if self.variant else self.organisation

    @property
    def total_bits(self) -> int:
        """Memory that is placed."""
        return self.word_bits * sum((self.words or {}).values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total_bits": self.total_bits}


def learning_sizes(variant: Variant, *, word_bits: int = 64, serial: bool = False) -> Sizes:
    """The widths of decoders that walk backward as well.

    Raises:
        ConfigError: such words there are not.
    """
    return replace(sizes_of(word_bits=word_bits, serial=serial), learning=1, **variant.options)


def variants(organisation: str, layer: Layer, word_bits: int) -> list[Variant]:
    """The ways to walk a layer; rows of one word of bits need no checkpoints."""
    found = VARIANTS.get(organisation, (Variant(),))
    short = organisation == "bitmap" and layer.outputs <= word_bits
    return [item for item in found if not (short and item.label == "one pointer a row")]


def asked(organisation: str, layer: Layer, what: int) -> IntArray:
    """The requests' neurons of a pass: every source, or backward every destination."""
    if what == Pass.FORWARD:
        return requests(organisation, layer)
    if organisation in MATRICES:
        return np.arange(layer.outputs)
    assert isinstance(layer, Convolved)
    x, y, c = layer.posts()
    return post_layout().pack_array({"x": x, "y": y, "c": c}).astype(np.int64)


def counted(made: Organisation, layer: Layer, variant: Variant, what: int) -> tuple[dict[str, int], int | None]:
    """Accesses by kind, and cycles, of a pass through a layer that is packed."""
    summed = variant.summed and what == Pass.UPDATE
    counts = made.counts(asked(made.name, layer, what), Pass.BACKWARD if summed else what)
    accesses = {kind: int(counts[kind].sum()) for kind in KINDS}
    if variant.every_place and what != Pass.FORWARD:
        return accesses | {"weight_read": layer.inputs * layer.outputs}, None
    cycles = int(counts["interval"].sum())
    if summed:
        applied = made.counts([0], Pass.APPLY)
        cycles += int(applied["interval"].sum())
        accesses = {kind: count + int(applied[kind].sum()) for kind, count in accesses.items()}
        # Each synapse adds to its gradient, and each weight takes its own, which is then 0.
        accesses |= dict.fromkeys(GRADIENT_KINDS, accesses["weight_read"])
    return accesses, cycles


GRADIENT_KINDS = ("gradient_read", "gradient_write")


def split(made: Organisation, variant: Variant = SUMMED[0]) -> dict[str, int]:
    """Words of each part of a memory, column pointers and links of compressed rows apart, and sums of gradients."""
    found = parts(made)
    if variant.summed:
        numbers = len(made.weight_words) << slot_bits(made.layer["weight_bits"], made.sizes)
        found["gradients"] = -(-numbers * GRADIENT_BITS // made.sizes.word_bits)
    if made.name == "compressed_rows":
        rows = made.layer["column_base"] - made.layer["index_base"]
        found = {"index": rows, "links": found["index"] - rows} | found
        found["index"] = rows
    return found


def pass_energy(name: str, accesses: Mapping[str, int], words: Mapping[str, int], sizes: Sizes, model: MemoryModel,
                memory_bits: int | None = None) -> float:
    """nJ of a pass's accesses to the parts of a memory, as `split` has them; see `compare.energy`.

    Without a search, what compressed rows read backward in the index memory are column pointers and links.
    """
    linked = PASSES[name] != Pass.FORWARD and "links" in words and not sizes.search
    there = {**words, "index": words["links"]} if linked else words
    found = energy({kind: accesses[kind] for kind in KINDS}, there, sizes, model, memory_bits)
    for kind, access in zip(GRADIENT_KINDS, (model.read, model.write), strict=True):
        if count := accesses.get(kind, 0):
            bits = memory_bits or words["gradients"] * sizes.word_bits
            found += count * access(bits, GRADIENT_BITS) / 1000
    return found


def learned(layer: Layer, *, models: Sequence[MemoryModel], seed: int, word_bits: int = 64, serial: bool = False,
            named: Sequence[str] = (), memory_bits: int | None = None,
            progress: Callable[[str], None] = lambda _: None) -> list[Learned]:
    """All passes through a layer, in all organisations that it can have.

    Args:
        models: of the energy. named: organisations; none: all. memory_bits: of one memory for all parts.

    Raises:
        ConfigError: there is no such organisation.
    """
    found = []
    for name in organisations_of(layer, named):
        for variant in variants(name, layer, word_bits):
            progress(f"{layer.name}: {name}, density {layer.density:.3g}, {layer.weight_bits} bits")
            common: dict[str, Any] = {
                "layer": layer.name, "organisation": name, "variant": variant.label, "inputs": layer.inputs,
                "outputs": layer.outputs, "density": layer.density, "weight_bits": layer.weight_bits,
                "synapses": layer.synapses, "word_bits": word_bits}
            sizes = learning_sizes(variant, word_bits=word_bits, serial=serial)
            try:
                made = packed(name, layer, sizes, seed)
            except (NetworkError, ImageError, FieldRangeError) as error:
                found.append(Learned(**common, note=str(error)))
                break
            found.append(_all_passes(common, made, layer, variant, models, memory_bits))
    return found


def _all_passes(common: dict[str, Any], made: Organisation, layer: Layer, variant: Variant,
                models: Sequence[MemoryModel], memory_bits: int | None) -> Learned:
    words, notes, passes = split(made, variant), [], {}
    full = sum(words.values()) * made.sizes.word_bits
    fits = memory_bits is None or full <= memory_bits
    if not fits:
        notes.append(f"its {full:,} bits do not fit the memory of {memory_bits:,}")
    for name, what in PASSES.items():
        accesses, cycles = counted(made, layer, variant, what)
        spent: dict[str, float | None] = {}
        for model in models:
            try:
                spent[model.name] = pass_energy(name, accesses, words, made.sizes, model, memory_bits) if fits else None
            except ConfigError:
                spent[model.name] = None
                notes.append(f"{model.name} has no memories of more than {model.most_bits:,} bits")
        passes[name] = Spent(accesses=accesses, cycles=cycles, energy=spent)
    return Learned(**common, words=words, passes=passes, note="; ".join(dict.fromkeys(notes)))
