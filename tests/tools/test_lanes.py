"""Lanes as gates: they do the golden model's work at full rate, a wrong one is seen, and logarithmic ones move less."""

import dataclasses

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import ToolError
from golden.neuron.products.log import Log
from golden.neuron.types.ttfs import Ttfs
from synapress.mapper import falling_thresholds
from synapress.tools.lanes import FILL, trace_products, trace_search, trace_update, work

LOG = dataclasses.replace(PRESETS["fpga_small"], name="lanes", product="log", neuron_types=("sum", "ttfs"))
LINEAR = dataclasses.replace(LOG, product="linear")


def test_products(seed: int) -> None:
    moved = {}
    for config in (LINEAR, LOG):
        found = trace_products(config, work(config, seed, 120))
        assert found.cycles == 120 and 0 < found.transitions
        moved[config.product] = found.transitions + found.clock
    assert moved["log"] < 0.7 * moved["linear"], moved


def test_updates(seed: int) -> None:
    found = trace_update(LOG, work(LOG, seed, 120))
    assert 120 < found.cycles <= 120 + FILL and found.transitions > found.flip_flops


def test_the_search(seed: int) -> None:
    rng, thresholds = np.random.default_rng(seed), falling_thresholds(LOG, product_shift=2)
    potentials = rng.integers(-2 * thresholds[-1], 2 * thresholds[-1], 100)
    found = trace_search(LOG, potentials, thresholds)
    assert found.cycles == 100 and found.flip_flops > LOG.ttfs_times * LOG.state_bits
    assert trace_search(LOG, np.zeros(100, np.int64), thresholds).transitions < found.transitions / 20


def test_wrong_work_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    of, evaluate = Log.of.__func__, Ttfs.evaluate

    def other(cls: type[Log], weights: object, v: object, shift: object, config: CoreConfig) -> object:
        return of(cls, weights, v, shift, config) + 1

    monkeypatch.setattr(Log, "of", classmethod(other))
    for trace in (trace_products, trace_update):
        with pytest.raises(ToolError, match="do not give the golden model's"):
            trace(LOG, work(LOG, 1, 40))
    monkeypatch.setattr(Ttfs, "evaluate", staticmethod(lambda *args, **more: (evaluate(*args, **more)[0] + 1, None)))
    thresholds = falling_thresholds(LOG)
    with pytest.raises(ToolError, match="do not give the golden model's values"):
        trace_search(LOG, thresholds, thresholds)
