"""Random edges and events for the bench of the ESU, and which cases they cover."""

import random
from collections import Counter
from collections.abc import Callable

from golden.config import CoreConfig
from golden.synapse.esu import EdgeDescriptor, Esu, ValueEvent, WordOperation
from golden.words import EdgeKind, layouts

KINDS = ("shared", "depthwise", "table")
CLIPS = (("-", "low"), ("-", "low high"), ("-", "empty"), ("+", "whole"), ("+", "high"), ("+", "empty"))
"""Sign of the anchor, and where taps fall outside."""
MOST_OPERATIONS = 300
"""Per event, but for a few."""


def some(generator: random.Random, low: int, high: int, usual: int) -> int:
    """A number of [low, high]: a bound, a small one (up to `usual`), or any."""
    pick = generator.random()
    if pick < 0.2:
        return generator.choice([low, high])
    return generator.randint(low, min(usual, high) if pick < 0.9 else high)


def kernel_fields(generator: random.Random, config: CoreConfig, stride: int, deep: bool) -> dict[str, int]:
    """The fields that an edge word and a table word share; the larger the stride, the larger the kernel."""
    largest = 1 << config.kernel_bits
    sizes = [1 if deep else some(generator, 1, largest, 4 + 2 * stride) for _ in range(2)]
    base = generator.randrange(config.memory_words)
    return {"kernel_width": sizes[0], "kernel_height": sizes[1], "weight_base": base}


def depth_fields(generator: random.Random, config: CoreConfig, deep: bool) -> dict[str, int]:
    """The fields that a geometry word and a table word share."""
    most_words = (1 << config.depth_word_bits) - 1
    words = some(generator, 1, most_words, most_words) if deep else generator.randint(1, min(4, most_words))
    return {"depth_words": words, "last_lane": generator.randrange(config.lanes)}


def edge_words(generator: random.Random, config: CoreConfig, kind: str, step: int, dilated: int, population: int
               ) -> tuple[int, int]:
    """Geometry and edge word of a random edge of a kind into a population."""
    lay, deep = layouts(config), generator.random() < 0.05
    fields = kernel_fields(generator, config, 1 if dilated else 1 << step, deep)
    largest = 1 << config.coordinate_bits
    sizes = [some(generator, 1, largest, generator.choice([2, 9])) for _ in range(2)]
    for axis, name in enumerate(("kernel_width", "kernel_height")):
        if generator.random() < 0.2:  # what sticks out on both sides, on the stride's phase too
            sizes[axis] = 1
            fields[name] = min((2 if dilated else 2 << step) + 1 + generator.randrange(3), 1 << config.kernel_bits)
    if config.short_events and generator.random() < 0.3:
        fields["kernel_width"] = fields["kernel_height"] = 1
    near_end = generator.random() < 0.1
    geometry = lay.geometry.pack(
        depth_fields(generator, config, deep), state_base=(config.memory_words - 1 - generator.randrange(8) if near_end
                    else generator.randrange(config.memory_words)),
        width=sizes[0], height=sizes[1], x_stride=generator.randrange(config.memory_words),
        pad=generator.randrange(2), max=generator.randrange(2))
    edge = lay.edge.pack(
        fields, source_channels=some(generator, 1, 1 << config.channel_bits, 1 << config.channel_bits),
        weight_stride=generator.randrange(1 << config.weight_stride_bits), step=step, dilated=dilated,
        kind={"table": EdgeKind.TABLE, "depthwise": EdgeKind.DEPTHWISE}.get(kind, EdgeKind.DENSE),
        shift=generator.randrange(1 << config.product_shift_bits),
        population=population)
    return geometry, edge


def clip(anchor: int, kernel: int, size: int, step: int, dilated: int) -> str:
    """Where the taps of one dimension that are on the stride's phase fall."""
    positions = [anchor + (tap << step if dilated else tap) for tap in range(kernel)]
    if not dilated:
        positions = [position >> step for position in positions if position % (1 << step) == 0]
    outside = [name for name, beyond in (("low", positions and positions[0] < 0),
                                         ("high", positions and positions[-1] >= size)) if beyond]
    if not any(0 <= position < size for position in positions):
        return "empty"
    return " ".join(outside) or "whole"


def anchor(generator: random.Random, config: CoreConfig, kernel: int, size: int, step: int, dilated: int,
           seen: Callable[[str, str], int]) -> int:
    """A random anchor whose clipping is any of the possible ones, or that of them which was `seen` least."""
    lowest, highest = -(1 << (config.offset_bits - 1)), (1 << (config.offset_bits - 1)) - 1
    reach = kernel << step if dilated else kernel
    end = size if dilated else size << step
    near = range(max(lowest, -reach - 2), min(highest, end + 2) + 1)
    tries = [generator.choice(near) for _ in range(30)] + [*range(max(lowest, -12), 4), near[-1], near[0]]
    if generator.random() < 0.03:
        tries = [lowest, highest]
    found: dict[tuple[str, str], list[int]] = {}
    for value in tries:
        found.setdefault(("-" if value < 0 else "+", clip(value, kernel, size, step, dilated)), []).append(value)
    least = min(sorted(found), key=lambda where: seen(*where))
    alive = [where for where in sorted(found) if where[1] != "empty"]
    return generator.choice(found[generator.choice([least, *sorted(found), *alive * 3])])


