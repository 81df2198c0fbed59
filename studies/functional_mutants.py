"""Changes of the functional memory organisations and of the look-up tables at the source."""

from studies.mutants import Mutation

REQUESTS = "tests/tb/test_functional.py::test_random_requests"
PACE = "tests/tb/test_functional.py::test_cycles"
NEURONS = "tests/tb/test_source_table.py::test_random_neurons"

_ROOM, _TABLES = "rtl/synapse/organisations", "rtl/synapse/tables"
FUNCTIONAL_MUTATIONS = (
    Mutation("functional: a kernel that has left the memory is walked on", f"{_ROOM}/convolution.py",
             'now["address"][sizes.address_bits:].any()', "0", REQUESTS),
    Mutation("functional: after an error in a tap the next one begins in its middle", f"{_ROOM}/convolution.py",
             "first.eq(ends | beyond)", "first.eq(ends)", REQUESTS),
    Mutation("functional: positions between strides are met", f"{_ROOM}/convolution.py",
             "~between & (neuron >= 0)", "(neuron >= 0)", REQUESTS),
    Mutation("functional counters: the first tap of an anchor as if the stride were always its step",
             f"{_ROOM}/functional.py", "Mux(negative == layer.dilated, layer.step, 0)", "layer.step", REQUESTS),
    Mutation("functional counters: the destination's end is not looked at", f"{_ROOM}/functional.py",
             "Mux(neuron_steps < tap_steps, neuron_steps, tap_steps)", "tap_steps", REQUESTS),
    Mutation("functional counters: a column goes on from the last one's end", f"{_ROOM}/functional.py",
             '"address": column_address + (layer.column_words << tap_step)',
             '"address": tap.address + (layer.column_words << tap_step)', REQUESTS),
    Mutation("functional counters: dilated rows are neighbors", f"{_ROOM}/functional.py",
             "(layer.y_stride << neuron_step)", "layer.y_stride", REQUESTS),
    Mutation("functional pure: the quotient is rounded down twice", f"{_ROOM}/functional_pure.py",
             "-(-(1 << RECIPROCAL_BITS) // (height + 1))", "(1 << RECIPROCAL_BITS) // (height + 1)", REQUESTS),
    Mutation("functional pure: taps beside the kernel are met", f"{_ROOM}/functional_pure.py",
             " & (column <= layer.kernel_width)", "", REQUESTS),
    Mutation("functional pure: the tap after an error is not the first", f"{_ROOM}/functional_pure.py",
             "test_there.eq(0), more.eq(0), number.eq(0)]", "test_there.eq(0), more.eq(0)]", REQUESTS),
    Mutation("functional pure: a cycle between taps", f"{_ROOM}/functional_pure.py",
             "free.eq(~self.there | self.next)", "free.eq(~self.there)", PACE),
    Mutation("functional bitmap: the walk goes on behind an error", f"{_ROOM}/functional_bitmap.py",
             "scanning.eq(scanning & (rest != 0))", "scanning.eq(rest != 0)", REQUESTS),
    Mutation("functional bitmap: a tap's weights by its place among those that meet a neuron",
             f"{_ROOM}/functional_bitmap.py", "sum(pattern & below)", "sum(left & below)", REQUESTS),
    Mutation("functional bitmap: one bitmap for all source channels", f"{_ROOM}/functional_bitmap.py",
             "Mux(layer.per_source, self.anchor.c, 0)", "0", REQUESTS),
    Mutation("functional bitmap: a source channel's taps begin at its words", f"{_ROOM}/functional_bitmap.py",
             "* Mux(layer.per_source, layer.tap_words, layer.source_words)", "* layer.source_words", REQUESTS),
    Mutation("source table: the row of an end is a neuron's", f"{_TABLES}/source.py",
             "(neuron.index < table.rows)", "(neuron.index <= table.rows)", NEURONS),
    Mutation("source table: an end has the row of its index", f"{_TABLES}/source.py",
             "Mux(neuron.end, table.rows, neuron.index)", "neuron.index", NEURONS),
    Mutation("source table: an end is a value", f"{_TABLES}/source.py",
             "Mux(end, EventKind.END, EventKind.VALUE)", "EventKind.VALUE", NEURONS),
    Mutation("source table: the first entry of a word for all", f"{_TABLES}/source.py",
             "found.offset[ENTRY.bits.bit_length() - 1:]", "found.offset[ENTRY.bits.bit_length():]", NEURONS),
    Mutation("flat table: a weight without its sign", f"{_TABLES}/flat.py", "entry.weight * value",
             "entry.weight.as_unsigned() * value", NEURONS),
    Mutation("flat table: an end has an increment", f"{_TABLES}/source.py", "Mux(end, 0, value)", "value", NEURONS),
    Mutation("flat table: the increment is as wide as a weight", f"{_TABLES}/flat.py",
             "event.increment.eq(entry.weight * value)", "event.increment.eq((entry.weight * value)[:8].as_signed())",
             NEURONS),
    Mutation("routing table: the tag's low bits are the ID", f"{_TABLES}/routing.py", "event.id.eq(entry.id)",
             "event.id.eq(entry.tag)", NEURONS),
    Mutation("routing table: an event's value is unsigned", f"{_TABLES}/routing.py", "event.v.eq(value)",
             "event.v.eq(value[:-1])", NEURONS),
    Mutation("routing table: a tag has lost its highest bit", f"{_TABLES}/routing.py", "event.tag.eq(entry.tag)",
             "event.tag.eq(entry.tag[:-1])", NEURONS),
)
FUNCTIONAL_WHERE = {REQUESTS: ["-k", "verilator"], PACE: [], NEURONS: ["-k", "verilator"]}
