"""Layers in all memory organisations, with their decoders; forward, or all passes of learning."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from golden.errors import ConfigError, FieldRangeError, ImageError, NetworkError
from synapress.energy.controller import logic
from synapress.energy.memory import Cacti, MemoryModel
from synapress.reports.organisations.compare import MATRICES, compare, organisations_of, sizes_of
from synapress.reports.organisations.controllers import Controller
from synapress.reports.organisations.controllers import controllers as at_work
from synapress.reports.organisations.layers import Layer
from synapress.reports.organisations.learning import Learned, learned
from synapress.reports.organisations.learning_tables import Learning
from synapress.reports.organisations.tables import Comparison


def _counted(progress: Callable[[str], None], at: str, step: str) -> None:
    progress(f"{at}, {step}")


def compared(title: str, layers: Sequence[Layer], *, named: Sequence[str], models: Sequence[MemoryModel],
             word_bits: int, serial: bool, memory_bits: int | None, seed: int, controllers: bool,
             capacitance: float | None, progress: Callable[[str], None] = lambda _: None) -> Comparison:
    """Layers in all organisations that they can have; with `controllers` the decoders at work, each on the first layer
    that its organisation can hold.

    Args:
        named: organisations; none: all. memory_bits: of one memory for all parts. capacitance: of a transistor, fF.

    Raises:
        ConfigError: there is no such organisation, or no such memory or logic.
        ToolError: a decoder cannot be synthesized.
    """
    sizes, rows = sizes_of(word_bits=word_bits, serial=serial), []
    _check(layers, named, models, capacitance)
    for number, layer in enumerate(layers):
        rows += compare(layer, sizes=sizes, models=models, seed=seed, named=named, memory_bits=memory_bits,
                        progress=partial(_counted, progress, f"{number + 1} of {len(layers)}"))
    return Comparison(title=title, seed=seed, word_bits=word_bits, serial=serial, models=models,
                      memory_bits=memory_bits, rows=rows, controllers=_decoders(
                          layers if controllers else (), named, word_bits=word_bits, serial=serial, seed=seed,
                          models=models, capacitance=capacitance, progress=progress))


def learned_layers(title: str, layers: Sequence[Layer], *, named: Sequence[str], models: Sequence[MemoryModel],
                   word_bits: int, serial: bool, memory_bits: int | None, seed: int, controllers: bool,
                   capacitance: float | None, progress: Callable[[str], None] = lambda _: None) -> Learning:
    """As `compared`, forward, backward and in an update."""
    rows: list[Learned] = []
    _check(layers, named, models, capacitance)
    for number, layer in enumerate(layers):
        rows += learned(layer, models=models, seed=seed, word_bits=word_bits, serial=serial, named=named,
                        memory_bits=memory_bits, progress=partial(_counted, progress, f"{number + 1} of {len(layers)}"))
    return Learning(title=title, seed=seed, word_bits=word_bits, serial=serial, models=models,
                    memory_bits=memory_bits, rows=rows, controllers=_decoders(
                        layers if controllers else (), named, word_bits=word_bits, serial=serial, seed=seed,
                        models=models, capacitance=capacitance, learning=True, progress=progress))


def _check(layers: Sequence[Layer], named: Sequence[str], models: Sequence[MemoryModel],
           capacitance: float | None) -> None:
    """Refuse now, not behind all layers.

    Raises:
        ConfigError: no layer can have any of the organisations, or there is no such logic.
    """
    if not any(organisations_of(layer, named) for layer in layers):
        raise ConfigError(f"{', '.join(named)}: for convolutions only; layers of inputs and outputs can have "
                          f"{', '.join(MATRICES)}")
    for model in models:
        if isinstance(model, Cacti):
            logic(model.technology, capacitance)


def _decoders(layers: Sequence[Layer], named: Sequence[str], **options: Any) -> list[Controller]:
    """The decoders, each at work on the first layer that it can hold; `options` are those of `at_work`."""
    found: dict[str, list[Controller]] = {}
    for layer in layers:
        for name in organisations_of(layer, named):
            if not found.get(name):
                try:
                    found[name] = at_work(name, layer, **options)
                except (NetworkError, ImageError, FieldRangeError):
                    continue  # it is told with the layer
    return [item for items in found.values() for item in items]
