"""Frames in flight on a mesh in detail: routers, queues, the scheduler and credits, event by event.

`golden.timing.frames` is the coarse model, for searches. This one takes the same stages, and adds what a mesh has
between them: every event goes from link to link (`golden.timing.links`); ends and credits are counted one after
another; the host sends an event a cycle, its credits first. All delays are latencies that the blocks have
(`golden.timing.microarchitecture`). Left out is that evaluation and updates wait for each other's memory accesses.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.noc.mesh import MeshPlan
from golden.noc.router import LEAST_DEPTH
from golden.timing.frames import HOST, FrameTimes, Stage
from golden.timing.links import CREDIT, END, VALUE, Buffer, Event, Network
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
    SCRATCH_TURNS,
    SEND_LATENCY,
    SENT_FLIGHT,
    START_CYCLES,
    STATE_LATENCY,
    TAKE_LATENCY,
    WRITE_DELAY,
)
from golden.types import Place

READ_AHEAD = 4
"""Events that the ESU works on in front of the one whose operations it offers: a register and three beats."""


@dataclass(slots=True, eq=False)
class _Core:
    """What a core is doing."""

    stages: list[int]
    inputs: Buffer
    outputs: Buffer
    local: deque[Event] = field(default_factory=deque)
    head: Event | None = None
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


class _Mesh(Network):
    def __init__(self, stages: Sequence[Stage], places: Sequence[Place], plan: MeshPlan, config: CoreConfig,
                 frames: int, every: int) -> None:
        super().__init__(places, plan, every)
        self.stages, self.frames = stages, frames
        self.local_places = max(SENT_FLIGHT + 1, config.local_queue // every)
        self.cores = [_Core([number for number, item in enumerate(stages) if item.core == core],
                            self.buffer(max(1, (config.input_queue + 1) // every), 0, receiver=core),
                            self.buffer(max(SENT_FLIGHT + 1, (config.output_queue + LEAST_DEPTH) // every),
                                         SEND_LATENCY, sender=core))
                      for core in range(len(places))]
        self.inputs_of = [core.inputs for core in self.cores]
        self.ends, self.needed = [0] * len(stages), [0] * len(stages)
        self.axons = [len(stage.targets) for stage in stages]
        self.credits = list(self.axons)
        self.paid = [0] * len(stages)
        self.owes: list[list[int]] = [[] for _ in stages]
        """By stage, the stages whose ends it has counted."""
        for number, stage in enumerate(stages):
            for target in stage.targets:
                if target != HOST:
                    self.needed[target] += 1
                    if stage.delays:  # its first ends have been counted, and it waits for the credits
                        self.ends[target] += 1
                        self.owes[target].append(number)
                        self.credits[number] = 0
        self.events = [_plan(stage) for stage in stages]
        # The host.
        self.inputs = [number for number, stage in enumerate(stages) if stage.core == HOST]
        self.frame, self.position = dict.fromkeys(self.inputs, 0), dict.fromkeys(self.inputs, 0)
        self.host_credits: deque[Event] = deque()
        self.entry = self.buffer(1, 0)
        self.host_active = False
        self.to_host = sum(target == HOST for stage in stages for target in stage.targets)
        self.host_ends: dict[int, int] = {}
        self.started, self.finished = [-1.0] * frames, list[float]()
        self.frame_of = [0] * len(stages)

    def run(self) -> FrameTimes:
        self._wake_host(0.0)
        self.advance()
        if len(self.finished) < self.frames:
            raise NetworkError(f"{len(self.finished)} of {self.frames} frames came out: the stages wait for each other")
        interval = steady_interval(self.finished)
        return FrameTimes(finished=self.finished, started=self.started, interval=interval,
                          busy=[core.busy / self.frames for core in self.cores])

    # -- what comes into a core ----------------------------------------------------------------

    def arrived(self, core: int) -> None:
        self._look(core)

    def left(self, buffer: Buffer) -> None:
        if buffer.sender >= 0 and self.cores[buffer.sender].blocked:
            self._resume(buffer.sender)
        if buffer is self.entry:
            self._wake_host(self.now)

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
            self.leave(core.inputs)
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
            self.push(taken, self._taken, number)
            return
        if event.kind == END:
            offered = max(offered, core.drained + STATE_LATENCY + WRITE_DELAY + 1)
        self.push(offered, self._token, number)

    def _token(self, number: int) -> None:
        """The scheduler takes an end or a credit, when it has nothing else to do: what can begin begins before."""
        core = self.cores[number]
        if core.counting > self.now:
            self.push(core.counting, self._token, number)
            return
        event = core.head
        assert event is not None
        core.counting = self.now + (END_CYCLES if event.kind == END else CREDIT_CYCLES)
        if event.kind == END:
            core.closed = core.counting - SCRATCH_TURNS
            self.owes[event.stage].append(event.source)
        self.push(core.counting, self._count_end if event.kind == END else self._count_credit, event.stage)
        self.push(self.now + 1, self._taken, number)

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
            self.push(self.now + FOUND_CYCLES, self._choose_found, self.stages[stage].core)

    # -- evaluations ---------------------------------------------------------------------------

    def _choose_found(self, number: int) -> None:
        """What came in the meantime is counted before."""
        if self.cores[number].counting > self.now:
            self.push(self.cores[number].counting, self._choose_found, number)
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
                    self.push(core.shift + events[0][0], self._send, number)
                else:
                    self.push(core.shift + self.stages[stage].length, self._finish, number)
                return

    def _resume(self, number: int) -> None:
        core = self.cores[number]
        if len(core.local) <= self.local_places - SENT_FLIGHT and (
                len(core.outputs.waiting) <= core.outputs.places - SENT_FLIGHT):
            core.blocked = False
            self.push(self.now + 1, self._send, number)

    def _send(self, number: int) -> None:
        """The next event of an evaluation."""
        core = self.cores[number]
        events = self.events[core.stage]
        _, target, cycles, kind = events[core.at]
        # Events are under way when the PEG sees how full a queue is: it fills up to the last place.
        receiver = HOST if target == HOST else self.stages[target].core
        if len(core.local) >= self.local_places or len(core.outputs.waiting) >= core.outputs.places:
            core.blocked = True
            return
        # The neurons behind it are evaluated before their turn, but no more than there are places for.
        ahead = min(core.at + LOOKUP_WORDS * len(self.stages[core.stage].targets), len(events) - 1)
        core.shift = max(core.shift, self.now - events[ahead][0])
        event = Event(kind, (), receiver, target, cycles, core.stage, self.frame_of[core.stage])
        if receiver == number:
            event.ready = self.now + 1
            core.local.append(event)
            self._look(number)
        else:
            event.route = self.route(number, receiver)
            self.enter(core.outputs, event, SEND_LATENCY)
        core.at += 1
        if core.at < len(events):
            self.push(max(self.now + 1, core.shift + events[core.at][0]), self._send, number)
        else:
            self._finish(number)

    def _finish(self, number: int) -> None:
        """The scheduler ends an evaluation, when all credits of the one before are on their way."""
        core = self.cores[number]
        core.counting = max(self.now - PEG_LATENCY + 1, core.counting, core.owed_until) + FINISH_CYCLES
        self.push(core.counting, self._done, number)

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
                self.push(core.owed_until, self._local_credit, source)
            else:
                event = Event(CREDIT, self.route(number, sender), sender, source)
                self.push(core.owed_until, self._credit_of(number, event), 0)
        self.owes[stage].clear()
        self.push(self.now + FOUND_CYCLES, self._choose_found, number)

    def _local_credit(self, stage: int) -> None:
        """A credit of a core's own population is counted as others are."""
        core = self.cores[self.stages[stage].core]
        if core.counting > self.now:
            self.push(core.counting, self._local_credit, stage)
        else:
            core.counting = self.now + CREDIT_CYCLES
            self.push(core.counting, self._count_credit, stage)

    def _credit_of(self, number: int, event: Event) -> Callable[[int], None]:
        def send(_: int) -> None:
            outputs = self.cores[number].outputs
            if len(outputs.waiting) >= outputs.places:
                self.push(self.now + 1, send, 0)
            else:
                self.enter(outputs, event, SEND_LATENCY)
        return send

    # -- the host ------------------------------------------------------------------------------

    def received(self, event: Event) -> None:
        """An event has come to the host."""
        if event.kind == CREDIT:
            self.credits[event.stage] += 1
            self._wake_host(self.now + 1)
        elif event.kind == END:
            self.host_ends[event.frame] = self.host_ends.get(event.frame, 0) + 1
            core = self.stages[event.source].core
            self.host_credits.append(Event(CREDIT, self.route(HOST, core), core, event.source))
            self._wake_host(self.now + 1)
            if self.host_ends[event.frame] == self.to_host:
                self.finished.append(self.now)

    def _wake_host(self, time: float) -> None:
        if not self.host_active:
            self.host_active = True
            self.push(time, self._send_host, 0)

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
        number = min(may, key=lambda item: (self.frame[item], self.events[item][self.position[item]][0]))
        at, frame = self.position[number], self.frame[number]
        target, cycles, kind = self.events[number][at][1:]
        if not at:
            self.credits[number] = 0
        if self.started[frame] < 0:
            self.started[frame] = self.now + 1
        core = self.stages[target].core
        self.position[number] = at + 1
        if at + 1 == len(self.events[number]):
            self.position[number] = 0
            self.frame[number] += 1
        self.enter(self.entry, Event(kind, self.route(HOST, core), core, target, cycles, number, frame), 1)


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
