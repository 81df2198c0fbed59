"""The slowest path of a placed and routed block, in words: through which signals of which parts it goes.

Yosys' `flatten` writes on each wire that had a name in the source where it came from (`hdlname`). A net of the path may
have several such names: the register's own, ports of the parts that it passes, copies in others. The register's is
taken, otherwise one in the part where the path was, otherwise the one deepest down.

Most nets between registers have none, as logic was shared and moved. Yosys derives theirs from a signal nearby
(`autoname`): if that is in another part, the path is taken to be there. Otherwise their delay counts for the last
signal that has a name.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MEMORIES = ("DP16KD", "PDPW16KD", "TRELLIS_DPR16X4")
"""Cells of the ECP5 that are memories: they keep the name of the memory, and numbers."""

ENDS = {"CE": "enable", "LSR": "reset"}
"""Inputs of a flip-flop that are not its data."""

INSIDE = "block"
"""The instance, in the netlist, of what is measured: `Scan` is around it."""

AROUND = "shift register of the ports"
"""A signal that is not the block's: only paths of blocks that have no slower one go there."""

Register = tuple[str, ...]
"""Names of a part, of its part, and so on; the last is a signal or a memory."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One signal on the path. `delay` in ns, from there to the next one, of which `routing` is spent in wires."""

    block: str
    """The part that has the signal, as `evaluation.requantize`; of the measured block itself, its name."""
    signal: str
    """Empty where no name was left: then the part is that of a signal nearby."""
    delay: float
    routing: float


@dataclass(frozen=True, kw_only=True)
class CriticalPath:
    """From a register or memory to the next, with the sentence that tells it."""

    steps: tuple[Step, ...]
    sentence: str


def critical_path(path: list[dict[str, Any]], netlist: dict[str, Any], rtlil: str, top: str) -> CriticalPath:
    """The path of nextpnr's report in words.

    Args:
        path: its pieces, as in the report.
        netlist: what was placed (of Yosys' `write_json`).
        rtlil: what was synthesized: `Scan` with the block in it.
        top: the block's name.
    """
    names = _Names(netlist, registers(rtlil))
    places = [names.start(path[0])]
    delays, routings = [0.0], [0.0]
    for piece in path[:-1]:
        place = names.on_the_way(piece, places[-1])
        if place and place != places[-1]:
            places.append(place)
            delays.append(0)
            routings.append(0)
        delays[-1] += piece["delay"]
        routings[-1] += piece["delay"] if piece["type"] == "routing" else 0
    places.append(names.end(path[-1]))  # also where it is the first again: a counter
    delays.append(path[-1]["delay"])
    routings.append(0)
    steps = tuple(
        Step(block=_readable(place[:-1]) or top, signal=_readable(place[-1:]), delay=round(delay, 3),
             routing=round(routing, 3))
        for place, delay, routing in zip(places, delays, routings, strict=True))
    reading = path[0]["delay"] if names.is_memory(path[0]["from"]["cell"]) else 0
    return CriticalPath(steps=steps, sentence=sentence(steps, top, ENDS.get(path[-1]["to"]["port"], ""), reading))


def sentence(steps: tuple[Step, ...], top: str, end: str = "", reading: float = 0) -> str:
    """Where a path begins and ends, which other parts it passes, and what the time is spent on.

    Args:
        steps: at least two.
        top: the measured block, which is not told as passed: all paths between parts do.
        end: which input of the last register it is, if not its data.
        reading: ns of the clock-to-output time of a memory where the path begins.
    """
    total = sum(step.delay for step in steps)
    first, last = steps[0], steps[-1]
    passed = dict.fromkeys(step.block for step in steps[1:-1] if step.block not in (first.block, last.block, top))
    through = f", through {', '.join(passed)}" if passed else ""
    routing, memory = (round(100 * part / total) for part in (sum(step.routing for step in steps), reading))
    shares = [f"{memory} % reading the memory"] if memory else []
    shares += [f"{100 - routing - memory} % logic", f"{routing} % routing"]
    what = f"{last.signal}, {end}" if end else last.signal
    return (f"{total:.1f} ns: {first.block} ({first.signal}) -> {last.block} ({what}){through}; "
            f"{', '.join(shares)}")


