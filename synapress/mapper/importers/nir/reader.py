"""NIR graph → float graph.

NIR leaves open whether the padding of an average counts; here it does, as in PyTorch. Several edges into a node add up.
What it leaves open about neurons is in `synapress.mapper.importers.neurons`. Files are read without NIR's own check of
types, which refuses what exporters write: shapes that count the batch of the sample they were made with, parameters of
no dimension, and nodes that leave their shapes out. Subgraphs are put in place of their node, if no cycle goes through
them.
"""

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from nir.serialization import hdf2dict

from golden.errors import FileError, SynapressError
from golden.types import Floats
from synapress.mapper.errors import ModelError, ModelWarning
from synapress.mapper.importers import graph as g
from synapress.mapper.importers.graph import FloatGraph
from synapress.mapper.importers.hdf5 import check_content
from synapress.mapper.importers.model import Model, check_model_file
from synapress.mapper.importers.neurons import STYLES, Neurons, check_computable, neuron
from synapress.mapper.importers.nir.firing import doubts
from synapress.mapper.importers.nir.pooling import onnx_operator, pool, repeated
from synapress.mapper.importers.onnx.context import Context, Value
from synapress.mapper.importers.tensor import Port, Tensor, default_labels, map_shape

STATEFUL = {
    "LI": "Its potential is no spike; end the graph at the spikes before it, and integrate them on the host.",
    "CubaLI": "Its potential is no spike; end the graph at the spikes before it, and integrate them on the host.",
    "I": "Its potential is no spike; end the graph at the spikes before it, and integrate them on the host.",
    "Delay": "Populations pass a spike on within its timestep; train without delays.",
}
"""Nodes of NIR that the hardware has nothing for, and what would help."""


def read_nir(source: str | Path | nir.NIRGraph, *, neurons: Neurons | str | None = None) -> Model:
    """Read a NIR graph from an HDF5 file, or take one in memory.

    Arrays are (frames, channels, rows, columns), or fewer dimensions as the graph's input says. In a graph with
    neurons, the frames are timesteps.

    Args:
        neurons: how neurons compute where NIR leaves it open; or a framework's name, see `neurons.STYLES`, and options,
            as "snntorch,reset=zero"; default: NIR's equations with dt = 1, of which a warning tells.

    Warns:
        ModelWarning: neurons may compute something else than in training: `neurons` is not given, or by these options
            neurons can hardly ever fire. The result has the same texts in `Model.warnings`.

    Raises:
        ModelError: naming the node, the rule, what is needed, what is given and what would help.
    """
    title = "network" if isinstance(source, nir.NIRGraph) else Path(source).stem
    graph = source if isinstance(source, nir.NIRGraph) else _opened(source)
    if not isinstance(neurons, Neurons | str | None):
        raise ModelError(title, "neurons", "a text as 'snntorch', or Neurons(...)", repr(neurons), "Give one of them.")
    options = Neurons.parse(neurons) if isinstance(neurons, str) else neurons or Neurons()
    context = Context(FloatGraph(title))
    inputs: list[Port] = []
    outputs: list[Port] = []
    nodes, edges = _flattened(graph)
    sources: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in dict.fromkeys(edges):
        sources[end].append(start)
    entries, ends = ([name for name, node in nodes.items() if type(node).__name__ == kind]
                     for kind in ("Input", "Output"))
    if not entries or not ends:
        raise ModelError(title, "output", "at least one Input and one Output", f"{len(entries)} and {len(ends)}",
                         "Add them to the graph.")
    needed = _needed(ends, sources)
    done = context.values
    for name in _order(title, {name: starts for name, starts in sources.items() if name in needed}):
        node, kind = nodes[name], type(nodes[name]).__name__
        try:
            if kind == "Input":
                done[name] = _input(context, name, _input_shape(name, node, nodes, sources), inputs)
                continue
            value = _joined(context, name, [done[start] for start in sources[name]])
            if node is None:
                done[name] = value
                continue
            if kind == "Output":
                outputs.append(_output(context, name, value))
                continue
            if kind in NEURONS:
                done[name] = _neuron(context, name, node, value, options)
                continue
            if kind not in NODES:
                raise ModelError(name, "node", f"one of {', '.join(('Input', 'Output', *NODES, *NEURONS))}", kind,
                                 STATEFUL.get(kind, "Replace it by supported nodes."))
            done[name] = NODES[kind](context, name, node, value)
        except SynapressError:
            raise
        except Exception as error:  # parameters that make no sense together
            raise ModelError(name, kind, "parameters that fit together", f"{type(error).__name__}: {error}",
                             "Check the node in the file.") from error
    context.graph.prune()
    used = [port for port in inputs if port.node in context.graph.nodes]
    fires = any(isinstance(node, g.Spiking) for node in context.graph.nodes.values())
    told = _warnings(title, context.graph, nodes, neurons, options)
    for text in told:
        warnings.warn(text, ModelWarning, stacklevel=2)
    return Model(graph=context.graph, inputs=used, outputs=outputs, source=title, neurons=options if fires else None,
                 warnings=tuple(told),
                 ignored=tuple(name for name in entries if name not in {port.name for port in used}))


