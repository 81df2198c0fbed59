"""Frames in flight on a mesh in detail: routers, queues, the scheduler and credits, event by event.

`golden.timing.frames` is the coarse model, for searches. This one takes the same stages, and adds what a mesh has
between them: every event goes from link to link, one a cycle over each, and waits there for a place in the next queue;
ends and credits are counted one after another; the host sends an event a cycle, its credits first. All delays are
latencies that the blocks have (`golden.timing.microarchitecture`). Left out is that evaluation and updates wait for each
other's memory accesses.
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.noc.mesh import Link, MeshPlan
from golden.noc.router import LEAST_DEPTH
from golden.timing.frames import HOST, FrameTimes, Stage
from golden.timing.microarchitecture import (
    CREDIT_CYCLES,
    CREDIT_PERIOD,
    END_CYCLES,
    ESU_LATENCY,
    FINISH_CYCLES,
    FOUND_CYCLES,
    LOOKUP_WORDS,
    PEG_LATENCY,
    PHASES,
    ROUTER_LATENCY,
    ROUTER_LOCAL_LATENCY,
    SCRATCH_TURNS,
    SEND_LATENCY,
    SENT_FLIGHT,
    START_CYCLES,
    STATE_LATENCY,
    TAKE_LATENCY,
    WRITE_DELAY,
)
from golden.types import Place

VALUE, END, CREDIT = range(3)
READ_AHEAD = 4
"""Events that the ESU works on in front of the one whose operations it offers: a register and three beats."""


@dataclass(slots=True)
class _Event:
    """On its way through the links of `route`; at its end `stage` gets it: a stage's number, or HOST."""

    kind: int
    route: Sequence["_Buffer"]
    core: int
    stage: int
    cycles: float = 0.0
    source: int = 0
    """Stage that has sent it."""
    frame: int = 0
    hop: int = 0
    ready: float = 0.0


@dataclass(slots=True, eq=False)
class _Buffer:
    """Places in which events wait in order: a link with its output register and the queue behind it, or a core's."""

    places: int
    latency: int
    waiting: deque[_Event] = field(default_factory=deque)
    wanted: deque["_Buffer"] = field(default_factory=deque)
    """Buffers whose first event waits for a place here."""
    last: float = -1.0
    """Cycle in which an event came."""
    active: bool = False
    """Its first event is on its way, or waits in `wanted` of another buffer."""
    sender: int = -1
    """Of an output queue the core."""
    receiver: int = -1
    """Of an input queue the core, of the links out of the mesh HOST_SIDE."""


HOST_SIDE = -2


@dataclass(slots=True, eq=False)
class _Core:
    """What a core is doing."""

    stages: list[int]
    inputs: _Buffer
    outputs: _Buffer
    local: deque[_Event] = field(default_factory=deque)
    head: _Event | None = None
    taken: float = -PHASES
    begun: deque[float] = field(default_factory=lambda: deque([0.0] * READ_AHEAD, READ_AHEAD))
    """Cycles of the first operations of the last events."""
    free: float = 0.0
    """After the last operation, or beat."""
    drained: float = 0.0
    """After the last operation."""
    counting: float = 0.0
    """The scheduler counts until then."""
    closed: float = 0.0
    """No value goes on before."""
    stage: int = -1
    at: int = 0
    shift: float = 0.0
    """Of the evaluation's plan: its begin, and how long it was held up."""
    starting: bool = False
    blocked: bool = False
    owed_until: float = 0.0
    busy: float = 0.0


def run_mesh(stages: Sequence[Stage], places: Sequence[Place], plan: MeshPlan, config: CoreConfig, frames: int = 6,
             every: int = 1) -> FrameTimes:
    """Run the same frame several times, each input as soon as it has its credits.

    Args:
        stages: see `golden.timing.frames.run_frames`; of inputs `times` are the order of sending.
        places: of the cores, by number.
        plan: of the mesh, with one host.
        frames: at least 2.
        every: events that one of the stages' stands for: queues hold as many times fewer, at least one.

    Raises:
        NetworkError: frames did not come out, as the stages wait for each other.
    """
    return _Mesh(stages, places, plan, config, frames, every).run()


