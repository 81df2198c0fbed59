"""The product of a configuration."""

from golden.config import CoreConfig
from golden.neuron.interface import Product
from golden.rooms import PRODUCTS


def product(config: CoreConfig) -> type[Product]:
    """The product that a configuration names.

    Raises:
        ConfigError: it is not there.
    """
    return PRODUCTS.load(config.product, Product)
