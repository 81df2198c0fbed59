"""Runs memory images in compiled RTL: the core's Verilog, Verilator and a C++ host, without Python in the loop."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np

from golden import messages
from golden.config import CoreConfig
from golden.errors import ToolError
from golden.fields import WordLayout
from golden.neuron.types import built_types
from golden.registers import Control, Register, Status, counters
from golden.types import IntArray, Words
from golden.words import EventKind, layouts
from rtl.core import EventCore
from synapress.engines.cycle_model import cycle_model
from synapress.install import install_hint
from synapress.tools.simulator import copy_runtime, locked, save_runtime, simulator_environment

HARNESS = Path(__file__).with_name("harness.cpp")
COMMON = tuple(Path(__file__).with_name(name) for name in ("host.h", "words.h"))
"""What the harness and other C++ hosts include."""
REPLAY = Path(__file__).parent / "replay" / "replay.h"
"""What the harness includes, too, so that one compiled core serves frames and replays."""

_COMPILING = ("--output-split", "0", "-MAKEFLAGS", "OPT_GLOBAL=-O1")
"""One file, so that no header is precompiled, which takes longer than it saves."""
_OPTIMIZED = "-O1"
"""The model is a long function without loops: with -O2 it is larger than the cache of instructions, and slower."""
CFLAGS = "-std=gnu++17 -fno-if-conversion -fno-if-conversion2 "
"""Most choices of a cycle are those of the cycle before: a branch skips what is not chosen."""


@dataclass(frozen=True)
class RtlRun:
    """What came out of the RTL.

    `events`: one array of packed event words per frame (values, and the ends of timestep that close it).
    `trace_address`, `trace_state`: each state word at the moment of its evaluation, in order, over all frames; states
    are (n, words of 64 bits). `memory` is (memory words, words of 64 bits): `words_read` of them were read back at the
    end, the others are 0. `latency`: cycles of each frame from its first event to its last output. `seconds`: by the
    clock, until the end of each frame.
    """

    events: list[Words]
    trace_address: IntArray
    trace_state: Words
    memory: Words
    counters: dict[str, int]
    latency: IntArray
    words_read: int
    seconds: Sequence[float] = ()


def widths(config: CoreConfig) -> dict[str, int]:
    """What every C++ host needs to know of a core: names of the preprocessor, and their values."""
    event, evaluated = layouts(config).event, messages.evaluated(config)
    return {
        "WORD_BITS": config.word_bits, "ADDRESS_BITS": config.address_bits, "COUNTERS": len(counters(config)),
        "ID_LOW": event.positions["id"], "KIND_LOW": event.positions["kind"], "KIND_BITS": event.field("kind").bits,
        "C_LOW": event.positions["c"], "C_BITS": config.channel_bits,
        "KIND_END": EventKind.END, "KIND_CREDIT": EventKind.CREDIT,
        **positions("EVALUATED", evaluated),
        "REGISTER_CONTROL": Register.CONTROL, "REGISTER_EDGES": Register.EDGES,
        "REGISTER_POPULATIONS": Register.POPULATIONS, "REGISTER_STATUS": Register.STATUS,
        "REGISTER_CLEAR": Register.CLEAR, "REGISTER_COUNTERS": Register.COUNTER_BASE,
        "DELAYS": int(any(model.delays for model in built_types(config).values())),
        "CONTROL_RUN": Control.RUN, "STATUS_READY": Status.READY, "STATUS_IDLE": Status.IDLE,
        "CONTROL_FLUSH": Control.FLUSH if config.update == "cim" else 0,
    }


def positions(name: str, layout: WordLayout) -> dict[str, int]:
    """Where the fields of a packed word lie, for the preprocessor."""
    return {f"{name}_{field.name.upper()}_LOW": layout.positions[field.name] for field in layout.fields}


@cache
def build(config: CoreConfig, directory: Path = Path("build/simulate"), harness: Path = HARNESS) -> Path:
    """Compile the event core of a configuration; a second call with the same design is served from `directory`.

    `harness` is the C++ host: it may include `host.h`.

    Raises:
        ToolError: Verilator or the C++ compiler is missing or failed; the message holds the end of its output.
    """
    return compiled(cycle_model(EventCore(config), "core"), "core", harness, (*COMMON, REPLAY), config.name,
                    directory, defines=widths(config) | positions("REQUEST", messages.request(config)))


def limbs(value: int) -> list[int]:
    """A packed word as a C++ host reads it: 64 bits each, the lowest first, as many as are not 0."""
    return [value >> shift & (1 << 64) - 1 for shift in range(0, value.bit_length(), 64)]


def compiled(text: str, top: str, harness: Path, included: Sequence[Path], name: str, directory: Path, *,
             defines: Mapping[str, int], options: Sequence[str] = (), optimized: str = _OPTIMIZED) -> Path:
    """Compile a C++ host with Verilator's model `V<top>` of a module; the same sources are compiled once.

    Args:
        text: Verilog. included: files that the host includes, beside it or beside this file.
        name: of the folder in `directory`, with a digest behind it.
        options: further ones of Verilator. optimized: the C++ compiler's, for the model and the host.

    Raises:
        ToolError: see `build`.
    """
    flags = ["-O3", "--x-assign", "fast", "--x-initial", "0", "-Wno-fatal", "-Wno-lint", "--no-timing", *_COMPILING,
             *options]
    cflags = CFLAGS + " ".join(f"-D{key}={value}" for key, value in defines.items())
    sources = [text, harness.read_text(), *(path.read_text() for path in included)]
    digest = hashlib.sha256("\0".join([*sources, cflags, optimized, *flags]).encode()).hexdigest()[:16]
    # Make takes no spaces, and a name may have anything.
    folder = directory.resolve() / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', name)}-{digest}"
    binary = folder / f"V{top}"
    with locked(folder.with_suffix(".lock")):  # tests run in several processes, which share the builds
        if not binary.exists():
            _compile(text, harness, folder, binary, flags, f"{cflags} -I{Path(__file__).parent}", optimized)
    return binary


def _compile(text: str, harness: Path, folder: Path, binary: Path, flags: list[str], cflags: str,
             optimized: str) -> None:
    top = binary.name.removeprefix("V")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / f"{top}.v").write_text(text)
    command = ["verilator", "--cc", "--exe", "--build", "-j", "2", *flags, "-CFLAGS", cflags, "-MAKEFLAGS",
               f"OPT_FAST={optimized}", "--top-module", top,
               "--Mdir", str(folder), str(folder / f"{top}.v"), str(harness), "-o", "linking"]
    try:
        with simulator_environment("verilator"):
            key = hashlib.sha256(" ".join([metadata.version("verilator"), CFLAGS, *flags]).encode()).hexdigest()[:12]
            runtime = folder.parent / f"runtime_{key}"
            copy_runtime(runtime, folder)
            done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ToolError(f"Verilator cannot be run ({error}): {install_hint('sim')}") from error
    if done.returncode:
        raise ToolError(f"Verilator could not compile '{top}':\n" + (done.stdout + done.stderr)[-3000:])
    save_runtime(folder, runtime)
    (folder / "linking").rename(binary)


def run(config: CoreConfig, words: Words, edges: int, populations: int,
        frames: Sequence[Words], *, inputs: int, outputs: int, stall_in: float = 0.0, stall_out: float = 0.0,
        seed: int = 1, limit: int = 1_000_000, progress: Callable[[int], None] | None = None,
        looked_at: Sequence[range] | None = None) -> RtlRun:
    """Load an image into the compiled core and run frames of events through it.

    Args:
        words: the memory image, (words,) or (words, words of 64 bits).
        frames: packed input events of each timestep, its ends of timestep included.
        inputs, outputs: ends of timestep that go in and come out per frame.
        stall_in, stall_out: probability per cycle that the host offers nothing, or takes nothing.
        limit: cycles without any event after which the core counts as hung.
        progress: called with the number of frames done.
        looked_at: the parts of the memory that are read back, as each word takes cycles; default: all. What is not
            looked at is 0 in the result.

    Raises:
        ToolError: the core hangs, or the simulator failed.
    """
    binary = build(config)
    parts = [range(config.memory_words)] if looked_at is None else looked_at
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (folder / "input").open("wb") as file:
            def put(*values: int) -> None:
                file.write(np.array(values, np.uint64).tobytes())
            put(edges, populations, outputs, inputs, round(stall_in * 256), round(stall_out * 256), limit, seed)
            flat = np.ascontiguousarray(words, np.uint64).reshape(-1)
            put(len(flat))
            file.write(flat.tobytes())
            put(2 * len(parts), *(end for part in parts for end in (part.start, part.stop)))
            put(len(frames))
            for frame in frames:
                put(len(frame))
                file.write(np.asarray(frame, np.uint64).tobytes())
        process = subprocess.Popen([str(binary), str(folder / "input"), str(folder / "out")],
                                   stderr=subprocess.PIPE, text=True, env=os.environ)
        assert process.stderr is not None
        messages = []
        passed: list[float] = []
        for line in process.stderr:
            match line.split():
                case ["frame", number, seconds]:
                    passed.append(float(seconds))
                    if progress:
                        progress(int(number))
                case _:
                    messages.append(line.strip())
        if process.wait():
            raise ToolError(f"simulation of the core failed: {' '.join(messages[-5:]) or process.returncode}")

        def load(name: str) -> Words:
            return np.fromfile(folder / f"out.{name}", np.uint64)

        limbs = config.word_bits // 64
        trace = load("trace").reshape(-1, 1 + limbs)
        memory = np.zeros((config.memory_words, limbs), np.uint64)
        memory[[address for part in parts for address in part]] = load("memory").reshape(-1, limbs)
        return RtlRun(
            events=_split(config, load("events"), outputs, len(frames)),
            trace_address=trace[:, 0].astype(np.int64), trace_state=trace[:, 1:],
            memory=memory, words_read=sum(map(len, parts)),
            counters=dict(zip(counters(config), load("counters").astype(int).tolist(), strict=True)),
            latency=(load("finishes") - load("starts")).astype(np.int64), seconds=passed,
        )


def _split(config: CoreConfig, events: Words, outputs: int, frames: int) -> list[Words]:
    """Cut the events that came out into frames: each output population, alone with its ID, closes one with an end.

    The only frame is not cut, so fragments of an output may share an ID there.
    """
    if frames == 1:
        return [events]
    fields = layouts(config).event.unpack_array(events)
    is_end = fields["kind"] == EventKind.END
    frame = np.zeros(len(events), np.int64)
    for identifier in np.unique(fields["id"]):
        mine = fields["id"] == identifier
        ends = np.cumsum(is_end[mine])
        frame[mine] = ends - is_end[mine]
    if len(frame) and frame.max() >= frames:
        raise ToolError(f"{np.sum(frame >= frames)} events came out after the end of the last frame")
    return [events[frame == number] for number in range(frames)]
