"""Memory images: every synapse of the program is in the words, and nothing else; files; manifests."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import ImageError, MappingError
from golden.host import decode, encode
from golden.network import dense
from golden.neuron.evaluation import table_entry
from golden.program import Edge, Population, Program
from golden.words import NeuronType, Saturation, layouts
from synapress.mapper import Image, build_image, compile_network, legalize, lower
from synapress.mapper.image.schemas import CATEGORIES
from synapress.mapper.memory_map import TableEdge
from synapress.mapper.network.network import Network
from tests.helpers.strategies import CONFIGS, configs, networks
from tests.helpers.synapses import image_synapses, peg, program_synapses


def small_network(rng: np.random.Generator) -> Network:
    """All three kinds of kernels, a maximum, a join, two outputs."""
    network = Network("small")
    network.input("in", (2, 9, 8))
    network.conv("conv", "in", rng.integers(-128, 128, (6, 2, 3, 2)), rng.integers(-99, 99, 6), shift=7, padding=1)
    network.conv("grouped", "conv", rng.integers(-128, 128, (10, 3, 2, 2)), groups=2, shift=8, multiplier=5)
    network.depthwise("depthwise", "grouped", rng.integers(-128, 128, (10, 3, 3)), stride=2, shift=7)
    network.max_pool("pool", "depthwise", 2, stride=1)
    network.add("sum", ["pool", "pool"], shifts=[0, 2])
    network.dense("dense", "sum", rng.integers(-128, 128, (5, np.prod(network.shape("sum")))), shift=6, saturation=2)
    network.output("pool")
    network.output("dense")
    return network


# -- words -------------------------------------------------------------------------------------


@given(network=networks(size=6, depth=6, kernel=5), config=configs())
@settings(max_examples=150, deadline=None)
def test_every_synapse_is_in_the_words(network, config):
    """Enumerated from the words by the formulas of the architecture, synapse by synapse, against the definition."""
    program = lower(network)
    image = build_image(legalize(program, config), config)
    for name in (population.name for population in program.populations if population.name not in program.inputs):
        assert image_synapses(image, program, name) == program_synapses(program, name, config.operand_bits)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_synapse_of_a_whole_network(config, seed):
    network = small_network(np.random.default_rng(seed))
    program = lower(network)
    legal, image = compile_network(network, config)
    for population in program.populations[1:]:
        found = image_synapses(image, program, population.name)
        assert found == program_synapses(program, population.name) and len(found) > 10
    assert len(legal.edges) >= len(program.edges)


def words_of(image, category, name):
    return [address for region in image.manifest["regions"] if (region["category"], region["owner"]) == (category, name)
            for address in range(region["first"], region["first"] + region["words"])]


@pytest.mark.parametrize("pruned", [False, True])
def test_a_descriptor_per_source_channel(seed, pruned):
    """The paper's scheme: an edge without groups has a table word per source channel; pruning leaves some out.

    One word more per source channel, the same synapses, and the same states in the golden core.
    """
    rng, config = np.random.default_rng([seed, 79, pruned]), CoreConfig()
    network = Network("table")
    network.input("in", (6, 7, 5))
    network.output(network.conv("x", "in", rng.integers(-99, 99, (10, 6, 3, 2)), stride=2, padding=1, shift=9))
    program = lower(network)
    if pruned:  # channels 1 and 4 lead nowhere, 2 only to the channels from 3 to 7
        program.edges[0].weights[:, [1, 4]] = 0
        program.edges[0].weights[[0, 1, 2, 8, 9], 2] = 0
    legal = legalize(program, config)
    rows = [(0, 10, channel) for channel in range(6)]
    if pruned:
        rows[1] = rows[4] = (0, 0, 0)
        rows[2] = (3, 5, 2)
    (edge,) = legal.edges
    shared = build_image(legal, config)
    legal.edges = [TableEdge(**vars(edge), rows=tuple(rows))]
    image = build_image(legal, config)
    words = {name: {region["category"]: region["words"] for region in item.manifest["regions"]}
             for name, item in (("shared", shared), ("table", image))}
    assert words["table"]["tables"] == 6 and "tables" not in words["shared"]
    assert words["table"]["edge descriptors"] == words["shared"]["edge descriptors"] == 1
    assert (words["table"]["weights"] < words["shared"]["weights"]) == pruned
    assert image_synapses(image, program, "x") == program_synapses(program, "x")
    inputs = {"in": rng.integers(0, 256, (6, 7, 5)) * (rng.random((6, 7, 5)) < 0.5)}
    core = Core(config, image.words, edges=image.edges, populations=image.populations)
    values = decode(core.run(encode([(inputs["in"], image.manifest["inputs"][0]["axons"])], config)), 0,
                    program.population("x").shape, config)
    expected = dense.run(program, inputs, config)["x"].outputs
    np.testing.assert_array_equal(values, expected)
    assert np.count_nonzero(values) > 10


@given(network=networks(), config=configs(), pad=st.booleans())
@settings(max_examples=100, deadline=None)
def test_population_and_parameter_words(network, config, pad):
    program, image = compile_network(network, config, pad=pad)
    table, words = layouts(config), image.memory()
    identifiers, end = 0, 2 * image.populations + image.edges
    hosted = [population for population in program.populations if population.name not in program.inputs]
    for index, population in enumerate(hosted):
        fields = table.population.unpack(words[2 * index + 1])
        geometry = table.geometry.unpack(words[2 * index])
        depth, width, height = population.shape
        incoming, outgoing = program.edges_into(population.name), program.edges_from(population.name)
        assert (fields["depth"], fields["width"], fields["height"]) == population.shape
        assert (fields["type"], fields["saturation"]) == (population.type, population.saturation)
        assert fields["incoming"] == len(incoming) and not fields["extended"]
        assert fields["axons"] == len(outgoing) + program.outputs.count(population.name)
        base = end + (config.table_words if population.looks_up else 0)
        assert fields["base"] == base, "blocks follow each other, with a value table at the front"
        if population.looks_up:
            assert [table_entry(words, base, index, config) for index in range(512)] == population.table.tolist()
        depthwise = any(edge.groups == program.population(edge.source).shape[0] == depth for edge in incoming)
        assert fields["pad"] == (pad and depthwise), "all of these networks have room for it"
        names = ("bias", "multiplier", "shift", "leaky", "slope")
        slope = population.threshold if population.type == NeuronType.SPIKING else population.slope
        leaky = slope is not None and population.type != NeuronType.SPIKING
        columns = [np.broadcast_to(column, depth) for column in (
            population.bias, population.multiplier, population.shift, int(leaky), 0 if slope is None else slope)]
        rows = [{name: int(column[c]) for name, column in zip(names, columns, strict=True)} for c in range(depth)]
        first = fields["base"] + fields["axons"]
        count = 1 if fields["uniform"] else depth
        assert [table.parameter.unpack(word) for word in words[first:first + count]] == rows[:count]
        assert all(row == rows[0] for row in rows) == bool(fields["uniform"])
        positions = -(-depth // config.lanes) | fields["pad"]
        end = first + count + width * height * positions
        assert not any(words[first + count:end]), "states start at zero"
        assert geometry == {
            "depth_words": -(-depth // config.lanes), "last_lane": (depth - 1) % config.lanes, "width": width,
            "height": height, "state_base": first + count, "x_stride": height * positions, "pad": fields["pad"],
            "max": int(population.type == NeuronType.MAX)}
        for edge in incoming:
            word = table.edge.unpack(words[2 * image.populations + identifiers])
            assert word["population"] == index and word["shift"] == edge.shift
            assert image.manifest["edge_table"][identifiers]["name"] == edge.name
            identifiers += 1
    assert identifiers == image.edges


def test_outputs_go_to_the_host_and_come_with_their_index():
    config = CoreConfig()
    _, image = compile_network(small_network(np.random.default_rng(1)), config)
    words = image.memory()
    assert [(entry["name"], entry["id"]) for entry in image.manifest["outputs"]] == [("pool", 0), ("dense", 1)]
    for entry in image.manifest["outputs"]:
        population = image.manifest["population_table"][entry["index"]]
        axons = [layouts(config).axon.unpack(words[population["base"] + i]) for i in range(population["axons"])]
        assert axons[-1] == {
            "x_offset": 0, "y_offset": 0, "c_offset": 0, "x_limit": (population["shape"][1] - 1) >> 3,
            "y_limit": (population["shape"][2] - 1) >> 3, "kernel_width": 1, "kernel_height": 1, "upsample": 0,
            "stride": 0, "core_x": 1, "core_y": 0, "id": entry["id"]}
        assert all((axon["core_x"], axon["core_y"]) == (0, 0) for axon in axons[:-1])
    (source,) = image.manifest["inputs"]
    assert (source["name"], source["index"], source["shape"]) == ("in", 0, [2, 9, 8])
    assert [(axon["core_x"], axon["core_y"], axon["id"]) for axon in source["axons"]] == [(-1, 0, 0)]
    _, other = compile_network(small_network(np.random.default_rng(1)), config, host=(0, -1))
    assert [(axon["core_x"], axon["core_y"]) for axon in other.manifest["inputs"][0]["axons"]] == [(0, 1)]


def test_equal_depthwise_kernels_are_stored_once():
    config = CoreConfig()
    for weights, words in ((np.full((6, 3, 3), 5), 2), (np.arange(54).reshape(6, 3, 3), 7)):
        network = Network("net")
        network.input("in", (6, 8, 8))
        network.output(network.depthwise("x", "in", weights))
        _, image = compile_network(network, config)
        assert len(words_of(image, "weights", "in->x")) == words
        edge = layouts(config).edge.unpack(image.memory()[2])
        assert edge["weight_stride"] == (0 if words == 2 else 9)


def test_an_even_number_of_words_is_padded_only_where_depthwise_edges_lead_and_if_asked():
    config = CoreConfig()
    for build, pad, stride in (("depthwise", True, 3), ("depthwise", False, 2), ("conv", True, 2)):
        network = Network("net")
        network.input("in", (8, 4, 4))
        weights = np.ones((8, 1 if build == "depthwise" else 8, 1, 1), int)
        network.output(getattr(network, build)("x", "in", weights))
        _, image = compile_network(network, config, pad=pad)
        assert image.manifest["population_table"][0]["y_stride"] == stride


@pytest.mark.parametrize(("size", "stride", "strides"), [
    ((26, 25), 1, (3, 3)), ((30, 25), 1, (3, 2)), ((30, 30), 1, (2, 2)), ((36, 36), 2, (2, 3))])
def test_padding_takes_only_what_the_memory_has_left(size, stride, strides):
    """Depthwise layers of 2 words per position in 4,096 words: padded in their order, where a third still fits."""
    network = Network("net")
    network.input("in", (8, *size))
    network.depthwise("a", "in", np.arange(72).reshape(8, 3, 3), padding=1)
    network.output(network.depthwise("b", "a", np.arange(72).reshape(8, 3, 3), padding=1, stride=stride))
    config = CoreConfig(name="tight", address_bits=12)
    _, image = compile_network(network, config)
    assert tuple(entry["y_stride"] for entry in image.manifest["population_table"]) == strides
    _, without = compile_network(network, config, pad=False)
    positions = [np.prod(network.shape(name)[1:]) for name in ("a", "b")]
    assert len(image) == len(without) + sum(
        n for n, y_stride in zip(positions, strides, strict=True) if y_stride == 3) <= config.memory_words
    room = config.memory_words - len(image)
    assert all(n > room for n, y_stride in zip(positions, strides, strict=True) if y_stride == 2)


def test_kernels_of_sixteen_tell_the_axon_a_coarse_extent():
    config = CoreConfig()
    network = Network("net")
    network.input("in", (1, 40, 17))
    network.output(network.conv("x", "in", np.ones((1, 1, 16, 15), int)))
    _, image = compile_network(network, config)
    axon = image.manifest["inputs"][0]["axons"][0]
    assert (axon["kernel_width"], axon["kernel_height"]) == (16, 15)
    assert (axon["x_offset"], axon["y_offset"]) == (-15, -14)
    assert image_synapses(image, lower(network), "x") == program_synapses(lower(network), "x")


def test_a_strided_kernel_sends_an_event_only_where_it_lands():
    """Stride 2: a quarter of the neurons for 1 × 1; for 2 × 1 every column, and every other row."""
    config = CoreConfig()
    for taps, columns in (((1, 1), 16), ((2, 1), 32)):
        network = Network("net")
        network.input("in", (1, 32, 16))
        network.output(network.conv("x", "in", np.ones((1, 1, *taps), int), stride=2))
        _, image = compile_network(network, config)
        axon = image.manifest["inputs"][0]["axons"][0]
        sent = {(x, y) for x in range(32) for y in range(16) if peg(axon, x, y, config)}
        assert len({x for x, _ in sent}) == columns and {y for _, y in sent} == set(range(0, 16, 2))


def test_a_destination_wider_than_the_limit_field_that_no_neuron_reaches():
    """W_dst << stride is 512 and does not fit the limit, but the source ends at 255."""
    config = CoreConfig()
    network = Network("net")
    network.input("in", (1, 250, 1))
    network.output(network.conv("x", "in", np.ones((1, 1, 1, 1), int), stride=2, padding=(0, 0, 20, 0)))
    _, image = compile_network(network, config)
    axon = image.manifest["inputs"][0]["axons"][0]
    assert network.shape("x") == (1, 135, 1) and axon["x_limit"] == 249 >> 3
    assert image_synapses(image, lower(network), "x") == program_synapses(lower(network), "x")


# -- manifest ----------------------------------------------------------------------------------


@given(network=networks(), config=configs())
@settings(max_examples=60, deadline=None)
def test_regions_cover_every_word_once(network, config):
    _, image = compile_network(network, config)
    regions = image.manifest["regions"]
    owners = Counter(word for region in regions for word in range(region["first"], region["first"] + region["words"]))
    assert owners == Counter(range(len(image)))
    assert {region["category"] for region in regions} <= set(CATEGORIES)
    assert all(0 <= region["padding_bytes"] < region["words"] * config.word_bits // 8 for region in regions)


def test_images_are_deterministic_byte_for_byte():
    images = [compile_network(small_network(np.random.default_rng(3)), CoreConfig())[1] for _ in range(2)]
    assert images[0].to_bytes() == images[1].to_bytes()
    assert json.dumps(images[0].manifest) == json.dumps(images[1].manifest)


def test_sums_are_reported():
    network = small_network(np.random.default_rng(3))
    _, image = compile_network(network, CoreConfig(), measured={"conv": (-5000, 6000), "dense": (-40000, 0)})
    verdicts = {entry["population"]: entry["verdict"] for entry in image.manifest["sums"]}
    assert verdicts == {"conv": "measured", "grouped": "unproved", "depthwise": "unproved", "pool": "proved",
                        "sum": "proved", "dense": "wraps"}


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_save_and_load(config, tmp_path):
    _, image = compile_network(small_network(np.random.default_rng(5)), config)
    image.save(tmp_path / "new" / "image")
    loaded = Image.load(tmp_path / "new" / "image")
    assert (loaded.parts == image.parts).all() and loaded.manifest == json.loads(json.dumps(image.manifest))
    assert (loaded.config, loaded.edges, loaded.populations) == (image.config, image.edges, image.populations)
    lines = (tmp_path / "new" / "image" / "image.hex").read_text().split()
    assert [int(line, 16) for line in lines] == image.integers() == list(map(int, image.words))
    assert {len(line) for line in lines} == {config.word_bits // 4}
    assert image.memory()[:len(image)] == image.integers() and len(image.memory()) == config.memory_words


def test_damaged_files_are_refused(tmp_path):
    _, image = compile_network(small_network(np.random.default_rng(5)), CoreConfig())
    image.save(tmp_path)
    data, manifest = (tmp_path / "image.bin").read_bytes(), (tmp_path / "manifest.json").read_text()
    for name, content, message in (
        ("image.bin", data[:-8], "bytes, needs"),
        ("image.bin", bytes([data[0] ^ 1]) + data[1:], "checksum"),
        ("manifest.json", "{}", "not synapress-image version 3"),
        ("manifest.json", manifest.replace('"version": 3', '"version": 2'), "not synapress-image version 3"),
        ("manifest.json", manifest.replace('"sha256"', '"sha"'), "field .sha256.: needs the field; given: nothing"),
        ("manifest.json", manifest[:100], "no image in"),
    ):
        image.save(tmp_path)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ImageError, match=message):
            Image.load(tmp_path)
    (tmp_path / "image.bin").unlink()
    with pytest.raises(ImageError, match="no image in"):
        Image.load(tmp_path)


# -- programs made by hand ---------------------------------------------------------------------


def test_a_program_with_two_inputs_in_any_order():
    rng = np.random.default_rng(8)
    program = Program(
        name="hand", inputs=["b", "a"], outputs=["y"],
        populations=[Population(name="y", shape=(3, 4, 4)), Population(name="a", shape=(2, 4, 4)),
                     Population(name="b", shape=(3, 2, 2), saturation=Saturation.SIGNED)],
        edges=[Edge(name="one", source="a", destination="y", weights=rng.integers(-9, 9, (3, 2, 1, 1))),
               Edge(name="two", source="b", destination="y", weights=rng.integers(1, 9, (3, 1, 2, 2)), groups=3,
                    upsample=1, padding=(1, 1))])
    image = build_image(program, CoreConfig())
    assert [(entry["name"], [axon["id"] for axon in entry["axons"]]) for entry in image.manifest["inputs"]] == [
        ("b", [1]), ("a", [0])]
    assert image_synapses(image, program, "y") == program_synapses(program, "y")


def test_an_illegal_program_is_refused():
    program = Program(
        name="hand", inputs=["a"], outputs=["y"],
        populations=[Population(name="a", shape=(1, 4, 4)), Population(name="y", shape=(1, 2, 4))],
        edges=[Edge(name="one", source="a", destination="y", weights=np.ones((1, 1, 1, 1), int), stride=(2, 1))])
    with pytest.raises(MappingError, match=r"layer 'y', rule 'stride': needs stride \(2, 1\)"):
        build_image(program, CoreConfig())
