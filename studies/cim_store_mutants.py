"""Changes of the store of operands and of its merge and shift."""

from studies.mutants import Mutation

CUTS = "tests/tb/test_cim_merge_shift.py::test_random_operands"
TRANSFERS = "tests/tb/test_cim_store.py::test_random_transfers"
WIDE = "tests/tb/test_cim_store.py::test_rows_wider_than_words"
STRINGS = "tests/golden/cim/test_merge_shift.py::test_rows_and_words_hold_the_same_bits"

_CUT, _STORE, _GOLDEN = "rtl/cim/merge_shift.py", "rtl/cim/store.py", "golden/cim/merge_shift.py"
CIM_STORE_MUTATIONS = (
    Mutation("merge and shift, golden: rows are cut from the highest bit down", _GOLDEN,
             "text >> place * taken_bits", "text >> (count - 1 - place) * taken_bits", STRINGS),
    Mutation("merge and shift: all columns of a row get in", _CUT,
             "(held & ~row) | (Cat(rotated, rotated) & row)", "Cat(rotated, rotated)", CUTS),
    Mutation("merge and shift: all that is held gets into a row", _CUT, "mine = held & row", "mine = held", CUTS),
    Mutation("merge and shift: padding is what lay there before", _CUT, "(rest | full.replicate(word))",
             "(rest | ~rest)", CUTS),
    Mutation("merge and shift: rows without words are what lay there before", _CUT,
             "Mux(load & ~full, count, self.width)", "self.width", CUTS),
    Mutation("merge and shift: a row does not come round in the ring", _CUT,
             "Mux(end[-1], ~begins | ends, ~begins & ends)", "~begins & ends", CUTS),
    Mutation("merge and shift: rows are rotated the same way in both directions", _CUT,
             "Mux(load, place - self.base, self.base - place)", "place - self.base", CUTS),
    Mutation("merge and shift: rows of the operand before go on", _CUT, "[place.eq(0), slot.eq(0)]", "[slot.eq(0)]",
             CUTS),
    Mutation("merge and shift: words of the operand before go on", _CUT, "[place.eq(0), slot.eq(0)]",
             "[place.eq(0)]", CUTS),
    Mutation("merge and shift: as much as before is counted in a new operand", _CUT,
             "next_count.eq(Mux(self.start, 0, stays", "next_count.eq(Mux(self.start, count, stays", CUTS),
    Mutation("merge and shift: after the last bits there are fewer than none", _CUT, "Mux(full, left, 0)", "left",
             CUTS),
    Mutation("merge and shift: a last piece that is not whole is kept", _CUT, "(full | ended) & ~self.start",
             "full & ~self.start", CUTS),
    Mutation("merge and shift: the end of the operand before", _CUT, "ended.eq(~self.start & (ended",
             "ended.eq((ended", CUTS),
    Mutation("merge and shift: pieces are taken after the last one", _CUT, "given.ready.eq(~ended & ~self.start &",
             "given.ready.eq(~self.start &", CUTS),
    Mutation("merge and shift: taken beyond its room", _CUT, "(stays + given_bits <= room)", "1", CUTS),
    Mutation("merge and shift: room for the piece that goes is not seen", _CUT, "(stays + given_bits <= room)",
             "(count + given_bits <= room)", CUTS),
    Mutation("store: columns below the operand are written", _STORE,
             '& ~columns_below(m, now.base, config.cim_columns, "begins")),', "),", TRANSFERS),
    Mutation("store: columns above the operand are written", _STORE,
             "columns_below(m, now.base + now.width,", "columns_below(m, now.base | 1023,", TRANSFERS),
    Mutation("store: what is being written is read", _STORE, "stale.eq(begins & wrote)", "stale.eq(0)", TRANSFERS),
    Mutation("store: a row that waits is read no more", _STORE, "row.read_row.eq(Mux(moves, following, now.row))",
             "row.read_row.eq(following)", TRANSFERS),
    Mutation("store: the row behind is written", _STORE, "row.write_row.eq(now.row)", "row.write_row.eq(following)",
             TRANSFERS),
    Mutation("store: a row of the transfer before is cut", _STORE, "fetching.eq(1), there.eq(0),", "fetching.eq(1),",
             WIDE),
    Mutation("store: potentials are read as weights", _STORE, "self.state.valid.eq(asks & now.state)",
             "self.state.valid.eq(0)", TRANSFERS),
    Mutation("store: words come that nobody has room for", _STORE, "fetching & now.load & (free != 0)",
             "fetching & now.load", TRANSFERS),
    Mutation("store: words on their way are forgotten", _STORE, "~fetching & (free == WORDS)", "~fetching", TRANSFERS),
    Mutation("store: words that no row needs are kept", _STORE, "(cut.given.ready | over)), words",
             "cut.given.ready), words", TRANSFERS),
    Mutation("store: the address goes on while memory refuses", _STORE, "m.If(now.load & granted | ~now.load & gives)",
             "m.If(now.load & fetching | ~now.load & gives)", TRANSFERS),
    Mutation("store: the last word is not told", _STORE, "cut.given.payload.last.eq(words.r_data[width])",
             "cut.given.payload.last.eq(0)", TRANSFERS),
    Mutation("store: one word too few can be on its way", _STORE, "WORDS = READ_LATENCY + 2",
             "WORDS = READ_LATENCY + 1", WIDE),
)
CIM_STORE_WHERE = {CUTS: ["-k", "verilator"], TRANSFERS: ["-k", "verilator"], STRINGS: [], WIDE: []}
