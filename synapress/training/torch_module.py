"""PyTorch, or a clear error where it is not installed: only this package needs it."""

from golden.errors import ToolError
from synapress.install import install_hint

try:
    import torch
    from torch import fx, nn
    from torch.fx.passes import shape_prop
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ToolError(f"synapress.training needs PyTorch, which is not installed; {install_hint('training')}") from error

__all__ = ["fx", "nn", "shape_prop", "torch"]
