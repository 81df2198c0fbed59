"""Functions that a file spells out, such as x · 0.5 · (1 + Erf(x / √2)): one activation, which is one value table."""

from collections.abc import Sequence

import numpy as np

from synapress.mapper.importers import graph as g
from synapress.mapper.importers.functions import MOST_TERMS, WITHOUT_TABLE, Formula
from synapress.mapper.importers.graph import FloatGraph

_Steps = list[tuple[str, Formula | None]]


def compose(graph: FloatGraph) -> None:
    """Make one activation of nodes that together are a function of single elements of one map.

    Nodes that others read as well stay: they are computed anyway.
    """
    uses = graph.uses()
    for name in list(graph.nodes):
        found = _function(graph, graph.nodes[name], uses)
        if found is None:
            continue
        root, formula, inner = found
        node = graph.nodes[name]
        for gone in (node, *(graph.nodes.pop(item) for item in inner)):
            for source in gone.sources:
                uses[source] -= 1
        uses[root] += 1
        graph.nodes[name] = g.Activation(name=name, operator=node.operator, sources=(root,), shape=node.shape,
                                         function="composed", formula=formula)


def _function(graph: FloatGraph, node: g.Node, uses: dict[str, int]) -> tuple[str, Formula, set[str]] | None:
    """The map that a node is a function of, the function, and the nodes between."""
    own = _own(node)
    if own is not None:
        before = graph.nodes[node.sources[0]]
        inner = _own(before)
        if inner is None or not isinstance(before, g.Activation) or uses[before.name] > 1:
            return None
        made = own.of(inner)
        if made is None or {own.function, *inner.names()} <= set(WITHOUT_TABLE):
            return None
        return before.sources[0], made, {before.name}
    outer = _joint(node)
    if outer is None:
        return None
    paths = [_path(graph, source, uses) for source in node.sources]
    met = next((name for name, _ in paths[0] if all(name in dict(path) for path in paths)), None)
    if met is None:
        return None
    parts = [dict(path)[met] for path in paths]
    sources = tuple(part if sign > 0 else Formula("affine", (-1.0, 0.0), (part,))
                    for part, sign in zip(parts, _signs(node), strict=True))
    formula = Formula(outer, (), sources)
    if formula.terms > MOST_TERMS or formula.names() <= {"affine", "add", "multiply"}:
        return None
    between: set[str] = set()
    for path in paths:
        between |= {name for name, _ in path[:[name for name, _ in path].index(met)]}
    return met, formula, between


def _own(node: g.Node) -> Formula | None:
    """A node that is a function of its only source's elements, the same in all channels."""
    if isinstance(node, g.Affine) and _uniform(node.scale) and _uniform(node.offset):
        return Formula("affine", (float(node.scale[0]), float(node.offset[0])))
    if not isinstance(node, g.Activation):
        return None
    if node.slope is not None:
        return Formula(node.function, (float(node.slope[0]),)) if _uniform(node.slope) else None
    return node.formula or Formula(node.function, node.parameters)


def _uniform(values: np.ndarray) -> bool:
    return bool((values == values[0]).all())


def _joint(node: g.Node) -> str | None:
    if isinstance(node, (g.Add, g.Multiply)) and len(node.sources) > 1:
        return "add" if isinstance(node, g.Add) else "multiply"
    return None


def _signs(node: g.Node) -> Sequence[int]:
    return node.signs if isinstance(node, g.Add) else (1,) * len(node.sources)


def _path(graph: FloatGraph, name: str, uses: dict[str, int]) -> _Steps:
    """Maps that a map is a function of, nearest first, over nodes that nothing else reads."""
    steps: _Steps = [(name, None)]
    formula: Formula | None = None
    while uses[name] == 1:
        own = _own(graph.nodes[name])
        if own is None:
            break
        made = own if formula is None else formula.of(own)
        if made is None or made.terms > MOST_TERMS:
            break
        formula, name = made, graph.nodes[name].sources[0]
        steps.append((name, formula))
    return steps
