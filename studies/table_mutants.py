"""Changes of what a core does with synapse tables: the lookup, the gathering of synapses, operations with weights."""

from studies.mutants import Mutation

GATHER = "tests/tb/test_core_tables.py::test_gather"
CORE = "tests/tb/test_core_tables.py::test_core_equals_golden"
EARLY = "tests/tb/test_core_tables.py::test_values_that_come_too_early"
UPDATE = "tests/tb/test_neuron.py::test_weights_that_operations_bring"
GOLDEN = "tests/golden/synapse/test_mixed.py::test_literal_equals_fast"
TABLE_WHERE = {GATHER: ["-k", "verilator and tables"], CORE: ["-k", "verilator-tables"], EARLY: [], GOLDEN: [],
               UPDATE: ["-k", "verilator"]}
"""Cases of the tests that are enough."""

_GATHER, _LOOKUP, _UPDATE = "rtl/synapse/gather.py", "rtl/synapse/lookup.py", "rtl/neuron/update.py"
TABLE_MUTATIONS = (
    Mutation("gather: a lane that comes again overwrites its weight", _GATHER,
             " & ~grown.mask.bit_select(lane, 1)),", "),", GATHER),
    Mutation("gather: two requests share an operation", _GATHER, "joins.eq(there & ~closed &", "joins.eq(there &",
             GATHER),
    Mutation("gather: the last synapse of a request does not close its operation", _GATHER,
             "(self.done & (taken | stays))", "(self.done & stays & ~taken)", GATHER),
    Mutation("gather: an operation is overwritten while the one before waits", _GATHER,
             "self.synapse.valid & ~joins)) & (~self.op.valid | self.op.ready)", "self.synapse.valid & ~joins))",
             GATHER),
    Mutation("gather: states behind the memory begin at its front", _GATHER, "address[config.address_bits:].any()",
             "0", GATHER),
    Mutation("lookup: the edge of a walk is overwritten by the next one's", _LOOKUP,
             "m.Elif(here & ~self._walks)", "m.Elif(here)", CORE),
    Mutation("lookup: a place in front of the table counts from its end", _LOOKUP, "return added, negative | (added",
             "return added, (added", CORE),
    Mutation("lookup: the row is asked for before it is added up", _LOOKUP, "added = ~Cat(places).any()",
             "added = ~Cat(places[0]).any()", CORE),
    Mutation("lookup: the last event's edge does for any ID", _LOOKUP,
             "cached & self.busy & (self.event.payload.id == event.id)", "cached & self.busy", CORE),
    Mutation("lookup: tells of its population at once, and is not heard", "rtl/synapse/mixed.py",
             "lookup.told.eq(~esu.decoded)", "lookup.told.eq(1)", EARLY),
    Mutation("lookup: only the last extended ID is looked up", "rtl/timestep.py",
             " & self.first_extended[-1]):", "):", CORE),
    Mutation("mixed: an operation of the ESU is lost beside one of a table", "rtl/synapse/mixed.py",
             "esu.op.ready.eq(self.op.ready & ~chosen)", "esu.op.ready.eq(self.op.ready)", CORE),
    Mutation("neuron update: weights that it held before a rest are used behind operations that bring theirs", _UPDATE,
             " | ~known | ~self.busy)", " | ~self.busy)", UPDATE),
    Mutation("neuron update: an operation that brings its weights counts as one that read them", _UPDATE,
             "taken & ~op.immediate if self._own else taken", "taken", UPDATE),
    Mutation("neuron update: brought weights without their signs", _UPDATE,
             "word_select(lane, config.table_weight_bits).as_signed()", "word_select(lane, config.table_weight_bits)",
             UPDATE),
    Mutation("tables: synapses of two rows share an operation in the fast model", "golden/table_products.py",
             " | (found.row[1:] != found.row[:-1])", "", GOLDEN),
    Mutation("tables: the fast model reads pointers of words before", "golden/table_products.py",
             "index = layer[\"index_base\"] + (rows + np.array([[0], [1]])) // each",
             "index = layer[\"index_base\"] + (rows + np.array([[0], [0]])) // each", GOLDEN),
)
