"""Bench of a mesh: networks of several cores, loaded over the network of accesses, against the golden mesh.

`parameters()`: `config`, `plan` (`golden.noc.mesh.MeshPlan` as keywords), `idle_delay`, `pause_in` and `pause_out` of
the hosts' events (names of `tb.streams.PAUSES`), `scenario`, and for

- "networks" and "stop" `cases`: each with `host` (edge and number), `images` (column, row, words, edges, populations)
  and `frames` of packed events; for "stop" `cycles` of a frame, in which the first case's cores are stopped;
- "letters" `events` of each host, and those that are sent one at a time, `single` (number of the host, x, y).
"""

import random
from collections import Counter, defaultdict
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.memory_words import numbers
from golden.mesh import Mesh
from golden.noc.access import missing_answer
from golden.noc.mesh import Link
from golden.registers import Control, Register, Status
from golden.types import Place
from golden.words import EventKind, layouts
from synapress.tools import simulator as launch
from tb.mesh_host import Accesses, MeshHost, Watch, by_id, plan_of
from tb.streams import clock_and_reset, wait_until

LIMIT = 200_000
"""Cycles within which a frame must end."""


class Bench:
    """A mesh, its hosts, and what a golden mesh makes of a case."""

    def __init__(self, dut: Any, given: dict[str, Any]):
        self.dut, self.given = dut, given
        self.config, self.plan = CoreConfig.from_json(given["config"]), plan_of(given["plan"])
        self.random = random.Random(launch.seed())
        self.access = Accesses(dut, self.config, self.random)
        self.hosts = {host: MeshHost(dut, self.config, host, self.random, given["pause_in"], given["pause_out"])
                      for host in self.plan.hosts}
        self.watch = Watch(dut, self.plan, given["idle_delay"])
        self.memory = {place: np.zeros((self.config.memory_words, self.config.word_bits // 64), np.uint64)
                       for place in self.plan.places}

    def golden(self, case: dict[str, Any]) -> Mesh:
        """A golden mesh with the images of a case in memories as former cases have left them."""
        images = {}
        for column, row, words, edges, populations in case["images"]:
            parts = np.array(words, np.uint64).reshape(-1, self.config.word_bits // 64)
            memory = self.memory[column, row].copy()
            memory[:len(parts)] = parts
            images[column, row] = memory, edges, populations
        return Mesh(self.config, images, host=self.plan.host_place((case["host"][0], case["host"][1])))

    def load(self, case: dict[str, Any]) -> list[Place]:
        """Queue all writes of all images, one core after another; returns the cores."""
        for column, row, words, edges, populations in case["images"]:
            parts = np.array(words, np.uint64).reshape(-1, self.config.word_bits // 64)
            self.access.load((column, row), numbers(parts), edges, populations)
        return [(column, row) for column, row, *_ in case["images"]]

    async def idle(self) -> None:
        await wait_until(self.dut, lambda: self.dut.idle.value == 1, timeout=LIMIT, what="idle")

    async def case(self, case: dict[str, Any]) -> int:
        """Load, start, run the frames, compare everything, stop; returns how many events came to the host."""
        dut, access, host = self.dut, self.access, self.hosts[case["host"][0], case["host"][1]]
        golden = self.golden(case)
        places = self.load(case)
        await access.start(places)
        self.watch.links.clear()
        self.watch.errors = 0
        host.outputs.clear()
        event, expected = layouts(self.config).event, []
        host.ends = 0
        for frame in case["frames"]:
            expected += [event.unpack(word) for word in golden.run_frame(np.array(frame, np.uint64)).tolist()]
        ends = sum(item["kind"] == EventKind.END for item in expected)
        owed = sum(event.unpack(word)["kind"] == EventKind.END for word in case["frames"][0])
        for number, frame in enumerate(case["frames"]):
            if number:
                await wait_until(dut, lambda: host.credits == owed, timeout=LIMIT, what="credits for the inputs")
            host.credits = 0
            host.inputs.send_all(event.unpack(word) for word in frame)
        await wait_until(dut, lambda: host.ends == ends and host.credits == owed and not host.inputs.pending,
                         timeout=LIMIT, what="the last end")
        await self.idle()
        assert by_id(host.outputs) == by_id(expected)
        assert self.watch.errors == 0
        self.compare_links(golden)
        await self.compare_cores(golden)
        access.stop(places)
        await access.requests.idle()
        return len(host.outputs)

    def compare_links(self, golden: Mesh) -> None:
        """Every link passed as many events as the routes say."""
        traffic = {key: events for key, events in golden.moved.items() if key[0] != key[1]}
        loads = {link: events for link, events in self.plan.loads(traffic).items() if link[1] != "in"}
        assert dict(self.watch.links) == loads and loads

    async def compare_cores(self, golden: Mesh) -> None:
        for place, core in golden.cores.items():
            if self.config.update == "cim":
                self.access.write(place, Register.CONTROL, Control.RUN | Control.FLUSH)
                await self.access.status(place, Status.IDLE)
                core.flush()
            found = await self.access.counters(place)
            for name, value in core.counters.items():
                assert found[name] == value, f"core {place}, counter {name}: {found[name]}, golden {value}"
            assert found["overflow"] == 0
            self.memory[place] = core.memory
            words = numbers(core.memory)
            used = 1 + max((number for number, word in enumerate(words) if word), default=0)
            memory = await self.access.read(place, range(used))
            different = [number for number, word in enumerate(memory) if word != words[number]]
            assert not different, f"core {place}: memory words {different[:9]}"


@cocotb.test(skip=launch.parameters()["scenario"] != "networks")
async def networks(dut: Any) -> None:
    """One network after another on the same mesh, without a reset between them: all is as golden says."""
    bench = Bench(dut, launch.parameters())
    await clock_and_reset(dut)
    for number, case in enumerate(bench.given["cases"]):
        events = await bench.case(case)
        dut._log.info("case %d: %d cores, %d events to the host, %d links, cycle %d", number, len(case["images"]),
                      events, len(bench.watch.links), bench.watch.cycle)
        assert events > 0


class Letters:
    """Events from hosts to hosts, to cores that drop them, and to nowhere: what arrives is checked as it comes.

    Attributes:
        loads: events over each link, as the routes say. strays: how many have no way.
    """

    def __init__(self, bench: Bench):
        self.bench, self.event = bench, layouts(bench.config).event
        self.loads: Counter[Link] = Counter()
        self.strays = self.sent = self.arrived = 0
        self._waiting: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._places = [bench.plan.host_place(host) for host in bench.plan.hosts]

    def send(self, source: int, x: int, y: int) -> None:
        """From a host, by its number, to a relative address."""
        bench, plan = self.bench, self.bench.plan
        at = self._places[source]
        target = at[0] + x, at[1] + y
        links, arrives = plan.route(at, target)
        self.loads.update(link for link in links if link[1] != "in")
        self.strays += not arrives
        serial = self.sent & self.event.field("v").high
        if arrives and target in self._places:
            self._waiting[source, self._places.index(target)].append(serial)
        bench.hosts[plan.hosts[source]].inputs.send(
            {"kind": EventKind.VALUE, "core_x": x, "core_y": y, "c": source, "v": serial})
        self.sent += 1

    def check(self) -> None:
        """All that came to the hosts, in order from each of them."""
        for number, host in enumerate(self.bench.plan.hosts):
            for event in self.bench.hosts[host].outputs:
                waiting = self._waiting[event["c"], number]
                assert waiting and waiting.pop(0) == event["v"], f"from {event['c']} to {number}: {event}"
                assert event["core_x"] == event["core_y"] == 0
                self.arrived += 1
            self.bench.hosts[host].outputs.clear()
        assert not any(self._waiting.values()), "events have not come"


@cocotb.test(skip=launch.parameters()["scenario"] != "letters")
async def letters(dut: Any) -> None:
    """Any addresses from all hosts: each event comes where its route ends, in order, over these links; or is told."""
    bench = Bench(dut, launch.parameters())
    await clock_and_reset(dut)
    bench.access.stop(bench.plan.places)  # so that cores drop what they get
    await bench.access.requests.idle()
    await bench.idle()
    letters, pick = Letters(bench), bench.random
    field = layouts(bench.config).event.field("core_x")
    places = [*bench.plan.places, *(bench.plan.host_place(host) for host in bench.plan.hosts)]
    for _ in range(bench.given["events"]):
        for source, host in enumerate(bench.plan.hosts):
            at = bench.plan.host_place(host)
            if pick.random() < 0.7:
                x, y = (to - begin for to, begin in zip(pick.choice(places), at, strict=True))
            else:
                x, y = (pick.choice([0, 0, field.low, field.high, pick.randint(-3, 3)]) for _ in "xy")
            letters.send(source, x, y)
    for side in bench.hosts.values():
        await side.inputs.idle(timeout=LIMIT)
    await bench.idle()
    letters.check()
    assert dict(bench.watch.links) == dict(letters.loads)
    assert letters.arrived > 20 and 0 < bench.watch.errors <= letters.strays
    # One at a time: each that has no way gives one pulse, all others none.
    for source, x, y in bench.given["single"]:
        before, strays = bench.watch.errors, letters.strays
        letters.send(source, x, y)
        for _ in range(40):
            await RisingEdge(dut.clk)
        assert bench.watch.errors - before == letters.strays - strays
    letters.check()
    assert dict(bench.watch.links) == dict(letters.loads)
    dut._log.info("%d events, %d arrived, %d dropped", letters.sent, letters.arrived, letters.strays)


@cocotb.test(skip=launch.parameters()["scenario"] != "letters")
async def missing_nodes(dut: Any) -> None:
    """Accesses beyond the edges: readings give all ones, in order; each access is told, and changes nothing."""
    bench = Bench(dut, launch.parameters())
    await clock_and_reset(dut)
    access, plan, ones = bench.access, bench.plan, missing_answer(bench.config)
    last = plan.columns - 1, plan.rows - 1
    access.send(last, 5, 1234, write=True)
    beyond = [(plan.columns, 0), (plan.columns, plan.rows - 1), (0, plan.rows), (255, 255)]
    for place in beyond:
        before = bench.watch.errors
        access.send(place, 5, 99, write=True)
        access.send(place, 5)
        access.send(last, 5)
        assert await access.answers_to(2) == [ones, 1234]
        for _ in range(12):
            await RisingEdge(dut.clk)
        assert bench.watch.errors - before == 2
    for place in [*beyond, last]:
        access.send(place, 5)
    assert await access.answers_to(5) == [ones] * 4 + [1234]


async def settled(bench: Bench, host: MeshHost) -> None:
    """All of an aborted frame is gone: from the host, and from the mesh."""
    await wait_until(bench.dut, lambda: not host.inputs.pending, timeout=LIMIT, what="the rest of the frame")
    for _ in range(bench.given["idle_delay"] + 4):
        await RisingEdge(bench.dut.clk)
    await bench.idle()


@cocotb.test(skip=launch.parameters()["scenario"] != "stop")
async def stop_one_network(dut: Any) -> None:
    """Two networks on one mesh: the cores of one stop in its frames and start afresh; the other never notices."""
    bench = Bench(dut, launch.parameters())
    await clock_and_reset(dut)
    first, second = bench.given["cases"]
    event, access = layouts(bench.config).event, bench.access
    sides = [bench.hosts[case["host"][0], case["host"][1]] for case in (first, second)]
    stays = bench.golden(second)
    frame = {id(case): np.array(case["frames"][0], np.uint64) for case in (first, second)}
    await access.start(bench.load(second))
    for cycle in bench.given["cycles"]:
        golden = bench.golden(first)
        places = bench.load(first)
        await access.start(places)
        for whole in (False, True):
            expected = {}
            for case, host, mesh in zip((first, second), sides, (golden, stays), strict=True):
                host.outputs.clear()
                if case is second or whole:
                    expected[id(host)] = [event.unpack(word) for word in mesh.run_frame(frame[id(case)]).tolist()]
                host.inputs.send_all(event.unpack(word) for word in case["frames"][0])
            if not whole:
                for _ in range(cycle):
                    await RisingEdge(dut.clk)
                sides[0].pays = False
                access.stop(places)
            for host in sides:
                await settled(bench, host)
            if not whole:
                sides[0].pays = True
                bench.load(first)
                await access.start(places)
            for host in sides:
                if id(host) in expected:
                    assert by_id(host.outputs) == by_id(expected[id(host)]), f"after a stop at {cycle}"
        await bench.compare_cores(golden)
        access.stop(places)
    await bench.compare_cores(stays)
    assert bench.watch.errors == 0
    dut._log.info("%d stops", len(bench.given["cycles"]))
