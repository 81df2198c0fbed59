"""Runs the images of a mesh in compiled RTL: writes what the C++ host reads, and reads what it writes."""

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from golden.config import CoreConfig
from golden.errors import ToolError
from golden.noc.mesh import EDGES, Host, Link, MeshPlan, entries
from golden.registers import REGISTERS, Register, counters
from golden.types import IntArray, Place, Words
from golden.words import EventKind, layouts
from rtl.noc.node import LINKS
from synapress.engines.mesh.build import build


@dataclass(frozen=True)
class Options:
    """How a mesh is simulated. None of these changes what happens in any cycle but `depth`, `seed`, the stalls
    and `spread`.

    Args:
        depth: events in the queues of the routers.
        stall_in, stall_out: probability per cycle that the host offers nothing, or takes nothing; `seed` repeats them.
        stall_links: probability per cycle that a link between two nodes moves nothing, for tests.
        spread: the host sends all inputs of a frame side by side, the same share of each; else one after another.
        threads: of the processor. sleep: leave out nodes that are idle.
        through_rows: the host loads over the network of accesses, one core after another; else at each node at once.
        limit: cycles without any event after which the mesh counts as hung.
        passed: keep when each link was passed. trace: keep the states at their evaluation.
        checkpoint: a folder; the run is saved there every `seconds`, and goes on from there if it was saved.
        stop: stop at this cycle and save; with a checkpoint only.
        batch: cycles between looks at the clock, the watchdog and the shares of the threads.
        adapts: use so many threads only while they are faster than one, as they are on a machine that has nothing else
            to do.
        waves: nodes whose waveforms are written into the folder `waves_to`, from the cycle `waves_from` to before
            `waves_end`.
    """

    depth: int = 2
    stall_in: float = 0.0
    stall_out: float = 0.0
    stall_links: float = 0.0
    seed: int = 1
    spread: bool = False
    threads: int = 2
    adapts: bool = True
    batch: int = 2048
    sleep: bool = True
    through_rows: bool = False
    limit: int = 1_000_000
    passed: bool = False
    trace: bool = True
    checkpoint: Path | None = None
    seconds: int = 60
    stop: int | None = None
    waves: tuple[Place, ...] = ()
    waves_to: Path = Path("waves")
    waves_from: int = 0
    waves_end: int | None = None


DEFAULT = Options()


@dataclass(frozen=True)
class Progress:
    """How far a run is: `phase` is load, frames, counters, memory; `left`: seconds, None if that cannot be told."""

    phase: str
    cycle: int
    frames: int
    seconds: float
    left: float | None

    @property
    def speed(self) -> float:
        """Cycles of the mesh per second."""
        return self.cycle / max(self.seconds, 1e-9)


@dataclass(frozen=True)
class MeshRun:
    """What came out of a mesh.

    `events`: one array per frame of the packed events that came to the host, without credits; `event_cycles`: when.
    `trace`: by core (address, words of 64 bits of the state) of each state word at its evaluation, in order.
    `memory`: by core (memory words, words of 64 bits). `counters`: by core. `links`: events over each that had any.
    `started`, `finished`: by frame, the cycles of its first event into the mesh and its last END out of it.
    `first`, `cycles`: when the host might send the first event, and when all was done; `evaluations`: of nodes in all
    cycles. `seconds` by the clock, `processor` of all threads: of the frames. `batches`: nanoseconds of each
    batch of cycles. `errors`: by node, pulses of its `error`. `passed`: (n, 2) cycle and 4 · node + side of each
    event that left a node. `times`: by core the cycle of each state word of `trace`. `sent`: events of the host, and
    its credits.
    """

    events: list[Words]
    event_cycles: list[IntArray]
    trace: dict[Place, Words]
    memory: dict[Place, Words]
    counters: dict[Place, dict[str, int]]
    links: dict[Link, int]
    started: IntArray
    finished: IntArray
    first: int
    cycles: int
    seconds: float
    processor: float
    batches: IntArray
    evaluations: dict[Place, int]
    times: dict[Place, IntArray] = field(default_factory=dict)
    sent: int = 0
    errors: dict[Place, int] = field(default_factory=dict)
    passed: Words = field(default_factory=lambda: np.zeros((0, 2), np.uint64))

    @property
    def latency(self) -> IntArray:
        """Cycles of each frame from its first event to its last output."""
        return self.finished - self.started


