"""Cuts change nothing: any cut, any placement, any order of events gives the uncut network's states and outputs."""


import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import MappingError
from golden.program import Edge, Population, Program
from golden.words import NeuronType
from synapress.mapper import Network, RuleError, lower
from synapress.mapper.image.mesh import MeshImage, build_mesh
from synapress.mapper.partition.cut import cut
from synapress.mapper.partition.fragments import Grid, plan_alone
from synapress.mapper.partition.search import partition
from tests.helpers.cuts import CONFIGS, ROOMY, compare, cut_network, random_mesh
from tests.helpers.networks import random_input

SMALL = CoreConfig(name="small", address_bits=7, coordinate_bits=3, channel_bits=4, offset_bits=5, extent_unit_log2=1,
                   kernel_bits=3, population_bits=4, mesh_bits=5, axon_count_bits=6, incoming_bits=6)
"""A core so small that little networks must be cut along every axis."""


def invariance(seed: int, first: int, last: int) -> dict[str, int]:
    """Run random networks, cuts, meshes and orders of events; what was covered."""
    seen = dict.fromkeys(("fired", "fragments", "cores", "silent", "several", "upsampled", "strided", "dilated",
                          "cut in x", "shared descriptor", "shared", "depthwise", "table", "nowhere", "spiking",
                          "products", "lookups"), 0)
    for number in range(first, last):
        rng = np.random.default_rng([seed, 41, number])
        neurons = number % 2 == 1
        network = cut_network(rng, neurons=neurons)
        program = lower(network)
        result, image = random_mesh(rng, program, CONFIGS[number % len(CONFIGS)])
        frames = [random_input(rng, network) for _ in range(4 if neurons else 1)]
        try:
            seen["fired"] += compare(program, image, frames, rng if number % 3 else None)[1]
        except Exception as error:
            error.add_note(f"network number {number} of seed {seed}")
            raise
        seen["fragments"] += len(result.fragments)
        seen["cores"] += len(image.images)
        seen["spiking"] += sum(item.type == NeuronType.SPIKING for item in result.hosted)
        seen["products"] += sum(item.type in NeuronType.PRODUCTS for item in result.hosted)
        seen["lookups"] += sum(item.looks_up for item in result.hosted)
        seen["several"] += sum(core.populations > 1 for core in image.images.values())
        seen["cut in x"] += sum(len(grid.x) > 2 for grid in result.grids.values())
        for item in result.descriptors:
            seen["silent"] += item.silent
            seen["upsampled"] += item.edge.upsample > 0
            seen["strided"] += max(item.edge.stride) > 1
            seen["dilated"] += max(item.edge.dilation) > 1
            seen["shared descriptor"] += len(item.sources) > 1
            seen["nowhere"] += any(row[1] == 0 for row in getattr(item.edge, "rows", ()))
        for core in image.images.values():
            for entry in core.manifest["edge_table"]:
                seen[entry["kind"]] += 1
    return seen


def test_cut_invariance(seed: int) -> None:
    seen = invariance(seed, 0, 40)
    assert all(count > 12 for count in seen.values()), seen


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_cut_invariance_of_many(seed: int, part: int) -> None:
    """1,000 networks altogether."""
    seen = invariance(seed, 100 * part, 100 * part + 100)
    assert all(count > 20 for count in seen.values()), seen


