"""Runs one core of a mesh in compiled RTL against its recording, and tells what differs."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from golden.config import CoreConfig
from golden.errors import ToolError
from golden.registers import REGISTERS, Register, counters
from golden.types import Place
from golden.words import EventKind, layouts

HUNG, DIFFERS = 3, 4
"""What the simulator ends with."""


@dataclass(frozen=True)
class Options:
    """How each core is replayed; any of these is a legal network, and none changes what must come out.

    Args:
        mix: sources in any order that their conditions allow, drawn by `seed`; else always the earliest one that may
            send.
        stall_in, stall_out: probability per cycle that no event is offered, or none is taken.
        limit: cycles without an event or an evaluation after which the core counts as hung.
    """

    mix: bool = False
    stall_in: float = 0.0
    stall_out: float = 0.0
    seed: int = 1
    limit: int = 1_000_000

    def arguments(self) -> list[str]:
        """For the simulator."""
        return [str(int(item)) for item in (
            self.mix, round(self.stall_in * 256), round(self.stall_out * 256), self.seed, self.limit)]


@dataclass(frozen=True, kw_only=True)
class CoreResult:
    """What a core did.

    `difference`: the first one, in words; None: none. `cycles`: until all was done; of these, `starved`: no source
    could send, as it waited for this core; `refused`: the core took no event that was offered. `evaluation`: cycles of
    the evaluations by population. `states`, `sent`, `given`: how many state words were compared, how many events came
    out and went in. `seconds` of the simulator.
    """

    place: Place
    difference: str | None = None
    cycles: int = 0
    starved: int = 0
    refused: int = 0
    evaluation: list[int] = field(default_factory=list)
    counters: dict[str, int] = field(default_factory=dict)
    states: int = 0
    sent: int = 0
    given: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"place": list(self.place)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CoreResult":
        """What `to_json` made."""
        column, row = data["place"]
        return cls(**dict(data) | {"place": (column, row)})


def run_core(config: CoreConfig, binary: Path, recording: Path, place: Place, table: Sequence[Mapping[str, Any]],
             options: Options) -> CoreResult:
    """Replay one core.

    Args:
        binary: the compiled core (`synapress.engines.verilated.build`).
        recording: its file. table: the populations of its manifest, to name what differs.

    Raises:
        ToolError: the simulator failed.
    """
    command = [str(binary), "replay", str(recording), *options.arguments()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, HUNG, DIFFERS):
        raise ToolError(f"the simulator of core {place} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return read_result(config, place, done.stdout, table, done.stderr.strip())


def read_result(config: CoreConfig, place: Place, said: str, table: Sequence[Mapping[str, Any]], errors: str = ""
                ) -> CoreResult:
    """A result from the lines of the simulator."""
    found: dict[str, Any] = {"place": place, "evaluation": [], "counters": {}}
    names, finished = list(counters(config)), False
    for line in said.splitlines():
        word, *rest = line.split()
        numbers = [int(item) for item in rest if item.isdigit()]
        if word == "cycles":
            found |= dict(zip(("cycles", "starved", "refused"), numbers, strict=True))
        elif word == "population":
            found["evaluation"].append(numbers[1])
        elif word == "counter":
            found["counters"][names[numbers[0]]] = numbers[1]
        elif word == "equal":
            found |= dict(zip(("states", "sent", "given"), numbers, strict=True))
            finished = True
        elif word == "hang":
            found["difference"] = _hang(numbers)
        elif word == "differs":
            found["difference"] = Namer(config, table).told(rest[0], numbers)
    if not finished and "difference" not in found:
        found["difference"] = errors or "the simulator ended early"
    return CoreResult(**found)


def _hang(numbers: Sequence[int]) -> str:
    cycle, status, given, states, sent, credits = numbers
    register = next(item for item in REGISTERS if item.address == Register.STATUS)
    said = " ".join(bit.name for bit in register.bits if status & bit.mask) or "running, not ready"
    return (f"cycle {cycle:,}: the core hangs ({said}); to come: {given:,} events in, {states:,} states evaluated, "
            f"{sent:,} events and {credits:,} credits out")


class Namer:
    """Says in words what differs.

    Args:
        table: `population_table` of the core's manifest.
    """

    def __init__(self, config: CoreConfig, table: Sequence[Mapping[str, Any]]):
        self.config, self.table = config, table
        self.event = layouts(config).event

    def told(self, kind: str, numbers: Sequence[int]) -> str:
        """A line of the simulator that begins with `differs`, without this word."""
        if kind in ("counter", "memory"):
            return self._at_the_end(kind, numbers)
        cycle, rest = f"cycle {numbers[0]:,}: ", numbers[1:]
        if kind == "state":
            population, address, evaluation, limb, found, wanted = rest
            bits, differ = self.config.state_bits, found ^ wanted
            lane = next(i for i in range(64 // bits) if differ >> bits * i & ((1 << bits) - 1))
            return (f"{cycle}{self.neuron(address, limb * 64 // bits + lane, population)}, evaluation "
                    f"{evaluation + 1}: state {self._state(found, lane)}, golden {self._state(wanted, lane)}")
        if kind == "event":
            population, evaluation, position, found, wanted = rest
            return (f"{cycle}{self._population(population)}, evaluation {evaluation + 1}: event {position + 1} to "
                    f"other cores is {self._event(found)}; golden: {self._event(wanted)}{self._of(population, wanted)}")
        if kind == "strange":
            return f"{cycle}{self.neuron(rest[0], 0)} is evaluated once more than in the golden core"
        return f"{cycle}{self._event(rest[0])} comes out, and golden has none there"

    def _at_the_end(self, kind: str, numbers: Sequence[int]) -> str:
        if kind == "counter":
            index, found, wanted = numbers
            return f"counter {list(counters(self.config))[index]}: {found:,}, golden {wanted:,}"
        address, limb, found, wanted = numbers
        parts = self.config.word_bits // 64
        where = f" (part {limb})" if parts > 1 else ""
        return (f"memory at the end, word {address}{where}{self._region(address)}: {found:#x}, golden {wanted:#x}")

    def _population(self, number: int) -> str:
        return f"population '{self.table[number]['name']}'" if number < len(self.table) else f"population {number}"

    def _region(self, address: int) -> str:
        return next((f", states of '{entry['name']}'" for entry in self.table
                     if entry["state_base"] <= address < entry["state_base"] + entry["state_words"]), "")

    def neuron(self, address: int, lane: int, population: int | None = None) -> str:
        """The neuron whose state is at an address, perhaps of a population, as several may have the same words."""
        for entry in self.table if population is None else self.table[population:population + 1]:
            offset = address - entry["state_base"]
            if 0 <= offset < entry["state_words"]:
                x, rest = divmod(offset, entry["x_stride"])
                y, word = divmod(rest, entry["y_stride"])
                channel = word * self.config.lanes + lane
                return f"population '{entry['name']}', neuron at channel {channel}, column {x}, row {y}"
        return f"word {address}, which has no states"

    def _state(self, word: int, lane: int) -> int:
        bits = self.config.state_bits
        raw = word >> bits * lane & ((1 << bits) - 1)
        return raw - (raw >> (bits - 1) << bits)

    def _of(self, population: int, word: int) -> str:
        """The neuron that an event comes from, if it is a value: its place is the event's, without the axon's."""
        fields = self.event.unpack(word)
        if fields["kind"] != EventKind.VALUE or population >= len(self.table):
            return ""
        for axon in self.table[population].get("axons", ()):
            if all(axon[name] == fields[name] for name in ("core_x", "core_y", "id")):
                x, y = ((fields[name] - axon[f"{name}_offset"]) / (1 << axon["upsample"]) for name in ("x", "y"))
                width, height = self.table[population]["shape"][1:]
                if x.is_integer() and y.is_integer() and 0 <= x < width and 0 <= y < height:
                    return f", of the neuron at channel {fields['c'] - axon['c_offset']}, column {x:.0f}, row {y:.0f}"
        return ""

    def _event(self, word: int) -> str:
        fields = self.event.unpack(word)
        kind = next((name for name, value in vars(EventKind).items() if value == fields["kind"]
                     and name.isupper()), "an event of an unknown kind")
        where = f"to {fields['core_x']}, {fields['core_y']}, ID {fields['id']}"
        if kind != "VALUE":
            return f"{kind} {where}"
        return f"VALUE {fields['v']} {where}, channel {fields['c']}, x {fields['x']}, y {fields['y']}"