def registers(rtlil: str) -> set[Register]:
    """Where the flip-flops of a design are, by the text that Amaranth writes; without the name of the top."""
    found: set[Register] = set()
    scope: Register = ()
    for match in re.finditer(r"(?m)^module \\(\S+)$|^ +connect \\Q \\(\S+)", rtlil):
        if match[1]:
            scope = tuple(match[1].split(".")[1:])
        else:
            found.add((*scope, match[2]))
    return found


class _Names:
    """Which signals the nets and cells of a netlist are; places without `INSIDE`."""

    def __init__(self, netlist: dict[str, Any], registers: Iterable[Register]):
        modules = netlist["modules"].values()
        module = next(one for one in modules if int(one["attributes"].get("top", "0"), 2))
        self.cells, self.nets = module["cells"], module["netnames"]
        self.registers = set(registers)
        self.by_bit: dict[Any, list[Register]] = {}
        for net in self.nets.values():
            place = tuple(net.get("attributes", {}).get("hdlname", "").split())
            if len(place) > 1 and place[0] == INSIDE:
                for bit in net["bits"]:
                    self.by_bit.setdefault(bit, []).append(place)
        self.known = {".".join(place): place for places in self.by_bit.values() for place in places}

    def start(self, piece: dict[str, Any]) -> Register:
        return self._register(piece["from"])

    def end(self, piece: dict[str, Any]) -> Register:
        return self._register(piece["to"])

    def on_the_way(self, piece: dict[str, Any], here: Register) -> Register:
        """The signal whose net, or the memory whose output, a piece of the path is; empty if that is unknown."""
        if piece["type"] == "routing":
            net = piece.get("net", "")
            if place := self._best(self._bit_of_net(net), here):
                return place
            nearby = self._derived(net)
            return (*nearby[:-1], "") if nearby and nearby[:-1] != here[:-1] else ()
        return self._memory(piece["from"]["cell"]) if piece["type"] == "logic" else ()

    def is_memory(self, cell: str) -> bool:
        return self._cell(cell).get("type") in MEMORIES

    def _cell(self, name: str) -> dict[str, Any]:
        """Of the netlist; nextpnr splits some cells, and puts `$` and a word behind their names."""
        found: dict[str, Any] = self.cells.get(name) or self.cells.get(name.rpartition("$")[0]) or {}
        return found

    def _memory(self, cell: str) -> Register:
        if not self.is_memory(cell):
            return ()
        name = cell if cell in self.cells else cell.rpartition("$")[0]
        return tuple(re.sub(r"(\.\d+)+$", "", name).split(".")[1:])

    def _register(self, pin: dict[str, Any]) -> Register:
        if place := self._memory(pin["cell"]):
            return place
        connections = self._cell(pin["cell"]).get("connections", {})
        # A register around the block that takes what the block gives has no name: that of what it takes.
        for port in ("Q", "DI"):
            for bit in connections.get(port, ()):
                if place := self._best(bit, ()):
                    return place
        return self._derived(pin["cell"]) or (pin["cell"].removeprefix(f"{INSIDE}.") if pin["cell"].startswith(
            f"{INSIDE}.") else AROUND,)

    def _derived(self, name: str) -> Register:
        """The signal from whose name that of a cell or net without one was derived; empty if it is around the block."""
        found = max((known for known in self.known if name == known or name.startswith(f"{known}_")), key=len,
                    default="")
        return self.known[found][1:] if found else ()

    def _bit_of_net(self, net: str) -> Any:
        """nextpnr writes one bit of a vector as `name[3]`."""
        if net in self.nets:
            bits = self.nets[net]["bits"]
            return bits[0] if len(bits) == 1 else None
        match = re.fullmatch(r"(.*)\[(\d+)\]", net)
        if not match or match[1] not in self.nets or int(match[2]) >= len(self.nets[match[1]]["bits"]):
            return None
        return self.nets[match[1]]["bits"][int(match[2])]

    def _best(self, bit: Any, here: Register) -> Register:
        places = self.by_bit.get(bit, ())
        best = min(places, default=(), key=lambda place: (
            place[-1].startswith("$"), place not in self.registers, place[1:-1] != here[:-1], -len(place), place))
        return best[1:]


def _readable(place: Register) -> str:
    """Amaranth numbers signals of equal names, as `read_data$83`."""
    return re.sub(r"\$\d+", "", ".".join(place))
