"""Drivers and monitors of `amaranth.lib.stream` ports, with random back-pressure.

**When signals are sampled and written.** A coroutine that wakes at `RisingEdge(clk)` runs before the design has seen
that edge: what it reads are the settled values just before the edge, which the design's registers sample too. What it
writes is applied after the edge, so it holds for the next one. All parts here work in this way, one generator per port
and one step per cycle (`every_cycle`): no part sees what another one writes at the same edge, and their order does not
matter.

Benches that read signals themselves should do so right after `await RisingEdge(dut.clk)` too.
"""

import random
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeAlias

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import Event, NullTrigger, RisingEdge
from cocotb.utils import get_sim_time

from tb.payloads import Layout, pack, unpack, width

# -- pauses --------------------------------------------------------------------------------------


def never() -> Iterator[bool]:
    """No pause at all."""
    while True:
        yield False


def randomly(generator: random.Random, probability: float = 0.5) -> Iterator[bool]:
    """A pause in each cycle with the same probability."""
    while True:
        yield generator.random() < probability


def bursts(generator: random.Random, mean_run: float = 8, mean_pause: float = 8) -> Iterator[bool]:
    """Runs and pauses of random lengths, geometrically distributed with the given means in cycles."""
    paused = generator.random() < 0.5
    while True:
        yield paused
        if generator.random() < 1 / (mean_pause if paused else mean_run):
            paused = not paused


PAUSES: dict[str, Callable[[random.Random], Iterator[bool]]] = {
    "never": lambda generator: never(),
    "rarely": lambda generator: randomly(generator, 0.1),
    "randomly": lambda generator: randomly(generator, 0.5),
    "mostly": lambda generator: randomly(generator, 0.9),
    "bursts": bursts,
}
"""Patterns of back-pressure by name, so that a test can name them in its parameters."""


def pauses(pattern: str, generator: random.Random) -> Iterator[bool]:
    """A pattern of PAUSES by name; one True per cycle of pause."""
    return PAUSES[pattern](generator)


# -- clock and time ------------------------------------------------------------------------------


async def clock_and_reset(dut: Any, *, period_ns: int = 10, cycles: int = 2) -> None:
    """Start the clock `clk`, hold the synchronous reset `rst` for some cycles, and return as it is released.

    Make the drivers, monitors and memories before: they give their ports a defined value, and wait for the reset.
    """
    dut.rst.value = 1
    Clock(dut.clk, period_ns, unit="ns", impl="gpi").start(start_high=False)
    for _ in range(cycles):
        await RisingEdge(dut.clk)
    dut.rst.value = 0


Steps: TypeAlias = Generator[None, None, None]
"""What happens just before each edge of the clock: from one `yield` to the next."""

class _Clock:
    """Steps all parts of a design at each edge, in one task: to wake a task costs more than most steps do."""

    def __init__(self, dut: Any):
        self.parts: list[Steps] = []
        self.waits: list[_Wait] = []
        self._edge = RisingEdge(dut.clk)
        self.task = cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            await self._edge
            if self.waits and (over := [wait for wait in self.waits if wait.is_over()]):
                self.waits = [wait for wait in self.waits if wait not in over]
                for wait in over:
                    wait.event.set()
                await NullTrigger()  # who has waited goes on before the parts step, as if woken by the edge
            for part in tuple(self.parts):
                next(part)


class _Wait:
    """A condition that somebody waits for."""

    def __init__(self, condition: Callable[[], bool], timeout: int):
        self.condition, self.timeout = condition, timeout
        self.event, self.cycles, self.met = Event(), 0, False

    def is_over(self) -> bool:
        self.cycles += 1
        self.met = self.cycles < self.timeout and self.condition()
        return self.met or self.cycles == self.timeout


_clocks: dict[Any, _Clock] = {}


def _clock(dut: Any) -> _Clock:
    """A design's clock; its task ends with the test, and the next test gets another one."""
    if dut not in _clocks or _clocks[dut].task.done():
        _clocks[dut] = _Clock(dut)
    return _clocks[dut]


