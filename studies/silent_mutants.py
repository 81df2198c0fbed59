"""Changes of the test that `skip_silent` makes of state words, and of what goes on from it."""

from studies.mutants import Mutation

SKIPPING = "tests/tb/test_evaluation.py::test_skip_silent"

SILENT_MUTATIONS = (
    Mutation("silent: a sum of 1 does not pass", "rtl/neuron/silent.py", "Mux(threshold, limit, 1)",
             "Mux(threshold, limit, 2)", SKIPPING),
    Mutation("silent: a negative slope is not looked at", "rtl/neuron/silent.py",
             "(self.saturation != Saturation.RELU) | negative_slope", "(self.saturation != Saturation.RELU)", SKIPPING),
    Mutation("silent: a leak of states is not looked at", "rtl/neuron/silent.py",
             "(given.multiplier != 1) | (given.shift != 0)", "0", SKIPPING),
    Mutation("silent: lanes behind the depth keep what they hold", "rtl/neuron/silent.py", "keeps & busy", "0",
             SKIPPING),
    Mutation("silent: a channel word's parameters go before its last neuron", "rtl/neuron/skipping.py",
             "(self._sets != 2)", "(self._sets != 3)", SKIPPING),
    Mutation("silent: a word is written before the one that waits", "rtl/neuron/skipping.py",
             "~(first & at_once & self._waiting)", "1", SKIPPING),
)
