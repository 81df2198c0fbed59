"""Checks of foreign images: whatever passes stays inside its memory; whatever does not is named."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import CoreConfig
from golden.errors import ImageError
from golden.words import layouts
from synapress.mapper import compile_network
from synapress.mapper.image.validate import validate
from tests.helpers.strategies import CONFIGS, networks
from tests.helpers.synapses import esu
from tests.mapper.image.test_image import small_network

CONFIG = CoreConfig(neuron_types=("sum", "product", "spiking", "refractory"))
_, IMAGE = compile_network(small_network(np.random.default_rng(1)), CONFIG)
TABLE = layouts(CONFIG)
KINDS = {entry["kind"]: entry["id"] for entry in reversed(IMAGE.manifest["edge_table"])}
POPULATIONS = {entry["name"]: entry for entry in IMAGE.manifest["population_table"]}
GROUPED_ROW = IMAGE.manifest["edge_table"][KINDS["table"]]["table_base"] + 3


def changed(address, layout, **fields):
    """The image's words with some fields of one word replaced."""
    words = IMAGE.integers()
    words[address] = layout.pack(layout.unpack(words[address]) | fields)
    return words


def check(words, edges=IMAGE.edges, populations=IMAGE.populations):
    validate(words, CONFIG, edges=edges, populations=populations)


def population(name):
    return 2 * POPULATIONS[name]["index"] + 1


def geometry(name):
    return 2 * POPULATIONS[name]["index"]


SHARED, DEPTHWISE, GROUPED = (2 * IMAGE.populations + KINDS[kind] for kind in ("shared", "depthwise", "table"))
GEOMETRY, EDGE, ROW, WORD, AXON = TABLE.geometry, TABLE.edge, TABLE.table, TABLE.population, TABLE.axon
TOP = CONFIG.memory_words - 1
LOCAL_AXON, HOST_AXON = POPULATIONS["conv"]["base"], POPULATIONS["dense"]["base"]

