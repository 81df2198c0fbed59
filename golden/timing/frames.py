"""Frames in flight on a mesh, event by event: when which core works, and at what interval frames come out.

A coarse model: an event costs its core the cycles it is given, with no look at banks; queues are those of the cores, in
front of which events wait for one another; links and routers pass events at once. A population takes the events of a
frame, fires when its destinations have evaluated the frame before, and then takes the next one (docs/architecture.md,
"Timesteps and credits"). The interval is an estimate. The model tells whether the work of the busiest core decides on
it, or the waiting of layers for each other.
"""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.timing.microarchitecture import END_LATENCY, EVENT_FILL

HOST = -1
"""The stage that takes the outputs, and the core of a stage that is an input's."""
END_CYCLES = EVENT_FILL + END_LATENCY
"""Cycles of an end of timestep: ESU and neuron update run empty before it is counted."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What one population does in a frame. The three lists are its events in the order of sending."""

    core: int
    targets: Sequence[int]
    """By axon the stage it leads to, or HOST. Each gets an end of timestep behind the values."""
    axons: Sequence[int]
    """Of each event, its number in `targets`."""
    times: Sequence[float]
    """Cycles of the evaluation before each event, if nothing holds it up; ascending."""
    cycles: Sequence[float]
    """What each event costs the core of its destination."""
    length: float
    """Cycles of the evaluation, if nothing holds it up."""
    delays: bool = False
    """What it sends counts for the next frame: its ends of the frame before the first have been counted already."""


@dataclass(frozen=True, kw_only=True)
class FrameTimes:
    """What came of a run."""

    finished: list[float]
    """Cycle in which each frame was out: the last end of timestep came to the host."""
    busy: list[float]
    """By core, cycles of ESU and neuron update per frame."""
    interval: float
    """Cycles per frame, over the later half of the frames."""
    started: list[float] = field(default_factory=lambda: [0.0])
    """Cycle in which each frame began, of those that are known."""

    @property
    def latency(self) -> float:
        """Cycles of the first frame from its first event to the last output."""
        return self.finished[0] - self.started[0]


def run_frames(
    stages: Sequence[Stage], cores: int, config: CoreConfig, frames: int = 6, every: int = 1
) -> FrameTimes:
    """Run the same frame several times, each as soon as it can begin.

    Args:
        stages: inputs first, whose core is HOST: they send an event per cycle, together, in their order in the list,
            as soon as they have credits.
        cores: how many there are.
        frames: at least 2.
        every: events that one of the stages' stands for: queues hold as many times fewer, at least one.

    Raises:
        NetworkError: frames did not come out, as the stages wait for each other.
    """
    return _Run(stages, cores, config, frames, every).run()


class _Sender:
    """An evaluation that runs on a core, or the host: what it sends and how far it is."""

    def __init__(self, places: int) -> None:
        self.places = places
        self.queue: deque[tuple[int, float, int]] = deque()
        """Events in the output queue: core, cycles, and the stage of an end of timestep, else -1."""
        self.events: list[tuple[float, int, float, int]] = []
        """Of the stage that fires: time, stage, cycles, and whether it is an end."""
        self.stage = self.at = -1
        self.waits = False
        """For room in a queue, or as a host for credits."""