def every_cycle(dut: Any, steps: Steps) -> None:
    """Take one step of a generator just before each edge of `clk`; what comes before its first `yield` runs at once."""
    next(steps)
    _clock(dut).parts.append(steps)


def out_of_reset(dut: Any) -> Steps:
    """Steps to the first edge at which the design is not reset."""
    while True:
        yield
        if dut.rst.value == 0:  # not so either while nobody has driven it yet
            return


def after_reset(dut: Any, steps: Steps) -> None:
    """Take a step of a generator just before each edge of `clk`, the first one when the design is not reset."""
    def waiting() -> Steps:
        yield from out_of_reset(dut)
        yield from steps

    every_cycle(dut, waiting())


async def wait_until(dut: Any, condition: Callable[[], bool], *, timeout: int = 100_000, what: str = "") -> int:
    """Wait for a condition, looked at once per cycle before the edge; returns the cycles waited.

    Raises:
        TimeoutError: not within `timeout` cycles; `what` says what was waited for.
    """
    if condition():
        return 0
    wait = _Wait(condition, timeout)
    _clock(dut).waits.append(wait)
    await wait.event.wait()
    if wait.met:
        return wait.cycles
    raise TimeoutError(f"{what or 'condition'}: not within {timeout} cycles")


# -- streams -------------------------------------------------------------------------------------


def reader(signal: Any) -> Callable[[], int]:
    """What reads a signal as a number; it raises ValueError if a bit is unknown, as `int(signal.value)` does.

    That makes objects of cocotb's for each bit of a value, and takes several times as long.
    """
    bits = signal._handle.get_signal_val_binstr
    return lambda: int(bits(), 2)


class Wires:
    """Reads the ports of a design as numbers: `wires.busy()` is `int(dut.busy.value)`, but fast (`reader`)."""

    def __init__(self, dut: Any):
        self._dut = dut

    def __getattr__(self, name: str) -> Callable[[], int]:  # once for each port
        read = reader(getattr(self._dut, name))
        setattr(self, name, read)
        return read


def _optional(dut: Any, name: str) -> Any:
    """A signal, or None for one that Amaranth leaves out because it is constant (`always_ready`, `always_valid`)."""
    return getattr(dut, name, None)


def _always() -> int:
    """Reads a signal that is left out."""
    return 1


class StreamDriver:
    """Sends payloads into a stream port `<port>__payload`, `__valid`, `__ready`.

    A pause is a cycle without a new payload: what has been offered stays until it is taken. Without a valid payload
    the payload wires carry random bits, so that a design that looks at them shows it.

    Attributes:
        accepted: how many payloads the design has taken.
        stalled: cycles in which an offered payload was not taken.
    """

    def __init__(self, dut: Any, port: str, layout: Layout, *, pause: Iterator[bool] | None = None,
                 generator: random.Random | None = None, on_accept: Callable[[Any], None] | None = None):
        self.dut, self.port, self.layout = dut, port, layout
        self.accepted = 0
        self.stalled = 0
        self._pause = pause or never()
        self._generator = generator or random.Random(0)
        self._on_accept = on_accept
        self._queue: deque[tuple[Any, int]] = deque()
        self._since = 0
        """When the first of the queue came."""
        self._payload = getattr(dut, f"{port}__payload")
        self._valid, self._ready = _optional(dut, f"{port}__valid"), _optional(dut, f"{port}__ready")
        if self._valid is None:
            raise ValueError(f"port '{port}' has no valid: a stream that is always valid needs no driver")
        self._valid.value = 0
        self._garbage()
        every_cycle(dut, self._run())

    def send(self, value: Any) -> None:
        """Queue one payload: a dict of fields, or a packed number."""
        if not self._queue:
            self._since = get_sim_time("step")
        self._queue.append((value, pack(self.layout, value)))

    def send_all(self, values: Iterable[Any]) -> None:
        """Queue many payloads."""
        for value in values:
            self.send(value)

    @property
    def pending(self) -> int:
        """Payloads that have not been taken yet."""
        return len(self._queue)

    async def idle(self, timeout: int = 100_000) -> None:
        """Wait until everything queued has been taken.

        Raises:
            TimeoutError: nothing was taken for `timeout` cycles.
        """
        since, waited = self.accepted, 0

        def over() -> bool:
            nonlocal since, waited
            waited, since = waited + 1 if self.accepted == since else 0, self.accepted
            return not self._queue or waited > timeout

        await wait_until(self.dut, over, timeout=sys.maxsize)
        if self._queue:
            raise TimeoutError(f"port '{self.port}': nothing taken for {timeout} cycles; "
                               f"{self.accepted} payloads taken, {self.pending} waiting")

    def _garbage(self) -> None:
        if bits := width(self.layout):
            self._payload.value = self._generator.getrandbits(bits)

    def _run(self) -> Steps:
        queue = self._queue
        ready = _always if self._ready is None else reader(self._ready)
        offered = False
        yield from out_of_reset(self.dut)
        while True:
            if offered:
                if ready():
                    value, _ = queue.popleft()
                    self.accepted += 1
                    offered = False
                    if self._on_accept is not None:
                        self._on_accept(value)
                else:
                    self.stalled += 1
            if not offered:
                if queue and not next(self._pause):
                    self._payload.value = queue[0][1]
                    self._valid.value = 1
                    offered = True
                else:
                    self._valid.value = 0
                    self._garbage()
                    if not queue:
                        while not queue:
                            yield
                        if get_sim_time("step") != self._since:  # else it came at this edge, and is offered at the next
                            continue
            yield