@dataclass(frozen=True)
class MeshInput:
    """What a mesh runs.

    Args:
        images: by place words, edges and populations, as of `golden.mesh.Mesh`.
        host: edge and number of the node beside it.
        axons: of each input. ends: by event ID of the host, how many populations send with it.
        frames: by frame and input, packed events, the ends of timestep behind them.
    """

    config: CoreConfig
    size: tuple[int, int]
    host: Host
    images: Mapping[Place, tuple[Words, int, int]]
    axons: Sequence[int]
    ends: Mapping[int, int]
    frames: Sequence[Sequence[Words]]

    @property
    def plan(self) -> MeshPlan:
        return MeshPlan(*self.size, hosts=(self.host,))

    def write(self, path: Path, options: Options) -> None:
        """The file that `Setup` in `host.h` reads."""
        with path.open("wb") as file:
            def put(*values: int) -> None:
                file.write(np.array(values, np.uint64).tobytes())

            def block(words: Words) -> None:
                flat = np.ascontiguousarray(words, np.uint64).reshape(-1)
                put(len(flat))
                file.write(flat.tobytes())
            put(*self.size, EDGES.index(self.host[0]), self.host[1], options.through_rows, options.limit, options.seed,
                round(options.stall_in * 256), round(options.stall_out * 256), options.spread,
                round(options.stall_links * 256), len(self.images))
            for (column, row), (words, edges, populations) in self.images.items():
                put(row * self.size[0] + column, edges, populations)
                block(words)
            put(len(self.ends))
            for identifier, ends in self.ends.items():
                put(identifier, ends)
            block(np.array(self.axons, np.uint64))
            put(len(self.frames))
            for frame in self.frames:
                for events in frame:
                    block(events)


def run(given: MeshInput, options: Options = DEFAULT, *, progress: Callable[[Progress], None] | None = None,
        binary: Path | None = None) -> MeshRun:
    """Load images into a mesh, run frames of events through it, and read everything back.

    The host sends an input's frame as soon as all credits for its last one are back, and takes what comes at any time.

    Args:
        binary: another simulator with the same files.

    Raises:
        ToolError: the mesh hangs: the message tells the state of each core and what waits at which link.
    """
    assert EDGES == LINKS
    binary = binary or build(given.config, depth=options.depth, entries=entries([given.host]),
                             waves=bool(options.waves))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.checkpoint or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        given.write(folder / "input", options)
        saved = _saved(folder, binary) if options.checkpoint is not None else None
        said = _execute(given, [str(binary), str(folder / "input"), str(folder / "out"),
                                *_arguments(given, options, saved)], progress)
        if saved is not None:
            saved.unlink(missing_ok=True)
        for x, y in options.waves:
            options.waves_to.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / f"out.waves_{y * given.size[0] + x}.vcd", options.waves_to / f"node_{x}_{y}.vcd")
        return _read(given, folder / "out", said)


def _saved(folder: Path, binary: Path) -> Path:
    """The checkpoint of a folder, which is there if a run was saved.

    Raises:
        ToolError: it is of another run.
    """
    saved, what = folder / "checkpoint", folder / "run"
    digest = hashlib.sha256(str(binary).encode() + (folder / "input").read_bytes()).hexdigest()
    if saved.exists() and (not what.exists() or what.read_text() != digest):
        raise ToolError(f"'{saved}' is of another run: other images, frames, options or hardware. Remove it, or choose "
                        "another folder")
    what.write_text(digest)
    return saved


def _arguments(given: MeshInput, options: Options, saved: Path | None) -> list[str]:
    found: dict[str, object] = {
        "threads": options.threads, "adapts": int(options.adapts), "sleep": int(options.sleep),
        "passed": int(options.passed), "trace": int(options.trace), "seconds": options.seconds,
        "batch": options.batch}
    if options.waves:
        found |= {"waves": ",".join(str(y * given.size[0] + x) for x, y in options.waves),
                  "waves_from": options.waves_from, "waves_to": options.waves_end or 1 << 63}
    if saved is not None:
        found["checkpoint"] = saved
    if options.stop is not None:
        found["stop"] = options.stop
    return [f"{name}={value}" for name, value in found.items()]


