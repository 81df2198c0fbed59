"""Placement: few cores, little traffic × distance, pins honored or refused, addresses that reach."""

import re
import sys
import tracemalloc

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import MappingError, ToolError
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.network import dense
from synapress.install import install_hint
from synapress.mapper import Network, RuleError, compile_mesh, lower
from synapress.mapper.footprint import real_connectivity
from synapress.mapper.image.mesh import build_mesh
from synapress.mapper.image.schemas import CATEGORIES
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.partition.search import partition
from synapress.mapper.placement.bin_packing import LIMITS, available, needs, pack
from synapress.mapper.placement.place import place, place_all
from synapress.zoo import ZOO, pilotnet
from tests.helpers.cuts import CONFIGS, ROOMY, compare, cut_network, random_cut, random_mesh
from tests.helpers.networks import random_input


def chain(layers: int = 20, depth: int = 64) -> PartitionedProgram:
    """A chain of layers of about half a core each, so that two share one."""
    network = Network("chain")
    last = network.input("in", (depth, 28, 28))
    for number in range(layers):
        last = network.conv(f"layer{number}", last, np.ones((depth, depth, 1, 1), int))
    network.output(last)
    return partition(lower(network), CoreConfig())


def distance_of(result: PartitionedProgram, places, host) -> int:
    """Events × hops, counted link by link for networks of 1 × 1 kernels: each neuron once, and an end per axon."""
    total = 0
    for name, fragment in result.by_name.items():
        here = host if fragment.parent in result.program.inputs else places[name]
        ends = [places[item.edge.destination] for item in result.out_of[name]]
        ends += [host for output in result.outputs if name in output.sources]
        events = 1 + int(np.prod(fragment.shape))
        total += sum(events * (abs(here[0] - x) + abs(here[1] - y)) for x, y in ends)
    return total


def test_cores_keep_their_limits_and_costs_are_what_they_say() -> None:
    result = chain()
    load = needs(result)
    for method in ("row-major", "optimized"):
        placed = place(result, (4, 5), method=method)
        assert set(placed.places) == {item.name for item in result.hosted}
        for core, used in placed.used.items():
            names = [name for name, at in placed.places.items() if at == core]
            assert used == {limit: sum(load[name][limit] for name in names) for limit in LIMITS}
            assert all(used[limit] <= placed.available[limit] for limit in LIMITS)
            assert placed.limiting(core) == "words"
        assert placed.fewest == 8 and len(placed.used) == 10, "two layers of 13,061 words share a core"
        assert placed.cost == distance_of(result, placed.places, placed.host)
        hops = {(a, b): abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in placed.links}
        assert sum(events * hops[link] for link, events in placed.links.items()) == placed.cost
        build_mesh(result, placed.places, placed.size, host=placed.host)
    assert place(result, (4, 5), method="row-major").gain == 1


def test_the_gain_over_row_major() -> None:
    """PilotNet's two cores have nothing to gain; its packing is what counts."""
    placed = place_all(partition(lower(ZOO["mobilenet"](None)), CoreConfig()))
    assert placed.gain >= 1.4, placed.gain
    assert len(placed.used) == 61
    assert len(place_all(partition(lower(ZOO["pilotnet"](None)), CoreConfig())).used) == 2


