"""The fast whole-network model against the dense reference, the event-by-event core and the mesh; counts of work."""

import dataclasses

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import EventError, NetworkError
from golden.host import decode, encode, run_frame
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.network import convolution, dense
from golden.network import fast as network
from golden.program import Edge, Population, Program
from golden.synapse.esu import expand_events
from golden.timing.cycles import firing_order
from golden.timing.operations import EdgeOperations, places
from golden.words import EventKind, NeuronType, Saturation, layouts
from synapress.mapper import build_image, compile_mesh, compile_network, lower
from tests.helpers.networks import random_input, random_network

CONFIG = CoreConfig()


def assert_equal(fast, reference):
    assert fast.keys() == reference.keys()
    for name, result in reference.items():
        assert np.array_equal(fast[name].states, result.states), name
        assert np.array_equal(fast[name].outputs, result.outputs), name


def random_program(rng, groups, kind):
    """One population and one or two edges of any shape into it, and its inputs; some dense, some nearly silent."""
    pair = lambda low, high: tuple(int(number) for number in rng.integers(low, high + 1, 2))  # noqa: E731
    per_group, per_result, shift = (int(number) for number in rng.integers(1, 5, 3))
    results = groups * per_result
    populations = [Population(name="out", shape=(results, *pair(1, 6)), type=kind, bias=rng.integers(-99, 99, results),
                              shift=rng.integers(0, 10, 1), saturation=Saturation.FULL)]
    edges, inputs = [], {}
    for number in range(int(rng.integers(1, 3))):
        source = Population(name=f"in{number}", shape=(groups * per_group, *pair(1, 8)), saturation=Saturation.FULL)
        uniform = per_group == per_result == 1 and groups > 1 and rng.random() < 0.5
        size = (1, 1) if uniform else (results, per_group)
        edges.append(Edge(
            name=f"edge{number}", source=source.name, destination="out", groups=groups, shift=shift - 1,
            weights=rng.integers(-128, 128, (*size, *pair(1, 4))), stride=pair(1, 4), padding=pair(-2, 4),
            dilation=pair(1, 3), upsample=int(rng.integers(0, 3))))
        shape = (2, *source.shape)
        inputs[source.name] = rng.integers(-256, 256, shape) * (rng.random(shape) < rng.choice([0.05, 0.3, 1.0]))
        populations.append(source)
    return Program(name="drawn", populations=populations, edges=edges, inputs=list(inputs), outputs=["out"]), inputs


@pytest.mark.parametrize("way", ["gather", "scatter", "groups", "maximum", "as it thinks"])
def test_any_edge_equals_dense(way, seed, monkeypatch):
    if way in ("gather", "scatter"):
        monkeypatch.setattr(convolution, "_scatters", lambda *_: way == "scatter")
    rng, fired = np.random.default_rng(seed), 0
    for _ in range(100):
        groups = int(rng.integers(2, 5)) if way == "groups" else int(rng.integers(1, 4)) if way == "maximum" else 1
        program, inputs = random_program(rng, groups, NeuronType.MAX if way == "maximum" else NeuronType.SUM)
        result = network.run(program, inputs, CONFIG)
        assert_equal(result, dense.run(program, inputs, CONFIG))
        fired += np.count_nonzero(result["out"].outputs)
    assert fired > 1000


@pytest.mark.parametrize("pieces", [8, 0], ids=["pieces of float32", "float64"])
@pytest.mark.parametrize("depth", [700, 3000])
def test_sums_beyond_float32(seed, pieces, depth, monkeypatch):
    """Odd sums above 2**24, which float32 would round."""
    monkeypatch.setattr(convolution, "_MAX_FLOAT32_PIECES", pieces)
    rng = np.random.default_rng(seed)
    source = Population(name="in", shape=(depth, 2, 1))
    edge = Edge(name="edge", source="in", destination="out", weights=rng.integers(120, 128, (3, depth, 1, 1)), shift=2)
    program = Program(name="wide", populations=[source, Population(name="out", shape=(3, 2, 1))], edges=[edge],
                      inputs=["in"], outputs=["out"])
    config = CoreConfig(name="wide", state_bits=32, lanes=2, value_bits=9)
    inputs = {"in": rng.integers(250, 256, (2, *source.shape))}
    result = network.run(program, inputs, config)
    assert result["out"].state_range[0] > 4 << 24
    assert_equal(result, dense.run(program, inputs, config))


