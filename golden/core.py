"""The event core: queues, several populations, ends of timestep and credits, on a memory image.

The order in which a core takes its events does not change its states (accumulation wraps, the maximum commutes), so the
model takes them population by population; the events of one population come out in the hardware's order. Layers in an
array that saturate are the exception (`golden.cim.update`): there the order is that of the events given.
Bamberg et al., arXiv 2112.07019, sections 4 and 5; the credits are this project's (docs/architecture.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from golden.accesses import evaluation_accesses, operation_accesses, start_accesses
from golden.cim.engine import CimEngine, FastCimEngine
from golden.cim.literal import LiteralCimEngine
from golden.config import CoreConfig
from golden.engine import LOW_64, Engine, FastEngine, LiteralEngine
from golden.errors import ConfigError, EventError, ImageError
from golden.guard import agreeing
from golden.memory_words import numbers
from golden.neuron.types import built_types, neuron_model
from golden.registers import Status, counters, timed
from golden.synapse.mixed import first_extended
from golden.types import IntArray, Words
from golden.words import EventKind, layouts


@dataclass
class PopulationState:
    """What the scheduler knows of one population."""

    fields: dict[str, int]
    credits: int
    good: bool = True
    """False: `golden.guard` has found that its words do not agree, and it is never evaluated."""
    returns: list[tuple[int, int, int]] = field(default_factory=list)
    """(x, y, source population) of each end counted so far."""

    @property
    def complete(self) -> bool:
        """It has all its ends, and has not been evaluated."""
        return 0 < self.fields["incoming"] == len(self.returns)

    @property
    def can_evaluate(self) -> bool:
        return self.good and self.complete and self.credits == self.fields["axons"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A population evaluated, and what left the core because of it: first the credits, then what it sends."""

    population: int
    addresses: IntArray
    """Of its state words, in order."""
    states: Words
    """(n, words of 64 bits): these words before they were evaluated."""
    fired: IntArray
    """(n, 4): channel, column, row and value of the neurons that fired, in order."""
    credits: Words
    """CREDIT events to other cores, packed."""
    sent: Words
    """VALUE and END events to other cores, packed, in order."""
    local: Words
    """VALUE and END events to the own core."""
    paid: tuple[int, ...]
    """Populations of the own core that got a credit."""


