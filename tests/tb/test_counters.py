"""The counters on the scratch memory, and the memory itself: what they add up, and what they leave of others' words."""

import dataclasses

import pytest
from amaranth import Const

from golden.config import PRESETS, CoreConfig
from golden.registers import counters
from rtl.counters import period, short_bits
from rtl.scratch import ScratchMap
from synapress.tools.simulator import launch
from tests.helpers.counting import Counting

CONFIG = dataclasses.replace(PRESETS["fpga_small"], lanes=8, access_counters=1, counter_bits=16)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_random_increments(simulator: str, seed: int) -> None:
    """Reads while all counters run at their fastest, clearings in between, wraps, a table that takes all its turns."""
    place = ScratchMap(CONFIG)
    quarter = place.depth // 4
    launch(Counting(CONFIG), name="counting", module="tb.tb_counters", simulator=simulator, seed=seed, parameters={
        "config": CONFIG.to_json(), "cycles": 14_000, "clears": 2_000, "words": place.depth,
        "own": [quarter, quarter + len(counters(CONFIG))],
        "most": [8 if name == "synapses" else 3 if name == "protocol_error" else 1 for name in counters(CONFIG)],
    })


@pytest.mark.parametrize("config", [*PRESETS.values(), CONFIG], ids=["grai_vip", "fpga_small", "30 counters"])
def test_short_counters_have_room(config: CoreConfig) -> None:
    """A counter is visited each three cycles per counter: what comes until then is less than it can hold."""
    cycles = 3 * len(counters(config))
    assert cycles == period(config)
    for name, bits in short_bits(config).items():
        most = {"synapses": config.lanes, "protocol_error": 3}.get(name, 1)
        assert cycles * most < 1 << bits <= 2 * cycles * most, name


@pytest.mark.parametrize("config", [
    *PRESETS.values(), CONFIG,
    dataclasses.replace(CONFIG, edge_bits=8, population_bits=8, incoming_bits=10, axon_count_bits=10),
    CoreConfig(edge_bits=1, population_bits=1, incoming_bits=1, axon_count_bits=1, counter_bits=64),
], ids=["grai_vip", "fpga_small", "30 counters", "largest", "smallest"])
def test_places_do_not_overlap(config: CoreConfig) -> None:
    """Populations, counters and returns, each at an address of its own within the memory."""
    place = ScratchMap(config)
    kinds = ((place.of_population, config.max_edges), (place.of_counter, len(counters(config))),
             (place.of_return, 1 << config.incoming_bits))
    addresses = []
    for where, count in kinds:
        for index in range(count):
            addresses.append(Const.cast(where(Const(index, (count - 1).bit_length()))).value)
    assert len(set(addresses)) == len(addresses) and max(addresses) < place.depth
    assert place.width >= max(place.population.size, place.back.size, config.counter_bits)
