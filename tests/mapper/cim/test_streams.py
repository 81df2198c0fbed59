"""What one array moves, against slots that are followed one visit after the other, and the closed form of its work."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from golden.config import FLEXSPIM
from golden.words import NeuronType, Reset
from synapress.energy.cim import COLUMN_COUNTERS
from synapress.engines.cim_run import run_layers
from synapress.mapper.cim.shapes import LayerShape
from synapress.mapper.cim.stationarity import PUBLISHED, Layer
from synapress.mapper.cim.streams import CHANNELS, POSITIONS, Stream, streamed, streams
from synapress.mapper.cim.work import DESTINATION, SOURCE, Frame, cim_work, drawn, moved_words, program_of

SMALL = replace(FLEXSPIM, name="small", cim_rows=32, cim_columns=16, cim_tags=16)


def by_hand(layer: Layer, frame: Frame, stream: Stream, order: str, shared: bool) -> dict[str, int]:
    """Visits, tap by tap and block by block, with the operand that each slot holds."""
    width, array = stream.columns, SMALL.cim_columns
    block = min(layer.outputs, array // width)
    blocks = [range(first, min(first + block, layer.outputs)) for first in range(0, layer.outputs, block)]
    rows, weight_rows = -(-layer.potential_bits // width), -(-layer.weight_bits // width)
    places, reach = range(layer.height), (layer.kernel - 1) // 2
    found: Counter[str] = Counter()
    held: dict[tuple[str, int], tuple[int, bool]] = {}

    def words(channels: range, height: int) -> int:
        return -(-len(channels) * width * height // SMALL.word_bits)

    def visit(kind: str, slots: int, number: int, writes: bool) -> None:
        slot = kind, number % (1 << (slots - 1).bit_length())
        before, dirty = held.get(slot, (None, False))
        channels = blocks[number % len(blocks)]
        if before != number:
            found["operand_loads"] += 1
            found["state_reads" if kind == "potential" else "weight_reads"] += words(
                channels, rows if kind == "potential" else weight_rows)
            if before is not None and dirty:
                found["operand_stores"] += 1
                found["write_back_writes"] += words(blocks[before % len(blocks)], rows)
            dirty = False
        held[slot] = number, dirty or writes

    events = sorted((c, x, y) if order == CHANNELS else (x, y, c)
                    for c, x, y in zip(*np.nonzero(frame.events), strict=True))
    threshold = None
    for again in range(1 if shared else 2):
        if again or shared or not events:
            found.clear()
        found["weight_reads"] += 4 * (not again)  # the descriptor
        for event in events:
            c, x, y = event if order == CHANNELS else (event[2], event[0], event[1])
            # A tap (i, j) of the flipped kernel leads to the neuron x + i + reach - (kernel - 1).
            for i in range(layer.kernel):
                for j in range(layer.kernel):
                    at = x + i + reach - layer.kernel + 1, y + j + reach - layer.kernel + 1
                    if at[0] not in places or at[1] not in places:
                        continue
                    for number in range(len(blocks)):
                        visit("potential", stream.slots[1], (at[0] * layer.height + at[1]) * len(blocks) + number, True)
                        visit("weight", stream.slots[0],
                              ((c * layer.kernel + i) * layer.kernel + j) * len(blocks) + number, False)
        for x in places:
            for y in places:
                for number, channels in enumerate(blocks):
                    spikes = bool(frame.fires[channels.start:channels.stop, x, y].any())
                    visit("potential", stream.slots[1], (x * layer.height + y) * len(blocks) + number, spikes)
                    if threshold != number:
                        found["operand_loads"] += 1
                        found["weight_reads"] += words(blocks[0], rows)
                        threshold = number
    if shared:
        for (_, _), (number, dirty) in held.items():
            if dirty:
                found["operand_stores"] += 1
                found["write_back_writes"] += words(blocks[number % len(blocks)], rows)
    return dict(found)


@pytest.mark.parametrize("order", [POSITIONS, CHANNELS])
@pytest.mark.parametrize("shared", [True, False])
def test_every_visit_is_followed(order: str, shared: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    evicted = several = 0
    for _ in range(6):
        layer = Layer(name="a", inputs=int(random.integers(1, 4)), outputs=int(random.integers(1, 7)),
                      kernel=int(random.integers(1, 4)), height=int(random.integers(2, 6)),
                      weight_bits=int(random.integers(1, 7)), potential_bits=int(random.integers(7, 13)))
        frame = drawn(layer, float(random.random()), int(random.integers(100)))
        columns = int(random.integers(3, 7))
        stream = streamed(layer, frame, columns=columns, order=order, shared=shared, config=SMALL)
        expected = by_hand(layer, frame, stream, order, shared)
        moved = ("operand_loads", "operand_stores", "state_reads", "weight_reads", "write_back_writes")
        assert [stream.counters[name] for name in moved] == [expected.get(name, 0) for name in moved]
        work = cim_work(layer, frame, SMALL, columns, SMALL.cim_columns)
        for name in ("cim_cycles", "synapses", *COLUMN_COUNTERS):
            assert stream.counters[name] == work[name]
        assert stream.counters["word_ops"] == work["adds"]
        evicted += stream.slots[1] < layer.height ** 2
        several += layer.outputs * columns > SMALL.cim_columns
    assert evicted and several


@pytest.mark.parametrize("layer", [
    replace(PUBLISHED[0], height=20), replace(PUBLISHED[1], height=10), replace(PUBLISHED[3], height=7),
    Layer(name="blocks", inputs=3, outputs=48, kernel=3, height=9, potential_bits=16)], ids=lambda layer: layer.name)
def test_the_core_counts_the_same(layer: Layer, seed: int) -> None:
    """The golden core, with the slots that were chosen; it takes events by positions, and stores nothing at the end."""
    random = np.random.default_rng(seed)
    program = program_of(layer)
    edge = replace(program.edges[0], weights=random.integers(-60, 70, program.edges[0].weights.shape))
    neurons = replace(program.population(DESTINATION), type=NeuronType.SPIKING, saturation=Reset.SUBTRACT,
                      threshold=np.array([150]))
    program = replace(program, edges=[edge], populations=[program.population(SOURCE), neurons])
    events = drawn(layer, 0.85, seed).events
    columns = 8 if layer.name == "blocks" else None
    chosen = streamed(layer, Frame(events, np.zeros(neurons.shape, np.int64)), columns=columns, shared=True)
    weight, potential = (-(-bits // chosen.columns) for bits in (layer.weight_bits, layer.potential_bits))
    shape = LayerShape(
        weight_bits=layer.weight_bits, potential_bits=layer.potential_bits, columns=chosen.columns,
        groups=min(layer.outputs, 256 // chosen.columns), weight_slots=chosen.slots[0], potential_slots=chosen.slots[1],
        weight_row=0, potential_row=chosen.slots[0] * weight,
        threshold_row=chosen.slots[0] * weight + chosen.slots[1] * potential)
    ran = run_layers(program, FLEXSPIM, {SOURCE: events[np.newaxis]}, {DESTINATION: shape}, rtl=False).layers[0]
    assert ran.spikes.any()
    stream = streamed(layer, Frame(events, ran.spikes[0]), columns=columns, shared=True)
    assert stream.slots == chosen.slots
    for name in ("cim_cycles", *COLUMN_COUNTERS, "word_ops", "synapses", "operand_loads", "state_reads",
                 "weight_reads"):
        assert stream.counters[name] == ran.counters[name]
    assert stream.counters["operand_stores"] >= ran.counters["operand_stores"]


def test_what_fits_stays() -> None:
    """A layer that its array holds whole moves nothing but what a shared array must."""
    layer = replace(PUBLISHED[5], inputs=4, outputs=8, potential_bits=8)
    frame = drawn(layer, 0.5, 0)
    alone = streamed(layer, frame)
    assert alone.words == 0 and alone.slots == (36, 16)
    shared = streamed(layer, frame, shared=True)
    each = moved_words(layer, "none", 64)
    assert shared.counters["state_reads"] == each["state_reads"] == shared.counters["write_back_writes"]
    assert shared.counters["weight_reads"] == each["weight_reads"] + 4 + 1  # a descriptor, thresholds


def test_the_order_of_events_decides() -> None:
    """Where potentials stream, events in order of positions come near to one load and store per timestep."""
    layers = (replace(PUBLISHED[1], height=32),)
    (counted, ordered, mixed), = streams(layers, 0.9)
    assert counted < ordered.words < mixed.words
    (_, sparse, _), = streams(layers, 0.999)
    assert sparse.words < ordered.words
    (kept, alone, _), = streams(layers, 0.9, shared=False)
    assert kept == sum(moved_words(layers[0], "weights", 64).values()) and alone.slots[0] == 144
