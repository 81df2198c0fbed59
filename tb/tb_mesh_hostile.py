"""Bench of a mesh under hostile traffic: events of any kind, ID and address from all hosts into loaded cores.

Whatever comes, the mesh takes it and falls idle, accesses are answered, no word changes but states, what must be
counted is counted, and after a stop the same images give golden's results.

`parameters()`: as `tb.tb_mesh` for "networks", each case with `states`: column, row, and pairs of first address and
count of the words that are states; `events`, how many each host sends; and `one_in`, how many of the words far behind
an image are read afterwards.
"""

from collections import Counter, defaultdict
from typing import Any

import cocotb
import numpy as np

from golden.memory_words import numbers
from golden.registers import ERRORS, Control, Register, Status
from golden.types import Fields, Place
from golden.words import EdgeKind, EventKind, layouts
from synapress.tools import simulator as launch
from tb.streams import clock_and_reset, wait_until
from tb.tb_mesh import LIMIT, Bench

BEHIND = 64
"""Words behind each image that are not 0, so that a 0 written there is seen."""


class Attack:
    """Random events, and the errors that they must give in cores whose images are good.

    Attributes:
        errors: by place; exact but for `protocol_error`, of which there may be more, as more depends on the order of
            the events. strays: events that have no way.
    """

    def __init__(self, bench: Bench, images: dict[Place, tuple[list[int], int, int]]):
        self.bench, self.images, self.random = bench, images, bench.random
        self.layout, self.edge = layouts(bench.config).event, layouts(bench.config).edge
        self.errors: defaultdict[Place, Counter[str]] = defaultdict(Counter)
        self.kinds: Counter[int] = Counter()
        self.strays = 0
        hosts = [bench.plan.host_place(host) for host in bench.plan.hosts]
        self._targets = [*bench.plan.places, *bench.plan.places, *hosts]

    def _draw(self, name: str, small: int) -> int:
        """Half of them such as a good event may have, the others anything."""
        field, negative = self.layout.field(name), self.layout.field(name).signed
        if self.random.random() < 0.5:
            return min(self.random.randint(-1 if negative else 0, small), field.high)
        return self.random.choice([field.low, field.high, self.random.randint(field.low, field.high)])

    def event(self, source: Place) -> Fields:
        """The next event of a host."""
        x, y = (self.layout.field(name) for name in ("core_x", "core_y"))
        to = self.random.choice(self._targets)
        address = to[0] - source[0], to[1] - source[1]
        if self.random.random() < 0.2 or not (x.low <= address[0] <= x.high and y.low <= address[1] <= y.high):
            address = self.random.randint(x.low, x.high), self.random.randint(y.low, y.high)
        kind = self.random.choices([EventKind.VALUE, EventKind.END, EventKind.CREDIT, 3], [5, 3, 2, 1])[0]
        event = {"kind": int(kind), "core_x": address[0], "core_y": address[1], "id": self._draw("id", 6),
                 **{name: self._draw(name, 8) for name in ("c", "x", "y", "v")}}
        target = source[0] + address[0], source[1] + address[1]
        if not self.bench.plan.route(source, target)[1]:
            self.strays += 1
        elif target in self.images:
            self._count(target, event)
        return event

    def _count(self, place: Place, event: Fields) -> None:
        words, edges, populations = self.images[place]
        known, kind = event["id"] < edges, event["kind"]
        self.kinds[kind] += 1
        errors = self.errors[place]
        if kind == EventKind.VALUE:
            errors["unknown_id"] += not known
            if known:
                edge = self.edge.unpack(words[2 * populations + event["id"]] & (1 << 64) - 1)
                errors["unknown_channel"] += event["c"] >= edge["source_channels"] or edge["kind"] == EdgeKind.EXTENDED
        else:
            errors["protocol_error"] += not (known if kind == EventKind.END else
                                             kind == EventKind.CREDIT and event["id"] < populations)


async def quiet(bench: Bench) -> None:
    """Nothing in the mesh, and nothing that a host still has to send."""
    since = 0

    def over() -> bool:
        nonlocal since
        pending = any(host.inputs.pending for host in bench.hosts.values())
        since = 0 if pending or bench.dut.idle.value != 1 else since + 1
        return since > bench.given["idle_delay"] + 10

    await wait_until(bench.dut, over, timeout=LIMIT, what="a mesh that is idle")


