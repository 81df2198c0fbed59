"""Random legal cuts and placements, and the comparison of a mesh's states and outputs with the dense reference."""

import dataclasses

import numpy as np

from golden.config import CoreConfig
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.network import dense
from golden.neuron.states import unpack_states
from golden.program import Program
from golden.types import Place
from synapress.mapper.errors import Repair, RuleError
from synapress.mapper.image.mesh import MeshImage, build_mesh
from synapress.mapper.network.network import Network
from synapress.mapper.partition.cut import cut
from synapress.mapper.partition.fragments import Grid, PartitionedProgram
from tests.helpers.networks import memory_after, random_network

ROOMY = CoreConfig(
    name="roomy", coordinate_bits=5, offset_bits=8, channel_bits=8, edge_bits=8, population_bits=8,
    axon_count_bits=8, incoming_bits=8)
"""Narrow coordinates and many IDs, axons and ends of timestep, so that small networks may be cut into many parts."""
CONFIGS = (ROOMY, dataclasses.replace(ROOMY, name="roomy8", lanes=8),
           dataclasses.replace(ROOMY, name="roomy32", lanes=2, state_bits=32))


def cut_network(rng: np.random.Generator, **size: int) -> Network:
    """A random network, most with an upsampling layer and one that reads it with a stride or a dilation."""
    network = random_network(rng, **size)
    if rng.random() < 0.3:
        return network
    source = str(rng.choice(list(network.layers)))
    channels, width, height = network.shape(source)
    stride = int(rng.choice([s for s in (2, 2, 4, 8) if max(width, height) * s <= 24] or [1]))
    taps = [int(tap) for tap in rng.integers(1, 6, 2)]
    groups = channels if rng.random() < 0.5 else 1
    weights = rng.integers(-60, 60, (channels if groups > 1 else int(rng.integers(1, 6)), channels // groups, *taps))
    pads = [min(int(rng.integers(0, 3)), tap - 1) for tap in taps]
    if all((size - 1) * stride + tap - 2 * pad > 0 for size, tap, pad in zip((width, height), taps, pads, strict=True)):
        network.transposed_conv("up", source, weights, stride=stride, groups=groups, padding=pads,
                                output_padding=[int(more) for more in rng.integers(0, stride, 2)], shift=5)
        weights = rng.integers(-99, 99, (3, network.shape("up")[0], 2, 2))
        where = {"stride": 2} if rng.random() < 0.5 else {"dilation": 2}
        network.output(network.conv("after", "up", weights, padding=(1, 1, 2, 2), shift=6, **where))
    return network


def random_bounds(rng: np.random.Generator, size: int, cuts: float) -> tuple[int, ...]:
    """Bounds of the parts of one axis: on average so many cuts, anywhere."""
    return (0, *(int(at) for at in range(1, size) if rng.random() < cuts / size), size)


def random_cut(
    rng: np.random.Generator, program: Program, config: CoreConfig, *, outputs: bool = True
) -> PartitionedProgram:
    """Every population cut anywhere along every axis, some not at all; the outputs only if `outputs`."""
    grids = {}
    for population in program.populations:
        if not outputs and population.name in program.outputs:
            continue
        cuts = rng.choice([0.0, 1.0, 2.0], 3)
        grids[population.name] = Grid(*(random_bounds(rng, size, many)
                                        for size, many in zip(population.shape, cuts, strict=True)))
    return cut(program, config, grids)


def random_places(rng: np.random.Generator, program: PartitionedProgram, size: Place) -> dict[str, Place]:
    """Any core for any fragment."""
    return {fragment.name: (int(rng.integers(size[0])), int(rng.integers(size[1]))) for fragment in program.hosted}


def mesh_states(mesh: Mesh, image: MeshImage) -> dict[str, np.ndarray]:
    """The uncut states before the last evaluation, by population, from the cores' traces."""
    config, parts = image.config, image.config.word_bits // 64
    sizes: dict[str, np.ndarray] = {}
    for entry in image.manifest["fragments"]:
        end = np.add(entry["origin"], entry["shape"])
        sizes[entry["parent"]] = np.maximum(sizes.get(entry["parent"], end), end)
    states = {name: np.full(tuple(size), 1 << 40) for name, size in sizes.items()}
    for place, core_image in image.images.items():
        core = mesh.cores[place]
        trace = dict(core.trace)
        assert len(trace) == len(core.trace), "every state is evaluated once a timestep"
        for entry in core_image.manifest["population_table"]:
            (c, x0, y0), (depth, width, height) = entry["origin"], entry["shape"]
            word, x, y = np.meshgrid(*map(np.arange, (entry["depth_words"], width, height)), indexing="ij")
            address = entry["state_base"] + x * entry["x_stride"] + y * entry["y_stride"] + word
            rows = [[trace[a] >> (64 * i) & (1 << 64) - 1 for i in range(parts)] for a in address.ravel().tolist()]
            words = np.array(rows, np.uint64)
            part = unpack_states(words[:, 0] if parts == 1 else words, config).reshape(*address.shape, config.lanes)
            part = part.transpose(0, 3, 1, 2).reshape(-1, width, height)[:depth]
            states[entry["parent"]][c:c + depth, x0:x0 + width, y0:y0 + height] = part
    return states


def compare(
    program: Program, image: MeshImage, frames: list[dict[str, np.ndarray]], rng: np.random.Generator | None = None
) -> tuple[Mesh, int]:
    """Run frames on the golden mesh; every state and output must be that of the uncut dense network.

    Returns the mesh, and how many output neurons fired.
    """
    mesh, fired = Mesh(image.config, image.words(), host=image.host, random=rng), 0
    for inputs, expected in zip(frames, dense.run_timesteps(program, frames, image.config), strict=True):
        for core in mesh.cores.values():
            core.trace.clear()
        events = mesh.run_frame(encode_frame(inputs, image.manifest["inputs"], image.config))
        outputs = decode_frame(events, image.manifest["outputs"], image.config)
        assert set(outputs) == set(program.outputs)
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, expected[name].outputs, err_msg=f"outputs of {name}")
            fired += int(np.count_nonzero(values))
        states = mesh_states(mesh, image)
        assert set(states) == {item.name for item in program.populations} - set(program.inputs)
        for name, values in states.items():
            np.testing.assert_array_equal(values, expected[name].states, err_msg=f"states of {name}")
    for place, core in mesh.cores.items():
        for name in ("unknown_id", "unknown_channel", "address_error", "protocol_error"):
            assert core.counters[name] == 0, (place, name)
        parts = memory_after(image.images[place], expected)
        np.testing.assert_array_equal(core.memory[:len(parts)], parts, err_msg="what is kept, else as loaded")
    return mesh, fired


def random_mesh(
    rng: np.random.Generator, program: Program, config: CoreConfig, *, size: Place | None = None, outputs: bool = True,
    host: Place = (0, -1),
) -> tuple[PartitionedProgram, MeshImage]:
    """A random cut on a mesh of this or a random size; what needs too many IDs or ends of a core is drawn again.

    Args:
        outputs: see `random_cut`.
    """
    for _ in range(50):
        result = random_cut(rng, program, config, outputs=outputs)
        columns, rows = size or (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
        places = random_places(rng, result, (columns, rows))
        try:
            return result, build_mesh(result, places, (columns, rows), host=host, pad=bool(rng.integers(2)))
        except RuleError as error:
            if not all(violation.repair in (Repair.OTHER_CUTS, Repair.LARGER_PARTS) for violation in error.violations):
                raise
    raise AssertionError(f"no cut of {program.name} fits")
