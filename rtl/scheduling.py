"""The registers of the timestep scheduler (`rtl.timestep`), and the states of its control that use its tables."""

from amaranth import Cat, Mux, Signal, Value

from golden.config import CoreConfig
from golden.neuron.types import built_types
from golden.ports import READ_LATENCY
from golden.words import layouts
from rtl.scratch import ScratchMap
from rtl.words import struct

READS, WRITES = ("look", "credit", "end", "find", "spend", "finish"), (
    "fill", "owned", "pay", "count", "return", "spent", "finished")
"""States that read, or write, a word of the scratch memory."""
FOLLOWS = ("owned", "pay", "find", "count", "return", "spent", "finished")
"""States that work on the word that was read a turn before: no other access may come between."""


class Scheduling:
    """Registers of the scheduler, and what its control and its data path tell each other."""

    def __init__(self, config: CoreConfig):
        count, self.place = config.max_populations, ScratchMap(config)

        def one(name: str) -> Signal:
            return Signal(name=name)

        # The population or ID that a state works on: the address of its word in the scratch memory.
        self.index = Signal(config.edge_bits, name="index")
        self.population = self.index[:config.population_bits]
        # A population or edge word of the memory.
        words = layouts(config)
        self.word = Signal(max(words.population.bits, words.edge.bits), name="word")
        self.population_word = struct(words.population)(self.word[:words.population.bits])
        self.edge_word = struct(words.edge)(self.word[:words.edge.bits])
        # The first return slot of the next population; after the start the one of the end that is counted.
        self.slot = Signal(config.incoming_bits, name="slot")
        self.ready, self.credited = Signal(count, name="ready"), Signal(count, name="credited")
        # The token that is counted, and whether there is one. `counting`: it is an end, and whether it is the last one
        # of its population is not settled yet.
        self.held, self.is_credit, self.counting = one("held"), one("is_credit"), one("counting")
        self.identifier = Signal(config.edge_bits, name="identifier")
        self.source = Signal(config.channel_bits, name="source")
        self.taken_x, self.taken_y = (Signal(config.mesh_bits, name=f"taken_{axis}") for axis in "xy")
        # The lowest population that may be evaluated, two cycles late.
        self.next_population, self.any_ready = Signal(config.population_bits, name="next_population"), one("any_ready")
        # The population that is being evaluated, and whether it has sent its last neuron.
        self.current = Signal(config.population_bits, name="current")
        self.evaluating, self.finished = one("evaluating"), one("finished")
        # Credits that the last evaluated population owes and that have not been looked up, and where their ways are.
        self.owed = Signal(config.incoming_bits, name="owed")
        self.owed_slot = Signal(config.incoming_bits, name="owed_slot")
        # The one that has been: on its way from the scratch memory, or here for this core or for another one.
        self.back, self.arriving = Signal(self.place.back, name="back"), Signal(2, name="arriving")
        self.local_credit, self.far_credit = one("local_credit"), one("far_credit")
        # Populations that have some of their ends; whether one has got its first, and one its last.
        self.incomplete = Signal(config.population_bits + 1, name="incomplete")
        self.began, self.completed = one("began"), one("completed")
        # The scratch memory: a look-up wants the next turn; a state has it; the state of the cycle before, one-hot.
        self.look_up, self.granted = one("look_up"), one("granted")
        self.access = {state: one(f"access_{state}") for state in dict.fromkeys(READS + WRITES)}
        # Found of the word that was read, in the cycle before it is used.
        self.credits_full, self.last_credit, self.no_axons = one("credits_full"), one("last_credit"), one("no_axons")
        self.end_unknown, self.end_surplus = one("end_unknown"), one("end_surplus")
        self.first_end, self.last_end, self.credit_unknown = one("first_end"), one("last_end"), one("credit_unknown")
        # Delays send their first ends, one population after another: which it is; and that it is none of them.
        self.codes = [code for code, model in built_types(config).items() if model.delays]
        self.first, self.started = Signal(init=1, name="first"), Signal(config.population_bits, name="started")
        self.in_command, self.passed = one("in_command"), one("passed")
        # From the control: what it does in this cycle.
        self.fetch, self.reads_edge, self.in_find = (one(name) for name in ("fetch", "reads_edge", "in_find"))
        # A word of the memory is asked for, from the second cycle of a state on, as its address is in a register; it is
        # there.
        self.asks, self.comes, self.arrives = one("asks"), Signal(READ_LATENCY - 1, name="comes"), one("arrives")
        self.local_taken, self.begin, self.to_start, self.to_finish = (
            one(name) for name in ("local_taken", "begin", "to_start", "to_finish"))
        self.in_reset, self.chooses, self.may_finish = one("in_reset"), one("chooses"), one("may_finish")
        # A cycle after a turn: a population has all its credits, has been evaluated; the token is done with.
        self.paid, self.evaluated, self.drop = one("paid"), one("evaluated"), one("drop")
        self.last_population, self.last_edge = one("last_population"), one("last_edge")

    def does(self, state: str) -> Value:
        """Whether a state has its turn in this cycle."""
        return self.access[state] & self.granted

    def unless_first(self, value: Value, first: Value | int = 0) -> Value:
        """A value, or another one while first ends are sent, if the core has neurons that delay."""
        return Mux(self.first, first, value) if self.codes else value

    def delays(self) -> Value:
        """Whether the population word that was read is that of a delay."""
        return Cat(self.population_word.type == code for code in self.codes).any()
