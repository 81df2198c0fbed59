"""What a core with a compute-in-memory array refuses, before anything is written; and what of an image is damaged."""

import dataclasses
import itertools

import numpy as np
import pytest

from golden.cim.layer import Layer, layer_address, layer_words
from golden.config import FLEXSPIM, CoreConfig
from golden.errors import ConfigError, ImageError, NetworkError
from golden.program import Edge, Population, Program
from golden.words import NeuronType, Reset, layouts
from synapress.mapper.cim.choose import candidates, choose
from synapress.mapper.cim.image import build_cim_image
from synapress.mapper.cim.rules import _layer
from synapress.mapper.cim.shapes import BOTH, NONE, WEIGHTS, LayerOptions, LayerShape
from synapress.mapper.errors import RuleError
from synapress.mapper.image.validate import validate
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower
from synapress.mapper.pipeline import Compilation, run
from tests.helpers.spiking_programs import spiking

SMALL = dataclasses.replace(FLEXSPIM, name="small", address_bits=13, cim_rows=64, cim_columns=32, cim_tags=64)
SHAPE = LayerShape(weight_bits=4, potential_bits=8, columns=4, groups=6, weight_slots=18, potential_slots=16,
                   weight_row=0, potential_row=18, threshold_row=50)
"""Of the layer of `program`: both kinds of operands on 52 rows, of 24 columns."""


