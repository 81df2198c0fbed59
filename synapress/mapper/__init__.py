"""The mapper: a network of integer layers becomes the memory image of a core.

From file to image, a room each: `importers` (a file becomes a float graph) → `lowering` (float layers) → `quantization`
(integer layers) → `network` (the user's graph of layers, and its populations and edges) → `partition` (fragments that
fit a core) → `placement` (a core for each) → `image` (words and manifest, of one core or a mesh). `memory_map` gives
addresses, `rules` says what fits, `footprint` accounts the memory. `pipeline` is the list of these steps.
"""

from collections.abc import Callable, Mapping

from golden.config import CoreConfig
from golden.program import Program
from golden.types import Place
from synapress.mapper.errors import RuleError, Violation
from synapress.mapper.image.image import Image, build_image
from synapress.mapper.image.mesh import MeshImage, build_mesh
from synapress.mapper.memory_map import MemoryMap
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower
from synapress.mapper.network.spike_times import falling_thresholds
from synapress.mapper.network.value_tables import value_table
from synapress.mapper.partition.cut import cut
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.partition.search import partition
from synapress.mapper.pipeline import Compilation, run
from synapress.mapper.placement.bin_packing import Pins
from synapress.mapper.placement.place import Placement, place, place_all
from synapress.mapper.throughput.options import Throughput

__all__ = [
    "Image", "MeshImage", "Network", "Placement", "RuleError", "Throughput", "Violation", "build_image", "build_mesh",
    "compile_mesh", "compile_network", "cut", "falling_thresholds", "legalize", "lower", "partition", "place",
    "place_all", "value_table",
]


def compile_network(
    network: Network, config: CoreConfig, *, pad: bool = True, host: tuple[int, int] = (1, 0),
    measured: Mapping[str, tuple[int, int]] | None = None,
) -> tuple[Program, Image]:
    """Map a whole network onto one core.

    Args:
        network: with at least one output.
        config: the core.
        pad: odd words per position for populations with depthwise edges, which spreads them over the banks, where there
            is room.
        host: relative core address of the host.
        measured: population → range of its states without wrap (`golden.network.dense.state_ranges`), for the report on
            sums in the image's manifest.

    Returns:
        The program as mapped (its edges fit the descriptors), and the memory image.

    Raises:
        NetworkError: the network is inconsistent.
        MappingError: it does not fit the core; the message names layer, rule, needed, available and what would help.
    """
    work = run(Compilation(source=network, config=config, mesh=False, host=host, pad=pad, measured=measured))
    assert isinstance(work.parts, MemoryMap) and isinstance(work.image, Image)
    return work.parts.program, work.image


def compile_mesh(
    network: Network | Program, config: CoreConfig, size: tuple[int, int] | None = None, *, pad: bool = True,
    host: Place | None = None, pins: Pins | None = None, throughput: Throughput | None = None,
    share_states: str | None = None, progress: Callable[[str], None] = lambda _: None,
) -> tuple[PartitionedProgram, Placement, MeshImage]:
    """Map a network onto a mesh of cores: cut, place, and write an image per core.

    Args:
        network: with at least one output; or what `lower` made of one.
        config: every core.
        size: columns and rows; default: the smallest mesh that holds the network, as square as can be.
        pad: odd words per position for populations with depthwise kernels, which spreads them over the banks, where
            there is room; it costs no core.
        host: its place; default: north of the middle of row 0.
        pins: layer or fragment → the core, or the cores, that it must lie on.
        throughput: use many cores for a short frame interval, not few; instead of pins.
        share_states: "frame" or "pipeline": populations whose accumulations exclude each other share states, with one
            timestep in flight, or with more of them and more axons (`synapress.mapper.sharing`); instead of pins.
        progress: called with what is being done.

    Raises:
        NetworkError: the network is inconsistent.
        MappingError: it does not fit the cores, the mesh or the pins; the message names layer, rule, needed, available
            and what would help.
    """
    work = run(Compilation(
        source=network, config=config, mesh=True if size is None else size, host=host, pins=pins, pad=pad,
        throughput=throughput, share_states=share_states, progress=progress))
    assert isinstance(work.parts, PartitionedProgram) and isinstance(work.image, MeshImage)
    assert work.placement is not None
    return work.parts, work.placement, work.image
