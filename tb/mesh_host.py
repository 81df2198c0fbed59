"""The outside of a mesh in a bench: its hosts, their accesses to all nodes, and what the mesh says of itself."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from golden.config import CoreConfig
from golden.noc.access import request
from golden.noc.mesh import EDGES, Host, Link, MeshPlan
from golden.noc.router import STEPS
from golden.registers import Control, Register, Status, counters
from golden.types import Fields, Place
from golden.words import EventKind, layouts
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, every_cycle, out_of_reset, pauses


def plan_of(given: dict[str, Any]) -> MeshPlan:
    hosts = tuple((edge, number) for edge, number in given["hosts"])
    return MeshPlan(given["columns"], given["rows"], hosts, tuple(given.get("open_edges", ())))


class Watch:
    """What a mesh says of itself in each cycle: `passed`, `idle`, `error`.

    An event on its way between two nodes is in one of them in each cycle: so the mesh was not idle in the cycle in
    which it left the first, nor in the next one. And a mesh that was empty moves nothing before a host sends again.

    Attributes:
        links: events over each link between nodes or out of the mesh.
        errors: pulses of `error`.
    """

    def __init__(self, dut: Any, plan: MeshPlan, idle_delay: int, prefix: str = ""):
        self.plan, self.delay = plan, idle_delay
        self.links: Counter[Link] = Counter()
        self.errors = self.cycle = 0
        self._names = [(place, side) for place in plan.places for side in EDGES]
        self._passed, self._idle, self._error = (
            getattr(Wires(dut), f"{prefix}{name}") for name in ("passed", "idle", "error"))
        wires = Wires(dut)
        self._given = [(getattr(wires, f"{stem}__valid"), getattr(wires, f"{stem}__ready"))
                       for stem in (f"{prefix}host_{edge}_{number}_in" for edge, number in plan.hosts)]
        every_cycle(dut, self._watch(dut))

    def _watch(self, dut: Any) -> Steps:
        yield from out_of_reset(dut)
        busy: list[bool] = [False] * (self.delay + 1)  # of the last cycles, the latest last
        before = False
        sent = moved = empty = 0  # the last cycles in which a host sent, an event left a node, the mesh was empty
        while True:
            self.cycle += 1
            passed, inner = self._passed(), False
            moved = self.cycle if passed else moved
            empty = self.cycle - self.delay if self._idle() else empty
            assert not sent < empty <= moved, "idle, while an event was in a node"
            if any(valid() and ready() for valid, ready in self._given):
                sent = self.cycle
            number = 0
            while passed:
                if passed & 1:
                    place, side = self._names[number]
                    self.links[place, side] += 1
                    step = STEPS[side]
                    inner |= self.plan.inside((place[0] + step[0], place[1] + step[1]))
                passed >>= 1
                number += 1
            busy = [*busy[1:], inner or before]
            before = inner
            assert not (busy[0] and self._idle()), "idle, while an event was on its way"
            self.errors += self._error()
            yield


class Accesses:
    """The host's accesses to all nodes."""

    def __init__(self, dut: Any, config: CoreConfig, generator: random.Random, prefix: str = ""):
        self.dut, self.config, self.random = dut, config, generator
        self.requests = StreamDriver(dut, f"{prefix}access", request(config), generator=generator)
        self.answers = StreamMonitor(dut, f"{prefix}access_back", config.word_bits,
                                     pause=pauses("rarely", generator))

    def send(self, place: Place, address: int, value: int = 0, *, write: bool = False, register: bool = False) -> None:
        self.requests.send({"column": place[0], "row": place[1], "address": address, "register": int(register),
                            "write": int(write), "data": value if write else self.random.getrandbits(8)})

    async def answers_to(self, count: int) -> list[int]:
        """The next so many answers, of readings that have been sent."""
        first = len(self.answers.received)
        await self.requests.idle()  # whole images may wait in front of the readings
        await self.answers.wait(first + count, timeout=400 * count + 1000)
        return self.answers.received[first:first + count]

    async def read(self, place: Place, addresses: Iterable[int], *, register: bool = False) -> list[int]:
        chosen = list(addresses)
        for address in chosen:
            self.send(place, address, register=register)
        return await self.answers_to(len(chosen))

    def load(self, place: Place, words: list[int], edges: int, populations: int) -> None:
        """Queue the writes of an image and its sizes."""
        for address, word in enumerate(words):
            self.send(place, address, word, write=True)
        self.write(place, Register.EDGES, edges)
        self.write(place, Register.POPULATIONS, populations)

    def write(self, place: Place, register: int, value: int) -> None:
        self.send(place, register, value, write=True, register=True)

    async def status(self, place: Place, bit: int) -> None:
        for _ in range(10_000):
            if (await self.read(place, [Register.STATUS], register=True))[0] & bit:
                return
        raise TimeoutError(f"status bit {bit} of {place} does not come")

    async def start(self, places: Iterable[Place]) -> None:
        """All together: but for the first ends of delays none sends an event before its frame comes."""
        started = list(places)
        for place in started:
            self.write(place, Register.CONTROL, Control.RUN)
        for bit in (Status.READY, Status.IDLE, Status.IDLE):  # twice, as ends may be on their way
            for place in started:
                await self.status(place, bit)
        for place in started:
            self.write(place, Register.CLEAR, 0)
        await self.requests.idle()

    def stop(self, places: Iterable[Place], value: int = Control.DISCARD) -> None:
        for place in places:
            self.write(place, Register.CONTROL, value)

    async def counters(self, place: Place) -> dict[str, int]:
        names = counters(self.config)
        values = await self.read(place, range(Register.COUNTER_BASE, Register.COUNTER_BASE + len(names)), register=True)
        return dict(zip(names, values, strict=True))


class MeshHost:
    """A host at an edge: sends events, answers ENDs with credits, always takes what comes.

    Attributes:
        outputs: what has come but credits, in order. credits: how many came.
    """

    def __init__(self, dut: Any, config: CoreConfig, host: Host, generator: random.Random, pause_in: str,
                 pause_out: str, prefix: str = ""):
        event, stem = layouts(config).event, f"{prefix}host_{host[0]}_{host[1]}"
        self.inputs = StreamDriver(dut, f"{stem}_in", event, pause=pauses(pause_in, generator), generator=generator)
        self.outputs: list[Fields] = []
        self.credits = self.ends = 0
        self.pays = True
        StreamMonitor(dut, f"{stem}_out", event, pause=pauses(pause_out, generator), on_receive=self._receive)

    def _receive(self, event: Fields) -> None:
        if event["kind"] == EventKind.CREDIT:
            self.credits += 1
            return
        self.outputs.append(event)
        if event["kind"] == EventKind.END:
            self.ends += 1
            if self.pays:
                self.inputs.send({"kind": EventKind.CREDIT, "core_x": -event["x"], "core_y": -event["y"],
                                  "id": event["c"]})




def by_id(events: Iterable[Fields]) -> dict[int, list[Fields]]:
    """Events of each ID in order; of an ID that several populations share, sorted."""
    found: dict[int, list[Fields]] = defaultdict(list)
    for event in events:
        found[event["id"]].append({name: value for name, value in event.items() if not name.startswith("core_")})
    for name, items in found.items():
        if len({(item["x"], item["y"], item["c"]) for item in items if item["kind"] == EventKind.END}) > 1:
            found[name] = sorted(items, key=lambda item: sorted(item.items()))
    return found
