"""The core with a compute-in-memory array: against plain numpy, and step by step against many operations at once."""

import dataclasses

import numpy as np
import pytest

from golden.cim.layer import layer_address
from golden.config import FLEXSPIM, CoreConfig
from golden.core import Core
from golden.errors import ConfigError, EventError, ImageError
from golden.host import decode, encode, run_frame
from golden.network import fast
from golden.program import Edge, Population, Program
from golden.timing.cycles import evaluation_cycles, layer_cycles
from golden.timing.evaluating import neuron_times
from golden.types import IntArray
from golden.words import NeuronType
from synapress.mapper import build_image, legalize
from tests.helpers.cim_cores import CimCore, PlainLayers, place_regions, random_cim_core

SMALL = dataclasses.replace(FLEXSPIM, name="small_array", address_bits=13, cim_rows=128, cim_columns=32, cim_tags=128)
WIDE = dataclasses.replace(SMALL, name="wide_array", lanes=8)


def frames(rng: np.random.Generator, core: CimCore, timesteps: int) -> list[IntArray]:
    return [(rng.random(core.source) < rng.choice([0, .2, .6])).astype(np.int64) for _ in range(timesteps)]


def run(core: CimCore, model: Core, spikes: IntArray) -> dict[int, IntArray]:
    """A timestep: what the outputs say."""
    out = run_frame(model, encode([(spikes, core.inputs)], core.config))
    return {number: decode(out, number, core.layers[number].shape, core.config) for number in core.outputs}


def cores(core: CimCore, *literal: bool) -> list[Core]:
    return [Core(core.config, core.memory, edges=len(core.edges), populations=core.populations, literal=kind)
            for kind in literal]


@pytest.mark.parametrize("many", [12, pytest.param(600, marks=pytest.mark.long)])
@pytest.mark.parametrize("config", [SMALL, WIDE], ids=lambda config: config.name)
def test_layers_are_convolutions_of_spikes(config: CoreConfig, many: int, seed: int) -> None:
    """Spikes, potentials modulo 2**bits, synapses and neurons that fire, over some timesteps."""
    rng = np.random.default_rng([seed, 31, many])
    fired = 0
    for _ in range(many):
        core = random_cim_core(rng, config)
        plain, (model,) = PlainLayers(core), cores(core, False)
        for spikes in frames(rng, core, 3):
            wanted = plain.step(spikes)
            fired += sum(int(layer.sum()) for layer in wanted)
            assert {number: wanted[number].tolist() for number in core.outputs} == {
                number: found.tolist() for number, found in run(core, model, spikes).items()}
        for number, potential in enumerate(plain.potentials):
            assert core.potentials(model.memory, number).tolist() == potential.tolist()
        assert model.counters["synapses"] == sum(plain.adds) and model.counters["neurons_fired"] == fired
        fired = 0


@pytest.mark.parametrize("many", [6, pytest.param(250, marks=pytest.mark.long)])
@pytest.mark.parametrize("saturate", [False, True])
def test_step_by_step_is_the_same(saturate: bool, many: int, seed: int) -> None:
    """Events, memory, spikes and every counter: traffic, cycles and columns too; with flushes and new starts."""
    rng = np.random.default_rng([seed, 32, saturate, many])
    seen = dict.fromkeys(("operand_stores", "column_ops", "weight_reads", "address_error"), 0)
    clipped = 0
    for _ in range(many):
        core = random_cim_core(rng, SMALL, saturate=saturate)
        both = cores(core, False, True)
        plain = PlainLayers(core)
        for spikes in frames(rng, core, 3):
            quick, literal = (run(core, model, spikes) for model in both)
            plain.step(spikes)
            assert {number: found.tolist() for number, found in quick.items()} == {
                number: found.tolist() for number, found in literal.items()}
            assert both[0].counters == both[1].counters
            if rng.random() < .5:
                assert both[0].memory.tolist() == both[1].memory.tolist()
            if (chance := rng.random()) < .5:
                for model in both:
                    model.flush()
                    if chance < .2:
                        model.stop()
                        model.start()
        for model in both:
            model.flush()
        assert both[0].memory.tolist() == both[1].memory.tolist() and both[0].counters == both[1].counters
        seen = {name: count + both[0].counters[name] for name, count in seen.items()}
        clipped += any(core.potentials(both[0].memory, number).tolist() != potential.tolist()
                       for number, potential in enumerate(plain.potentials))
    assert all(count for name, count in seen.items() if name != "address_error") and (clipped > 0) == saturate


