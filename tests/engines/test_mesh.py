"""The simulator of whole meshes against the Verilog of a mesh, cycle by cycle, the golden mesh, and itself."""

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from golden.errors import NetworkError, ToolError
from golden.mesh import encode_frame
from golden.words import EventKind, layouts
from synapress.engines.mesh.run import MeshInput, MeshRun, Options, run
from synapress.engines.mesh.simulate import encode_inputs, ends_by_id, host_of, simulate_mesh, told
from synapress.mapper import MeshImage, RuleError, build_mesh, lower, partition
from synapress.mapper.network.network import Network
from tests.engines import mesh_reference
from tests.helpers.cuts import random_mesh
from tests.helpers.networks import random_input, random_network
from tests.tb.test_mesh import CONFIG

ALONE = Options(threads=1, adapts=False)


def case(rng: np.random.Generator, size: tuple[int, int], frames: int = 3) -> tuple[MeshImage, dict[str, np.ndarray]]:
    """A random network, cut anywhere and on any cores, with a host at the north edge; and frames for it."""
    while True:
        network = random_network(rng, layers=3, width=6, depth=6)
        try:
            _, image = random_mesh(rng, lower(network), CONFIG, size=size, host=(size[0] - 1, -1))
            break
        except (AssertionError, RuleError):  # too many parts for so few cores
            continue
    inputs = [random_input(rng, network) for _ in range(frames)]
    return image, {name: np.array([frame[name] for frame in inputs]) for name in inputs[0]}


def prepared(image: MeshImage, inputs: dict[str, np.ndarray]) -> MeshInput:
    """What the simulator gets, and how many ends a frame has, from the golden mesh."""
    from golden.mesh import Mesh

    table, count = image.manifest["inputs"], len(next(iter(inputs.values())))
    frames = [encode_inputs({name: array[number] for name, array in inputs.items()}, table, CONFIG)
              for number in range(count)]
    first = Mesh(CONFIG, image.words(), host=image.host).run_frame(np.concatenate(frames[0]))
    return MeshInput(CONFIG, image.size, host_of(image), image.words(), [len(entry["axons"]) for entry in table],
                     ends_by_id(first, CONFIG), frames)


def same(a: MeshRun, b: MeshRun) -> None:
    """All that came out, in which cycle, and what each core counted."""
    assert (a.first, a.cycles) == (b.first, b.cycles)
    for mine, theirs in zip([*a.events, *a.event_cycles], [*b.events, *b.event_cycles], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert sum(map(len, a.events)) > 0
    assert a.counters == b.counters and a.links == b.links and a.errors == b.errors
    for place, memory in a.memory.items():
        np.testing.assert_array_equal(memory, b.memory[place])


def in_order(passed: np.ndarray) -> np.ndarray:
    return passed[np.lexsort((passed[:, 1], passed[:, 0]))]


def same_as_verilog(rng: np.random.Generator, size: tuple[int, int], cases: int) -> int:
    """How many events passed links, all of them in the same cycles."""
    passed = 0
    stalls = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.9), (0.3, 0.3)]
    for number in range(cases):
        given = prepared(*case(rng, size))
        options = dataclasses.replace(ALONE, through_rows=True, passed=True, seed=number + 1,
                                      stall_in=stalls[number % 4][0], stall_out=stalls[number % 4][1])
        verilog = run(given, options, binary=mesh_reference.build(CONFIG, size, given.host))
        for sleep in (True, False):
            mine = run(given, dataclasses.replace(options, sleep=sleep))
            same(mine, verilog)
            np.testing.assert_array_equal(in_order(mine.passed), in_order(verilog.passed))
            passed += len(mine.passed)
    return passed


def test_every_cycle_is_that_of_the_verilog(seed: int) -> None:
    """Loading over the network of accesses, starts, frames, readback; stalls; with and without sleeping nodes."""
    assert same_as_verilog(np.random.default_rng([seed, 20]), (2, 1), 8) > 1000


@pytest.mark.long
@pytest.mark.parametrize("size", [(2, 2), (1, 3), (3, 3)])
def test_every_cycle_of_larger_meshes_is_that_of_the_verilog(size: tuple[int, int], seed: int) -> None:
    assert same_as_verilog(np.random.default_rng([seed, 21, *size]), size, 12) > 3000


