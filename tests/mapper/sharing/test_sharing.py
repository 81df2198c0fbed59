"""Populations that share states: what excludes what, and that many frames in flight never meet in one state."""

import dataclasses
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

import synapress
from golden.config import CoreConfig
from golden.errors import ConfigError, EventError, MappingError
from golden.network import dense
from golden.program import Program
from golden.types import IntArray
from synapress.mapper import Network, RuleError, lower
from synapress.mapper.image import mesh as mesh_images
from synapress.mapper.image.mesh import MeshImage, build_mesh
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.partition.search import partition
from synapress.mapper.pipeline import Compilation, run
from synapress.mapper.sharing.exclusion import Order, check_sharing, frame_guards, guarded, region_guards
from synapress.mapper.sharing.packing import FRAME, PIPELINE, WAYS, share
from tests.helpers.cuts import CONFIGS, ROOMY, random_cut, random_places
from tests.helpers.flight import Host
from tests.helpers.networks import random_input, random_network

FRAMES = 4


def chain(layers: int, *, width: int = 4) -> Network:
    """Layers one behind the other, of one size."""
    rng, network = np.random.default_rng(1), Network("chain")
    last = network.input("in", (4, width, width))
    for number in range(layers):
        last = network.conv(f"conv{number}", last, rng.integers(-60, 99, (4, 4, 3, 3)), padding=1, shift=8)
    network.output(last)
    return network


def test_what_excludes_what() -> None:
    """Two layers apart, as between neighbors one fires while the other accumulates; a branch is not behind another."""
    network = chain(5)
    order = Order(partition(lower(network), ROOMY))
    names = [f"conv{number}" for number in range(5)]
    found = {(first, second) for first in names for second in names if order.precedes(first, second)}
    assert found == {(first, second) for i, first in enumerate(names) for second in names[i + 2:]}
    assert order.in_flight() == 5
    assert order.unguarded("conv0", "conv2") == ["in"] and order.unguarded("conv1", "conv4") == ["conv0"]

    network = Network("branch")
    network.input("in", (4, 4, 4))
    identity = np.eye(4, dtype=int)[:, :, None, None]
    for name, source in (("a", "in"), ("b", "a"), ("c", "b")):
        network.conv(name, source, identity)
    network.output(network.add("sum", ["c", "a"]))
    order = Order(partition(lower(network), ROOMY))
    assert order.precedes("a", "c") and order.precedes("in", "b") and not order.precedes("b", "sum")
    assert not order.precedes("a", "sum")  # it hears of a itself
    assert order.in_flight() == 2  # by the short branch


def test_guards_by_hand() -> None:
    cut = partition(lower(chain(5)), ROOMY)
    (whole,) = frame_guards(cut)
    assert (whole.sources, whole.edge.destination, whole.silent) == (("in",), "conv4", True)
    (one,) = region_guards(Order(cut), [("conv1", "conv3")])
    assert (one.sources, one.edge.destination) == (("conv0",), "conv3")
    guarded = dataclasses.replace(cut, descriptors=[*cut.descriptors, one])
    assert Order(guarded).in_flight() == 3  # in, conv0, and by the guard conv3; conv4
    assert not Order(guarded).unguarded("conv1", "conv3")
    check_sharing(dataclasses.replace(guarded, regions=(("conv1", "conv3"),)))
    check_sharing(dataclasses.replace(cut, descriptors=[*cut.descriptors, whole],
                                      regions=(("conv0", "conv2", "conv4"), ("conv1", "conv3"))))


def test_delays_order_nothing() -> None:
    """A delay, and what hears it, share no states; layers behind them still do."""
    network = chain(5)
    (last,) = network.outputs
    network.delayed("late", last)
    network.conv("hears", "late", np.ones((1, 4, 1, 1), int))
    network.output("hears")
    config = dataclasses.replace(ROOMY, neuron_types=(*ROOMY.neuron_types, "delay"))
    order = Order(partition(lower(network), config))
    assert not order.shareable("late") and not order.shareable("hears") and order.shareable("conv4")
    assert not order.precedes("conv0", "hears") and order.precedes("conv0", "conv4")
    assert "late" in order.ends


