"""Bench of the neuron update with `forward_states` on runs of operations that share a state word, cycle by cycle.

Top: NeuronUpdate. `parameters()`: `config`.
"""

from collections import Counter
from typing import Any

import cocotb

from golden.synapse.esu import WordOperation
from golden.timing.microarchitecture import STATE_LATENCY, WRITE_DELAY
from tb.streams import clock_and_reset
from tb.tb_neuron import Bench


@cocotb.test()
async def runs_of_a_word(dut: Any) -> None:
    """A cycle each, with one read and one write for a run."""
    bench = Bench(dut)
    config, watch = bench.config, bench.watch
    weight = (config.memory_words - 1) * config.word_bits // 8
    await clock_and_reset(dut)
    for runs in ([9], [2, 1, 3], [1, 2, 2, 1], [4, 4]):
        words = [word for word, count in enumerate(runs) for _ in range(count)]
        before, reads, writes, accepts = Counter(watch.counts), len(watch.reads), len(watch.writes), len(watch.accepts)
        await bench.run([WordOperation(word, weight, 1, 0, 0, 0, 1) for word in words])
        counts, start = watch.counts - before, watch.accepts[accepts] + STATE_LATENCY
        firsts = [sum(runs[:place]) for place in range(len(runs))]
        assert [cycle - start for cycle in watch.reads[reads:]] == firsts, "a read per word, and a cycle per operation"
        lasts = [first + count - 1 + WRITE_DELAY for first, count in zip(firsts, runs, strict=True)]
        assert [cycle - start for cycle in watch.writes[writes:]] == lasts, "a write per word, after its last operation"
        assert counts["forwarded"] == len(words) - len(runs) and not counts["stall_hazard"]
    # With another word between it waits, as without.
    before = Counter(watch.counts)
    await bench.run([WordOperation(word, weight, 1, 0, 0, 0, 1) for word in (0, 0, 1, 0)])
    assert (watch.counts - before)["stall_hazard"] == WRITE_DELAY - 1
