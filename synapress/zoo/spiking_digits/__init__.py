"""A spiking network for handwritten digits, trained with snnTorch and written as NIR by it."""

from pathlib import Path

FILE = Path(__file__).with_name("spiking_digits.nir")
