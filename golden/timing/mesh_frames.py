"""Frames in flight on a mesh in detail: routers, queues, the scheduler and credits, event by event.

`golden.timing.frames` is the coarse model, for searches. This one has what a mesh has between its cores: every event
goes from link to link (`golden.timing.links`). In the cores, the scheduler works cycle by cycle
(`golden.timing.scheduling`), an evaluation neuron by neuron (`golden.timing.evaluating`), and the ESU event by event.
The host sends an event a cycle, its credits first. Left out is that evaluation and updates wait for each other's
memory accesses.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.noc.mesh import MeshPlan
from golden.noc.router import LEAST_DEPTH
from golden.timing.esu import EventsOfEsu
from golden.timing.frames import HOST, FrameTimes
from golden.timing.links import CREDIT, END, LAST, READS, VALUE, Buffer, Event, Network
from golden.timing.mesh_stage import MeshStage, host_order, steady_interval
from golden.timing.microarchitecture import (
    AXON_LATENCY,
    QUEUE_LATENCY,
    SENT_FLIGHT,
    USE_LATENCY,
)
from golden.timing.scheduling import Scheduler
from golden.types import Place


@dataclass(slots=True, eq=False)
class _Core:
    """What a core is doing."""

    stages: list[int]
    inputs: Buffer
    outputs: Buffer
    scheduler: Scheduler
    local: deque[Event] = field(default_factory=deque)
    # The register at the head, from which cycle on it offers its event, and from which on it is free again.
    head: Event | None = None
    offers: int = 0
    free: int = 0
    value_waits: bool = False
    esu: EventsOfEsu = field(default_factory=EventsOfEsu)
    # Evaluations that were commanded: stage and cycle. The one that sends, and how late it is; its neuron, and event.
    commands: deque[tuple[int, int]] = field(default_factory=deque)
    stage: int = -1
    command: int = 0
    late: int = 0
    neuron: int = 0
    event: int = 0
    # Of the neuron, when the PEG took it, and when it uses its first axon; when it used the last one before.
    taken: int = 0
    first: int = 0
    used: int = 0
    blocked: bool = False
    sending: int = -1
    """Cycle in which an event of the PEG comes into a queue."""


def run_mesh(stages: Sequence[MeshStage], places: Sequence[Place], plan: MeshPlan, config: CoreConfig, frames: int = 6
             ) -> FrameTimes:
    """Run the same frame several times, each input as soon as it has its credits.

    Args:
        stages: inputs first.
        places: of the cores, by number.
        plan: of the mesh, with one host.
        frames: how many.

    Raises:
        NetworkError: frames did not come out, as the stages wait for each other.
    """
    return _Mesh(stages, places, plan, config, frames).run()


class _Mesh(Network):
    def __init__(self, stages: Sequence[MeshStage], places: Sequence[Place], plan: MeshPlan, config: CoreConfig,
                 frames: int) -> None:
        super().__init__(places, plan)
        self.stages, self.frames = stages, frames
        self.local_places = config.local_queue
        needed = [0] * len(stages)
        self.axons = [len(stage.targets) for stage in stages]
        for stage in stages:
            for target in stage.targets:
                if target != HOST:
                    needed[target] += 1
        self.number: dict[int, int] = {}
        """By stage, its number in its core."""
        self.cores: list[_Core] = []
        for core in range(len(places)):
            mine = [number for number, item in enumerate(stages) if item.core == core]
            self.number |= {stage: number for number, stage in enumerate(mine)}
            self.cores.append(_Core(
                mine, self.buffer(config.input_queue, 0, receiver=core),
                self.buffer(config.output_queue + LEAST_DEPTH, QUEUE_LATENCY, sender=core),
                Scheduler(core, [needed[item] for item in mine], [self.axons[item] for item in mine],
                          {stage: number for number, stage in enumerate(mine)}, self)))
        for number, stage in enumerate(stages):
            if stage.delays:
                self._first_ends(number, stage)
        self.inputs_of = [core.inputs for core in self.cores]
        # The host.
        self.inputs = [number for number, stage in enumerate(stages) if stage.core == HOST]
        self.credits = list(self.axons)
        self.sent = {number: host_order(stages[number]) for number in self.inputs}
        self.frame, self.position = dict.fromkeys(self.inputs, 0), dict.fromkeys(self.inputs, 0)
        self.host_credits: deque[Event] = deque()
        self.entry = self.buffer(1, 0)
        self.host_active = False
        self.sinks: dict[int, int] = {}
        """By event ID of the host, how many ends come in a frame."""
        for stage in stages:
            for target, edge in zip(stage.targets, stage.edges, strict=True):
                if target == HOST:
                    self.sinks[edge] = self.sinks.get(edge, 0) + 1
        self.owed: dict[int, list[Event]] = {edge: [] for edge in self.sinks}
        self.host_ends: dict[int, int] = {}
        self.started, self.finished = [-1] * frames, list[int]()
        self.frame_of = [0] * len(stages)

    def _first_ends(self, number: int, stage: MeshStage) -> None:
        """A delay's first ends have been counted, and it waits for the credits."""
        for target in stage.targets:
            if target != HOST:
                self.cores[self.stages[target].core].scheduler.counted(self.number[target], number)
                self.cores[stage.core].scheduler.spent(self.number[number])

    def run(self) -> FrameTimes:
        self._wake_host(0)
        self.advance()
        if len(self.finished) < self.frames:
            raise NetworkError(f"{len(self.finished)} of {self.frames} frames came out: the stages wait for each other")
        return FrameTimes(finished=[*self.finished], started=[*self.started], interval=steady_interval(self.finished),
                          busy=[core.esu.busy / self.frames for core in self.cores])

    # -- what comes into a core ----------------------------------------------------------------

    def arrived(self, core: int) -> None:
        self.push(self.now + 1, self._next, core, READS)

    def left(self, buffer: Buffer) -> None:
        if buffer.sender >= 0:
            self._resume(buffer.sender)
        if buffer is self.entry:
            self._wake_host(self.now)

    def _next(self, number: int) -> None:
        """Take the next event into the register at the head, local ones first."""
        core, now = self.cores[number], self.now
        if core.head is not None:
            return
        if core.free > now:
            self.push(core.free, self._next, number, READS)
            return
        if core.local:
            core.head = core.local.popleft()
            self._resume(number)
        elif core.inputs.waiting and core.inputs.waiting[0].ready < now:
            core.head = core.inputs.waiting[0]
            self.leave(core.inputs)
        else:
            if core.inputs.waiting:
                self.push(core.inputs.waiting[0].ready + 1, self._next, number, READS)
            return
        core.offers = now + 1
        if core.head.kind == VALUE:
            self.push(core.offers, self._value, number)
            return
        if core.head.kind == END:
            core.offers = max(core.offers, core.esu.idle + 1)
        self._wake(number, core.offers)

    def _value(self, number: int) -> None:
        """The ESU takes a value, and no later the end behind it."""
        core, event = self.cores[number], self.cores[number].head
        assert event is not None
        if core.scheduler.counting:
            core.value_waits = True
            return
        taken = core.esu.take(self.now, event.edge, event.cycles, event.table)
        self._release(number, taken)

    def _release(self, number: int, taken: int) -> None:
        """The event at the head has been taken."""
        core = self.cores[number]
        core.head, core.free = None, taken + 1
        self.push(taken + 1, self._next, number, READS)

    # -- the scheduler -------------------------------------------------------------------------

    def _wake(self, number: int, time: int) -> None:
        """The scheduler works from a cycle on."""
        self.push(time, self._schedule, number, LAST)

    def _schedule(self, number: int) -> None:
        core = self.cores[number]
        if core.scheduler.stepped >= self.now:
            return
        if core.scheduler.step(self.now):
            self.push(self.now + 1, self._schedule, number, LAST)

    def offered(self, core: int) -> tuple[int, int, int] | None:
        item = self.cores[core]
        event = item.head
        if event is None or event.kind == VALUE or item.offers > self.now:
            return None
        self._release(core, self.now)
        return self.number[event.stage], event.source, int(event.kind == END)

    def settled(self, core: int) -> None:
        if self.cores[core].value_waits:
            self.cores[core].value_waits = False
            self.push(self.now + 1, self._value, core)

    def command(self, core: int, population: int) -> None:
        item = self.cores[core]
        item.commands.append((item.stages[population], self.now))
        if item.stage < 0:
            self._evaluate(core)

    def returned(self, core: int, source: int) -> bool:
        item = self.cores[core]
        if item.sending == self.now or len(item.outputs.waiting) >= item.outputs.places:
            return False
        sender = self.stages[source].core
        event = Event(CREDIT, self.route(core, sender), sender, source)
        self.enter(item.outputs, event, QUEUE_LATENCY)
        return True

    # -- evaluations ---------------------------------------------------------------------------

    def _evaluate(self, number: int) -> None:
        """The PEG is done with the evaluation before, whose ends may take longer than the start of the next one."""
        core = self.cores[number]
        core.stage = -1
        if core.commands:
            core.stage, core.command = core.commands.popleft()
            core.late = core.taken = 0
            core.neuron = -1
            self._neuron(number)

    def _neuron(self, number: int) -> None:
        """The next neuron, or the end, comes to the PEG."""
        core = self.cores[number]
        stage = self.stages[core.stage]
        plan = stage.evaluated
        assert plan is not None
        core.neuron += 1
        end = core.neuron == len(plan.left)
        left = max(core.command + core.late + (plan.end if end else plan.left[core.neuron]), core.taken)
        core.taken = max(left + 1, core.used)
        core.first = core.taken + (1 if core.neuron else AXON_LATENCY)
        if not end:
            core.late = max(core.late, left - core.command - plan.limits[core.neuron])
        core.event = 0
        if end:
            core.scheduler.finished = core.taken + 1
            self._wake(number, core.taken + 1)
        if end and not self.axons[core.stage]:
            self.frame_of[core.stage] += 1
            self._evaluate(number)
        else:
            self.push(core.first + self._slot(core), self._use, number, READS)

    def _slot(self, core: _Core) -> int:
        """The axon of the next event of the neuron at the PEG."""
        stage = self.stages[core.stage]
        assert stage.evaluated is not None
        if core.neuron == len(stage.evaluated.left):
            return core.event
        return stage.axons[stage.evaluated.begins[core.neuron] + core.event]

    def _resume(self, number: int) -> None:
        if self.cores[number].blocked:
            self.cores[number].blocked = False
            self.push(self.now + 1, self._use, number, READS)

    def _use(self, number: int) -> None:
        """The PEG uses an axon, if the queues have room for all that is on its way to them."""
        core = self.cores[number]
        if len(core.local) > self.local_places - SENT_FLIGHT or (
                len(core.outputs.waiting) > core.outputs.places - SENT_FLIGHT):
            core.blocked = True
            return
        stage = self.stages[core.stage]
        plan, axon = stage.evaluated, self._slot(core)
        assert plan is not None
        end = core.neuron == len(plan.left)
        at = 0 if end else plan.begins[core.neuron] + core.event
        target = stage.targets[axon]
        receiver = HOST if target == HOST else self.stages[target].core
        event = Event(END if end else VALUE, (), receiver, target, 0.0 if end else stage.cycles[at],
                      stage.edges[axon], stage.tables[axon], core.stage, self.frame_of[core.stage])
        self.push(self.now + USE_LATENCY, self._entering(number, event), 0)
        # Axons without an event take their cycle, too.
        core.first = self.now - axon
        core.event += 1
        more = core.event < self.axons[core.stage] if end else at + 1 < plan.begins[core.neuron + 1]
        if more:
            self.push(core.first + self._slot(core), self._use, number, READS)
            return
        core.used = core.first + self.axons[core.stage] - 1
        if end:
            self.frame_of[core.stage] += 1
            self._evaluate(number)
        else:
            self._neuron(number)

    def _entering(self, number: int, event: Event) -> Callable[[int], None]:
        def enter(_: int) -> None:
            core = self.cores[number]
            core.sending = self.now
            if event.core == number:
                core.local.append(event)
                self.push(self.now + 1, self._next, number, READS)
            else:
                event.route = self.route(number, event.core)
                self.enter(core.outputs, event, QUEUE_LATENCY)
        return enter

    # -- the host ------------------------------------------------------------------------------

    def received(self, event: Event) -> None:
        """An event has come to the host."""
        if event.kind == CREDIT:
            self.credits[event.stage] += 1
        elif event.kind == END:
            core = self.stages[event.source].core
            owed = self.owed[event.edge]
            owed.append(Event(CREDIT, self.route(HOST, core), core, event.source))
            # Those that share an event ID get their credits together.
            if len(owed) == self.sinks[event.edge]:
                self.host_credits.extend(owed)
                owed.clear()
            self.host_ends[event.frame] = self.host_ends.get(event.frame, 0) + 1
            if self.host_ends[event.frame] == sum(self.sinks.values()):
                self.finished.append(self.now)
        self._wake_host(self.now)

    def _wake_host(self, time: int) -> None:
        if not self.host_active:
            self.host_active = True
            self.push(time, self._send_host, 0, LAST)

    def _send_host(self, _: int) -> None:
        """The host's next event: credits, then of the earliest frame that may be sent."""
        self.host_active = False
        if self.entry.waiting:
            return
        if self.host_credits:
            self.enter(self.entry, self.host_credits.popleft(), 1)
            return
        may = [number for number in self.inputs if self.frame[number] < self.frames and self.axons[number]
               and (self.position[number] or self.credits[number] == self.axons[number])]
        if not may:
            return
        number = min(may, key=lambda item: (self.frame[item], self.sent[item][self.position[item]][0]))
        at, frame, stage = self.position[number], self.frame[number], self.stages[number]
        axon, cycles, kind = self.sent[number][at][1:]
        if not at:
            self.credits[number] = 0
        if self.started[frame] < 0:
            self.started[frame] = self.now + 1
        target = stage.targets[axon]
        core = self.stages[target].core
        self.position[number] = at + 1
        if at + 1 == len(self.sent[number]):
            self.position[number] = 0
            self.frame[number] += 1
        self.enter(self.entry, Event(kind, self.route(HOST, core), core, target, cycles, stage.edges[axon],
                                     stage.tables[axon], number, frame), 1)
