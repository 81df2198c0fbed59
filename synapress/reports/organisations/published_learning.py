"""The backward figures of Schaefer et al., which hold the weight update, beside what this project's counts give.

Two readings of each organisation: by this project's walks, and by walks as the authors' energies show them. Theirs read
the weight at every place of a bitmap's matrix, and search compressed rows. Their energy for a place of a bitmap,
forward and backward, is an eighth of, and one read of, a memory of as many bits as the matrix has places, by their
own saw: so a word of their bitmap has 8 bits. Nothing is fitted to the backward figures.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from golden.errors import ConfigError
from golden.synapse.organisations.interface import Pass
from golden.types import Array
from synapress.energy.memory import SLOT_PJ, WRITE, memory_model
from synapress.energy.tables import rows
from synapress.reports.cells import Cell
from synapress.reports.organisations import published_layers as paper
from synapress.reports.organisations.compare import formula_bits, packed
from synapress.reports.organisations.layers import Drawn, Layer
from synapress.reports.organisations.learning import LINK_BITS, VARIANTS, Variant, counted, learning_sizes
from synapress.reports.organisations.published_layers import CONVOLUTION_MODEL

BITMAP_WORD = 8
"""Bits of a word of the authors' bitmap, by their energies."""
BACKWARD_SLOT_PJ = 6.39
"""What their bitmap of 784 × 128 costs backward for each place, beside its weights: one read of it, by the saw."""
PIXEL_BITS = 31
"""What their compressed rows of a convolution hold for each pixel beside the kernel, by the memory power."""
OLDER_SAVING = 0.577
"""Of functional against compressed rows, backward, 8 bits, 28 × 28, in the authors' file iscas_figs/pf_res.csv, whose
numbers differ from the final ones by factors of 5 to 100."""
_HEAVY = {"bitmap": "a read at every place", "compressed_rows": "search"}
"""The variants that are the authors'."""

Group = tuple[str, list[Cell], str]
"""Title, cells, note."""


def groups(seed: int, progress: Callable[[str], None] = lambda _: None) -> list[Group]:
    """All groups of figures on learning."""
    progress("published dense layers, backward")
    return [
        ("784 × 128, backward and update, µJ, by this project's walks", _dense(seed, theirs=False),
         "Accesses of serial decoders by the golden models, times the saw at the formula's bits; a write is "
         f"{WRITE} reads. A bitmap is read once for each place, of as many bits as the matrix has places; links have "
         f"{LINK_BITS} bits. Pointers are left out"),
        ("784 × 128, backward and update, µJ, by the authors' walks", _dense(seed, theirs=True),
         "As above, but the weight is read at every place of a bitmap's matrix, and compressed rows are searched, row "
         "by row, by halving"),
        ("Times in those of a crossbar's place forward, 784 × 128, 8 bits", _dense_times(seed),
         "Published: milliseconds by least squares of the relative error, over places and weights that are not zero. "
         "Ours: cycles of serial decoders likewise; one access of each memory in a cycle"),
        ("Times in those of a functional synapse forward, convolutions, 8 bits", _kernel_times(seed),
         "As above, over events times channels and synapses. Backward, ours begin anew for each destination neuron, of "
         "which there are as many as events times channels, and more behind the borders"),
        ("Convolutions, backward and update, µJ", _kernels(seed), "Reads and writes of functional organisations by the "
         f"golden models of serial decoders, times {CONVOLUTION_MODEL}"),
        ("Ratios", _ratios(seed), "Published figures by the authors' data, in which backward holds the update"),
    ]


def _counts(layer: Layer, name: str, seed: int, *, theirs: bool, what: int = Pass.UPDATE
            ) -> tuple[dict[str, int], int | None]:
    """Accesses and cycles of a serial decoder's pass."""
    wanted = _HEAVY.get(name, "") if theirs else ""
    variant = next(item for item in VARIANTS.get(name, (Variant(),)) if item.label == wanted)
    made = packed(name, layer, learning_sizes(variant, serial=True), seed)
    return counted(made, layer, variant, what)


