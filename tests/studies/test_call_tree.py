"""The compiler's way from model to image returns to no module that it has left; and the study would see it."""

import sys
import types
from typing import Any

import pytest

from studies import call_tree


def test_no_module_is_returned_to() -> None:
    calls = call_tree.trace()
    assert [str(call) for call in calls if call.returns] == []
    order = [call.module for call in calls]
    steps = ["lowering.fuse", "lowering.split_layers", "quantization.quantize", "network.populations", "image.image"]
    places = [order.index(f"mapper.{name}") for name in steps]
    assert places == sorted(places)


def test_a_return_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three modules made here: the first calls the second, the third, and the second again."""
    class Program:
        pass

    def module(name: str, text: str, **names: Any) -> types.ModuleType:
        made = types.ModuleType(name)
        vars(made).update(names)
        exec(compile(text, f"{call_tree.ROOT}/{name}.py", "exec"), vars(made))
        return made

    second, third = (module(f"synapress.{name}", "def step(program): pass") for name in ("second", "third"))
    first = module("synapress.first", "def run(program):\n    for step in steps: step(program)",
                   steps=[second.step, third.step, second.step])
    tracer = call_tree.Tracer()
    sys.setprofile(tracer)
    first.run(Program())
    sys.setprofile(None)
    assert [(call.module, call.returns) for call in tracer.calls] == [
        ("first", False), ("second", False), ("third", False), ("second", True)]
