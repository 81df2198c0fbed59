"""Known networks as topologies: shapes for the accounting, random weights for a run."""

from collections.abc import Callable

from mapper.network import Network
from mapper.zoo.darknet import darknet53
from mapper.zoo.mobilenet import mobilenet
from mapper.zoo.pilotnet import pilotnet
from mapper.zoo.resnet import resnet50, resnet101

ZOO: dict[str, Callable[[int | None], Network]] = {
    "pilotnet": pilotnet, "mobilenet": mobilenet, "resnet50": resnet50, "resnet101": resnet101, "darknet53": darknet53,
}
"""By name: a function of the seed of its weights (None: shapes only)."""

__all__ = ["ZOO", "darknet53", "mobilenet", "pilotnet", "resnet50", "resnet101"]
