"""The trained digits network as a graph of integer layers, ready for the mapper."""

from golden.words import Saturation
from synapress.mapper.network.network import Network
from synapress.zoo.digits.float_model import load_network

SATURATION = {"relu": Saturation.RELU, "linear": Saturation.FULL}


def digits_network() -> Network:
    """`digits.npz` as a mapper network: input "image" (1, 28, 28), output "dense" (10, 1, 1)."""
    stored = load_network()
    network = Network("digits")
    source = network.input("image", (1, 28, 28))
    for name, layer in stored.meta["layers"].items():
        where = {"stride": layer["stride"], "padding": layer["padding"]}
        if layer["kind"] == "max_pool":
            source = network.max_pool(name, source, layer["kernel"], **where)
            continue
        weights, bias, multiplier, shift = (
            stored.arrays[f"{name}_{key}"] for key in ("weights", "bias", "multiplier", "shift"))
        source = network.conv(name, source, weights, bias, multiplier=multiplier, shift=shift, groups=layer["groups"],
                              saturation=SATURATION[layer["saturation"]], **where)
    network.output(source)
    return network
