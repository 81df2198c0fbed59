"""The configuration and the descriptors of layers in the compute-in-memory array."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from golden.cim.layer import LAYER_WORDS, Layer, layer_address, layer_words
from golden.cim.operand import Shape, operand_words
from golden.config import FLEXSPIM, CoreConfig
from golden.errors import ConfigError
from golden.registers import CIM_COUNTERS, counters, timed


@pytest.mark.parametrize(("fields", "message"), [
    ({"cim_rows": 500}, "'cim_rows' = 500 must be a power of two"),
    ({"cim_rows": 1024}, r"'cim_rows' = 1024 is outside \[16, 512\]"),
    ({"cim_columns": 4}, r"'cim_columns' = 4 is outside \[8, 256\]"),
    ({"cim_tags": 100}, "'cim_tags' = 100 must be a power of two"),
    ({"guard_states": 1}, "'guard_states' = 1 must be 0 with update cim"),
    ({"skip_silent": 1}, "'skip_silent' = 1 must be 0 with update cim"),
    ({"forward_states": 1}, "'forward_states' = 1 must be 0 with update cim"),
    ({"product": "log"}, "'product' = log must be linear with update cim"),
    ({"decoder": "mixed", "organisations": ("bitmap",), "address_bits": 15}, "'decoder' = mixed must be esu with"),
    ({"neuron_types": ("sum",)}, "'neuron_types' = .* must have 'spiking' with update cim"),
])
def test_configurations_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(FLEXSPIM, **fields)


def test_configuration() -> None:
    assert CoreConfig.from_json(FLEXSPIM.to_json()) == FLEXSPIM
    names = list(counters(FLEXSPIM))
    assert names[names.index("overflow") + 1:][:len(CIM_COUNTERS)] == list(CIM_COUNTERS)
    assert "weight_reads" not in timed(FLEXSPIM) and not set(CIM_COUNTERS) & {*counters(CoreConfig()), *timed(FLEXSPIM)}


@pytest.mark.parametrize("config", [
    FLEXSPIM, dataclasses.replace(FLEXSPIM, name="small", cim_rows=16, cim_columns=8, cim_tags=16)],
    ids=lambda config: config.name)
def test_descriptors(config: CoreConfig, seed: int) -> None:
    """Every field at random, and at its ends; the words within 64 bits each, whatever lies above them."""
    rng = np.random.default_rng([seed, 30])
    fields = [field for word in layer_words(config) for field in word.fields]
    assert {field.name for field in fields} == {field.name for field in dataclasses.fields(Layer)}
    for kind in ("low", "high", *[""] * 50):
        values = {field.name: getattr(field, kind) if kind else int(rng.integers(field.low, field.high + 1))
                  for field in fields}
        words = Layer(**values).pack(config)
        assert len(words) == LAYER_WORDS and Layer.unpack(words, config) == Layer(**values)
        assert Layer.unpack([word | 3 << 64 for word in words], config) == Layer(**values)
    assert layer_address(0, config) == config.memory_words - 4 == layer_address(1, config) + 4


def test_words_of_operands() -> None:
    """12 bits as 4 rows of 3 columns, 64 channels: 768 bits are 12 words, and 5 bits more are 13."""
    word_bits = FLEXSPIM.word_bits
    assert operand_words(Shape(4, 3), 64, word_bits) == 12 and operand_words(Shape(1, 7), 11, word_bits) == 2
