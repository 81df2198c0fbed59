"""Bench of the event generator: random axons and neurons around every corner of the hit test.

`parameters()`: `config`, `scenario` ("random" or "timing"), `cases` (axons times neurons, at least), and for "random"
pauses by name of `tb.streams.PAUSES`: `neuron`, `memory`, `drain` (of the queue behind, which makes `room`), and
`corners`: whether every corner of the hit test must have been seen.
"""

import random
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.synapse.peg import extent, generate
from golden.timing.microarchitecture import AXON_LATENCY, AXON_WORDS
from golden.types import Fields
from golden.words import layouts
from rtl.ports import neuron_layout
from rtl.synapse.peg import Peg
from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.streams import StreamDriver, clock_and_reset, pack, pauses, unpack, wait_until

ROOM = 3
"""Events that the queues behind must be able to take while `room` is high."""


# -- work ------------------------------------------------------------------------------------------


class Stimulus:
    """Random axon blocks in a memory, and neurons that fire on them."""

    def __init__(self, config: CoreConfig, generator: random.Random, cases: int):
        self.config, self.random = config, generator
        self.axon_word = layouts(config).axon
        self.words = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words)]
        self.neurons: list[Fields] = []
        self.bins: Counter[str] = Counter()
        most, total = (1 << config.axon_count_bits) - 1, 0
        blocks: list[Any] = []
        # From the last word of the memory, where the counter ends, down; when it is full, blocks are used again.
        top = config.memory_words
        while total < cases:
            count = min(generator.choice([0, 1, 1, 2, 3, 4, 5]), most)
            if not blocks or generator.random() < 0.02:
                count = most
            far = generator.randrange(2)
            words = count << far
            if top >= words:
                top -= words
                blocks.append(self._block(top % config.memory_words, count, far))
            block = blocks[-1] if top >= words else generator.choice(blocks)
            self.neurons += block
            total += block[0]["axons"] * len(block)

    def _block(self, base: int, count: int, far: int) -> list[Fields]:
        """Axons from `base` up, perhaps of two words, and one to five neurons on them, the last one an end."""
        config, pick = self.config, self.random
        half = 1 << (config.value_bits - 1)
        upsample = pick.randrange(1 << config.upsample_bits)
        # Where x << upsample may lie: the sum with an offset has offset_bits + 2 bits.
        width = min(1 << pick.randint(1, config.coordinate_bits), max(2, (3 << (config.offset_bits - 1)) >> upsample))
        neurons = []
        for left in reversed(range(pick.randint(1, 5))):
            neuron = {
                "x": pick.choice([0, width - 1, pick.randrange(width)]), "y": pick.choice([0, pick.randrange(width)]),
                "c": pick.randrange(1 << config.channel_bits), "v": pick.randint(-half, half - 1) or 1, "end": 0,
            }
            if not left or pick.random() < 0.15:
                neuron = dict.fromkeys(neuron, 0) | {"end": 1}
            neurons.append(neuron | {"axon_base": base, "axons": count, "far": far,
                                     "population": pick.randrange(1 << config.population_bits)})
        for index in range(count):
            axon = self._axon(neurons, upsample)
            words = [(self.axon_word, axon)]
            if far:
                second = layouts(config).second_axon
                words.insert(0, (second, {field.name: pick.randint(field.low, field.high) for field in second.fields}))
            for number, (layout, fields) in enumerate(words):
                above = pick.getrandbits(config.word_bits) >> layout.bits << layout.bits
                self.words[base + (index << far) + number] = layout.pack(fields) | above
        return neurons

    def _axon(self, neurons: list[Fields], upsample: int) -> Fields:
        """Random fields, the offsets aimed at a corner of the hit test, so that no x_min leaves its range."""
        config, pick = self.config, self.random
        while True:
            axon = {field.name: pick.choice([field.low, field.high, pick.randint(field.low, field.high)])
                    for field in self.axon_word.fields}
            axon["c_offset"] = pick.randint(0, (1 << config.channel_bits) - 1 - max(n["c"] for n in neurons))
            for size in ("kernel_width", "kernel_height"):
                if pick.random() < 0.5:
                    axon[size] = min(pick.randint(1, 8), axon[size])
            axon["upsample"] = pick.choice([upsample, pick.randint(0, upsample)])
            for position, size in (("x", "kernel_width"), ("y", "kernel_height")):
                field = self.axon_word.field(f"{position}_offset")
                origin = pick.choice(neurons)[position] << axon["upsample"]
                if pick.random() < 0.8:
                    corner = pick.choice(self._corners(axon, f"{position}_limit", size)) - origin
                    if field.low <= corner <= field.high:
                        axon[field.name] = corner
            bound = 2 << config.offset_bits
            if all(-bound <= (n[p] << axon["upsample"]) + axon[f"{p}_offset"] < bound for n in neurons for p in "xy"):
                return axon

    def _corners(self, axon: Fields, limit: str, size: str) -> list[int]:
        """Positions of the first tap at which something changes."""
        unit, step = 1 << self.config.extent_unit_log2, 1 << axon["stride"]
        taps, right = extent(axon[size], self.config), (axon[limit] + 1) * unit
        near = [-taps, 1 - taps, -1, 0, 1, right - 1, right, right - step, right - taps]
        return [*near, self.random.randrange(right), self.random.randint(-taps, right), -step, step, step - 1, 1 - step]


