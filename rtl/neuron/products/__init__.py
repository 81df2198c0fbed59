"""The product that the hardware of a configuration has."""

from golden.config import CoreConfig
from rtl.neuron.interface import ProductUnit
from rtl.rooms import PRODUCTS


def product_unit(config: CoreConfig) -> ProductUnit:
    """The products of a configuration."""
    return PRODUCTS.load(config.product, ProductUnit)(config)
