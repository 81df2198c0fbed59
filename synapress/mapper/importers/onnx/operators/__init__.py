"""The supported operators of ONNX; each file declares some (`synapress.mapper.importers.onnx.registry`).

No file here imports another: what several operators are built of is in `synapress.mapper.importers.onnx.build`, and an
operator that abbreviates others asks the registry for them. A file that is added here is found by itself.
"""

import importlib
import pkgutil

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