class Core:
    """One event core that runs a memory image: loaded and started at once, stopped and started again at will.

    Args:
        words: the image, (words,) of 64 bits or (words, words of 64 bits); zeros fill the rest of the memory.
        edges, populations: how many IDs and populations it has.
        literal: the event-by-event reading of the algorithms instead of the vectorized one; slower, same result.

    Attributes:
        trace: (address, state word) of each state word evaluated, in order, of what `run` or `keep` were given.
        counters: events, synaptic operations and accesses to the memory, by the names of the hardware's counters, as if
            a host cleared these when the new core was ready and idle; a stop does not clear them.
        running: events are taken.

    Raises:
        ImageError: more words than the memory holds, or more edges or populations than the configuration allows.
    """

    def __init__(self, config: CoreConfig, words: Words, *, edges: int, populations: int, literal: bool = False):
        self.config = config
        self.layouts = layouts(config)
        self.counters = {name: 0 for name in counters(config) if name not in timed(config)}
        self.trace: list[tuple[int, int]] = []
        self.running = False
        in_array = config.update == "cim"
        self._kind: type[Engine] = ((LiteralCimEngine if in_array else LiteralEngine) if literal
                                    else (FastCimEngine if in_array else FastEngine))
        self._load(np.zeros((config.memory_words, config.word_bits // 64), np.uint64), words, edges, populations)
        self._start()
        self._clears = True

    def load(self, words: Words, *, edges: int, populations: int) -> None:
        """Write an image into a stopped core; the memory behind it stays as it is.

        Raises:
            ImageError: as the constructor; or the core is running.
        """
        if self.running:
            raise ImageError("the core is running: stop it before an image is loaded")
        self._load(self.memory.copy(), words, edges, populations)

    def _load(self, memory: Words, words: Words, edges: int, populations: int) -> None:
        config = self.config
        image = np.asarray(words, np.uint64).reshape(-1, config.word_bits // 64)
        if len(image) > config.memory_words:
            raise ImageError(f"the image has {len(image)} words, the memory {config.memory_words}")
        if edges > config.max_edges or populations > config.max_populations:
            raise ImageError(f"{edges} edges and {populations} populations exceed the configuration's "
                             f"{config.max_edges} and {config.max_populations}")
        memory[: len(image)] = image
        self.edges, self._population_count = edges, populations
        self.engine: Engine = self._kind(config, memory, edges, populations, self.counters)

    def start(self) -> None:
        """Read the population words, and begin with full credits and no end counted; the states are those in memory."""
        if isinstance(self.engine, CimEngine):
            self.engine.forget()
        self._start()
        self._clears = False
        looks = any(model.delays for model in built_types(self.config).values())
        others = self._population_count - len(self._late) if looks else 0
        self._access(start_accesses(self._population_count, self.edges, others))
        if self.config.guard_states:  # which reads all words of the populations
            extended = sum(population.fields["extended"] for population in self.populations)
            self._access({"evaluation_reads": 2 * self._population_count + extended})

    def _start(self) -> None:
        self.populations: list[PopulationState] = []
        good = None
        if self.config.guard_states:
            good = agreeing(self.engine.words()[:, 0], self._population_count, self.config)
        self.engine.good = good
        self.engine.first_extended = first_extended(
            self.config, self.engine.word, self.edges, self._population_count)
        for index in range(self._population_count):
            word = self.engine.word(2 * index + 1) & ((1 << 64) - 1)
            fields = self.layouts.population.unpack(word)
            self.populations.append(PopulationState(
                fields, credits=fields["axons"], good=good is None or good[index]))
        self.owner = [self._owner(identifier) for identifier in range(self.edges)]
        """Population of each event ID; None where the edge word names none that there is."""
        self._late = [index for index, item in enumerate(self.populations)
                      if item.good and neuron_model(item.fields["type"], self.config).delays]
        """Populations that owe the ends of the timestep before the first one."""
        self.running = True

    def _owner(self, identifier: int) -> int | None:
        address = (2 * self._population_count + identifier) % self.config.memory_words
        population = self.layouts.edge.unpack(self.engine.word(address) & LOW_64)["population"]
        return population if population < self._population_count else None

    def stop(self) -> None:
        """Forget the credits and the ends counted; memory and counters stay.

        The hardware also drops the events and the operations under way, which the model never leaves behind. So the
        states that a stop inside a timestep leaves differ; an image loaded before the next start makes them equal.
        """
        self.populations, self.owner, self._late = [], [], []
        self.running = False

    def flush(self) -> None:
        """The hardware's FLUSH: potentials in the array go back to memory, and the array forgets all operands.

        The hardware needs it before its memory is read or written, and before a stop, which loses what the array has.
        The model's `memory` is always what a flush would leave, and nothing is lost. What it counts is counted here.

        Raises:
            EventError: the core is stopped.
            ConfigError: its states do not lie in an array.
        """
        if not isinstance(self.engine, CimEngine):
            raise ConfigError(f"a flush needs an array of operands, update cim; this core has update "
                              f"{self.config.update}")
        if not self.running:
            raise EventError("the core is stopped, and its array forgotten: flush it before it is stopped")
        self.engine.flush()

    @property
    def memory(self) -> Words:
        """All memory words, (words, words of 64 bits)."""
        return self.engine.words()

    @property
    def operations(self) -> IntArray:
        """(populations, 2): word operations and synapses of the events of each, so far, by the edges as they are."""
        found = np.zeros((len(self.populations), 2), np.int64)
        for owner, done in zip(self.owner, self.engine.done, strict=True):
            if owner is not None:
                found[owner] += done
        return found

    @property
    def status(self) -> int:
        """The register STATUS (`golden.registers.Status`) between two calls of `run`."""
        partial = any(0 < len(item.returns) < item.fields["incoming"] for item in self.populations)
        unpaid = any(item.complete and not item.can_evaluate for item in self.populations)
        return (Status.IDLE | (Status.READY if self.running else 0) | (Status.PARTIAL if partial else 0)
                | (Status.UNPAID if unpaid else 0))

    def run(self, events: Words) -> Words:
        """Take packed events, in order, and all that follows from them; returns what leaves the core, packed.

        Raises:
            EventError: the core is stopped, and takes no events.
        """
        out = [np.zeros(0, np.uint64)]
        for item in self.evaluations(events):
            self.keep(item)
            out += [item.credits, item.sent]
        return np.concatenate(out)

    def keep(self, done: Evaluation) -> None:
        """Append the state words of an evaluation to the trace."""
        self.trace += zip(done.addresses.tolist(), numbers(done.states), strict=True)

    def evaluations(self, events: Words) -> Iterator[Evaluation]:
        """`run`, evaluation by evaluation: each is done when it is asked for, and nothing of it is kept.

        Raises:
            EventError: the core is stopped, and takes no events.
        """
        if not self.running:
            raise EventError("the core is stopped and takes no events: start it first")
        yield from self.first_ends()
        self._take(np.asarray(events, np.uint64), "values_in")
        while (index := next((i for i, population in enumerate(self.populations) if population.can_evaluate), None)
               ) is not None:
            done = self._evaluate(index)
            yield done
            self._take(done.local, "values_local")

    def first_ends(self) -> Iterator[Evaluation]:
        """What delays send out of reset, once: ends of timestep and no values, whatever has come already."""
        late, self._late = self._late, []
        for index in late:
            done = self._evaluate(index, first=True)
            yield done
            self._take(done.local, "values_local")
        if late and self._clears:
            self.counters.update(dict.fromkeys(self.counters, 0))

    def _take(self, events: Words, counter: str) -> None:
        fields = self.layouts.event.unpack_array(events)
        values = fields["kind"] == EventKind.VALUE
        self.counters[counter] += int(values.sum())
        before = self.counters["word_ops"]
        self.engine.integrate({name: array[values] for name, array in fields.items()})
        # Else those are a matter of cycles, or counted operand by operand.
        if not self.config.forward_states and self.config.update != "cim":
            self._access(operation_accesses(self.counters["word_ops"] - before))
        # From where on the values for a population come too early: it has all its ends, and has not been evaluated.
        complete = {index: -1 for index, item in enumerate(self.populations) if item.complete}
        for position in np.flatnonzero(~values):
            event = {name: int(array[position]) for name, array in fields.items()}
            if event["kind"] == EventKind.END:
                owner = self._end(event)
                if owner is not None and self.populations[owner].complete:
                    complete.setdefault(owner, int(position))
            elif event["kind"] == EventKind.CREDIT:
                self._credit(event["id"])
            else:
                self.counters["protocol_error"] += 1
        for index, first in complete.items():
            owned = [identifier for identifier, owner in enumerate(self.owner) if owner == index]
            late = values[first + 1:] & np.isin(fields["id"][first + 1:], owned)
            self.counters["protocol_error"] += int(late.sum())

    def _access(self, accesses: dict[str, int]) -> None:
        """Count accesses, if the hardware does."""
        if self.config.access_counters:
            for name, count in accesses.items():
                self.counters[name] += count

    def _end(self, event: dict[str, int]) -> int | None:
        """Count an end; returns the population that has got it, or None if it is dropped."""
        self.counters["ends"] += 1
        owner = self.owner[event["id"]] if event["id"] < len(self.owner) else None
        if owner is None:
            self.counters["protocol_error"] += 1
            return None
        population = self.populations[owner]
        # Ends within the core lead to a later population, or to a delay: a flipped bit closes no circle without one.
        backward = (self.config.guard_states and event["x"] == event["y"] == 0 and event["c"] >= owner
                    and not neuron_model(population.fields["type"], self.config).delays)
        if backward or len(population.returns) == population.fields["incoming"]:
            self.counters["protocol_error"] += 1
            return None
        population.returns.append((event["x"], event["y"], event["c"]))
        return owner

    def _credit(self, index: int) -> None:
        if index >= len(self.populations) or self.populations[index].credits == self.populations[index].fields["axons"]:
            self.counters["protocol_error"] += 1
            return
        self.populations[index].credits += 1

    def _evaluate(self, index: int, *, first: bool = False) -> Evaluation:
        """Evaluate a population; or for the first ends of a delay none of its neurons, for which it owes nothing."""
        population = self.populations[index]
        population.credits = 0
        fields = population.fields | ({"depth": 0} if first else {})
        sent, addresses, states, fired = self.engine.evaluate(index, self.layouts.population.pack(fields))
        self.counters["neurons_fired"] += len(fired)
        if self.config.access_counters:
            second = self.layouts.second_population
            word = second.unpack(self.engine.word(fields["base"])) if fields["extended"] else None
            self._access(evaluation_accesses(fields, word, len(fired), self.config))
        credits, paid = [], []
        for x, y, source in () if first else population.returns:
            if x == 0 and y == 0:
                self._credit(source)
                paid.append(source)
            else:
                credits.append(self.layouts.event.pack(kind=EventKind.CREDIT, core_x=-x, core_y=-y, id=source))
        if not first:
            population.returns = []
        fields_of = self.layouts.event.unpack_array(sent)
        to_self = (fields_of["core_x"] == 0) & (fields_of["core_y"] == 0)
        self.counters["values_out"] += int(np.sum(~to_self & (fields_of["kind"] == EventKind.VALUE)))
        return Evaluation(index, addresses, states, fired, np.array(credits, np.uint64), sent[~to_self], sent[to_self],
                          tuple(paid))