class Stimulus:
    """A memory and what is sent: made anew in rounds, as a host may change descriptors while the unit is idle."""

    def __init__(self, generator: random.Random, config: CoreConfig):
        self.generator, self.config = generator, config
        self.coverage: Counter[str] = Counter()
        table = layouts(config).table
        # Every word is a table word at first.
        self.words = []
        for _ in range(config.memory_words):
            deep = generator.random() < 0.05
            word = table.pack(kernel_fields(generator, config, generator.choice([1, 6]), deep)
                              | depth_fields(generator, config, deep), first_channel=self._channel())
            self.words.append(word | self._more_bits())
        self.edges = self.populations = 0
        self.last: ValueEvent | None = None

    def _more_bits(self) -> int:
        """Any bits above the 64 of connectivity words."""
        return self.generator.getrandbits(self.config.word_bits - 64) << 64

    def _channel(self) -> int:
        return some(self.generator, 0, (1 << self.config.channel_bits) - 1, 4 * self.config.lanes)

    def round(self, count: int) -> tuple[list[ValueEvent], list[WordOperation], int, int]:
        """New descriptors and `count` events: events, expected operations, unknown IDs, unknown channels."""
        generator, config = self.generator, self.config
        combinations = [(kind, step, dilated) for kind in KINDS for step in range(4) for dilated in range(2)]
        generator.shuffle(combinations)
        self.edges = min(len(combinations), config.max_edges - generator.randrange(2))
        combinations = combinations[:self.edges]
        # Edges may share a population: they find the geometry that came with the last of them.
        self.populations = some(generator, min(self.edges, config.max_populations) // 2 + 1, config.max_populations,
                                config.max_populations)
        owners = [generator.randrange(self.populations) for _ in combinations]
        for identity, ((kind, step, dilated), owner) in enumerate(zip(combinations, owners, strict=True)):
            geometry, edge = edge_words(generator, config, kind, step, dilated, owner)
            if generator.random() < 0.05:
                edge |= EdgeKind.EXTENDED << layouts(config).edge.positions["kind"]
            self.words[2 * owner] = geometry | self._more_bits()
            self.words[2 * self.populations + identity] = edge | self._more_bits()
        reference = Esu(config, self.words, self.edges, self.populations)
        events: list[ValueEvent] = []
        expected: list[WordOperation] = []
        while len(events) < count:
            event = self._event(combinations, first=not events)
            operations = reference.expand(event) if self._likely(event) else None
            if operations is None:
                continue
            self._note(event, combinations, operations)
            events.append(event)
            expected += operations
            self.last = event
        return events, expected, reference.unknown_id, reference.unknown_channel

    def _single(self, identity: int) -> bool:
        """Whether events of this ID follow one another in every cycle."""
        d = self._load(identity, 0)
        return bool(self.config.short_events) and (d.kernel_width, d.kernel_height, d.table) == (1, 1, False)

    def _load(self, identity: int, channel: int) -> EdgeDescriptor:
        return EdgeDescriptor.load(self.config, self.words, self.populations, identity, channel)

    def _likely(self, event: ValueEvent) -> bool:
        """Not too long, in most cases."""
        if event.id >= self.edges:
            return True
        d = self._load(event.id, event.c)
        most = 1 if d.depthwise else d.depth_words
        for kernel in (d.kernel_width, d.kernel_height):
            most *= kernel if d.dilated else (kernel >> d.step) + 1
        return most <= MOST_OPERATIONS or self.generator.random() < 0.02

    def _event(self, combinations: list[tuple[str, int, int]], first: bool) -> ValueEvent:
        generator, config = self.generator, self.config
        pick = generator.random()
        identity = generator.randrange(self.edges)
        if self.last is not None and self.last.id < self.edges and (first or pick < 0.4 or (
                self._single(self.last.id) and pick < 0.9)):
            identity = self.last.id
        v = generator.choice([-(1 << (config.value_bits - 1)), (1 << (config.value_bits - 1)) - 1,
                              generator.randrange(-(1 << (config.value_bits - 1)), 1 << (config.value_bits - 1))])
        d = self._load(identity, 0)
        c = some(generator, 0, d.source_channels - 1, d.source_channels - 1)
        if pick > 0.97 and d.source_channels < 1 << config.channel_bits:
            c = some(generator, d.source_channels, (1 << config.channel_bits) - 1, 1 << config.channel_bits)
        elif pick > 0.94 and self.edges < 1 << config.edge_bits:
            identity = generator.randrange(self.edges, 1 << config.edge_bits)
        kind, step, dilated = combinations[identity % self.edges]
        d = self._load(identity % self.edges, c)
        x, y = (anchor(generator, config, kernel, size, step, dilated, lambda sign, where, axis=axis: self.coverage[
            f"{kind}, step {step}, dilated {dilated}, {axis} {sign} {where}"])  # type: ignore[misc]
            for axis, kernel, size in (("x", d.kernel_width, d.width), ("y", d.kernel_height, d.height)))
        return ValueEvent(identity, x, y, c, v)

    def _note(self, event: ValueEvent, combinations: list[tuple[str, int, int]],
              operations: list[WordOperation]) -> None:
        coverage, config = self.coverage, self.config
        if event.id >= self.edges:
            coverage["unknown ID"] += 1
            return
        kind, step, dilated = combinations[event.id]
        d = self._load(event.id, event.c)
        if event.c >= d.source_channels or d.kind == EdgeKind.EXTENDED:
            coverage["kind to come" if d.kind == EdgeKind.EXTENDED else f"unknown channel, {kind}"] += 1
            return
        coverage["last known channel"] += event.c == d.source_channels - 1
        coverage["highest channel"] += event.c == (1 << config.channel_bits) - 1
        coverage[f"{kind}, same ID again"] += self.last is not None and self.last.id == event.id
        for axis, at, kernel, size in (("x", event.x, d.kernel_width, d.width),
                                       ("y", event.y, d.kernel_height, d.height)):
            sign, where = "-" if at < 0 else "+", clip(at, kernel, size, step, dilated)
            coverage[f"{kind}, step {step}, dilated {dilated}, {axis} {sign} {where}"] += 1
            for what, value, bits in (("kernel", kernel, config.kernel_bits), ("size", size, config.coordinate_bits)):
                coverage[f"{what} {axis} 1"] += value == 1
                coverage[f"{what} {axis} largest"] += value == 1 << bits
            coverage[f"anchor {axis} lowest"] += at == -(1 << (config.offset_bits - 1))
            coverage[f"anchor {axis} highest"] += at == (1 << (config.offset_bits - 1)) - 1
        if self._single(event.id) and self.last is not None and self.last.id == event.id:
            coverage[f"follows, {kind}, {min(len(operations), 2)} operations"] += 1
        coverage["no operation"] += not operations
        if not operations:
            return
        coverage["one operation"] += len(operations) == 1
        coverage["many words"] += not d.depthwise and d.depth_words > 8
        coverage["state address outside"] += any(op.state_address >= config.memory_words for op in operations)
        coverage["column of full height"] += d.kernel_height == 1 << config.kernel_bits and d.kernel_width > 1
        coverage[f"max {d.max}"] += 1
        coverage[f"pad {d.pad}"] += 1
        coverage[f"shift {d.shift}"] += 1
        if d.depthwise:
            coverage[f"depthwise lane {event.c % config.lanes}"] += 1
        else:
            coverage[f"last lane {d.last_lane}"] += 1
            coverage[f"first lane {d.first_channel % config.lanes}"] += 1
            coverage["one word" if d.depth_words == 1 else "several words"] += 1


