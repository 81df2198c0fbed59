"""Layers in all memory organisations, with their decoders."""

from collections.abc import Callable, Sequence
from functools import partial

from golden.errors import FieldRangeError, ImageError, NetworkError
from synapress.energy.controller import logic
from synapress.energy.memory import Cacti, MemoryModel
from synapress.reports.organisations.compare import compare, organisations_of, sizes_of
from synapress.reports.organisations.controllers import Controller, controller
from synapress.reports.organisations.layers import Layer
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
    for model in models:
        if isinstance(model, Cacti):
            logic(model.technology, capacitance)  # refuses now, not behind all layers
    for number, layer in enumerate(layers):
        rows += compare(layer, sizes=sizes, models=models, seed=seed, named=named, memory_bits=memory_bits,
                        progress=partial(_counted, progress, f"{number + 1} of {len(layers)}"))
    decoders: dict[str, Controller] = {}
    for layer in layers if controllers else ():
        for name in organisations_of(layer, named):
            if name not in decoders:
                try:
                    made = controller(name, layer, word_bits=word_bits, serial=serial, seed=seed, models=models,
                                      capacitance=capacitance, progress=progress)
                except (NetworkError, ImageError, FieldRangeError):
                    continue  # it is told with the layer
                if made is not None:
                    decoders[name] = made
    return Comparison(title=title, seed=seed, word_bits=word_bits, serial=serial, models=models,
                      memory_bits=memory_bits, rows=rows, controllers=list(decoders.values()))
