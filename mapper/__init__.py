"""The mapper: a network of integer layers becomes the memory image of a core.

Passes, one a file: `network` (the graph) → `lower` (program, then legal edges) → `rules` (does it fit) with `plan`
(addresses) → `image` (words and manifest). For many cores `cut` (fragments) and `mesh` (an image per core) come in
between. `footprint` accounts the memory.
"""

from collections.abc import Mapping

from golden.config import CoreConfig
from golden.program import Program
from mapper.cut import cut
from mapper.errors import RuleError, Violation
from mapper.image import Image, build_image
from mapper.lower import legalise, lower
from mapper.mesh import MeshImage, build_mesh
from mapper.network import Network

__all__ = [
    "Image", "MeshImage", "Network", "RuleError", "Violation", "build_image", "build_mesh", "compile_network", "cut",
    "legalise", "lower",
]


def compile_network(
    network: Network, config: CoreConfig, *, pad: bool = True, host: tuple[int, int] = (1, 0),
    measured: Mapping[str, tuple[int, int]] | None = None,
) -> tuple[Program, Image]:
    """Map a whole network onto one core.

    Args:
        network: with at least one output.
        config: the core.
        pad: odd words per position for populations with depthwise edges, which spreads them over the banks.
        host: relative core address of the host.
        measured: population → range of its states without wrap (`golden.dense.state_ranges`), for the report on sums in
            the image's manifest.

    Returns:
        The program as mapped (its edges fit the descriptors), and the memory image.

    Raises:
        NetworkError: the network is inconsistent.
        MappingError: it does not fit the core; the message names layer, rule, needed, available and what would help.
    """
    program = legalise(lower(network), config)
    return program, build_image(program, config, pad=pad, host=host, measured=measured)
