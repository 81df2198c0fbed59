"""PilotNet, the steering network of the paper's case study [B §5.2]."""

from golden.types import Pair
from golden.words import Saturation
from synapress.mapper.network.network import Network
from synapress.zoo.weights import Weights


def pilotnet(seed: int | None = None, size: Pair = (200, 66)) -> Network:
    """Input 3 × 200 × 66; five valid convolutions, three dense layers.

    Args:
        seed: of random weights; None for ones that only have a shape.
        size: of the input. Where a map has fewer rows than a kernel, as of half the size, it is padded to as many.
    """
    network, weights = Network("pilotnet"), Weights(seed)
    last = network.input("input", (3, *size))
    for number, (depth, kernel, stride) in enumerate(((24, 5, 2), (36, 5, 2), (48, 5, 2), (64, 3, 1), (64, 3, 1)), 1):
        fan_in = network.shape(last)[0]
        missing = max(0, kernel - network.shape(last)[2])
        last = network.conv(f"conv{number}", last, weights(depth, fan_in, kernel, kernel), stride=stride,
                            padding=(0, missing // 2, 0, missing - missing // 2),
                            shift=weights.shift(fan_in * kernel * kernel))
    for number, depth in enumerate((100, 50, 10), 1):
        shape = network.shape(last)
        fan_in = shape[0] * shape[1] * shape[2]
        last = network.dense(f"dense{number}", last, weights(depth, *shape), shift=weights.shift(fan_in),
                             saturation=Saturation.RELU if depth > 10 else Saturation.FULL)
    network.output(last)
    return network
