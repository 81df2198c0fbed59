"""The ESU event by event against the replay of its registers."""

import numpy as np
import pytest

from golden.timing.esu import EventsOfEsu
from golden.timing.pipeline import OperationStream, replay
from golden.types import IntArray


def both(operations: IntArray, edge: IntArray, table: bool) -> tuple[int, float]:
    """Cycles of events that come without a pause: of the replay, and event by event."""
    many, total = len(operations), int(operations.sum())
    stream = OperationStream(
        operations=operations, edge=2 * edge + 1000, geometry=2 * edge + 1001,
        table=np.arange(many) + 500 if table else np.full(many, -1), single=np.zeros(many, np.int64),
        state=np.arange(total) % 4096, weight=np.arange(total) // 4 + 2)
    esu, now = EventsOfEsu(), 0
    for one, cycles in zip(edge.tolist(), operations.tolist(), strict=True):
        now = esu.take(now, one, cycles, table)
    return replay(stream, 4).busy, esu.idle


@pytest.mark.parametrize("table", [False, True])
def test_one_event(table: bool) -> None:
    for operations in (0, 1, 5):
        exact, found = both(np.array([operations]), np.zeros(1, np.int64), table)
        assert found == exact


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("run", [1, 2, 4, 100])
def test_events_by_turns(run: int, table: bool) -> None:
    """Runs of events of one ID, of so many operations each."""
    for operations in (0, 1, 3, 6, 12):
        edge = np.arange(60) // run % 2
        exact, found = both(np.full(60, operations), edge, table)
        assert abs(found / exact - 1) < 0.1, (operations, found, exact)


def test_mixed_events(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        many = 200
        exact, found = both(rng.integers(0, 12, many), rng.integers(0, 3, many), bool(rng.integers(2)))
        assert abs(found / exact - 1) < 0.08, (found, exact)