def cover(bins: Counter[str], neuron: Fields, axon: Fields, config: CoreConfig) -> None:
    """Which corners a case is about; for hits and misses apart from one another."""
    event = generate(neuron, axon, config)
    if neuron["end"]:
        missed = generate(neuron | {"end": 0}, axon, config) is None
        bins["end that would miss" if missed else "end that would hit"] += 1
        return
    bins["hit" if event else "miss"] += 1
    limit, maximum, unit = 1 << (config.offset_bits - 1), 1 << config.kernel_bits, config.extent_unit_log2
    one_dimension: dict[str, tuple[bool, bool, bool, int]] = {}
    for p, size in (("x", "kernel_width"), ("y", "kernel_height")):
        position, taps = (neuron[p] << axon["upsample"]) + axon[f"{p}_offset"], extent(axon[size], config)
        right, phase = position >> unit > axon[f"{p}_limit"], -position % (1 << axon["stride"])
        one_dimension[p] = (position + taps <= 0, right, position > 0 and phase >= taps, position)
    for p, size in (("x", "kernel_width"), ("y", "kernel_height")):
        left, right, phase, position = one_dimension[p]
        if any(one_dimension["y" if p == "x" else "x"][:3]):
            continue  # so that the outcome depends on this dimension alone
        taps, large = extent(axon[size], config), axon[size] == maximum
        if left + right + phase == 1:
            bins[f"{p} missed {'left' if left else 'right' if right else 'between strides'}"] += 1
        if phase and not right:
            bins[f"{p} between strides of {1 << axon['stride']}"] += 1
        edge = (axon[f"{p}_limit"] + 1) << unit
        corners = {
            "last tap first": position == 1 - taps and not large, "last tap out": position == -taps and not large,
            "last tap first, large": position == 1 - taps and large, "last tap out, large": position == -taps and large,
            "beyond offset_bits": position >= limit, "beyond offset_bits + 1": position >= 2 * limit,
            "first tap last": position == edge - 1 and not phase, "first tap out": position == edge and not phase,
            "upsampled hit": event is not None and axon["upsample"] > 0 and neuron[p] > 0,
            f"upsampled by {1 << axon['upsample']}": neuron[p] > 0,
            "lowest offset": axon[f"{p}_offset"] == -limit, "highest offset": axon[f"{p}_offset"] == limit - 1,
        }
        bins.update(f"{p} {name}" for name, there in corners.items() if there)