REFUSED = {
    "population depth 0": (population("conv"), WORD, {"depth": 0}, r"population 0, field 'depth': 0"),
    "population type": (population("conv"), WORD, {"type": 5}, r"population 0, field 'type': 5 is no type"),
    "population reset": (population("conv"), WORD, {"type": 8, "saturation": 2}, r"field 'saturation': 2 is outside"),
    "population table": (population("conv"), WORD, {"saturation": 3}, r"field 'base': \d+ is outside \[147, "),
    "population table in another block": (population("grouped"), WORD, {"saturation": 3},
                                          r"lies in the block of population 0, .*, or its table does"),
    "population incoming": (population("conv"), WORD, {"incoming": 0}, r"population 0, field 'incoming': 0"),
    "population incoming, summed": (population("conv"), WORD, {"incoming": 60}, r"'incoming, summed': 66 .*, 64\]"),
    "population extended": (population("conv"), WORD, {"extended": 1}, r"second word of population 0 .*bits above"),
    "population base at the end": (population("conv"), WORD, {"base": TOP}, r"population 0, field 'base': 32767"),
    "population base in the descriptors": (population("conv"), WORD, {"base": 3}, r"field 'base': 3 is outside"),
    "population base in another block": (population("grouped"), WORD, {"base": POPULATIONS["conv"]["base"] + 5},
                                         r"lies in the block of population 0"),
    **{f"geometry {field}": (geometry("depthwise"), GEOMETRY, {field: value},
                             rf"geometry word of population 2, field '{field}': {value}, but what follows .* is \d+")
       for field, value in (("state_base", 0), ("width", 200), ("height", 9), ("x_stride", 1), ("depth_words", 0),
                            ("last_lane", 3), ("pad", 0), ("max", 1))},
    "maximum without max": (geometry("pool"), GEOMETRY, {"max": 0}, r"population 3, field 'max': 0"),
    "edge of another population": (SHARED, EDGE, {"population": 1}, r"population 0: no event ID leads into it"),
    "edge of no population": (SHARED, EDGE, {"population": 31}, r"edge word of ID 0, field 'population': 31 is out"),
    "edge of a kind to come": (DEPTHWISE, EDGE, {"kind": 3}, r"field 'kind': 3 is outside \[0, 2\]"),
    "weight base": (SHARED, EDGE, {"weight_base": TOP}, r"edge word of ID 0, field 'weight_base': 32767"),
    "kernel size": (SHARED, EDGE, {"weight_base": TOP - 100, "kernel_width": 16, "kernel_height": 16},
                    r"edge word of ID 0, field 'weight_base'"),
    "weight stride": (SHARED, EDGE, {"weight_base": TOP - 1000, "weight_stride": 65535}, r"field 'weight_base'"),
    "depthwise channels": (DEPTHWISE, EDGE, {"source_channels": 13}, r"field 'source_channels': 13 .*, 12\]"),
    "table base": (GROUPED, EDGE, {"weight_base": TOP - 2}, r"edge word of ID 1, field 'weight_base': 32765"),
    "table row's weights": (GROUPED_ROW, ROW, {"weight_base": TOP}, r"table of ID 1, channel 3 .*'weight_base'"),
    "table row's first channel": (GROUPED_ROW, ROW, {"first_channel": 12}, r"channel 3 .*'first_channel': 12"),
    "table row's depth words": (GROUPED_ROW, ROW, {"depth_words": 3}, r"channel 3 .*'depth_words': 3"),
    "table row without words": (GROUPED_ROW, ROW, {"depth_words": 0}, r"channel 3 .*'depth_words': 0"),
    "axon id": (LOCAL_AXON, AXON, {"id": 30}, r"axon word \d+ of population 0, field 'id': 30 is outside \[0, 6\]"),
    "axon channel": (LOCAL_AXON, AXON, {"c_offset": 1}, r"axon word .*, field 'c_offset': 7 is outside \[1, 6\]"),
    "axon upsampling": (LOCAL_AXON, AXON, {"upsample": 7, "x_offset": 200}, r"field 'upsample': 7 takes x_min to"),
    "axon channels of the event": (HOST_AXON, AXON, {"c_offset": 1020}, r"'c_offset': 1020 is outside \[0, 1019\]"),
}


def test_the_image_itself_passes():
    assert set(KINDS) == {"shared", "depthwise", "table"}
    check(IMAGE.integers())
    check(IMAGE.parts)
    check(IMAGE.words)
    check(IMAGE.memory())


@pytest.mark.parametrize("name", REFUSED)
def test_a_bad_field_is_named(name):
    address, layout, fields, message = REFUSED[name]
    with pytest.raises(ImageError, match=message):
        check(changed(address, layout, **fields))


def test_words_and_counts():
    words = IMAGE.integers()
    with pytest.raises(ImageError, match="32769 words, the memory has 32768"):
        check(words + [0] * (CONFIG.memory_words + 1 - len(words)))
    with pytest.raises(ImageError, match=r"word 5: 0x1.* does not fit 64 bits"):
        check([*words[:5], 1 << 64, *words[6:]])
    with pytest.raises(ImageError, match=r"field 'edges': 33 is outside \[0, 32\]"):
        check(words, edges=33)
    with pytest.raises(ImageError, match=r"field 'populations': -1 is outside"):
        check(words, populations=-1)
    with pytest.raises(ImageError, match=r"population 2, parameter word \(word \d+\): bits above the 56"):
        check([*words[:POPULATIONS["depthwise"]["parameter_base"]], 1 << 56,
               *words[POPULATIONS["depthwise"]["parameter_base"] + 1:]])
    with pytest.raises(ImageError, match="words come in 2 parts"):
        check(np.zeros((4, 2), np.uint64))
    with pytest.raises(ImageError):
        check(words, edges=IMAGE.edges - 1)
    with pytest.raises(ImageError):
        check([])


