"""A network of neurons that spike once, for handwritten digits, trained with `synapress.training`."""

from pathlib import Path

FILE = Path(__file__).with_name("spike_time_digits.npz")
