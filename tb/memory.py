"""A memory behind a block's memory ports (`rtl.ports`), as slow and as unhelpful as the contract allows."""

import random
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from typing import Any

from golden.ports import READ_LATENCY
from tb.streams import Steps, every_cycle, never, out_of_reset, reader


class MemoryModel:
    """Answers one or more ReadPorts or MemoryPorts of a design from one list of words.

    `ready` is drawn anew in each cycle from the port's pauses. `data` holds the word `latency` cycles after
    `valid & ready`, and random bits in all other cycles; `write_data` is taken a cycle after it. If several ports are
    granted in one cycle, all reads come before all writes, and writes are done in the order of the ports. A port with
    `write` is a MemoryPort, and one without `data` a WritePort.

    Args:
        dut: the design.
        prefix: the port's name, or several that share the words.
        words: list or numpy array of words, read and written in place; word i is at address i.
        word_bits: width of a word.
        pause: an iterator of pauses (`tb.streams`) for all ports, or a function that makes one per port.
        latency: cycles from an access to its word.
        on_access: called as (port, address, whether it writes) for each granted access, in order.

    Attributes:
        reads, writes: granted accesses, by port.

    Raises:
        AssertionError: (failing the test) a granted address is outside the words.
    """

    def __init__(self, dut: Any, prefix: str | Sequence[str], words: MutableSequence[int] | Any, *, word_bits: int,
                 pause: Iterator[bool] | Callable[[], Iterator[bool]] | None = None,
                 generator: random.Random | None = None, latency: int = READ_LATENCY,
                 on_access: Callable[[str, int, bool], None] | None = None):
        self.dut, self.words, self.word_bits = dut, words, word_bits
        self.ports = [prefix] if isinstance(prefix, str) else list(prefix)
        self.reads = dict.fromkeys(self.ports, 0)
        self.writes = dict.fromkeys(self.ports, 0)
        self._generator = generator or random.Random(0)
        self._on_access = on_access
        # What each port's data will be in the next cycles.
        self._coming: list[list[int | None]] = [[None] * (latency - 1) for _ in self.ports]
        self._pauses: list[Iterator[bool]] = [
            never() if pause is None else pause() if callable(pause) else pause for _ in self.ports]
        self._signals: list[tuple[Any, ...]] = [tuple(getattr(dut, f"{port}__{name}", None)
                               for name in ("valid", "ready", "address", "data", "write", "write_data"))
                         for port in self.ports]
        for port, (valid, ready, address, read_data, _, write_data) in zip(self.ports, self._signals, strict=True):
            if any(item is None for item in (valid, ready, address)) or (read_data is None and write_data is None):
                raise ValueError(f"the design has no memory port '{port}'")
            ready.value = 0
            self._garbage(read_data)
        every_cycle(dut, self._run())

    def _garbage(self, read_data: Any) -> None:
        if read_data is not None:
            read_data.value = self._generator.getrandbits(self.word_bits)

    def _run(self) -> Steps:
        words = self.words
        signals = [(reader(valid), ready, reader(address), read_data, None if write is None else reader(write),
                    None if write_data is None else reader(write_data))
                   for valid, ready, address, read_data, write, write_data in self._signals]
        granted = [False] * len(self.ports)
        yield from out_of_reset(self.dut)
        writes: list[tuple[Callable[[], int], int]] = []
        while True:
            # Those of the cycle before: the port's word and the address.
            for word, where in writes:
                words[where] = word()
            writes = []
            for index, (valid, ready, address, read_data, write, write_data) in enumerate(signals):
                answer: int | None = None
                if granted[index] and valid():
                    port, where = self.ports[index], address()
                    assert 0 <= where < len(words), f"port '{port}': address {where} is outside {len(words)} words"
                    writing = read_data is None or (write is not None and bool(write()))
                    if writing and write_data is not None:
                        writes.append((write_data, where))
                        self.writes[port] += 1
                    else:
                        if read_data is not None:
                            answer = int(words[where])
                        self.reads[port] += 1
                    if self._on_access is not None:
                        self._on_access(port, where, writing)
                self._coming[index].append(answer)
                answer = self._coming[index].pop(0)
                if answer is None:
                    self._garbage(read_data)
                else:
                    read_data.value = answer
                now = not next(self._pauses[index])
                if now != granted[index]:
                    ready.value = int(now)
                    granted[index] = now
            yield
