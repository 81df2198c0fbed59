"""Changes of the compute-in-memory macro: its carries, its rows, its shapes, and its golden models."""

from studies.mutants import Mutation

MACRO = "tests/tb/test_cim_macro.py::test_random_operations"
MODELS = "tests/golden/cim/test_macro.py::test_sums_comparisons_and_resets"
OPERANDS = "tests/golden/cim/test_operand.py::test_resolutions_are_rounded_up"
BITS = "tests/golden/cim/test_operand.py::test_each_bit_is_where_it_belongs"
CIM_WHERE = {MACRO: ["-k", "verilator"], MODELS: [], OPERANDS: [], BITS: []}
"""Cases of the tests that are enough."""

_PERIPHERY, _SEQUENCER, _GROUPS = "rtl/cim/periphery.py", "rtl/cim/sequencer.py", "rtl/cim/groups.py"
CIM_MUTATIONS = (
    Mutation("macro: carries pass the borders of groups", _PERIPHERY, "propagate & ~starts, step.odd",
             "propagate, step.odd", MACRO),
    Mutation("macro: carries run to the right in odd rows, too", _PERIPHERY, "begins), step.odd, \"begun\"",
             "begins), Const(0, 1), \"begun\"", MACRO),
    Mutation("macro: each row begins without the carry of the row below", _PERIPHERY,
             "Mux(step.first, every(inverts), carry)", "every(inverts)", MACRO),
    Mutation("macro: a subtraction lacks its one", _PERIPHERY, "Mux(step.first, every(inverts), carry)",
             "Mux(step.first, 0, carry)", MACRO),
    Mutation("macro: weights without their signs", _PERIPHERY, "Mux(step.above, sign, self.b)",
             "Mux(step.above, 0, self.b)", MACRO),
    Mutation("macro: the sign taken at the wrong end", _PERIPHERY, "self.b & ends", "self.b & starts", MACRO),
    Mutation("macro: a row that is just written is read as it was", _PERIPHERY, "Mux(step.again, written, self.a)",
             "self.a", MACRO),
    Mutation("macro: the potential's sign counts as a bit", _PERIPHERY, "ordered_b = a ^ last,", "ordered_b = a,",
             MACRO),
    Mutation("macro: the threshold's sign counts as a bit", _PERIPHERY,
             "addend ^ (last & every(step.kind == Kind.COMPARE))", "addend", MACRO),
    Mutation("macro: columns that are not active spike", _PERIPHERY, "(propagate & carry_in)) & active)",
             "(propagate & carry_in)))", MACRO),
    Mutation("macro: the carry out taken at the wrong end", _PERIPHERY, "Mux(odd_end, self.lefts, rights)", "rights",
             MACRO),
    Mutation("macro: groups that did not spike are reset, too", _PERIPHERY, "every(Const(1, 1)), spikes)",
             "every(Const(1, 1)), every(Const(1, 1)))", MACRO),
    Mutation("macro: a reset right behind its comparison uses the spikes before", _PERIPHERY,
             "every(Const(1, 1)), spikes)", "every(Const(1, 1)), self.spikes)", MACRO),
    Mutation("macro: an overflow goes to the other end of the range", _PERIPHERY, "step.rewrite, known ^ last,",
             "step.rewrite, ~known ^ last,", MACRO),
    Mutation("macro: overflows of subtractions seen as those of sums", _PERIPHERY, "(known ^ sign ^ every(inverts))",
             "(known ^ sign)", MACRO),
    Mutation("macro: columns below the active ones are written", _PERIPHERY, " & ~columns_below(step.low, columns)",
             "", MACRO),
    Mutation("macro: a reset to zero adds", _PERIPHERY, "total & every(adds)", "total", MACRO),
    Mutation("macro: rows from outside are written in all columns", _PERIPHERY, "Mux(step.load, self.load_mask,",
             "Mux(step.load, every(Const(1, 1)),", MACRO),
    Mutation("macro: a weight that is being written is read", _SEQUENCER,
             "written = now.saturate & changes, self.writes &", "written = now.saturate & changes, 0 &", MACRO),
    Mutation("macro: a weight's last row counts as above it", _SEQUENCER, "above.eq(index > now.b_rows)",
             "above.eq(index >= now.b_rows)", MACRO),
    Mutation("macro: a cycle between operations", _SEQUENCER, "(~self.walking | done)", "~self.walking", MACRO),
    Mutation("macro: comparisons are rewritten", _SEQUENCER, "saturates, written = now.saturate & changes,",
             "saturates, written = now.saturate,", MACRO),
    Mutation("macro: a sign is spread while spikes are", _SEQUENCER, "(written | (spreads & signed))", "written",
             MACRO),
    Mutation("groups: the base is not reduced by a whole group", _GROUPS, "Mux(remainder >= width,",
             "Mux(remainder > width,", MACRO),
    Mutation("groups: every part begins as if groups were wide", _GROUPS, "Mux(width > part, part, step)", "part",
             MACRO),
    Mutation("groups: a shape is made while rows are added", "rtl/cim/macro.py",
             "groups.empty.eq(sequencer.empty & ~periphery.pending)", "groups.empty.eq(1)", MACRO),
    Mutation("groups: operations do not wait for their shape", "rtl/cim/macro.py",
             "sequencer.hold.eq(self.shape.valid | groups.busy)", "sequencer.hold.eq(groups.busy)", MACRO),
    Mutation("macro: equal to the threshold is below it in the fast model", "golden/cim/macro.py",
             "(potentials >= thresholds)", "(potentials > thresholds)", MODELS),
    Mutation("macro: overflows of the literal model at the wrong end", "golden/cim/macro.py", "columns[-1]] = carry",
             "columns[0]] = carry", MODELS),
    Mutation("operands: resolutions are rounded down", "golden/cim/operand.py", "-(-bits // columns)",
             "max(1, bits // columns)", OPERANDS),
    Mutation("operands: words are padded in front", "golden/cim/operand.py", "whole >> low)", "whole << 1 >> low)",
             BITS),
)
