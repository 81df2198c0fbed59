"""The golden mesh: addresses, order, the host's credits, and what it refuses."""

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import EventError
from golden.host import encode, run_frame
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.network import dense
from golden.words import EventKind, layouts
from synapress.mapper import build_mesh, compile_network, lower, partition
from synapress.mapper.network.network import Network
from tests.helpers.cuts import ROOMY, cut_network, random_cut, random_places
from tests.helpers.networks import random_input, random_network


def two_layers() -> Network:
    network = Network("two")
    network.input("in", (2, 6, 5))
    network.conv("a", "in", np.full((3, 2, 3, 3), 3), padding=1, shift=4)
    network.output(network.conv("b", "a", np.full((2, 3, 1, 1), 5), shift=4))
    return network


def test_one_core_is_the_same_alone_and_in_a_mesh(seed: int) -> None:
    """Same events out, same memory, same counters."""
    for number in range(5):
        rng = np.random.default_rng([seed, 59, number])
        network = random_network(rng)
        _, image = compile_network(network, CoreConfig(), host=(0, -1))
        axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
        inputs = random_input(rng, network)
        frame = encode([(inputs[name], axons[name]) for name in axons], CoreConfig())
        alone = Core(CoreConfig(), image.parts, edges=image.edges, populations=image.populations)
        mesh = Mesh(CoreConfig(), {(2, 3): (image.parts, image.edges, image.populations)}, host=(2, 2))
        np.testing.assert_array_equal(run_frame(alone, frame), mesh.run_frame(frame))
        np.testing.assert_array_equal(alone.memory, mesh.cores[2, 3].memory)
        assert alone.counters == mesh.cores[2, 3].counters


def test_the_order_of_delivery_does_not_matter(seed: int) -> None:
    """Literal and vectorized cores, in order and at random: the same outputs, counters and traffic, over frames."""
    rng = np.random.default_rng([seed, 61])
    network = cut_network(rng)
    result = random_cut(rng, lower(network), ROOMY)
    image = build_mesh(result, random_places(rng, result, (3, 3)), (3, 3))
    frames = [random_input(rng, network) for _ in range(3)]
    runs = []
    for random, literal in ((None, False), (None, True), (np.random.default_rng(1), False),
                            (np.random.default_rng(2), False)):
        mesh = Mesh(ROOMY, image.words(), host=image.host, random=random, literal=literal)
        outputs = [decode_frame(mesh.run_frame(encode_frame(inputs, image.manifest["inputs"], ROOMY)),
                                image.manifest["outputs"], ROOMY) for inputs in frames]
        runs.append((outputs, {place: core.counters for place, core in mesh.cores.items()}, mesh.traffic))
    expected = [dense.run(result.program, inputs, ROOMY) for inputs in frames]
    for outputs, counters, traffic in runs:
        for got, wanted in zip(outputs, expected, strict=True):
            for name, values in got.items():
                np.testing.assert_array_equal(values, wanted[name].outputs)
        assert counters == runs[0][1] and traffic == runs[0][2]
    assert sum(runs[0][2].values()) > 50


def test_a_missing_end_and_a_missing_core_are_named() -> None:
    result = partition(lower(two_layers()), CoreConfig())
    image = build_mesh(result, {"a": (0, 0), "b": (1, 0)}, (2, 1))
    inputs = {"in": np.ones((2, 6, 5), int)}
    frame = encode_frame(inputs, image.manifest["inputs"], CoreConfig())
    event = layouts(CoreConfig()).event
    kinds = event.unpack_array(frame)["kind"]
    mesh = Mesh(CoreConfig(), image.words(), host=image.host)
    assert len(mesh.run_frame(frame[kinds == EventKind.VALUE])) == 0, "without an end nothing is evaluated"
    assert len(mesh.run_frame(frame[kinds == EventKind.END])) > 1, "it comes later"
    alone = Mesh(CoreConfig(), {(0, 0): image.words()[0, 0]}, host=image.host)
    with pytest.raises(EventError, match=r"core \(0, 0\) sends \d+ events to \(1, 0\), where there is no core"):
        alone.run_frame(frame)
    mesh = Mesh(CoreConfig(), image.words(), host=image.host)
    extra = event.pack(kind=EventKind.END, core_y=1, y=1, id=0)
    with pytest.raises(EventError, match="1 ends of timestep of the frame were not answered"):
        mesh.run_frame(np.append(frame, np.uint64(extra)))
    assert mesh.cores[0, 0].counters["protocol_error"] == 1


def test_a_source_never_runs_more_than_one_timestep_ahead() -> None:
    """Two frames at once: the second waits for credits, and comes out whole once the host has returned its own."""
    result = partition(lower(two_layers()), CoreConfig())
    image = build_mesh(result, {"a": (0, 0), "b": (1, 0)}, (2, 1))
    mesh = Mesh(CoreConfig(), image.words(), host=image.host)
    frame = encode_frame({"in": np.ones((2, 6, 5), int)}, image.manifest["inputs"], CoreConfig())
    event = layouts(CoreConfig()).event
    first = mesh.run(frame)
    second = mesh.run(frame)
    ends = [int(np.sum(event.unpack_array(part)["kind"] == EventKind.END)) for part in (first, second)]
    assert ends == [1, 0], "without a credit of the host, 'b' keeps its second timestep"
    third = mesh.run(np.array([event.pack(kind=EventKind.CREDIT, core_x=1, core_y=1, id=0)], np.uint64))
    fields = event.unpack_array(third)
    assert int(np.sum(fields["kind"] == EventKind.END)) == 1
    assert int(np.sum(fields["kind"] == EventKind.VALUE)) == int(
        np.sum(event.unpack_array(first)["kind"] == EventKind.VALUE)) > 0


def test_events_from_one_place_to_another_stay_in_order(seed: int) -> None:
    """The host to itself: many runs of events, moved in pieces of random size, between others to a core."""
    result = partition(lower(two_layers()), CoreConfig())
    image = build_mesh(result, {"a": (0, 0), "b": (0, 0)}, (1, 1))
    mesh = Mesh(CoreConfig(), image.words(), host=image.host, random=np.random.default_rng(seed))
    event = layouts(CoreConfig()).event
    for first in range(0, 400, 40):
        mesh._send(image.host, np.array([event.pack(c=c, core_y=0 if c % 3 else 1) for c in range(first, first + 40)],
                                        np.uint64))
    arrived = mesh.run(np.zeros(0, np.uint64))
    assert event.unpack_array(arrived)["c"].tolist() == [c for c in range(400) if c % 3]
    assert mesh.cores[0, 0].counters["values_in"] == 134
