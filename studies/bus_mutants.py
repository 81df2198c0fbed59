"""The changes of the buses that tests must see: part of the list of `studies.mutations`."""

from studies.mutants import Mutation

BEATS = "tests/tb/test_axi_lite.py::test_random_beats"
RULES = "tests/formal/test_axi.py::test_rules_of_axi_lite"
EVENTS_OUT = "tests/rtl/bus/test_axi_stream.py::test_events_out"
ON_BUSES = "tests/tb/test_on_buses.py::test_a_mesh"

BUS_WHERE = {BEATS: ["-k", "verilator and words"], RULES: [], EVENTS_OUT: [], ON_BUSES: []}
"""Which cases of the tests are run."""

_LITE, _OWN, _STREAM, _SYSTEM = (f"rtl/bus/{name}.py" for name in ("axi_lite", "registers", "axi_stream", "system"))

BUS_MUTATIONS = (
    Mutation("AXI4-Lite: a word is written with bytes that have not come", _LITE,
             "self.complete.eq(self.mask.all() |", "self.complete.eq(self.gathering |", BEATS),
    Mutation("AXI4-Lite: bytes that have come give way to those in memory", _LITE, "with m.If(~self.mask[byte]):",
             "with m.If(1):", BEATS),
    Mutation("AXI4-Lite: strobes are not looked at", _LITE, "here & ~self.reading & self.strobe[byte]",
             "here & ~self.reading", BEATS),
    Mutation("AXI4-Lite: a reading does not wait for what was written", _LITE,
             "(self.reading | ~same)", "(~self.reading & ~same)", BEATS),
    Mutation("AXI4-Lite: a copy answers the same beat for ever", _LITE, "~(self.copy & same & self._left())",
             "~(self.copy & same)", BEATS),
    Mutation("AXI4-Lite: a part of a word waits for ever", _LITE, "self.gathering & quiet.all()", "0", BEATS),
    Mutation("AXI4-Lite: cores that are not there are written", _LITE,
             "exists.eq((column < places.columns) & (row < places.rows))", "exists.eq(1)", BEATS),
    Mutation("AXI4-Lite: a part of a register of all cores is written", _LITE, "numbers[Page.ALL] & whole",
             "numbers[Page.ALL]", BEATS),
    Mutation("AXI4-Lite: a write to all cores ends with the first row", _LITE,
             "held.all & ~(last_column & last_row)", "held.all & ~last_column", BEATS),
    Mutation("AXI4-Lite: a response is given up for the next one", _LITE,
             "& (~self.s_axil_bvalid | self.s_axil_bready)", "", RULES),
    Mutation("AXI4-Lite: an answer is given up for the next one", _LITE,
             "& (~self.s_axil_rvalid | self.s_axil_rready)", "", RULES),
    Mutation("bus registers: what is pending is cleared by zeros", _OWN, "pending & ~clear | happens",
             "pending & clear | happens", BEATS),
    Mutation("bus registers: every cause interrupts", _OWN, "(pending & enable).any()", "pending.any()", BEATS),
    Mutation("bus registers: idle is pending as long as it lasts", _OWN, "self.idle & ~was_idle", "self.idle", BEATS),
    Mutation("AXI4-Stream: a CREDIT ends no packet", _STREAM, "tlast.eq(event.payload.kind != EventKind.VALUE)",
             "tlast.eq(event.payload.kind == EventKind.END)", EVENTS_OUT),
    Mutation("AXI4-Stream: an END that waits is told as taken", _STREAM, "self.frame.eq(event.valid & event.ready &",
             "self.frame.eq(event.valid &", EVENTS_OUT),
    Mutation("system: errors do not reach the bus", _SYSTEM, "bus.error.eq(inside.error)", "bus.error.eq(0)", ON_BUSES),
    Mutation("system: frames do not reach the bus", _SYSTEM, "bus.frame.eq(_any(", "bus.frame.eq(0 & _any(", ON_BUSES),
)
