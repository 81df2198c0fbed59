"""ResNet50 and ResNet101, version 1: the stride is in the first 1 × 1 of a stage and in its downsampling branch."""

from golden.words import Saturation
from synapress.mapper.network.layer import Branch
from synapress.mapper.network.network import Network
from synapress.zoo.weights import Weights


def _resnet(name: str, blocks: tuple[int, ...], seed: int | None) -> Network:
    network, weights = Network(name), Weights(seed)

    def conv(label: str, source: str, depth: int, kernel: int, stride: int = 1) -> str:
        fan_in = network.shape(source)[0]
        return network.conv(label, source, weights(depth, fan_in, kernel, kernel), stride=stride, padding=kernel // 2,
                            shift=weights.shift(fan_in * kernel * kernel))

    last = conv("conv1", network.input("input", (3, 224, 224)), 64, 7, 2)
    last = network.max_pool("pool1", last, 3, stride=2, padding=1)
    for stage, count in enumerate(blocks):
        narrow, wide = 64 << stage, 256 << stage
        for block in range(count):
            label, stride = f"stage{stage + 1}.{block + 1}", 2 if stage and not block else 1
            inner = conv(f"{label}.a", last, narrow, 1, stride)
            inner = conv(f"{label}.b", inner, narrow, 3)
            joined: list[str | Branch] = [network.branch(inner, weights(wide, narrow, 1, 1))]
            if block:
                joined.append(last)
            else:
                joined.append(network.branch(last, weights(wide, network.shape(last)[0], 1, 1), stride=stride))
            last = network.add(f"{label}.add", joined, shift=weights.shift(narrow))
    last = network.global_pool("pool2", last)
    network.output(network.dense("classes", last, weights(1000, *network.shape(last)), saturation=Saturation.FULL,
                                 shift=weights.shift(network.shape(last)[0])))
    return network


def resnet50(seed: int | None = None) -> Network:
    """Input 3 × 224 × 224; the last convolution of a block and its shortcut accumulate straight into the sum."""
    return _resnet("resnet50", (3, 4, 6, 3), seed)


def resnet101(seed: int | None = None) -> Network:
    """ResNet50 with 23 blocks in its third stage."""
    return _resnet("resnet101", (3, 4, 23, 3), seed)
