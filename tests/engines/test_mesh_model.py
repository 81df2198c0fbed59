"""The model of a mesh's latency and interval: by hand, and against the simulation of its RTL."""

import numpy as np
import pytest

from benchmarks.mesh_model import BAR, compared, random_case
from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.network import fast
from golden.noc.mesh import MeshPlan
from golden.timing.frames import HOST, Stage
from golden.timing.mesh_frames import run_mesh, steady_interval
from golden.timing.pipeline import OperationStream
from synapress.engines.mesh_model import measured_paces
from synapress.engines.service import reordered
from synapress.mapper.throughput.stages import Frame
from tests.tb.test_mesh import CONFIG


@pytest.mark.parametrize("number", [7, 11, 14])
def test_simulated_mesh(number: int) -> None:
    """All cores and routers in RTL; of these three the model is within the bar, of some others it is not."""
    found = compared(random_case(number, CONFIG))
    assert abs(found["latency error"]) <= BAR and abs(found["interval error"]) <= BAR, found


def chain(cores: int, *, events: int, cycles: float) -> list[Stage]:
    """The host sends events to a population on each core by turns, and each sends it an end."""
    number = list(range(1, cores + 1))
    return [Stage(core=HOST, targets=number, axons=list(range(cores)) * events,
                  times=list(range(cores * events)), cycles=[cycles] * (cores * events), length=cores * events),
            *(Stage(core=core, targets=[HOST], axons=[], times=[], cycles=[], length=40) for core in range(cores))]


def test_an_event_by_hand() -> None:
    """One core beside the host: each block's latency once."""
    config = CoreConfig.load("fpga_small")
    found = run_mesh(chain(1, events=1, cycles=4), [(0, 0)], MeshPlan(1, 1), config, frames=1)
    # In: taken by the router in cycle 0, out at its local port, over queue and register to the ESU.
    value = 0 + 1 + 2
    # ESU 18, one operation, update 7 and write 3, a cycle more for an end; end 14, start 5, evaluation 40.
    out = value + 18 + 1 + 10 + 1 + 14 + 5 + 40
    # Out: the queue's 3, the router's 2.
    assert found.latency == out + 3 + 2


def test_work_of_the_busiest_core_is_the_interval() -> None:
    """Long events: the interval is their work and one end, and more cores do not change it."""
    config = CoreConfig.load("fpga_small")
    for cores in (1, 3):
        found = run_mesh(chain(cores, events=50, cycles=30), [(x, 0) for x in range(cores)], MeshPlan(cores, 1),
                         config, frames=6)
        assert found.busy == [1500.0] * cores
        assert 1500 < found.interval < 1500 + 150


def test_what_never_comes_out_is_refused() -> None:
    """A population that waits for its own end."""
    stages = [*chain(1, events=1, cycles=4)]
    stages[1] = Stage(core=0, targets=[1, HOST], axons=[], times=[], cycles=[], length=40)
    with pytest.raises(NetworkError, match="wait for each other"):
        run_mesh(stages, [(0, 0)], MeshPlan(1, 1), CoreConfig.load("fpga_small"), frames=1)


def test_interval_leaves_out_what_fills_and_empties_the_mesh() -> None:
    assert steady_interval([50, 51, 100, 110, 120, 999, 1000, 1001][:6]) == 10
    assert steady_interval([7]) == 0 and steady_interval([7, 17]) == 10


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


def test_measured_cycles_are_shared_by_the_events() -> None:
    """What a core was busy, but for the wait at ends, is what its events cost in all."""
    case = random_case(7, CONFIG)
    outputs = {name: result.outputs for name, result in fast.run(case.program, case.frame, CONFIG).items()}
    frame, order = Frame(case.cut, outputs), list(case.image.images)
    at = {item["name"]: order.index(tuple(item["place"])) for item in case.image.manifest["fragments"]}
    pace = measured_paces(frame, at, [10_000.0] * len(order))
    for core in range(len(order)):
        links = [(descriptor, source) for descriptor, source in pace if at[descriptor.edge.destination] == core]
        cost = sum(float(frame.events(*link).cycles.sum()) * pace[link] for link in links)
        ends = sum(len(frame.events(*link).cycles) > 0 for link in links)
        assert cost == pytest.approx(10_000 - 28 * ends)
