"""Mapping for throughput: the work model against what golden cores count, packing against all packings, and limits."""

import dataclasses
import itertools

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.network import fast
from golden.program import Program
from golden.timing.cycles import layer_cycles
from golden.timing.microarchitecture import END_LATENCY
from golden.timing.operations import places
from golden.types import Maps
from golden.words import layouts
from synapress.engines.interval import interval
from synapress.mapper import MeshImage, Network, RuleError, Throughput, compile_mesh, lower
from synapress.mapper.partition.cut import Cutter
from synapress.mapper.partition.fragments import Grid
from synapress.mapper.pipeline import Compilation, run
from synapress.mapper.placement.bin_packing import LIMITS, available
from synapress.mapper.throughput.balance import pack_balanced
from synapress.mapper.throughput.interval import bounds, longest_period, sending
from synapress.mapper.throughput.prediction import predict
from synapress.mapper.throughput.search import STYLES, spread
from synapress.mapper.throughput.work import FragmentWork, WorkModel, assumed, measured
from tests.helpers.cuts import CONFIGS, compare, cut_network, random_mesh
from tests.helpers.networks import random_input

CONFIG = CoreConfig()


def small(seed: int = 1) -> Network:
    """Two convolutions, a pool and a dense layer."""
    rng, network = np.random.default_rng(seed), Network("small")
    last = network.input("in", (2, 16, 8))
    last = network.conv("conv1", last, rng.integers(-9, 10, (8, 2, 3, 3)), shift=5)
    last = network.conv("conv2", last, rng.integers(-9, 10, (12, 8, 3, 3)), stride=2, shift=7)
    last = network.max_pool("pool", last, 2, stride=2)
    shape = network.shape(last)
    network.output(network.dense("dense", last, rng.integers(-9, 10, (10, *shape)), shift=9))
    return network


def frame(program: Program, seed: int = 1) -> Maps:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(1, 256, program.population(name).shape) for name in program.inputs}


def outputs_of(program: Program, inputs: Maps, config: CoreConfig = CONFIG) -> Maps:
    return {name: result.outputs for name, result in fast.run(program, inputs, config).items()}


def test_work_is_what_golden_cores_count(seed: int) -> None:
    """Of random networks, cuts and meshes, tables and depthwise edges among them: per core, to the operation."""
    operations = 0
    for number in range(12):
        rng = np.random.default_rng([seed, 77, number])
        network = cut_network(rng, neurons=False)
        program, config = lower(network), CONFIGS[number % len(CONFIGS)]
        cut, image = random_mesh(rng, program, config)
        inputs = random_input(rng, network)
        mesh = Mesh(config, image.words(), host=image.host)
        mesh.run_frame(encode_frame(inputs, image.manifest["inputs"], config))
        works = WorkModel(measured(outputs_of(program, inputs, config))).of(cut)
        where = _places(image)
        for place, core in mesh.cores.items():
            mine = [works[name] for name in works if where[name] == place]
            assert sum(work.word_ops for work in mine) == pytest.approx(core.counters["word_ops"]), number
            assert sum(work.synapses for work in mine) == pytest.approx(core.counters["synapses"]), number
            assert sum(work.events for work in mine) == pytest.approx(
                core.counters["values_in"] + core.counters["values_local"])
            operations += core.counters["word_ops"]
    assert operations > 1000


def _places(image: MeshImage) -> dict[str, tuple[int, int]]:
    return {entry["name"]: place for place, core in image.images.items()
            for entry in core.manifest["population_table"]}


def work_of(busy: float) -> FragmentWork:
    return FragmentWork(updates=busy, overhead=0, evaluation=0, synapses=0, word_ops=0, events=0)


@pytest.mark.parametrize("cores", [2, 3])
def test_no_packing_of_few_fragments_is_better(seed: int, cores: int) -> None:
    limits = dict.fromkeys(LIMITS, 100)
    for number in range(12):
        rng = np.random.default_rng([seed, 78, number])
        names = [f"f{index}" for index in range(int(rng.integers(3, 8)))]
        works = {name: work_of(float(rng.integers(1, 50))) for name in names}
        sends = {name: float(rng.integers(1, 40)) for name in names}
        needs = {name: dict.fromkeys(LIMITS, 1) | {"words": int(rng.integers(5, 50))} for name in names}
        best = np.inf
        for chosen in itertools.product(range(cores), repeat=len(names)):
            groups = [[name for name, core in zip(names, chosen, strict=True) if core == k] for k in range(cores)]
            if all(sum(needs[name]["words"] for name in group) <= 100 for group in groups):
                best = min(best, max(max(sum(works[name].busy for name in group), sum(sends[name] for name in group))
                                     for group in groups))
        found = pack_balanced(works, sends, needs, limits, cores)
        if found is None:
            assert best == np.inf
            continue
        assert sorted(name for item in found for name in item.names) == names
        assert all(item.needs["words"] == sum(needs[name]["words"] for name in item.names) <= 100 for item in found)
        assert max(max(sum(works[name].busy for name in item.names), sum(sends[name] for name in item.names))
                   for item in found) == best


