"""Changes of CUBA neurons, of leaky integrators, of bounded spiking neurons, and of value tables in wide words."""

from studies.mutants import EVALUATION, Mutation
from studies.silent_mutants import SKIPPING

CUBA = "tests/golden/neuron/test_cuba.py::test_hardware_equals_golden"
INTEGERS = "tests/golden/neuron/test_cuba.py::test_populations_equal_plain_integers"
FRACTIONS = "tests/golden/neuron/test_li.py::test_populations_equal_exact_fractions"
NETWORK = "tests/mapper/network/test_cuba.py::test_every_engine_fires_as_the_equations_say"
FLOATS = "tests/golden/neuron/test_lif.py::test_populations_equal_plain_floats"
CHOICES = "tests/mapper/network/test_lif.py::test_every_engine_fires_as_the_equations_say"
ENTRIES = "tests/rtl/neuron/test_lookup.py::test_entries_equal_golden"
_UNIT = "rtl/neuron/types/cuba.py"
_LIF = "rtl/neuron/types/lif.py"

NEURON_WHERE = {CUBA: ["-k", "verilator"], INTEGERS: [], FRACTIONS: [], NETWORK: ["-k", "fast"],
                FLOATS: [], CHOICES: ["-k", "fast"], ENTRIES: []}
"""Cases of the tests that are enough."""

NEURON_MUTATIONS = (
    Mutation("cuba: a negative current takes one from the potential", _UNIT, "upper + current[-1]", "upper", CUBA),
    Mutation("cuba: the potential leaks half to even", _UNIT, "self.truncates.eq(1)", "self.truncates.eq(0)", CUBA),
    Mutation("cuba: no lower bound", _UNIT, "Mux(over[-1], lowest, self.total)", "self.total", CUBA),
    Mutation("cuba: the kept potential wraps", _UNIT, "left = Mux(beyond,", "left = Mux(0,", CUBA),
    Mutation("cuba: a negative current is kept beside a potential that is not one less", _UNIT, "(left - below)",
             "(left - 0)", CUBA),
    Mutation("decay: a number below zero is rounded down", "rtl/neuron/decay.py", "(product[-1] & rest.any())",
             "0", CUBA),
    Mutation("leaky integrator: the kept potential wraps", "rtl/neuron/types/li.py", "self.kept.eq(Mux(fits,",
             "self.kept.eq(Mux(1,", CUBA),
    Mutation("cuba: golden lets the current leak before it is used", "golden/neuron/types/cuba.py",
             "(states - current) >> CURRENT_BITS, CURRENT_BITS) + current + bias",
             "(states - current) >> CURRENT_BITS, CURRENT_BITS) + decayed_array(current, decay) + bias", INTEGERS),
    Mutation("leaky integrator: golden keeps no bias", "golden/neuron/types/li.py",
             "+ np.asarray(parameters[\"bias\"], np.int64)", "+ 0 * np.asarray(parameters[\"bias\"], np.int64)",
             FRACTIONS),
    Mutation("cuba: a network's potential keeps what it is to lose", "synapress/mapper/network/spiking_layers.py",
             "left = (1 << LEFT_LOG2) - within", "left = within", NETWORK),
    Mutation("cuba: initial potentials are currents", "synapress/mapper/network/spiking_layers.py",
             "-half, half - 1) << CURRENT_BITS", "-half, half - 1)", NETWORK),
    Mutation("leaky integrator: a network's initial states are left out", "synapress/mapper/network/spiking_layers.py",
             "initial=initial, second={", "second={", NETWORK),
    Mutation("spiking: kept beyond half of the range", "rtl/neuron/types/spiking.py", "(sign != next_to_it)", "0",
             EVALUATION),
    Mutation("spiking: half of the range is the whole one", "rtl/neuron/types/spiking.py",
             "(~sign).replicate(config.state_bits - 2), sign, sign)",
             "(~sign).replicate(config.state_bits - 2), ~sign, sign)", EVALUATION),
    Mutation("spiking: a state beyond half of the range stays, as its neuron is silent", "rtl/neuron/silent.py",
             "halved & (state[-1] != state[-2])", "0", SKIPPING),
    Mutation("lif: no lower bound", _LIF, "Mux(below, lowest, self.total)", "self.total", CUBA),
    Mutation("lif: a bound where there is none", _LIF, "over[-1] & bounded", "over[-1]", CUBA),
    Mutation("lif: a reset to a value is one to 0", _LIF, "Mux(self.mode[0] == Reset.ZERO, reset, left)",
             "Mux(self.mode[0] == Reset.ZERO, 0, left)", CUBA),
    Mutation("lif: every leak rounds toward zero", _LIF, "self.truncates.eq(self.mode[1])", "self.truncates.eq(1)",
             CUBA),
    Mutation("lif: of several spikes only one is taken off", _LIF, "Mux(self.type[2], self.total & mask, rest)", "rest",
             CUBA),
    Mutation("lif: more spikes than an event holds wrap", _LIF, "Mux(number > most, most, number)", "number", CUBA),
    Mutation("lif: golden bounds those that fired instead", "golden/neuron/types/lif.py",
             "highest, np.maximum(potential, lowest))", "np.maximum(highest, lowest), potential)", FLOATS),
    Mutation("lif: a network's leak rounds as it always did", "synapress/mapper/network/spiking_layers.py",
             "TOWARD_ZERO * (rounding == \"zero\")", "0", CHOICES),
    Mutation("evaluation: an entry has no more bits than a value", "rtl/neuron/lookup.py",
             "Cat(number, Const(0, entry_bits))[:entry_bits]", "number[:entry_bits]", ENTRIES),
)
