"""One layer in every memory organisation: bits, words, accesses, cycles, events and energy, by the golden models.

A pass is one request for each source neuron, one behind the other. Each part of an organisation (pointers, bitmap,
weights) lies in a memory of its own, just large enough, unless one memory for all is given.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np

from golden.errors import ConfigError, FieldRangeError, ImageError, NetworkError
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.convolution import Map, anchor_layout
from golden.synapse.organisations.interface import KINDS, Organisation, Sizes
from golden.types import IntArray
from synapress.energy.memory import MemoryModel
from synapress.reports.organisations.layers import Convolved, Layer

MATRICES = ("crossbar", "bitmap", "compressed_rows")
"""Organisations of any matrix; the others are for convolutions."""
MOST_PLACES = 1 << 26
"""A matrix of more places is not drawn and packed: its bits are told by the formulas alone."""
ADDRESS_BITS = 24
"""Of the memories that tables are packed into here: the most that there can be."""
PART_OF = {"index_read": "index", "bitmap_read": "bitmap", "weight_read": "weight", "weight_write": "weight"}
"""By kind of access, the part of the memory that it goes to."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One layer in one organisation. What the organisation or the model cannot say is None, and `note` says why."""

    layer: str
    organisation: str
    inputs: int
    outputs: int
    density: float
    weight_bits: int
    synapses: int
    bits: dict[str, int]
    """By part, by the paper's formulas."""
    words: dict[str, int] | None = None
    """Memory words that are placed, by part."""
    accesses: dict[str, int] | None = None
    """Of a pass, by kind."""
    cycles: int | None = None
    """Of a pass, if no read waits and every synapse is taken."""
    events: int | None = None
    """That reach the core in a pass; a flat look-up table at the source would send one for each synapse."""
    energy: dict[str, float | None] = field(default_factory=dict)
    """nJ of a pass by model of the memory, the accesses alone."""
    note: str = ""

    @property
    def name(self) -> str:
        return self.organisation

    @property
    def total_bits(self) -> int:
        return sum(self.bits.values())

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"total_bits": self.total_bits}


def sizes_of(*, word_bits: int = 64, serial: bool = False) -> Sizes:
    """The widths of decoders that are compared.

    Raises:
        ConfigError: such words there are not.
    """
    return Sizes(address_bits=ADDRESS_BITS, word_bits=word_bits, serial=int(serial))


def organisations_of(layer: Layer, named: Sequence[str] = ()) -> list[str]:
    """The organisations that a layer can have, of those named or of all.

    Raises:
        ConfigError: there is none of this name.
    """
    for name in named:
        ORGANISATIONS.require(name)
    there = [name for name in (*MATRICES, *sorted(set(ORGANISATIONS.names()) - set(MATRICES)))
             if name in ORGANISATIONS.names()]
    return [name for name in there if (not named or name in named)
            and (name in MATRICES or isinstance(layer, Convolved))]


def formula_bits(name: str, layer: Layer) -> dict[str, int]:
    """Bits by part, by the formulas of Schaefer et al.'s figures, whether the layer can be packed or not."""
    kind = ORGANISATIONS.load(name, Organisation)
    if name in MATRICES:
        stored = layer.inputs * layer.outputs if name == "crossbar" else layer.synapses
        return kind.formula_bits(layer.inputs, layer.outputs, stored, layer.weight_bits)
    assert isinstance(layer, Convolved)
    taps = layer.kernel[0] * layer.kernel[1]
    stored = layer.stored_taps(name) * layer.source[0] // layer.groups * layer.shape[0]
    bits = kind.formula_bits(layer.inputs, layer.outputs, stored, layer.weight_bits)
    return bits | ({"bitmap": taps} if name == "functional_bitmap" else {})


def packed(name: str, layer: Layer, sizes: Sizes, seed: int) -> Organisation:
    """A layer's words in an organisation.

    Raises:
        NetworkError, FieldRangeError, ImageError: the organisation cannot hold it.
    """
    kind = ORGANISATIONS.load(name, Organisation)
    if name in MATRICES:
        if layer.inputs * layer.outputs > MOST_PLACES:
            raise NetworkError(f"matrices of more than {MOST_PLACES:,} places are not packed here")
        return kind.pack(layer.matrix(seed), weight_bits=layer.weight_bits, sizes=sizes)
    assert isinstance(layer, Convolved)
    return _kernel(kind, layer, sizes, seed)


def _kernel(kind: type[Organisation], layer: Convolved, sizes: Sizes, seed: int) -> Organisation:
    if layer.groups != 1 or layer.upsample:
        raise NetworkError("functional organisations have neither groups nor upsampling")
    if layer.stored_taps(kind.name) * layer.source[0] * layer.shape[0] > MOST_PLACES:
        raise NetworkError(f"kernels of more than {MOST_PLACES:,} weights are not packed here")
    step, dilated = max(layer.stride), max(layer.dilation) > 1
    if len({*layer.stride}) > 1 or len({*layer.dilation}) > 1 or (dilated and step > 1):
        raise NetworkError("functional organisations have one stride or one dilation for both axes")
    power = max(step, *layer.dilation)
    if power & power - 1:
        raise NetworkError(f"functional organisations have strides and dilations of powers of two, not {power}")
    _, width, height = layer.source
    x_offset, y_offset = layer.offsets
    place = Map(*layer.shape[1:], step=power.bit_length() - 1, dilated=int(dilated), source_width=width,
                source_height=height, x_offset=x_offset, y_offset=y_offset)
    pack = cast(Any, kind).pack
    return cast(Organisation, pack(layer.weights(seed), place=place, weight_bits=layer.weight_bits, sizes=sizes))


