"""Without the hit test more events go out, and the results stay the same."""

import dataclasses

import numpy as np

from golden.config import PRESETS
from golden.core import Core
from golden.host import decode, encode, run_frame
from synapress.mapper import compile_network
from tests.helpers.networks import random_input, random_network


def test_results_do_not_depend_on_the_hit_test(seed: int) -> None:
    small, more = PRESETS["fpga_small"], 0
    for number in range(12):
        rng = np.random.default_rng([seed, number])
        network = random_network(rng, layers=4)
        inputs, found = random_input(rng, network), []
        for hit_test in (1, 0):
            config = dataclasses.replace(small, name="switched", hit_test=hit_test)
            image = compile_network(network, config)[1]
            core = Core(config, image.words, edges=image.edges, populations=image.populations)
            given = [(inputs[entry["name"]], entry["axons"]) for entry in image.manifest["inputs"]]
            events = run_frame(core, encode(given, config))
            outputs = [decode(events, entry["id"], tuple(entry["shape"]), config)
                       for entry in image.manifest["outputs"]]
            found.append((outputs, core.counters))
        (tested, counted), (untested, counted_more) = found
        for one, other in zip(tested, untested, strict=True):
            np.testing.assert_array_equal(one, other)
        assert counted["synapses"] == counted_more["synapses"]
        sent = [counters["values_in"] + counters["values_local"] for counters in (counted, counted_more)]
        assert sent[0] <= sent[1]
        more += sent[1] - sent[0]
    assert more > 0
