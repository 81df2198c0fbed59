"""Bench of the functional memory organisations: random kernels, requests and stalls against the golden model.

`parameters()`: `name` of the organisation, `sizes` (fields of `Sizes`), `requests`, and pauses by name of
`tb.streams.PAUSES` or none: `request`, `memory`, `synapse`, `retired`. Without any the cycles are checked, too.
`garbage`: the share of layers with fields of random bits. With `learning` all passes come in any order, and each weight
of UPDATE and APPLY is changed (`changed`) when the bench says that it is retired.
"""

import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.memory_words import numbers
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.convolution import DROP, SIDE, Convolution, Map, anchor_layout, post_layout
from golden.synapse.organisations.interface import IN_FLIGHT, KINDS, Expansion, Pass, Sizes, synapse_layout
from golden.types import Fields, Words
from rtl import rooms
from rtl.synapse.organisations.interface import Organisation
from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.payloads import pack
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, clock_and_reset, every_cycle, pauses, wait_until


def changed(weight: int, bits: int) -> int:
    """What a weight becomes."""
    return (weight + 1 + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


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
        self.weight_before = self.weight.copy()
        self.requests: list[Fields] = []
        self.expected: list[Expansion] = []
        self.weights: list[list[int]] = []
        """Of each request: those of its synapses, also if an earlier one of it has changed them."""
        self.widths: list[int] = []
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
                if sizes.learning:  # else one walk is as long as all others
                    random_layer |= {"stored_taps": random_layer["stored_taps"] % 16,
                                     "sources": (random_layer["sources"] - 1) % 32 + 1}
                layer = layer.within(self.index, self.weight, **random_layer)
            elif garbage and sizes.learning and layer.layer.get("per_source") and generator.random() < 0.4:
                # Words of no layer, some behind the memory; or weights that leave it.
                low, field = generator.choice([(8, "bitmap_base"), (1 << sizes.address_bits - 1, "bitmap_base"),
                                               (40, "weight_base")])
                layer = layer.within(self.index, self.weight, **{
                    field: (1 << sizes.address_bits) - generator.randrange(1, low)})
            walk = generator.choice([0, 0, 0, 1, 1, 1, 2, 2, 2] * 3 + [3] if sizes.learning else [0] * 30 + [1, 2, 3])
            neuron = self._post(layer.layer) if sizes.learning and walk in (Pass.BACKWARD, Pass.UPDATE) \
                else self._anchor(layer.layer)
            request = {"pass": walk, "neuron": neuron,
                       "value": self.numpy.integers(-1 << sizes.value_bits - 1, 1 << sizes.value_bits - 1).item()}
            found = layer.expand(request)
            self._cover(request["pass"], layer.layer, found)
            self.widths.append(layer.layer["weight_bits"])
            self.weights.append(self._change(layer, found) if walk in (Pass.UPDATE, Pass.APPLY)
                                else found.weights.tolist())
            self.requests.append(request)
            self.expected.append(found)
            self.packed.append(pack(layout, request | {"layer": model.layer_layout(sizes).pack(layer.layer)}))

    def _change(self, layer: Convolution, found: Expansion) -> list[int]:
        """Change the weights of all synapses, one after the other, and say what they were before."""
        before = []
        for address in found.weight_addresses.tolist():
            before.append(layer.read_weight(address))
            layer.write_weight(address, changed(before[-1], layer.layer["weight_bits"]))
        return before

    def _layer(self, index: int, weight: int) -> Convolution | None:
        """A random layer at these words; None if they are the last ones."""
        pick, sizes = self.random, self.sizes
        bits = pick.randint(1, sizes.weight_bits)
        columns, rows = (pick.choice([1, 2, 3, 3, 4, 5, 7, SIDE]) for _ in range(2))
        channels, sources = pick.choice([1, 1, 2, 3, 5, 8, 11, 30]), pick.choice(
            [1, 2, 3, 6] if sizes.learning else [1, 2, 3])
        taps = -(-channels // (sizes.word_bits // bits)) * columns * rows
        if weight + sources * taps > 1 << sizes.address_bits or index + sources > 1 << sizes.address_bits:
            return None if len(self.layers) > 3 else self._layer(index, weight)  # the next one may be smaller
        kernel = self.numpy.integers(-1 << bits - 1, 1 << bits - 1, (channels, sources, columns, rows))
        pattern = (sources, columns, rows) if pick.random() < 0.5 else (columns, rows)
        kernel *= self.numpy.random(pattern) < pick.random()
        place = Map(pick.randint(1, 12), pick.randint(1, 12), step=pick.randrange(4), dilated=pick.randrange(2),
                    x_stride=pick.choice([0, 0, pick.randrange(400)]), y_stride=pick.choice([0, 0, pick.randrange(40)]))
        if sizes.learning:
            reach = [taps << place.step * place.dilated for taps in (columns, rows)]
            size = [max(1, (size << place.step * (1 - place.dilated)) + pick.randint(-3, 3))
                    for size in (place.width, place.height)]
            most, packed = 1 << sizes.neuron_bits - 1, pick.random() < 0.5
            packed &= size[0] * size[1] * sources < most
            place = replace(
                place, source_width=size[0], source_height=size[1],
                x_offset=pick.randint(-reach[0], 3), y_offset=pick.randint(-reach[1], 3),
                source_x_stride=0 if packed else pick.randrange(1, most // size[0]),
                source_y_stride=0 if packed else pick.randrange(1, (most - 4) // size[1]))
        often = 0.8 if sizes.learning else 0.5
        options: dict[str, Any] = {"index_base": index, "per_source": int(columns < 7 and pick.random() < often)} \
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

    def _post(self, layer: Fields) -> int:
        """A position and channel of the destination, or one outside."""
        pick, post = self.random, {}
        for name, size in (("c", "channels"), ("x", "width"), ("y", "height")):
            outside = pick.choice([layer[size] % 1024, 1023])
            post[name] = pick.randrange(layer[size]) if pick.random() < 0.98 else outside
        return post_layout().pack(post)

    def _cover(self, walk: int, layer: Fields, found: Expansion) -> None:
        count = len(found.neurons)
        dropped = "rest dropped" if found.steps[-1][0] > DROP else "dropped"
        self.bins[dropped if found.errors else "none" if not count else "many"] += 1
        if walk and count:
            self.bins["back" if walk < Pass.APPLY else "applied"] += 1
            self.bins["rest dropped back"] += found.errors > 0
            self.bins["several errors"] += found.errors > 1
            self.bins["bitmaps ahead"] += layer.get("per_source", 0) and layer["sources"] > 1
        if count:
            self.bins["dilated" if layer["dilated"] else "strided"] += layer["step"] > 0
            self.bins["several words"] += layer["tap_words"] > 1
            self.bins["bitmap per source"] += layer.get("per_source", 0)
            self.bins["taps in vain"] += len(found.steps) > count


def _put(memory: Words, origin: int, words: Words) -> None:
    memory[origin:origin + len(words)] = words


class Watch:
    """Follows the unit from outside, cycle by cycle: every synapse, pulse and count."""

    def __init__(self, dut: Any, work: Work, synapse: Any, memory: list[int], retired: Iterator[bool] | None):
        self.work, self.memory = work, memory
        self.cycle = 0
        self.taken: list[int] = []
        self.done: list[int] = []
        self.offered: list[int] = []
        """Cycles in which synapses were taken."""
        self.counts: Counter[str] = Counter()
        self._due: deque[tuple[Fields, int]] = deque()
        self._to_retire: deque[tuple[int, int, int]] = deque()
        self._wires = Wires(dut)
        every_cycle(dut, self._run())
        if work.sizes.learning:
            every_cycle(dut, self._retire(dut.retired, retired))
        # Behind the own steps, which count the cycle.
        StreamMonitor(dut, "synapse", synapse_layout(work.sizes), pause=synapse, on_receive=self._compare)

    def _compare(self, got: Fields) -> None:
        assert self._due, f"cycle {self.cycle}: {got}, expected nothing"
        expected, bits = self._due.popleft()
        assert got == expected, f"cycle {self.cycle}: {got}, expected {expected}"
        self.offered.append(self.cycle)
        if got.get("update"):
            self._to_retire.append((got["weight_address"], got["weight"], bits))

    def _retire(self, pulse: Any, pause: Iterator[bool] | None) -> Steps:
        """Write changed weights, and say so, in the cycle after the synapse at the earliest."""
        pulse.value = 0
        while True:
            yield
            retires = bool(self._to_retire) and not (pause and next(pause))
            pulse.value = int(retires)
            if retires:
                address, weight, bits = self._to_retire.popleft()
                word, offset = divmod(address, self.work.sizes.word_bits)
                mask = (1 << bits) - 1 << offset
                self.memory[word] = self.memory[word] & ~mask | changed(weight, bits) << offset & mask

    def _synapses(self, number: int) -> Iterator[tuple[Fields, int]]:
        """Those of a request, and how wide their weights are."""
        work, request = self.work, self.work.requests[number]
        more = {"update": int(request["pass"] in (Pass.UPDATE, Pass.APPLY))} if work.sizes.learning else {}
        found = work.expected[number]
        for neuron, weight, address in zip(found.neurons.tolist(), work.weights[number],
                                           found.weight_addresses.tolist(), strict=True):
            yield {"neuron": neuron, "weight": weight, "weight_address": address, "value": request["value"],
                   **more}, work.widths[number]

    def _run(self) -> Steps:
        wires = self._wires
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            if wires.request__valid() and wires.request__ready():
                self._due.extend(self._synapses(len(self.taken)))
                self.taken.append(self.cycle)
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
             for name in ("request", "memory", "synapse", "retired")}
    driver = StreamDriver(dut, "request", rooms.ORGANISATIONS.load(given["name"], Organisation).request_layout(sizes),
                          pause=pause["request"], generator=generator)
    words = {"index": numbers(work.index), "weight": numbers(work.weight_before)}
    memories = {name: MemoryModel(dut, name, words[name], word_bits=sizes.word_bits, generator=generator,
                                  pause=pause["memory"], latency=sizes.read_latency)
                for name in words if hasattr(dut, f"{name}__valid")}
    watch = Watch(dut, work, pause["synapse"], words["weight"], pause["retired"])
    await clock_and_reset(dut)
    driver.send_all(work.packed)
    await wait_until(dut, lambda: len(watch.done) == len(work.packed), what="all requests",
                     timeout=100 * sum(20 + len(found.steps) for found in work.expected))
    for _ in range(10):
        await RisingEdge(dut.clk)
    if sizes.learning:
        await wait_until(dut, lambda: not dut.busy.value, what="the last weights")
    assert not watch._due and not watch._to_retire and not int(dut.busy.value) and int(dut.request__ready.value)
    assert words["weight"] == numbers(work.weight), "the weights that are left in memory"
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
    missing |= {"back", "applied"} - set(+work.bins) if sizes.learning else set()
    missing |= {"rest dropped back"} - set(+work.bins) if sizes.learning and given["garbage"] else set()
    missing |= {"bitmaps ahead", "several errors"} - set(+work.bins) \
        if sizes.learning and given["garbage"] and given["name"] == "functional_bitmap" else set()
    missing |= {"taps in vain"} - set(+work.bins) if given["name"] == "functional_pure" else set()
    assert not missing or len(work.requests) < 300, f"never seen: {sorted(missing)}"
    dut._log.info(f"{len(watch.offered)} synapses, {watch.cycle} cycles, {dict(work.bins)}")
    if not any(pause.values()):
        taken, done, given = cycles(watch.taken[0], work)
        assert watch.taken == taken and watch.done == done
        assert {number: watch.offered[number] for number in given} == given


def cycles(first: int, work: Work) -> tuple[list[int], list[int], dict[int, int]]:
    """When requests are taken and done, and by their number when synapses are taken that read a word of their own, if
    nothing waits but for weights, each retired two cycles after its synapse.

    A step that changes a weight waits for all that are on their way if there are too many of them or its own is one;
    another request, or one with weights of another width, begins when there are none.
    """
    taken, done, at, passed, wide = [], [], first, -1, 0
    latency, most = work.sizes.read_latency, work.sizes.read_latency + IN_FLIGHT
    flight: list[tuple[int, int]] = []
    given: dict[int, int] = {}
    forward = 0
    for request, found, width in zip(work.requests, work.expected, work.widths, strict=True):
        taken.append(at)
        changes = work.sizes.learning and request["pass"] in (Pass.UPDATE, Pass.APPLY)
        refused = found.errors and found.steps == ((DROP, False),) and not any(found.counts.values())
        if flight and not refused and not (changes and width == wide):
            at = max(at, flight[-1][1])
        addresses = iter(found.weight_addresses.tolist() if changes else [])
        for cycle, fetch in found.steps:
            now, address = at + cycle, next(addresses) if changes and fetch else None
            if address is not None:
                ends = [end for place, end in flight[-most:] if place == address and end >= now]
                ends += [flight[-most][1]] if len(flight) >= most else []
                waits = max(0, max(ends, default=0) + 1 - now)
                at, now, wide = at + waits, now + waits, width
            passed = max(now + (latency if fetch else 1), passed + 1)
            if fetch and request["pass"] != Pass.FORWARD:
                given[forward + len(given)] = passed + 1
            if address is not None:
                flight.append((address, passed + 3))
        forward += len(found.neurons) if request["pass"] == Pass.FORWARD else 0
        done.append(passed + 1)
        at = now + 1
    return taken, done, given
