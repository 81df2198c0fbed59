"""The model of a mesh's latency and interval: by hand, and against the simulation of its RTL."""

import dataclasses

import numpy as np
import pytest

from benchmarks.mesh_model import BAR, compared, random_case
from golden.errors import NetworkError
from golden.noc.mesh import MeshPlan
from golden.timing.frames import HOST
from golden.timing.mesh_frames import run_mesh
from golden.timing.mesh_stage import Evaluated, MeshStage, steady_interval
from golden.timing.pipeline import OperationStream
from synapress.engines.service import reordered
from tests.tb.test_mesh import CONFIG


@pytest.mark.parametrize("number", [7, 9, 14])
def test_simulated_mesh(number: int) -> None:
    """All cores and routers in RTL; of these three the model is within the bar, of few others it is not."""
    found = compared(random_case(number, CONFIG))
    assert abs(found["latency error"]) <= BAR and abs(found["interval error"]) <= BAR, found


def chain(cores: int, *, events: int, cycles: float) -> list[MeshStage]:
    """The host sends events to a population on each core by turns, and each sends it an end."""
    number = list(range(1, cores + 1))
    return [MeshStage(core=HOST, targets=number, edges=[0] * cores, tables=[False] * cores,
                      axons=list(range(cores)) * events, cycles=[cycles] * (cores * events),
                      turns=list(range(cores * events + 1))),
            *(MeshStage(core=core, targets=[HOST], edges=[0], tables=[False], axons=[], cycles=[],
                        evaluated=Evaluated(left=[], limits=[], begins=[0], end=40)) for core in range(cores))]


def test_an_event_by_hand() -> None:
    """One core beside the host: each block's latency once."""
    found = run_mesh(chain(1, events=1, cycles=1), [(0, 0)], MeshPlan(1, 1), CONFIG, frames=1)
    # Taken by the router in cycle 1, in the core's queue a cycle later, offered to the ESU after two.
    value = 1 + 1 + 2
    # ESU 18, one operation, update 7 and write 3, a cycle more for an end.
    end = value + 18 + 1 + 10 + 1
    # The end: held, chosen, then its turns in cycles that 3 divides: read the owner, and the word, and count.
    count = -(-(end + 3) // 3) * 3 + 6
    # Counted, ready, found, the first, chosen; asked for in the second cycle, there three later; the command.
    command = count + 1 + 1 + 1 + 1 + 1 + (1 + 3 + 1) + 1
    # The end is evaluated, comes to the PEG, which reads its axon in 5; 3 to the queue, 2 to its exit, 2 in the router.
    assert found.finished == [command + 40 + 1 + 5 + 3 + 2 + 2]
    assert found.started == [1]


def test_work_of_the_busiest_core_is_the_interval() -> None:
    """Long events: the interval is their work and one end, and more cores do not change it."""
    for cores in (1, 3):
        found = run_mesh(chain(cores, events=50, cycles=30), [(x, 0) for x in range(cores)], MeshPlan(cores, 1),
                         CONFIG, frames=6)
        assert found.busy == [1500.0] * cores
        assert 1500 < found.interval < 1500 + 150


def test_what_never_comes_out_is_refused() -> None:
    """A population that waits for its own end."""
    stages = [*chain(1, events=1, cycles=4)]
    stages[1] = dataclasses.replace(stages[1], targets=[1, HOST], edges=[1, 0], tables=[False, False])
    with pytest.raises(NetworkError, match="wait for each other"):
        run_mesh(stages, [(0, 0)], MeshPlan(1, 1), CONFIG, frames=1)


def test_interval_leaves_out_what_fills_and_empties_the_mesh() -> None:
    assert steady_interval([50, 51, 100, 110, 120, 999, 1000, 1001][:6]) == 10
    assert steady_interval([7]) == 0 and steady_interval([7, 17]) == 10
    # Early and late by turns.
    assert steady_interval([0, 10, 100, 140, 200, 240, 300, 340]) == 50


def test_reordered_events_keep_their_operations() -> None:
    """Event by event, against lists."""
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 4, 20)
    total = int(counts.sum())
    stream = OperationStream(operations=counts, edge=np.arange(20), geometry=np.arange(20) + 100,
                             table=np.full(20, -1), single=np.zeros(20, np.int64), state=np.arange(total),
                             weight=np.arange(total) + 500)
    order = rng.permutation(20)
    found, ends = reordered(stream, order), np.cumsum(counts)
    wanted = [at for event in order for at in range(ends[event] - counts[event], ends[event])]
    assert found.state.tolist() == wanted and found.weight.tolist() == [at + 500 for at in wanted]
    assert found.edge.tolist() == order.tolist() and found.operations.tolist() == counts[order].tolist()
