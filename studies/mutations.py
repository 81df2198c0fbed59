"""Breaks the RTL on purpose, one change at a time, and checks that the named test fails.

    python -m studies.mutations [--only TEXT] [--write]

Each change is made in a copy of the tree; the test must pass there without it, and fail with it. `--write` puts the
table into docs/verification.md. Takes some minutes per ten changes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("golden", "rtl", "tb", "synapress", "examples", "tests", "studies")
PAGE = ROOT / "docs" / "verification.md"
MARK = "<!-- mutations -->"


@dataclass(frozen=True)
class Mutation:
    """One change of a file, and the test that must see it."""

    what: str
    file: str
    old: str
    new: str
    test: str


PEG = "tests/tb/test_peg.py::test_random_axons"
ESU = "tests/tb/test_esu.py::test_random_events"
SHORT = "tests/tb/test_esu.py::test_short_events"
MEMORY = "tests/tb/test_memory.py::test_random_requests"
NEURON = "tests/tb/test_neuron.py::test_random_operations"
CYCLES = "tests/golden/timing/test_cycles.py::test_random_networks"
EVALUATION = "tests/tb/test_evaluation.py::test_random_populations"
CORE = "tests/tb/test_core.py::test_core_equals_golden"
ENDS = "tests/tb/test_core.py::test_an_end_waits_for_the_values_before_it"
SURPLUS = "tests/tb/test_core.py::test_surplus_ends_and_credits_are_dropped_and_counted"
STOP = "tests/tb/test_core.py::test_stopped_core_starts_afresh"
STATUS = "tests/tb/test_core.py::test_status_tells_what_a_frame_waits_for"
SANE = "tests/studies/test_flipped_bits.py::test_the_core_stays_sane"
AGREE = "tests/studies/test_flipped_bits.py::test_golden_and_core_agree_about_damaged_images"
MODES = "tests/rtl/test_testbench.py::test_all_modes_give_the_same_events"
REFRACTORY = "tests/golden/neuron/test_refractory.py::test_hardware_equals_golden"
HIT_TEST = "tests/tb/test_peg.py::test_without_the_hit_test"
BOOTH = "tests/rtl/neuron/test_booth.py::test_every_pair"
COUNTERS = "tests/tb/test_counters.py::test_random_increments"
LOST = "tests/formal/test_neuron.py::test_no_update_is_lost"
NETWORKS = "tests/engines/test_simulate.py::test_networks_equal_golden"

MUTATIONS = (
    Mutation("PEG: x offset ignored", "rtl/synapse/peg.py", 'register(axon[f"{axis}_offset"],',
             'register(axon["y_offset"],', PEG),
    Mutation("PEG: limit test off by one", "rtl/synapse/peg.py", "_compare(position[unit:half + 1], limit, equal=1)",
             "_compare(position[unit:half + 1], limit, equal=0)", PEG),
    Mutation("PEG: stride phase ignored", "rtl/synapse/peg.py", "first_inside & survives)", "first_inside)", PEG),
    Mutation("PEG: kernel's extent off by one", "rtl/synapse/peg.py", "kernel, equal=0)", "kernel, equal=1)", PEG),
    Mutation("PEG: an end must hit", "rtl/synapse/peg.py", "added & (end_added | (hits[0] & hits[1]))",
             "added & (hits[0] & hits[1])", PEG),
    Mutation("PEG: channel offset ignored", "rtl/synapse/peg.py",
             'register(axon.c_offset, "c_offset", neuron.end) + source', "source + 0", PEG),
    Mutation("PEG: the second word's core ignored", "rtl/synapse/peg.py", "Mux(neuron.far, far[f", "Mux(0, far[f",
             PEG),
    Mutation("PEG: the second word taken for the first", "rtl/synapse/peg.py", "is_far, second = held.far & ~left[0]",
             "is_far, second = held.far & left[0]", PEG),
    Mutation("PEG: as many words as axons, though each has two", "rtl/synapse/peg.py",
             "Mux(neuron.far, Cat(Const(0, 1), neuron.axons), neuron.axons)", "Cat(neuron.axons, Const(0, 1))",
             PEG),
    Mutation("PEG: the axon words of the population before are kept", "rtl/synapse/peg.py",
             "m.d.sync += first.eq(offered.end)", "m.d.sync += first.eq(0)", PEG),
    Mutation("PEG: more words read ahead than there is room for", "rtl/synapse/axons.py",
             "m.d.sync += free.eq(free - granted + used)", "m.d.sync += free.eq(free)", PEG),
    Mutation("PEG: what has been read ahead for a neuron is read again", "rtl/synapse/axons.py",
             "self.first | ~(kept | early)", "self.first | ~kept", PEG),
    Mutation("PEG: without the hit test, events that no word can say", "rtl/synapse/peg.py",
             "return in_range\n", "return Const(1, 1)\n", HIT_TEST),
    Mutation("ESU: x and y stride swapped", "rtl/synapse/esu/walk.py",
             "(old_geometry.x_stride, old_y_stride, old_column_bytes, old_position_bytes)",
             "(old_y_stride, old_geometry.x_stride, old_column_bytes, old_position_bytes)", ESU),
    Mutation("ESU: no clip at the right and bottom", "rtl/synapse/esu/range.py",
             "Mux(neuron_steps[config.kernel_bits:].any() | (neuron_steps[:config.kernel_bits] > tap_steps),\n"
             "                              tap_steps, neuron_steps)", "tap_steps", ESU),
    Mutation("ESU: stride phase ignored", "rtl/synapse/esu/range.py", "small.eq(distance[:most] & ((1 << shift) - 1))",
             "small.eq(0)", ESU),
    Mutation("ESU: dilation taken for a stride", "rtl/synapse/esu/range.py", "shift.eq(Mux(negative == self.dilated,",
             "shift.eq(Mux(negative == 0,", ESU),
    Mutation("ESU: events without a surviving tap not dropped", "rtl/synapse/esu/walk.py",
             "with m.If(none_x | ranges.none):", "with m.If(none_x & ranges.none):", ESU),
    Mutation("ESU: depthwise stays in channel word 0", "rtl/synapse/esu/walk.py",
             "first = Mux(old_edge.kind[1], old_event.c,",
             "first = Mux(old_edge.kind[1], 0,", ESU),
    Mutation("ESU: last lane of the last word ignored", "rtl/synapse/esu/products.py",
             "Mux(edge.kind[1], c[:config.lane_bits], last_lane)",
             "Mux(edge.kind[1], c[:config.lane_bits], config.lanes - 1)", ESU),
    Mutation("ESU: weights of a table counted from the channel", "rtl/synapse/esu/products.py",
             "with m.If(self.beat.advance | table):",
             "with m.If(self.beat.advance):", ESU),
    Mutation("ESU: edge words looked for at the start of the memory", "rtl/synapse/esu/descriptor.py",
             "(self.populations << 1) + next_event.id", "next_event.id", ESU),
    Mutation("ESU: geometry of the next population", "rtl/synapse/esu/descriptor.py",
             "Mux(asks_geometry, edge.population << 1,", "Mux(asks_geometry, (edge.population + 1) << 1,", ESU),
    Mutation("ESU: rows of a table word's depth apart", "rtl/synapse/esu/descriptor.py",
             "with m.If(got_geometry):", "with m.If(got_geometry | got_table):", ESU),
    Mutation("ESU: a table word's depth ignored", "rtl/synapse/esu/descriptor.py",
             "with m.If(got_geometry | got_table):", "with m.If(got_geometry):", ESU),
    Mutation("ESU: a table's words not read again for the same ID", "rtl/synapse/esu/descriptor.py",
             "(self.taken.id == next_event.id) & ~edge.kind[0]", "(self.taken.id == next_event.id)", ESU),
    Mutation("ESU: words kept while idle", "rtl/synapse/esu/descriptor.py", "held.eq((held | take) & ~self.idle)",
             "held.eq(held | take)", ESU),
    Mutation("ESU: columns of the kernel a row too close", "rtl/synapse/esu/products.py",
             "digits = Cat(Const(1, 1), kernel_height",
             "digits = Cat(Const(0, 1), kernel_height", ESU),
    Mutation("ESU: columns of high kernels too close", "rtl/synapse/esu/products.py",
             "with m.If(~Cat(fetch.kernel.kernel_height, Const(0, 1))[2 * rows - 1]):", "with m.If(1):", ESU),
    Mutation("ESU: events of a kind of edge to come are not dropped", "rtl/synapse/esu/walk.py",
             " | (edge.kind == EdgeKind.EXTENDED)", "", ESU),
    Mutation("ESU: a beat does not wait for geometry and table word", "rtl/synapse/esu/walk.py",
             "step.eq(advance | ~(phase[-1] | (phase[1] & fetch.late)))", "step.eq(advance | ~phase[-1])", ESU),
    Mutation("ESU: a beat does not wait for the table word", "rtl/synapse/esu/descriptor.py",
             "late.eq(got_edge | asks_geometry | asks_table | geometry_comes | table_comes)",
             "late.eq(got_edge | asks_geometry | geometry_comes)", ESU),
    Mutation("ESU: short events: another descriptor does not wait for the events in front", "rtl/synapse/esu/short.py",
             "(beat.phase[-1] & ~(valid[0] | valid[1] | valid[2]))", "beat.phase[-1]", SHORT),
    Mutation("ESU: short events: those of several taps follow, too", "rtl/synapse/esu/descriptor.py",
             "self.follows.eq(again & self.single)", "self.follows.eq(again)", SHORT),
    Mutation("ESU: short events: no end at the bottom", "rtl/synapse/esu/short.py",
             "out[-1].eq(out[-2] | (rows[-1] > self.geometry.height))", "out[-1].eq(out[-2])", SHORT),
    Mutation("memory: wrong bank read", "rtl/memory.py", "Array(read_data)[here]", "Array(read_data)[coming]", MEMORY),
    Mutation("memory: priority of weight and state swapped", "golden/ports.py",
             'Port("weight", 20,', 'Port("weight", 5,', MEMORY),
    Mutation("memory: promotion ignored", "rtl/memory.py",
             "order.append((place.promoted, place, asks & lifted))", "order.append((place.promoted, place, asks & 0))",
             MEMORY),
    Mutation("memory: a port that shares an access does not wait for the one before", "rtl/memory.py",
             "place.ready & ~Cat(before).any()", "place.ready", MEMORY),
    Mutation("memory: the word of another writer", "rtl/memory.py", "writer.eq(number)", "writer.eq(0)", MEMORY),
    Mutation("memory: banks take the word to write a cycle late", "rtl/memory.py",
             "comb += bank.write_data.eq(place", "sync += bank.write_data.eq(place", MEMORY),
    Mutation("neuron: no hazard check", "rtl/neuron/update.py", " & ~Cat(same_next.values()).any()", "",
             NEURON),
    Mutation("neuron: held write forgotten by the hazard check", "rtl/neuron/update.py",
             'same_next["held"].eq(held_next & Mux(', 'same_next["held"].eq(0 & Mux(',
             "tests/tb/test_neuron.py::test_random_operations_on_banks"),
    Mutation("neuron: the operation that reads its state is not compared", "rtl/neuron/update.py",
             "load & issue & (front.address == head.address)", "Const(0, 1)", LOST),
    Mutation("neuron: the operation that multiplies is not compared", "rtl/neuron/update.py",
             'product.valid & matches["product"]', "Const(0, 1)", LOST),
    Mutation("neuron: the operation that adds is not compared", "rtl/neuron/update.py",
             'addend.valid & matches["addend"]', "Const(0, 1)", LOST),
    Mutation("neuron: the operation whose write is held back is not compared", "rtl/neuron/update.py",
             'held_next & Mux(sums.valid, matches["sums"], matches["held"])', "Const(0, 1)", LOST),
    Mutation("neuron: sum saturates instead of wrapping", "rtl/neuron/update.py",
             "results[lane].eq(state + addition)]",
             "results[lane].eq(Mux(state + addition > -1 - lowest.value, -1 - lowest.value, state + addition))]",
             NEURON),
    Mutation("neuron: lanes that are not masked change", "rtl/neuron/update.py", "with m.If(~addend.mask[lane]):",
             "with m.If(0):", NEURON),
    Mutation("neuron: maximum without sign", "rtl/neuron/update.py", "Mux(state < addition, addition, state)",
             "Mux(state.as_unsigned() < addition.as_unsigned(), addition, state)", NEURON),
    Mutation("product: the sum of the low digits loses its sign", "rtl/neuron/products/linear.py",
             "(low >> half)", "(low.as_unsigned() >> half)", NEURON),
    Mutation("neuron: broadcast takes the first byte", "rtl/neuron/update.py",
             "group.word_select(head.byte[:config.lane_bits], config.weight_bits)",
             "group.word_select(0, config.weight_bits)", NEURON),
    Mutation("evaluation: reads on behind the end of the memory", "rtl/neuron/reading.py",
             "s.left.eq(s.address[config.address_bits:].any())", "s.left.eq(0)", EVALUATION),
    Mutation("evaluation: an early end leaves the place of the next neuron", "rtl/neuron/fire.py",
             "m.If(begins | clear)", "m.If(begins)", EVALUATION),
    Mutation("cycles: a weight word fewer read ahead", "rtl/neuron/update.py", "reserved != WEIGHT_WORDS",
             "reserved != WEIGHT_WORDS - 1", CYCLES),
    Mutation("cycles: a write-back goes before the state it keeps waiting", "rtl/neuron/update.py",
             "write.valid.eq(self._writes & ~keep)", "write.valid.eq(self._writes)", CYCLES),
    Mutation("cycles: descriptor words read again for each event", "rtl/synapse/esu/descriptor.py",
             "again.eq(held &", "again.eq(0 &", CYCLES),
    Mutation("evaluation: rounds down", "rtl/neuron/requantize.py", "carry.eq(rest[0] & (sticky | rest[1]))",
             "carry.eq(0)",
             EVALUATION),
    Mutation("evaluation: half rounded up", "rtl/neuron/requantize.py", "rest[0] & (sticky | rest[1])", "rest[0]",
             EVALUATION),
    Mutation("evaluation: half rounded to odd", "rtl/neuron/requantize.py", "(sticky | rest[1])", "(sticky | ~rest[1])",
             EVALUATION),
    Mutation("evaluation: sticky bit ignored", "rtl/neuron/requantize.py", "(sticky | rest[1])", "rest[1]", EVALUATION),
    Mutation("evaluation: sticky bit of the last shifts only", "rtl/neuron/requantize.py",
             "sticky = self._register(sticky,", "sticky = self._register(sticky if digit == 0 else Value.cast(0),",
             EVALUATION),
    Mutation("evaluation: upper saturation off by one", "rtl/neuron/requantize.py", "(1 << value_bits - 1) - 1)))",
             "(1 << value_bits - 1) - 2)))", EVALUATION),
    Mutation("evaluation: bias ignored", "rtl/neuron/requantize.py",
             '+ parameter["bias"])', "+ 0)", EVALUATION),
    Mutation("evaluation: states are not cleared", "rtl/neuron/reading.py",
             "asked.payload.purpose.eq(Purpose.CLEAR)", "asked.payload.purpose.eq(Purpose.STATE)", EVALUATION),
    Mutation("evaluation: padding of the depth ignored", "rtl/neuron/reading.py", "(last_word + 1) | word.pad",
             "last_word + 1", EVALUATION),
    Mutation("evaluation: slope ignored", "rtl/neuron/requantize.py",
             'Mux(parameter["leaky"] & total[-1], parameter["slope"], parameter["multiplier"])',
             'parameter["multiplier"]', EVALUATION),
    Mutation("evaluation: slope of positive sums too", "rtl/neuron/requantize.py",
             'Mux(parameter["leaky"] & total[-1],', 'Mux(parameter["leaky"],', EVALUATION),
    Mutation("evaluation: table index off by one", "rtl/neuron/lookup.py",
             "number = Cat(self.value[:-1], ~self.value[-1])",
             "number = (Cat(self.value[:-1], ~self.value[-1]) + 1)[:config.value_bits]", EVALUATION),
    Mutation("evaluation: table taken from behind its end", "rtl/neuron/lookup.py",
             "Const(-1, config.address_bits)",
             "Const(0, config.address_bits)", EVALUATION),
    Mutation("evaluation: product takes the wrong half", "rtl/neuron/types/product.py",
             "b = Cat(given[bits:2 * bits], given[2 * bits - 1] & signed_b)",
             "b = Cat(given[:bits], given[bits - 1] & signed_b)", EVALUATION),
    Mutation("evaluation: a row below zero lacks its one", "rtl/neuron/booth.py",
             "Cat(carry, other).as_signed()", "Cat(Const(0, 1), other).as_signed()", BOOTH),
    Mutation("evaluation: operand B keeps what a negative A took", "rtl/neuron/types/product.py",
             "+ (state[bits - 1] & signed_a)", "+ 0", EVALUATION),
    Mutation("evaluation: unsigned operands taken for signed", "rtl/neuron/types/product.py",
             "signed_b.eq(self.type != NeuronType.PRODUCT_UNSIGNED)", "signed_b.eq(1)", EVALUATION),
    Mutation("evaluation: reset by zero instead of subtraction", "rtl/neuron/types/spiking.py",
             "Mux(self.mode[0] == Reset.ZERO, 0, rest)", "Mux(1, 0, rest)", EVALUATION),
    Mutation("evaluation: fires above the threshold only", "rtl/neuron/types/spiking.py",
             "fires.eq(~rest[-1])", "fires.eq(~rest[-1] & rest.any())", EVALUATION),
    Mutation("evaluation: leak ignored", "rtl/neuron/types/spiking.py",
             "self.factor.eq(self.parameter.multiplier)", "self.factor.eq(1)", EVALUATION),
    Mutation("evaluation: kept state wraps", "rtl/neuron/requantize.py",
             "scaled = Mux(fits(config.state_bits), rounded[:-1],", "scaled = Mux(1, rounded[:-1],", EVALUATION),
    Mutation("evaluation: spiking states are cleared", "rtl/neuron/evaluation.py", "requantize.kept)", "0)",
             EVALUATION),
    Mutation("evaluation: done before the last kept state is written", "rtl/neuron/evaluation.py",
             "(ending[-1] & writer.pending)", "(ending[-1] & 0)", EVALUATION),
    Mutation("evaluation: kept states overtake the words before them", "rtl/neuron/evaluation.py",
             "(evaluating[-1] & writer.waits)", "(evaluating[-1] & 0)", EVALUATION),
    Mutation("evaluation: value looked up without waiting for its entry", "rtl/neuron/lookup.py",
             "go.eq(buffer.first.valid & room & (~needs | table.ready))", "go.eq(buffer.first.valid & room)",
             EVALUATION),
    Mutation("evaluation: more values on their way than there is room for", "rtl/neuron/lookup.py",
             "room.eq(reserved != LOOKUP_WORDS)", "room.eq(1)", EVALUATION),
    Mutation("evaluation: a channel word begins with parameters of the one before", "rtl/neuron/reading.py",
             "Mux(s.begun, older | loaded, older & loaded)", "(older | loaded)", EVALUATION),
    Mutation("evaluation: the second population word is not read", "rtl/neuron/reading.py",
             "with m.If(self._commanded().extended):", "with m.If(0):", EVALUATION),
    Mutation("evaluation: far axons taken for near ones", "rtl/neuron/reading.py",
             "Mux(s.place_parameters, word.axons << population.far, 1)", "Mux(s.place_parameters, word.axons, 1)",
             EVALUATION),
    Mutation("evaluation: axons taken from the second population word on", "rtl/neuron/reading.py",
             "population.axon_base.eq(s.parameter_address)", "population.axon_base.eq(word.base)", EVALUATION),
    Mutation("refractory: as many timesteps as there are", "rtl/neuron/types/refractory.py", "Mux(waits, left - 1,",
             "Mux(waits, left,", REFRACTORY),
    Mutation("refractory: the second parameter word ignored", "rtl/neuron/types/refractory.py",
             "time.eq(self.second_given.refractory)", "time.eq(0)", REFRACTORY),
    Mutation("refractory: second words taken for first ones", "rtl/neuron/reading.py",
             "s.half.eq(s.doubled & ~s.half)", "s.half.eq(s.doubled & s.half)", REFRACTORY),
    Mutation("refractory: kept potential wraps", "rtl/neuron/types/refractory.py", "potential = Mux(beyond,",
             "potential = Mux(0,", REFRACTORY),
    Mutation("core: an end does not wait for the values before it", "rtl/queues.py",
             "(kinds[EventKind.END] & behind)", "kinds[EventKind.END]", NETWORKS),
    Mutation("core: values pass an end that is being counted", "rtl/queues.py",
             "kinds[EventKind.VALUE] & ~self.counting", "kinds[EventKind.VALUE]", STATUS),
    Mutation("core: an end does not wait for the neuron update", "rtl/core.py",
             "drained = ~decoder.busy & ~update.busy", "drained = ~decoder.busy", ENDS),
    Mutation("core: an end does not wait for the ESU", "rtl/core.py",
             "drained = ~decoder.busy & ~update.busy", "drained = ~update.busy", ENDS),
    Mutation("core: the PEG does not look for room", "rtl/queues.py",
             "self.room.eq((local.level", "self.room.eq(1 | (local.level", NETWORKS),
    Mutation("stop: ESU goes on", "rtl/core.py",
             "decoder = running(", "decoder = (", STOP),
    Mutation("stop: neuron update goes on", "rtl/core.py",
             "update = running(", "update = (", STOP),
    Mutation("stop: evaluation goes on", "rtl/core.py",
             "evaluation = running(", "evaluation = (", STOP),
    Mutation("stop: PEG goes on", "rtl/core.py",
             "peg = running(", "peg = (", STOP),
    Mutation("stop: counts and credits of the scheduler kept", "rtl/core.py",
             "timestep = running(", "timestep = (", STOP),
    Mutation("stop: input queue kept", "rtl/queues.py",
             "ResetInserter(~running)(SyncFIFO(width=width, depth=config.input_queue))",
             "SyncFIFO(width=width, depth=config.input_queue)", STOP),
    Mutation("stop: local queue kept", "rtl/queues.py",
             "ResetInserter(~running)(SyncFIFO(width=width, depth=config.local_queue))",
             "SyncFIFO(width=width, depth=config.local_queue)", STOP),
    Mutation("stop: an offered output event withdrawn", "rtl/queues.py",
             "outputs = SyncFIFOBuffered(width=width, depth=config.output_queue)",
             "outputs = ResetInserter(~running)(SyncFIFOBuffered(width=width, depth=config.output_queue))", STOP),
    Mutation("stop: idle with events in the output queue", "rtl/queues.py",
             "outputs.level != 0, ", "", STOP),
    Mutation("stop: events taken while stopped", "rtl/queues.py",
             "Mux(running, inputs.w_rdy, self.discard)", "inputs.w_rdy", STOP),
    Mutation("stop: counters cleared", "rtl/host_port.py",
             "m.d.sync += register.eq(access.data)", "m.d.sync += [register.eq(access.data), self.clear.eq(1)]", STOP),
    Mutation("counters: a clearing leaves what is in memory", "rtl/counters.py",
             "m.d.sync += stale.eq(count)", "m.d.sync += stale.eq(0)", COUNTERS),
    Mutation("counters: what comes during a visit is lost", "rtl/counters.py",
             "m.d.sync += low.eq(came)", "m.d.sync += low.eq(0)", COUNTERS),
    Mutation("counters: short ones are a bit too short", "rtl/counters.py",
             "(period(config) * most).bit_length()", "(period(config) * most).bit_length() - 1", COUNTERS),
    Mutation("scratch: the counters write where the scheduler reads", "rtl/scratch.py",
             "Mux(mine, table.address, count.address)", "Mux(mine | turn[1], table.address, count.address)", COUNTERS),
    Mutation("accesses: refused requests counted too", "rtl/core.py",
             "granted = requester.valid & requester.ready", "granted = requester.valid", CYCLES),
    Mutation("accesses: writes counted as reads", "rtl/core.py",
             "granted & (requester.write if writes else ~requester.write)",
             "granted & (requester.write if writes else 1)", CYCLES),
    Mutation("timestep: geometry words taken for population words", "rtl/timestep.py",
             "Cat(Const(1, 1), s.population)", "Cat(Const(0, 1), s.population)", CORE),
    Mutation("timestep: owners taken from the edge word before", "rtl/timestep.py",
             "(self.populations << 1) + s.index", "(self.populations << 1) + s.index - 1", CORE),
    Mutation("timestep: credits are not spent", "rtl/timestep.py",
             's.does("fill") | s.access["spend"])', 's.does("fill"))', NETWORKS),
    Mutation("timestep: return slots overlap", "rtl/timestep.py",
             "s.slot.eq(s.slot + s.population_word.incoming)", "s.slot.eq(s.slot + 1)", NETWORKS),
    Mutation("timestep: credit goes the wrong way", "rtl/timestep.py", "payload.core_x.eq(-s.back.x)",
             "payload.core_x.eq(s.back.x)", CORE),
    Mutation("timestep: credit for the wrong population", "rtl/timestep.py", "payload.id.eq(s.back.population)",
             "payload.id.eq(s.back.population + 1)", CORE),
    Mutation("timestep: a surplus end is counted as one that was waited for", "rtl/timestep.py",
             "s.end_surplus.eq(s.ready.bit_select(s.population, 1) | (fields.incoming == 0)),",
             "s.end_surplus.eq(fields.incoming == 0),", SURPLUS),
    Mutation("timestep: a surplus end is told, but not dropped", "rtl/timestep.py",
             's.end_surplus, "idle", "return")', 's.end_surplus, "return", "return")', SURPLUS),
    Mutation("timestep: values that come too early are not told", "rtl/timestep.py",
             "self.early.eq(self.decoded &", "self.early.eq(0 &", STATUS),
    Mutation("timestep: every value counts as too early", "rtl/timestep.py",
             "& s.ready.bit_select(self.population, 1))", "& 1)", STATUS),
    Mutation("timestep: a surplus credit is not told", "rtl/timestep.py",
             '(s.does("pay") & s.credits_full) | ', "", SURPLUS),
    Mutation("timestep: a surplus credit is kept", "rtl/timestep.py",
             "fields.credits + ~s.credits_full", "fields.credits + 1", SURPLUS),
    Mutation("timestep: a half frame stays one when its last end has come", "rtl/timestep.py",
             "s.incomplete + s.began - s.completed", "s.incomplete + s.began", STATUS),
    Mutation("timestep: missing credits are not told", "rtl/timestep.py",
             "(s.ready & ~s.credited).any() & ~s.evaluating", "(s.ready & s.credited).any() & ~s.evaluating", STATUS),
    Mutation("guard: the stride of the columns is not compared", "rtl/guard.py",
             "& (geometry.x_stride == x_stride)",
             "", AGREE),
    Mutation("guard: values for populations that do not agree are taken", "rtl/synapse/esu/walk.py",
             "refused = refused | ~self.good.bit_select(edge.population, 1)",
             "pass", AGREE),
    Mutation("guard: channel words that the states do not have are written", "rtl/synapse/esu/walk.py",
             "with m.If(phase[0] & outside):",
             "with m.If(0):", SANE),
    Mutation("guard: populations that do not agree are evaluated", "rtl/timestep.py",
             '(s.access["fill"] & good)', 's.access["fill"]', SANE),
    Mutation("Verilog: combinational processes are left as they are", "rtl/conversion.py", '_SCRIPT = ("proc",',
             '_SCRIPT = ("proc -nomux -norom",', MODES),
    Mutation("Verilog: the SRAM module reads while it writes, and keeps nothing", "rtl/conversion.py",
             "if (write) words[address] <= write_data;", "if (write) read_data <= write_data;", MODES),
)


def passes(tree: Path, test: str) -> bool:
    """Whether a test passes in a tree, in Verilator; the modes of Icarus in that."""
    cases = "grai_vip" if test == ESU else "fpga_small or banks"  # the smallest that see the changes
    plain = {NETWORKS: [], CYCLES: [], STATUS: [], SANE: [], AGREE: [], MODES: ["-k", "icarus"],
             REFRACTORY: ["-k", "verilator"], COUNTERS: [], HIT_TEST: ["-k", "verilator"], SHORT: [], LOST: []}
    where = plain.get(test, ["-k", f"verilator and ({cases})"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider", *where, test],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{test}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="changes whose description has this text")
    parser.add_argument("--write", action="store_true", help="put the table into docs/verification.md")
    arguments = parser.parse_args()
    if arguments.only and arguments.write:
        parser.error("--write writes the whole table: without --only")
    chosen = [mutation for mutation in MUTATIONS if arguments.only in mutation.what]
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary)
        for room in ROOMS:
            shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        for test in dict.fromkeys(mutation.test for mutation in chosen):
            if not passes(tree, test):
                raise SystemExit(f"{test} fails without any change")
            print(f"passes as it is: {test}", flush=True)
        survivors = []
        for mutation in chosen:
            path = tree / mutation.file
            text = path.read_text()
            if text.count(mutation.old) != 1:
                raise SystemExit(f"{mutation.what}: {mutation.file} has the text {text.count(mutation.old)} times")
            path.write_text(text.replace(mutation.old, mutation.new))
            red = not passes(tree, mutation.test)
            path.write_text(text)
            print(f"{'red     ' if red else 'SURVIVED'} {mutation.what}: {mutation.test}", flush=True)
            if not red:
                survivors.append(mutation.what)
    if survivors:
        raise SystemExit(f"{len(survivors)} of {len(chosen)} changes were not seen")
    print(f"{len(chosen)} changes, all seen")
    if arguments.write:
        rows = "\n".join(f"| {item.what} | `{item.file}` | `{item.test}` |" for item in chosen)
        head, _, rest = PAGE.read_text().partition(MARK)
        tail = rest.partition(MARK)[2]
        table = f"\n| change | file | test that fails |\n|---|---|---|\n{rows}\n"
        PAGE.write_text(f"{head}{MARK}{table}{MARK}{tail}")


if __name__ == "__main__":
    main()
