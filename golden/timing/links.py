"""Events on their way through a mesh: links that move one a cycle, and queues that fill up, whoever sends and takes.

An event goes from buffer to buffer along its route, as soon as it is at the head, the next one has a place, and its
link is free in this cycle. What happens in a core or the host is told by the methods of a subclass.
"""

import heapq
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from golden.noc.mesh import Link, MeshPlan
from golden.noc.router import LEAST_DEPTH
from golden.timing.frames import HOST
from golden.timing.microarchitecture import ROUTER_LATENCY, ROUTER_LOCAL_LATENCY
from golden.types import Place

VALUE, END, CREDIT = range(3)
READS, CHANGES, LAST = range(3)
"""In which order a cycle is worked off: who looks at registers sees them as the cycle before has left them."""
HOST_SIDE = -2
"""Receiver of a link out of the mesh."""


@dataclass(slots=True)
class Event:
    """On its way through the links of `route`; at its end `stage` gets it: a stage's number, or HOST."""

    kind: int
    route: Sequence["Buffer"]
    core: int
    stage: int
    cycles: float = 0.0
    edge: int = 0
    """Of a value its event ID at the core, of an event for the host that of the output."""
    table: bool = False
    """A value with a table word."""
    source: int = 0
    """Stage that has sent it."""
    frame: int = 0
    hop: int = 0
    ready: int = 0


@dataclass(slots=True, eq=False)
class Buffer:
    """Places in which events wait in order: a link with its output register and the queue behind it, or a core's."""

    places: int
    latency: int
    waiting: deque[Event] = field(default_factory=deque)
    wanted: deque["Buffer"] = field(default_factory=deque)
    """Buffers whose first event waits for a place here."""
    called: bool = False
    """The first of `wanted` will be looked at."""
    last: int = -1
    """Cycle in which an event came."""
    active: bool = False
    """Its first event is on its way, or waits in `wanted` of another buffer."""
    sender: int = -1
    """Of an output queue the core."""
    receiver: int = -1
    """Of an input queue the core, of the links out of the mesh HOST_SIDE."""


class Network(ABC):
    """Links between cores and a host, and the time.

    Args:
        places: of the cores, by number.
        plan: of the mesh, with one host.
    """

    def __init__(self, places: Sequence[Place], plan: MeshPlan) -> None:
        self.plan = plan
        self.now, self.count = 0, 0
        self.heap: list[tuple[int, int, int, Callable[[int], None], int]] = []
        self.buffers: list[Buffer] = []
        self.numbers: dict[int, int] = {}
        self.links: dict[Link, Buffer] = {}
        self.inputs_of: list[Buffer] = []
        """By core, its input queue: the last of each route to it."""
        self.places = dict(enumerate(places)) | {HOST: plan.host_place(plan.hosts[0])}
        self.routes: dict[tuple[int, int], Sequence[Buffer]] = {}

    @abstractmethod
    def arrived(self, core: int) -> None:
        """An event is in the input queue of a core."""

    @abstractmethod
    def received(self, event: Event) -> None:
        """An event has come to the host."""

    @abstractmethod
    def left(self, buffer: Buffer) -> None:
        """An event has left a buffer, which has a place."""

    def advance(self) -> None:
        """All that happens, until nothing does."""
        while self.heap:
            self.now, _, _, call, argument = heapq.heappop(self.heap)
            call(argument)

    def buffer(self, places: int, latency: int, *, sender: int = -1, receiver: int = -1) -> Buffer:
        made = Buffer(places, latency, sender=sender, receiver=receiver)
        self.numbers[id(made)] = len(self.buffers)
        self.buffers.append(made)
        return made

    def route(self, source: int, target: int) -> Sequence[Buffer]:
        """From an output queue over the links to the input queue of a core, or the host."""
        if (source, target) not in self.routes:
            links, _ = self.plan.route(self.places[source], self.places[target])
            found = []
            for link in links:
                if link not in self.links:
                    # An output register and the queue of the next router; out of the mesh the register alone.
                    last = link == links[-1] and target == HOST
                    self.links[link] = self.buffer(
                        LEAST_DEPTH + 1, ROUTER_LATENCY if link[1] != "in" else 0,
                        receiver=HOST_SIDE if last else -1)
                found.append(self.links[link])
            self.routes[source, target] = found if target == HOST else [*found, self.inputs_of[target]]
        return self.routes[source, target]

    def push(self, time: int, call: Callable[[int], None], argument: int, order: int = CHANGES) -> None:
        self.count += 1
        heapq.heappush(self.heap, (time, order, self.count, call, argument))

    def enter(self, buffer: Buffer, event: Event, latency: int) -> None:
        """An event comes into a buffer that has room for it."""
        event.ready = self.now + latency
        buffer.last = self.now
        buffer.waiting.append(event)
        if buffer.receiver >= 0:
            self.arrived(buffer.receiver)
        elif not buffer.active:
            buffer.active = True
            self.push(event.ready, self._move, self.numbers[id(buffer)])

    def _move(self, number: int) -> None:
        """The first event of a buffer goes to the next one, if it may."""
        buffer = self.buffers[number]
        event = buffer.waiting[0]
        if event.ready > self.now:
            self.push(event.ready, self._move, number)
        elif event.hop == len(event.route):
            self.leave(buffer)
            self.received(event)
            self._again(buffer)
        else:
            after = event.route[event.hop]
            if after.wanted or len(after.waiting) >= after.places or after.last >= self.now:
                after.wanted.append(buffer)
                self._call(after)
            else:
                self._pass(buffer, after)

    def _pass(self, buffer: Buffer, after: Buffer) -> None:
        event = buffer.waiting[0]
        self.leave(buffer)
        event.hop += 1
        last = event.hop == len(event.route) and after.receiver >= 0
        # Who has waited is offered to the core as soon as it has room.
        self.enter(after, event, max(0, event.ready + ROUTER_LOCAL_LATENCY - self.now) if last else after.latency)
        self._again(buffer)

    def _again(self, buffer: Buffer) -> None:
        if buffer.waiting:
            self.push(max(self.now + 1, buffer.waiting[0].ready), self._move, self.numbers[id(buffer)])
        else:
            buffer.active = False

    def leave(self, buffer: Buffer) -> None:
        """The first event leaves; who waited for its place comes in the next cycle."""
        buffer.waiting.popleft()
        self._call(buffer)
        self.left(buffer)

    def _call(self, buffer: Buffer) -> None:
        """Those who wait for a buffer come by turns, one in a cycle."""
        if buffer.wanted and not buffer.called:
            buffer.called = True
            self.push(max(self.now, buffer.last) + 1, self._admit, self.numbers[id(buffer)])

    def _admit(self, number: int) -> None:
        buffer = self.buffers[number]
        buffer.called = False
        if len(buffer.waiting) < buffer.places:
            self._pass(buffer.wanted.popleft(), buffer)
            self._call(buffer)