def _execute(given: MeshInput, command: list[str], progress: Callable[[Progress], None] | None) -> dict[str, list[str]]:
    """Run the simulator; returns what it said when frames began and ended."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said: dict[str, list[str]] = {}
    messages: list[str] = []
    for line in process.stderr:
        word, *rest = line.split() or [""]
        if word in ("begins", "ends"):
            said[word] = rest
        elif word == "progress":
            if progress is not None:
                progress(_progress(rest, said, len(given.frames)))
        else:
            messages.append(line.strip())
    if process.wait():
        raise ToolError(_failure(given, messages) or f"the simulator of the mesh ended with {process.returncode}")
    return said


def _progress(words: list[str], said: Mapping[str, list[str]], frames: int) -> Progress:
    phase, cycle, done, seconds = words[0], int(words[1]), int(words[2]), float(words[3])
    left = None
    if phase == "frames" and "begins" in said and (since := done - int(said["begins"][2])):
        left = (seconds - float(said["begins"][1])) / since * (frames - done)
    return Progress(phase, cycle, done, seconds, left)


def _failure(given: MeshInput, messages: list[str]) -> str:
    """What a simulation that failed has told, for people."""
    event, columns = layouts(given.config).event, given.size[0]
    status = next(register for register in REGISTERS if register.address == Register.STATUS)
    lines = []
    for message in messages:
        word, *rest = message.split() or [""]
        numbers = [int(item) for item in rest if re.fullmatch(r"\d+", item)]
        if word == "hang":
            lines.append(f"the mesh hangs: {' '.join(rest)}")
        elif word == "status":
            bits = [bit.name for bit in status.bits if numbers[1] & bit.mask]
            lines.append(f"core {_place(numbers[0], columns)}: {' '.join(bits) or 'running, not ready'}")
        elif word == "waits":
            fields = event.unpack(numbers[2])
            kind = next((name for name, value in vars(EventKind).items() if value == fields["kind"]), "?")
            lines.append(f"node {_place(numbers[0], columns)}: a {kind} of ID {fields['id']} waits at its "
                         f"{EDGES[numbers[1]]} link for {fields['core_x']}, {fields['core_y']}")
        elif word == "stopped":
            lines.append(f"stopped at cycle {numbers[0]}; the same run with this checkpoint goes on from there")
        elif word == "input":
            lines.append(f"input {numbers[0]}: in frame {numbers[1]}, {numbers[2]} of {numbers[3]} credits")
        else:
            lines.append(message)
    return "\n".join(lines)


def _place(number: int, columns: int) -> Place:
    return number % columns, number // columns


def _read(given: MeshInput, prefix: Path, said: Mapping[str, list[str]]) -> MeshRun:
    config, columns, limbs = given.config, given.size[0], given.config.word_bits // 64
    names = list(counters(config))

    def load(name: str, width: int = 1) -> Words:
        path = prefix.with_name(f"{prefix.name}.{name}")
        return np.fromfile(path, np.uint64).reshape(-1, width) if path.exists() else np.zeros((0, width), np.uint64)

    places = list(given.images)
    events, counts, units = load("events", 3), load("counters", len(places)), load("units", 6)
    memory, frames = load("memory", limbs).reshape(len(places), -1, limbs), load("frames", 2).astype(np.int64)
    summary = load("summary")[:, 0]
    if strange := int(summary[2]):
        raise ToolError(f"{strange} events came to the host for IDs that no output has, after the last frame, or as "
                        "credits for ends that it had not sent")
    return MeshRun(
        events=[events[events[:, 0] == number, 2] for number in range(len(given.frames))],
        event_cycles=[events[events[:, 0] == number, 1].astype(np.int64) for number in range(len(given.frames))],
        trace={place: load(f"trace_{place[1] * columns + place[0]}", 1 + limbs) for place in places},
        times={place: load(f"times_{place[1] * columns + place[0]}").reshape(-1).astype(np.int64) for place in places},
        sent=int(summary[1]), memory=dict(zip(places, memory, strict=True)),
        counters={place: dict(zip(names, counts[:, number].astype(int).tolist(), strict=True))
                  for number, place in enumerate(places)},
        links={(_place(number, columns), side): int(count) for number, row in enumerate(units)
               for side, count in zip(EDGES, row[2:], strict=True) if count},
        started=frames[:, 0], finished=frames[:, 1], first=int(said["begins"][0]), cycles=int(said["ends"][0]),
        seconds=float(said["ends"][1]) - float(said["begins"][1]),
        processor=float(said["ends"][2]), batches=load("batches")[:, 0].astype(np.int64),
        evaluations={_place(number, columns): int(row[0]) for number, row in enumerate(units)},
        errors={_place(number, columns): int(row[1]) for number, row in enumerate(units) if row[1]},
        passed=load("passed", 2),
    )
