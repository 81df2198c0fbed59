"""Networks as people have them: from the exporter's file to integers on a mesh, without help."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import synapress
from golden.config import CoreConfig
from mapper.errors import MappingError
from mapper.scales import sqnr
from synapress.models import Compiled, Simulated, float_outputs
from tests import own_networks
from tests.own_networks import NETWORKS, Net, frames

WIDE = CoreConfig(name="wide", state_bits=32, multiplier_bits=22)
