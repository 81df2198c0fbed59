"""A spiking network for gestures seen by an event camera, and drawn gestures for it."""

from pathlib import Path

from synapress.zoo.gesture.network import CLASSES, gesture

FILE = Path(__file__).with_name("gesture.npz")

__all__ = ["CLASSES", "FILE", "gesture"]