def test_states_and_products_wrap(seed):
    """Sums beyond 32 bits, some by the product shift only, and products beyond 16 bits, with the widest values."""
    rng = np.random.default_rng(seed)
    for state_bits, kind, depth, weight in (
            (32, NeuronType.SUM, 900, 128), (16, NeuronType.SUM, 900, 128), (32, NeuronType.SUM, 110, 128),
            (32, NeuronType.SUM, 300, 1 << 30), (32, NeuronType.MAX, 9, 128), (16, NeuronType.MAX, 9, 128)):
        config = CoreConfig(name="wide", state_bits=state_bits, lanes=64 // state_bits, value_bits=16)
        source = Population(name="in", shape=(depth, 3, 2))
        out = Population(name="out", shape=(5, 2, 2), type=kind, saturation=Saturation.FULL, shift=np.array([16]))
        edge = Edge(name="edge", source="in", destination="out", shift=3, padding=(0, 1),
                    weights=rng.integers(weight * 2 // 3, weight, (5, depth, 2, 2)))
        program = Program(name="wrap", populations=[source, out], edges=[edge], inputs=["in"], outputs=["out"])
        inputs = {"in": rng.integers(30000, 32768, source.shape)}
        result = network.run(program, inputs, config)
        assert_equal(result, dense.run(program, inputs, config))
        if kind == NeuronType.SUM:
            assert result["out"].state_range[1] > 1 << 32
            assert {"out": result["out"].state_range} == dense.state_ranges(program, dense.run(program, inputs, config))


@pytest.mark.parametrize("number", range(12))
def test_neurons_of_all_types_over_timesteps(number, seed):
    """Slopes, tables, products and spiking neurons, whose states stay, equal the dense reference."""
    rng = np.random.default_rng([seed, 80, number])
    net = random_network(rng, layers=5, neurons=True)
    program = lower(net)
    timesteps = []
    for _ in range(4):
        frames = [random_input(rng, net, density) for density in (0.1, 0.6)]
        timesteps.append({name: np.stack([frame[name] for frame in frames]) for name in net.inputs})
    before = None
    for inputs, reference in zip(timesteps, dense.run_timesteps(program, timesteps, CONFIG), strict=True):
        before = network.run(program, inputs, CONFIG, before=before)
        assert_equal(before, reference)
        for population in program.populations:
            kept = before[population.name].kept
            assert (kept is not None) == (population.type == NeuronType.SPIKING)
            if kept is not None:
                np.testing.assert_array_equal(kept, reference[population.name].kept)


@pytest.mark.parametrize("number", range(4))
def test_random_networks_equal_dense_and_core(number, seed):
    """Batches equal the dense reference; a frame equals the event-by-event core in states, values and work."""
    rng = np.random.default_rng([seed, number])
    net = random_network(rng, layers=5)
    program, image = compile_network(net, CONFIG)
    frames = [random_input(rng, net, density) for density in (0.05, 0.5, 1.0)]
    batch = {name: np.stack([frame[name] for frame in frames]) for name in net.inputs}
    result, reference = network.run(program, batch, CONFIG), dense.run(program, batch, CONFIG)
    assert_equal(result, reference)
    assert {name: result[name].state_range for name in result if name not in program.inputs} \
        == dense.state_ranges(program, reference)

    core = Core(CONFIG, image.parts, edges=image.edges, populations=image.populations)
    for index, frame in enumerate(frames):
        events = run_frame(core, encode([(frame[entry["name"]], entry["axons"])
                                         for entry in image.manifest["inputs"]], CONFIG))
        for entry in image.manifest["outputs"]:
            outputs = result[entry["name"]].outputs[index]
            assert np.array_equal(decode(events, entry["id"], tuple(entry["shape"]), CONFIG), outputs)
            sent = decoded(events)
            mine = sent["id"] == entry["id"]
            assert np.array_equal([sent[name][mine] for name in ("c", "x", "y")],
                                  firing_order(outputs, CONFIG, host=False))
    traced = np.array([state for _, state in core.trace], np.uint64)
    assert np.array_equal(traced, _words(program, result, len(frames)))
    counts = network.counts(program, batch, CONFIG).values()
    counters = core.counters
    assert sum(count.events for count in counts) == counters["values_in"] + counters["values_local"] > 0
    assert sum(count.synapses for count in counts) == counters["synapses"] > 0
    assert sum(count.word_ops for count in counts) == counters["word_ops"] > 0


def _words(program, result, frames):
    """The states of the result as the words that the core evaluates, in its order."""
    order = [population for population in program.populations if population.name not in program.inputs]
    waits = {population.name: {edge.source for edge in program.edges_into(population.name)} for population in order}
    done, sequence = set(program.inputs), []
    while len(sequence) < len(order):  # the core evaluates the first population that is ready
        ready = next(population for population in order
                     if population.name not in done and waits[population.name] <= done)
        done.add(ready.name)
        sequence.append(ready)
    words = []
    for frame in range(frames):
        for population in sequence:
            depth = population.shape[0]
            states = np.zeros((-(-depth // CONFIG.lanes) * CONFIG.lanes, *population.shape[1:]), np.int64)
            states[:depth] = result[population.name].states[frame]
            states = states.reshape(-1, CONFIG.lanes, *population.shape[1:]).transpose(0, 2, 3, 1) & 0xFFFF
            words.append((states.astype(np.uint64) << np.arange(0, 64, 16, np.uint64)).sum(-1, np.uint64).ravel())
    return np.concatenate(words)


def test_meshes_of_cores_give_the_same(seed):
    """The uncut program, fast, equals its fragments event by event on small cores."""
    rng, cores, networks = np.random.default_rng(seed), 0, 6
    config = CoreConfig(name="tiny", address_bits=7)
    for _ in range(networks):
        net = random_network(rng, layers=6)
        _, _, image = compile_mesh(net, config)
        frame = random_input(rng, net)
        mesh = Mesh(config, image.words(), host=image.host)
        outputs = decode_frame(mesh.run_frame(encode_frame(frame, image.manifest["inputs"], config)),
                               image.manifest["outputs"], config)
        result = network.run(lower(net), frame, config, keep=net.outputs)
        assert outputs.keys() == result.keys()
        assert all(np.array_equal(outputs[name], result[name].outputs) for name in outputs)
        cores += len(mesh.cores)
    assert cores > networks


@pytest.mark.parametrize("number", range(8))
def test_work_of_an_edge_is_that_of_the_esu(number, seed):
    rng = np.random.default_rng([seed, number, 7])
    assert_work(*compile_network(random_network(rng, layers=6), CONFIG), rng)


@pytest.mark.parametrize(("source", "size", "kernel", "more"), [
    ((2, 60, 9), (20, 9), (4, 1), {"dilation": (8, 8), "padding": (-30, 0)}),  # an extent beyond the kernel's field
    ((2, 60, 9), (16, 8), (3, 3), {}),
    ((2, 60, 30), (7, 4), (3, 2), {"stride": (4, 4)}),  # many neurons beyond the last position
    ((2, 60, 30), (7, 5), (3, 2), {"stride": (2, 2), "padding": (-9, 2)}),
    ((2, 32, 9), (60, 9), (2, 2), {"stride": (8, 8), "upsample": 3}),  # a limit beyond the axon's field
    ((2, 31, 9), (30, 9), (2, 3), {"dilation": (2, 2), "padding": (-5, 1)}),
    ((2, 20, 9), (17, 9), (3, 3), {"upsample": 1, "stride": (4, 4), "padding": (2, 1)}),
])
def test_work_of_edges_that_overhang(source, size, kernel, more, seed):
    """Some events are sent in vain: the PEG's test is coarse."""
    rng = np.random.default_rng(seed)
    edge = Edge(name="edge", source="in", destination="out", weights=rng.integers(-9, 9, (5, 2, *kernel)), **more)
    program = Program(name="overhang", inputs=["in"], outputs=["out"], edges=[edge], populations=[
        Population(name="in", shape=source), Population(name="out", shape=(5, *size))])
    assert_work(program, build_image(program, CONFIG), rng)


@pytest.mark.parametrize("shape", [(1, 1, 3, 3), (9, 1, 3, 3)], ids=["one kernel", "a kernel each"])
def test_work_of_depthwise_kernels(shape, seed):
    """A kernel that all channels share is stored once."""
    rng = np.random.default_rng(seed)
    edge = Edge(name="edge", source="in", destination="out", weights=rng.integers(-9, 9, shape), groups=9)
    program = Program(name="depthwise", inputs=["in"], outputs=["out"], edges=[edge], populations=[
        Population(name="in", shape=(9, 7, 6)), Population(name="out", shape=(9, 5, 4))])
    assert_work(program, build_image(program, CONFIG), rng)


def assert_work(program, image, rng):
    """Operations, addresses and partial words of every edge, from the edge alone, as the ESU finds them in memory."""
    place, seen = places(image.manifest), 0
    for entry in image.manifest["edge_table"]:
        edge = next(edge for edge in program.edges if edge.name == entry["name"])
        source, destination = program.population(edge.source), program.population(edge.destination)
        work = EdgeOperations.of(edge, source, destination, CONFIG)
        values = rng.integers(0, 2, source.shape)
        axon = entry["axon"] | {"core_x": 1}
        events = decoded(encode([(values, [axon])], CONFIG))
        expected = expand_events(CONFIG, image.parts[:, 0], image.edges, image.populations, events)
        c, x, y = firing_order(values, CONFIG, host=True)
        sent = work.sends()[x, y]
        assert sent.sum() == len(events["c"]) and np.array_equal(c[sent], events["c"])
        found = work.work((c[sent], x[sent], y[sent]), place[edge.name], CONFIG)
        assert np.array_equal(found.state, expected.state_address)
        assert np.array_equal(found.weight, expected.weight_address >> CONFIG.byte_bits)
        assert np.array_equal(found.operations, np.bincount(expected.event, minlength=len(found.operations)))
        lanes = sum(expected.mask >> lane & 1 for lane in range(CONFIG.lanes))
        counts = work.counts(values)
        assert (counts.events, counts.word_ops) == (len(events["c"]), len(expected))
        assert counts.synapses == lanes.sum() and counts.partial_ops == np.sum(lanes < CONFIG.lanes)
        seen += len(expected)
    assert seen


def decoded(words):
    fields = layouts(CONFIG).event.unpack_array(words)
    return {name: array[fields["kind"] == EventKind.VALUE] for name, array in fields.items()}


# -- what comes out, and what is refused -------------------------------------------------------


@pytest.fixture
def small(seed):
    rng = np.random.default_rng(seed)
    net = random_network(rng, layers=3)
    frames = [random_input(rng, net) for _ in range(5)]
    return lower(net), {name: np.stack([frame[name] for frame in frames]) for name in net.inputs}


def test_batches_are_put_together(small, monkeypatch):
    program, batch = small
    whole, counts = network.run(program, batch), network.counts(program, batch)
    monkeypatch.setattr(network, "_CHUNK_NEURONS", 1)
    monkeypatch.setattr(network, "_CHUNK_EVALUATION", 3)
    monkeypatch.setattr(convolution, "_CHUNK_ELEMENTS", 1)
    assert len(list(network.stream(program, batch))) == 5 * len(program.populations)
    parts = network.run(program, batch)
    assert_equal(parts, whole)
    assert all(parts[name].state_range == whole[name].state_range for name in whole)
    assert network.counts(program, batch) == counts


def test_keep_and_single_frames(small):
    program, batch = small
    kept = network.run(program, {name: maps[2] for name, maps in batch.items()}, keep=program.outputs)
    whole = network.run(program, batch)
    assert set(kept) == set(program.outputs)
    for name, result in kept.items():
        assert result.states.ndim == 3 and np.array_equal(result.states, whole[name].states[2])
        assert result.outputs.dtype == np.int16 and np.array_equal(result.outputs, whole[name].outputs[2])


def test_an_empty_batch(small):
    program, batch = small
    empty = network.run(program, {name: maps[:0] for name, maps in batch.items()})
    assert all(result.states.shape == result.outputs.shape == (0, *program.population(name).shape)
               for name, result in empty.items())
    assert all(count.events == 0 for count in network.counts(
        program, {name: maps[:0] for name, maps in batch.items()}).values())


def test_refusals(small):
    program, batch = small
    with pytest.raises(NetworkError, match="no population nothing to keep"):
        network.run(program, batch, keep=["nothing"])
    with pytest.raises(NetworkError, match="inputs in; given: none"):
        network.run(program, {})
    with pytest.raises(NetworkError, match="needs shape"):
        network.run(program, {"in": batch["in"][:, :, 1:]})
    with pytest.raises(EventError, match=r"do not fit its range: \[0, 255\]"):
        network.run(program, {"in": batch["in"] + 256})
    edge = program.edges[0]
    for wrong in (dataclasses.replace(edge, weights=edge.weights[:, :0]), dataclasses.replace(edge, groups=1000),
                  dataclasses.replace(edge, weights=edge.weights + (1 << 31))):
        with pytest.raises(NetworkError, match=f"edge '{edge.name}': weights"):
            network.run(dataclasses.replace(program, edges=[wrong, *program.edges[1:]]), batch)
    with pytest.raises(NetworkError, match="has no incoming edge and is no input"):
        network.run(dataclasses.replace(program, edges=[other for other in program.edges if other is not edge]), batch)