@pytest.mark.parametrize("pad", [False, True])
def test_automatic_cuts_fit_and_change_nothing(seed: int, pad: bool) -> None:
    """On a core of 128 words and 8 columns: each fragment alone fits one, wherever the others are."""
    axes = np.zeros(3, int)
    refused = cuts = 0
    for number in range(12):
        rng = np.random.default_rng([seed, 43, number])
        network = cut_network(rng, width=13, depth=14)
        program = lower(network)
        try:
            result = partition(program, SMALL)
        except RuleError as error:  # one channel word of a dense layer may need more weights than such a core has
            refused += {violation.rule for violation in error.violations} == {"memory"}
            continue
        cuts += 1
        axes += [sum(len(grid[axis]) > 2 for grid in result.grids.values()) for axis in range(3)]
        assert all(plan_alone(result, item.name).words <= SMALL.memory_words for item in result.hosted)
        places = {item.name: (index % 14, index // 14) for index, item in enumerate(result.hosted)}
        image = build_mesh(result, places, (14, 14), pad=pad)
        compare(program, image, [random_input(rng, network)], rng)
    assert (axes > 2).all() and cuts + refused == 12 and refused < 4, (axes, cuts, refused)


def test_channel_cuts_come_first() -> None:
    """States that fit by channels are not cut in x and y; a map too wide for a field is cut in x only.

    One channel word of states too large is cut along the longer of the two.
    """
    for shape, expected in (((32, 100, 100), (3, 1, 1)), ((4, 300, 30), (1, 2, 1)), ((4, 200, 240), (1, 1, 2)),
                            ((4, 240, 200), (1, 2, 1))):
        network = Network("net")
        network.input("in", (1, *shape[1:]))
        network.output(network.conv("x", "in", np.ones((shape[0], 1, 1, 1), int)))
        result = partition(lower(network), CoreConfig())
        grid = result.grids["x"]
        assert tuple(len(bounds) - 1 for bounds in grid) == expected
        assert len(result.descriptors) >= grid.parts


def test_wide_maps_run_from_cut_inputs() -> None:
    """600 columns, in fragments of at most 256: offsets at both ends of their field."""
    rng = np.random.default_rng(1)
    network = Network("wide")
    network.input("in", (2, 600, 5))
    last = network.conv("a", "in", rng.integers(-99, 99, (3, 2, 5, 3)), padding=(2, 1), shift=8)
    last = network.conv("b", last, rng.integers(-99, 99, (4, 3, 3, 3)), stride=2, padding=1, shift=8)
    network.output(network.conv("c", last, rng.integers(-99, 99, (2, 4, 3, 1)), dilation=4, padding=(4, 0), shift=8))
    program = lower(network)
    result = partition(program, CoreConfig())
    assert len(result.inputs) > 2
    places = {item.name: (index % 5, index // 5) for index, item in enumerate(result.hosted)}
    image = build_mesh(result, places, (5, 5))
    compare(program, image, [random_input(rng, network)])


def test_strides_that_the_hardware_has_not_are_cut_into_lines_or_strips() -> None:
    rng = np.random.default_rng(2)
    for stride in (3, (2, 1), (3, 5), 16):
        network = Network("strides")
        network.input("in", (2, 18, 17))
        network.output(network.conv("x", "in", rng.integers(-99, 99, (5, 2, 3, 2)), stride=stride, padding=1, shift=8))
        program = lower(network)
        result = partition(program, ROOMY)
        assert max(grid.parts for grid in result.grids.values()) > 1
        places = {item.name: (index % 7, index // 7) for index, item in enumerate(result.hosted)}
        compare(program, build_mesh(result, places, (7, 7)), [random_input(rng, network)])


def test_one_descriptor_serves_all_source_fragments() -> None:
    """Four parts of a source along c and x: one ID and four axons, whose offsets say where the parts start."""
    network = Network("net")
    network.input("in", (8, 10, 6))
    network.output(network.conv("x", "in", np.ones((4, 8, 3, 3), int), stride=2, padding=1))
    grids = {"in": Grid((0, 3, 8), (0, 4, 10), (0, 6)), "x": Grid((0, 4), (0, 2, 5), (0, 3))}
    result = cut(lower(network), ROOMY, grids)
    assert len(result.descriptors) == 2
    image = build_mesh(result, {item.name: (0, 0) for item in result.hosted}, (1, 1))
    axons = {(tuple(entry["origin"]), axon["id"]): axon
             for entry in image.manifest["inputs"] for axon in entry["axons"]}
    for ((c0, x0, _), identifier), axon in axons.items():
        assert axon["c_offset"] == c0
        assert axon["x_offset"] == x0 - 3 + 1 + 1 - 2 * (0, 2)[identifier]
    assert set(axons) == {((c, x, 0), i) for c in (0, 3) for x, i in ((0, 0), (0, 1), (4, 1))}, "columns 4.. miss 0..1"


def test_depthwise_stays_depthwise_at_common_cuts() -> None:
    """Depthwise layers and an addition that the memory cuts: every bound of a destination is its source's."""
    network = Network("chain")
    network.input("in", (32, 60, 60))
    last = network.depthwise("a", "in", np.ones((32, 3, 3), int), padding=1)
    last = network.depthwise("b", last, np.ones((32, 3, 3), int), padding=1, stride=2)
    network.output(network.add("c", [last, network.max_pool("pool", "a", 2)]))
    result = partition(lower(network), CoreConfig(name="half", address_bits=13))
    assert all(len(result.grids[name].c) > 2 for name in ("in", "a"))
    for edge in result.program.edges:
        assert set(result.grids[edge.destination].c) <= set(result.grids[edge.source].c)
    assert all(item.edge.groups > 1 and not hasattr(item.edge, "rows") for item in result.descriptors)


def test_search_and_populations_that_are_none_are_refused() -> None:
    network = Network("net")
    network.input("in", (2, 9, 9))
    network.output(network.conv("x", "in", np.ones((2, 2, 3, 3), int), stride=3))
    program = lower(network)
    with pytest.raises(MappingError, match="cannot be cut in x at"):
        cut(program, ROOMY, {"in": Grid((0, 2), (0, 10), (0, 9))})
    with pytest.raises(MappingError, match="cannot be cut in c at"):
        cut(program, ROOMY, {"in": Grid((0, 1, 1, 2), (0, 9), (0, 9))})
    with pytest.raises(MappingError, match="no population 'y'"):
        cut(program, ROOMY, {"y": Grid((0, 2), (0, 9), (0, 9))})
    with pytest.raises(RuleError, match="layer 'x', rule 'stride': needs stride 3"):
        cut(program, ROOMY, {})
    hand = Program(name="hand", inputs=["a"], outputs=["y"], populations=[
        Population(name="a", shape=(1, 4, 4)), Population(name="y", shape=(1, 4, 4))], edges=[
        Edge(name="one", source="a", destination="y", weights=np.full((1, 1, 1, 1), 300))])
    with pytest.raises(RuleError, match="rule 'weight range': needs \\[300, 300\\]"):
        partition(hand, ROOMY)


def test_places_are_checked_and_images_are_saved(tmp_path) -> None:
    rng = np.random.default_rng(4)
    network = cut_network(rng)
    result, image = random_mesh(rng, lower(network), ROOMY)
    places = {item.name: (0, 0) for item in result.hosted}
    name = result.hosted[0].name
    for wrong, message in (((5, 0), r"needs core \(5, 0\)"), ((0, -1), r"needs core \(0, -1\)"), (None, "a core for")):
        with pytest.raises(RuleError, match=message):
            build_mesh(result, places | {name: wrong}, (2, 2))
    with pytest.raises(RuleError, match="rule 'axon core_x of core"):
        build_mesh(result, places | {name: (40, 0)}, (41, 1))
    image.save(tmp_path)
    loaded = MeshImage.load(tmp_path)
    assert loaded.manifest == image.manifest and (loaded.size, loaded.host) == (image.size, image.host)
    assert all((loaded.images[place].parts == core.parts).all() for place, core in image.images.items())


def small_mesh(cores: int = 2) -> MeshImage:
    network = Network("net")
    last = network.input("in", (2, 8, 6))
    for number in range(cores):
        last = network.conv(f"x{number}", last, np.ones((2, 2, 1, 1), int))
    network.output(last)
    places = {f"x{number}": (number, 0) for number in range(cores)}
    return build_mesh(partition(lower(network), ROOMY), places, (cores, 1))


def test_a_smaller_mesh_leaves_no_cores_of_a_larger_one(tmp_path) -> None:
    small_mesh(3).save(tmp_path)
    (tmp_path / "core_7_7").mkdir()
    (tmp_path / "core_2_0/notes.txt").write_text("mine")
    small_mesh(1).save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["core_0_0", "core_2_0", "core_7_7", "mesh.json"]
    assert [path.name for path in (tmp_path / "core_2_0").iterdir()] == ["notes.txt"], "not ours"
    assert sorted(MeshImage.load(tmp_path).images) == [(0, 0)]


def test_a_fragment_in_the_padding_waits_for_an_end_only() -> None:
    """Column 500 of a map that grows by padding: no axon could say where it lies, and none sends it a value."""
    rng = np.random.default_rng(6)
    network = Network("net")
    network.input("in", (2, 20, 4))
    network.output(network.conv("x", "in", rng.integers(1, 99, (3, 2, 3, 3)), padding=(0, 1, 600, 1), bias=40))
    program = lower(network)
    result = partition(program, CoreConfig())
    silent = [item for item in result.descriptors if item.silent]
    assert [item.edge.destination for item in silent] == [item.name for item in result.hosted[1:]]
    assert result.hosted[-1].origin[1] > 1 << (CoreConfig().offset_bits - 1)
    places = {item.name: (index, 0) for index, item in enumerate(result.hosted)}
    image = build_mesh(result, places, (len(places), 1))
    mesh, fired = compare(program, image, [random_input(rng, network, 1.0)])
    for item in silent:
        counters = mesh.cores[places[item.edge.destination]].counters
        assert counters["values_in"] == 0 and counters["ends"] == 1
    assert mesh.traffic[image.host, (0, 0)] > 0 and fired > 3 * 600


def test_a_source_deeper_than_the_channel_field_has_several_descriptors() -> None:
    """1,500 channels: IDs for at most 1,024 source channels each, C_off counted from the ID's first."""
    rng = np.random.default_rng(7)
    network = Network("deep")
    network.input("in", (2, 2, 1))
    network.conv("a", "in", rng.integers(-99, 99, (1500, 2, 1, 1)), shift=4)
    network.output(network.conv("b", "a", rng.integers(-99, 99, (5, 1500, 2, 1)), shift=9))
    program = lower(network)
    result = partition(program, CoreConfig())
    assert [(item.first, item.depth, len(item.sources)) for item in result.into["b"]] == [(0, 1024, 2), (1024, 476, 1)]
    places = {item.name: (index, 0) for index, item in enumerate(result.hosted)}
    compare(program, build_mesh(result, places, (len(places), 1)), [random_input(rng, network, 1.0)])
