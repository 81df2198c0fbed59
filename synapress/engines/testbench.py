"""A testbench in plain Verilog for the core with an image and frames: what comes out must be what the golden core says.

It runs in any simulator, without Python; see docs/integration.md.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from golden import messages
from golden.core import Core
from golden.errors import NetworkError
from golden.fields import WordLayout
from golden.files import Writing
from golden.host import run_frame
from golden.registers import Control, Register
from golden.words import EventKind, layouts
from rtl.verilog import generate
from synapress.engines.rtl import packed_frames
from synapress.mapper import Image

TEMPLATE = Path(__file__).with_suffix(".v")
LIMIT = 1_000_000
"""Cycles without an event after which the testbench says that the core hangs."""


def write_testbench(image: Image, inputs: Mapping[str, npt.ArrayLike], directory: Path, *, name: str = "core") -> Path:
    """Write the Verilog of the core, a testbench, and its data: image, frames, and the events that must come out.

    Args:
        image: of one core, with one output.
        inputs: by name, integers (N, D, W, H), or (D, W, H) for one frame.
        directory: made if needed; the testbench reads its data from the folder that it runs in.
        name: of the core's module; the testbench is `<name>_testbench`.

    Returns:
        The testbench's file.

    Raises:
        NetworkError: several outputs, whose events may come in another order than the golden core's; or an input is
            missing, unknown or of the wrong shape.
        EventError: a value is outside its input's range.
        ConfigError: the name is not a Verilog identifier.
        FileError: a file cannot be written; those that are there stay as they are.
    """
    config, outputs = image.config, image.manifest["outputs"]
    if len(outputs) != 1:
        raise NetworkError(f"a testbench checks the events of one output, in order; this image has {len(outputs)}. "
                           "Leave the others out of the network.")
    frames = packed_frames(image, inputs)
    core = Core(config, image.parts, edges=image.edges, populations=image.populations)
    answers = [run_frame(core, frame) for frame in frames]
    event, request = layouts(config).event, messages.request(config)
    came = np.concatenate(answers)
    fields = event.unpack_array(came)
    credit = np.where(fields["kind"] == EventKind.END,
                      event.pack_array({"kind": np.full(len(came), EventKind.CREDIT), "id": fields["c"] * (
                          fields["kind"] == EventKind.END)}), 0)
    accesses = [request.pack(address=address, write=1, data=word) for address, word in enumerate(image.integers())]
    accesses += [request.pack(register=1, write=1, address=address, data=value) for address, value in (
        (Register.EDGES, image.edges), (Register.POPULATIONS, image.populations), (Register.CONTROL, Control.RUN))]
    data = {
        "accesses": accesses, "status": [request.pack(register=1, address=Register.STATUS)],
        "events": np.concatenate(frames).tolist(), "stops": np.cumsum([len(frame) for frame in frames]).tolist(),
        "answers": came.tolist(), "credits": credit.tolist(),
    }
    numbers = {
        "NAME": name, "FILES": ", ".join(f"{item}.hex" for item in data), "ACCESSES": len(accesses),
        "FRAMES": len(frames), "EVENTS": len(data["events"]), "ANSWERS": len(came), "LIMIT": LIMIT,
        "ENDS": int(np.sum(fields["kind"] == EventKind.END)) // len(frames),
        "CREDITS": sum(len(entry["axons"]) for entry in image.manifest["inputs"]),
        "VALUE": EventKind.VALUE, "END": EventKind.END, "CREDIT": EventKind.CREDIT,
        "REQUEST_BITS": request.bits, "EVENT_BITS": event.bits, "WORD_BITS": config.word_bits,
        **{field.upper(): _slice(event, field) for field in ("kind", "c", "x", "y", "v")},
    }
    text = re.sub(r"@(\w+)@", lambda match: str(numbers[match[1]]), TEMPLATE.read_text())
    directory.mkdir(parents=True, exist_ok=True)
    generate("core", config, directory, name=name)
    path = directory / f"{name}_testbench.v"
    with Writing() as files:
        files.write(path, text)
        for item, words in data.items():
            files.write(directory / f"{item}.hex", _hex(words))
    return path


def commands(name: str) -> list[str]:
    """How to run a testbench, in its folder: in Icarus and in Verilator."""
    sources = f"{name}.v {name}_testbench.v"
    return [f"iverilog -g2012 -o {name}.vvp {sources} && vvp {name}.vvp",
            f"verilator --binary --timing --top-module {name}_testbench {name}.vlt {sources} && "
            f"obj_dir/V{name}_testbench"]


def _slice(layout: WordLayout, name: str) -> str:
    low = layout.positions[name]
    return f"{low + layout.field(name).bits - 1}:{low}"


def _hex(words: Sequence[int]) -> str:
    return "".join(f"{word:x}\n" for word in words)