def required(config: CoreConfig) -> set[str]:
    """Corners that a long enough run must have seen."""
    half = 1 << (config.offset_bits - 1)
    per_axis = [
        "missed left", "missed right", "missed between strides", *(f"between strides of {1 << s}" for s in (1, 2, 3)),
        "last tap first", "last tap out", "last tap first, large", "last tap out, large",
        "beyond offset_bits", "first tap last", "first tap out", "lowest offset", "highest offset", "upsampled hit",
        *(f"upsampled by {1 << shift}" for shift in range(1 << config.upsample_bits)),
    ]
    # The sum of both extremes of neuron and offset; on the left nothing is beyond the offset itself.
    if ((1 << config.coordinate_bits) - 1 << (1 << config.upsample_bits) - 1) + half - 1 >= 2 * half:
        per_axis.append("beyond offset_bits + 1")
    return {"hit", "miss", "end that would hit", "end that would miss", "no axons", "all axons", "axons kept",
            *(f"{axis} {name}" for axis in "xy" for name in per_axis)}


# -- what is watched -------------------------------------------------------------------------------


class Watch:
    """Follows the generator from outside, cycle by cycle, and checks every event and every read of an axon word.

    Events must be those of the neurons taken, in order, and not before the words that they come from. The queue behind,
    of `depth` events, must never be sent more than it holds.
    """

    def __init__(self, dut: Any, work: Stimulus, drain: Iterator[bool] | None, depth: int = ROOM):
        self.dut, self.work, self.config = dut, work, work.config
        self.cycle = 0
        self.taken: list[int] = []
        """Cycles in which neurons were taken."""
        self.reads: list[int] = []
        """Addresses of axon words, in the order in which they were read."""
        self.owed: list[int] = []
        """Addresses that must have been read."""
        self.events: list[int] = []
        self.bins: Counter[str] = Counter()
        self._drain, self._depth, self._level = drain, depth, 0
        self._due: deque[Fields] = deque()
        self._first = True
        self._layout = neuron_layout(work.config)
        dut.room.value = 0
        cocotb.start_soon(self._run())

    @property
    def done(self) -> bool:
        return len(self.taken) == len(self.work.neurons) and not self._due and not int(self.dut.busy.value)

    async def _run(self) -> None:
        dut = self.dut
        room = False
        while True:
            await RisingEdge(dut.clk)
            if not int(dut.rst.value):
                self.cycle += 1
                self._check(room)
                self._level -= self._level > 0 and not (self._drain and next(self._drain))
            # The level of this edge's end, as a queue shows it in the next cycle.
            room = self._drain is None or self._level + ROOM <= self._depth
            dut.room.value = int(room)

    def _check(self, room: bool) -> None:
        dut = self.dut
        assert int(dut.busy.value) or not self._due, "not busy, though events are due"
        if int(dut.event__valid.value):
            sent = layouts(self.config).event.unpack(int(dut.event__payload.value))
            assert self._due, f"cycle {self.cycle}: sent {sent}, expected nothing"
            expected = self._due.popleft()
            assert sent == expected, f"cycle {self.cycle}: sent {sent}, expected {expected}"
            self.events.append(self.cycle)
            self._level += self._drain is not None
            assert self._level <= self._depth, "sent more events than there was room for"
        if int(dut.axon__valid.value):
            if int(dut.axon__ready.value):
                self.reads.append(int(dut.axon__address.value))
            else:
                self.bins["axon refused"] += 1
        if int(dut.busy.value) and not room:
            self.bins["no room"] += 1
        if int(dut.neuron__ready.value) and not int(dut.neuron__valid.value):
            self.bins["nothing to do"] += 1
        if int(dut.neuron__valid.value) and int(dut.neuron__ready.value):
            neuron = unpack(self._layout, int(dut.neuron__payload.value))
            assert neuron == self.work.neurons[len(self.taken)]
            self.taken.append(self.cycle)
            self._owe(neuron)

    def _owe(self, neuron: Fields) -> None:
        """The events and reads of a neuron that has been taken."""
        config, axons, far = self.config, neuron["axons"], neuron["far"]
        base, words = neuron["axon_base"], axons << far
        kept = words <= AXON_WORDS
        if self._first or not kept:
            self.owed += range(base, base + words)
        self._first = bool(neuron["end"])
        self.bins["all axons" if axons == (1 << config.axon_count_bits) - 1 else
                  "no axons" if not axons else "axons kept" if kept else "axons read ahead"] += 1
        for index in range(axons):
            place = base + (index << far)
            axon = layouts(config).axon.unpack(self.work.words[place + far])
            if far:
                axon |= layouts(config).second_axon.unpack(self.work.words[place])
            event = generate(neuron, axon, config)
            if event is not None:
                self._due.append(event)
            cover(self.bins, neuron, axon, config)
            self.bins["far" if far else "near"] += 1