def test_no_cut_of_a_tiny_network_is_better() -> None:
    """All cuts of two layers into up to two parts along each axis, and all their packings on two cores."""
    rng, network = np.random.default_rng(3), Network("tiny")
    first = network.conv("a", network.input("in", (2, 9, 8)), rng.integers(-9, 10, (8, 2, 3, 3)), shift=5)
    network.output(network.conv("b", first, rng.integers(-9, 10, (8, 8, 3, 3)), shift=7))
    program, rates = lower(network), assumed(lower(network))
    least, cutter = np.inf, Cutter(program, CONFIG)
    shapes = {name: program.population(name).shape for name in ("a", "b")}
    for parts in itertools.product((1, 2), repeat=6):
        grids = {name: Grid(*((0, size) if n == 1 else (0, size // 2, size) for size, n in zip(
            shapes[name], parts[3 * i:3 * i + 3], strict=True))) for i, name in enumerate(shapes)}
        if sum(grid.parts for grid in grids.values()) > 8:
            continue
        cut = cutter.cut(grids)
        works = WorkModel(rates).of(cut)
        sends = sending(cut, works)
        period = longest_period(works, sends)
        for chosen in itertools.product((0, 1), repeat=len(works)):
            loads = [[0.0, 0.0], [0.0, 0.0]]
            for core, (name, work) in zip(chosen, works.items(), strict=True):
                loads[core] = [loads[core][0] + work.busy, loads[core][1] + sends[name]]
            least = min(least, max(period, *loads[0], *loads[1]))
    work = run(Compilation(source=program, config=CONFIG, throughput=Throughput(cores=2)))
    assert work.balanced is not None
    assert work.balanced.bounds.interval <= 1.1 * least


def test_the_network_stays_the_same_within_its_limits() -> None:
    network, config = small(), dataclasses.replace(CoreConfig.preset("fpga_small"), mesh_bits=5)
    program = lower(network)
    for cores in (2, 5):
        cut, placed, image = compile_mesh(network, config, throughput=Throughput(cores=cores))
        assert 1 < len(image.images) <= cores and len(cut.hosted) >= cores
        compare(program, image, [frame(program)], np.random.default_rng(1))
        room = available(config)
        assert all(used[limit] <= room[limit] for used in placed.used.values() for limit in LIMITS)
        assert all(len(core.parts) <= config.memory_words for core in image.images.values())


def test_more_cores_are_faster_and_every_run_is_alike() -> None:
    program = lower(small())
    found = []
    for cores in (1, 2, 4, 4):
        work = run(Compilation(source=program, config=CONFIG, mesh=(2, 2), throughput=Throughput(cores=cores)))
        assert work.balanced is not None and isinstance(work.image, MeshImage)
        found.append((work.balanced.bounds.busiest, {place: core.parts.tobytes()
                                                     for place, core in work.image.images.items()}))
    assert found[0][0] > 1.6 * found[1][0] > 2.3 * found[2][0]
    assert found[2] == found[3]


def test_activity_is_what_frames_say() -> None:
    """Where frames are given, their events; else the same share of every layer."""
    program = lower(small())
    inputs = frame(program)
    one = run(Compilation(source=program, config=CONFIG, throughput=Throughput(cores=2, frames=inputs)), to="partition")
    half = run(Compilation(source=program, config=CONFIG, throughput=Throughput(cores=2, activity=0.5)), to="partition")
    full = run(Compilation(source=program, config=CONFIG, throughput=Throughput(cores=2, activity=1)), to="partition")
    assert one.balanced is not None and half.balanced is not None and full.balanced is not None
    counts = fast.counts(program, inputs, CONFIG)
    assert one.balanced.synapses == pytest.approx(sum(count.synapses for count in counts.values()))
    dense = fast.counts(program, {name: np.ones_like(values) for name, values in inputs.items()}, CONFIG)["in->conv1"]
    assert 2 * half.balanced.synapses - full.balanced.synapses == pytest.approx(dense.synapses)


def test_interval_of_real_events() -> None:
    """Work of the cores is exact, and no frame comes sooner than the busiest core allows."""
    program = lower(small())
    inputs = frame(program, 2)
    work = run(Compilation(source=program, config=CONFIG, throughput=Throughput(cores=3)))
    assert isinstance(work.image, MeshImage) and work.placement is not None and work.balanced is not None
    found = interval(work.balanced.cut, work.image, work.placement.places, outputs_of(program, inputs))
    mesh = Mesh(CONFIG, work.image.words(), host=work.image.host)
    mesh.run_frame(encode_frame(inputs, work.image.manifest["inputs"], CONFIG))
    for item in found.cores:
        assert item.synapses == mesh.cores[item.core].counters["synapses"]
        assert mesh.cores[item.core].counters["word_ops"] < item.busy
    assert found.exact and found.frames is not None
    assert found.cycles >= 0.99 * found.busiest.busy and found.frames.latency > found.cycles
    assert found.to_json()["ratio"] == round(found.cycles / found.ideal, 4)
    expected = predict(work.balanced.cut, work.placement.places, {}, balanced=work.balanced)
    assert expected.busiest == max(expected.cores, key=lambda core: expected.cores[core].busy)
    assert expected.to_json()["ideal"] == round(sum(core.synapses for core in expected.cores.values()) / 12)


