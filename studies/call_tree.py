"""The way of a model through the compiler, as calls: does it return to a module that it has left?

    python -m studies.call_tree           # the tree of one compilation of the digits network, and the count of returns
    python -m studies.call_tree --json    # the same as JSON

Compiles the trained digits network onto one core with a profiler. A call counts if it leads from one module of
synapress into another and hands over a representation: the model, its graph, layers, the integer network, the program,
a plan or an image. A module is left when all its calls have ended and another module was called since. Calls of methods
of a representation are part of it and do not count.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import synapress
from synapress.zoo.digits.data import load_digits
from synapress.zoo.digits.onnx_file import digits_onnx

REPRESENTATIONS = frozenset((
    "Model", "FloatGraph", "FloatLayers", "SplitLayers", "Quantized", "Network", "Program", "MemoryMap",
    "PartitionedProgram", "Placement", "Image", "MeshImage", "Compilation"))
FRAMES = 8
"""Of the calibration: the way does not depend on their number."""
ROOT = str(Path(synapress.__file__).parent)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call from module to module."""

    depth: int
    module: str
    function: str
    takes: tuple[str, ...]
    returns: bool
    """Whether the module had been left."""

    def __str__(self) -> str:
        mark = "   <- had been left" if self.returns else ""
        return f"{'  ' * self.depth}{self.module}.{self.function}({', '.join(self.takes)}){mark}"


class Tracer:
    """A profiler that keeps the calls that hand over a representation."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.open: list[tuple[FrameType, str]] = []
        self.ended: set[str] = set()
        """Modules of which all calls have ended."""
        self.left: set[str] = set()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "return" and self.open and self.open[-1][0] is frame:
            _, module = self.open.pop()
            if all(module != other for _, other in self.open):
                self.ended.add(module)
        elif event == "call":
            self.enter(frame)

    def enter(self, frame: FrameType) -> None:
        module, code = frame.f_globals.get("__name__", ""), frame.f_code
        caller = frame.f_back.f_globals.get("__name__", "") if frame.f_back else ""
        if not code.co_filename.startswith(ROOT) or module == caller or code.co_name.startswith("<"):
            return
        taken = arguments(frame, code)
        if not taken or (code.co_varnames[:1] == ("self",) and taken[0] == type(frame.f_locals["self"]).__name__):
            return
        self.left |= self.ended - {module}
        self.calls.append(Call(depth=len(self.open), module=module.removeprefix("synapress."), function=code.co_name,
                               takes=tuple(taken), returns=module in self.left))
        self.left.discard(module)
        self.ended.discard(module)
        self.open.append((frame, module))


def arguments(frame: FrameType, code: CodeType) -> list[str]:
    """Kinds of the representations among a call's arguments."""
    names = code.co_varnames[:code.co_argcount + code.co_kwonlyargcount]
    kinds = [type(frame.f_locals[name]).__name__ for name in names if name in frame.f_locals]
    return [kind for kind in kinds if kind in REPRESENTATIONS]


def trace() -> list[Call]:
    """The calls of one compilation."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.onnx"
        path.write_bytes(digits_onnx().SerializeToString())
        model = synapress.load(path)
    frames = load_digits().train_images[:FRAMES, None] / 255
    compile, tracer = synapress.compile, Tracer()
    sys.setprofile(tracer)
    try:
        compile(model, config="grai_vip", calibration=frames)
    finally:
        sys.setprofile(None)
    return tracer.calls


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studies.call_tree", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    calls = trace()
    returns = sum(call.returns for call in calls)
    if arguments.json:
        print(json.dumps({"calls": [vars(call) for call in calls], "returns": returns}, indent=1))
        return
    for call in calls:
        print(call)
    print(f"{len(calls)} calls into {len({call.module for call in calls})} modules, {returns} of them into a module "
          "that had been left")


if __name__ == "__main__":
    main()
