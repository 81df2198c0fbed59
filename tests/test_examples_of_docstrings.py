"""The examples in the docstrings of the public names run, and every verb has one."""

import doctest
import importlib
import inspect

import pytest

import synapress

MODULES = ("synapress", "synapress.model", "synapress.results", "synapress.hardware", "synapress.onnx_operators",
           "synapress.mapper.importers.lava.reader")


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted >= 5 and not found.failed


VERBS = ("load", "compile", "compile_to", "simulate", "float_outputs", "CompiledModel", "Simulation",
         "hardware.verilog", "hardware.area", "hardware.fmax")


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_an_example(name: str) -> None:
    item = synapress
    for part in name.split("."):
        item = getattr(item, part)
    assert ">>>" in (inspect.getdoc(item) or "")


def test_every_public_name_is_there_and_documented() -> None:
    assert sorted(synapress.__all__) == dir(synapress)
    for name in synapress.__all__:
        item = getattr(synapress, name)
        if inspect.isclass(item) or inspect.isfunction(item) or inspect.ismodule(item):
            assert inspect.getdoc(item), name
    with pytest.raises(AttributeError, match="no attribute 'compile_network'"):
        synapress.compile_network  # noqa: B018