# -- tests -----------------------------------------------------------------------------------------


async def run(dut: Any, work: Stimulus, names: dict[str, str], generator: random.Random) -> Watch:
    """Send all neurons, with pauses by name; returns when the last event has come."""
    neuron, memory, drain = (names.get(name) for name in ("neuron", "memory", "drain"))
    config = work.config
    driver = StreamDriver(dut, "neuron", neuron_layout(config), pause=pauses(neuron, generator) if neuron else None,
                          generator=generator)
    model = MemoryModel(dut, "axon", work.words, word_bits=config.word_bits, generator=generator,
                        pause=pauses(memory, generator) if memory else None)
    watch = Watch(dut, work, pauses(drain, generator) if drain else None,
                  depth=generator.randint(ROOM, 3 * ROOM))
    await clock_and_reset(dut)
    driver.send_all(pack(neuron_layout(config), neuron) for neuron in work.neurons)
    await wait_until(dut, lambda: watch.done, timeout=200 * sum(1 + 2 * neuron["axons"] for neuron in work.neurons),
                     what="all neurons")
    for _ in range(10):
        await RisingEdge(dut.clk)
    assert int(dut.busy.value) == 0 and int(dut.neuron__ready.value) == 1
    assert watch.reads == watch.owed and model.reads["axon"] == len(watch.reads) > 0
    assert driver.accepted == len(work.neurons)
    return watch


@cocotb.test(skip=parameters()["scenario"] != "random")
async def random_axons(dut: Any) -> None:
    """Every event, in order, whatever waits; and every corner of the hit test."""
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    work = Stimulus(config, generator, given["cases"])
    watch = await run(dut, work, given, generator)
    missing = required(config) - set(watch.bins) if given["corners"] else set()
    stalls = {"memory": "axon refused", "drain": "no room", "neuron": "nothing to do"}
    missing |= {name for key, name in stalls.items() if given.get(key) and name not in watch.bins}
    dut._log.info(f"{len(watch.reads)} axons read, {len(watch.events)} events, {watch.cycle} cycles, "
                  f"{len(watch.bins)} bins")
    assert not missing, f"never seen: {', '.join(sorted(missing))}"
    kinds = watch.bins["hit"] + watch.bins["end that would hit"] + watch.bins["end that would miss"]
    assert len(watch.events) == kinds and watch.bins["near"] + watch.bins["far"] >= given["cases"]


@cocotb.test(skip=parameters()["scenario"] != "timing")
async def timing(dut: Any) -> None:
    """Nothing waits: an axon word per cycle from a population's first to its last, a cycle for a neuron without any."""
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    work = Stimulus(config, generator, given["cases"])
    watch = await run(dut, work, {}, generator)
    cycle, first, words = watch.taken[0], True, 0
    for neuron, taken in zip(work.neurons, watch.taken, strict=True):
        assert taken == cycle, "a neuron was not taken in the cycle of the last axon before it"
        words = neuron["axons"] << neuron["far"]
        cycle += max(words, 1) + (AXON_LATENCY - 1 if first and words else 0)
        first = bool(neuron["end"])
    assert watch.events[-1] == cycle + Peg.latency and watch.bins["no axons"] > 0
    assert len(watch.events) > (watch.bins["near"] + watch.bins["far"]) // 10
