"""The engines that run memory images event by event: golden core and mesh, RTL, replay; all held to the fast model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from pathlib import Path

import numpy as np

from golden.core import Core
from golden.errors import ToolError
from golden.host import decode, encode, run_frame
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.types import Array, Maps
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import MeshSimulation, simulate_mesh
from synapress.engines.mesh.totals import MeshTotals
from synapress.engines.replay.jobs import ReplayOptions
from synapress.engines.replay.results import Replay, total
from synapress.engines.replay.run import replay_mesh
from synapress.engines.rtl import ImageRun, simulate_image
from synapress.mapper import Image, MeshImage


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What an engine made of all sequences: outputs (N, D, W, H), and counters, summed over sequences and cores.

    `mesh`: of a mesh's RTL, the counters by core, and links and errors. `replays`: by sequence, of the engine `replay`.
    """

    outputs: Maps
    counters: dict[str, int]
    mesh: MeshTotals | None = None
    replays: list[Replay] | None = None


def run(
    engine: str, image: Image | MeshImage, integers: Mapping[str, Array], expected: Maps, *, sequences: int,
    checkpoint: Path | None, options: ReplayOptions | None, progress: Callable[[str], None],
) -> Totals:
    """`golden`, `rtl` or `replay`, as `engine` says."""
    if engine == "golden":
        outputs, counters = golden(image, integers, expected, sequences=sequences)
        return Totals(outputs=outputs, counters=counters)
    if engine == "rtl":
        return rtl(image, integers, expected, sequences=sequences, progress=progress, checkpoint=checkpoint)
    assert isinstance(image, MeshImage)
    options = options or ReplayOptions()
    outputs, runs = replay(image, integers, expected, sequences=sequences, progress=progress,
                           options=changed(options, folder=checkpoint or options.folder))
    return Totals(outputs=outputs, counters=total(runs), replays=runs)


def golden(image: Image | MeshImage, integers: Mapping[str, Array], expected: Maps | None = None, *, sequences: int = 1
           ) -> tuple[Maps, dict[str, int]]:
    """Outputs (N, D, W, H) of the golden core or mesh, and its counters, summed over the cores.

    Args:
        integers: inputs (N, D, W, H) by name.
        expected: outputs that must come out; None: any may.
        sequences: the inputs are so many sequences in a row, each of which starts with the image as it is.

    Raises:
        ToolError: something else comes out.
    """
    runs = []
    for part in _split(integers, sequences):
        frames = [{name: array[number] for name, array in part.items()}
                  for number in range(len(next(iter(part.values()))))]
        runs.append(_core(image, frames) if isinstance(image, Image) else _mesh(image, frames))
    found = _joined(runs)
    if expected is not None:
        _compare("golden model", found[0], expected)
    return found


def _split(integers: Mapping[str, Array], sequences: int) -> list[Maps]:
    parts = {name: np.split(array, sequences) for name, array in integers.items()}
    return [{name: arrays[number] for name, arrays in parts.items()} for number in range(sequences)]


def _joined(runs: list[tuple[Maps, dict[str, int]]]) -> tuple[Maps, dict[str, int]]:
    """Outputs one after another, and the sums of the counters."""
    return ({name: np.concatenate([outputs[name] for outputs, _ in runs]) for name in runs[0][0]},
            {name: sum(counters[name] for _, counters in runs) for name in runs[0][1]})


def _core(image: Image, frames: list[Maps]) -> tuple[Maps, dict[str, int]]:
    core = Core(image.config, image.parts, edges=image.edges, populations=image.populations)
    outputs: dict[str, list[Array]] = {entry["name"]: [] for entry in image.manifest["outputs"]}
    for frame in frames:
        events = run_frame(core, encode([(frame[entry["name"]], entry["axons"])
                                         for entry in image.manifest["inputs"]], image.config))
        for entry in image.manifest["outputs"]:
            outputs[entry["name"]].append(decode(events, entry["id"], tuple(entry["shape"]), image.config))
    return {name: np.array(arrays) for name, arrays in outputs.items()}, dict(core.counters)


def _mesh(image: MeshImage, frames: list[Maps]) -> tuple[Maps, dict[str, int]]:
    mesh = Mesh(image.config, image.words(), host=image.host)
    results = []
    for frame in frames:
        events = mesh.run_frame(encode_frame(frame, image.manifest["inputs"], image.config))
        results.append(decode_frame(events, image.manifest["outputs"], image.config))
    counters: dict[str, int] = {}
    for core in mesh.cores.values():
        for name, count in core.counters.items():
            counters[name] = counters.get(name, 0) + count
    return {name: np.array([result[name] for result in results]) for name in results[0]}, counters


def rtl(
    image: Image | MeshImage, integers: Mapping[str, Array], expected: Maps, *, sequences: int = 1,
    progress: Callable[[str], None] = lambda _: None, checkpoint: Path | None = None,
) -> Totals:
    """Run the Verilog of a core or mesh, compared bit for bit with golden.

    The arguments are those of `golden`, and:

    Args:
        progress: told in words how far a mesh is.
        checkpoint: a folder in which a run of a mesh is saved each minute, and from which it goes on.

    Raises:
        NetworkError: the host of the mesh is not beside an edge.
        ToolError: RTL and golden differ, the hardware hangs, or there is no simulator.
    """
    runs, meshes = [], []
    for number, part in enumerate(_split(integers, sequences)):
        run: ImageRun | MeshSimulation
        if isinstance(image, Image):
            run = simulate_image(image, part)
        else:
            options = Options(checkpoint=None if checkpoint is None else checkpoint / str(number))
            run = simulate_mesh(image, part, options, progress=progress)
            meshes.append(run.run)
        if run.comparison.differences:
            raise ToolError(f"RTL and golden model differ: {'; '.join(run.comparison.differences[:3])}")
        runs.append((dict(run.outputs), run.counters))
    outputs, counters = _joined(runs)
    _compare("RTL", outputs, expected)
    return Totals(outputs=outputs, counters=counters,
                     mesh=None if isinstance(image, Image) else MeshTotals.of(meshes, image.host))


def replay(
    image: MeshImage, integers: Mapping[str, Array], expected: Maps, *, sequences: int = 1,
    options: ReplayOptions | None = None, progress: Callable[[str], None] = lambda _: None,
) -> tuple[Maps, list[Replay]]:
    """Outputs of the golden mesh, of which the RTL of every core, one by one, did the same bit for bit; what each
    sequence was. The arguments are those of `golden`, and `options`, whose folder has a folder for each sequence.

    Raises:
        ToolError: RTL and golden differ: the first difference of each core; or golden and fast model; or there is no
            simulator.
    """
    options, runs, outputs = options or ReplayOptions(), [], []
    for number, part in enumerate(_split(integers, sequences)):
        folder = None if options.folder is None else options.folder / str(number)
        run = replay_mesh(image, part, changed(options, folder=folder), expected={
            name: np.split(array, sequences)[number] for name, array in expected.items()}, progress=progress)
        if run.differences:
            raise ToolError(f"RTL and golden model differ in {len(run.differences)} of {len(run.cores)} cores: "
                            f"{'; '.join(run.differences[:3])}")
        runs.append(run)
        outputs.append((run.outputs, run.counters))
    maps, _ = _joined(outputs)
    _compare("golden model", maps, expected)
    return maps, runs


def _compare(who: str, found: Mapping[str, Array], expected: Maps) -> None:
    wrong = [name for name, array in found.items() if not np.array_equal(array, expected[name])]
    if wrong:
        raise ToolError(f"{who} and fast model differ in the outputs {', '.join(wrong)}")
