"""What one array really moves for a layer, event by event, beside what is counted once per timestep.

A layer that is larger than its array has a region of slots for what does not stay: an operand takes the slot of another
one when it is needed (`golden.cim.residency`). Whether potentials are then moved once per timestep, as
`synapress.mapper.cim.stationarity` counts, or once per event, depends on the order of events. An evaluation sends them
position by position, all channels of a position together; a host may send a map of one channel after the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from golden.cim.engine import Resident, Traffic
from golden.cim.layer import Layer as Descriptor
from golden.cim.operand import operand_words
from golden.config import FLEXSPIM, CoreConfig
from golden.registers import counters as counters_of
from golden.types import IntArray
from golden.words import Reset
from synapress.energy.cim import MOVED_COUNTERS
from synapress.mapper.cim.macros import shape_of
from synapress.mapper.cim.stationarity import Kind, Layer
from synapress.mapper.cim.work import Frame, drawn, edge_operations, moved_words, widest

POSITIONS, CHANNELS = "positions", "channels"
"""Orders of events: by x, y, channel; by channel, x, y."""

SLOT_CHOICES = 4
"""Powers of two, the largest that an array has rows for, which are tried as numbers of slots."""


@dataclass(frozen=True)
class Stream:
    """One timestep of a layer in one array."""

    layer: str
    columns: int
    """N_C."""
    slots: tuple[int, int]
    """Of weights and potentials: as many as there are operands, which then stay, or a power of two."""
    counters: dict[str, int]

    @property
    def words(self) -> int:
        """Moved between the array and the memory behind it; those of descriptors and thresholds among them."""
        return sum(self.counters[name] for name in MOVED_COUNTERS)


def visits(layer: Layer, frame: Frame, blocks: int, order: str, config: CoreConfig) -> tuple[IntArray, IntArray]:
    """Potential and weight operand of each addition, in order: by event, tap in x, tap in y, block."""
    edge = edge_operations(layer, config)
    c, x, y = np.nonzero(frame.events)
    if order == POSITIONS:
        sequence = np.lexsort((c, y, x))
        c, x, y = c[sequence], x[sequence], y[sequence]
    counts = edge.columns.count[x] * edge.rows.count[y]
    of = np.repeat(np.arange(len(c)), counts)
    within = np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)
    column, row = np.divmod(within, edge.rows.count[y][of])
    c, x, y = c[of], x[of], y[of]
    position = (edge.columns.neuron[x] + column) * layer.height + edge.rows.neuron[y] + row
    weight = (c * layer.kernel + edge.columns.tap[x] + column) * layer.kernel + edge.rows.tap[y] + row
    block = np.arange(blocks)
    return ((position[:, np.newaxis] * blocks + block).reshape(-1),
            (weight[:, np.newaxis] * blocks + block).reshape(-1))


def _slots(weights: tuple[int, int], potentials: tuple[int, int], config: CoreConfig) -> Iterator[tuple[int, int]]:
    """Numbers of slots of weights and potentials in an array, of weights as many as the potentials leave rows for.

    Args:
        weights: operands, and rows of one. potentials: the same; a threshold has the rows of one, too.
    """
    def fitting(operands: int, height: int, rows: int) -> Iterator[int]:
        most = min(rows // height, config.cim_tags)
        if most >= operands:
            yield operands
        yield from [1 << log for log in reversed(range(most.bit_length())) if 1 << log < operands][:SLOT_CHOICES]

    rows = config.cim_rows - potentials[1]
    for many in fitting(*potentials, rows - weights[1]):
        yield next(fitting(*weights, rows - many * potentials[1])), many


def _widths(layer: Layer, config: CoreConfig) -> list[int]:
    """Columns of an operand that give a potential the fewest rows: of each number of rows of a weight the fewest."""
    least, most = widest(layer, config.cim_columns), max(config.cim_columns // layer.outputs, 1)
    rows: dict[int, int] = {}
    for width in range(least, most + 1):
        rows.setdefault(shape_of(layer, Kind.WEIGHTS, width).rows, width)
    return list(rows.values())


def streamed(layer: Layer, frame: Frame, *, columns: int | None = None, order: str = POSITIONS, shared: bool = False,
             config: CoreConfig = FLEXSPIM) -> Stream:
    """What one array moves in a timestep, with the shape and the slots that move least.

    Args:
        columns: N_C; default: of those that give a potential as few rows as `widest`, the one that moves least.
        order: of events, POSITIONS or CHANNELS.
        shared: other layers take the array in between: everything is loaded anew, and potentials go back. Else the
            array is this layer's alone, and the same events came before.
    """
    if columns is None:
        return min((streamed(layer, frame, columns=width, order=order, shared=shared, config=config)
                    for width in _widths(layer, config)), key=lambda stream: stream.words)
    width = columns
    groups = min(layer.outputs, config.cim_columns // width)
    blocks = -(-layer.outputs // groups)
    of_weights, of_potentials = (shape_of(layer, kind, width) for kind in Kind)
    weight, potential = of_weights.rows, of_potentials.rows
    additions = visits(layer, frame, blocks, order, config)
    last = layer.outputs - (blocks - 1) * groups
    of_whole, of_last = ([operand_words(shape, many, config.word_bits) for shape in (of_potentials, of_weights)]
                         for many in (groups, last))
    descriptor = Descriptor(
        columns=width, base=0, groups=groups, last_groups=last, potential_rows=potential, weight_rows=weight,
        blocks=blocks, potential_row=0, potential_slot_bits=0, potential_tag=0, weight_row=0, weight_slot_bits=0,
        weight_tag=0, threshold_row=0, potential_base=0, potential_words=of_whole[0], threshold_base=0,
        last_potential_words=of_last[0], weight_base=0, weight_words=of_whole[1], last_weight_words=of_last[1])
    spiked = np.stack([frame.fires[first:first + groups].any(axis=0) for first in range(0, layer.outputs, groups)], -1)
    operands = layer.inputs * layer.kernel ** 2 * blocks, layer.height ** 2 * blocks
    found = []
    for slots in _slots((operands[0], weight), (operands[1], potential), config):
        bits = {f"{kind}_slot_bits": (many - 1).bit_length()
                for kind, many in zip(("weight", "potential"), slots, strict=True)}
        found.append(Stream(layer.name, width, slots, _timestep(
            replace(descriptor, **bits), additions, spiked.reshape(-1).astype(np.int64), shared, config)))
    return min(found, key=lambda stream: stream.words)


def _timestep(descriptor: Descriptor, additions: tuple[IntArray, IntArray], spiked: IntArray, shared: bool,
              config: CoreConfig) -> dict[str, int]:
    """Counters of a timestep."""
    counts = dict.fromkeys(counters_of(config), 0)
    traffic, resident = Traffic(config, counts), Resident(descriptor)
    traffic.residents[0] = resident
    for _ in range(1 if shared else 2):
        counts.update(dict.fromkeys(counts, 0))
        operands, weights = additions
        if len(operands):
            traffic.descriptors([0])
        traffic.potentials(descriptor, *resident.potentials.visit_all(operands, True))
        traffic.weights(descriptor, resident.weights.visit_all(weights, False)[0])
        last = operands % descriptor.blocks == descriptor.blocks - 1
        groups = int(np.where(last, descriptor.last_groups, descriptor.groups).sum())
        counts["word_ops"], counts["synapses"] = len(operands), groups
        traffic.work(descriptor.potential_rows * len(operands), descriptor.potential_rows * descriptor.columns * groups)
        traffic.evaluation(0, resident, spiked, Reset.SUBTRACT)
    if shared:
        traffic.flush()
    return counts


def streams(layers: Sequence[Layer], sparsity: float, *, seed: int = 0, shared: bool = True,
            config: CoreConfig = FLEXSPIM) -> tuple[tuple[int, Stream, Stream], ...]:
    """Of each layer the words that the accounting of a timestep has, and those that one array moves by either order.

    The accounting is that of nothing that stays if the array is shared, and of what then stays in it, if not.
    """
    rows: list[tuple[int, Stream, Stream]] = []
    for number, layer in enumerate(layers):
        frame = drawn(layer, sparsity, seed + number)
        ordered, mixed = (streamed(layer, frame, order=order, shared=shared, config=config)
                          for order in (POSITIONS, CHANNELS))
        counted = moved_words(layer, "none" if shared else _stays(layer, ordered, config), config.word_bits)
        rows.append((sum(counted.values()), ordered, mixed))
    return tuple(rows)


def _stays(layer: Layer, stream: Stream, config: CoreConfig) -> str:
    """Which operands have a slot each."""
    blocks = -(-layer.outputs // (config.cim_columns // stream.columns))
    whole = (stream.slots[0] == layer.inputs * layer.kernel ** 2 * blocks,
             stream.slots[1] == layer.height ** 2 * blocks)
    kinds = [kind for kind, stays in zip(Kind, whole, strict=True) if stays]
    return "both" if len(kinds) == len(Kind) else kinds[0] if kinds else "none"
