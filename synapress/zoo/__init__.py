"""Known networks as topologies: shapes for the accounting, random weights for a run."""

from collections.abc import Callable

from synapress.mapper.network.network import Network
from synapress.zoo.darknet import darknet53
from synapress.zoo.gesture import gesture
from synapress.zoo.mobilenet import mobilenet
from synapress.zoo.pilotnet import pilotnet
from synapress.zoo.resnet import resnet50, resnet101

ZOO: dict[str, Callable[[int | None], Network]] = {
    "pilotnet": pilotnet, "mobilenet": mobilenet, "resnet50": resnet50, "resnet101": resnet101, "darknet53": darknet53,
    "gesture": gesture,
}
"""By name: a function of the seed of its weights (None: shapes only)."""

__all__ = ["ZOO", "darknet53", "gesture", "mobilenet", "pilotnet", "resnet50", "resnet101"]
