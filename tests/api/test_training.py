"""Without PyTorch, `synapress.training` says what to install; the rest of Synapress does not need it."""

import importlib
import sys

import pytest

from golden.errors import ToolError
from synapress.spike_times.trained import load_trained
from synapress.zoo.spike_time_digits import FILE


def test_without_torch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torch" or "synapress.training" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolError, match=r"synapress\.training needs PyTorch, which is not installed; run .*"):
        importlib.import_module("synapress.training")


def test_the_trained_digits_are_a_network_of_spikes_in_time() -> None:
    found = load_trained(FILE)
    assert (found.steps, found.tau, found.levels, found.threshold) == (24, 4, 2, 1)
    assert found.classes == tuple("0123456789") and found.input_shape == (1, 28, 28)
    assert [(layer.kind, found.shapes[layer.name]) for layer in found.layers] == [
        ("conv", (16, 28, 28)), ("max_pool", (16, 14, 14)), ("conv", (32, 14, 14)), ("max_pool", (32, 7, 7)),
        ("conv", (32, 7, 7)), ("dense", (64, 1, 1)), ("dense", (10, 1, 1))]
    assert FILE.stat().st_size < 300_000
