"""Changes of what networks of spikes in time need: logarithmic products, and neurons that spike once."""

from studies.mutants import Mutation

POWERS = "tests/golden/neuron/test_log_product.py::test_exact_powers"
PRODUCTS = "tests/tb/test_neuron.py::test_logarithmic_products"
_LOG = "rtl/neuron/products/log.py"
_GOLDEN = "golden/neuron/products/log.py"

TTFS_WHERE = {POWERS: [], PRODUCTS: ["-k", "16 or both"]}
"""Cases of the tests that are enough."""

TTFS_MUTATIONS = (
    Mutation("logarithmic product: a value too early counts", _LOG, "& (self.v <= times)", "", PRODUCTS),
    Mutation("logarithmic product: the shift does not take fraction bits away", _LOG, "(self.shift << low)", "0",
             PRODUCTS),
    Mutation("logarithmic product: a weight of 0 is the smallest one", _LOG, "(no_power | ~there)", "(~there)",
             PRODUCTS),
    Mutation("logarithmic product: the value itself is 0", _LOG, "is_value.eq(code[-1] & no_power)", "is_value.eq(0)",
             PRODUCTS),
    Mutation("logarithmic product: negative ones are one too low", _LOG, "(inverted + negative)", "(inverted + 0)",
             PRODUCTS),
    Mutation("both products: the choice comes a cycle early", "rtl/neuron/products/both.py",
             "m.d.sync += chooses_log", "m.d.comb += chooses_log", PRODUCTS),
    Mutation("logarithmic product: golden shifts a negative product instead of its magnitude", _GOLDEN,
             "return -magnitude if code & SIGN else magnitude",
             "return -powers(config)[e % period] >> e // period + shift if code & SIGN else magnitude", POWERS),
    Mutation("logarithmic product: golden rounds its powers down", _GOLDEN, "(2 * middle - 1) ** period",
             "(2 * middle) ** period", POWERS),
)