def apart(base: int, **fields: int) -> list[int]:
    """The image with the states of the first population at `base`, and one parameter, as there is a second word now."""
    name, entry, words = "conv", POPULATIONS["conv"], IMAGE.integers()
    word, first = WORD.unpack(words[population(name)]), entry["base"]
    axons = words[first:first + entry["axons"]]
    one = words[entry["parameter_base"]]
    words[first:first + entry["axons"] + 2] = [
        TABLE.second_population.pack({"apart": 1, "state_base": base} | fields), *axons, one]
    words[population(name)] = WORD.pack(word | {"extended": 1, "uniform": 1})
    words[geometry(name)] = GEOMETRY.pack(GEOMETRY.unpack(words[geometry(name)]) | {"state_base": base})
    return words


def test_states_that_lie_apart():
    own, others = POPULATIONS["conv"]["state_base"], POPULATIONS["depthwise"]
    check(apart(own))
    check(apart(CONFIG.memory_words - POPULATIONS["conv"]["state_words"]))
    with pytest.raises(ImageError, match=r"state_base': .* is outside"):
        check(apart(CONFIG.memory_words - 1))
    for at in (POPULATIONS["conv"]["base"], others["base"], others["parameter_base"]):
        with pytest.raises(ImageError, match=r"second word of population 0, field 'state_base': \d+ lies in the block"):
            check(apart(at))
    with pytest.raises(ImageError, match=r"second word of population 0, field 'state_base': \d+ is outside \[0, 0\]"):
        check(apart(own, apart=0))
    words = apart(own)
    words[geometry("conv")] = GEOMETRY.pack(GEOMETRY.unpack(words[geometry("conv")]) | {"state_base": own + 1})
    with pytest.raises(ImageError, match=r"field 'state_base': .* what follows from its population word"):
        check(words)


def reachable(words, config, edges, populations):
    """Every state word that any event can update; raises IndexError if a weight lies outside the memory."""
    found = set()
    span = range(-(1 << config.kernel_bits), 12)
    owners = [layouts(config).edge.unpack(words[2 * populations + identifier])["population"]
              for identifier in range(edges)]
    for identifier in range(edges):
        channels = layouts(config).edge.unpack(words[2 * populations + identifier])["source_channels"]
        for channel, anchors in itertools.product({0, channels - 1}, itertools.product(span, span)):
            synapses = esu(words, populations, identifier, channel, anchors, config, strict=False)
            found |= {(owners[identifier], word) for word, _, _ in synapses}
    return found


@given(network=networks(size=4, depth=5, kernel=3), config=st.sampled_from([CONFIGS["fpga_small"], CONFIGS["kernel4"]]),
       data=st.data())
@settings(max_examples=150, deadline=None)
def test_what_passes_stays_inside_its_states(network, config, data):
    """A random field of a random word gets a random value: the image is refused, or all its events are harmless."""
    _, image = compile_network(network, config)
    words, table = image.memory(), layouts(config)
    address = data.draw(st.integers(0, 2 * image.populations + image.edges - 1))
    layout = table.edge if address >= 2 * image.populations else (table.geometry, table.population)[address % 2]
    field = data.draw(st.sampled_from([field for field in layout.fields if field.bits]))
    value = data.draw(st.sampled_from([field.low, field.high]) | st.integers(field.low, field.high))
    words[address] = layout.pack(layout.unpack(words[address]) | {field.name: value})
    refused = None
    try:
        validate(words, config, edges=image.edges, populations=image.populations)
    except ImageError as error:
        refused = str(error)
    if refused is not None:
        assert "field '" in refused or "bits above" in refused
        return
    for owner, word in reachable(words, config, image.edges, image.populations):
        fields = table.population.unpack(words[2 * owner + 1])
        first = fields["base"] + fields["axons"] + (1 if fields["uniform"] else fields["depth"])
        stride = -(-fields["depth"] // config.lanes) | fields["pad"]
        assert first <= word < first + fields["width"] * fields["height"] * stride
