"""The engines that run memory images event by event: golden core, golden mesh, RTL; all held to the fast model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.core import Core
from golden.errors import NetworkError, ToolError
from golden.host import decode, encode, run_frame
from golden.mesh import Mesh, decode_frame, encode_frame
from mapper import Image, MeshImage

Maps = dict[str, npt.NDArray[Any]]


def golden(image: Image | MeshImage, integers: Mapping[str, npt.NDArray[Any]], expected: Maps
           ) -> tuple[Maps, dict[str, int]]:
    """Outputs (N, D, W, H) of the golden core or mesh, and its counters, summed over the cores.

    Args:
        integers: inputs (N, D, W, H) by name.
        expected: outputs that must come out.

    Raises:
        ToolError: something else comes out.
    """
    frames = [{name: array[number] for name, array in integers.items()}
              for number in range(len(next(iter(integers.values()))))]
    found = _core(image, frames) if isinstance(image, Image) else _mesh(image, frames)
    _compare("golden model", found[0], expected)
    return found


def _core(image: Image, frames: list[Maps]) -> tuple[Maps, dict[str, int]]:
    core = Core(image.config, image.parts, edges=image.edges, populations=image.populations)
    outputs: dict[str, list[npt.NDArray[Any]]] = {entry["name"]: [] for entry in image.manifest["outputs"]}
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


def rtl(image: Image | MeshImage, integers: Mapping[str, npt.NDArray[Any]], expected: Maps
        ) -> tuple[Maps, dict[str, int]]:
    """Outputs of the Verilog, compared bit for bit with the golden core, and its performance counters.

    Raises:
        NetworkError: the image is of several cores.
        ToolError: RTL and golden core differ, or there is no simulator.
    """
    from synapress.run import simulate_image

    if not isinstance(image, Image):
        raise NetworkError(f"engine 'rtl' runs one core, and the model lies on {len(image.images)}; use 'golden', or "
                           "compile it for a core with more memory")
    run = simulate_image(image, integers)
    if run.comparison.differences:
        raise ToolError(f"RTL and golden core differ: {'; '.join(run.comparison.differences[:3])}")
    _compare("RTL", run.outputs, expected)
    return dict(run.outputs), run.counters


def _compare(who: str, found: Mapping[str, npt.NDArray[Any]], expected: Maps) -> None:
    wrong = [name for name, array in found.items() if not np.array_equal(array, expected[name])]
    if wrong:
        raise ToolError(f"{who} and fast model differ in the outputs {', '.join(wrong)}")
