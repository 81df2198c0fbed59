"""Changes of sigma-delta neurons, and of what makes a network of them."""

from studies.mutants import Mutation

SIGMA_DELTA = "tests/golden/neuron/test_sigma_delta.py::test_hardware_equals_golden"
TEXTBOOK = "tests/golden/neuron/test_sigma_delta.py::test_populations_equal_the_textbook"
FRAMES = "tests/mapper/network/test_sigma_delta.py::test_threshold_zero_is_frame_by_frame"
SUMS = "tests/mapper/network/test_sigma_delta.py::test_sums_are_those_of_what_was_sent"
_UNIT = "rtl/neuron/types/sigma_delta.py"

SIGMA_DELTA_WHERE = {SIGMA_DELTA: ["-k", "verilator"], TEXTBOOK: [], FRAMES: ["-k", "fast"], SUMS: []}
"""Cases of the tests that are enough."""

SIGMA_DELTA_MUTATIONS = (
    Mutation("sigma-delta: a negative sum takes one from the last value", _UNIT, "last.eq(upper + negative)",
             "last.eq(upper)", SIGMA_DELTA),
    Mutation("sigma-delta: a difference as large as the threshold is kept back", _UNIT,
             "over.eq(self.saturated - least)", "over.eq(self.saturated - least - 1)", SIGMA_DELTA),
    Mutation("sigma-delta: the same of a negative difference", _UNIT, "under.eq(most - self.saturated)",
             "under.eq(most - self.saturated - 1)", SIGMA_DELTA),
    Mutation("sigma-delta: a difference that is clipped counts as sent in whole", _UNIT, "moves = Mux(clipped,",
             "moves = Mux(0,", SIGMA_DELTA),
    Mutation("sigma-delta: a difference beyond an event wraps", _UNIT, "Mux(clipped, end, moved[:value_bits])",
             "moved[:value_bits]", SIGMA_DELTA),
    Mutation("sigma-delta: an encoder keeps its sum", _UNIT, "Mux(encoder, 0, sigma)", "Mux(0, 0, sigma)", SIGMA_DELTA),
    Mutation("sigma-delta: a readout's last value moves", _UNIT, "self.kept.eq(Mux(readout,", "self.kept.eq(Mux(0,",
             SIGMA_DELTA),
    Mutation("sigma-delta: golden keeps a difference as large as the threshold back",
             "golden/neuron/types/sigma_delta.py", "np.where(np.abs(values - last) >= threshold,",
             "np.where(np.abs(values - last) > threshold,", TEXTBOOK),
    Mutation("sigma-delta: inputs are compared with nothing", "golden/network/inputs.py", "start + frames", "frames",
             FRAMES),
    Mutation("sigma-delta: a maximum of differences", "synapress/mapper/network/sigma_delta.py",
             "neuron=READOUT if values else SIGMA_DELTA", "neuron=SIGMA_DELTA", FRAMES),
    Mutation("sigma-delta: no threshold of an encoder", "synapress/mapper/network/sigma_delta.py",
             'neuron="encoder", threshold=threshold,', 'neuron="encoder",', SUMS),
)
