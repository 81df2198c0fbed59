"""The numbers of the microarchitecture, against what the documentation of the hardware promises, and each other."""

import dataclasses

import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ConfigError
from golden.timing import microarchitecture as numbers
from rtl.neuron.requantize import Requantize


def test_promised_latencies() -> None:
    """As measured in simulation: a changed part of a sum must not go unseen."""
    assert numbers.PHASES == 4 and numbers.ESU_LATENCY == 15
    assert numbers.STATE_LATENCY + numbers.WRITE_DELAY == 7
    assert numbers.EVENT_FILL == 22 and numbers.EVENT_MINIMUM == 4 and numbers.EVALUATION_FILL == 15


def test_kept_words_have_room() -> None:
    """Two words wait, one per stage, two at the writer; the index wraps by itself, so the depth is a power of two."""
    assert numbers.KEPT_WORDS >= 2 + numbers.EVALUATION_STAGES + 2
    assert numbers.KEPT_WORDS & (numbers.KEPT_WORDS - 1) == 0


@pytest.mark.parametrize("shift_bits", [3, 4, 5, 6])
def test_stages_of_the_arithmetic(shift_bits: int) -> None:
    stages = Requantize(CoreConfig(shift_bits=shift_bits)).stages
    assert stages == (7 if shift_bits <= 4 else 8) <= numbers.EVALUATION_STAGES


def test_queues_take_what_the_peg_sends() -> None:
    """With a stream of events a queue holds as many as its latency, and must still have room."""
    for config in PRESETS.values():
        assert min(config.local_queue, config.output_queue) >= numbers.PEG_FLIGHT + numbers.QUEUE_LATENCY
    for field in ("local_queue", "output_queue"):
        with pytest.raises(ConfigError, match=rf"'{field}' = 7 is outside \[8, 4096\]"):
            dataclasses.replace(CoreConfig(), **{field: 7})
