"""A spiking network for gestures seen by an event camera, and drawn gestures for it."""

from synapress.zoo.gesture.network import CLASSES, gesture
from synapress.zoo.gesture.trained import trained

__all__ = ["CLASSES", "gesture", "trained"]