def _opened(source: str | Path) -> nir.NIRGraph:
    check_model_file(Path(source), "a NIR file")
    try:
        with h5py.File(source) as file:
            check_content(Path(source), file)
            return nir.dict2NIRNode(_completed(hdf2dict(file["node"])))
    except FileError as error:  # too large
        raise ModelError(str(source), "size", "a NIR graph that fits the memory", error.strerror,
                         "Export the network again.") from error
    except Exception as error:  # h5py and nir raise many kinds for damaged files
        raise ModelError(str(source), "file", "a NIR graph in HDF5", f"{type(error).__name__}: {error}",
                         "The file is truncated, damaged, or of another version of NIR; an ONNX file needs another "
                         "suffix.") from error


def _warnings(title: str, graph: FloatGraph, nodes: dict[str, Any], given: Any, options: Neurons) -> list[str]:
    """What may make the neurons of a graph compute something else than in training."""
    found = []
    if given is None and any(isinstance(node, g.Spiking) and node.operator != "Threshold" for node in graph):
        frameworks = ", ".join(style for style in STYLES if style != "nir")
        found.append(f"'{title}': a NIR file does not say how its neurons were trained, and neurons is not given: they "
                     f"compute NIR's equations with dt = 1 ({options}). Name the framework that wrote the file, one of "
                     f"{frameworks} (neurons='snntorch', or --neurons snntorch); or nir, if these equations are meant.")
    return found + doubts(graph, nodes, options)


def _completed(content: dict[str, Any]) -> dict[str, Any]:
    """A node's dictionary without the check of types, and with what old files leave out."""
    if content["type"] == "NIRGraph":
        content["nodes"] = {name: _completed(node) for name, node in content["nodes"].items()}
        content["type_check"] = False
    elif content["type"] in ("Conv1d", "Conv2d"):
        content.setdefault("input_shape", None)
    return content


