"""Changes of the network that learns: in software, on chip with the host's steps, and what compares the two."""

from studies.mutants import Mutation

_TESTS = "tests/learning"
LITERAL = f"{_TESTS}/test_on_chip.py::test_golden_learner_equals_the_literal_one_in_every_organisation"
COMPILED = f"{_TESTS}/test_on_chip.py::test_hardware_equals_the_golden_model"
HOST = f"{_TESTS}/test_on_chip.py::test_host_in_integers_is_close_to_real_numbers"
TRACE = f"{_TESTS}/test_on_chip.py::test_a_trace_is_what_a_spike_does_to_a_potential"
ON_CHIP = f"{_TESTS}/test_on_chip.py::test_the_loss_falls_on_chip"
TAPE = f"{_TESTS}/test_network.py::test_quantized_network_equals_the_tape"
DIFFERENCES = f"{_TESTS}/test_network.py::test_gradient_equals_differences"
BY_HAND = f"{_TESTS}/test_network.py::test_quantizers_by_hand"
BY_CHANCE = f"{_TESTS}/test_network.py::test_gradients_are_rounded_without_bias"
ADAMAX = f"{_TESTS}/test_training.py::test_adamax_equals_its_definition"
RESUMED = f"{_TESTS}/test_training.py::test_interrupted_training_goes_on_as_if_it_was_not"
CLIPPED = f"{_TESTS}/test_training.py::test_weights_are_clipped_and_those_that_are_not_there_stay"
TOLD = f"{_TESTS}/test_demo_learning.py::test_a_difference_ends_it"

_ROOM = "synapress/learning"
_SERVED = f"{_ROOM}/learner.cpp"
ON_CHIP_MUTATIONS = (
    Mutation("on chip: weights that are not there move", f"{_ROOM}/learners.py",
             "keep_zeros=int(settings.density < 1)", "keep_zeros=0", LITERAL),
    Mutation("on chip: sums go on from those of the phase before", f"{_ROOM}/learners.py",
             "learner.sums[:] = 0", "learner.sums[:0] = 0", LITERAL),
    Mutation("on chip: traces stay as they were", f"{_ROOM}/learners.py",
             "learner.traces[:len(traces)] = traces", "learner.traces[:0] = traces[:0]", LITERAL),
    Mutation("on chip, compiled: a write clears the other weights of its word", _SERVED,
             "word = (word & ~mask) |", "word =", COMPILED),
    Mutation("on chip, compiled: sums go on from those of the phase before", _SERVED,
             "i < sums; i++) set_sums(i, 0)", "i < 0; i++) set_sums(i, 0)", COMPILED),
    Mutation("on chip, compiled: traces stay as they were", _SERVED,
             "i < traces.size(); i++) set_traces", "i < 0; i++) set_traces", COMPILED),
    Mutation("on chip, compiled: another first random number", _SERVED,
             "learner->seed = seed", "learner->seed = seed + 1", COMPILED),
    Mutation("on chip, compiled: a read that waits is counted twice", _SERVED,
             "counts[2] += learner->weight_read", "counts[2] += learner->PORT(weight, valid)", COMPILED),
    Mutation("on chip: integers are rounded down", f"{_ROOM}/on_chip.py",
             "(values + (1 << bits >> 1)) >> bits", "values >> bits", HOST),
    Mutation("on chip: the slope depends on the side of the threshold", f"{_ROOM}/on_chip.py",
             "(1 << UNIT_BITS) + np.abs(distance)", "(1 << UNIT_BITS) + distance", HOST),
    Mutation("on chip: a spike goes into the trace, not into its current", f"{_ROOM}/on_chip.py",
             "self.trace, self.trace_current, 0 * spike, spike)", "self.trace, self.trace_current, -spike, 0 * spike)",
             TRACE),
    Mutation("on chip: errors with the wrong sign", f"{_ROOM}/on_chip.py",
             "(spikes[step].astype(np.int64) - target)", "(target - spikes[step].astype(np.int64))", ON_CHIP),
    Mutation("on chip: errors of hidden neurons are forgotten", f"{_ROOM}/on_chip.py",
             "_update(layers[0], _error(numbers, back,", "_update(layers[0], _error(numbers, 0 * back,", LITERAL),
    Mutation("learning: a slope that is not squared", f"{_ROOM}/network.py",
             "slope = 1 / np.square(np.float32(STEEP) * np.abs(layer.distances) + 1)",
             "slope = 1 / (np.float32(STEEP) * np.abs(layer.distances) + 1)", DIFFERENCES),
    Mutation("learning: a current's error is lost after a step", f"{_ROOM}/network.py",
             "np.float32(CURRENT) * by_current + by_potential", "by_potential", DIFFERENCES),
    Mutation("learning: errors pass where a quantizer clipped", f"{_ROOM}/network.py",
             "return through * layer.inside[which][step] if layer.inside else through", "return through", TAPE),
    Mutation("learning: the loss forgets that spikes fade", f"{_ROOM}/task.py",
             "back[:, step] += np.float32(TRACE) * back[:, step + 1]", "back[:, step] += 0 * back[:, step + 1]",
             DIFFERENCES),
    Mutation("learning: the power of two below", f"{_ROOM}/quantizers.py",
             "fraction < np.sqrt(0.5)", "fraction < 1", BY_HAND),
    Mutation("learning: gradients are rounded down", f"{_ROOM}/quantizers.py",
             "(whole + up) *", "whole *", BY_CHANCE),
    Mutation("learning: the first steps are as small as the mean", f"{_ROOM}/training.py",
             "RATE / (1 - DECAY ** epoch)", "RATE", ADAMAX),
    Mutation("learning: a resumed training has no mean of gradients", f"{_ROOM}/training.py",
             "self._weights, self._means, self._largest = kept", "self._weights, _, self._largest = kept", RESUMED),
    Mutation("learning: a resumed training draws what it has drawn", f"{_ROOM}/training.py",
             "losses, len(losses[0])", "losses, 0", RESUMED),
    Mutation("learning: weights that are not there move", f"{_ROOM}/training.py",
             "wanted = gradients[number][which] * exists[which]", "wanted = gradients[number][which]", CLIPPED),
    Mutation("learning: weights leave their range", f"{_ROOM}/training.py",
             "np.clip(weights, -most, most, out=weights)", "np.clip(weights, -2, 2, out=weights)", CLIPPED),
    Mutation("demo that learns: only the weights at the end are compared", f"{_ROOM}/on_chip.py",
             "for mine, theirs in zip(one.history, other.history, strict=False):",
             "for mine, theirs in zip(one.history[:0], other.history, strict=False):", TOLD),
)
ON_CHIP_WHERE = {LITERAL: ["-k", "half"], COMPILED: ["-k", "crossbar and half"], HOST: [], TRACE: [], ON_CHIP: [],
                 TAPE: [], DIFFERENCES: [], BY_HAND: [], BY_CHANCE: [], ADAMAX: [], RESUMED: [], CLIPPED: [], TOLD: []}