def test_spread_frames_have_the_same_events() -> None:
    """Each axon's in the same order; at half of the values each axon has sent half of its own."""
    program = lower(small())
    inputs = frame(program)
    _, _, image = compile_mesh(small(), CONFIG, throughput=Throughput(cores=4))
    table = image.manifest["inputs"]
    plain, spread = (encode_frame(inputs, table, CONFIG, spread=flag) for flag in (False, True))
    fields = [layouts(CONFIG).event.unpack_array(events) for events in (plain, spread)]
    axons = [item["core_x"] * 1000 + item["core_y"] * 100 + item["id"] for item in fields]
    assert len(set(axons[0].tolist())) > 1
    for axon in set(axons[0].tolist()):
        np.testing.assert_array_equal(plain[axons[0] == axon], spread[axons[1] == axon])
        half = axons[1][:len(spread) // 2] == axon
        assert abs(2 * half.sum() - (axons[1] == axon).sum()) <= 4
    mesh = Mesh(CONFIG, image.words(), host=image.host)
    found = decode_frame(mesh.run_frame(spread), image.manifest["outputs"], CONFIG)
    np.testing.assert_array_equal(found["dense"], outputs_of(program, inputs)["dense"])


def test_busy_of_one_layer_is_that_of_the_replay() -> None:
    rng, network = np.random.default_rng(4), Network("one")
    network.output(network.conv("conv", network.input("in", (3, 9, 8)), rng.integers(-9, 10, (6, 3, 3, 3)), shift=5))
    program = lower(network)
    cut, placed, image = compile_mesh(network, CONFIG)
    outputs = outputs_of(program, frame(program))
    found = interval(cut, image, placed.places, outputs, frames=0)
    alone = layer_cycles(cut.program, "conv", outputs, CONFIG, places=places(image.images[0, 0].manifest))
    assert found.cycles == found.busiest.busy == alone.busy + END_LATENCY and found.frames is None
    assert found.firing == np.count_nonzero(outputs["conv"]) / outputs["conv"].size


def test_bounds_of_a_chain() -> None:
    """By hand: two layers on two cores take their events; the first one sends as long as the second one takes."""
    works = {"a": dataclasses.replace(work_of(100), evaluation=20),
             "b": dataclasses.replace(work_of(60), evaluation=7, sources={"a": 60.0})}
    network = Network("chain")
    first = network.conv("a", network.input("in", (1, 4, 4)), np.ones((1, 1, 1, 1), int))
    network.output(network.conv("b", first, np.ones((1, 1, 1, 1), int)))
    sends = sending(Cutter(lower(network), CONFIG).cut({}), works)
    assert sends == {"a": 60, "b": 7}
    assert vars(bounds(works, sends, [["a"], ["b"]])) == {"busiest": 100, "period": 160, "evaluating": 60}
    assert vars(bounds(works, sends, [["a", "b"]])) == {"busiest": 160, "period": 160, "evaluating": 67}


@pytest.mark.parametrize("style", STYLES)
def test_spread_reaches_the_count(style: str) -> None:
    program = lower(small())
    for name in ("conv1", "conv2", "dense"):
        population = program.population(name)
        most = -(-population.shape[0] // 4) * population.shape[1] * population.shape[2]
        for count in (1, 2, 3, 5, 12):
            parts = spread(population, style, count, 4)
            assert min(count, most) <= np.prod(parts) <= max(2 * count, 4), (name, count, parts)


def test_refusals() -> None:
    network = small()
    for wrong in ({"cores": 0}, {"cores": 2.0}, {"activity": 0.0}, {"activity": 1.5}):
        with pytest.raises(ConfigError, match="throughput"):
            Throughput(**wrong)
    for arguments, text in (({"mesh": None}, "on how many cores"), ({"mesh": False}, "asks for one core"),
                            ({"mesh": (1, 1), "throughput": Throughput(cores=2)}, "give fewer cores"),
                            ({"mesh": (2, 1), "pins": {"conv1": (0, 0)}}, "pins")):
        with pytest.raises(ConfigError, match=text):
            run(Compilation(source=network, config=CONFIG, **{"throughput": Throughput()} | arguments))
    tiny = dataclasses.replace(CONFIG, address_bits=8)
    with pytest.raises(RuleError, match="throughput"):
        compile_mesh(network, tiny, throughput=Throughput(cores=1))
