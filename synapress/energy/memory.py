"""Energy of an access to a memory, in pJ, by its capacity and the width of its words.

Two kinds of models. CACTI 7 has single-port SRAMs of four technologies; between its sizes the logarithms are
interpolated. Schaefer et al. (arXiv 2003.11639) publish energies of whole layers only; those of their crossbars and
bitmaps follow from one energy of an access, which depends on the capacity alone and is a saw: their memory compiler
changes the shape of its memories. No model says anything outside its table: asking for that is an error.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from math import exp, log
from typing import Protocol

from golden.errors import ConfigError
from synapress.energy.tables import rows


class MemoryModel(Protocol):
    """Energy of an access. A memory smaller than `least_bits` is taken as one of these: no smaller one is built."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str:
        """What every figure of it rests on, for captions."""

    @property
    def least_bits(self) -> int: ...

    @property
    def most_bits(self) -> int: ...

    def read(self, bits: float, word_bits: int) -> float:
        """Energy (pJ) of reading a word of a memory of so many bits.

        Raises:
            ConfigError: the memory or its words are outside the model's table.
        """

    def write(self, bits: float, word_bits: int) -> float:
        """Energy (pJ) of writing a word; as `read`."""


def _checked(model: MemoryModel, bits: float) -> float:
    """The capacity that the model has for a memory.

    Raises:
        ConfigError: it is larger than all that the model has.
    """
    if bits > model.most_bits:
        raise ConfigError(f"energy model '{model.name}': has memories of {model.least_bits:,} to {model.most_bits:,} "
                          f"bits, and nothing beyond; asked for: {bits:,.0f} bits. Divide the memory, or choose "
                          f"another model of {', '.join(MODELS)}")
    return max(bits, model.least_bits)


@dataclass(frozen=True)
class Cacti:
    """CACTI 7 at one feature size: one read and write port, low standby power, 300 K (`cacti.csv`)."""

    technology: int
    """Feature size in nm: 22, 32, 45 or 65."""

    @property
    def name(self) -> str:
        return f"cacti{self.technology}"

    @property
    def source(self) -> str:
        return f"CACTI 7, {self.technology} nm, itrs-lstp, 300 K, one port; logarithmic interpolation between its sizes"

    @property
    def least_bits(self) -> int:
        return 8 * min(size for size, _ in _cacti(self.technology))

    @property
    def most_bits(self) -> int:
        return 8 * max(size for size, _ in _cacti(self.technology))

    def read(self, bits: float, word_bits: int) -> float:
        return self._access(bits, word_bits, 0)

    def write(self, bits: float, word_bits: int) -> float:
        return self._access(bits, word_bits, 1)

    def _access(self, bits: float, word_bits: int, kind: int) -> float:
        size, table = _checked(self, bits) / 8, _cacti(self.technology)
        sizes, widths = ([*dict.fromkeys(key[axis] for key in table)] for axis in (0, 1))
        if not widths[0] <= word_bits <= widths[-1]:
            raise ConfigError(f"energy model '{self.name}': has words of {widths[0]} to {widths[-1]} bits; asked for: "
                              f"{word_bits}")
        large, wide = bisect_left(sizes, size), bisect_left(widths, word_bits)
        beside = sizes[max(large - 1, 0):large + 1]
        at = {width: _between(size, *((place, table[place, width][kind]) for place in beside))
              for width in widths[max(wide - 1, 0):wide + 1]}
        return _between(word_bits, *at.items())


def _between(at: float, *points: tuple[float, float]) -> float:
    """The value at a place on the straight line through two points, all in logarithms; that of the last point if the
    place is there."""
    (low, first), (high, last) = points[0], points[-1]
    if at == high or low == high:
        return last
    return exp(log(first) + (log(last) - log(first)) * (log(at) - log(low)) / (log(high) - log(low)))


@cache
def _cacti(technology: int) -> dict[tuple[int, int], tuple[float, float]]:
    """Energies of a read and a write by bytes and word bits, both ascending."""
    return dict(sorted(((int(row["bytes"]), int(row["word_bits"])), (float(row["read_pj"]), float(row["write_pj"])))
                       for row in rows("cacti.csv") if int(row["technology_nm"]) == technology))


SLOT_PJ = 0.806
"""What a bitmap costs beside its weights, for each place of the matrix, forward: its share of the authors' energies."""
WRITE = 1.55
"""A write in reads, from the same authors' backward energies (1.40 to 1.69)."""


@cache
def saw() -> tuple[tuple[int, float], ...]:
    """Capacity in bits and pJ of a read, ascending: of the authors' crossbars and bitmaps of 784 × 128.

    Forward, a weight is read for each one of the matrix; what is left of a bitmap's energy, without SLOT_PJ for each
    place, and all of a crossbar's, is that of these reads. Layers of equal capacity agree to about one per cent; their
    mean is taken.
    """
    found: dict[int, list[float]] = {}
    for row in rows("schaefer.csv"):
        if (row["layer"], row["inputs"]) == ("dense", "784") and row["organisation"] in ("crossbar", "bitmap"):
            slots = int(row["inputs"]) * int(row["outputs"])
            ones = round(float(row["density"]) * slots)
            energy = 1e6 * float(row["forward_uj"]) - SLOT_PJ * slots * (row["organisation"] == "bitmap")
            found.setdefault(ones * int(row["weight_bits"]), []).append(energy / ones)
    return tuple((bits, sum(values) / len(values)) for bits, values in sorted(found.items()))


@dataclass(frozen=True)
class Saw:
    """Schaefer et al.: energy depends on the capacity alone, whatever the word. Straight lines where it rises; where
    the next point is lower, another shape of memory begins, and it falls halfway."""

    name: str = "schaefer"
    source: str = ("saw derived from the layer energies of Schaefer et al., arXiv 2003.11639, 40 to 1204 kbit, any "
                   f"word; a write is {WRITE} reads")

    @property
    def least_bits(self) -> int:
        return saw()[0][0]

    @property
    def most_bits(self) -> int:
        return saw()[-1][0]

    def read(self, bits: float, word_bits: int) -> float:
        """As of every model; `word_bits` makes no difference."""
        at = _checked(self, bits)
        right = max(bisect_left(saw(), (at, 0.0)), 1)
        (low, first), (high, last) = saw()[right - 1], saw()[right]
        if last < first:
            return first if at < (low + high) / 2 else last
        return first + (last - first) * (at - low) / (high - low)

    def write(self, bits: float, word_bits: int) -> float:
        """WRITE reads."""
        return WRITE * self.read(bits, word_bits)


_ALL: tuple[MemoryModel, ...] = (*map(Cacti, (22, 32, 45, 65)), Saw())
MODELS = {model.name: model for model in _ALL}
"""By name."""


def memory_model(name: str) -> MemoryModel:
    """A model by its name.

    Raises:
        ConfigError: there is none of this name.
    """
    if name not in MODELS:
        raise ConfigError(f"there is no energy model '{name}'; there are: {', '.join(MODELS)}")
    return MODELS[name]