class StreamMonitor:
    """Takes payloads from a stream port, pausing its `ready`, and checks the protocol.

    A payload that was offered and not taken must be offered unchanged in the next cycle.

    Attributes:
        received: the payloads taken, unpacked, in order.
        stalled: cycles in which an offered payload was not taken.
    """

    def __init__(self, dut: Any, port: str, layout: Layout, *, pause: Iterator[bool] | None = None,
                 on_receive: Callable[[Any], None] | None = None):
        self.dut, self.port, self.layout = dut, port, layout
        self.received: list[Any] = []
        self.stalled = 0
        self._pause = pause or never()
        self._on_receive = on_receive
        self._payload = getattr(dut, f"{port}__payload")
        self._valid, self._ready = _optional(dut, f"{port}__valid"), _optional(dut, f"{port}__ready")
        if self._ready is not None:
            self._ready.value = 0
        every_cycle(dut, self._run())

    async def wait(self, count: int, timeout: int = 100_000) -> None:
        """Wait until `count` payloads have been taken in all.

        Raises:
            TimeoutError: not within `timeout` cycles from now.
        """
        try:
            await wait_until(self.dut, lambda: len(self.received) >= count, timeout=timeout)
        except TimeoutError:
            missing = f"{len(self.received)} of {count} payloads after {timeout} cycles"
            raise TimeoutError(f"port '{self.port}': {missing}") from None

    def _run(self) -> Steps:
        valid, bits = _always if self._valid is None else reader(self._valid), reader(self._payload)
        held: int | None = None
        yield from out_of_reset(self.dut)
        ready = self._ready is None
        while True:
            if valid():
                payload = bits()
                if held is not None and payload != held:
                    raise AssertionError(f"port '{self.port}': payload changed from {unpack(self.layout, held)} to "
                                         f"{unpack(self.layout, payload)} before it was taken")
                if ready:
                    held = None
                    value = unpack(self.layout, payload)
                    self.received.append(value)
                    if self._on_receive is not None:
                        self._on_receive(value)
                else:
                    held = payload
                    self.stalled += 1
            elif held is not None:
                raise AssertionError(f"port '{self.port}': {unpack(self.layout, held)} was withdrawn before it was "
                                     "taken")
            if self._ready is not None:
                now = not next(self._pause)
                if now != ready:
                    self._ready.value = int(now)
                    ready = now
            yield