def _dense(seed: int, *, theirs: bool) -> list[Cell]:
    found = []
    for row in paper.dense_rows("784"):
        name, layer = row["organisation"], paper.drawn(row)
        if theirs and name not in _HEAVY:
            continue
        accesses, _ = _counts(layer, name, seed, theirs=theirs)
        ours, note = _by_the_saw(name, layer, accesses, links=not theirs)
        found.append(Cell(what=f"{name}, density {layer.density:g}, {layer.weight_bits} bits",
                          published=float(row["backward_uj"]), ours=ours, note=note))
    return found


def _by_the_saw(name: str, layer: Drawn, accesses: Mapping[str, int], *, links: bool) -> tuple[float | None, str]:
    """µJ, or why there is no figure."""
    saw, parts, places = memory_model("schaefer"), formula_bits(name, layer), layer.inputs * layer.outputs
    bits = parts["weights"] + parts.get("indices", 0)
    try:
        weight = saw.read(bits, layer.weight_bits)
        beside = places * saw.read(places, BITMAP_WORD) if name == "bitmap" else 0.0
        if name == "compressed_rows" and links:
            bits = accesses["weight_read"] * LINK_BITS
            beside = accesses["weight_read"] * saw.read(bits, LINK_BITS)
    except ConfigError:
        return None, f"{bits:,} bits are beyond the saw"
    return ((accesses["weight_read"] + WRITE * accesses["weight_write"]) * weight + beside) / 1e6, ""


# -- times -----------------------------------------------------------------------------------------


def _shares(counts: Sequence[Sequence[float]], times: Sequence[float]) -> Array:
    """What each count takes, by least squares of the relative error."""
    taken = np.asarray(times, float)
    found: Array = np.linalg.lstsq(np.asarray(counts, float) / taken[:, np.newaxis], np.ones(len(taken)),
                                        rcond=None)[0]
    return found


_TERMS = {"crossbar": {"forward_ms": ("place",), "backward_ms": ("place",)},
          "compressed_rows": {"forward_ms": ("weight that is not zero",)}}
"""What the authors' times depend on, where it is not both: the other's share is nothing."""


def _dense_times(seed: int) -> list[Cell]:
    published: dict[tuple[str, str], Array] = {}
    ours: dict[tuple[str, str], Array] = {}
    places: dict[tuple[str, str], tuple[str, ...]] = {}
    for name in ("crossbar", "bitmap", "compressed_rows"):
        mine = [row for row in paper.dense_rows("784") if row["organisation"] == name and row["weight_bits"] == "8"]
        layers = [paper.drawn(row) for row in mine]
        for column, what in (("forward_ms", Pass.FORWARD), ("backward_ms", Pass.UPDATE)):
            terms = _TERMS.get(name, {}).get(column, ("place", "weight that is not zero"))
            counts = [[float(layer.inputs * layer.outputs if term == "place" else layer.synapses) for term in terms]
                      for layer in layers]
            places[name, column] = terms
            published[name, column] = _shares(counts, [float(row[column]) for row in mine])
            cycles = [_counts(layer, name, seed, theirs=False, what=what)[1] for layer in layers]
            ours[name, column] = _shares(counts, [float(item or 0) for item in cycles])
    return _relative(published, ours, ("crossbar", "forward_ms", 0), places)


def _kernel_times(seed: int) -> list[Cell]:
    published: dict[tuple[str, str], Array] = {}
    ours: dict[tuple[str, str], Array] = {}
    for name in ("functional", "functional_bitmap", "functional_pure"):
        mine = [row for row in rows("schaefer.csv") if row["organisation"] == name and row["weight_bits"] == "8"]
        # An image of 128 has more neurons than an index can name; what the border adds to 32 is little already.
        images = [min(int(row["image"]), 32) for row in mine]
        for column, what in (("forward_ms", Pass.FORWARD), ("backward_ms", Pass.UPDATE)):
            cycles = [_counts(paper.convolved(row, image), name, seed, theirs=False, what=what)[1]
                      for row, image in zip(mine, images, strict=True)]
            published[name, column] = _shares(_sizes(mine, [int(row["image"]) for row in mine]),
                                              [float(row[column]) for row in mine])
            ours[name, column] = _shares(_sizes(mine, images), [float(item or 0) for item in cycles])
    return _relative(published, ours, ("functional", "forward_ms", 1),
                     dict.fromkeys(published, ("event and channel", "synapse")))


