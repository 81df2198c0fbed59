"""Synapress: a generator of synthesizable event-based CNN accelerators with compressed synapses.

Bamberg et al., *Synapse Compression for Event-Based CNN Accelerators*, arXiv 2112.07019.

    load → compile → CompiledModel (save, load) → simulate

>>> import numpy as np
>>> import synapress
>>> net = synapress.Network("mine")
>>> _ = net.input("in", (1, 4, 4))
>>> _ = net.conv("edges", "in", np.array([[[[1, -1], [1, -1]]]]))
>>> _ = net.output("edges")
>>> compiled = synapress.compile(net, config="fpga_small")
>>> synapress.simulate(compiled, {"in": np.eye(4, dtype=int)[None, None]}).outputs["edges"].shape
(1, 1, 3, 3)

The names below are imported when they are first used, so that `import synapress` is light and needs no extra.
"""

import importlib
import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "PRESETS": "golden.config",
    "CoreConfig": "golden.config",
    "Core": "golden.core",
    "ConfigError": "golden.errors",
    "EventError": "golden.errors",
    "FieldRangeError": "golden.errors",
    "FileError": "golden.errors",
    "ImageError": "golden.errors",
    "MappingError": "golden.errors",
    "NetworkError": "golden.errors",
    "SynapressError": "golden.errors",
    "ToolError": "golden.errors",
    "Edge": "golden.program",
    "Population": "golden.program",
    "Program": "golden.program",
    "Reset": "golden.words",
    "Saturation": "golden.words",
    "layouts": "golden.words",
    "EventCore": "rtl.core",
    "CheckError": "synapress.engines.checks",
    "LayerCount": "synapress.engines.layer_counts",
    "ModelError": "synapress.mapper.errors",
    "ModelWarning": "synapress.mapper.errors",
    "RuleError": "synapress.mapper.errors",
    "Violation": "synapress.mapper.errors",
    "Image": "synapress.mapper.image.image",
    "MeshImage": "synapress.mapper.image.mesh",
    "read_lava": "synapress.mapper.importers.lava.reader",
    "Model": "synapress.mapper.importers.model",
    "Neurons": "synapress.mapper.importers.neurons",
    "Port": "synapress.mapper.importers.tensor",
    "Network": "synapress.mapper.network.network",
    "sigma_delta": "synapress.mapper.network.sigma_delta",
    "value_table": "synapress.mapper.network.value_tables",
    "STEPS": "synapress.mapper.pipeline",
    "Compilation": "synapress.mapper.pipeline",
    "LayerReport": "synapress.mapper.quantization.quantized",
    "Options": "synapress.mapper.quantization.quantized",
    "Throughput": "synapress.mapper.throughput.options",
    "ENGINES": "synapress.model",
    "compile": "synapress.model",
    "compile_to": "synapress.model",
    "float_outputs": "synapress.model",
    "load": "synapress.model",
    "simulate": "synapress.model",
    "CompiledModel": "synapress.results",
    "Simulation": "synapress.results",
}

__all__ = [
    "ENGINES",
    "PRESETS",
    "STEPS",
    "CheckError",
    "Compilation",
    "CompiledModel",
    "ConfigError",
    "Core",
    "CoreConfig",
    "Edge",
    "EventCore",
    "EventError",
    "FieldRangeError",
    "FileError",
    "Image",
    "ImageError",
    "LayerCount",
    "LayerReport",
    "MappingError",
    "MeshImage",
    "Model",
    "ModelError",
    "ModelWarning",
    "Network",
    "NetworkError",
    "Neurons",
    "Options",
    "Population",
    "Port",
    "Program",
    "Reset",
    "RuleError",
    "Saturation",
    "Simulation",
    "SynapressError",
    "Throughput",
    "ToolError",
    "Violation",
    "__version__",
    "compile",
    "compile_to",
    "float_outputs",
    "hardware",
    "layouts",
    "load",
    "onnx_operators",
    "read_lava",
    "sigma_delta",
    "simulate",
    "value_table",
]

if TYPE_CHECKING:
    from golden.config import PRESETS, CoreConfig
    from golden.core import Core
    from golden.errors import (
        ConfigError,
        EventError,
        FieldRangeError,
        FileError,
        ImageError,
        MappingError,
        NetworkError,
        SynapressError,
        ToolError,
    )
    from golden.program import Edge, Population, Program
    from golden.words import Reset, Saturation, layouts
    from rtl.core import EventCore
    from synapress import hardware, onnx_operators
    from synapress.engines.checks import CheckError
    from synapress.engines.layer_counts import LayerCount
    from synapress.mapper.errors import ModelError, ModelWarning, RuleError, Violation
    from synapress.mapper.image.image import Image
    from synapress.mapper.image.mesh import MeshImage
    from synapress.mapper.importers.lava.reader import read_lava
    from synapress.mapper.importers.model import Model
    from synapress.mapper.importers.neurons import Neurons
    from synapress.mapper.importers.tensor import Port
    from synapress.mapper.network.network import Network
    from synapress.mapper.network.sigma_delta import sigma_delta
    from synapress.mapper.network.value_tables import value_table
    from synapress.mapper.pipeline import STEPS, Compilation
    from synapress.mapper.quantization.quantized import LayerReport, Options
    from synapress.mapper.throughput.options import Throughput
    from synapress.model import ENGINES, compile, compile_to, float_outputs, load, simulate
    from synapress.results import CompiledModel, Simulation


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
    if name in ("hardware", "onnx_operators"):
        return importlib.import_module(f"synapress.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'synapress' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
