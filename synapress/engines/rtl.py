"""An image and feature maps in, feature maps out: through the RTL, compared with the golden core on the way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from golden.core import Core
from golden.errors import EventError, NetworkError
from golden.host import decode, encode
from golden.types import IntArray, Words
from golden.words import Saturation
from synapress.engines import verilated
from synapress.engines.compare import Comparison, compare, golden_frames
from synapress.mapper import Image


@dataclass(frozen=True, kw_only=True)
class ImageRun:
    """What frames became: outputs (N, D, W, H) by name; the RTL's counters, and latency in cycles per frame."""

    outputs: dict[str, IntArray]
    golden_outputs: dict[str, IntArray]
    comparison: Comparison
    counters: dict[str, int]
    latency: IntArray


def packed_frames(image: Image, inputs: Mapping[str, npt.ArrayLike]) -> list[Words]:
    """The packed events of each frame of `inputs`, its ends of timestep included; arguments and errors as of
    `simulate_image`."""
    config = image.config
    entries, maps = image.manifest["inputs"], {}
    if set(inputs) != {entry["name"] for entry in entries}:
        raise NetworkError(f"the image has the inputs {', '.join(entry['name'] for entry in entries)}; "
                           f"given: {', '.join(inputs) or 'none'}")
    for entry in entries:
        array, shape = np.asarray(inputs[entry["name"]]), tuple(entry["shape"])
        if array.ndim not in (3, 4) or array.shape[-3:] != shape or not np.issubdtype(array.dtype, np.integer):
            raise NetworkError(f"input '{entry['name']}': needs integers of shape {shape}, perhaps frames of them;"
                               f" given: {array.dtype} {array.shape}")
        whole = entry.get("differences", False)
        low, high = Saturation.bounds(Saturation.FULL if whole else entry["saturation"], config.value_bits)
        low, high = (0, 1) if config.update == "cim" else (low, high)  # an event is one addition
        if array.size and not low <= int(array.min()) <= int(array.max()) <= high:
            raise EventError(f"input '{entry['name']}': values from {array.min()} to {array.max()} do not fit its "
                             f"range: [{low}, {high}]")
        maps[entry["name"]] = array.reshape(-1, *shape).astype(np.int64)
    if len({len(array) for array in maps.values()}) != 1:
        raise NetworkError("the inputs have different numbers of frames")
    count = len(next(iter(maps.values())))
    in_array = config.update == "cim"
    return [encode([(maps[entry["name"]][number], entry["axons"]) for entry in entries], config, by_position=in_array)
            for number in range(count)]


def _written(image: Image) -> list[range] | None:
    """The parts of an image that hold something, where that is little: with an array, not what is between the operands
    and the descriptors at the end. None: all."""
    if image.config.update != "cim":
        return None
    return [range(region["first"], region["first"] + region["words"]) for region in image.manifest["regions"]]


def simulate_image(image: Image, inputs: Mapping[str, npt.ArrayLike], *, stall: float = 0.0, seed: int = 1,
                   progress: Callable[[str, int], None] | None = None) -> ImageRun:
    """Run frames through a memory image on one core, in golden and in compiled RTL.

    Args:
        image: of one core: what `synapress.compile` made, or `Image.load` read.
        inputs: by name, integers (N, D, W, H), or (D, W, H) for one frame; zeros are silent.
        stall: probability per cycle that the host neither offers nor takes an event; `seed` repeats it.
        progress: called with "golden" or "rtl" and the number of frames done.

    Raises:
        NetworkError: an input is missing, unknown or of the wrong shape.
        EventError: a value is outside its input's range, on which the proof of the sums relies.
        ToolError: no simulator, or the core hangs.
    """
    config, entries = image.config, image.manifest["inputs"]
    frames = packed_frames(image, inputs)

    def report(who: str) -> Callable[[int], None] | None:
        return None if progress is None else lambda done: progress(who, done)

    core = Core(config, image.parts, edges=image.edges, populations=image.populations)
    golden = golden_frames(core, frames, report("golden"))
    rtl = verilated.run(config, image.parts, image.edges, image.populations, frames,
                       inputs=sum(len(entry["axons"]) for entry in entries), outputs=len(image.manifest["outputs"]),
                       stall_in=stall, stall_out=stall, seed=seed, progress=report("rtl"), looked_at=_written(image))

    def outputs(events: list[Words]) -> dict[str, IntArray]:
        return {entry["name"]: np.array([decode(frame, entry["id"], tuple(entry["shape"]), config) for frame in events])
                for entry in image.manifest["outputs"]}

    return ImageRun(outputs=outputs(rtl.events), golden_outputs=outputs(golden.events),
                    comparison=compare(core, golden, rtl), counters=rtl.counters, latency=rtl.latency)
