"""Synapress: a generator of synthesizable event-based CNN accelerators with compressed synapses.

Bamberg et al., *Synapse Compression for Event-Based CNN Accelerators*, arXiv 2112.07019.

The names below are imported when they are first used, so that `import synapress` is light and needs no extra:

>>> import synapress
>>> synapress.CoreConfig.preset("fpga_small").memory_words
4096
"""

import importlib
import importlib.util
import os
import sys
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


def _shadow() -> str | None:
    """What is wrong if `import golden` or `import rtl` finds another package than the one beside this one.

    The names are common ones: a project may well have an `rtl` of its own, and the current folder is searched first.
    Nothing is imported to find out.
    """
    here = os.path.dirname(os.path.abspath(__file__))
    beside = os.path.dirname(here)
    for name in ("golden", "rtl"):
        # Also where the folders are symbolic links: all three, or only that of this package.
        ours = [os.path.realpath(os.path.join(folder, name))
                for folder in (beside, os.path.dirname(os.path.realpath(here)))]
        spec = importlib.util.find_spec(name)
        # Of a package its folders, which a namespace package has instead of a file; of a plain module its file.
        for place in (spec.submodule_search_locations or [spec.origin or "no file"]) if spec else [""]:
            if place and os.path.realpath(place) in ours:
                continue
            if not any(map(os.path.isdir, ours)):
                return f"its package '{name}' is missing in {beside}: install Synapress again"
            folder = os.path.dirname(os.path.abspath(place))
            helps = ("run from another folder" if os.path.realpath(folder) == os.path.realpath(os.curdir)
                     else f"take {folder} off PYTHONPATH and sys.path")
            return f"{place} shadows its package '{name}' in {beside}: rename it, or {helps}"
    return None


def _is_command() -> bool:
    """Whether this is imported for the command line, which shows errors as one line."""
    if sys.argv[:1] == ["-m"]:  # so it is while Python looks for the module, which stands before the same arguments
        return sys.orig_argv[-len(sys.argv)] in ("synapress", "-msynapress")
    return os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0] == "synapress"


if (_problem := _shadow()) is not None:
    if _is_command():
        sys.exit(f"synapress: {_problem}")
    raise ImportError(f"synapress: {_problem}", name=__name__)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'synapress' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
