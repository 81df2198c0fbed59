"""What stays in compute-in-memory arrays: weights, potentials, both or neither of each layer, and what that moves.

A layer adds a weight operand to a potential operand. What of them stays is never moved; of the rest, per timestep, the
weights are read once, and the potentials are read and written once. That is the accounting of Chauvaux et al., arXiv
2410.23082, section IV, whatever the number of events; what a core really moves, event by event, its counters say
(`golden.registers`). Sizes are exact, in bits; kB are 1024 bytes.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from heapq import heappop, heappush
from operator import itemgetter

from golden.cim.macro import COLUMNS, ROWS
from golden.errors import ConfigError

MACRO_BITS = ROWS * COLUMNS
"""Of one macro's array, as published: 16 kB."""
KILOBYTE = 8 * 1024
"""In bits."""


class Kind(StrEnum):
    """The two operands of a layer."""

    WEIGHTS = "weights"
    POTENTIALS = "potentials"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution, or a dense layer (1×1 at one position), with the resolutions of its operands.

    Raises:
        ConfigError: on construction, a size or a resolution is below 1.
    """

    name: str
    inputs: int
    """Source channels."""
    outputs: int
    """Channels."""
    kernel: int
    """Taps in x and y."""
    height: int
    """Positions in x and y, of the sources and of the layer's neurons."""
    weight_bits: int = 8
    potential_bits: int = 12

    def __post_init__(self) -> None:
        for field in ("inputs", "outputs", "kernel", "height", "weight_bits", "potential_bits"):
            value = getattr(self, field)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"layer '{self.name}': {field} = {value!r} is not a number from 1 up")

    @property
    def weights(self) -> int:
        return self.inputs * self.outputs * self.kernel ** 2

    @property
    def potentials(self) -> int:
        return self.outputs * self.height ** 2

    @property
    def synapses(self) -> int:
        """Synaptic operations of one event of each source neuron; taps beyond an edge count, as published."""
        return self.height ** 2 * self.weights

    def bits(self, kind: Kind) -> int:
        """All weights or all potentials, in bits."""
        if kind is Kind.WEIGHTS:
            return self.weights * self.weight_bits
        return self.potentials * self.potential_bits

    def moves(self, kind: Kind) -> int:
        """Bits that they move per timestep unless they stay."""
        return self.bits(kind) * (1 if kind is Kind.WEIGHTS else 2)


PUBLISHED = tuple(
    Layer(name=f"L{number}", inputs=inputs, outputs=outputs, kernel=kernel, height=height)
    for number, (inputs, outputs, kernel, height) in enumerate(
        ((2, 16, 2, 64), (16, 16, 3, 64), (16, 32, 3, 32), (32, 32, 3, 16), (32, 64, 3, 8), (64, 64, 3, 4)), 1))
"""The convolutions of the paper's network for gestures (its figure 4), at 8-bit weights and 12-bit potentials. Of its
dense layers nothing is said."""

Item = tuple[int, Kind]
"""All weights or all potentials of a layer, by its number."""


def resolved(layers: Iterable[Layer], weight_bits: int, potential_bits: int) -> tuple[Layer, ...]:
    """The same layers, all of one pair of resolutions."""
    return tuple(replace(layer, weight_bits=weight_bits, potential_bits=potential_bits) for layer in layers)


@dataclass(frozen=True)
class Choice:
    """What stays of each layer."""

    name: str
    layers: tuple[Layer, ...]
    stays: frozenset[Item]

    def kept(self, layer: int | None = None) -> int:
        """Bits that stay, of a layer or of all."""
        return sum(self.layers[at].bits(kind) for at, kind in self.stays if layer in (None, at))

    def moved(self, layer: int | None = None) -> int:
        """Bits moved per timestep, of a layer or of all."""
        return sum(self.layers[at].moves(kind) for at, kind in items(self.layers)
                   if (at, kind) not in self.stays and layer in (None, at))

    def of(self, layer: int) -> str:
        """`weights`, `potentials`, `both` or `none`."""
        kinds = [kind for kind in Kind if (layer, kind) in self.stays]
        return "both" if len(kinds) == len(Kind) else kinds[0].value if kinds else "none"


