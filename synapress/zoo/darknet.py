"""DarkNet53, the backbone of YOLO version 3."""

from golden.words import Saturation
from synapress.mapper.network.network import Network
from synapress.zoo.weights import Weights


def darknet53(seed: int | None = None) -> Network:
    """Input 3 × 256 × 256; 23 residual blocks, whose last convolution accumulates straight into the sum."""
    network, weights = Network("darknet53"), Weights(seed)
    last = network.conv("conv1", network.input("input", (3, 256, 256)), weights(32, 3, 3, 3), padding=1,
                        shift=weights.shift(27))
    for stage, blocks in enumerate((1, 2, 8, 8, 4), 1):
        depth = 32 << stage
        last = network.conv(f"down{stage}", last, weights(depth, depth // 2, 3, 3), stride=2, padding=1,
                            shift=weights.shift(9 * depth // 2))
        for block in range(1, blocks + 1):
            label = f"stage{stage}.{block}"
            inner = network.conv(f"{label}.a", last, weights(depth // 2, depth, 1, 1), shift=weights.shift(depth))
            branch = network.branch(inner, weights(depth, depth // 2, 3, 3), padding=1)
            last = network.add(f"{label}.add", [branch, last], shift=weights.shift(9 * depth // 2))
    last = network.global_pool("pool", last)
    network.output(network.dense("classes", last, weights(1000, *network.shape(last)), saturation=Saturation.FULL,
                                 shift=weights.shift(1024)))
    return network