async def outside(bench: Bench, place: Place, states: set[int]) -> list[int]:
    """Addresses of the words that changed and are not states."""
    words, one_in = numbers(bench.memory[place]), bench.given["one_in"]
    used = max((address for address, word in enumerate(words) if word), default=0)
    chosen = [address for address in range(len(words)) if address <= used or bench.random.randrange(one_in) == 0]
    found = await bench.access.read(place, chosen)
    return [address for address, word in zip(chosen, found, strict=True)
            if word != words[address] and address not in states]


def memories(bench: Bench, case: dict[str, Any]) -> dict[Place, set[int]]:
    """What is in all memories before the attack, to `bench.memory`; returns the addresses of the states."""
    words, parts = bench.config.memory_words, bench.config.word_bits // 64
    sizes = {(column, row): len(image) // parts for column, row, image, *_ in case["images"]}
    states = {(column, row): {first + i for first, count in pairs for i in range(count)}
              for column, row, pairs in case["states"]}
    for place, memory in bench.memory.items():
        begin = max(sizes.get(place, 0), 1 + max(states.get(place, ()), default=-1))
        for address in range(begin, min(begin + BEHIND, words)):
            memory[address] = [bench.random.getrandbits(64) | 1 for _ in range(parts)]
            bench.access.send(place, address, numbers(memory[address:address + 1])[0], write=True)
    for column, row, image, *_ in case["images"]:
        values = np.array(image, np.uint64).reshape(-1, parts)
        bench.memory[column, row][:len(values)] = values
    return states


async def attack(bench: Bench, case: dict[str, Any]) -> None:
    """One attack on the cores of a case, and what is left of it."""
    states = memories(bench, case)
    images = {(column, row): (numbers(bench.memory[column, row]), edges, populations)
              for column, row, _, edges, populations in case["images"]}
    others = [place for place in bench.plan.places if place not in images]
    bench.access.stop(others)  # which then drop what comes
    await bench.access.start(bench.load(case))
    bench.watch.errors = 0
    hostile = Attack(bench, images)
    for side in bench.hosts.values():
        side.pays = False  # CREDITs come as everything else does
    for _ in range(bench.given["events"]):
        for host, side in bench.hosts.items():
            side.inputs.send(hostile.event(bench.plan.host_place(host)))
    while any(side.inputs.pending for side in bench.hosts.values()):
        for place in bench.plan.places:  # accesses go on
            await bench.access.read(place, [Register.STATUS], register=True)
    await quiet(bench)
    waiting = fired = 0
    for place in bench.plan.places:
        (status,) = await bench.access.read(place, [Register.STATUS], register=True)
        running = place in images
        assert status & (Status.READY | Status.IDLE) == (Status.READY if running else 0) | Status.IDLE, (place, status)
        waiting += status & (Status.PARTIAL | Status.UNPAID) != 0
        found, certain = await bench.access.counters(place), hostile.errors[place]
        fired += found["neurons_fired"] if running else 0
        assert found["protocol_error"] >= certain["protocol_error"], (place, found, certain)
        exact = {name: certain[name] for name in ERRORS if name != "protocol_error"}
        assert not running or {name: found[name] for name in exact} == exact, (place, found, certain)
    assert bench.watch.errors > 0 and hostile.strays > 0 and set(hostile.kinds) == {0, 1, 2, 3}
    assert sum(map(Counter.total, hostile.errors.values())) > 0
    bench.access.stop(images, Control.DISCARD)
    await bench.access.requests.idle()
    await quiet(bench)
    for side in bench.hosts.values():
        side.pays = True
    for place in bench.plan.places:
        assert not (changed := await outside(bench, place, states.get(place, set()))), (place, changed[:9])
    bench.dut._log.info("%d events to cores, %d to nowhere, %d cores wait, %d neurons fired, %d pulses of error, "
                        "cycle %d", hostile.kinds.total(), hostile.strays, waiting, fired, bench.watch.errors,
                        bench.watch.cycle)


@cocotb.test()
async def hostile_traffic(dut: Any) -> None:
    """After each attack the images are loaded again, and a good frame is golden's, exactly."""
    bench = Bench(dut, launch.parameters())
    await clock_and_reset(dut)
    for case in bench.given["cases"]:
        await attack(bench, case)
        assert await bench.case(case) > 0
