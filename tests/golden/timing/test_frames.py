"""Frames in flight, against what can be reckoned by hand."""

import pytest

from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.timing.frames import END_CYCLES, HOST, Stage, run_frames

CONFIG = CoreConfig()


def stage(core: int, targets: list[int], events: int, cycles: float, gap: int = 1) -> Stage:
    """One that sends so many events to its first target."""
    return Stage(core=core, targets=targets, axons=[0] * events, times=[gap * number for number in range(events)],
                 cycles=[cycles] * events, length=gap * events)


def test_one_layer_takes_then_evaluates() -> None:
    """It cannot take a frame before it has evaluated the one before: both times add up."""
    found = run_frames([stage(HOST, [1], 100, 8), stage(0, [HOST], 0, 0, 1)], 1, CONFIG)
    assert found.interval == pytest.approx(100 * 8 + END_CYCLES, abs=4)
    slow = Stage(core=0, targets=[HOST], axons=[], times=[], cycles=[], length=300)
    assert run_frames([stage(HOST, [1], 100, 8), slow], 1, CONFIG).interval == pytest.approx(
        100 * 8 + END_CYCLES + 300, abs=4)
    assert found.busy == [100 * 8 + END_CYCLES]


def test_layers_on_two_cores_wait_for_each_other() -> None:
    """The first one sends no faster than the second takes, as queues are short; only then it takes the next frame."""
    stages = [stage(HOST, [1], 100, 10), stage(0, [2], 50, 40), stage(1, [HOST], 0, 0)]
    found = run_frames(stages, 2, CONFIG)
    assert found.busy == [1000 + END_CYCLES, 2000 + END_CYCLES]
    queued = 40 * (CONFIG.output_queue + CONFIG.input_queue + 1)
    period = 1000 + 2000 + 2 * END_CYCLES
    assert period - queued - 2 * END_CYCLES <= found.interval <= period + 4


def test_halves_of_a_layer_side_by_side() -> None:
    """Two independent chains on two cores take as long as one."""
    one = run_frames([stage(HOST, [1], 100, 10), stage(0, [HOST], 0, 0)], 1, CONFIG)
    two = run_frames([stage(HOST, [2], 100, 10), stage(HOST, [3], 100, 10), stage(0, [HOST], 0, 0),
                      stage(1, [HOST], 0, 0)], 2, CONFIG)
    assert two.interval == pytest.approx(one.interval, rel=0.05)
    assert len(two.finished) == 6 and two.finished == sorted(two.finished)


def test_local_events_go_through_the_local_queue() -> None:
    """On one core all updates add up, and the host's events fill the time in which no others come."""
    stages = [stage(HOST, [1], 200, 10), stage(0, [2], 100, 10), stage(0, [HOST], 0, 0)]
    found = run_frames(stages, 1, CONFIG)
    assert found.busy == [3000 + 2 * END_CYCLES]
    assert found.busy[0] <= found.interval + 1 <= found.busy[0] + 3 * END_CYCLES


def test_coarser_events_take_as_long() -> None:
    fine = [stage(HOST, [1], 960, 9), stage(0, [2], 480, 30), stage(1, [HOST], 0, 0)]
    coarse = [stage(HOST, [1], 120, 72), stage(0, [2], 60, 240, 8), stage(1, [HOST], 0, 0)]
    exact = run_frames(fine, 2, CONFIG).interval
    assert run_frames(coarse, 2, CONFIG, every=8).interval == pytest.approx(exact, rel=0.05)


def test_stages_that_wait_forever_are_told() -> None:
    circle = Stage(core=0, targets=[HOST, 1], axons=[], times=[], cycles=[], length=1)
    with pytest.raises(NetworkError, match="0 of 6 frames"):
        run_frames([stage(HOST, [1], 3, 4), stage(0, [2], 3, 4), circle], 1, CONFIG)
