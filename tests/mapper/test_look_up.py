"""Edges whose synapses lie in tables: their matrices, images, meshes, and what is refused."""

import dataclasses

import numpy as np
import pytest

import synapress
from golden.config import CoreConfig
from golden.errors import ConfigError, ImageError, NetworkError
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.network import dense
from golden.program import Edge, LookUpEdge, Population, Program
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.interface import Organisation, Pass, Sizes
from golden.synapse_matrix import synapse_matrix
from golden.timing.look_up import LookUpOperations
from golden.words import TABLE_ORGANISATIONS, EdgeKind, layouts
from synapress.mapper.errors import RuleError
from synapress.mapper.image.image import Image
from synapress.mapper.image.validate import validate
from synapress.mapper.look_up import look_up_edge, weight_bits
from synapress.mapper.pipeline import Compilation, run

NAMES = tuple(TABLE_ORGANISATIONS)
CONFIG = dataclasses.replace(CoreConfig.preset("fpga_small"), decoder="mixed", organisations=NAMES)


def sparse(rng: np.random.Generator, shape: tuple[int, ...], density: float, most: int = 20) -> np.ndarray:
    return rng.integers(-most, most + 1, shape) * (rng.random(shape) < density)


def mixed_network(rng: np.random.Generator, told: str = "") -> synapress.Network:
    """A convolutional front, kernels in tables beside kernels, and an irregular back."""
    def name() -> str:
        return told or str(rng.choice(NAMES))

    net = synapress.Network("mixed")
    net.input("in", (3, 6, 5))
    net.conv("front", "in", rng.integers(-9, 10, (5, 3, 3, 3)), shift=5)
    around = {"padding": (1, 0, 0, 1)}
    net.add("both", [
        net.branch("front", rng.integers(-9, 10, (6, 5, 2, 2)), organisation=name(), product_shift=1, **around),
        net.branch("front", rng.integers(-9, 10, (6, 5, 2, 2)), **around)], shift=5)
    net.depthwise("depthwise", "both", rng.integers(-9, 10, (6, 3, 3)), padding=1, shift=3)
    net.add("grouped", [
        net.branch("both", rng.integers(-9, 10, (6, 1, 3, 3)), groups=6, padding=1, organisation=name()),
        net.branch("depthwise", rng.integers(-9, 10, (6, 1, 3, 3)), groups=6, padding=1)], shift=4)
    net.sparse("back", "grouped", sparse(rng, (6 * 4 * 3, 30), 0.1), shift=3, organisation=name())
    net.dense("out", "back", sparse(rng, (7, 30), 0.3), shift=4, organisation=name())
    net.output("out")
    return net


