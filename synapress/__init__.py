"""Synapress: a generator of synthesizable event-based CNN accelerators with compressed synapses.

Bamberg et al., *Synapse Compression for Event-Based CNN Accelerators*, arXiv 2112.07019.

The names below are imported when they are first used, so that `import synapress` is light and needs no extra:

>>> import synapress
>>> synapress.CoreConfig.preset("fpga_small").memory_words
4096
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "CoreConfig": "golden.config",
    "PRESETS": "golden.config",
    "layouts": "golden.words",
    "SynapressError": "golden.errors",
    "ConfigError": "golden.errors",
    "FieldRangeError": "golden.errors",
    "ImageError": "golden.errors",
    "NetworkError": "golden.errors",
    "MappingError": "golden.errors",
    "EventError": "golden.errors",
    "ToolError": "golden.errors",
    "Core": "golden.core",
    "Program": "golden.program",
    "Population": "golden.program",
    "Edge": "golden.program",
    "Network": "synapress.mapper",
    "compile_network": "synapress.mapper",
    "compile_mesh": "synapress.mapper",
    "Image": "synapress.mapper",
    "EventCore": "rtl.core",
    "generate": "rtl.verilog",
    "estimate": "synapress.tools.area",
    "fmax": "synapress.tools.area",
    "simulate_image": "synapress.engines.rtl",
    "load": "synapress.model",
    "compile": "synapress.model",
    "simulate": "synapress.model",
    "float_outputs": "synapress.model",
    "Options": "synapress.mapper.quantization.quantized",
    "ModelError": "synapress.mapper.errors",
    "ModelWarning": "synapress.mapper.errors",
}

__all__ = [
    "PRESETS",
    "ConfigError",
    "Core",
    "CoreConfig",
    "Edge",
    "EventCore",
    "EventError",
    "FieldRangeError",
    "Image",
    "ImageError",
    "MappingError",
    "ModelError",
    "ModelWarning",
    "Network",
    "NetworkError",
    "Options",
    "Population",
    "Program",
    "SynapressError",
    "ToolError",
    "__version__",
    "compile",
    "compile_mesh",
    "compile_network",
    "estimate",
    "float_outputs",
    "fmax",
    "generate",
    "layouts",
    "load",
    "simulate",
    "simulate_image",
]

if TYPE_CHECKING:
    from golden.config import PRESETS, CoreConfig
    from golden.core import Core
    from golden.errors import (
        ConfigError,
        EventError,
        FieldRangeError,
        ImageError,
        MappingError,
        NetworkError,
        SynapressError,
        ToolError,
    )
    from golden.program import Edge, Population, Program
    from golden.words import layouts
    from rtl.core import EventCore
    from rtl.verilog import generate
    from synapress.engines.rtl import simulate_image
    from synapress.mapper import Image, Network, compile_mesh, compile_network
    from synapress.mapper.errors import ModelError, ModelWarning
    from synapress.mapper.quantization.quantized import Options
    from synapress.model import compile, float_outputs, load, simulate
    from synapress.tools.area import estimate, fmax


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'synapress' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