def test_layers_are_those_of_the_present_core(seed: int) -> None:
    """Where nothing overflows: spikes of the core with a neuron update, and states modulo 2**bits."""
    rng, config = np.random.default_rng([seed, 33]), CoreConfig(state_bits=32, multiplier_bits=12)
    spikes_seen = 0
    for number in range(4):
        made = random_cim_core(rng, SMALL, layers=1 + number % 2)
        for layer in made.layers:
            layer.potential_rows = max(layer.potential_rows, -(-20 // layer.columns))
            layer.thresholds = rng.integers(1, 60, layer.shape[0])
            layer.initial = np.broadcast_to(rng.integers(-40, 80, (layer.shape[0], 1, 1)), layer.shape)
            for edge in layer.edges:
                edge.weights = np.clip(edge.weights, -24, 63)
        place_regions(made.layers)
        core = CimCore(dataclasses.replace(SMALL, cim_rows=512), made.source, made.layers, {len(made.layers) - 1})
        program = legalize(present(core), config, whole=True)
        image = build_image(program, config)
        (cim,), neuron = cores(core, False), Core(config, image.parts, edges=image.edges, populations=image.populations)
        before = None
        for spikes in frames(rng, core, 4):
            events = run_frame(neuron, encode([(spikes, entry["axons"]) for entry in image.manifest["inputs"]], config))
            (entry,) = image.manifest["outputs"]
            wanted = decode(events, entry["id"], tuple(entry["shape"]), config)
            (found,) = run(core, cim, spikes).values()
            assert found.tolist() == wanted.tolist()
            spikes_seen += int(wanted.sum())
            before = fast.run(program, {"input": spikes}, config, before=before)
        for index, layer in enumerate(core.layers):
            kept = before[f"layer{index}"].kept
            assert ((core.potentials(cim.memory, index) - kept) % (1 << layer.bits) == 0).all()
        assert cim.counters["neurons_fired"] == neuron.counters["neurons_fired"]
        assert cim.counters["synapses"] == neuron.counters["synapses"]
    assert spikes_seen > 20


def present(core: CimCore) -> Program:
    """The same layers as a program."""
    def name(number: int) -> str:
        return "input" if number < 0 else f"layer{number}"

    return Program(
        name="layers", inputs=["input"], outputs=[name(number) for number in core.outputs],
        populations=[Population(name="input", shape=core.source), *(
            Population(name=name(number), shape=layer.shape, type=NeuronType.SPIKING, saturation=layer.reset & 1,
                       threshold=layer.thresholds, initial=layer.initial[:, 0, 0])
            for number, layer in enumerate(core.layers))],
        edges=[Edge(name=f"edge{number}", source=name(edge.source), destination=name(population),
                    weights=edge.weights, stride=(edge.stride,) * 2, padding=edge.padding,
                    groups=edge.weights.shape[0] if core.layers[population].depthwise else 1)
               for number, (population, edge) in enumerate(core.edges)])


def test_what_is_dropped(seed: int) -> None:
    """Events and words of all kinds that no mapper makes: dropped and counted alike, and nothing else is touched."""
    rng = np.random.default_rng([seed, 35])
    counted = dict.fromkeys(("address_error", "unknown_channel", "unknown_id"), 0)
    for kind in ("value", "max", "shift", "beyond", "lanes", "event"):
        core = random_cim_core(rng, SMALL, layers=1)
        words = core.words
        while (kind == "lanes" and not core.layers[0].depthwise) or (
                core.layers[0].shape[1], core.layers[0].blocks) != (2, 1):
            core = random_cim_core(rng, SMALL, layers=1)
        geometry, edge = int(core.memory[0, 0]), int(core.memory[2, 0])
        if kind == "lanes":
            edge = words.edge.pack(words.edge.unpack(edge) | {"source_channels": core.source[0] + 5})
        if kind in ("max", "beyond"):
            geometry = words.geometry.pack(words.geometry.unpack(geometry) | (
                {"max": 1} if kind == "max" else {"state_base": 1, "x_stride": SMALL.memory_words - 1}))
        if kind == "shift":
            edge = words.edge.pack(words.edge.unpack(edge) | {"shift": 2})
        core.memory[0, 0], core.memory[2, 0] = geometry, edge
        events = np.array([words.event.pack(
            id=int(rng.integers(3)) if kind == "event" else 0, x=int(rng.integers(-2, 6)), y=int(rng.integers(-2, 6)),
            c=int(rng.integers(core.source[0] + (5 if kind in ("lanes", "event") else 0))),
            v=int(rng.choice([-1, 2, 255])) if kind == "value" else 1) for _ in range(200)], np.uint64)
        both = cores(core, False, True)
        for model in both:
            model.run(events)
        assert both[0].counters == both[1].counters and both[0].memory.tolist() == both[1].memory.tolist()
        if kind in ("value", "max", "shift"):
            assert both[0].memory.tolist() == core.memory.tolist() and not both[0].counters["weight_reads"]
        counted = {name: count + both[0].counters[name] for name, count in counted.items()}
    assert all(counted.values())


def test_descriptors_that_cannot_be(seed: int) -> None:
    """Refused when the layer is needed, by both models."""
    rng = np.random.default_rng([seed, 36])
    core = random_cim_core(rng, SMALL, layers=1)
    made, first = core.descriptors[0], layer_address(0, SMALL)
    for change, message in (({"potential_row": 127, "potential_rows": made.potential_rows + 1},
                             "rows of potentials; available: 128"),
                            ({"base": 31, "columns": 2}, "columns; available: 32"),
                            ({"potential_rows": 128}, "bits of a potential; available: 62"),
                            ({"weight_rows": 100}, "bits of a weight"), ({"weight_words": 0}, "words of a weight")):
        core.memory[first:first + 4, 0] = dataclasses.replace(made, **change).pack(SMALL)
        for model in cores(core, False, True):
            with pytest.raises(ImageError, match=f"population 0: the layer's descriptor needs .*{message}"):
                run(core, model, np.ones(core.source, np.int64))


def test_flushes_that_cannot_be(seed: int) -> None:
    core = random_cim_core(np.random.default_rng([seed, 37]), SMALL, layers=1)
    model = cores(core, False)[0]
    model.stop()
    with pytest.raises(EventError, match="stopped, and its array forgotten"):
        model.flush()
    with pytest.raises(ConfigError, match="needs an array of operands, update cim; this core has update neuron"):
        Core(CoreConfig(), np.zeros(0, np.uint64), edges=0, populations=0).flush()


def test_cycles_are_not_replayed() -> None:
    """Of these cores; what can be asked for is refused."""
    program = Program(name="one", inputs=["in"], outputs=["out"], populations=[
        Population(name="in", shape=(1, 2, 2)), Population(name="out", shape=(1, 2, 2))], edges=[
        Edge(name="edge", source="in", destination="out", weights=np.ones((1, 1, 1, 1), np.int64))])
    for ask in (lambda: layer_cycles(program, "out", {"in": np.ones((1, 2, 2))}, FLEXSPIM),
                lambda: evaluation_cycles(program.population("out"), FLEXSPIM),
                lambda: neuron_times(program.population("out"), FLEXSPIM)):
        with pytest.raises(ConfigError, match="'update' = cim: its cycles are not replayed"):
            ask()


def test_counts_of_a_layer_that_stays(seed: int) -> None:
    """From the maps of spikes alone, if there is a slot for every operand: loaded once, and after a start again."""
    rng = np.random.default_rng([seed, 38])
    while True:
        core = random_cim_core(rng, SMALL, layers=1)
        (layer,), (made,) = core.layers, core.descriptors
        positions, taps = int(np.prod(layer.shape[1:])), layer.edges[0].weights[0].size
        if (layer.blocks == 1 and not layer.depthwise and layer.edges[0].padding == (0, 0)
                and 1 << layer.potential_slot_bits >= positions > 3
                and 1 << layer.weight_slot_bits >= taps):
            break
    model, plain, steps, rows = cores(core, False)[0], PlainLayers(core), 5, layer.potential_rows
    resets = 0
    for _ in range(steps):
        spikes = np.ones(core.source, np.int64)
        (fired,) = plain.step(spikes)
        resets += int(fired.any(axis=0).sum())
        run(core, model, spikes)
    adds = plain.adds[0] // layer.shape[0]
    cycles = rows * (adds + steps * positions + resets)
    loads = {"operand_loads": positions + taps + 1, "state_reads": positions * made.potential_words,
             "weight_reads": 4 + taps * made.weight_words + made.potential_words}
    wanted = {
        "cim_cycles": cycles, "column_ops": cycles * layer.columns * layer.shape[0],
        "idle_column_ops": cycles * (SMALL.cim_columns - layer.columns * layer.shape[0]), "operand_stores": 0,
        "word_ops": adds, "evaluation_reads": steps, "evaluation_writes": 0, "table_reads": 0, "axon_reads": steps,
        "write_back_writes": 0, **loads}
    assert {name: model.counters[name] for name in wanted} == wanted
    model.flush()
    wanted |= {"operand_stores": positions, "write_back_writes": positions * made.potential_words}
    assert {name: model.counters[name] for name in wanted} == wanted
    for change in (model.flush, lambda: (model.stop(), model.start())):
        before = dict(model.counters)
        change()
        run(core, model, np.ones(core.source, np.int64))
        assert {name: model.counters[name] - before[name] for name in loads} == loads
