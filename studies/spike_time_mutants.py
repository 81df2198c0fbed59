"""Changes of what brings trained networks of spikes in time to the hardware."""

from studies.mutants import Mutation

NEAREST = "tests/spike_times/test_trained.py::test_codes_are_the_nearest_powers"
BOUND = "tests/spike_times/test_trained.py::test_powers_of_two_are_their_own_bound"
FIRST_TIME = "tests/spike_times/test_convert.py::test_the_first_time_that_a_threshold_is_reached"
ROUNDING = "tests/spike_times/test_convert.py::test_spikes_differ_only_where_rounding_explains_it"
UNEXPLAINED = "tests/spike_times/test_convert.py::test_a_wrong_network_is_not_explained"
FIT = "tests/spike_times/test_convert.py::test_as_many_fraction_bits_as_fit"
TOLD = "tests/engines/test_demo_spike_times.py::test_spikes_at_other_times_are_told"
_TRAINED = "synapress/spike_times/trained.py"
_CONVERT = "synapress/spike_times/convert.py"

SPIKE_TIME_WHERE = {NEAREST: [], BOUND: [], FIRST_TIME: [], ROUNDING: ["-k", "0 or 1"], UNEXPLAINED: [], FIT: [],
                    TOLD: []}
"""Cases of the tests that are enough."""

SPIKE_TIME_MUTATIONS = (
    Mutation("trained weights: codes rounded down", _TRAINED, "q = np.rint(levels", "q = np.floor(levels", NEAREST),
    Mutation("trained weights: the largest one is taken for less than a power of two", _TRAINED,
             "- int(mantissa == 0.5)", "", BOUND),
    Mutation("real spikes: above the threshold only", "synapress/spike_times/float_network.py", 'side="right"',
             'side="left"', FIRST_TIME),
    Mutation("conversion: thresholds forget what the source's spikes stand for", _CONVERT,
             "Fraction(layer.threshold) / Fraction(found.source_threshold)", "Fraction(layer.threshold)", ROUNDING),
    Mutation("conversion: thresholds forget what the largest code stands for", _CONVERT,
             "scale_log2=found.scale_log2", "scale_log2=0", ROUNDING),
    Mutation("conversion: biases forget what the source's spikes stand for", _CONVERT,
             "np.ldexp(layer.biases / threshold,", "np.ldexp(layer.biases,", ROUNDING),
    Mutation("conversion: sums fill the states", _CONVERT, "(HEADROOM * end for end", "(end for end", FIT),
    Mutation("conversion: a fraction bit too few", _CONVERT, "max(1, over - 1)", "max(1, over + 1)", FIT),
    Mutation("comparison with real numbers: rounding explains everything", "synapress/spike_times/agreement.py",
             "(met + 0.5)", "(met + 1e9)", UNEXPLAINED),
    Mutation("demo of spikes in time: only the answers are compared", "synapress/demo_spike_times.py",
             "for name, found in done.outputs.items()}\n        if any",
             "for name, found in [*done.outputs.items()][-1:]}\n        if any", TOLD),
)