def requests(name: str, layer: Layer) -> IntArray:
    """The requests' neurons of a pass, in the order of the source neurons."""
    if name in MATRICES:
        return np.arange(layer.inputs)
    assert isinstance(layer, Convolved)
    x, y, c = layer.anchors()
    return anchor_layout().pack_array({"x": x, "y": y, "c": c}).astype(np.int64)


def parts(organisation: Organisation) -> dict[str, int]:
    """Words of each part of an organisation's memory."""
    layer, index = organisation.layer, len(organisation.index_words)
    bitmap = (layer["inputs"] * layer["row_words"] if organisation.name == "bitmap" else
              index if organisation.name == "functional_bitmap" else 0)
    return {"index": index - bitmap, "bitmap": bitmap, "weight": len(organisation.weight_words)}


def energy(accesses: Mapping[str, int], words: Mapping[str, int], sizes: Sizes, model: MemoryModel,
           memory_bits: int | None = None) -> float:
    """nJ of accesses to the parts of a memory.

    Args:
        memory_bits: of one memory that holds all parts; None: each part is a memory of its own.

    Raises:
        ConfigError: a memory is outside the model.
    """
    total = 0.0
    for kind, count in accesses.items():
        if count:
            bits = memory_bits or words[PART_OF[kind]] * sizes.word_bits
            total += count * (model.write if kind == "weight_write" else model.read)(bits, sizes.word_bits)
    return total / 1000


def compare(layer: Layer, *, sizes: Sizes, models: Sequence[MemoryModel], seed: int, named: Sequence[str] = (),
            memory_bits: int | None = None, progress: Callable[[str], None] = lambda _: None) -> list[Row]:
    """A layer in all organisations that it can have.

    Args:
        models: of the energy. named: organisations; none: all. memory_bits: of one memory for all parts.

    Raises:
        ConfigError: there is no such organisation.
    """
    rows = []
    for name in organisations_of(layer, named):
        progress(f"{layer.name}: {name}, density {layer.density:.3g}, {layer.weight_bits} bits")
        common: dict[str, Any] = {
            "layer": layer.name, "organisation": name, "inputs": layer.inputs, "outputs": layer.outputs,
            "density": layer.density, "weight_bits": layer.weight_bits, "synapses": layer.synapses}
        try:
            made = packed(name, layer, sizes, seed)
        except (NetworkError, ImageError, FieldRangeError) as error:
            rows.append(Row(**common, bits=formula_bits(name, layer), note=f"bits by the formula only: {error}"))
            continue
        rows.append(_row(common, made, layer, sizes, models, memory_bits))
    return rows


def _row(common: dict[str, Any], made: Organisation, layer: Layer, sizes: Sizes, models: Sequence[MemoryModel],
         memory_bits: int | None) -> Row:
    counts, words, notes = made.counts(requests(made.name, layer)), parts(made), []
    given = layer.inputs * layer.outputs if made.name == "crossbar" else layer.synapses
    if made.name not in MATRICES:
        assert isinstance(layer, Convolved)
        given = layer.walked(made.name)
    assert int(counts["synapses"].sum()) == given, made.name
    accesses = {kind: int(counts[kind].sum()) for kind in KINDS}
    if memory_bits is not None and (total := sum(words.values()) * sizes.word_bits) > memory_bits:
        notes.append(f"its {total:,} bits do not fit the memory of {memory_bits:,}")
    spent: dict[str, float | None] = {}
    for model in models:
        try:
            spent[model.name] = None if notes and memory_bits else energy(accesses, words, sizes, model, memory_bits)
        except ConfigError:
            spent[model.name] = None
            notes.append(f"{model.name} has no memories of more than {model.most_bits:,} bits")
    return Row(**common, bits=made.storage_bits(), words=words, accesses=accesses,
               cycles=int(counts["interval"].sum()), events=layer.inputs, energy=spent, note="; ".join(notes))


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """Where one organisation begins to cost more than another as the density grows."""

    quantity: str
    cheaper_below: str
    cheaper_above: str
    weight_bits: int
    density: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def crossovers(rows: Sequence[Row], first: str = "compressed_rows", second: str = "bitmap") -> list[Crossover]:
    """Where two organisations of one layer cost the same: between two densities, on the straight line."""
    quantities: dict[str, Callable[[Row], float | None]] = {"bits": lambda row: row.total_bits,
                                                            "cycles": lambda row: row.cycles}
    for name in rows[0].energy if rows else ():
        quantities[f"energy, {name}"] = lambda row, name=name: row.energy.get(name)  # type: ignore[misc]
    found = []
    for width in sorted({row.weight_bits for row in rows}):
        for quantity, value in quantities.items():
            mine = {name: {row.density: value(row) for row in rows
                           if row.organisation == name and row.weight_bits == width} for name in (first, second)}
            gaps = [(density, a - b) for density in sorted(mine[first])
                    if (a := mine[first][density]) is not None and (b := mine[second].get(density)) is not None]
            for (low, before), (high, after) in itertools.pairwise(gaps):
                if before * after < 0:
                    names = (first, second) if before < 0 else (second, first)
                    at = low + (high - low) * before / (before - after)
                    found.append(Crossover(quantity=quantity, cheaper_below=names[0], cheaper_above=names[1],
                                           weight_bits=width, density=at))
    return found