def _sizes(layers: Sequence[Mapping[str, str]], images: Sequence[int]) -> list[list[float]]:
    """Events times channels, and synapses, of convolutions of images."""
    each = [image ** 2 * int(row["outputs"]) for row, image in zip(layers, images, strict=True)]
    return [[float(count), float(count * int(row["kernel"]) ** 2)] for count, row in zip(each, layers, strict=True)]


def _relative(published: Mapping[tuple[str, str], Array], ours: Mapping[tuple[str, str], Array],
              unit: tuple[str, str, int], each: Mapping[tuple[str, str], Sequence[str]]) -> list[Cell]:
    """Both in a unit that each has for itself: an organisation's, a column's count."""
    name, column, number = unit
    their_unit, our_unit = published[name, column][number], ours[name, column][number]
    found = []
    for (organisation, when), shares in published.items():
        for place, share in enumerate(shares):
            took = "forward" if when == "forward_ms" else "backward and update"
            found.append(Cell(what=f"{organisation}, {took}, for each {each[organisation, when][place]}",
                              published=float(share / their_unit),
                              ours=round(float(ours[organisation, when][place] / our_unit), 6),
                              note=f"published: {1e6 * share:.2f} ns"))
    return found


# -- kernels ---------------------------------------------------------------------------------------

_SMALL = 8
"""Every event has as many synapses, so that a small image does for all."""


def _kernels(seed: int) -> list[Cell]:
    model, found = memory_model(CONVOLUTION_MODEL), []
    for row in rows("schaefer.csv"):
        if not row["organisation"].startswith("functional"):
            continue
        layer, width = paper.convolved(row, _SMALL), max(8, int(row["weight_bits"]))
        accesses, _ = _counts(layer, row["organisation"], seed, theirs=False)
        events = int(row["image"]) ** 2 / layer.inputs
        bits = paper.kernel_bits(row)
        ours = events * (accesses["weight_read"] * model.read(bits, width)
                         + accesses["weight_write"] * model.write(bits, width))
        found.append(Cell(what=paper.shape(row), published=float(row["backward_uj"]), ours=ours / 1e6))
    return found


# -- ratios ----------------------------------------------------------------------------------------


def _ratios(seed: int) -> list[Cell]:
    return [*_network_ratios(seed), *_kernel_ratios(seed)]


def _network_ratios(seed: int) -> list[Cell]:
    network = {(row["organisation"], row["inputs"], row["weight_bits"], row["density"]): row
               for row in rows("schaefer_network.csv")}
    chosen = {"crossbar": [("crossbar", "700", "5", ""), ("crossbar", "400", "5", "")],
              "bitmap": [("bitmap", "700", "2", "0.65"), ("bitmap", "400", "2", "0.63")]}
    lines = {name: [network[key] for key in keys] for name, keys in chosen.items()}

    def ratio(energy: Callable[[Mapping[str, str]], float]) -> float:
        return sum(map(energy, lines["crossbar"])) / sum(map(energy, lines["bitmap"]))

    published = ratio(lambda row: float(row["forward_uj"]) + float(row["backward_uj"]))
    what = "700-400-250, forward and backward: crossbar, 5 bits ÷ bitmap, 2 bits, densities .65, .63"
    own = "the energy of a weight's access from each layer's own forward figure"
    return [
        Cell(what=f"{what}; the authors' walks, a read of the bitmap for each place", published=published,
             ours=ratio(lambda row: _network(row, seed, theirs=True)), note=f"published claim 1.37; {own}, of a "
             "bitmap's word from the saw"),
        Cell(what=f"{what}; the same, {BACKWARD_SLOT_PJ} pJ for each place whatever the bitmap's size",
             published=published, ours=ratio(_related), note="the relation of 784 × 128 carried over to larger layers"),
        Cell(what=f"{what}; this project's walks", published=published,
             ours=ratio(lambda row: _network(row, seed, theirs=False)),
             note=f"{own}; backward, only weights that are not zero are read"),
        Cell(what=f"{what}; accesses alone", published=published,
             ours=ratio(lambda row: float(_accesses(row, seed))), note="each access of a serial decoder counts as one, "
             "the bitmap's and pointers among them")]


