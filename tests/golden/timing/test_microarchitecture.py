"""The numbers of the microarchitecture, against what the documentation of the hardware promises, and each other."""

import dataclasses

import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from golden.timing import microarchitecture as numbers
from rtl.neuron.requantize import Requantize


def test_promised_latencies() -> None:
    """As measured in simulation: a changed part of a sum must not go unseen."""
    assert numbers.PHASES == 4 and numbers.ESU_LATENCY == 18
    assert numbers.STATE_LATENCY + numbers.WRITE_DELAY == 10
    assert numbers.EVENT_FILL == 28 and numbers.EVENT_MINIMUM == 4 and numbers.EVALUATION_FILL == 28


def test_kept_words_have_room() -> None:
    """Four words wait, one per stage, two at the writer; the index wraps by itself, so the depth is a power of two."""
    assert numbers.KEPT_WORDS >= numbers.EVALUATION_WORDS + numbers.EVALUATION_STAGES + 2
    assert numbers.KEPT_WORDS & (numbers.KEPT_WORDS - 1) == 0


@pytest.mark.parametrize("shift_bits", [3, 4, 5, 6])
def test_stages_of_the_arithmetic(shift_bits: int) -> None:
    stages = Requantize(CoreConfig(shift_bits=shift_bits)).stages
    assert stages == (9 if shift_bits <= 4 else 10) <= numbers.EVALUATION_STAGES


def test_queues_take_what_the_peg_sends() -> None:
    """Queues with events in them must still have room; shallower ones are refused."""
    assert numbers.SENT_FLIGHT == numbers.PEG_FLIGHT + 1 == 4
    for config in PRESETS.values():
        assert config.local_queue >= 8 and config.output_queue >= 9
    for field, least in (("local_queue", 5), ("output_queue", 6)):
        with pytest.raises(ConfigError, match=rf"'{field}' = {least - 1} is outside \[{least}, 4096\]"):
            dataclasses.replace(CoreConfig(), **{field: least - 1})
        dataclasses.replace(CoreConfig(), **{field: least})
