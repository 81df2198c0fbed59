"""Images for a compute-in-memory array: every synapse, threshold and potential of the program is in the words."""

import dataclasses

import numpy as np
import pytest

from golden.config import FLEXSPIM
from golden.core import Core
from golden.host import decode, encode, run_frame
from golden.memory_words import numbers
from golden.registers import errors
from synapress.mapper import Image
from synapress.mapper.cim.image import build_cim_image
from synapress.mapper.cim.shapes import STATIONARY, LayerOptions, LayerShape
from synapress.mapper.errors import RuleError
from tests.helpers.operands import array_synapses, layer_of, potentials, thresholds
from tests.helpers.spiking_programs import chain, fire, random_program
from tests.helpers.synapses import program_synapses

SMALL = dataclasses.replace(FLEXSPIM, name="small", address_bits=13, cim_rows=128, cim_columns=64, cim_tags=128)
WIDE = dataclasses.replace(SMALL, name="wide", lanes=8, cim_rows=64)


def shapes_of(image):
    """The shapes in a manifest, as they are given to `build_cim_image`."""
    names = {field.name for field in dataclasses.fields(LayerShape)}
    return {row["name"]: LayerShape(**{name: value for name, value in row["cim"].items() if name in names})
            for row in image.manifest["population_table"]}


def random_options(rng, options, saturate):
    """What may be left open, given for some layers."""
    return {name: dataclasses.replace(
        item, columns=int(rng.choice([1, 2, 3, 5, 7, 13])) if rng.random() < .7 else None,
        saturate=saturate and bool(rng.integers(2)),
        stationary=str(rng.choice(STATIONARY)) if rng.random() < .3 else None) for name, item in options.items()}


def random_image(rng, config, *, saturate=True):
    """A random program and its image; shapes that the array does not hold are drawn again."""
    while True:
        program, options = random_program(rng)
        try:
            return program, build_cim_image(program, config, random_options(rng, options, saturate))
        except RuleError as refused:
            if {item.rule for item in refused.violations} != {"array"}:
                raise


@pytest.mark.parametrize("config", [SMALL, WIDE], ids=["small", "wide"])
def test_every_synapse_threshold_and_potential_is_in_the_words(config, seed):
    """Read bit by bit from random images, of layers side by side in one array."""
    kinds = set()
    for number in range(12):
        program, image = random_image(np.random.default_rng([seed, 41, number]), config)
        for row in image.manifest["population_table"]:
            item, layer, words = program.population(row["name"]), layer_of(image, row["index"]), image.memory()
            assert array_synapses(image, program, item.name) == program_synapses(program, item.name)
            assert thresholds(words, layer, config.word_bits) == np.broadcast_to(item.threshold, item.shape[0]).tolist()
            initial = np.broadcast_to(0 if item.initial is None else item.initial, item.shape[0])
            assert potentials(words, layer, item.shape, config.word_bits) == {
                place: initial[place[0]] for place in np.ndindex(item.shape)}
            assert row["cim"]["stationary"] in STATIONARY
            kinds |= {("blocks", layer["blocks"] > 1), ("depthwise", layer["depthwise"]),
                      ("rows", layer["potential_rows"] > 1), ("edges", len(row["ids"]) > 1),
                      ("narrow", layer["last_groups"] < layer["groups"] and layer["potential_rows"] > 1)}
    assert len(kinds) == 10


def test_a_narrow_last_block_has_thresholds_of_a_whole_one():
    """Of operands of several rows, all of which have bits of the thresholds."""
    config = dataclasses.replace(SMALL, cim_columns=8)
    made = chain([("layer", np.ones((7, 2, 1, 1), np.int64), 1, 0, [99, 100, 101, 102, 103, 104, 105], 0)], (2, 3, 3))
    image = build_cim_image(made, config, {"layer": LayerOptions(potential_bits=8, columns=2)})
    layer = layer_of(image, 0)
    assert (layer["groups"], layer["last_groups"], layer["potential_rows"]) == (4, 3, 4)
    assert thresholds(image.memory(), layer, 64) == [99, 100, 101, 102, 103, 104, 105]


def test_given_shapes_make_the_same_image(tmp_path, seed):
    """What was chosen can be given, and an image is the same when it is loaded."""
    program, image = random_image(np.random.default_rng([seed, 42]), SMALL)
    again = build_cim_image(program, SMALL, shapes_of(image))
    assert again.manifest == image.manifest and np.array_equal(again.parts, image.parts)
    image.save(tmp_path)
    assert np.array_equal(Image.load(tmp_path).parts, image.parts)


@pytest.mark.parametrize("config", [SMALL, WIDE], ids=["small", "wide"])
def test_the_golden_core_fires_as_plain_numpy_does(config, seed):
    """Spikes of the outputs in each timestep, and the potentials that are left in memory, where potentials wrap."""
    fired = 0
    for number in range(10):
        rng = np.random.default_rng([seed, 43, number])
        program, image = random_image(rng, config, saturate=False)
        core = Core(config, image.parts, edges=image.edges, populations=image.populations)
        entry = image.manifest["inputs"][0]
        frames = rng.random((4, *entry["shape"])) < rng.choice([.1, .3, .6])
        bits = {row["name"]: row["cim"]["potential_rows"] * row["cim"]["columns"]
                for row in image.manifest["population_table"]}
        spikes, left = fire(program, {"in": frames}, bits)
        for timestep, frame in enumerate(frames):
            events = run_frame(core, encode([(frame, entry["axons"])], config))
            for output in image.manifest["outputs"]:
                assert np.array_equal(decode(events, output["id"], tuple(output["shape"]), config),
                                      spikes[output["name"]][timestep])
                fired += int(spikes[output["name"]][timestep].sum())
        words = numbers(core.memory)
        for row in image.manifest["population_table"]:
            found = potentials(words, layer_of(image, row["index"]), row["shape"], config.word_bits)
            assert found == {place: left[row["name"]][place] for place in np.ndindex(*row["shape"])}
        assert not any(core.counters[name] for name in errors(config) if name in core.counters)
    assert fired > 50
