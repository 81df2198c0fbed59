"""The layouts between the blocks of a core, and that the model of the hardware does not lean on the hardware."""

from pathlib import Path

import numpy as np
import pytest

from golden import messages
from golden.config import PRESETS, CoreConfig
from golden.core import Core
from golden.fields import WordLayout
from golden.registers import ACCESS_COUNTERS, COUNTERS, ERRORS, TIMED, counters, errors
from golden.synapse.esu import ValueEvent, WordOperation
from golden.synapse.peg import generate
from golden.words import layouts
from rtl import ports

GOLDEN = Path(__file__).parents[2] / "golden"
CONFIGS = [*PRESETS.values(), CoreConfig(name="states32", state_bits=32, kernel_bits=2)]


def names(layout: WordLayout) -> list[str]:
    return [field.name for field in layout.fields]


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.py")), ids=lambda path: path.relative_to(GOLDEN).as_posix())
def test_golden_never_names_the_rtl(path: Path) -> None:
    """Neither in code nor in text: what both need is golden's, and the RTL imports it."""
    lines = [line for line in path.read_text().splitlines() if "import rtl" in line or "rtl." in line.lower()]
    assert not lines


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_bit_positions(config: CoreConfig) -> None:
    """Positions are written out once more here: software and other hardware depend on them."""
    request = messages.request(config)
    word = request.pack(address=1, register=1, write=1, data=1)
    assert word == 1 | 1 << config.address_bits | 1 << config.address_bits + 1 | 1 << config.address_bits + 2
    assert request.bits == config.address_bits + 2 + config.word_bits
    assert names(messages.neuron(config)) == ["x", "y", "c", "v", "axon_base", "axons", "far", "population", "end"]
    assert names(messages.fired(config)) == ["x", "y", "c", "v", "end"]
    assert names(messages.command(config)) == ["population", "word"]
    assert messages.command(config).field("word").bits == layouts(config).population.bits
    evaluated = messages.evaluated(config)
    assert evaluated.pack(valid=1, address=1, state=1) == 1 | 1 << 1 | 1 << 1 + config.address_bits


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_model_speaks_in_messages(config: CoreConfig) -> None:
    """The records of the literal models have the fields of the messages, and their extremes fit."""
    assert names(messages.operation(config)) == list(WordOperation._fields)
    assert sorted(names(messages.value(config))) == sorted(ValueEvent._fields)
    last = config.memory_words * 2 - 1
    operation = WordOperation(last, config.memory_bytes - 1, (1 << config.lanes) - 1, 1, 1,
                              (1 << config.product_shift_bits) - 1, -(1 << config.value_bits - 1))
    layout = messages.operation(config)
    assert WordOperation(**layout.unpack(layout.pack(operation._asdict()))) == operation
    end = messages.neuron(config).unpack(messages.neuron(config).pack(end=1, population=1))
    axon = layouts(config).axon.unpack(0)
    event = generate(end, axon, config)
    assert event is not None and event["c"] == 1


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@pytest.mark.parametrize(("name", "message"), [
    ("neuron_layout", messages.neuron), ("op_layout", messages.operation), ("command_layout", messages.command),
    ("value_layout", messages.value), ("request_layout", messages.request),
])
def test_rtl_takes_the_same_bits(config: CoreConfig, name: str, message: object) -> None:
    layout = message(config)  # type: ignore[operator]
    made = getattr(ports, name)(config)
    assert made.size == layout.bits
    for field in layout.fields:
        low = made[field.name].offset
        ones = layout.pack({field.name: -1 if field.signed else field.high})
        assert ones == ((1 << field.bits) - 1) << low and made[field.name].width == field.bits


def test_counters_of_the_model() -> None:
    """All but those of time, in the hardware's order."""
    names = ["values_in", "values_local", "values_out", "ends", "word_ops", "synapses", "neurons_fired", "unknown_id",
             "unknown_channel", "address_error", "protocol_error"]
    accesses = ["write_back_writes", "state_reads", "axon_reads", "table_reads", "evaluation_reads",
                "evaluation_writes"]
    for config, expected in ((CoreConfig(), names), (CoreConfig(access_counters=1), names + accesses)):
        core = Core(config, np.zeros(0, np.uint64), edges=0, populations=0)
        assert list(core.counters) == expected
        assert list(core.counters) == [name for name in counters(config) if name not in TIMED]
    mixed = CoreConfig(decoder="mixed", organisations=("bitmap",), access_counters=1)
    assert list(counters(mixed)) == [*COUNTERS, "table_error", *ACCESS_COUNTERS, "synapse_reads", "index_reads"]
    model = Core(mixed, np.zeros(0, np.uint64), edges=0, populations=0).counters
    assert list(model) == [name for name in counters(mixed) if name not in TIMED]
    assert errors(mixed) == (*ERRORS, "table_error")
    assert counters(CoreConfig()) == COUNTERS and list(counters(config)) == [*COUNTERS, *ACCESS_COUNTERS]
