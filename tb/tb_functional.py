"""Bench of the functional memory organisations: random kernels, requests and stalls against the golden model.

`parameters()`: `name` of the organisation, `sizes` (fields of `Sizes`), `requests`, and pauses by name of
`tb.streams.PAUSES` or none: `request`, `memory`, `synapse`. Without any the cycles are checked, too. `garbage`: the
share of layers with fields of random bits.
"""

import random
from collections import Counter, deque
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.memory_words import numbers
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.convolution import DROP, SIDE, Convolution, Map, anchor_layout
from golden.synapse.organisations.interface import KINDS, Expansion, Sizes, offers, synapse_layout
from golden.types import Fields, Words
from rtl import rooms
from rtl.synapse.organisations.interface import Organisation
from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.payloads import pack
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, clock_and_reset, every_cycle, pauses, wait_until


class Work:
    """Random layers in two memories of random bits, and requests of them."""

    def __init__(self, model: type[Convolution], sizes: Sizes, requests: int, garbage: float,
                 generator: random.Random):
        self.model, self.sizes, self.random = model, sizes, generator
        self.numpy = np.random.default_rng(generator.getrandbits(32))
        self.bins: Counter[str] = Counter()
        parts = sizes.word_bits // 64
        shape = (1 << sizes.address_bits,) + ((parts,) if parts > 1 else ())
        self.index, self.weight = (
            self.numpy.integers(0, 1 << 64, shape, np.uint64, endpoint=False) for _ in range(2))
        self.layers: list[Convolution] = []
        index, weight = 0, 0
        while (packed := self._layer(index, weight)) is not None:
            index, weight = index + len(packed.index_words), weight + len(packed.weight_words)
            _put(self.index, packed.index_origin, packed.index_words)
            _put(self.weight, packed.weight_origin, packed.weight_words)
            self.layers.append(packed)
        self.requests: list[Fields] = []
        self.expected: list[Expansion] = []
        self.packed: list[int] = []
        layout = rooms.ORGANISATIONS.load(model.name, Organisation).request_layout(sizes)
        for _ in range(requests):
            layer = generator.choice(self.layers).within(self.index, self.weight)
            if generator.random() < garbage:
                fields = model.layer_layout(sizes)
                random_layer = fields.unpack(generator.getrandbits(fields.bits))
                # Most fields of all but a few layers stay, else nearly all of them are dropped or have no neuron.
                if generator.random() < 0.8:
                    drawn = generator.choice((["weight_base"], ["source_words"], ["tap_words", "column_words"],
                                              generator.sample(sorted(random_layer), k=2)))
                    keep = random_layer.keys() - drawn
                    random_layer |= {name: layer.layer[name] for name in keep}
                    if "weight_base" not in keep:
                        random_layer["weight_base"] = (1 << sizes.address_bits) - generator.randrange(1, 40)
                layer = layer.within(self.index, self.weight, **random_layer)
            request = {"pass": generator.choice([0] * 30 + [1, 2, 3]), "neuron": self._anchor(layer.layer),
                       "value": self.numpy.integers(-1 << sizes.value_bits - 1, 1 << sizes.value_bits - 1).item()}
            found = layer.expand(request)
            self._cover(layer.layer, found)
            self.requests.append(request)
            self.expected.append(found)
            self.packed.append(pack(layout, request | {"layer": model.layer_layout(sizes).pack(layer.layer)}))

    def _layer(self, index: int, weight: int) -> Convolution | None:
        """A random layer at these words; None if they are the last ones."""
        pick, sizes = self.random, self.sizes
        bits = pick.randint(1, sizes.weight_bits)
        columns, rows = (pick.choice([1, 2, 3, 3, 4, 5, 7, SIDE]) for _ in range(2))
        channels, sources = pick.choice([1, 1, 2, 3, 5, 8, 11, 30]), pick.choice([1, 2, 3])
        taps = -(-channels // (sizes.word_bits // bits)) * columns * rows
        if weight + sources * taps > 1 << sizes.address_bits or index + sources > 1 << sizes.address_bits:
            return None if len(self.layers) > 3 else self._layer(index, weight)  # the next one may be smaller
        kernel = self.numpy.integers(-1 << bits - 1, 1 << bits - 1, (channels, sources, columns, rows))
        pattern = (sources, columns, rows) if pick.random() < 0.5 else (columns, rows)
        kernel *= self.numpy.random(pattern) < pick.random()
        place = Map(pick.randint(1, 12), pick.randint(1, 12), step=pick.randrange(4), dilated=pick.randrange(2),
                    x_stride=pick.choice([0, 0, pick.randrange(400)]), y_stride=pick.choice([0, 0, pick.randrange(40)]))
        options: dict[str, Any] = {"index_base": index, "per_source": int(columns < 7 and pick.random() < 0.5)} \
            if self.model.name == "functional_bitmap" else {}
        return self.model.pack(kernel, place=place, weight_bits=bits, sizes=sizes, weight_base=weight, **options)

    def _anchor(self, layer: Fields) -> int:
        pick = self.random
        anchor = {"c": pick.randrange(layer["sources"]) if pick.random() < 0.95 else pick.randrange(1 << 10)}
        for axis, size in (("x", "width"), ("y", "height")):
            reach = layer[f"kernel_{size}"] << (layer["step"] if layer["dilated"] else 0)
            end = layer[size] << (0 if layer["dilated"] else layer["step"])
            near = pick.randint(-reach, end)
            anchor[axis] = max(-512, min(511, near if pick.random() < 0.97 else pick.randint(-512, 511)))
        return anchor_layout().pack(anchor)

    def _cover(self, layer: Fields, found: Expansion) -> None:
        count = len(found.neurons)
        dropped = "rest dropped" if found.steps[-1][0] > DROP else "dropped"
        self.bins[dropped if found.errors else "none" if not count else "many"] += 1
        if count:
            self.bins["dilated" if layer["dilated"] else "strided"] += layer["step"] > 0
            self.bins["several words"] += layer["tap_words"] > 1
            self.bins["bitmap per source"] += layer.get("per_source", 0)
            self.bins["taps in vain"] += len(found.steps) > count


def _put(memory: Words, origin: int, words: Words) -> None:
    memory[origin:origin + len(words)] = words


class Watch:
    """Follows the unit from outside, cycle by cycle: every synapse, pulse and count."""

    def __init__(self, dut: Any, work: Work, synapse: Any):
        self.work = work
        self.cycle = 0
        self.taken: list[int] = []
        self.done: list[int] = []
        self.offered: list[int] = []
        """Cycles in which synapses were taken."""
        self.counts: Counter[str] = Counter()
        self._due: deque[Fields] = deque()
        self._wires = Wires(dut)
        every_cycle(dut, self._run())
        # Behind the own steps, which count the cycle.
        StreamMonitor(dut, "synapse", synapse_layout(work.sizes), pause=synapse, on_receive=self._compare)

    def _compare(self, got: Fields) -> None:
        assert self._due, f"cycle {self.cycle}: {got}, expected nothing"
        assert got == (expected := self._due.popleft()), f"cycle {self.cycle}: {got}, expected {expected}"
        self.offered.append(self.cycle)

    def _run(self) -> Steps:
        wires = self._wires
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            if wires.request__valid() and wires.request__ready():
                found = self.work.expected[len(self.taken)]
                value = self.work.requests[len(self.taken)]["value"]
                self.taken.append(self.cycle)
                self._due.extend(
                    {"neuron": neuron, "weight": weight, "weight_address": address, "value": value}
                    for neuron, weight, address in zip(
                        found.neurons.tolist(), found.weights.tolist(), found.weight_addresses.tolist(), strict=True))
            elif wires.synapse__valid() or wires.done():
                assert wires.busy(), "not busy, though something is inside"
            if wires.done():
                self.done.append(self.cycle)
            for name in ("error", *KINDS):
                self.counts[name] += getattr(wires, name)()


@cocotb.test()
async def random_requests(dut: Any) -> None:
    """Every synapse in order, every access and error counted, and without stalls the cycles."""
    given, generator = parameters(), random.Random(seed())
    sizes = Sizes(**given["sizes"])
    model = ORGANISATIONS.load(given["name"], Convolution)
    work = Work(model, sizes, given["requests"], given["garbage"], generator)
    pause = {name: pauses(given[name], generator) if given.get(name) else None
             for name in ("request", "memory", "synapse")}
    driver = StreamDriver(dut, "request", rooms.ORGANISATIONS.load(given["name"], Organisation).request_layout(sizes),
                          pause=pause["request"], generator=generator)
    memories = {name: MemoryModel(dut, name, numbers(words), word_bits=sizes.word_bits, generator=generator,
                                  pause=pause["memory"], latency=sizes.read_latency)
                for name, words in (("index", work.index), ("weight", work.weight)) if hasattr(dut, f"{name}__valid")}
    watch = Watch(dut, work, pause["synapse"])
    await clock_and_reset(dut)
    driver.send_all(work.packed)
    await wait_until(dut, lambda: len(watch.done) == len(work.packed), what="all requests",
                     timeout=100 * sum(20 + len(found.steps) for found in work.expected))
    for _ in range(10):
        await RisingEdge(dut.clk)
    assert not watch._due and not int(dut.busy.value) and int(dut.request__ready.value)
    expected = Counter({"error": sum(found.errors for found in work.expected)})
    for found in work.expected:
        expected.update(found.counts)
    assert +watch.counts == +expected, (watch.counts, expected)
    for port, kind in (("weight", "weight_read"), ("index", "bitmap_read")):
        assert port not in memories or memories[port].reads[port] == expected[kind]
    assert len(watch.offered) == sum(len(found.neurons) for found in work.expected) > 0
    missing = {"dropped", "rest dropped", "none", "many", "dilated", "strided", "several words"} \
        - set(+work.bins) - (set() if given["garbage"] else {"rest dropped"})
    missing |= {"bitmap per source"} - set(+work.bins) if given["name"] == "functional_bitmap" else set()
    missing |= {"taps in vain"} - set(+work.bins) if given["name"] == "functional_pure" else set()
    assert not missing, f"never seen: {sorted(missing)}"
    dut._log.info(f"{len(watch.offered)} synapses, {watch.cycle} cycles, {dict(work.bins)}")
    if not any(pause.values()):
        check_cycles(watch, work)


def check_cycles(watch: Watch, work: Work) -> None:
    """Nothing waits: the unit takes requests and gives synapses when the golden model says."""
    at, taken = watch.taken[0], []
    for found in work.expected:
        taken.append(at)
        at += found.interval
    assert watch.taken == taken, "requests are taken when the last walk has ended"
    steps = [found.steps for found in work.expected]
    assert watch.done == [cycles[-1] for cycles in offers(taken, steps, work.sizes.read_latency)]