def equal_golden(rng: np.random.Generator, cases: int, largest: int, depths: tuple[int, ...] = (2,)) -> None:
    used = 0
    for number in range(cases):
        size = int(rng.integers(1, largest + 1)), int(rng.integers(1, largest + 1))
        image, inputs = case(rng, size)
        found = simulate_mesh(image, inputs, dataclasses.replace(
            ALONE, seed=number, stall_in=0.2 * (number % 3), stall_out=0.3 * (number % 4),
            stall_links=0.2 * (number % 5), depth=depths[number // 60 % len(depths)]))
        assert found.comparison.equal, found.comparison.differences
        assert found.comparison.states and found.comparison.events and (found.run.latency > 0).all()
        used = max(used, len(image.images))
    assert used > 2


def test_networks_equal_golden(seed: int) -> None:
    equal_golden(np.random.default_rng([seed, 22]), 12, 3)


@pytest.mark.long
def test_many_networks_equal_golden(seed: int) -> None:
    """Any cuts and places, with pauses of the host and on each link, and queues of any depth."""
    equal_golden(np.random.default_rng([seed, 23]), 500, 4, (2, 3, 16))


@cache
def some(seed: int) -> MeshInput:
    return prepared(*case(np.random.default_rng([seed, 24]), (3, 2), frames=4))


@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_threads_and_sleep_change_no_cycle(stall: float, seed: int) -> None:
    base = dataclasses.replace(ALONE, stall_links=stall)
    alone = run(some(seed), base)
    for options in ({"threads": 2}, {"threads": 3, "sleep": False}, {"threads": 2, "adapts": True}):
        other = run(some(seed), dataclasses.replace(base, **options))
        same(alone, other)
        for place, trace in alone.trace.items():
            np.testing.assert_array_equal(trace, other.trace[place])
    awake = run(some(seed), dataclasses.replace(base, sleep=False))
    same(alone, awake)
    if stall:  # which takes time
        without = run(some(seed), ALONE)
        assert alone.cycles - alone.first > without.cycles - without.first
    assert sum(alone.evaluations.values()) < sum(awake.evaluations.values())


def test_a_stopped_run_goes_on(tmp_path: Path, seed: int) -> None:
    """At three cycles: what comes out is as without a stop, whatever was written after the checkpoint."""
    whole = run(some(seed), ALONE)
    folder = tmp_path / "saved"
    for part in range(1, 4):
        stop = whole.first + (whole.cycles - whole.first) * part // 4
        with pytest.raises(ToolError, match=f"stopped at cycle {stop}"):
            run(some(seed), dataclasses.replace(ALONE, checkpoint=folder, stop=stop))
    same(run(some(seed), dataclasses.replace(ALONE, checkpoint=folder, threads=2)), whole)
    assert not (folder / "checkpoint").exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, seed: int) -> None:
    given = some(seed)
    with pytest.raises(ToolError, match="stopped"):
        run(given, dataclasses.replace(ALONE, checkpoint=tmp_path, stop=given_cycles(seed)))
    with pytest.raises(ToolError, match="another run"):
        run(given, dataclasses.replace(ALONE, checkpoint=tmp_path, seed=99))


def given_cycles(seed: int) -> int:
    """A cycle in the middle of the frames."""
    whole = run(some(seed), ALONE)
    return (whole.first + whole.cycles) // 2


def test_a_mesh_that_waits_for_ever_tells_what_it_waits_for(seed: int) -> None:
    """The ends of an input's first frame are missing."""
    given, event = some(seed), layouts(CONFIG).event
    frames = [list(frame) for frame in given.frames]
    number = next(number for number, axons in enumerate(given.axons) if axons)
    events = frames[0][number]
    frames[0][number] = events[event.unpack_array(events)["kind"] != EventKind.END]
    if not len(frames[0][number]):
        frames[0][number] = np.array([event.pack({**event.unpack(int(events[-1])), "id": 31})], np.uint64)
    with pytest.raises(ToolError, match=rf"(?s)the mesh hangs: nothing is left to do.*core \(\d, \d\): READY IDLE.*"
                                        rf"input {number}: in frame 1, 0 of {given.axons[number]} credits"):
        run(dataclasses.replace(given, frames=frames), ALONE)


@pytest.mark.long
def test_waves_of_a_node_in_a_window(tmp_path: Path, seed: int) -> None:
    """A second build writes them, and changes nothing else."""
    whole = run(some(seed), ALONE)
    first, last = whole.first + 100, whole.first + 300
    place = next(iter(some(seed).images))
    waved = run(some(seed), dataclasses.replace(
        ALONE, waves=(place,), waves_to=tmp_path, waves_from=first, waves_end=last))
    same(whole, waved)
    text = (tmp_path / f"node_{place[0]}_{place[1]}.vcd").read_text()
    times = [int(line[1:]) for line in text.splitlines() if line.startswith("#")]
    assert times == list(range(first, last + 1)) and "around_idle" in text  # the last one is the file's end


def test_progress_tells_speed_and_time_left(seed: int) -> None:
    texts = []
    run(some(seed), ALONE, progress=lambda item: texts.append(told(item, 4)))
    assert all("cycles/s" in text for text in texts)


def test_inputs_are_encoded_as_frames_are(seed: int) -> None:
    image, inputs = case(np.random.default_rng([seed, 25]), (2, 2), frames=1)
    frame, table = {name: array[0] for name, array in inputs.items()}, image.manifest["inputs"]
    parts = np.concatenate(encode_inputs(frame, table, CONFIG))
    assert sorted(parts.tolist()) == sorted(encode_frame(frame, table, CONFIG).tolist()) and len(parts)


def test_a_host_inside_the_mesh_has_no_hardware() -> None:
    network = Network("net")
    network.input("in", (1, 4, 4))
    network.output(network.max_pool("most", "in", 2))
    image = build_mesh(partition(lower(network), CONFIG), {"most": (0, 0)}, (2, 1), host=(1, 0))
    with pytest.raises(NetworkError, match=r"engine 'rtl': the host of the mesh is at \(1, 0\)"):
        simulate_mesh(image, {"in": np.ones((1, 1, 4, 4), int)}, ALONE)
