"""Changes of what networks of spikes in time need: logarithmic products, and neurons that spike once."""

from studies.mutants import Mutation

POWERS = "tests/golden/neuron/test_log_product.py::test_exact_powers"
PRODUCTS = "tests/tb/test_neuron.py::test_logarithmic_products"
TEXTBOOK = "tests/golden/neuron/test_ttfs.py::test_by_the_textbook"
HARDWARE = "tests/golden/neuron/test_ttfs.py::test_hardware_equals_golden"
TIMES = "tests/golden/neuron/test_ttfs.py::test_one_neuron_per_cycle"
NETWORKS = "tests/mapper/network/test_ttfs.py::test_spiking_networks_are_the_integer_networks"
ROOTS = "tests/mapper/network/test_ttfs.py::test_thresholds_are_exact"
ONE_KERNEL = "tests/mapper/network/test_ttfs.py::test_logarithmic_weights_are_one_kernel"
LANES = "tests/tools/test_lanes.py::test_updates"
PATH = "tests/rtl/neuron/test_products.py::test_no_multiplier_in_the_synapse_path"
CIFAR = "tests/zoo/test_cifar.py::test_all_forms"
PICKLES = "tests/zoo/test_cifar.py::test_no_code_of_a_file_runs"
SWEPT = "tests/golden/neuron/test_ttfs.py::test_sweeping_hardware_equals_golden"
IN_ORDER = "tests/mapper/network/test_ttfs.py::test_swept_spikes_leave_in_the_order_of_their_times"
REFUSED = "tests/golden/neuron/test_log_product.py::test_refused_configurations"
_LOG = "rtl/neuron/products/log.py"
_GOLDEN = "golden/neuron/products/log.py"
_TTFS = "rtl/neuron/types/ttfs.py"
_SWEEP = "rtl/neuron/sweep.py"
_READER = "rtl/neuron/thresholds.py"

