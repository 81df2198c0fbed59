"""Synapse tables in the golden core: literal equals fast equals plain numpy, whatever the tables hold."""

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import ConfigError
from golden.host import run_frame
from golden.neuron.states import unpack_states
from golden.synapse.gather import gather
from golden.words import TABLE_ORGANISATIONS, EdgeKind
from tests.helpers.table_cores import Table, TableCore, mixed, neurons, random_core, random_matrix

SMALL = CoreConfig.preset("fpga_small")
CONFIGS = {
    "64": mixed(SMALL, table_weight_bits=12), "128": mixed(SMALL, lanes=8, table_weight_bits=9),
    "wide states": mixed(SMALL, state_bits=32, multiplier_bits=12), "large": mixed(CoreConfig(), table_weight_bits=5),
}


@pytest.mark.parametrize("corrupt", [0, 1, 20])
@pytest.mark.parametrize("name", CONFIGS)
def test_literal_equals_fast(name: str, corrupt: int, seed: int) -> None:
    errors = 0
    for number in range(6):
        rng = np.random.default_rng([seed, 40, corrupt, number, *name.encode()])
        image, core, frames = random_core(rng, CONFIGS[name], corrupt=corrupt)
        one, other = (Core(CONFIGS[name], image, edges=len(core.edges), populations=3, literal=literal)
                      for literal in (False, True))
        for frame in frames:
            assert (run_frame(one, np.array(frame, np.uint64)) == run_frame(other, np.array(frame, np.uint64))).all()
        assert (one.memory == other.memory).all() and one.counters == other.counters
        assert (one.operations == other.operations).all() and one.counters["word_ops"] > 0
        errors += one.counters["table_error"]
        assert corrupt or not one.counters["table_error"] + one.counters["unknown_channel"]
    assert corrupt < 20 or errors


def test_tables_and_kernels_of_one_matrix_give_equal_states(seed: int) -> None:
    """A fully connected layer as a dense kernel and in each organisation; and what numpy says."""
    for config in CONFIGS.values():
        rng = np.random.default_rng([seed, 41, config.lanes])
        shape, inputs = (2 * config.lanes - 1, 1, 1), 7
        core = TableCore(config, [shape] * 4)
        dense = core.kernel(0, inputs, (1, 1), EdgeKind.DENSE, rng)
        edge = core.words.edge.unpack(core.edges[dense])
        weights = core.memory.view(np.int8).reshape(-1)[edge["weight_base"] * config.word_bits // 8:]
        matrix = weights[:inputs * 2 * config.lanes].reshape(inputs, -1).astype(np.int64)
        bits = min(8, config.table_weight_bits)
        matrix >>= 8 - bits
        weights[:matrix.size] = matrix.ravel()
        matrix[:, shape[0]:] = 0
        for number, name in enumerate(TABLE_ORGANISATIONS, 1):
            core.table(Table(number, (inputs, 1, 1), matrix, name, bits, edge["shift"]))
        image = core.finish(rng)
        model = Core(config, image, edges=4, populations=4)
        v = rng.integers(-15, 16, inputs)
        model.run(np.array([core.value(identity, (c, 0, 0), int(v[c])) for identity in range(4)
                            for c in range(inputs)], np.uint64))
        found = [unpack_states(model.memory[p.states:p.states + 2].squeeze(), config).ravel()[:shape[0]]
                 for p in core.populations]
        for states in found:
            assert (states == (v @ matrix)[:shape[0]] << edge["shift"]).all()


def test_gather() -> None:
    """Consecutive synapses of a word share an operation; a lane that comes again, or another word, begins one."""
    config = CONFIGS["64"]
    ops = gather([(4, 1), (6, -2), (6, 3), (9, 4), (4, 5)], state_base=100, shift=1, v=7, config=config)
    assert [(op.state_address, op.mask, op.weights) for op in ops] == [
        (101, 0b101, (1, 0, -2, 0)), (101, 0b100, (0, 0, 3, 0)), (102, 0b10, (0, 4, 0, 0)), (101, 1, (5, 0, 0, 0))]
    last, = gather([(8, 1)], state_base=config.memory_words - 2, shift=0, v=1, config=config)
    assert last.state_address == config.memory_words


def test_rows_that_are_not_there_are_counted(seed: int) -> None:
    config = CONFIGS["64"]
    rng = np.random.default_rng(seed)
    core = TableCore(config, [(3, 1, 1)])
    places = neurons(core.populations[0], config.lanes)
    core.table(Table(0, (2, 2, 2), random_matrix(rng, 8, places, 4, 4, 1.0), "crossbar", 4))
    image = core.finish(rng)
    for literal in (False, True):
        model = Core(config, image, edges=1, populations=1, literal=literal)
        model.run(np.array([core.value(0, neuron, 1) for neuron in ((0, -1, 0), (0, 0, -1), (0, 2, 0), (200, 9, 9),
                                                                    (1, 1, 1))], np.uint64))
        assert model.counters["table_error"] == 4 and model.counters["word_ops"] == 1


def test_configurations_that_do_not_go_together() -> None:
    for fields in ({"decoder": "mixed"}, {"organisations": ("crossbar",)}, {"organisations": ("functional",)}):
        with pytest.raises(ConfigError, match="organisations"):
            CoreConfig(**fields)  # type: ignore[arg-type]
    for fields in ({"lanes": 16}, {"guard_states": 1}):
        with pytest.raises(ConfigError, match="organisations"):
            mixed(CoreConfig(), **fields)
