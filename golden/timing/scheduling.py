"""The timestep scheduler of a core, cycle by cycle, without what it is not asked for: starts, errors, resets.

What decides its cycles are its turns at the scratch memory and the order in which it takes up what waits. Names are
those of the registers and states of the scheduler in hardware.
"""

from typing import Protocol

from golden.ports import READ_LATENCY
from golden.timing.microarchitecture import SCRATCH_TURNS

FOLLOWS = ("pay", "find", "count", "return", "spent", "finished")
"""States that work on the word that was read a turn before: no credit is looked up between."""
_AFTER_TURN = {"credit": "pay", "pay": "idle", "end": "find", "find": "count", "count": "return", "return": "idle",
               "spend": "spent", "spent": "idle", "finish": "finished", "finished": "idle"}
"""From a state, after its turn, to which state."""
NEVER = 1 << 60


class Around(Protocol):
    """What is around the scheduler of a core."""

    def offered(self, core: int) -> tuple[int, int, int] | None:
        """The token offered in this cycle: population, source, and whether it is an end. It is taken."""

    def settled(self, core: int) -> None:
        """From the next cycle on no value waits for an end that is counted."""

    def command(self, core: int, population: int) -> None:
        """An evaluation begins."""

    def returned(self, core: int, source: int) -> bool:
        """A credit for another core; whether it goes out in this cycle."""


class Scheduler:
    """Counts ends and credits, and tells what is evaluated when (docs/architecture.md, "Timesteps and credits").

    Args:
        core: its number, for `around`.
        incoming: ends that each population waits for. axons: credits that it needs.
        own: sources on this core, and which of its populations each is.

    Throughput: an access each SCRATCH_TURNS cycles, in cycles that this number divides.
    """

    def __init__(self, core: int, incoming: list[int], axons: list[int], own: dict[int, int], around: Around) -> None:
        self.core, self.incoming, self.axons, self.own, self.around = core, incoming, axons, own, around
        many = len(incoming)
        self.received, self.credits = [0] * many, list(axons)
        self.ready, self.credited = [False] * many, [True] * many
        self.backs: list[list[int]] = [[] for _ in range(many)]
        self.state, self.access, self.index = "idle", "idle", -1
        self.chooses, self.may_finish, self.evaluating, self.look_up = True, False, False, False
        self.held: tuple[int, int, int] | None = None
        self.counting = False
        self.found = self.any_ready = self.current = self.local = -1
        self.far: int | None = None
        self.owed: list[int] = []
        self.arriving: list[int] = []
        self.paid = self.completed = -1
        self.evaluated = self.drop = False
        self.arrives = NEVER
        self.stepped = -1
        self.finished = NEVER
        """Cycle from which on the evaluation's end is known."""

    def counted(self, population: int, source: int) -> None:
        """Before the first cycle: an end of a source has been counted."""
        self.received[population] += 1
        self.backs[population].append(source)
        self.ready[population] = self.received[population] == self.incoming[population]

    def spent(self, population: int) -> None:
        """Before the first cycle: a population has sent its ends, and has no credit left."""
        self.credits[population], self.credited[population] = 0, False

    def step(self, now: int) -> bool:
        """A cycle; returns whether the next one may change anything, if nothing comes."""
        self.stepped = now
        turn, state, access = now % SCRATCH_TURNS == 0, self.state, self.access
        does = access if turn and not self.look_up else ""
        looks = bool(self.owed) and not (
            self.arriving or self.local >= 0 or self.far is not None or state in FOLLOWS)
        may_finish = self.evaluating and now >= self.finished and not self.owed and not self.evaluated
        may = -1 if self.evaluating else next(
            (number for number, both in enumerate(zip(self.ready, self.credited, strict=True)) if all(both)), -1)
        found, free = self.found, self.held is None
        pulses = max(self.paid, self.completed) >= 0 or self.evaluated
        any_ready = -1 if self.evaluating else found
        choice = self._choice() if self.chooses else ""
        self.chooses = state == "idle" and not choice
        self._pulses(access)
        self._credits(now, turn)
        if choice:
            self._begin(choice, now)
        elif state == "start" and now == self.arrives:
            self.state, self.evaluating, self.finished = "command", True, NEVER
        elif state == "command":
            self.around.command(self.core, self.index)
            self.state = "spend"
        elif does == state and state in _AFTER_TURN:
            self._turn(state)
        self.access, self.look_up, self.may_finish = state, looks, may_finish
        self.found, self.any_ready = may, any_ready
        if free and (token := self.around.offered(self.core)) is not None:
            self.held, self.counting = token, bool(token[2])
        return (not self.chooses or not free or self.held is not None or pulses or max(may, found, any_ready) >= 0
                or bool(self.owed or self.arriving) or self.local >= 0 or self.far is not None
                or (self.evaluating and self.finished <= now + 1))

    def _choice(self) -> str:
        """What is done next: consuming comes first."""
        if self.local >= 0:
            return "local"
        if self.held is not None:
            return "begin"
        return "finish" if self.may_finish else "start" if self.any_ready >= 0 else ""

    def _pulses(self, access: str) -> None:
        """What follows a cycle after a turn."""
        if access == "spend" and self.state == "spend":
            self.credited[self.index] = False
        if self.paid >= 0:
            self.credited[self.paid] = True
        if self.completed >= 0:
            self.ready[self.completed] = True
        if self.evaluated:
            self.ready[self.current], self.evaluating, self.finished = False, False, NEVER
        if self.drop:
            self.held = None
        self.paid = self.completed = -1
        self.evaluated = self.drop = False

    def _credits(self, now: int, turn: bool) -> None:
        """Credits that are owed: looked up in a turn, here two cycles later, then counted or sent."""
        if self.far is not None and self.around.returned(self.core, self.far):
            self.far = None
        if self.arriving and now - self.arriving[0] == 2:
            source = self.arriving[1]
            self.arriving = []
            if source in self.own:
                self.local = self.own[source]
            else:
                self.far = source
        if turn and self.look_up:
            self.arriving = [now, self.owed.pop(0)]

    def _begin(self, choice: str, now: int) -> None:
        self.state = choice
        if choice == "local":
            self.state, self.index, self.local = "credit", self.local, -1
        elif choice == "begin":
            assert self.held is not None
            self.index = self.held[0]
            self.state, self.drop = ("end", False) if self.held[2] else ("credit", True)
        elif choice == "start":
            # Asked for in the second cycle, as the address is in a register.
            self.index = self.current = self.any_ready
            self.arrives = now + 2 + READ_LATENCY
        else:
            self.index = self.current

    def _turn(self, state: str) -> None:
        """What a state does in its turn."""
        index = self.index
        self.state = _AFTER_TURN[state]
        if state == "pay":
            self.credits[index] += 1
            self.paid = index if self.credits[index] == self.axons[index] else -1
        elif state == "count":
            assert self.held is not None
            self.received[index] += 1
            self.backs[index].append(self.held[1])
            self.completed = index if self.received[index] == self.incoming[index] else -1
            self.counting = False
            self.around.settled(self.core)
        elif state == "return":
            self.drop = True
        elif state == "spent":
            self.credits[index] = 0
            self.paid = index if not self.axons[index] else -1
        elif state == "finished":
            self.received[index], self.evaluated = 0, True
            self.owed, self.backs[index] = self.backs[index], []