TTFS_WHERE = {POWERS: [], PRODUCTS: ["-k", "16 or both"], TEXTBOOK: ["-k", "24 or 7"], HARDWARE: ["-k", "verilator"],
              TIMES: [], NETWORKS: [], ROOTS: [], ONE_KERNEL: [], REFUSED: [], IN_ORDER: [],
              SWEPT: ["-k", "verilator and 4"], LANES: [], PATH: [], CIFAR: [], PICKLES: []}
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
    Mutation("time to first spike: above the threshold only", _TTFS, "reached = total >= Array",
             "reached = total > Array", HARDWARE),
    Mutation("time to first spike: a value beyond all", _TTFS, "reached & (found < len(there))", "reached", HARDWARE),
    Mutation("time to first spike: the sum without its highest bits", _TTFS, "total: Value = self.total",
             "total: Value = self.total[:config.state_bits].as_signed()", HARDWARE),
    Mutation("time to first spike: a comparison does not wait for the pipeline", _TTFS, "with m.If(self.advance):",
             "with m.If(1):", HARDWARE),
    Mutation("thresholds: the sum does not wait for them", "rtl/neuron/evaluation.py",
             "(evaluating[1] | ending[1])", "0", TIMES),
    Mutation("thresholds: counted on from the population before", _READER, "left.eq(count), number.eq(0)",
             "left.eq(count)", HARDWARE),
    Mutation("thresholds: a word that is refused is left out", _READER, "asked.eq(self.table.valid & self.table.ready)",
             "asked.eq(self.table.valid)", HARDWARE),
    Mutation("thresholds: the first neuron waits for them a cycle too early", "rtl/neuron/evaluation.py",
             "(evaluating[1] | ending[1])", "(evaluating[1] | evaluating[0] | ending[1])", TIMES),
    Mutation("time to first spike: golden searches from the lowest bit", "golden/neuron/types/ttfs.py",
             "        potential, value = state + parameter[\"bias\"], 0\n        for bit in reversed(",
             "        potential, value = state + parameter[\"bias\"], 0\n        for bit in list(", TEXTBOOK),
    Mutation("spikes in time: thresholds rounded down", "synapress/mapper/network/spike_times.py", "return high\n",
             "return low\n", ROOTS),
    Mutation("spikes in time: a max pool of logarithmic weights has weights of 1",
             "synapress/mapper/network/populations.py", "scale = VALUE if logarithmic else branch.scale",
             "scale = branch.scale", NETWORKS),
    Mutation("spikes in time: sums of many spikes by factors, as of linear products", "golden/kernel_products.py",
             "or not product(config).linear", "", NETWORKS),
    Mutation("spikes in time: thresholds packed as values", "synapress/mapper/image/image.py",
             "if item.population.looks_up:", "if item.population.needs_table:", NETWORKS),
    Mutation("spikes in time: logarithmic weights lie in tables", "synapress/mapper/table_rules.py",
             'what = "of logarithmic weights" if edge.logarithmic else ""', 'what = ""', ONE_KERNEL),
    Mutation("spikes in time: a core has tables beside logarithmic products", "golden/config.py",
             '"product", self.product == "linear",', '"product", True,', REFUSED),
    Mutation("fast engine: logarithmic edges of a core with both products are linear", "golden/network/by_value.py",
             'config.product == "both" and not edge.logarithmic', 'config.product == "both"', NETWORKS),
    Mutation("fast engine: negative weights take the products of others", "golden/network/by_value.py",
             "np.arange(1 << 8).astype(np.int8)", "np.arange(1 << 8).astype(np.int8)[::-1]", NETWORKS),
    Mutation("gates of lanes: a write comes with its address", "synapress/tools/lanes.py",
             "memory.states[written] = outputs", "memory.states[outputs[\"write_back__address\"]] = outputs", LANES),
    Mutation("logarithmic product: a multiplier for exponents", _LOG, "shared = time * (period // config.ttfs_tau)",
             "shared = time * (self.shift + 1)", PATH),
    Mutation("CIFAR: the coarse label of two", "synapress/zoo/cifar.py", "records[:, form.label_bytes - 1]",
             "records[:, 0]", CIFAR),
    Mutation("CIFAR: what a pickle names is found", "synapress/zoo/cifar.py",
             'raise pickle.UnpicklingError(f"names {module}.{name}, which no batch of CIFAR needs")',
             "return super().find_class(module, name)", PICKLES),
    Mutation("sweep: who has spiked spikes again", _SWEEP, "(s.first | (potential < s.previous))", "1", SWEPT),
    Mutation("sweep: above the threshold only", _SWEEP, "(potential >= s.current)", "(potential > s.current)", SWEPT),
    Mutation("sweep: lanes beyond the depth spike", _SWEEP, "& ~beyond", "", SWEPT),
    Mutation("sweep: a spike that waits is lost", _SWEEP, "Mux(neuron.ready, spiking & (spiking - 1), spiking)",
             "spiking & (spiking - 1)", SWEPT),
    Mutation("sweep: biases of the next channel word come early", _SWEEP, "memory.valid.eq(s.reserved == 0)",
             "memory.valid.eq(1)", SWEPT),
    Mutation("sweep: the next time begins while spikes are left", _SWEEP, "(s.reserved == 0) & ~summed & ~s.spikes",
             "(s.reserved == 0)", SWEPT),
    Mutation("sweep: more words are asked for than can wait", _SWEEP, "(s.reserved != WORDS)", "1", SWEPT),
    Mutation("sweep: states are not cleared", _SWEEP, "memory.write.eq(1)", "memory.write.eq(0)", SWEPT),
    Mutation("sweep: the sum wraps", _SWEEP, "potentials = [Signal(signed(config.state_bits + 2)",
             "potentials = [Signal(signed(config.state_bits)", SWEPT),
    Mutation("sweep: states that lie apart are taken for those behind the parameters", _SWEEP,
             "Mux(s.second.apart, s.second.state_base, s.parameters + depth)", "s.parameters + depth", SWEPT),
    Mutation("sweep: traced at every time", _SWEEP, 's.comes["state"] & s.first)', 's.comes["state"])', SWEPT),
    Mutation("sweep: golden arrays in the order of neurons", "golden/neuron/evaluation.py",
             "    for v in range(len(thresholds), 0, -1):", "    for v in range(1, len(thresholds) + 1):", IN_ORDER),
)