def _network(row: Mapping[str, str], seed: int, *, theirs: bool) -> float:
    """µJ forward and backward of a layer, by counts, and its own forward figure."""
    layer, saw = paper.drawn(row), memory_model("schaefer")
    places, forward = layer.inputs * layer.outputs, 1e6 * float(row["forward_uj"])
    bitmap = saw.read(places, BITMAP_WORD) if row["organisation"] == "bitmap" else 0.0
    access = (forward - places / BITMAP_WORD * bitmap) / (layer.synapses if bitmap else places)
    counts, _ = _counts(layer, row["organisation"], seed, theirs=theirs)
    back = (counts["weight_read"] + WRITE * counts["weight_write"]) * access + places * bitmap
    return (forward + back) / 1e6


def _related(row: Mapping[str, str]) -> float:
    """µJ forward and backward of a layer, by the relations between its accesses and its own forward figure."""
    layer = paper.drawn(row)
    places, synapses, forward = layer.inputs * layer.outputs, layer.synapses, 1e6 * float(row["forward_uj"])
    if row["organisation"] == "crossbar":
        return forward * (1 + 1 + WRITE) / 1e6
    access = (forward - SLOT_PJ * places) / synapses
    return (forward + BACKWARD_SLOT_PJ * places + access * (places + WRITE * synapses)) / 1e6


def _accesses(row: Mapping[str, str], seed: int) -> int:
    return sum(sum(_counts(paper.drawn(row), row["organisation"], seed, theirs=False, what=what)[0].values())
               for what in (Pass.FORWARD, Pass.UPDATE))


def _kernel_ratios(seed: int) -> list[Cell]:
    by: dict[tuple[str, str], Any] = {
        (row["organisation"], row["image"]): row for row in rows("schaefer.csv")
        if (row["layer"], row["outputs"], row["kernel"], row["weight_bits"]) == ("convolution", "32", "3", "8")}
    model, cells = memory_model(CONVOLUTION_MODEL), []
    kernel = [access(paper.kernel_bits(by["functional", "28"]), 8) for access in (model.read, model.write)]
    layer = paper.convolved(by["functional", "28"], _SMALL)
    accesses = [sum(_counts(layer, name, seed, theirs=False)[0].values()) for name in ("functional", "compressed_rows")]
    for image in ("28", "128"):
        published = _quotient(by, "backward_uj", image)
        what = f"functional ÷ compressed rows, backward and update, {image} × {image}, 3×3, 32 channels, 8 bits"
        index = model.read(PIXEL_BITS * int(image) ** 2, 32)
        cells += [
            Cell(what=f"{what}; accesses alone", published=published, ours=accesses[0] / accesses[1],
                 note="each counts as one: a read and a write of each synapse, and of compressed rows a link more, "
                      "whatever the image, so that one of the two sizes may agree by chance; the tables of all "
                      f"synapses are beyond {model.name}"),
            Cell(what=f"{what}; kernel shared", published=published, ours=sum(kernel) / (sum(kernel) + index),
                 note=f"a supposition: beside the kernel's accesses one read of {PIXEL_BITS} bits for each pixel's "
                      "index at every synapse, so that compressed rows are dearer the larger the image")]
    for image, published, note in (
            ("28 × 28, the authors' older data", OLDER_SAVING, "as the claim of 58 % may be read, too"),
            ("28 × 28, their final data", 1 - _quotient(by, "backward_uj", "28"), "58 % is what is left"),
            ("128 × 128, their final data", 1 - _quotient(by, "backward_uj", "128"), "larger images save more")):
        cells.append(Cell(what=f"saving of functional against compressed rows, backward and update, {image}",
                          published=published, ours=1 - accesses[0] / accesses[1],
                          note=f"{note}; ours: accesses alone"))
    for image in ("28", "128"):
        cells.append(Cell(
            what=f"functional ÷ compressed rows, forward, {image} × {image}, 3×3, 32 channels, 8 bits",
            published=_quotient(by, "forward_uj", image), ours=None,
            note="the authors' compressed rows share weights; ours are a table of all synapses"))
    return cells


def _quotient(by: Mapping[tuple[str, str], Mapping[str, str]], column: str, image: str) -> float:
    return float(by["functional", image][column]) / float(by["compressed_rows", image][column])
