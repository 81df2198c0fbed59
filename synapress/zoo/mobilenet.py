"""MobileNet version 1."""

from golden.words import Saturation
from synapress.mapper.network.network import Network
from synapress.zoo.weights import Weights


def mobilenet(seed: int | None = None) -> Network:
    """Input 3 × 224 × 224; 13 pairs of a depthwise 3 × 3 and a 1 × 1 convolution."""
    network, weights = Network("mobilenet"), Weights(seed)
    last = network.conv("conv1", network.input("input", (3, 224, 224)), weights(32, 3, 3, 3), stride=2, padding=1,
                        shift=weights.shift(27))
    pairs = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
    for number, (depth, stride) in enumerate(pairs, 2):
        source = network.shape(last)[0]
        last = network.depthwise(f"depthwise{number}", last, weights(source, 3, 3), stride=stride, padding=1,
                                 shift=weights.shift(9))
        last = network.conv(f"conv{number}", last, weights(depth, source, 1, 1), shift=weights.shift(source))
    last = network.global_pool("pool", last)
    network.output(network.dense("classes", last, weights(1000, *network.shape(last)), saturation=Saturation.FULL,
                                 shift=weights.shift(1024)))
    return network