# -- the matrix ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(12))
def test_the_matrix_says_what_the_convolution_computes(number, seed):
    """One source neuron after the other fires alone: its row is what the textbook convolution gives."""
    rng = np.random.default_rng((seed, number))
    groups = int(rng.choice([1, 1, 2, 4]))
    depth, results = 4, 4 * int(rng.integers(1, 3))
    size, kernel = rng.integers(3, 7, 2), rng.integers(1, 4, 2)
    stride, dilation = ((int(rng.integers(1, 3)),) * 2, (1, 1)) if rng.random() < 0.6 else ((1, 1), (2, 2))
    upsample, padding = int(rng.integers(0, 2)), tuple(int(item) for item in rng.integers(-1, 2, 2))
    weights = sparse(rng, (results, depth // groups, *kernel), 0.7)
    source = Population(name="in", shape=(depth, int(size[0]), int(size[1])))
    room = dense.output_size(source.shape[1:], weights.shape[2:], stride, (*padding, 0, 0), dilation, upsample)
    destination = Population(name="out", shape=(results, max(1, room[0]), max(1, room[1])))
    edge = Edge(name="edge", source="in", destination="out", weights=weights, stride=stride, padding=padding,
                dilation=dilation, groups=groups, upsample=upsample, organisation="crossbar")
    y_stride = -(-results // CONFIG.lanes) + int(rng.integers(0, 2))
    matrix = synapse_matrix(look_up_edge(edge, source.shape), destination.shape[1:], y_stride, CONFIG.lanes)
    program = Program(name="one", populations=[source, destination], edges=[edge], inputs=["in"], outputs=["out"])
    count = int(np.prod(source.shape))
    ones = np.eye(count, dtype=np.int64).reshape(count, *source.shape)
    states = dense.run(program, {"in": ones})["out"].states
    for c, x, y in np.ndindex(*source.shape):
        placed = np.zeros((*destination.shape[1:], y_stride * CONFIG.lanes), np.int64)
        number_of = int(np.ravel_multi_index((c, x, y), source.shape))
        placed[..., :results] = states[number_of].transpose(1, 2, 0)
        row = matrix[x * source.shape[2] * depth + y * depth + c]
        assert np.array_equal(placed.reshape(-1)[:len(row)], row)
        assert not placed.reshape(-1)[len(row):].any()


@pytest.mark.parametrize(("values", "bits"), [((0,), 1), ((-1, 0), 1), ((1,), 2), ((-2, 1), 2), ((3,), 3),
                                              ((-128,), 8), ((127,), 8), ((128,), 9), ((-2048, 2047), 12)])
def test_weights_take_no_more_bits_than_they_need(values, bits):
    assert weight_bits(np.array(values)) == bits


# -- images, against the models of single events and of whole networks --------------------------------


@pytest.mark.parametrize("number", range(6))
def test_golden_cores_compute_what_the_whole_network_model_says(number, seed):
    """On one core, and on a mesh of small ones, which cut populations with tables in channels, columns and rows."""
    rng = np.random.default_rng((seed, number))
    net = mixed_network(rng)
    frames = rng.integers(0, 256, (2, 3, 6, 5))
    config = dataclasses.replace(CONFIG, access_counters=1)
    for memory, ways in ((12, ({"mesh": False}, {"mesh": True})), (9, ({}, {"share_states": "frame"}))):
        for way in ways:
            small = dataclasses.replace(config, address_bits=memory)
            compiled = synapress.compile(net, config=small, check=memory == 9, **way)
            done = synapress.simulate(compiled, frames, engine="golden", cycles=memory == 12)
            assert not done.wrapped and not any(
                count for name, count in done.counters.items() if "error" in name or name.startswith("unknown"))
            if len(compiled.images) == 1:
                assert done.counters["synapses"] == sum(item.operations for item in done.counts.values())
    assert len(compiled.images) > 1


def test_the_literal_core_does_the_same(seed):
    net = mixed_network(np.random.default_rng(seed))
    compiled = synapress.compile(net, config=CONFIG, mesh=True)
    assert {row["kind"] for row in compiled.images[0].manifest["edge_table"]} >= {"look-up", "shared", "depthwise"}
    frames = np.random.default_rng(seed).integers(0, 256, (1, 3, 6, 5))
    found = []
    for literal in (False, True):
        mesh = Mesh(compiled.config, compiled.image.words(), host=compiled.image.host, literal=literal)
        events = mesh.run_frame(encode_frame({"in": frames[0]}, compiled.image.manifest["inputs"], compiled.config))
        found.append(decode_frame(events, compiled.image.manifest["outputs"], compiled.config)["out"])
    assert np.array_equal(*found)
    assert np.array_equal(found[0], synapress.simulate(compiled, frames).outputs["out"][0])


@pytest.mark.parametrize("name", NAMES)
def test_rows_in_the_image_are_those_of_the_matrix(name, seed):
    """Read by the organisation's own model, where the header words say, from the memory as it is."""
    rng = np.random.default_rng(seed)
    net = synapress.Network("one")
    net.input("in", (2, 3, 4))
    matrix = sparse(rng, (24, 19), 0.4, most=3)
    net.sparse("out", "in", matrix, organisation=name)
    net.output("out")
    image = synapress.compile(net, config=CONFIG).images[0]
    words = layouts(CONFIG)
    edge = words.extended_edge.unpack(int(image.parts[2, 0]))
    assert (edge["kind"], edge["organisation"]) == (EdgeKind.EXTENDED, TABLE_ORGANISATIONS[name])
    assert edge["weight_bits"] == weight_bits(matrix)
    header = words.table_header.unpack(int(image.parts[edge["table_base"], 0]))
    bases = words.table_bases.unpack(int(image.parts[edge["table_base"] + 1, 0]))
    layer = {"inputs": header["inputs"], "outputs": header["outputs"], "weight_bits": edge["weight_bits"], **bases}
    model = ORGANISATIONS.load(name, Organisation)(Sizes.of(CONFIG), layer, image.parts[:, 0], image.parts[:, 0])
    for i, (c, x, y) in enumerate(np.ndindex(2, 3, 4)):  # of the matrix the rows are in this order
        row = x * header["x_stride"] + y * header["y_stride"] + c
        found = model.expand({"pass": Pass.FORWARD, "neuron": row, "value": 1})
        assert not found.errors
        given = np.zeros(19, np.int64)
        given[found.neurons] = found.weights
        assert np.array_equal(given, matrix[i])


def test_ids_in_tables_come_last(seed):
    net = mixed_network(np.random.default_rng(seed))
    image = synapress.compile(net, config=CONFIG).images[0]
    kinds = [row["kind"] == "look-up" for row in image.manifest["edge_table"]]
    assert kinds == sorted(kinds) and 0 < sum(kinds) < len(kinds)


def test_wide_weights_and_words(seed):
    """Weights of 12 bits, which no kernel holds, in words of 128 bits."""
    rng = np.random.default_rng(seed)
    config = dataclasses.replace(CONFIG, lanes=8, table_weight_bits=12, state_bits=16, access_counters=1)
    for name in NAMES:
        net = synapress.Network("wide")
        net.input("in", (3, 2, 2))
        net.sparse("out", "in", sparse(rng, (12, 21), 0.5, most=2047), shift=12, saturation=synapress.Saturation.SIGNED,
                   organisation=name)
        net.output("out")
        compiled = synapress.compile(net, config=config)
        synapress.simulate(compiled, rng.integers(0, 3, (2, 3, 2, 2)), engine="golden")
        assert compiled.choices[0].weight_bits == 12 and compiled.choices[0].candidates[0].refused


def test_the_work_of_an_edge_is_the_sum_of_its_events(seed):
    """Word operations by source neuron are those that the golden core counts when it fires alone."""
    rng = np.random.default_rng(seed)
    for name in NAMES:
        net = synapress.Network("one")
        net.input("in", (2, 3, 4))
        net.sparse("out", "in", sparse(rng, (24, 19), 0.2), organisation=name)
        net.output("out")
        compiled = synapress.compile(net, config=CONFIG)
        (edge,) = compiled.program.edges
        assert isinstance(edge, LookUpEdge)
        work = LookUpOperations.of(edge, *compiled.program.populations, CONFIG)
        for place in rng.choice(24, 5, replace=False):
            frame = np.zeros((1, 24), np.int64)
            frame[0, place] = 1
            done = synapress.simulate(compiled, frame.reshape(1, 2, 3, 4), engine="golden")
            assert (done.counters["word_ops"], done.counters["synapses"]) == (
                work.word_ops.reshape(-1)[place], work.synapses.reshape(-1)[place])


# -- the choice ----------------------------------------------------------------------------------


def one(matrix: np.ndarray, **how: str) -> synapress.Network:
    net = synapress.Network("one")
    net.input("in", (matrix.shape[0], 1, 1))
    net.sparse("out", "in", matrix, shift=6, **how)
    net.output("out")
    return net


@pytest.mark.parametrize(("density", "cheapest"), [(0.01, "compressed_rows"), (0.3, "bitmap"), (1.0, "crossbar")])
def test_auto_takes_the_fewest_words(density, cheapest, seed):
    matrix = sparse(np.random.default_rng(seed), (40, 64), density, most=3)
    compiled = synapress.compile(one(matrix), config=CONFIG)
    (choice,) = compiled.choices
    assert (choice.asked, choice.chosen) == ("auto", cheapest)
    sizes = {}
    for candidate in choice.candidates:  # what is told is what the image takes
        other = synapress.compile(one(matrix, organisation=candidate.organisation), config=CONFIG)
        sizes[candidate.organisation] = other.words
        assert other.words - compiled.words == candidate.total - min(item.total for item in choice.candidates)
    assert min(sizes, key=lambda name: sizes[name]) == cheapest
    for cheapest, cost in (("cycles", "cycles"), ("energy", "energy")):
        other = synapress.compile(one(matrix), config=CONFIG, cheapest=cheapest).choices[0]
        assert other.chosen == min(other.candidates, key=lambda item: getattr(item, cost)).organisation


def test_the_option_is_for_dense_layers_that_name_none(seed):
    rng = np.random.default_rng(seed)
    net = synapress.Network("some")
    net.input("in", (2, 4, 4))
    net.conv("conv", "in", rng.integers(-5, 6, (3, 2, 2, 2)), shift=4)
    net.dense("told", "conv", sparse(rng, (8, 27), 0.5), organisation="bitmap")
    net.dense("plain", "told", sparse(rng, (9, 8), 0.5))
    net.output("plain")

    def stored(**how: str) -> list[str | None]:
        return [edge.organisation for edge in run(Compilation(source=net, config=CONFIG, **how)).program.edges]

    assert stored() == [None, "bitmap", None]
    assert stored(organisation="crossbar") == [None, "bitmap", "crossbar"]
    assert stored(organisation="functional") == [None, "bitmap", "functional"]
    assert stored(organisation="auto", cheapest="cycles")[:2] == [None, "bitmap"]


def test_a_core_without_tables_stores_sparse_layers_as_kernels(seed):
    matrix = sparse(np.random.default_rng(seed), (40, 30), 0.1)
    plain = dataclasses.replace(CONFIG, decoder="esu", organisations=())
    compiled = synapress.compile(one(matrix), config=plain)
    net = synapress.Network("one")
    net.input("in", (40, 1, 1))
    net.dense("out", "in", matrix.T, shift=6)
    net.output("out")
    assert compiled.images[0].to_bytes() == synapress.compile(net, config=plain).images[0].to_bytes()
    assert not compiled.choices


def test_a_model_is_read_back_with_its_choices(tmp_path, seed):
    compiled = synapress.compile(one(sparse(np.random.default_rng(seed), (40, 30), 0.1)), config=CONFIG)
    compiled.save(tmp_path)
    again = synapress.CompiledModel.load(tmp_path)
    assert again.choices == compiled.choices and [edge.organisation for edge in again.program.edges] == [
        compiled.choices[0].chosen]
    assert again.to_json() == compiled.to_json()


# -- what is refused -----------------------------------------------------------------------------


def test_a_core_must_have_the_organisation():
    for config in (CoreConfig.preset("fpga_small"), dataclasses.replace(CONFIG, organisations=("crossbar",))):
        with pytest.raises(RuleError, match=r"needs bitmap .* add 'bitmap' to organisations"):
            synapress.compile(one(np.eye(8, dtype=int), organisation="bitmap"), config=config)
    wide = CoreConfig(name="wide", lanes=16)  # of 256 bits, which no table has
    with pytest.raises(RuleError, match="Store it as one kernel"):
        synapress.compile(one(np.eye(8, dtype=int), organisation="bitmap"), config=wide)


def test_maxima_and_products_take_no_tables():
    weights = np.ones((2, 2), int)
    for kind, needed in ((1, "maximum"), (4, "product")):
        program = Program(name="p", inputs=["in"], outputs=["out"], populations=[
            Population(name="in", shape=(2, 1, 1)), Population(name="out", shape=(2, 1, 1), type=kind)],
            edges=[Edge(name="e", source="in", destination="out", weights=weights[..., None, None],
                        organisation="crossbar")])
        with pytest.raises(RuleError, match=f"needs crossbar into a {needed}"):
            synapress.compile(program, config=CONFIG)


def test_weights_and_sides_must_fit_the_header():
    with pytest.raises(RuleError, match=r"table weight_bits.*needs 9 bits.*Raise table_weight_bits to 9"):
        synapress.compile(one(np.full((2, 3), 200), organisation="crossbar"), config=CONFIG)
    with pytest.raises(RuleError, match="needs 14 bits"):
        synapress.compile(one(np.full((2, 3), 5000), organisation="crossbar"), config=CONFIG)
    net = synapress.Network("large")
    net.input("in", (8, 128, 128))
    net.sparse("out", "in", np.eye(8 * 128 * 128, 2, dtype=np.int8), organisation="compressed_rows")
    net.output("out")
    with pytest.raises(RuleError, match=r"table inputs.*needs 131072"):
        synapress.compile(net, config=dataclasses.replace(CoreConfig(), decoder="mixed", organisations=NAMES))


def test_a_matrix_is_not_spread_out_beyond_reason():
    """A convolution whose matrix has 2**30 places, of which few are synapses."""
    net = synapress.Network("wide")
    net.input("in", (8, 64, 64))
    net.add("out", [net.branch("in", np.ones((8, 8, 3, 3), int), padding=1, organisation="compressed_rows")])
    net.output("out")
    config = dataclasses.replace(CoreConfig(), decoder="mixed", organisations=NAMES)
    with pytest.raises(RuleError, match=r"table size.*needs 32768 × 32768"):
        synapress.compile(net, config=config, mesh=False)


def test_names_of_organisations_and_criteria():
    net = one(np.eye(4, dtype=int))
    with pytest.raises(ConfigError, match="organisation: needs one of auto, functional, crossbar"):
        synapress.compile(net, config=CONFIG, organisation="columns")
    with pytest.raises(ConfigError, match="cheapest: needs one of bits, cycles, energy"):
        synapress.compile(net, config=CONFIG, cheapest="volts")
    conv = synapress.Network("conv")
    conv.input("in", (1, 4, 4))
    conv.conv("out", "in", np.ones((2, 1, 2, 2), int))
    conv.output("out")
    with pytest.raises(ConfigError, match="'conv' has none; leave it out"):
        synapress.compile(conv, config=CONFIG, organisation="crossbar")
    with pytest.raises(NetworkError, match="rule 'organisation'"):
        net.sparse("more", "out", np.eye(4, dtype=int), organisation="columns")
    with pytest.raises(ConfigError, match="throughput: does not go with synapses in tables"):
        synapress.compile(one(np.eye(4, dtype=int), organisation="crossbar"), config=CONFIG,
                          throughput=synapress.Throughput(cores=2))


@pytest.mark.parametrize(("matrix", "rule"), [
    (np.eye(5, dtype=int), "sparse matrix"), (np.zeros((4, 0), int), "sparse matrix"),
    (np.zeros(4, int), "sparse matrix"), (np.eye(4), "weights"), (np.full((4, 2), np.nan), "weights")])
def test_a_matrix_must_fit_its_source(matrix, rule):
    net = synapress.Network("bad")
    net.input("in", (4, 1, 1))
    with pytest.raises(NetworkError, match=f"rule '{rule}'"):
        net.sparse("out", "in", matrix)


def test_matrices_of_scipy(seed):
    scipy = pytest.importorskip("scipy.sparse")
    matrix = sparse(np.random.default_rng(seed), (12, 9), 0.3)
    nets = [one(given, organisation="bitmap") for given in (matrix, scipy.csr_array(matrix), scipy.coo_matrix(matrix))]
    images = [synapress.compile(net, config=CONFIG).images[0].to_bytes() for net in nets]
    assert images[0] == images[1] == images[2]


# -- damaged images ------------------------------------------------------------------------------


def changed(image: Image, layout: str, address: int, **fields: int) -> np.ndarray:
    words, parts = getattr(layouts(CONFIG), layout), image.parts.copy()
    parts[address, 0] = words.pack(words.unpack(int(parts[address, 0])) | fields)
    return parts


@pytest.mark.parametrize("name", NAMES)
def test_pointers_of_damaged_tables_are_refused(name, seed):
    rng = np.random.default_rng(seed)
    image = synapress.compile(one(sparse(rng, (20, 13), 0.5), organisation=name), config=CONFIG).images[0]
    base = layouts(CONFIG).extended_edge.unpack(int(image.parts[2, 0]))["table_base"]
    last = CONFIG.memory_words - 1
    damaged = [
        changed(image, "extended_edge", 2, organisation=7), changed(image, "extended_edge", 2, organisation=0),
        changed(image, "extended_edge", 2, weight_bits=13), changed(image, "extended_edge", 2, weight_bits=0),
        changed(image, "extended_edge", 2, table_base=last), changed(image, "extended_edge", 2, state_base=1),
        changed(image, "table_header", base, outputs=17), changed(image, "table_header", base, inputs=1 << 16),
        changed(image, "table_bases", base + 1, weight_base=last),
    ]
    if name != "crossbar":
        damaged.append(changed(image, "table_bases", base + 1, index_base=last))
        first = layouts(CONFIG).table_bases.unpack(int(image.parts[base + 1, 0]))["index_base"]
        parts = image.parts.copy()
        parts[first + 1, 0] = 0xFFFF_FFFF_FFFF_FFFF
        damaged.append(parts)
    if name == "bitmap":
        damaged.append(changed(image, "table_bases", base + 1, bitmap_base=last))
        parts = image.parts.copy()
        parts[layouts(CONFIG).table_bases.unpack(int(parts[base + 1, 0]))["bitmap_base"], 0] |= np.uint64(1 << 40)
        damaged.append(parts)
    if name == "compressed_rows":
        parts = image.parts.copy()
        parts[layouts(CONFIG).table_bases.unpack(int(parts[base + 1, 0]))["weight_base"], 0] |= np.uint64(0xFFFF)
        damaged.append(parts)
    validate(image.parts, CONFIG, edges=1, populations=1)
    for parts in damaged:
        with pytest.raises(ImageError):
            validate(parts, CONFIG, edges=1, populations=1)