def required(config: CoreConfig) -> set[str]:
    """The coverage bins that a random run must hit."""
    largest = 1 << config.kernel_bits
    # What a kernel must reach at least for a tap outside beside one inside, on the stride's phase.
    reach = {"low": 1, "high": 1, "low high": 2}
    return {
        # With `short_events`, where many kernels are 1×1, they take too long; the range is the same without.
        *(f"{kind}, step {step}, dilated {dilated}, {axis} {sign} {where}" for kind in KINDS for step in range(4)
          for dilated in range(2) for axis in "xy" for sign, where in CLIPS
          if not config.short_events and largest > (reach.get(where, 0) << (0 if dilated else step))),
        *(f"{what} {axis} {which}" for what in ("kernel", "size") for axis in "xy" for which in ("1", "largest")),
        *(f"anchor {axis} {which}" for axis in "xy" for which in ("lowest", "highest")),
        *(f"depthwise lane {lane}" for lane in range(config.lanes)),
        *(f"last lane {lane}" for lane in range(config.lanes)),
        *(f"first lane {lane}" for lane in range(config.lanes)),
        *(f"shift {shift}" for shift in range(1 << config.product_shift_bits)), "max 0", "max 1", "pad 0", "pad 1",
        "kind to come", *(f"unknown channel, {kind}" for kind in KINDS), *(f"{kind}, same ID again" for kind in KINDS),
        "unknown ID", "last known channel", "highest channel", "no operation", "one operation", "many words",
        "one word", "several words", "state address outside", "column of full height",
        *(f"follows, {kind}, {count} operations" for kind in KINDS[:2] for count in range(3)
          if config.short_events and (kind, count) != ("depthwise", 2)),
    }
