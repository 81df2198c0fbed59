"""The golden core: image in, events in; literal = vectorized = dense."""

import numpy as np
import pytest

from golden.accesses import evaluation_accesses, start_accesses
from golden.config import CoreConfig
from golden.core import Core
from golden.errors import EventError, ImageError
from golden.host import decode, encode, run_frame
from golden.network import dense
from golden.neuron.interface import NeuronModel
from golden.neuron.states import unpack_states
from golden.rooms import NEURON_TYPES
from golden.timing.microarchitecture import AXON_WORDS
from golden.words import EventKind, layouts
from synapress.mapper import Network, compile_network
from tests.helpers.networks import memory_after, random_input, random_network

CONFIGS = {
    "grai_vip": CoreConfig(), "fpga_small": CoreConfig.preset("fpga_small"),
    "lanes8": CoreConfig(name="lanes8", lanes=8, address_bits=14),
    "state32": CoreConfig(name="state32", lanes=4, state_bits=32, address_bits=14),
}


def run_both(config: CoreConfig, rng: np.random.Generator, frames: int, literal: bool, neurons: bool = False):
    network, expected = random_network(rng, neurons=neurons), None
    program, image = compile_network(network, config)
    core = Core(config, image.parts, edges=image.edges, populations=image.populations, literal=literal)
    axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    for _ in range(frames):
        inputs = random_input(rng, network)
        frame = encode([(inputs[name], axons[name]) for name in axons], config)
        core.trace.clear()
        expected = dense.run(program, inputs, config, before=expected)
        yield program, image, core, run_frame(core, frame), expected


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("literal", [False, True])
def test_core_equals_dense(name: str, literal: bool, seed: int) -> None:
    """Every state before its evaluation and every output of random networks, over several timesteps.

    Two of three networks have neurons of all types; what spiking ones keep is compared at the end.
    """
    config, outputs_seen, types = CONFIGS[name], 0, set()
    for number in range(6 if literal else 60):
        rng = np.random.default_rng([seed, number])
        for program, image, core, events, expected in run_both(config, rng, 4, literal, neurons=number % 3 != 0):
            types |= {(item.type, item.looks_up, item.slope is not None) for item in program.populations}
            trace = dict(core.trace)
            for entry in image.manifest["population_table"]:
                depth, width, height = entry["shape"]
                word, x, y = np.meshgrid(*map(np.arange, (entry["depth_words"], width, height)), indexing="ij")
                address = entry["state_base"] + x * entry["x_stride"] + y * entry["y_stride"] + word
                parts = [[trace[a] >> (64 * i) & (1 << 64) - 1 for i in range(config.word_bits // 64)]
                         for a in address.ravel().tolist()]
                words = np.array(parts, np.uint64)
                states = unpack_states(words[:, 0] if config.word_bits == 64 else words, config)
                states = states.reshape(*address.shape, config.lanes).transpose(0, 3, 1, 2).reshape(-1, width, height)
                np.testing.assert_array_equal(states[:depth], expected[entry["name"]].states, err_msg=entry["name"])
            for output in image.manifest["outputs"]:
                got = decode(events, output["id"], tuple(output["shape"]), config)
                np.testing.assert_array_equal(got, expected[output["name"]].outputs)
                outputs_seen += int(np.count_nonzero(got))
            assert core.counters["unknown_id"] == core.counters["unknown_channel"] == 0
            assert core.counters["address_error"] == core.counters["protocol_error"] == 0
        np.testing.assert_array_equal(core.memory[: len(image.parts)], memory_after(image, expected))
    assert outputs_seen > 20
    if not literal:
        assert {item[0] for item in types} == {0, 1, 2, 3, 4, 6} and {item[1:] for item in types} == {
            (False, False), (False, True), (True, False), (True, True)}


def test_literal_equals_vectorized(seed: int) -> None:
    """Memory, events in order, trace and counters, those of accesses too."""
    config = CoreConfig(access_counters=1)
    for number in range(5):
        runs = []
        for literal in (False, True):
            rng = np.random.default_rng([seed, 99, number])
            *_, (_, _, core, events, _) = run_both(config, rng, 2, literal, neurons=True)
            runs.append((core, events))
        (fast, fast_events), (literal_core, literal_events) = runs
        np.testing.assert_array_equal(fast_events, literal_events)
        np.testing.assert_array_equal(fast.memory, literal_core.memory)
        assert fast.trace == literal_core.trace
        assert fast.counters == literal_core.counters and fast.counters["synapses"] > 0


def test_accesses_are_those_of_the_manifest(seed: int) -> None:
    """Evaluations and axons by sizes of the manifest and values of the dense model; a start reads all populations."""
    config, seen = CoreConfig(access_counters=1), set()
    for number in range(12):
        rng, evaluation, axons, tables = np.random.default_rng([seed, 98, number]), 0, 0, 0
        for _, image, core, _, values in run_both(config, rng, 2, literal=False, neurons=True):
            for entry in image.manifest["population_table"]:
                depth, width, height = entry["shape"]
                looked_up = depth if entry["table_words"] else 0
                evaluation += 1 + entry["parameters"] + entry["depth_words"] * width * height
                again = np.count_nonzero(values[entry["name"]].outputs) if entry["axons"] > AXON_WORDS else 0
                axons += (1 + again) * entry["axons"]
                tables += looked_up * width * height
                seen.add((entry["table_words"] > 0, entry["parameters"] == 1, entry["axons"] > 1))
            assert core.counters["evaluation_reads"] == evaluation
            assert (core.counters["axon_reads"], core.counters["table_reads"]) == (axons, tables)
        words = sum(entry["depth_words"] * entry["shape"][1] * entry["shape"][2]
                    for entry in image.manifest["population_table"])
        assert core.counters["evaluation_writes"] == 2 * words
        assert core.counters["state_reads"] == core.counters["write_back_writes"] == core.counters["word_ops"] > 0
        core.stop()
        core.start()
        assert core.counters["evaluation_reads"] == evaluation + image.populations + image.edges
    assert {len(set(column)) for column in zip(*seen, strict=True)} == {2}, "tables, uniform parameters, several axons"


@pytest.mark.parametrize("uniform", [0, 1])
def test_second_words_are_read_too(uniform: int) -> None:
    """Of a population of 5 channels of 2×3 refractory neurons with 3 far axons, of which 4 neurons fire."""
    config = CoreConfig(neuron_types=("sum", "refractory"))
    (code,) = NEURON_TYPES.load("refractory", NeuronModel).codes
    population = {**dict.fromkeys((field.name for field in layouts(config).population.fields), 0), "type": code,
                  "depth": 5, "width": 2, "height": 3, "axons": 3, "uniform": uniform, "extended": 1}
    near, far = (evaluation_accesses(population, {"far_axons": number, "apart": 0}, 4, config) for number in (0, 1))
    parameters, states = 2 if uniform else 10, 2 * 2 * 3
    assert near == {"evaluation_reads": 2 + parameters + states, "evaluation_writes": states, "axon_reads": 3,
                    "table_reads": 0}
    assert far == near | {"axon_reads": 5 * 3 * 2}
    assert start_accesses(4, 7) == {"evaluation_reads": 11} and start_accesses(0, 7) == {"evaluation_reads": 0}


@pytest.mark.parametrize("literal", [False, True])
def test_bad_events_are_dropped_and_counted(literal: bool, seed: int) -> None:
    config = CoreConfig()
    rng = np.random.default_rng([seed, 7])
    network = random_network(rng)
    _, image = compile_network(network, config)
    core = Core(config, image.parts, edges=image.edges, populations=image.populations, literal=literal)
    pack = core.layouts.event.pack
    before = core.memory.copy()
    events = [pack(id=31, v=5), pack(id=0, c=1023, v=5), pack(kind=1, id=31), pack(kind=2, id=31), pack(kind=3)]
    core.run(np.array(events, np.uint64))
    assert core.counters["unknown_id"] == core.counters["unknown_channel"] == 1
    assert core.counters["protocol_error"] == 3
    np.testing.assert_array_equal(core.memory, before)


@pytest.mark.parametrize("literal", [False, True])
def test_surplus_ends_and_credits_are_dropped_and_counted(literal: bool) -> None:
    """One input with one end into one output with one axon: one credit comes back, and the outputs are the same."""
    network = Network("one")
    network.input("in", (1, 3, 3))
    network.output(network.conv("a", "in", np.full((1, 1, 1, 1), 2)))
    _, image = compile_network(network, CoreConfig())
    frame = encode([(np.arange(9).reshape(1, 3, 3), image.manifest["inputs"][0]["axons"])], CoreConfig())
    plain, given = (Core(CoreConfig(), image.parts, edges=1, populations=1, literal=literal) for _ in range(2))
    event = plain.layouts.event
    credit = np.array([event.pack(kind=EventKind.CREDIT, id=0)], np.uint64)
    for _ in range(2):
        wanted = plain.run(frame)
        np.testing.assert_array_equal(given.run(np.concatenate([credit, credit, frame, frame[-1:]])), wanted)
        kinds = event.unpack_array(wanted)["kind"].tolist()
        assert sorted(kinds) == [EventKind.VALUE] * 8 + [EventKind.END, EventKind.CREDIT]
        for core in (plain, given):
            core.run(credit)  # for the end that came out
    assert plain.counters["protocol_error"] == 0 and given.counters["protocol_error"] == 6
    assert plain.counters["ends"] == 2 and given.counters["ends"] == 4


@pytest.mark.parametrize("literal", [False, True])
def test_stopped_core_starts_afresh(literal: bool, seed: int) -> None:
    """Stopped after any event of a frame and loaded again, a core gives what a fresh one gives; counters go on."""
    config = CONFIGS["fpga_small"]
    for number in range(2 if literal else 12):
        rng = np.random.default_rng([seed, 88, number])
        network = random_network(rng, neurons=number % 2 == 0)
        _, image = compile_network(network, config)
        given = {"edges": image.edges, "populations": image.populations}
        axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
        inputs = random_input(rng, network)
        frame = encode([(inputs[name], axons[name]) for name in axons], config)
        fresh = Core(config, image.parts, **given, literal=literal)
        expected = run_frame(fresh, frame)
        unknown = np.uint64(fresh.layouts.event.pack(id=config.max_edges - 1, v=1))
        assert image.edges < config.max_edges
        core = Core(config, image.parts, **given, literal=literal)
        for taken in (0, len(frame), *rng.integers(1, len(frame) + 1, 2).tolist()):
            core.run(np.append(frame[:taken], unknown))
            memory, counters = core.memory.copy(), dict(core.counters)
            core.stop()
            with pytest.raises(EventError, match="the core is stopped"):
                core.run(frame)
            assert counters == core.counters
            np.testing.assert_array_equal(core.memory, memory)
            core.load(image.parts, **given)
            core.start()
            core.trace.clear()
            np.testing.assert_array_equal(run_frame(core, frame), expected)
            np.testing.assert_array_equal(core.memory, fresh.memory)
            assert core.trace == fresh.trace
            assert {name: core.counters[name] - counters[name] for name in counters} == fresh.counters
        assert core.counters["synapses"] > fresh.counters["synapses"] > 0 and core.counters["unknown_id"] == 4


def test_start_without_loading_keeps_the_states(seed: int) -> None:
    """What a stop leaves in memory is what the next frame starts with: the same as in a core made of that memory."""
    config = CONFIGS["fpga_small"]
    rng = np.random.default_rng([seed, 89])
    network = random_network(rng)
    _, image = compile_network(network, config)
    axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    inputs = random_input(rng, network)
    frame = encode([(inputs[name], axons[name]) for name in axons], config)
    core = Core(config, image.parts, edges=image.edges, populations=image.populations)
    core.run(frame[:len(frame) // 2])
    left = core.memory.copy()
    core.stop()
    core.start()
    other = Core(config, left, edges=image.edges, populations=image.populations)
    np.testing.assert_array_equal(run_frame(core, frame), run_frame(other, frame))
    np.testing.assert_array_equal(core.memory, other.memory)
    assert (left[:len(image.parts)] != image.parts).any()


def test_errors_name_what_is_wrong() -> None:
    config = CoreConfig()
    with pytest.raises(ImageError, match="32769 words, the memory 32768"):
        Core(config, np.zeros(32769, np.uint64), edges=0, populations=0)
    with pytest.raises(ImageError, match="33 edges"):
        Core(config, np.zeros(1, np.uint64), edges=33, populations=0)
    with pytest.raises(EventError, match=r"values from 0 to 300 do not fit an event: \[-256, 255\]|from 300 to 300"):
        encode([(np.full((1, 1, 1), 300), [])], config)
    core = Core(config, np.zeros(1, np.uint64), edges=0, populations=0)
    with pytest.raises(ImageError, match="the core is running"):
        core.load(np.zeros(1, np.uint64), edges=0, populations=0)
    with pytest.raises(EventError, match="an end is missing"):
        run_frame(core, np.array([core.layouts.event.pack(id=0)], np.uint64))
