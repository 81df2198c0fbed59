"""A convolutional front and an irregular back on one core, in its Verilog."""

import dataclasses

import numpy as np

import synapress
from tests.mapper.test_look_up import CONFIG, mixed_network


def test_kernels_and_tables_in_the_rtl_of_one_core(seed):
    """`simulate` compares values, states and all counters that do not depend on cycles with the golden core."""
    rng = np.random.default_rng(seed)
    compiled = synapress.compile(mixed_network(rng), config=dataclasses.replace(CONFIG, access_counters=1), mesh=False)
    done = synapress.simulate(compiled, rng.integers(0, 256, (2, 3, 6, 5)), engine="rtl")
    assert {choice.chosen for choice in compiled.choices} & {"bitmap", "compressed_rows", "crossbar"}
    assert done.counters["synapse_reads"] and done.counters["index_reads"] and done.counters["weight_reads"]
    assert not done.counters["table_error"]
