"""Changes of the memory organisations, whose walks must be what the golden model's are, cycle by cycle."""

from studies.mutants import Mutation

LAYERS = "tests/tb/test_organisation.py::test_random_layers"
DAMAGED = "tests/tb/test_organisation.py::test_damaged_tables"
TIMING = "tests/tb/test_organisation.py::test_timing"

_ROOM = "rtl/synapse/organisations"
ORGANISATION_MUTATIONS = (
    Mutation("organisation: more words asked for than there is room for", f"{_ROOM}/reader.py",
             "room.eq(items != depth)", "room.eq(1)", LAYERS),
    Mutation("organisation: a word is not kept for the items that share it", f"{_ROOM}/reader.py",
             "with m.If(used):\n                m.d.sync += kept.eq(word)", "with m.If(arrives):\n"
             "                m.d.sync += kept.eq(word)", LAYERS),
    Mutation("organisation: a word that waits is overtaken by one that comes", f"{_ROOM}/reader.py",
             "Mux(waiting == 0, port.data, read.data)", "Mux(arrives, port.data, read.data)", LAYERS),
    Mutation("organisation: one place fewer than the memory's latency needs", f"{_ROOM}/reader.py",
             "self.depth = sizes.read_latency + 2", "self.depth = sizes.read_latency + 1", TIMING),
    Mutation("organisation: a weight without its sign", f"{_ROOM}/walk.py", "raw[place], sign)", "raw[place], 0)",
             LAYERS),
    Mutation("organisation: a neuron behind the last one is taken", f"{_ROOM}/walk.py",
             "self.held.neuron > self.held.layer.inputs", "self.held.neuron > self.held.layer.inputs + 1", LAYERS),
    Mutation("organisation: a backward pass is walked forward", f"{_ROOM}/walk.py",
             '(held["pass"] != Pass.FORWARD)', '(held["pass"] == Pass.UPDATE)', LAYERS),
    Mutation("organisation: a synapse is lost while the one before waits", f"{_ROOM}/walk.py",
             "free.eq(~valid | self.synapse.ready)", "free.eq(1)", LAYERS),
    Mutation("organisation: done before the last synapse is taken", f"{_ROOM}/walk.py",
             "self.done.eq(held & free & end)", "self.done.eq(held & end)", LAYERS),
    Mutation("organisation: an entry's neuron is not looked at", f"{_ROOM}/walk.py",
             "known = neuron <= found.neuron", "known = neuron == neuron", DAMAGED),
    Mutation("crossbar: a weight across two words", f"{_ROOM}/walk.py",
             "offset + (bits << 1) <= self.sizes.word_bits", "offset + bits <= self.sizes.word_bits", LAYERS),
    Mutation("crossbar: a synapse fewer", f"{_ROOM}/crossbar.py", "(neuron == last)",
             "(neuron + 1 == last)", LAYERS),
    Mutation("crossbar: the end of the memory is walked through", f"{_ROOM}/crossbar.py",
             "beyond.eq(fetch & address[-1])", "beyond.eq(0)", DAMAGED),
    Mutation("crossbar: rows begin at their number", f"{_ROOM}/walk.py", "request.neuron * request.layer.row_words",
             "request.neuron", LAYERS),
    Mutation("bitmap: bits behind the last neuron are synapses", f"{_ROOM}/bitmap.py",
             "outside.eq(neuron > layer.outputs)", "outside.eq(0)", DAMAGED),
    Mutation("bitmap: a word is asked for anew for each row's second weight", f"{_ROOM}/bitmap.py",
             "offset.eq(next_offset), first.eq(0)]", "offset.eq(next_offset), first.eq(first & (offset == 0))]",
             LAYERS),
    Mutation("bitmap: a row's first weight at the beginning of its word", f"{_ROOM}/bitmap.py",
             "offset.eq(place), first", "offset.eq(0), first", LAYERS),
    Mutation("bitmap: words of bits are not read ahead", f"{_ROOM}/bitmap.py", "given.valid.eq(self.checking | asking)",
             "given.valid.eq(self.checking | (asking & reader.empty))", TIMING),
    Mutation("bitmap: a place that a word does not have is taken", f"{_ROOM}/bitmap.py", "begin[-1] | ~fits",
             "begin[-1]", DAMAGED),
    Mutation("bitmap: a row goes on behind its error", f"{_ROOM}/bitmap.py", "bad.eq(bad | beyond)", "bad.eq(0)",
             DAMAGED),
    Mutation("compressed rows: pointers that go back", f"{_ROOM}/compressed_rows.py", "((count < 0) | (count",
             "((count", DAMAGED),
    Mutation("compressed rows: more entries than neurons", f"{_ROOM}/compressed_rows.py",
             "count > self.held.layer.outputs + 1", "count > self.held.layer.outputs + 2", DAMAGED),
    Mutation("compressed rows: the second pointer always taken from the first one's word",
             f"{_ROOM}/compressed_rows.py", "(number[:places] == 0) | bool(sizes.serial)", "bool(sizes.serial)",
             LAYERS),
    Mutation("compressed rows: a row's entries from the beginning of a word", f"{_ROOM}/compressed_rows.py",
             "entry.eq(pair)", "entry.eq(pair & ~1)", LAYERS),
)
ORGANISATION_WHERE = {
    LAYERS: ["-k", "verilator and not core"], DAMAGED: ["-k", "verilator"], TIMING: ["-k", "verilator"],
}
