"""What a node of an ONNX graph reads and does, with the subgraphs of control flow and the functions of the file."""

from collections.abc import Iterator, Mapping

import onnx

LEARNED = frozenset((
    "Conv", "ConvTranspose", "ConvInteger", "Gemm", "MatMul", "MatMulInteger", "Einsum", "LSTM", "GRU", "RNN",
    "Attention", "MultiHeadAttention", "BatchNormalization", "LayerNormalization", "InstanceNormalization",
    "GroupNormalization", "RMSNormalization", "PRelu", "QLinearConv", "QLinearMatMul", "QGemm", "DeformConv"))
"""Operators that are part of the network itself: where one follows, a file is split only if the user says so."""
CONTROL = frozenset(("If", "Loop", "Scan", "SequenceMap"))

Functions = Mapping[tuple[str, str], onnx.FunctionProto]


def functions(model: onnx.ModelProto) -> Functions:
    """The functions of a file by domain and name."""
    return {(item.domain, item.name): item for item in model.functions}


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """Branches and bodies of control flow."""
    found = []
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            found.append(attribute.g)
        found += attribute.graphs
    return found


def reads(node: onnx.NodeProto) -> tuple[str, ...]:
    """Values that a node reads: its inputs, and those of the graph around it that its subgraphs name."""
    names = dict.fromkeys(filter(None, node.input))
    for graph in subgraphs(node):
        made = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        for item in graph.node:
            names |= dict.fromkeys(name for name in reads(item) if name not in made)
            made |= set(item.output)
        names |= dict.fromkeys(value.name for value in graph.output if value.name not in made)
    return tuple(names)


def within(node: onnx.NodeProto, known: Functions, depth: int = 16) -> Iterator[onnx.NodeProto]:
    """A node, and all nodes of its subgraphs and of the function that it calls; `depth` bounds functions that call
    themselves, which ONNX forbids and a damaged file may have."""
    yield node
    if depth:
        for graph in subgraphs(node):
            for item in graph.node:
                yield from within(item, known, depth - 1)
        called = known.get((node.domain, node.op_type))
        if called is not None:
            for item in called.node:
                yield from within(item, known, depth - 1)


def learned(node: onnx.NodeProto, known: Functions) -> str:
    """The operator of a node that has learned weights, itself or within; empty: it has none."""
    return next((item.op_type for item in within(node, known) if item.op_type in LEARNED), "")
