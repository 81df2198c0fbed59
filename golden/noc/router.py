"""The router of the network on chip: where an event goes, and what a router may do with events, whoever goes first.

An event carries the columns and rows that are left to its receiver; east and south count positive. XY routing: it goes
along its row first, then along its column. The relative addresses are those of Bamberg et al., arXiv 2112.07019,
section 5.1.
"""

from collections import deque
from collections.abc import Collection

from golden.config import CoreConfig
from golden.errors import ConfigError, EventError
from golden.words import layouts

PORTS = ("local", "north", "east", "south", "west")
"""The core itself, and the neighbors."""
STEPS = {"local": (0, 0), "north": (0, -1), "east": (1, 0), "south": (0, 1), "west": (-1, 0)}
"""How far an event has come, in columns and rows, behind an output."""
LEAST_DEPTH = 2
"""Events that an input's queue must hold for one event per cycle: its `ready` is known a cycle before."""


def ways(missing: Collection[str] = (), entries: Collection[str] = ()) -> dict[str, tuple[str, ...]]:
    """The outputs that an event may take from each input.

    Nothing goes back to where it came from. What travels along a column stays in it: without turns from a column into
    a row, routers never wait for each other in a circle. From an entry such turns are allowed, as no router waits for
    what is outside.

    Args:
        missing: ports that are left out.
        entries: ports whose events come from outside the network, never from a router.

    Raises:
        ConfigError: there is no such port, the local one is missing or an entry, an entry is missing, or all but
            the local one are.
    """
    for port in (*missing, *entries):
        if port not in PORTS:
            raise ConfigError(f"router: there is no port '{port}'; there are: {', '.join(PORTS)}")
        if port == "local":
            raise ConfigError("router: the port 'local' leads to the core: it is neither missing nor an entry")
    for port in entries:
        if port in missing:
            raise ConfigError(f"router: the port '{port}' cannot be both an entry and missing")
    used = [port for port in PORTS if port not in missing]
    if len(used) < 2:
        raise ConfigError("router: all ports but 'local' are missing: a core alone needs no router")
    column = ("north", "south")
    return {port: tuple(other for other in used if other != port and not (
        port in column and port not in entries and other in ("east", "west"))) for port in used}


def checked(missing: Collection[str] = (), entries: Collection[str] = ()) -> frozenset[str]:
    """The inputs whose events may have no way: the core's, entries, and those whose events may want a missing output.

    At all others a router in front sends what has a way.
    """
    everywhere = ways(entries=entries)
    return frozenset(port for port in ways(missing, entries) if port == "local" or port in entries
                     or not {*everywhere[port]}.isdisjoint(missing))


def decide(core_x: int, core_y: int) -> tuple[str, int, int]:
    """The output that leads to the receiver, and the address behind it."""
    if core_x:
        output = "east" if core_x > 0 else "west"
    elif core_y:
        output = "south" if core_y > 0 else "north"
    else:
        output = "local"
    step_x, step_y = STEPS[output]
    return output, core_x - step_x, core_y - step_y


class Router:
    """What may leave a router after what has come in: the first event of any pair of input and output.

    Which pair is next is open. So the model holds for every arbiter, every depth of the queues and every back-pressure.
    An event whose output is none of `ways` is dropped.

    Attributes:
        ways, checked: see the functions.
        dropped: how many events were dropped.
    """

    def __init__(self, config: CoreConfig, *, missing: Collection[str] = (), entries: Collection[str] = ()):
        self.ways = ways(missing, entries)
        self.checked = checked(missing, entries)
        self.event = layouts(config).event
        self.dropped = 0
        self._channels: dict[tuple[str, str], deque[int]] = {
            (port, output): deque() for port, outputs in self.ways.items() for output in outputs}

    def enter(self, port: str, event: int) -> str | None:
        """A packed event comes in; returns the output that it will leave at, None if it is dropped.

        Raises:
            EventError: it has no way, and its input is not checked.
        """
        fields = self.event.unpack(event)
        output, fields["core_x"], fields["core_y"] = decide(fields["core_x"], fields["core_y"])
        if output not in self.ways[port]:
            if port not in self.checked:
                raise EventError(f"router: an event for '{output}' comes in at '{port}', where no router sends it")
            self.dropped += 1
            return None
        self._channels[port, output].append(self.event.pack(fields))
        return output

    def leave(self, output: str, event: int) -> str:
        """A packed event goes out; returns the input that it came from.

        Events of different inputs must differ, or the answer is a guess.

        Raises:
            EventError: it is not the first one from any input to this output.
        """
        for (port, end), waiting in self._channels.items():
            if end == output and waiting and waiting[0] == event:
                waiting.popleft()
                return port
        raise EventError(f"router: {self.event.unpack(event)} leaves at '{output}': no input's next event is that")

    @property
    def waiting(self) -> int:
        """Events that have come in and must still leave."""
        return sum(map(len, self._channels.values()))
