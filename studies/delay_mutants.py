"""Changes of delays: neurons whose values are delivered in the next timestep."""

from studies.mutants import Mutation

GOLDEN = "tests/golden/test_delays.py::test_event_by_event"
MODELS = "tests/golden/test_delays.py::test_recurrent_populations_equal_a_plain_recurrence"
ENGINE = "tests/engines/test_delays.py::test_one_core"
TWO = "tests/engines/test_delays.py::test_a_delay_of_delays"
BENCH = "tests/tb/test_core.py::test_core_with_delays"
_RTL, _CORE = "rtl/timestep.py", "golden/core.py"

DELAY_WHERE = {GOLDEN: [], MODELS: [], ENGINE: [], TWO: [], BENCH: ["-k", "verilator"]}
"""Cases of the tests that are enough."""

DELAY_MUTATIONS = (
    Mutation("delays: no first ends", "rtl/scheduling.py", "self.population_word.type == code", "code == 0", ENGINE),
    Mutation("delays: every population sends first ends", _RTL, "~(s.delays() & self._good(s))", "~self._good(s)",
             ENGINE),
    Mutation("delays: only the first population may send first ends", _RTL, "s.first.eq(~s.last_population)",
             "s.first.eq(0)", ENGINE),
    Mutation("delays: credits are owed for first ends", _RTL, "s.owed.eq(s.unless_first(fields.incoming))",
             "s.owed.eq(fields.incoming)", ENGINE),
    Mutation("delays: ends that come before the first ones went out are forgotten", _RTL,
             "s.unless_first(Const(0), first=fields.received)", "Const(0)", TWO),
    Mutation("delays: a population that is ready before its first ends went out is not any more", _RTL,
             "s.completed | s.unless_first(s.evaluated)", "s.completed | s.evaluated", ENGINE),
    Mutation("delays: neurons are evaluated for first ends", _RTL, "s.population_word.depth.eq(0)",
             "s.population_word.pad.eq(0)", BENCH),
    Mutation("delays: idle while first ends are sent", _RTL, "*([s.first] if s.codes else [])", "", BENCH),
    Mutation("delays: the guard drops ends for delays in front of their sources", _RTL, " & ~fields.delays", "", BENCH),
    Mutation("delays: golden owes credits for first ends", _CORE, "in () if first else population.returns",
             "in population.returns", BENCH),
    Mutation("delays: golden forgets ends that came before the first ones went out", _CORE,
             "if not first:\n            population.returns = []", "population.returns = []", GOLDEN),
    Mutation("delays: the whole-network model delivers at once", "golden/network/fast.py",
             "if not populations[name].delays:", "if True:", MODELS),
    Mutation("delays: several steps are one", "synapress/mapper/network/populations.py", "range(1, layer.steps)",
             "range(1, 1)", MODELS),
)