def program(weights=None, source=None, more=(), **fields):
    """A convolution 3 × 3 of 2 channels to 6, on 4 × 4 positions; fields of its edge or its population."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-8, 8, (6, 2, 3, 3)) if weights is None else weights
    of_edge = {name: value for name, value in fields.items() if name in ("groups", "shift", "organisation")}
    layer = spiking("layer", (6, 4, 4), 9)
    layer = dataclasses.replace(layer, **{name: value for name, value in fields.items() if name not in of_edge})
    edge = Edge(name="in->layer", source="in", destination="layer", weights=weights, padding=(1, 1), **of_edge)
    return Program(name="refused", populations=[source or Population(name="in", shape=(2, 4, 4)), layer],
                   edges=[edge, *more], inputs=["in"], outputs=["layer"])


def refused(*arguments, **named):
    with pytest.raises(RuleError) as error:
        build_cim_image(*arguments, **named)
    return {item.rule for item in error.value.violations}, str(error.value)


DEPTHWISE = Edge(name="more", source="in", destination="layer", weights=np.ones((6, 1, 1, 1), np.int64), groups=6)


@pytest.mark.parametrize(("changes", "rule", "words"), [
    ({"type": NeuronType.SUM, "threshold": None, "saturation": 0}, "array neurons", "needs neurons of type 0"),
    ({"multiplier": np.array([3]), "shift": np.array([2])}, "array leak", "potentials that do not leak"),
    ({"bias": np.array([0, 0, 1, 0, 0, 0])}, "array bias", "a channel that spikes in each timestep"),
    ({"saturation": Reset.HALVED}, "array reset", "kept in half of a state's range"),
    ({"shift": 1, "bias": np.zeros(1)}, "array products", "more than adding weights (edge 'in->layer')"),
    ({"organisation": "bitmap"}, "array tables", "leave its organisation out"),
    ({"weights": np.ones((6, 1, 1, 1), np.int64), "groups": 2}, "array groups", "2 groups of channels"),
    ({"threshold": np.array([128])}, "array threshold", "Set potential_bits of 'layer' to 9."),
    ({"threshold": np.array([0])}, "array threshold", "thresholds of at least 1"),
    ({"initial": np.array([-129])}, "array initial", "Set potential_bits of 'layer' to 9."),
])
def test_layers_that_the_array_does_not_compute(changes, rule, words):
    if "shift" in changes and "bias" in changes:  # of the edge
        made = program(shift=changes["shift"])
    else:
        edge = {} if rule != "array leak" else {"shift": changes.pop("shift")}
        made = program(**changes)
        made.populations[1] = dataclasses.replace(made.populations[1], **edge)
        if edge:
            made.edges[0] = dataclasses.replace(made.edges[0], shift=0)
    rules, text = refused(made, SMALL, {"layer": LayerOptions(potential_bits=8)})
    assert rules == {rule} and words in text


def test_values_that_are_no_spikes_are_refused():
    made = program()
    made.populations.insert(1, Population(name="sum", shape=(2, 4, 4)))
    made.edges = [dataclasses.replace(made.edges[0], source="sum"),
                  Edge(name="in->sum", source="in", destination="sum", weights=np.ones((2, 2, 1, 1), np.int64))]
    assert refused(made, SMALL)[0] == {"array neurons", "array sources"}


def test_depthwise_beside_other_edges_is_refused():
    made = program(source=Population(name="in", shape=(6, 4, 4)), weights=np.ones((6, 6, 1, 1), np.int64),
                   more=[DEPTHWISE])
    assert refused(made, SMALL)[0] == {"array kinds"}


@pytest.mark.parametrize(("options", "rule", "words"), [
    (LayerOptions(weight_bits=0), "array weight_bits", "operands of 0 bits"),
    (LayerOptions(potential_bits=0), "array potential_bits", "Set potential_bits of 'layer' to 1."),
    (LayerOptions(potential_bits=63), "array potential_bits", "1 to 62 bits"),
    (LayerOptions(weight_bits=3), "array weight range", "Set weight_bits of 'layer' to 4."),
    (LayerOptions(columns=0), "array columns", "columns = 0"),
    (LayerOptions(columns=33), "array", "32 columns"),
    (LayerOptions(stationary="weight"), "array stationary", "both, weights, potentials, none"),
    (LayerOptions(columns=1, stationary=BOTH), "array", "64 rows of 32 columns"),
    (LayerOptions(weight_bits=40, potential_bits=16, columns=4), "array operand rows", "10 rows of a weight"),
    (dataclasses.replace(SHAPE, columns=6), "array columns", "6 groups of 6 columns from column 0 on"),
    (dataclasses.replace(SHAPE, base=9), "array columns", "from column 9 on"),
    (dataclasses.replace(SHAPE, groups=7), "array columns", "6 channels"),
    (dataclasses.replace(SHAPE, threshold_row=63), "array rows", "threshold in rows 63 to 64"),
    (dataclasses.replace(SHAPE, potential_row=17), "array rows", "weights of 'layer', 0 to 17"),
    (dataclasses.replace(SHAPE, potential_slots=12), "array slots", "Set potential_slots of 'layer' to 8."),
    (dataclasses.replace(SHAPE, potential_tag=49), "array tags", "tags 49 to 64"),
    (dataclasses.replace(SHAPE, weight_slots=0), "array weight_slots", "Set weight_slots of 'layer' to 1."),
])
def test_shapes_that_do_not_fit(options, rule, words):
    rules, text = refused(program(), SMALL, {"layer": options})
    assert rule in rules and words in text


def test_blocks_have_limits():
    """As many as words of channels; and a depthwise layer has one."""
    rng, shape = np.random.default_rng(4), dataclasses.replace(SHAPE, groups=1, weight_slots=1, potential_slots=1)
    many = Program(name="blocks", inputs=["in"], outputs=["layer"], edges=[
        Edge(name="in->layer", source="in", destination="layer", weights=rng.integers(-8, 8, (300, 2, 1, 1)))],
        populations=[Population(name="in", shape=(2, 1, 1)), spiking("layer", (300, 1, 1), 9)])
    assert refused(many, SMALL, {"layer": shape})[0] >= {"array blocks"}
    assert build_cim_image(many, SMALL).manifest["population_table"][0]["cim"]["blocks"] <= 255
    pool = program(source=Population(name="in", shape=(6, 4, 4)), weights=np.ones((6, 1, 1, 1), np.int64), groups=6)
    rules, text = refused(pool, SMALL, {"layer": dataclasses.replace(shape, groups=3)})
    assert rules == {"array depthwise"} and "6 channels of 4 columns" in text
    assert refused(pool, SMALL, {"layer": LayerOptions(columns=6)})[0] == {"array"}


def two_layers():
    made = program()
    made.populations.append(spiking("second", (6, 4, 4), 3))
    made.edges.append(Edge(name="layer->second", source="layer", destination="second",
                           weights=np.ones((6, 6, 1, 1), np.int64)))
    return made


def test_layers_that_overlap_are_refused():
    """Rows, or tags, of two layers; side by side they may have the same rows."""
    half = dataclasses.replace(SHAPE, columns=2, groups=6, potential_slots=4, weight_slots=16, threshold_row=62,
                               weight_row=0, potential_row=40)
    assert (half.width, half.potential_rows) == (12, 4)
    small = dataclasses.replace(half, weight_slots=4, threshold_row=58)
    other = dataclasses.replace(small, base=12, weight_tag=16, potential_tag=4)
    made = two_layers()
    assert build_cim_image(made, SMALL, {"layer": dataclasses.replace(half, threshold_row=58), "second": other})
    for changes, rule in (({"base": 11}, "array rows"), ({"weight_tag": 15}, "array tags"),
                          ({"potential_tag": 3}, "array tags")):
        given = {"layer": dataclasses.replace(half, threshold_row=58), "second": dataclasses.replace(other, **changes)}
        rules, text = refused(made, SMALL, given)
        assert rules == {rule} and "of 'layer'" in text
        swapped = {"layer": given["second"], "second": given["layer"]}
        assert refused(made, SMALL, swapped)[0] == {rule}
    assert build_cim_image(made, SMALL, {"layer": other, "second": dataclasses.replace(half, threshold_row=58)})


def test_names_and_configurations_are_checked():
    with pytest.raises(NetworkError, match="there is no layer in; layers are: layer"):
        build_cim_image(program(), SMALL, {"in": LayerOptions()})
    with pytest.raises(NetworkError, match="layer have a LayerShape, and second not"):
        build_cim_image(two_layers(), SMALL, {"layer": SHAPE})
    with pytest.raises(ConfigError, match="'update' = neuron must be cim"):
        build_cim_image(program(), CoreConfig())


def test_the_compiler_leads_to_images_of_arrays():
    with pytest.raises(RuleError, match=r"Build its image by synapress\.mapper\.cim\.image\.build_cim_image"):
        run(Compilation(source=program(), config=SMALL, mesh=False))


def test_memory_and_addresses_have_limits():
    """Positions beyond the state addresses of a population, operands beyond the memory."""
    rules, text = refused(program(), dataclasses.replace(SMALL, address_bits=7), {"layer": SHAPE})
    assert rules == {"array operands"} and "16 potentials and 18 weights" in text and "8 and 256 that" in text
    assert "Raise address_bits to 8" in text
    wide = program(weights=np.full((6, 2, 3, 3), 99))
    rules, text = refused(wide, dataclasses.replace(SMALL, address_bits=6, population_bits=1), {
        "layer": LayerOptions(potential_bits=25, columns=5)})
    assert rules == {"memory"} and "Raise address_bits to 7" in text


# -- choice ------------------------------------------------------------------------------------


def chosen(made, config, **options):
    layers = {item.name: _layer(made, item, LayerOptions(**options)) for item in made.populations[1:]}
    return choose(layers, config)


def test_what_keeps_most_is_chosen():
    """Both kinds where they fit; else the larger one that does; and streams get the slots that are left."""
    shape = chosen(program(), SMALL, potential_bits=8)["layer"]
    assert (shape.weight_slots, shape.potential_slots, shape.columns) == (18, 16, 4)  # two rows of a potential
    shape = chosen(program(), dataclasses.replace(SMALL, cim_rows=32), potential_bits=8)["layer"]
    assert (shape.weight_slots, shape.potential_slots) == (18, 4)
    shape = chosen(program(), SMALL, potential_bits=8, stationary=NONE, columns=4)["layer"]
    assert (shape.weight_slots, shape.potential_slots) == (16, 8)
    shape = chosen(program(), SMALL, potential_bits=8, stationary=WEIGHTS, columns=8)["layer"]
    assert (shape.weight_slots, shape.groups, shape.potential_rows) == (36, 3, 1)


def test_layers_share_tags(seed):
    """As rows: what is chosen for layers is always an image, and no other shapes of so many tags keep more bits."""
    random, tight = np.random.default_rng(seed), 0
    for _ in range(30):
        made = chain(random)
        layers = {item.name: _layer(made, item, LayerOptions(potential_bits=8)) for item in made.populations[1:]}
        config = dataclasses.replace(SMALL, cim_rows=64, cim_tags=16)
        shapes = choose(layers, config)
        assert isinstance(shapes, dict)
        build_cim_image(made, config, shapes)
        free = dataclasses.replace(config, cim_tags=64)
        every = itertools.product(*(candidates(layer, free) for layer in layers.values()))
        fit = [found for found in every if sum(item.rows for item in found) <= 64 and all(
            sum(getattr(item.shape, name) for item in found) <= 16 for name in ("weight_slots", "potential_slots"))]
        kept = sum(bits_that_stay(layers[name], shape, config) for name, shape in shapes.items())
        assert kept >= max((sum(item.kept for item in found) for found in fit), default=0)
        tight += sum(item.potential_slots for item in choose(layers, free).values()) > 16
    assert tight


def chain(random):
    """Two or three layers of 3 × 3 neurons, one after the other."""
    network, last = Network("chain"), "in"
    network.input("in", (2, 3, 3))
    for number in range(int(random.integers(2, 4))):
        weights = random.integers(-3, 4, (int(random.integers(1, 5)), network.shape(last)[0], 1, 1))
        last = network.lif(f"l{number}", [network.branch(last, weights)], threshold=5)
    network.output(last)
    return lower(network)


def bits_that_stay(layer, shape, config):
    counts = layer.operands(shape.groups, config)
    depth = layer.population.shape[0]
    return sum(having // counts.blocks * depth * bits for slots, having, bits in (
        (shape.weight_slots, counts.weights, shape.weight_bits),
        (shape.potential_slots, counts.potentials, shape.potential_bits)) if slots >= having)


# -- damaged images ------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "words"), [
    ({"base": 9}, "field 'base': 9 is outside"),
    ({"blocks": 2}, "field 'groups': 12, but"),
    ({"last_groups": 7}, "field 'last_groups'"),
    ({"weight_rows": 3}, "field 'weight_rows': 3 is outside"),
    ({"potential_words": 2}, "field 'potential_words': 2, but"),
    ({"last_weight_words": 2}, "field 'last_weight_words': 2, but"),
    ({"potential_base": 2}, "field 'potential_base': 2 is outside"),
    ({"weight_base": 8180}, "field 'weight_base'"),
    ({"threshold_base": 8188}, "field 'threshold_base'"),
    ({"weight_row": 50}, "field 'weight_row': 50 is outside"),
    ({"threshold_row": 3}, "lies in a region of population 0"),
    ({"potential_tag": 63}, "field 'potential_tag': 63 is outside"),
    ({"depthwise": 1}, "field 'kind': 0, but that of its layer is 2"),
])
def test_damaged_layers_are_refused(changes, words):
    image = build_cim_image(program(), SMALL, {"layer": SHAPE})
    address = layer_address(0, SMALL)
    layer = Layer.unpack(image.parts[address:address + 4, 0].tolist(), SMALL)
    image.parts[address:address + 4, 0] = dataclasses.replace(layer, **changes).pack(SMALL)
    with pytest.raises(ImageError, match=words):
        validate(image.parts, SMALL, edges=image.edges, populations=image.populations)


@pytest.mark.parametrize(("word", "changes", "words"), [
    (2, {"weight_base": 16300 // 2}, "field 'weight_base'"), (2, {"weight_stride": 35}, "what is left over"),
    (2, {"shift": 1}, "field 'shift': 1, but"), (2, {"kind": 1}, "field 'kind': 1, but that of its layer is 0"),
    (0, {"state_base": 512}, "field 'state_base': 512, but"),
    (1, {"type": 0}, "field 'type': 0, but"), (1, {"saturation": 2}, "field 'saturation'"),
    (1, {"pad": 1}, "field 'pad': 1, but")])
def test_damaged_words_are_refused(word, changes, words):
    image = build_cim_image(program(), SMALL, {"layer": SHAPE})
    layout = (layouts(SMALL).geometry, layouts(SMALL).population, layouts(SMALL).edge)[word]
    fields = layout.unpack(int(image.parts[word, 0])) | changes
    image.parts[word, 0] = layout.pack(fields)
    with pytest.raises(ImageError, match=words):
        validate(image.parts, SMALL, edges=image.edges, populations=image.populations)


def test_weights_of_an_edge_begin_with_block_0():
    image = build_cim_image(program(), SMALL, {"layer": dataclasses.replace(SHAPE, groups=2, weight_slots=16)})
    assert image.manifest["population_table"][0]["cim"]["blocks"] == 3
    word = layouts(SMALL).edge.unpack(int(image.parts[2, 0])) | {"weight_base": 1}
    image.parts[2, 0] = layouts(SMALL).edge.pack(word)
    with pytest.raises(ImageError, match="modulo the blocks of its layer': 2, but that of block 0 is 0"):
        validate(image.parts, SMALL, edges=image.edges, populations=image.populations)


def test_the_words_of_a_layer_are_four():
    assert len(layer_words(SMALL)) == 4
