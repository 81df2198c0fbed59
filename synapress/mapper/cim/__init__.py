"""Images of cores whose update unit is a compute-in-memory array: shapes of operands, regions of the array, memory.

`shapes` says how a layer's operands lie, `choose` finds shapes, `rules` holds them to the array, `image` writes words.
Chauvaux et al., arXiv 2410.23082.
"""
