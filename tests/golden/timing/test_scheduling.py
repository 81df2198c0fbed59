"""The scheduler cycle by cycle: how long ends, credits and starts take (docs/architecture.md, "Cycle costs")."""

import pytest

from golden.timing.scheduling import Scheduler


class Tokens:
    """Offers tokens one after another; writes down what the scheduler says."""

    def __init__(self, *tokens: tuple[int, int, int]) -> None:
        self.tokens, self.now = list(tokens), 0
        self.taken: list[int] = []
        self.settles: list[int] = []
        self.commands: list[tuple[int, int]] = []
        self.credits: list[tuple[int, int]] = []

    def offered(self, core: int) -> tuple[int, int, int] | None:
        if not self.tokens:
            return None
        self.taken.append(self.now)
        return self.tokens.pop(0)

    def settled(self, core: int) -> None:
        self.settles.append(self.now)

    def command(self, core: int, population: int) -> None:
        self.commands.append((self.now, population))

    def returned(self, core: int, source: int) -> bool:
        self.credits.append((self.now, source))
        return True


def run(around: Tokens, scheduler: Scheduler, first: int, cycles: int = 300, *, ends: int = 20) -> None:
    """So many cycles; an evaluation is over `ends` cycles after its command."""
    for around.now in range(first, first + cycles):
        scheduler.step(around.now)
        if around.commands and around.now == around.commands[-1][0] + ends:
            scheduler.finished = around.now


@pytest.mark.parametrize("first", [0, 1, 2])
def test_ends_and_credits(first: int) -> None:
    """An end takes 12 to 16 cycles, a credit 6 to 10; the command comes eleven after the last end is counted."""
    around = Tokens((0, 7, 1), (0, 8, 1), (0, 9, 1))
    run(around, Scheduler(0, [3], [1], {}, around), first)
    assert all(12 <= after - before <= 16 for before, after in zip(around.taken, around.taken[1:], strict=False))
    [(command, population)] = around.commands
    assert population == 0 and command == around.settles[-1] + 11
    # All that were counted get a credit each, in their order, one in six cycles.
    assert [source for _, source in around.credits] == [7, 8, 9]
    times = [time for time, _ in around.credits]
    assert times[1] - times[0] == times[2] - times[1] == 6

    around = Tokens((1, 7, 1), *[(0, 0, 0)] * 4)
    scheduler = Scheduler(0, [1, 1], [9, 1], {}, around)
    scheduler.credits[0] = 0
    run(around, scheduler, first)
    assert scheduler.credits[0] == 4 and [population for _, population in around.commands] == [1]


def test_order() -> None:
    """The lowest population is first, one after another; one waits for its credits."""
    around = Tokens((2, 7, 1), (1, 7, 1), (0, 7, 1))
    scheduler = Scheduler(0, [1, 1, 1], [1, 1, 1], {}, around)
    scheduler.credited[0], scheduler.credits[0] = False, 0
    run(around, scheduler, 0)
    assert [population for _, population in around.commands] == [2, 1]
    around.tokens.append((0, 0, 0))
    run(around, scheduler, 300)
    assert [population for _, population in around.commands] == [2, 1, 0]


def test_own_credits() -> None:
    """A credit for a population of this core is counted here."""
    around = Tokens((1, 5, 1))
    scheduler = Scheduler(0, [1, 1], [1, 1], {5: 0}, around)
    scheduler.credits[0] = 0
    run(around, scheduler, 0)
    assert scheduler.credits == [1, 0] and not around.credits
