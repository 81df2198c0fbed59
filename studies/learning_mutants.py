"""Changes of the update unit and the learner: every part of the rule, and what keeps results as if one after the other.
"""

from studies.mutants import Mutation

MATRICES = "tests/tb/test_learner.py::test_matrices_in_all_organisations"
NARROW = "tests/tb/test_learner.py::test_steps_that_are_narrower_than_weights"
KERNELS = "tests/tb/test_learner.py::test_kernels_in_all_organisations"
RULE = "tests/golden/synapse/learning/test_update.py::test_every_part_of_the_rule"
DRAWS = "tests/golden/synapse/learning/test_lfsr.py::test_successive_draws_are_independent"
GOLDEN = "tests/golden/synapse/learning/test_learner.py::test_against_the_definition"

_UNIT, _LEARNER = "rtl/synapse/learning/update.py", "rtl/synapse/learning/learner.py"
LEARNING_MUTATIONS = (
    Mutation("update: a trace is not shifted", _UNIT, "(self.trace.data >> self.rule.trace_shift) * value",
             "self.trace.data * value", MATRICES),
    Mutation("update: the error without its sign", _UNIT, "self.rule.trace_shift) * value),",
             "self.rule.trace_shift) * value.as_unsigned()),", MATRICES),
    Mutation("update: steps are rounded down", _UNIT, "(change + addend) >>", "change >>", MATRICES),
    Mutation("update: all bits of a draw are added", _UNIT, "random.state & (one - 1)[:lfsr.BITS]", "random.state",
             MATRICES),
    Mutation("update: to the nearest rounds down", _UNIT, "Mux(rule.nearest, one >> 1,", "Mux(rule.nearest, 0,",
             MATRICES),
    Mutation("update: to the nearest draws", _UNIT, "& ~multiplied.stays & ~rule.nearest)", "& ~multiplied.stays)",
             MATRICES),
    Mutation("update: a draw for a weight that stays", _UNIT, "multiplied.valid & ~multiplied.stays",
             "multiplied.valid & multiplied.update", MATRICES),
    Mutation("update: the random numbers go on while a write waits", _UNIT, "random.advance.eq(moves & multiplied",
             "random.advance.eq(multiplied", MATRICES),
    Mutation("update: the learning rate is half of what it should be", _UNIT, "addend) >> rule.rate_shift",
             "addend) >> (rule.rate_shift + 1)", MATRICES),
    Mutation("update: always against the product", _UNIT, "Mux(self.rule.ascend, step, -step)", "-step", MATRICES),
    Mutation("update: weights are not clipped from above", _UNIT, "Mux(after > most, most,", "Mux(0, most,", MATRICES),
    Mutation("update: clipped to the lowest number", _UNIT, "Mux(after < -most, -most, after)",
             "Mux(after < ~most, ~most, after)", MATRICES),
    Mutation("update: the new weight is only as wide as its step", _UNIT, "max(len(step), memory.weight_bits) + 1",
             "len(step) + 1", NARROW),
    Mutation("update: zeros move", _UNIT, "(rule.keep_zeros & (given.weight == 0))", "0", MATRICES),
    Mutation("update: the weight's neighbors are written", _UNIT, "mask << written.address[:low]", "-1", MATRICES),
    Mutation("update: a synapse is lost while a write waits", _UNIT, "self.synapse.ready.eq(moves)",
             "self.synapse.ready.eq(1)", MATRICES),
    Mutation("update: retired before it is written", _UNIT, "self.retired.eq(written.valid & written.update & moves)",
             "self.retired.eq(rounded.valid & rounded.update & moves)", MATRICES),
    Mutation("update: a synapse that lacks a trace has another's", _UNIT,
             "(~self.apply & given.neuron[sizes.entry_bits:].any())", "0", MATRICES),
    Mutation("update: sums of weights that are new", _UNIT, "increment.increment.eq(read.weight * value)",
             "increment.increment.eq((read.weight + read.update) * value)", MATRICES),
    Mutation("update: a gradient is not cleared", _UNIT, "Mux(self.apply, 0, total)", "total", KERNELS),
    Mutation("update: what is added up is written as well", _UNIT, "(self.apply | ~rule.accumulate)", "1", KERNELS),
    Mutation("update: weights move by the product of their apply", _UNIT,
             "Mux(self.apply, self.gradient.data.as_signed(), product)", "product", KERNELS),
    Mutation("update: a gradient is its last product", _UNIT, "total.eq(self.gradient.data.as_signed() + product)",
             "total.eq(product)", KERNELS),
    Mutation("update: a gradient that there is not is another's", _UNIT,
             "((self.apply | (given.update & rule.accumulate)) & without_gradient)", "0", KERNELS),
    Mutation("learner: an apply meets other passes", _LEARNER, "~self.busy | ~(applies | applying)", "1", KERNELS),
    Mutation("learner: the unit is idle with sums on their way", _LEARNER, "update.busy | accumulate.busy",
             "update.busy", MATRICES),
    Mutation("learner: the host reads while a request is inside", _LEARNER, "host.ready.eq(~self.busy)",
             "host.ready.eq(1)", MATRICES),
    Mutation("learner: a write of the host to both entries of a word", _LEARNER,
             "(access & host.write) << host.address[:select]", "(access & host.write).replicate(len(write.en))",
             MATRICES),
    Mutation("learner: fewer weights may be on their way than the unit holds",
             "golden/synapse/organisations/interface.py", "IN_FLIGHT = 8", "IN_FLIGHT = 4", MATRICES),
    Mutation("random numbers: a leap of 15 bits", "golden/synapse/learning/lfsr.py",
             "for _ in range(BITS):\n        state", "for _ in range(BITS - 1):\n        state", DRAWS),
    Mutation("update: golden rounds towards zero", "golden/synapse/learning/update.py",
             "(one >> 1 if rule.nearest else random & one - 1) >> rule.rate_shift",
             "(one >> 1 if rule.nearest else random & one - 1) // one + (product < 0)", RULE),
    Mutation("learner: the fast model draws for weights that stay", "golden/synapse/learning/learner.py",
             "self.random.draw(written)", "self.random.draw(len(visit.places))[:written]", GOLDEN),
    Mutation("learner: the fast model forgets a gradient", "golden/synapse/learning/learner.py",
             "self.gradients[visit.numbers] += traces", "self.gradients[visit.numbers] = traces", GOLDEN),
)
LEARNING_WHERE = {MATRICES: ["-k", "icarus"], NARROW: [], KERNELS: [], RULE: [], DRAWS: [], GOLDEN: []}
