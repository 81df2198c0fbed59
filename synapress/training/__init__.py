"""Conversion-aware training of networks whose neurons spike once, for any chain of layers in PyTorch.

    SpikeTimeNetwork(module, shape) → train → export → Trained (save_trained)

Needs the extra `training`, PyTorch, which nothing else of Synapress needs. After Lew et al., arXiv 2208.04494, of which
the abstract alone is public: what it does not say is a parameter here.
"""

from synapress.training.activation import SpikeTime, Stage
from synapress.training.arrays import as_module, export
from synapress.training.errors import TrainingError
from synapress.training.files import from_onnx
from synapress.training.network import SpikeTimeNetwork
from synapress.training.quantizer import quantized
from synapress.training.settings import Settings
from synapress.training.trainer import Epoch, predict, train

__all__ = ["Epoch", "Settings", "SpikeTime", "SpikeTimeNetwork", "Stage", "TrainingError", "as_module", "export",
           "from_onnx", "predict", "quantized", "train"]