class _Mesh:
    def __init__(self, stages: Sequence[Stage], places: Sequence[Place], plan: MeshPlan, config: CoreConfig,
                 frames: int, every: int) -> None:
        self.stages, self.frames, self.every = stages, frames, every
        self.now, self.count = 0.0, 0
        self.heap: list[tuple[float, int, Callable[[int], None], int]] = []
        self.buffers: list[_Buffer] = []
        self.numbers: dict[int, int] = {}
        self.links: dict[Link, _Buffer] = {}
        self.plan = plan
        self.host_place = plan.host_place(plan.hosts[0])
        self.local_places = max(SENT_FLIGHT + 1, config.local_queue // every)
        self.cores = [_Core([number for number, item in enumerate(stages) if item.core == core],
                            self._buffer(max(1, (config.input_queue + 1) // every), 0, receiver=core),
                            self._buffer(max(SENT_FLIGHT + 1, (config.output_queue + LEAST_DEPTH) // every),
                                         SEND_LATENCY, sender=core))
                      for core in range(len(places))]
        self.places = {core: place for core, place in enumerate(places)} | {HOST: self.host_place}
        self.routes: dict[tuple[int, int], Sequence[_Buffer]] = {}
        self.ends, self.needed = [0] * len(stages), [0] * len(stages)
        self.axons = [len(stage.targets) for stage in stages]
        self.credits = list(self.axons)
        self.paid = [0] * len(stages)
        self.owes: list[list[int]] = [[] for _ in stages]
        """By stage, the stages whose ends it has counted."""
        for stage in stages:
            for target in stage.targets:
                if target != HOST:
                    self.needed[target] += 1
        self.events = [_plan(stage) for stage in stages]
        # The host.
        self.inputs = [number for number, stage in enumerate(stages) if stage.core == HOST]
        self.frame, self.position = dict.fromkeys(self.inputs, 0), dict.fromkeys(self.inputs, 0)
        self.host_credits: deque[_Event] = deque()
        self.entry = self._buffer(1, 0)
        self.host_active = False
        self.to_host = sum(target == HOST for stage in stages for target in stage.targets)
        self.host_ends: dict[int, int] = {}
        self.started, self.finished = [-1.0] * frames, list[float]()
        self.frame_of = [0] * len(stages)

    def _buffer(self, places: int, latency: int, *, sender: int = -1, receiver: int = -1) -> _Buffer:
        made = _Buffer(places, latency, sender=sender, receiver=receiver)
        self.numbers[id(made)] = len(self.buffers)
        self.buffers.append(made)
        return made

    def _route(self, source: int, target: int) -> Sequence[_Buffer]:
        """From an output queue over the links to the input queue of a core, or the host."""
        if (source, target) not in self.routes:
            links, _ = self.plan.route(self.places[source], self.places[target])
            found = []
            for link in links:
                if link not in self.links:
                    # An output register and the queue of the next router; out of the mesh the register alone.
                    last = link == links[-1] and target == HOST
                    self.links[link] = self._buffer(
                        max(1, (LEAST_DEPTH + 1) // self.every), ROUTER_LATENCY if link[1] != "in" else 0,
                        receiver=HOST_SIDE if last else -1)
                found.append(self.links[link])
            self.routes[source, target] = found if target == HOST else [*found, self.cores[target].inputs]
        return self.routes[source, target]

    def _push(self, time: float, call: Callable[[int], None], argument: int) -> None:
        self.count += 1
        heapq.heappush(self.heap, (time, self.count, call, argument))

    def run(self) -> FrameTimes:
        self._wake_host(0.0)
        while self.heap:
            self.now, _, call, argument = heapq.heappop(self.heap)
            call(argument)
        if len(self.finished) < self.frames:
            raise NetworkError(f"{len(self.finished)} of {self.frames} frames came out: the stages wait for each other")
        interval = steady_interval(self.finished)
        return FrameTimes(finished=self.finished, started=self.started, interval=interval,
                          busy=[core.busy / self.frames for core in self.cores])

    # -- links ---------------------------------------------------------------------------------

    def _enter(self, buffer: _Buffer, event: _Event, latency: int) -> None:
        """An event comes into a buffer that has room for it."""
        event.ready = self.now + latency
        buffer.last = self.now + self.every - 1
        buffer.waiting.append(event)
        if buffer.receiver >= 0:
            self._look(buffer.receiver)
        elif not buffer.active:
            buffer.active = True
            self._push(event.ready, self._move, self.numbers[id(buffer)])

    def _move(self, number: int) -> None:
        """The first event of a buffer goes to the next one, if it may."""
        buffer = self.buffers[number]
        event = buffer.waiting[0]
        if event.ready > self.now:
            self._push(event.ready, self._move, number)
            return
        if event.hop == len(event.route):
            self._leave(buffer)
            self._receive(event)
        else:
            after = event.route[event.hop]
            if len(after.waiting) >= after.places:
                after.wanted.append(buffer)
                return
            if after.last >= self.now:
                self._push(after.last + 1, self._move, number)
                return
            self._leave(buffer)
            event.hop += 1
            last = event.hop == len(event.route) and after.receiver >= 0
            self._enter(after, event, ROUTER_LOCAL_LATENCY if last else after.latency)
        if buffer.waiting:
            self._push(max(self.now + 1, buffer.waiting[0].ready), self._move, number)
        else:
            buffer.active = False

    def _leave(self, buffer: _Buffer) -> None:
        """The first event leaves; who waited for its place comes in the next cycle."""
        buffer.waiting.popleft()
        if buffer.wanted:
            self._push(self.now + 1, self._move, self.numbers[id(buffer.wanted.popleft())])
        if buffer.sender >= 0 and self.cores[buffer.sender].blocked:
            self._resume(buffer.sender)
        if buffer is self.entry:
            self._wake_host(self.now)

    # -- what comes into a core ----------------------------------------------------------------

    def _look(self, number: int) -> None:
        """Take the next event into the register at the head, local ones first."""
        core = self.cores[number]
        if core.head is not None:
            return
        if core.local:
            core.head = core.local.popleft()
            if core.blocked:
                self._resume(number)
        elif core.inputs.waiting:
            core.head = core.inputs.waiting[0]
            self._leave(core.inputs)
        else:
            return
        event, offered = core.head, max(self.now + 1, core.head.ready + TAKE_LATENCY)
        if event.kind == VALUE:
            beat = min(PHASES, event.cycles)
            taken = max(offered, core.taken + beat, core.begun[0], core.closed)
            begin = max(taken + ESU_LATENCY, core.free)
            core.taken, core.free = taken, begin + event.cycles
            # The rest of a beat is no operation.
            core.drained = core.free if event.cycles > PHASES else begin + 1
            core.begun.append(begin)
            core.busy += event.cycles
            self._push(taken, self._taken, number)
            return
        if event.kind == END:
            offered = max(offered, core.drained + STATE_LATENCY + WRITE_DELAY + 1)
        self._push(offered, self._token, number)

    def _token(self, number: int) -> None:
        """The scheduler takes an end or a credit, when it has nothing else to do: what can begin begins before."""
        core = self.cores[number]
        if core.counting > self.now:
            self._push(core.counting, self._token, number)
            return
        event = core.head
        assert event is not None
        core.counting = self.now + (END_CYCLES if event.kind == END else CREDIT_CYCLES)
        if event.kind == END:
            core.closed = core.counting - SCRATCH_TURNS
            self.owes[event.stage].append(event.source)
        self._push(core.counting, self._count_end if event.kind == END else self._count_credit, event.stage)
        self._push(self.now + 1, self._taken, number)

    def _taken(self, number: int) -> None:
        core = self.cores[number]
        core.head = None
        self._look(number)

    def _count_end(self, stage: int) -> None:
        self.ends[stage] += 1
        if self.ends[stage] == self.needed[stage]:
            self._choose(self.stages[stage].core)

    def _count_credit(self, stage: int) -> None:
        self.credits[stage] += 1
        if self.credits[stage] == self.axons[stage]:
            self._push(self.now + FOUND_CYCLES, self._choose_found, self.stages[stage].core)

    # -- evaluations ---------------------------------------------------------------------------

    def _choose_found(self, number: int) -> None:
        """What came in the meantime is counted before."""
        if self.cores[number].counting > self.now:
            self._push(self.cores[number].counting, self._choose_found, number)
        else:
            self._choose(number, FOUND_CYCLES)

    def _choose(self, number: int, found: int = 0) -> None:
        """Begin the first evaluation that can begin, if none runs."""
        core = self.cores[number]
        if core.stage >= 0:
            return
        for stage in core.stages:
            if self.ends[stage] == self.needed[stage] and self.credits[stage] == self.axons[stage]:
                core.stage, core.at = stage, 0
                self.credits[stage] = 0
                # The scheduler reads the population's word, and works on no end or credit in the meantime.
                begin = max(self.now, core.counting)
                core.counting = begin + START_CYCLES - found
                core.shift = core.counting
                events = self.events[stage]
                if events:
                    self._push(core.shift + events[0][0], self._send, number)
                else:
                    self._push(core.shift + self.stages[stage].length, self._finish, number)
                return

    def _resume(self, number: int) -> None:
        core = self.cores[number]
        if len(core.local) <= self.local_places - SENT_FLIGHT and (
                len(core.outputs.waiting) <= core.outputs.places - SENT_FLIGHT):
            core.blocked = False
            self._push(self.now + 1, self._send, number)

    def _send(self, number: int) -> None:
        """The next event of an evaluation."""
        core = self.cores[number]
        events = self.events[core.stage]
        time, target, cycles, kind = events[core.at]
        # Events are under way when the PEG sees how full a queue is: it fills up to the last place.
        receiver = HOST if target == HOST else self.stages[target].core
        if len(core.local) >= self.local_places or len(core.outputs.waiting) >= core.outputs.places:
            core.blocked = True
            return
        # The neurons behind it are evaluated before their turn, but no more than there are places for.
        ahead = min(core.at + LOOKUP_WORDS * len(self.stages[core.stage].targets), len(events) - 1)
        core.shift = max(core.shift, self.now - events[ahead][0])
        event = _Event(kind, (), receiver, target, cycles, core.stage, self.frame_of[core.stage])
        if receiver == number:
            event.ready = self.now + 1
            core.local.append(event)
            self._look(number)
        else:
            event.route = self._route(number, receiver)
            self._enter(core.outputs, event, SEND_LATENCY)
        core.at += 1
        if core.at < len(events):
            self._push(max(self.now + 1, core.shift + events[core.at][0]), self._send, number)
        else:
            self._finish(number)

    def _finish(self, number: int) -> None:
        """The scheduler ends an evaluation, when all credits of the one before are on their way."""
        core = self.cores[number]
        core.counting = max(self.now - PEG_LATENCY + 1, core.counting, core.owed_until) + FINISH_CYCLES
        self._push(core.counting, self._done, number)

    def _done(self, number: int) -> None:
        """An evaluation is over: its credits go back, one after another."""
        core = self.cores[number]
        stage, core.stage = core.stage, -1
        self.ends[stage] = 0
        self.frame_of[stage] += 1
        for place, source in enumerate(self.owes[stage], 1):
            core.owed_until = self.now + place * CREDIT_PERIOD
            sender = self.stages[source].core
            if sender == number:
                self._push(core.owed_until, self._local_credit, source)
            else:
                event = _Event(CREDIT, self._route(number, sender), sender, source)
                self._push(core.owed_until, self._credit_of(number, event), 0)
        self.owes[stage].clear()
        self._push(self.now + FOUND_CYCLES, self._choose_found, number)

    def _local_credit(self, stage: int) -> None:
        """A credit of a core's own population is counted as others are."""
        core = self.cores[self.stages[stage].core]
        if core.counting > self.now:
            self._push(core.counting, self._local_credit, stage)
        else:
            core.counting = self.now + CREDIT_CYCLES
            self._push(core.counting, self._count_credit, stage)

    def _credit_of(self, number: int, event: _Event) -> Callable[[int], None]:
        def send(_: int) -> None:
            outputs = self.cores[number].outputs
            if len(outputs.waiting) >= outputs.places:
                self._push(self.now + 1, send, 0)
            else:
                self._enter(outputs, event, SEND_LATENCY)
        return send

    # -- the host ------------------------------------------------------------------------------

    def _receive(self, event: _Event) -> None:
        """An event has come to the host."""
        if event.kind == CREDIT:
            self.credits[event.stage] += 1
            self._wake_host(self.now + 1)
        elif event.kind == END:
            self.host_ends[event.frame] = self.host_ends.get(event.frame, 0) + 1
            core = self.stages[event.source].core
            self.host_credits.append(_Event(CREDIT, self._route(HOST, core), core, event.source))
            self._wake_host(self.now + 1)
            if self.host_ends[event.frame] == self.to_host:
                self.finished.append(self.now)

    def _wake_host(self, time: float) -> None:
        if not self.host_active:
            self.host_active = True
            self._push(time, self._send_host, 0)

    def _send_host(self, _: int) -> None:
        """The host's next event: credits, then of the earliest frame that may be sent."""
        self.host_active = False
        if self.entry.waiting:
            return
        if self.host_credits:
            self._enter(self.entry, self.host_credits.popleft(), 1)
            return
        may = [number for number in self.inputs if self.frame[number] < self.frames and self.axons[number]
               and (self.position[number] or self.credits[number] == self.axons[number])]
        if not may:
            return
        number = min(may, key=lambda item: (self.frame[item], self.events[item][self.position[item]][0]))
        at, frame = self.position[number], self.frame[number]
        _, target, cycles, kind = self.events[number][at]
        if not at:
            self.credits[number] = 0
        if self.started[frame] < 0:
            self.started[frame] = self.now + 1
        core = self.stages[target].core
        self.position[number] = at + 1
        if at + 1 == len(self.events[number]):
            self.position[number] = 0
            self.frame[number] += 1
        self._enter(self.entry, _Event(kind, self._route(HOST, core), core, target, cycles, number, frame), 1)


def steady_interval(finished: Sequence[float]) -> float:
    """Cycles between frames that are out, over the middle ones: the first fill the mesh, the last find it emptier.

    Of less than six frames all but the first count.
    """
    first, last = (2, len(finished) - 3) if len(finished) > 5 else (0, len(finished) - 1)
    return float(finished[last] - finished[first]) / max(1, last - first)


def _plan(stage: Stage) -> list[tuple[float, int, float, int]]:
    """Time, target, cycles and kind of all that a stage sends."""
    events = [(float(time), stage.targets[axon], float(cycles), VALUE)
              for time, axon, cycles in zip(stage.times, stage.axons, stage.cycles, strict=True)]
    return events + [(float(stage.length), target, 0.0, END) for target in stage.targets]