def test_what_does_not_exclude_is_refused() -> None:
    cut = partition(lower(chain(5)), ROOMY)
    with pytest.raises(MappingError, match="'conv1' may get values before 'conv0' has evaluated"):
        check_sharing(dataclasses.replace(cut, regions=(("conv0", "conv1"),)))
    with pytest.raises(MappingError, match="'in' may begin its next timestep before 'conv2' has evaluated"):
        check_sharing(dataclasses.replace(cut, regions=(("conv0", "conv2"),)))
    network = Network("neurons")
    last = network.input("in", (2, 3, 3))
    for number in range(3):
        last = network.lif(f"lif{number}", [network.branch(last, np.ones((2, 2, 1, 1), int))], threshold=3)
    network.output(last)
    cut = partition(lower(network), ROOMY)
    with pytest.raises(MappingError, match="'lif0' keeps its states"):
        check_sharing(dataclasses.replace(cut, regions=(("lif0", "lif2"),)))
    assert not share(lower(network), ROOMY, FRAME).cut.regions


def test_the_same_words_once() -> None:
    """A chain of equal layers on one core takes the states of two of them."""
    small = dataclasses.replace(ROOMY, name="small", address_bits=11)
    before = run(Compilation(source=chain(6, width=12), config=small, mesh=True)).image
    work = run(Compilation(source=chain(6, width=12), config=small, mesh=True, share_states=FRAME))
    sharing, states = work.sharing, 6 * 12 * 12
    assert sharing is not None and isinstance(work.image, MeshImage) and isinstance(before, MeshImage)
    assert sharing.states == (states, states // 3) and sharing.in_flight == (6, 1) and sharing.guards == 1
    assert _state_words(before) == states and _state_words(work.image) == states // 3
    entries = [entry for image in work.image.images.values() for entry in image.manifest["population_table"]]
    assert len({entry["state_base"] for entry in entries}) == 2
    assert "3.00 times less" in str(sharing) and sharing.to_json()["state words"]["with"] == states // 3


def _state_words(image: MeshImage) -> int:
    return sum(region["words"] for core in image.images.values() for region in core.manifest["regions"]
               if region["category"] == "states")


Case = tuple[Network, PartitionedProgram, MeshImage]


def packed(rng: np.random.Generator, config: CoreConfig, way: str) -> Case:
    """A random network of which some fragments share states, on cores as the mapper fills them."""
    while True:
        network = random_network(rng, layers=int(rng.integers(3, 10)))
        small = dataclasses.replace(config, address_bits=int(rng.integers(8, 11)), mesh_bits=6)
        try:
            work = run(Compilation(source=network, config=small, mesh=True, share_states=way))
        except RuleError:
            continue
        if work.sharing is not None and work.sharing.cut.regions and isinstance(work.image, MeshImage):
            return network, work.sharing.cut, work.image


def scattered(rng: np.random.Generator, config: CoreConfig, way: str) -> Case:
    """Fragments on any cores, where they share states with any that they exclude."""
    while True:
        network = random_network(rng, layers=int(rng.integers(3, 8)))
        whole = random_cut(rng, lower(network), config)
        cut = guarded(whole, frame_guards(whole)) if way == FRAME else whole
        places, order = random_places(rng, cut, (2, 2)), Order(cut)
        regions: dict[object, list[str]] = {}
        for name in order.names:
            if name not in places or not order.shareable(name):
                continue
            free = [key for key, names in regions.items() if order.precedes(names[-1], name)
                    and places[names[-1]] == places[name]]
            regions.setdefault(free[int(rng.integers(len(free)))] if free else name, []).append(name)
        several = tuple(tuple(names) for names in regions.values() if len(names) > 1)
        if way == PIPELINE:
            cut = guarded(cut, region_guards(order, several))
        cut = dataclasses.replace(cut, regions=several)
        try:
            if several:
                return network, cut, build_mesh(cut, places, (2, 2))
        except RuleError:  # too many parts for so few cores
            continue


def wrong(program: Program, image: MeshImage, frames: list[dict[str, IntArray]], rng: np.random.Generator
          ) -> tuple[list[str], int]:
    """What differs from the uncut dense network, of all frames in flight; and most frames that were in flight."""
    host, found = Host(image, frames, rng), []
    host.run()
    expected = list(dense.run_timesteps(program, frames, image.config))
    for number, results in enumerate(expected):
        for name, values in host.outputs(number).items():
            found += [f"output {name}"] * (not np.array_equal(values, results[name].outputs))
        for entry in image.manifest["fragments"]:
            c, x, y = (slice(at, at + size) for at, size in zip(entry["origin"], entry["shape"], strict=True))
            mine = host.states[entry["name"]]
            right = len(mine) == len(frames) and np.array_equal(mine[number], results[entry["parent"]].states[c, x, y])
            found += [f"states {entry['name']}"] * (not right)
    errors = Counter[str]()
    for core in host.mesh.cores.values():
        errors.update({name: core.counters[name] for name in (
            "unknown_id", "unknown_channel", "address_error", "protocol_error")})
        found += [f"{name}: {count}" for name, count in errors.items() if count]
    return found, host.most_ahead


def check_random(make: Callable[..., Case], rng: np.random.Generator, cases: int) -> None:
    ahead: dict[str, Counter[int]] = {way: Counter() for way in WAYS}
    for number in range(cases):
        way, config = WAYS[number % 2], CONFIGS[number % 3]
        network, cut, image = make(rng, config, way)
        frames = [random_input(rng, network) for _ in range(FRAMES)]
        differences, most = wrong(lower(network), image, frames, rng)
        assert not differences, (number, differences)
        assert most <= Order(cut).in_flight() <= Order(unguarded(cut)).in_flight()
        ahead[way][most] += 1
    assert set(ahead[FRAME]) == {1} and (max(ahead[PIPELINE]) > 1 or make is packed)


MAKERS = pytest.mark.parametrize("make", [packed, scattered])


@MAKERS
def test_random_networks(make: Callable[..., Case], seed: int) -> None:
    """Several frames in flight, events in any order: every state and every output."""
    check_random(make, np.random.default_rng([seed, 1]), 12)


@pytest.mark.long
@MAKERS
def test_many_random_networks(make: Callable[..., Case], seed: int) -> None:
    check_random(make, np.random.default_rng([seed, 2]), 150)


def unguarded(cut: PartitionedProgram) -> PartitionedProgram:
    return dataclasses.replace(cut, descriptors=[
        item for item in cut.descriptors if not item.parent.startswith("guard->")])


@pytest.mark.parametrize("way", WAYS)
def test_without_guards_frames_meet(way: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which shows that the guards are needed, and that the comparison sees it."""
    monkeypatch.setattr(mesh_images, "check_sharing", lambda cut: None)
    rng, seen = np.random.default_rng([seed, 3]), 0
    for _ in range(30):
        if seen == 2:
            break
        network, cut, image = scattered(rng, ROOMY, way)
        places = {entry["name"]: tuple(entry["place"]) for entry in image.manifest["fragments"]}
        bare = build_mesh(unguarded(cut), places, image.size)
        try:
            seen += bool(wrong(lower(network), bare, [random_input(rng, network) for _ in range(FRAMES)], rng)[0])
        except EventError:
            seen += 1
    assert seen == 2


def test_what_does_not_go_together() -> None:
    network = chain(3)
    for more, message in (({"mesh": False}, "mesh = False"), ({"pins": {"conv0": (0, 0)}}, "pins")):
        with pytest.raises(ConfigError, match=f"share_states: does not go with {message}.*leave one of them out"):
            run(Compilation(source=network, config=ROOMY, share_states=FRAME, **more))
    with pytest.raises(ConfigError, match="'some' is no way to share states; there are frame, pipeline"):
        run(Compilation(source=network, config=ROOMY, share_states="some"))
    with pytest.raises(ConfigError, match="needs hit_test = 1"):
        run(Compilation(source=network, config=dataclasses.replace(ROOMY, hit_test=0), share_states=FRAME))


@pytest.mark.parametrize("way", WAYS)
def test_checks_take_guards_of_deeper_destinations(way: str) -> None:
    """A guard has its destination's channels, here more than its source has."""
    network, one = Network("deeper"), np.ones((3, 1, 1, 1), np.int64)
    network.input("in", (1, 2, 2))
    network.conv("middle", "in", one)
    network.output(network.conv("last", "middle", one, groups=3))
    shared = synapress.compile_to("partition", network, config=ROOMY, share_states=way, check=True)
    assert shared.sharing is not None and shared.checks[-1].step == "partition"
    assert way != FRAME or shared.sharing.guards == 1