def _flattened(graph: nir.NIRGraph) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges with those of subgraphs in the place of their node; ends of subgraphs are None: they do nothing.

    Raises:
        ModelError: a node is missing, a name is used twice, or a subgraph has several inputs or outputs.
    """
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    entries: dict[str, str] = {}
    exits: dict[str, str] = {}
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.NIRGraph):
            nodes[name] = node
            continue
        inner, more = _flattened(node)
        for kind, ends in (("Input", entries), ("Output", exits)):
            found = [part for part, content in inner.items() if type(content).__name__ == kind]
            if len(found) != 1:
                raise ModelError(name, "subgraph", f"one {kind}", len(found),
                                 "Put its nodes into the graph itself, or make a subgraph of each part with one Input "
                                 "and one Output.")
            ends[name] = f"{name}.{found[0]}"
            inner[found[0]] = None
        for part, content in inner.items():
            if f"{name}.{part}" in nodes or f"{name}.{part}" in graph.nodes:
                raise ModelError(f"{name}.{part}", "names", "names that differ, also after those of subgraphs",
                                 f"two nodes '{name}.{part}'", "Rename one of them.")
            nodes[f"{name}.{part}"] = content
        edges += [(f"{name}.{start}", f"{name}.{end}") for start, end in more]
    for start, end in map(tuple, graph.edges):
        for name in (start, end):
            if name not in graph.nodes:
                raise ModelError(str(name), "edges", "nodes of the graph", "an edge to a missing node",
                                 "Remove the edge, or add the node.")
        edges.append((exits.get(start, start), entries.get(end, end)))
    return nodes, edges


def _needed(outputs: list[str], sources: dict[str, list[str]]) -> set[str]:
    """The nodes that outputs depend on; what else a file has, such as a readout for training, need not be taken."""
    found, todo = set(outputs), list(outputs)
    while todo:
        new = set(sources[todo.pop()]) - found
        found |= new
        todo += new
    return found


def _order(title: str, sources: dict[str, list[str]]) -> list[str]:
    """Names in topological order."""
    order: dict[str, None] = {}
    while len(order) < len(sources):
        ready = [name for name in sources if name not in order and all(start in order for start in sources[name])]
        if not ready:
            left = [name for name in sources if name not in order]
            while ends := [name for name in left if not any(name in sources[other] for other in left)]:
                left = [name for name in left if name not in ends]  # what only lies behind the cycle
            raise ModelError(left[0], "cycle", "a feed-forward graph", f"a cycle through some of {', '.join(left)}",
                             f"A spike arrives in its own timestep, before which all sources must have fired; train "
                             f"'{title}' without recurrence.")
        order |= dict.fromkeys(ready)
    return list(order)


def _shape(types: Any, key: str) -> tuple[int, ...] | None:
    value = types.get(key) if isinstance(types, dict) else types
    if value is None:
        return None
    sizes = np.asarray(value).reshape(-1)
    if not sizes.size:  # of parameters without dimensions
        return None
    if sizes.dtype.kind not in "iu":
        raise TypeError(f"a shape of {sizes.dtype}")
    return tuple(int(size) for size in sizes)


_RANKS = {"Conv2d": 3, "SumPool2d": 3, "AvgPool2d": 3, "Conv1d": 2, "Affine": 1, "Linear": 1}
"""Dimensions of what nodes take, without frames."""


def _input_shape(name: str, node: Any, nodes: dict[str, Any], sources: dict[str, list[str]]) -> tuple[int, ...]:
    """The shape of an Input without the batch of the sample that the graph was exported with; or of what reads it,
    perhaps behind nodes that keep the shape."""
    behind: dict[str, None] = {}
    todo = [name]
    while todo:
        found = [part for part, starts in sources.items() if todo[0] in starts and part not in behind]
        behind |= dict.fromkeys(found)
        todo = todo[1:] + [part for part in found if type(nodes[part]).__name__ in ("NoneType", "Scale", *NEURONS)]
    readers = [nodes[part] for part in behind if nodes[part] is not None]
    shapes = [_shape(part.input_type, "input") for part in (node, *readers)]
    shape = next((shape for shape in shapes if shape), None)
    if shape is None:
        raise ModelError(name, "input shape", "the sizes of the input", "none in the file",
                         "Give nir.Input(input_type={'input': np.array(sizes)}), channels, rows and columns.")
    ranks = [_RANKS[type(part).__name__] for part in readers if type(part).__name__ in _RANKS]
    if len(shape) == 4 or (ranks and len(shape) == max(ranks) + 1 and shape[0] == 1):  # no map has four dimensions
        shape = shape[1:]
    return shape


def _input(context: Context, name: str, shape: tuple[int, ...], inputs: list[Port]) -> Tensor:
    dims = (1, *shape)
    labels = default_labels(name, dims)
    size = map_shape(dims, labels)
    if not shape or min(shape) < 1:
        raise ModelError(name, "input shape", "static sizes of at least 1", shape, "Write the sizes into the file.")
    node = context.add(g.Input(name=name, shape=size, operator="Input"))
    port = Port(name=name, node=node, dims=dims, labels=labels, shape=size)
    context.ports[node] = port
    inputs.append(port)
    return Tensor(node=node, dims=dims, labels=labels)


def _joined(context: Context, name: str, values: list[Value]) -> Tensor:
    if not values:
        raise ModelError(name, "edges", "at least one edge into it", "none", "Connect the node.")
    if len(values) > 1:
        return onnx_operator(context, f"{name}/sum", "Add", "Add", values)
    assert isinstance(values[0], Tensor)
    return values[0]


def _output(context: Context, name: str, value: Tensor) -> Port:
    context.graph.output(value.node)
    return Port(name=name, node=value.node, dims=value.dims, labels=value.labels, shape=context.graph.shape(value.node))


def _conv(context: Context, name: str, node: Any, value: Tensor) -> Value:
    weight = np.asarray(node.weight, np.float64)
    count = weight.ndim - 2
    attributes: dict[str, Any] = {"strides": repeated(node.stride, count), "dilations": repeated(node.dilation, count),
                                  "group": int(node.groups)}
    if isinstance(node.padding, str):
        if node.padding == "same" and any(stride > 1 for stride in attributes["strides"]):
            raise ModelError(name, "padding", "numbers, or 'same' with stride 1",
                             f"'same' with {attributes['strides']}",
                             "Frameworks differ in it, and PyTorch has none: give the padding in numbers.")
        attributes["auto_pad"] = {"same": b"SAME_UPPER", "valid": b"VALID"}[node.padding]
    else:
        attributes["pads"] = repeated(node.padding, count) * 2
    bias = None if node.bias is None else np.asarray(node.bias, np.float64)
    return onnx_operator(context, name, "Conv", "Conv", [value, weight, bias], **attributes)


def _affine(context: Context, name: str, node: Any, value: Tensor) -> Value:
    bias = getattr(node, "bias", None)
    weight = np.asarray(node.weight, np.float64)
    sizes = [size for size in value.dims[1:] if size > 1]
    flat = any(len(label) > 1 for label in value.labels) or len(sizes) < 2  # a Flatten that counted a batch left two
    if len(value.dims) != 2 and flat and weight.shape[-1] == int(np.prod(value.dims[1:])):
        value = onnx_operator(context, f"{name}/flat", "Flatten", "Flatten", [value])
    if len(value.dims) != 2:  # NIR contracts the last axis, which no kernel does for every position of the others
        raise ModelError(name, type(node).__name__, "a vector", f"an input of shape {value.dims[1:]}",
                         "For weights of the whole map put a Flatten before it. For the same weights at every position "
                         "of the other axes make the last axis the channels, the first, and use a Conv1d or Conv2d "
                         "with kernels of size 1.")
    return onnx_operator(context, name, type(node).__name__, "Gemm",
                  [value, weight, None if bias is None else np.asarray(bias)], transB=1)


def _flatten(context: Context, name: str, node: Any, value: Tensor) -> Value:
    dims = list(value.dims[1:])
    first, last, given = int(node.start_dim), int(node.end_dim), _shape(node.input_type, "input")
    if given is not None and len(given) == len(dims) + 1:  # sinabs counts the batch
        first, last = (at - (at > 0) for at in (first, last))
    if len(dims) == 1:
        return value
    if not all(-len(dims) <= at < len(dims) for at in (first, last)) or first % len(dims) > last % len(dims):
        raise ModelError(name, "Flatten", f"dimensions of {tuple(dims)}, without frames", f"{first} to {last}",
                         "Count dimensions without the batch: PyTorch's 1 is NIR's 0.")
    first, last = first % len(dims), last % len(dims)
    dims[first:last + 1] = [int(np.prod(dims[first:last + 1]))]
    return onnx_operator(context, name, "Flatten", "Reshape", [value, np.array([value.dims[0], *dims])])


def _scale(context: Context, name: str, node: Any, value: Tensor) -> Value:
    return onnx_operator(context, name, "Scale", "Mul", [value, np.asarray(node.scale, np.float64)])


def _neuron(context: Context, name: str, node: Any, value: Tensor, options: Neurons) -> Tensor:
    shape, kind = context.graph.shape(value.node), type(node).__name__
    if kind != "Threshold":
        check_computable(name, options)
    port = Port(name=name, node=value.node, dims=(1, *value.dims[1:]), labels=value.labels, shape=shape)

    def column(key: str, array: Any) -> Floats:
        values = np.asarray(array, np.float64)
        if not np.isfinite(values).all():
            help = "Export the model again after training that did not diverge."
            if np.isposinf(values).any() and key in ("tau", "tau_mem", "r"):
                gain = 1 / options.dt if options.if_gain == "time" else 1
                help = (f"A Leaky of snnTorch with beta = 1 has no time constant: use an IF with r = {gain:.6g}, or a "
                        "beta below 1.")
            raise ModelError(name, f"finite {key}", "finite numbers", "NaN or infinite", help)
        while values.ndim > len(value.dims) - 1 and values.shape[0] == 1:  # a batch of one, as sinabs writes
            values = values[0]
        try:
            values = np.broadcast_to(values.reshape(()) if values.size == 1 else values, value.dims[1:])
        except ValueError:
            raise ModelError(name, key, f"one number, or an array that broadcasts to {value.dims[1:]}", values.shape,
                             "Give one number, or one for each neuron.") from None
        channels = port.to_maps(values[None])[0]
        if (channels != channels[:, :1, :1]).any():
            raise ModelError(name, key, "one value per channel", f"values that differ within a channel of {shape}",
                             "Parameters are stored per channel: train with one per channel.")
        return np.ascontiguousarray(channels[:, 0, 0])

    current, spiking = neuron(node, name, kind, options, shape, column)
    source = context.add(replace(current, sources=(value.node,)))
    return replace(value, node=context.add(replace(spiking, sources=(source,))))


NODES: dict[str, Callable[[Context, str, Any, Tensor], Value]] = {
    "Conv1d": _conv, "Conv2d": _conv, "Affine": _affine, "Linear": _affine, "SumPool2d": pool, "AvgPool2d": pool,
    "Flatten": _flatten, "Scale": _scale,
}
NEURONS = ("IF", "LIF", "CubaLIF", "Threshold")
