"""The whole core with synapse tables: random tables beside kernels, corrupted ones, all equal to the golden core."""

from functools import cache

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.host import run_frame
from golden.registers import Status
from golden.words import EdgeKind, EventKind, layouts
from rtl.synapse.gather import Gather
from synapress.engines import verilated
from synapress.tools.simulator import launch
from tests.helpers.table_cores import Table, TableCore, mixed, random_core
from tests.tb.test_core import core

SMALL = CoreConfig.preset("fpga_small")
CONFIGS = {
    "tables": mixed(SMALL, table_weight_bits=12),
    "lanes8": mixed(SMALL, lanes=8, table_weight_bits=9, forward_states=1, skip_silent=1),
    "state32": mixed(SMALL, ("crossbar", "compressed_rows"), state_bits=32, multiplier_bits=12, short_events=1),
    "banks2": mixed(SMALL, ("bitmap",), banks=2, table_weight_bits=3, short_events=1, forward_states=1),
}


def parameters(rng: np.random.Generator, config: CoreConfig, *, corrupt: int = 0, events: int = 8, frames: int = 2,
               astray: float = 0, **more: str | int) -> dict:
    """What `tb.tb_core` needs of a random core."""
    image, made, given = random_core(rng, config, corrupt=corrupt, events=events, frames=frames,
                                     astray=astray)
    return described(config, image, made, given, **more)


def described(config: CoreConfig, image: np.ndarray, made: TableCore, frames: list[list[int]],
              **more: str | int | list) -> dict:
    pack = layouts(config).event.pack
    unknown = config.max_edges - 1
    bad = [pack(id=unknown, v=3), pack(id=0, c=(1 << config.channel_bits) - 1, v=3), pack(kind=3),
           *(pack(kind=kind, id=unknown) for kind in (EventKind.END, EventKind.CREDIT))]
    return {"config": config.to_json(), "words": image.ravel().tolist(), "edges": len(made.edges),
            "populations": len(made.populations), "inputs": len(made.ends), "frames": frames, "bad": bad, **more}


CASES = [("verilator", "tables", "randomly", 0), ("verilator", "tables", "bursts", 1),
         ("icarus", "lanes8", "bursts", 0)]
CASES += [pytest.param("verilator", name, pause, 0, marks=pytest.mark.long)
          for name, pause in (("lanes8", "bursts"), ("state32", "never"), ("banks2", "randomly"))]


@pytest.mark.parametrize(("simulator", "name", "pause", "corrupt"), CASES, indirect=["simulator"])
def test_core_equals_golden(simulator: str, name: str, pause: str, corrupt: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 50, corrupt, *name.encode(), *pause.encode()])
    given = parameters(rng, CONFIGS[name], corrupt=corrupt * 12, astray=corrupt * 0.2, pause_in=pause, pause_out=pause)
    launch(core(CONFIGS[name]), name="core", module="tb.tb_core", simulator=simulator, parameters=given, seed=seed)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_stopped_core_starts_afresh(simulator: str, seed: int) -> None:
    """Stops in a start and in a frame whose events are looked up, too."""
    given = parameters(np.random.default_rng([seed, 51]), CONFIGS["tables"], events=4, frames=1, every=61,
                       start_cycles=80)
    launch(core(CONFIGS["tables"]), name="core", module="tb.tb_core_stop", simulator=simulator, parameters=given,
           seed=seed)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_damaged_tables_do_not_hang(simulator: str, seed: int) -> None:
    """Tables, and headers, of any bits; rows of at most as many synapses as the memory has words."""
    rng, config = np.random.default_rng([seed, 52]), CONFIGS["tables"]
    image, made, frames = random_core(rng, config, events=3, frames=1)
    damaged = []
    for _ in range(4):
        words = image.copy()
        for base in made.bases:
            header, bases = (int(word) for word in rng.integers(1 << 64, size=2, dtype=np.uint64))
            layout = layouts(config).table_header
            fields = layout.unpack(header)
            words[base - 1, 0] = layout.pack(fields | {"outputs": 1 + fields["outputs"] % config.memory_words})
            words[base, 0] = bases
        damaged.append(words.tolist())
    given = described(config, image, made, frames, damaged=damaged)
    launch(core(config), name="core", module="tb.tb_core_damaged_tables", simulator=simulator, parameters=given,
           seed=seed)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_values_that_come_too_early(simulator: str, seed: int) -> None:
    """Kernels and tables tell whose values come at the same time, to a population that waits for a credit."""
    rng, config = np.random.default_rng([seed, 53]), CONFIGS["tables"]
    made = TableCore(config, [(4, 2, 2), (3, 1, 1)])
    made.kernel(1, 2, (1, 1), EdgeKind.DENSE, rng)
    made.kernel(0, 2, (2, 2), EdgeKind.DENSE, rng)
    for name in config.organisations:
        made.table(Table(0, (3, 1, 1), rng.integers(-9, 9, (3, 16)), name, 6))
    image = made.finish(rng)
    values = [made.value(identity, (int(rng.integers(2)), 0, 0), 1) for _ in range(12) for identity in (1, 2, 1, 3, 4)]
    ends = [made.end(identity) for identity in (1, 2, 3, 4)]
    credit = layouts(config).event.pack(kind=EventKind.CREDIT, id=0)
    fine = Status.READY | Status.IDLE
    steps = [(values + ends, fine), (ends + values, fine | Status.UNPAID), ([credit], fine)]
    launch(core(config), name="core", module="tb.tb_core_status", simulator=simulator, seed=seed, parameters={
        "config": config.to_json(), "words": image.ravel().tolist(), "edges": 5, "populations": 2, "steps": steps,
        "protocol_errors": len(values)})


gather = cache(Gather)


@pytest.mark.parametrize("name", ["tables", "banks2"])
def test_gather(name: str, simulator: str, seed: int) -> None:
    launch(gather(CONFIGS[name]), name="gather", module="tb.tb_gather", simulator=simulator, seed=seed,
           parameters={"config": CONFIGS[name].to_json()})


@pytest.mark.long
@pytest.mark.parametrize("name", CONFIGS)
def test_many_cores(name: str, seed: int) -> None:
    """In the compiled core: outputs, memory and counters of random cores, some with damage."""
    config, kinds = CONFIGS[name], set()
    for number in range(100):
        rng = np.random.default_rng([seed, 54, number, *name.encode()])
        image, made, frames = random_core(rng, config, corrupt=12 * (number % 3 == 2), events=40, frames=3, astray=0.05)
        kinds |= {table.organisation for table in made.tables}
        given = [np.array(frame, np.uint64) for frame in frames]
        golden = Core(config, image, edges=len(made.edges), populations=3)
        expected = [run_frame(golden, frame) for frame in given]
        found = verilated.run(config, image, len(made.edges), 3, given, inputs=len(made.ends), outputs=3,
                              stall_in=0.3 * (number % 2), stall_out=0.3 * (number % 5 == 1), seed=number)
        for one, other in zip(found.events, expected, strict=True):
            assert (np.sort(one) == np.sort(other)).all(), number
        assert (found.memory == golden.memory).all(), number
        assert {counter: found.counters[counter] for counter in golden.counters} == golden.counters, number
    assert kinds == set(config.organisations)