class _Run:
    def __init__(self, stages: Sequence[Stage], cores: int, config: CoreConfig, frames: int, every: int) -> None:
        self.stages, self.cores, self.frames = stages, cores, frames
        self.places = {name: max(1, getattr(config, name) // every)
                       for name in ("input_queue", "local_queue", "output_queue")}
        self.arrived: list[deque[tuple[float, int]]] = [deque() for _ in range(cores)]
        self.local: list[deque[tuple[float, int]]] = [deque() for _ in range(cores)]
        self.idle, self.busy = [True] * cores, [0.0] * cores
        self.senders = [*(_Sender(self.places["output_queue"]) for _ in range(cores)), _Sender(1)]
        self.blocked: list[deque[int]] = [deque() for _ in range(cores)]
        """By core, the senders whose first event waits for a place in its input queue."""
        self.ends, self.needed = [0] * len(stages), [0] * len(stages)
        self.evaluated = [0] * len(stages)
        self.on: list[list[int]] = [[] for _ in range(cores)]
        self.to_host, self.host_ends, self.finished = 0, 0, list[float]()
        self.heap: list[tuple[float, int, int, int, int]] = []
        self.count = 0
        for number, stage in enumerate(stages):
            for target in stage.targets:
                if target == HOST:
                    self.to_host += 1
                else:
                    self.needed[target] += 1
                    self.ends[target] += stage.delays
            if stage.core != HOST:
                self.on[stage.core].append(number)
        self.plans = [self._plan(number) for number in range(len(stages))]

    def _plan(self, number: int) -> list[tuple[float, int, float, int]]:
        stage = self.stages[number]
        events = [(float(time), stage.targets[axon], float(cycles), 0)
                  for time, axon, cycles in zip(stage.times, stage.axons, stage.cycles, strict=True)]
        return events + [(float(stage.length), target, END_CYCLES, 1) for target in stage.targets]

    def run(self) -> FrameTimes:
        host = self.senders[-1]
        inputs = [number for number, stage in enumerate(self.stages) if stage.core == HOST]
        host.events = _merged([self.plans[number] for number in inputs]) * self.frames
        host.at = 0
        self._push(0.0, 1, self.cores, 0)
        while self.heap:
            now, _, kind, core, stage = heapq.heappop(self.heap)
            if kind == 0:
                if stage >= 0:
                    self._end(stage, now)
                self._serve(core, now)
            elif core == self.cores:
                self._send_host(now)
            else:
                self._send(core, now)
        if len(self.finished) < self.frames:
            raise NetworkError(f"{len(self.finished)} of {self.frames} frames came out: the stages wait for each other")
        first = max(0, self.frames // 2 - 1)  # the frames before it fill the mesh
        interval = (self.finished[-1] - self.finished[first]) / (self.frames - 1 - first)
        return FrameTimes(finished=self.finished, busy=[cycles / self.frames for cycles in self.busy],
                          interval=interval)

    def _push(self, time: float, kind: int, core: int, stage: int) -> None:
        self.count += 1
        heapq.heappush(self.heap, (time, self.count, kind, core, stage))

    # -- events that come in -------------------------------------------------------------------

    def _serve(self, core: int, now: float) -> None:
        """The core takes its next event, local ones first."""
        local, arrived = self.local[core], self.arrived[core]
        if local:
            cycles, end = local.popleft()
        elif arrived:
            cycles, end = arrived.popleft()
        else:
            self.idle[core] = True
            return
        self.idle[core] = False
        self.busy[core] += cycles
        self._push(now + cycles, 0, core, end)
        if self.senders[core].waits:
            self._wake(core, now)
        if self.blocked[core] and len(arrived) < self.places["input_queue"]:
            self._pass(self.blocked[core].popleft(), now)

    def _pass(self, sender: int, now: float) -> None:
        """Events go from an output queue to where they belong, as long as there is room."""
        item, moved = self.senders[sender], False
        while item.queue:
            core, cycles, end = item.queue[0]
            if len(self.arrived[core]) >= self.places["input_queue"]:
                self.blocked[core].append(sender)
                break
            item.queue.popleft()
            moved = True
            self.arrived[core].append((cycles, end))
            if self.idle[core]:
                self._serve(core, now)
        if moved and item.waits:
            self._wake(sender, now)

    def _wake(self, sender: int, now: float) -> None:
        self.senders[sender].waits = False
        self._push(now, 1, sender, 0)

    # -- evaluations ---------------------------------------------------------------------------

    def _end(self, stage: int, now: float) -> None:
        self.ends[stage] += 1
        if self.ends[stage] == self.needed[stage]:
            self._start(self.stages[stage].core, now)

    def _start(self, core: int, now: float) -> None:
        """Begin an evaluation if there is one that can, and none that runs: of the first such population."""
        sender = self.senders[core]
        if sender.stage >= 0:
            return
        for number in self.on[core]:
            if self.ends[number] == self.needed[number] and all(
                    target == HOST or self.evaluated[target] >= self.evaluated[number] + self.stages[number].delays
                    for target in self.stages[number].targets):
                sender.stage, sender.events, sender.at = number, self.plans[number], 0
                self._push(now + sender.events[0][0], 1, core, 0)
                return

    def _send(self, core: int, now: float) -> None:
        """The next event of the evaluation on a core, if there is room for it."""
        sender = self.senders[core]
        time, target, cycles, end = sender.events[sender.at]
        if target == HOST:
            if end:
                self._out(now)
        else:
            place, tag = self.stages[target].core, target if end else -1
            if place == core:
                if len(self.local[core]) >= self.places["local_queue"]:
                    sender.waits = True
                    return
                self.local[core].append((cycles, tag))
                if self.idle[core]:
                    self._serve(core, now)
            else:
                if len(sender.queue) >= sender.places:
                    sender.waits = True
                    return
                sender.queue.append((place, cycles, tag))
                if len(sender.queue) == 1:
                    self._pass(core, now)
        sender.at += 1
        if sender.at < len(sender.events):
            self._push(now + max(1.0, sender.events[sender.at][0] - time), 1, core, 0)
        else:
            self._done(core, now)

    def _out(self, now: float) -> None:
        self.host_ends += 1
        if self.host_ends % self.to_host == 0:
            self.finished.append(now)

    def _done(self, core: int, now: float) -> None:
        """An evaluation is over: its credits go back."""
        sender = self.senders[core]
        stage, sender.stage = sender.stage, -1
        self.ends[stage] = 0
        self.evaluated[stage] += 1
        self._start(core, now)
        for number, other in enumerate(self.stages):
            if other.core not in (HOST, core) and stage in other.targets:
                self._start(self.stages[number].core, now)
        if self.senders[-1].waits and not self.senders[-1].queue:
            self._wake(self.cores, now)

    def _send_host(self, now: float) -> None:
        """The host's next event, if its destination has evaluated the frame before."""
        host = self.senders[-1]
        if host.at == len(host.events):
            return
        _, target, cycles, end = host.events[host.at]
        frame = host.at // (len(host.events) // self.frames)
        if self.evaluated[target] < frame or len(host.queue) >= host.places:
            host.waits = True
            return
        host.queue.append((self.stages[target].core, cycles, target if end else -1))
        host.at += 1
        self._pass(self.cores, now)
        self._push(now + 1, 1, self.cores, 0)


def _merged(plans: Sequence[list[tuple[float, int, float, int]]]) -> list[tuple[float, int, float, int]]:
    """The events of all inputs by time; the ends of each destination behind its values."""
    return sorted((event for plan in plans for event in plan), key=lambda event: event[0])
