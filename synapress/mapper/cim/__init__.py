"""Compute-in-memory arrays: which operands stay in them, the cells that these lie in, and images of cores with one.

`shapes` says how a layer's operands lie, `choose` finds shapes, `rules` holds them to the array, `image` writes words;
`stationarity` says what stays in arrays of any number and what moves, `macros` which cells that takes.
Chauvaux et al., arXiv 2410.23082.
"""