def items(layers: Sequence[Layer]) -> tuple[Item, ...]:
    """All operands, in order of the layers, weights first."""
    return tuple((at, kind) for at in range(len(layers)) for kind in Kind)


def weight_stationary(layers: Sequence[Layer]) -> Choice:
    """WS: all weights stay."""
    return Choice("WS", tuple(layers), frozenset((at, Kind.WEIGHTS) for at in range(len(layers))))


def output_stationary(layers: Sequence[Layer]) -> Choice:
    """OS: all potentials stay."""
    return Choice("OS", tuple(layers), frozenset((at, Kind.POTENTIALS) for at in range(len(layers))))


def hybrid_least(layers: Sequence[Layer]) -> Choice:
    """HS-min: of each layer the smaller operand stays; weights if they are equal."""
    stays = frozenset((at, min(Kind, key=layer.bits)) for at, layer in enumerate(layers))
    return Choice("HS-min", tuple(layers), stays)


def hybrid_most(layers: Sequence[Layer]) -> Choice:
    """HS-max: of each layer the larger operand stays; weights if they are equal."""
    stays = frozenset((at, max(Kind, key=layer.bits)) for at, layer in enumerate(layers))
    return Choice("HS-max", tuple(layers), stays)


def ordered(layers: Sequence[Layer], capacity: int, allowed: Iterable[Item] | None = None) -> Iterator[Choice]:
    """Every choice within a capacity in bits, the one that moves least first; at last, that nothing stays.

    Of choices that move equally much, first the one that keeps fewest bits; of these, the one that keeps the first
    operand in which they differ, in order of the layers, weights first. Choices of the first operands are carried on in
    order of the best that the others can add to them. That is known exactly: of all choices of the last operands, those
    that no other one beats in both bits kept and bits saved (Nemhauser and Ullmann, 1969). So the first choice takes
    little time for any number of layers.

    Args:
        layers: in order.
        capacity: bits of all macros together (`MACRO_BITS` each), not of what their shapes leave unused.
        allowed: what may stay; default: everything.

    Raises:
        ConfigError: the capacity is negative.
    """
    if capacity < 0:
        raise ConfigError(f"what stays: a capacity of {capacity} bits is negative")
    may = items(layers) if allowed is None else tuple(item for item in items(layers) if item in set(allowed))
    sizes = [(layers[at].bits(kind), layers[at].moves(kind)) for at, kind in may]
    fronts = _fronts(sizes, capacity)

    def state(kept: int, saved: int, mask: int, place: int) -> tuple[int, ...]:
        """Of choices of the first operands: the order of the best that follows from them; then themselves."""
        front = fronts[place]
        more = front[bisect_right(front, capacity - kept, key=itemgetter(0)) - 1]
        return -saved - more[1], kept + more[0], -((mask + 1) << len(may) - place), place, kept, saved, mask

    waiting = [state(0, 0, 0, 0)]  # masks have a bit for each operand, the first one highest
    while waiting:
        *_, place, kept, saved, mask = heappop(waiting)
        if place == len(may):
            stays = frozenset(item for at, item in enumerate(reversed(may)) if mask >> at & 1)
            yield Choice("best", tuple(layers), stays)
            continue
        bits, saves = sizes[place]
        heappush(waiting, state(kept, saved, 2 * mask, place + 1))
        if kept + bits <= capacity:
            heappush(waiting, state(kept + bits, saved + saves, 2 * mask + 1, place + 1))


def _fronts(sizes: Sequence[tuple[int, int]], capacity: int) -> list[list[tuple[int, int]]]:
    """By the number of operands before them: bits kept and saved of choices of the rest that no other one beats."""
    fronts = [[(0, 0)]]
    for bits, saves in reversed(sizes):
        both = fronts[-1] + [(kept + bits, saved + saves) for kept, saved in fronts[-1] if kept + bits <= capacity]
        front, most = [], -1
        for kept, saved in sorted(both, key=lambda pair: (pair[0], -pair[1])):
            if saved > most:
                front.append((kept, saved))
                most = saved
        fronts.append(front)
    return fronts[::-1]


def best(layers: Sequence[Layer], capacity: int, allowed: Iterable[Item] | None = None) -> Choice:
    """The exact optimum: the first choice of `ordered`, whose arguments and errors it has."""
    return next(ordered(layers, capacity, allowed))
