"""Float branches with integer weights as branches of the network."""

from typing import Any

from golden.types import IntArray, Pair
from synapress.mapper.lowering.layers import FloatBranch
from synapress.mapper.network.layer import Branch
from synapress.mapper.quantization.scales import split


def integer_branches(branch: FloatBranch, weights: IntArray, source: tuple[int, ...], size: Pair,
                     top_shift: int) -> list[Branch]:
    """A float branch with integer weights, in the network's terms: two branches where the weights exceed int8.

    Args:
        source: shape (D, W, H) of the branch's source.
        size: columns and rows of the result.
        top_shift: the largest product shift of a branch.
    """
    made = []
    for part, shift in split(weights, top_shift):
        kernel = (part.shape[2], part.shape[3])
        where: dict[str, Any] = {"source": branch.source, "shift": shift}
        if branch.upsample > 1:
            left, top = (kernel[i] - 1 - branch.padding[i] for i in (0, 1))
            right, bottom = ((source[1 + i] - 1) * branch.upsample + kernel[i] - (left, top)[i] - size[i]
                             for i in (0, 1))
            part = part[:, :, ::-1, ::-1]
            where["transposed"] = branch.upsample.bit_length() - 1
        else:
            left, top = branch.padding
            right, bottom = ((size[i] - 1) * branch.stride[i] + (kernel[i] - 1) * branch.dilation[i] + 1
                             - source[1 + i] - branch.padding[i] for i in (0, 1))
            where |= {"stride": branch.stride, "dilation": branch.dilation}
        where["padding"] = (left, top, right, bottom)
        if branch.groups == source[0] == len(part) and (part == part.flat[0]).all():
            made.append(Branch(kernel=kernel, scale=int(part.flat[0]), **where))
        else:
            made.append(Branch(weights=part, groups=branch.groups, **where))
    return made
