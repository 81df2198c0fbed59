"""Drivers and monitors of `amaranth.lib.stream` ports, with random back-pressure.

**When signals are sampled and written.** A coroutine that wakes at `RisingEdge(clk)` runs before the design has seen
that edge: what it reads are the settled values just before the edge, which the design's registers sample too. What it
writes is applied after the edge, so it holds for the next one. All parts here work in this way, one generator per port
and one step per cycle (`every_cycle`): no part sees what another one writes at the same edge, and their order does not
matter.

Benches that read signals themselves should do so right after `await RisingEdge(dut.clk)` too.
"""

import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import cocotb
from amaranth.hdl import Shape
from amaranth.lib import data
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge
from cocotb.utils import get_sim_time

from golden.words import WordLayout

Layout: TypeAlias = WordLayout | data.StructLayout | int
"""How a payload is packed: a word, a struct, or a plain unsigned number of so many bits."""

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


# -- payloads ------------------------------------------------------------------------------------


def width(layout: Layout) -> int:
    """Bits of a payload."""
    if isinstance(layout, int):
        return layout
    return layout.bits if isinstance(layout, WordLayout) else layout.size


def pack(layout: Layout, value: Any) -> int:
    """A payload as one unsigned integer. A struct's missing fields are 0; fields may be structs themselves.

    Raises:
        ValueError, golden.errors.FieldRangeError: a value does not fit its field.
        KeyError: there is no such field.
    """
    if isinstance(value, int):
        if not 0 <= value < 1 << width(layout):
            raise ValueError(f"{value} does not fit {width(layout)} bits")
        return value
    if isinstance(layout, WordLayout):
        return layout.pack(value)
    if isinstance(layout, int):
        return pack(layout, int(value))
    word = 0
    for name, item in value.items():
        field = layout[name]
        if isinstance(item, Mapping):
            raw = pack(field.shape, item)
        else:
            shape = Shape.cast(field.shape)
            item = int(item)
            low, high = (-(1 << shape.width - 1), 1 << shape.width - 1) if shape.signed else (0, 1 << shape.width)
            if not low <= item < high:
                raise ValueError(f"field '{name}': {item} is outside [{low}, {high - 1}]")
            raw = item & ((1 << shape.width) - 1)
        word |= raw << field.offset
    return word


def unpack(layout: Layout, word: int) -> Any:
    """The reverse of `pack`: a dict of fields, or the number itself."""
    if isinstance(layout, int):
        return word
    if isinstance(layout, WordLayout):
        return layout.unpack(word)
    values: dict[str, Any] = {}
    for name, field in layout:
        shape = Shape.cast(field.shape)
        raw = (word >> field.offset) & ((1 << shape.width) - 1)
        if isinstance(field.shape, data.StructLayout):
            values[name] = unpack(field.shape, raw)
        else:
            values[name] = raw - (1 << shape.width) if shape.signed and shape.width and raw >> shape.width - 1 else raw
    return values


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

_stepping: dict[Any, tuple[Any, list[Steps]]] = {}
"""Of each design the task that steps its parts, which ends with the test, and those parts."""


def every_cycle(dut: Any, steps: Steps) -> None:
    """Take one step of a generator just before each edge of `clk`; what comes before its first `yield` runs at once.

    One task steps all generators of a design: to wake a task costs more than most steps do.
    """
    task, parts = _stepping.get(dut, (None, []))
    if task is None or task.done():
        parts = []
        _stepping[dut] = cocotb.start_soon(_step_all(dut, parts)), parts
    next(steps)
    parts.append(steps)


async def _step_all(dut: Any, parts: list[Steps]) -> None:
    clock = RisingEdge(dut.clk)
    while True:
        await clock
        for part in tuple(parts):
            next(part)


def out_of_reset(dut: Any) -> Steps:
    """Steps to the first edge at which the design is not reset."""
    while True:
        yield
        if dut.rst.value == 0:  # not so either while nobody has driven it yet
            return


async def wait_until(dut: Any, condition: Callable[[], bool], *, timeout: int = 100_000, what: str = "") -> int:
    """Wait for a condition, looked at once per cycle before the edge; returns the cycles waited.

    Raises:
        TimeoutError: not within `timeout` cycles; `what` says what was waited for.
    """
    for cycle in range(timeout):
        if condition():
            return cycle
        await RisingEdge(dut.clk)
    raise TimeoutError(f"{what or 'condition'}: not within {timeout} cycles")


# -- streams -------------------------------------------------------------------------------------


def _optional(dut: Any, name: str) -> Any:
    """A signal, or None for one that Amaranth leaves out because it is constant (`always_ready`, `always_valid`)."""
    return getattr(dut, name, None)


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
        waited, taken = 0, self.accepted
        while self._queue:
            if waited == timeout:
                raise TimeoutError(f"port '{self.port}': nothing taken for {timeout} cycles; {taken} payloads taken, "
                                   f"{self.pending} waiting")
            await RisingEdge(self.dut.clk)
            waited = waited + 1 if self.accepted == taken else 0
            taken = self.accepted

    def _garbage(self) -> None:
        if bits := width(self.layout):
            self._payload.value = self._generator.getrandbits(bits)

    def _run(self) -> Steps:
        queue = self._queue
        offered = False
        yield from out_of_reset(self.dut)
        while True:
            if offered:
                if self._ready is None or int(self._ready.value):
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
        held: int | None = None
        yield from out_of_reset(self.dut)
        ready = self._ready is None
        while True:
            if self._valid is None or int(self._valid.value):
                payload = int(self._payload.value)
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
