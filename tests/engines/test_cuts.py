"""Cut networks in RTL: many populations on one core, local events between them, against golden and uncut."""

import numpy as np
import pytest

from golden.core import Core
from golden.mesh import decode_frame, encode_frame
from golden.network import dense
from synapress.engines import verilated
from synapress.engines.compare import compare, golden_frames
from synapress.mapper.memory_map import TABLE
from synapress.mapper.network.populations import lower
from tests.helpers.cuts import ROOMY, cut_network, random_mesh
from tests.helpers.networks import random_input

STALLS = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.9), (0.3, 0.3)]
PLACE = (0, 0)


def check_networks(seed: int, numbers: range) -> None:
    """Half with whole outputs, whose frames follow one another; half with cut ones, a frame alone."""
    events = populations = tables = 0
    for number in numbers:
        rng = np.random.default_rng([seed, 700, number])
        network = cut_network(rng, layers=int(rng.integers(2, 6)))
        program, whole = lower(network), number % 2 == 0
        result, mesh = random_mesh(rng, program, ROOMY, size=(1, 1), outputs=not whole)
        image, inputs = mesh.images[PLACE], [random_input(rng, network) for _ in range(3 if whole else 1)]
        frames = [encode_frame(maps, mesh.manifest["inputs"], ROOMY) for maps in inputs]
        core = Core(ROOMY, image.parts, edges=image.edges, populations=image.populations)
        rtl = verilated.run(
            ROOMY, image.parts, image.edges, image.populations, frames,
            inputs=sum(len(entry["axons"]) for entry in mesh.manifest["inputs"]),
            outputs=sum(len(output.sources) for output in result.outputs), stall_in=STALLS[number % 4][0],
            stall_out=STALLS[number % 4][1], seed=number + 1)
        golden = golden_frames(core, frames)
        if not whole:  # fragments that share an ID may take turns
            golden.events[:], rtl.events[:] = ([np.sort(part) for part in run] for run in (golden.events, rtl.events))
        found = compare(core, golden, rtl)
        assert found.equal, f"network {number}: {found.differences}"
        for maps, part in zip(inputs, rtl.events, strict=True):
            expected = dense.run(program, maps, ROOMY)
            for name, values in decode_frame(part, mesh.manifest["outputs"], ROOMY).items():
                np.testing.assert_array_equal(values, expected[name].outputs, err_msg=f"network {number}, {name}")
        assert image.populations == len(result.hosted)
        populations += image.populations
        tables += sum(entry["kind"] == TABLE for entry in image.manifest["edge_table"])
        events += found.events
    assert populations > 5 * len(numbers)
    assert events > 20 * len(numbers)
    assert tables > len(numbers) // 2, "kernels with a word per source channel"


def test_cut_networks_equal_golden_and_the_uncut_network(seed: int) -> None:
    check_networks(seed, range(10))


@pytest.mark.long
def test_many_cut_networks(seed: int) -> None:
    check_networks(seed, range(10, 516))