def test_pins_are_honored() -> None:
    result = chain()
    pins = {"layer0": (3, 4), "layer7": [(0, 4), (1, 4)], "layer19": (3, 4)}
    placed = place(result, (4, 5), pins=pins)
    assert placed.places["layer0"] == placed.places["layer19"] == (3, 4)
    assert placed.places["layer7"] in [(0, 4), (1, 4)]
    assert placed.cost < placed.row_major_cost
    everything = {item.name: (number % 4, number // 4) for number, item in enumerate(result.hosted)}
    assert place(result, (4, 5), pins=everything).places == everything


def test_pins_are_refused_with_the_reason() -> None:
    result = chain()
    with pytest.raises(RuleError, match=r"layer 'layer2', rule 'pin': needs \d+ words for 'layer2'; available: "
                       r"core \(0, 0\): \d+ words\."):
        place(result, (4, 5), pins={f"layer{number}": (0, 0) for number in range(3)})
    with pytest.raises(RuleError, match=r"layer 'layer1', rule 'pin': needs core \(4, 0\)"):
        place(result, (4, 5), pins={"layer1": (4, 0)})
    with pytest.raises(MappingError, match="pin 'layer99': there is no such layer"):
        place(result, (4, 5), pins={"layer99": (0, 0)})
    with pytest.raises(MappingError, match="method 'best'"):
        place(result, (4, 5), method="best")
    with pytest.raises(RuleError, match=r"layer 'layer4', rule 'reach': needs 33 columns or rows from "
                       r"'layer3' at \(0, 0\) to 'layer4' at \(33, 0\); available: 31\."):
        place(result, (34, 5), pins={"layer3": (0, 0), "layer4": (33, 0)})


def test_pins_and_sizes_that_are_none() -> None:
    result = chain(4)
    assert place(result, (2, 2), pins={"layer0": (np.int64(1), np.int64(1))}).places["layer0"] == (1, 1)
    assert place(result, (2, 2), pins={"layer0": np.array([[1, 0]])}).places["layer0"] == (1, 0)
    for pin in ([], (), 3, "00", (1,), (1, 2, 3), [(1, 2), 3], (0.5, 1), None, [(0, 0), "x"]):
        with pytest.raises(MappingError, match=r"^pin 'layer0': .+ is no core; give a column and a row, as \(3, 0\)"):
            place(result, (2, 2), pins={"layer0": pin})
    for size in ((-2, -2), (0, 4), (4, 0)):
        with pytest.raises(MappingError, match="has no cores; give columns and rows"):
            place(result, size)
    with pytest.raises(MappingError, match=r"^mesh: \(2,\) is no core"):
        place(result, (2,))


@pytest.mark.parametrize("host", [(0, 0), (1, 1), (2, 1)])
def test_a_host_in_the_mesh_has_a_place_of_its_own(host) -> None:
    result = chain(6)
    for placed in (place(result, (3, 2), host=host), place(result, (3, 2), host=host, method="row-major"),
                   place_all(result, host=host)):
        assert host not in placed.places.values() and len(placed.used) == 3
        assert placed.cost == distance_of(result, placed.places, host)
        build_mesh(result, placed.places, placed.size, host=host)
    with pytest.raises(RuleError, match="needs 3 cores; available: 3 × 1 = 3, one of them the host"):
        place(result, (3, 1), host=(1, 0))
    assert place_all(result, host=(0, 0)).size == (2, 2), "three cores and the host"
    four = chain(8)
    assert place_all(four).size == (2, 2) and place_all(four, host=(0, 0)).size == (3, 2)


def test_the_smallest_mesh_has_room_for_pins() -> None:
    result = chain(4)
    for pins, size in (({"layer0": (0, 5)}, (1, 6)), ({"layer0": (6, 0)}, (7, 1)), ({"layer0": (1, 1)}, (2, 2)),
                       ({"layer0": (0, 1), "layer1": (1, 0)}, (2, 2)),
                       ({f"layer{number}": (0, number) for number in range(4)}, (1, 4)), ({}, (2, 1))):
        placed = place_all(result, pins=pins)
        assert placed.size == size and all(placed.places[name] == core for name, core in pins.items())
    with pytest.raises(RuleError, match=r"rule 'pin': needs core \(0, -1\)"):
        place_all(result, pins={"layer0": (0, -1)})
    with pytest.raises(RuleError, match="rule 'reach': needs 34 columns or rows from the host"):
        place_all(result, pins={"layer0": (0, 33)})


def test_other_shapes_are_tried_where_addresses_do_not_reach() -> None:
    """All layers lead to the host, which with addresses of ±3 sees three rows of a mesh that would be 4 × 4."""
    network = Network("wide")
    network.input("in", (64, 28, 28))
    for number in range(28):
        network.output(network.conv(f"layer{number}", "in", np.ones((64, 64, 1, 1), int)))
    result = partition(lower(network), CoreConfig(name="near", mesh_bits=3))
    with pytest.raises(RuleError, match="rule 'reach'"):
        place(result, (4, 4))
    placed = place_all(result)
    assert len(placed.used) == 14 and placed.size == (5, 3)
    build_mesh(result, placed.places, placed.size, host=placed.host)


@pytest.mark.parametrize("number", range(3))
def test_linked_fragments_share_cores_where_others_do_not_reach(seed: int, number: int) -> None:
    """Layers of random sizes, addresses of ±1: cores with fragments from anywhere are refused, others are placed."""
    rng = np.random.default_rng([seed, 79, number])
    network = Network("chain")
    last, depth = network.input("in", (16, 28, 28)), 16
    for layer, after in enumerate(rng.choice([24, 40, 56, 72, 96], 16).tolist()):
        last, depth = network.conv(f"layer{layer}", last, np.ones((after, depth, 1, 1), int)), after
    network.output(last)
    result = partition(lower(network), CoreConfig(name="near", mesh_bits=2))
    load, limits, links = needs(result), available(result.config), {}
    for item in result.descriptors:
        for source in item.sources:
            links.setdefault(source, {source}).add(item.edge.destination)
            links.setdefault(item.edge.destination, {item.edge.destination}).add(source)
    together = 0
    for core in pack(result, load, limits, {}, linked=True):
        assert core.needs == {limit: sum(load[name][limit] for name in core.names) for limit in LIMITS}
        assert all(core.needs[limit] <= limits[limit] for limit in LIMITS)
        together += len(core.names) > 1
        for name in core.names:
            near = set().union(*(links[other] for other in links[name]))
            assert len(core.names) == 1 or near & set(core.names) - {name}
    assert together
    placed = place_all(result)
    build_mesh(result, placed.places, placed.size, host=placed.host)
    assert place(result, placed.size).size == placed.size


def test_large_meshes_cost_no_memory() -> None:
    result = chain(6)
    small, pins = place(result, (6, 4)), {"layer0": (250, 3)}
    for size in ((300, 300), (100_000, 100_000), (2000, 1), (1, 2000)):
        tracemalloc.start()
        placed = place(result, size, host=None if min(size) > 1 else (0, -1))
        assert tracemalloc.get_traced_memory()[1] < 200e6
        tracemalloc.stop()
        if min(size) > 1:
            assert placed.cost == small.cost
    placed = place(result, (300, 300), pins=pins, host=(249, -1))
    assert placed.places["layer0"] == (250, 3) and placed.cost == distance_of(result, placed.places, (249, -1))


def test_too_few_cores_are_refused() -> None:
    with pytest.raises(RuleError, match=r"layer 'chain', rule 'placement': needs 10 cores; available: 3 × 3 = 9"):
        place(chain(), (3, 3))


def test_everything_stays_in_reach() -> None:
    """A ring of layers on a long mesh: with addresses of ±3, row-major order is refused, the optimized one is not."""
    config = CoreConfig(name="near", mesh_bits=3, address_bits=13)
    network = Network("ring")
    last = first = network.conv("layer0", network.input("in", (16, 28, 28)), np.ones((32, 16, 1, 1), int))
    for number in range(1, 16):
        last = network.conv(f"layer{number}", last, np.ones((32, 32, 1, 1), int))
    network.output(network.add("sum", [last, first]))
    result = partition(lower(network), config)
    with pytest.raises(RuleError, match="rule 'reach'"):
        place(result, (5, 4), method="row-major")
    placed = place(result, (5, 4))
    build_mesh(result, placed.places, placed.size, host=placed.host)


@pytest.mark.parametrize("number", range(6))
def test_placed_networks_compute_the_same(seed: int, number: int) -> None:
    """Random cuts, several populations on a core, placed by the optimizer on a small mesh."""
    rng = np.random.default_rng([seed, 47, number])
    network = cut_network(rng)
    result = random_cut(rng, lower(network), ROOMY)
    pins = {item.name: [(int(rng.integers(3)), int(rng.integers(2)))] for item in result.hosted}
    placed = place(result, (3, 2), pins=pins)
    image = build_mesh(result, placed.places, placed.size, host=placed.host)
    mesh, _ = compare(result.program, image, [random_input(rng, network)], rng)
    assert {link for link, events in mesh.traffic.items() if events} <= set(placed.links)


def test_pilotnet_on_the_golden_mesh_equals_dense() -> None:
    """Two cores of 256 kB; every output."""
    result, placed, image = compile_mesh(pilotnet(1), CoreConfig(), (2, 2))
    program = result.program
    assert len(image.images) == placed.fewest == 2
    assert all(used["words"] <= available(CoreConfig())["words"] for used in placed.used.values())
    rng = np.random.default_rng(3)
    shape = program.population("input").shape
    inputs = {"input": rng.integers(0, 256, shape) * (rng.random(shape) < 0.3)}
    expected = dense.run(program, inputs)
    mesh = Mesh(image.config, image.words(), host=image.host)
    events = mesh.run_frame(encode_frame(inputs, image.manifest["inputs"], image.config))
    outputs = decode_frame(events, image.manifest["outputs"], image.config)
    np.testing.assert_array_equal(outputs["dense3"], expected["dense3"].outputs)
    assert np.count_nonzero(outputs["dense3"]) > 5
    (first, second) = image.images
    assert mesh.traffic.get((first, second), 0) + mesh.traffic.get((second, first), 0) > 1000


def test_where_the_words_of_connectivity_go(seed: int) -> None:
    """The count from the cuts is what the images hold; on MobileNet it is far below the paper's scheme."""
    rng = np.random.default_rng([seed, 53])
    for number in range(6):
        result, image = random_mesh(rng, lower(cut_network(rng)), CONFIGS[number % len(CONFIGS)])
        real = real_connectivity(result)
        words = dict.fromkeys(CATEGORIES, 0)
        for core in image.images.values():
            for region in core.manifest["regions"]:
                words[region["category"]] += region["words"]
        inputs = sum(len(entry["axons"]) for entry in image.manifest["inputs"])
        assert words["edge descriptors"] == real.descriptors and words["tables"] == real.tables
        assert words["axons"] + inputs == real.axons + real.output_axons
        assert words["population words"] == real.population_words and words["geometry words"] == real.geometry_words
        assert sum(real.layers.values()) == real.words - real.output_axons


@pytest.mark.parametrize(("name", "least"), [("mobilenet", 70), ("resnet50", 100), ("resnet101", 100)])
def test_how_far_below_the_paper_the_words_of_connectivity_are(name: str, least: int) -> None:
    """At the same cuts."""
    assert real_connectivity(partition(lower(ZOO[name](None)), CoreConfig())).factor >= least


def test_without_scipy_only_the_naive_order_is_left(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ToolError, match=re.escape(f"placement needs scipy: {install_hint('map')}")):
        place(chain(), (4, 5))
    assert place(chain(), (4, 5), method="row-major").gain == 1
