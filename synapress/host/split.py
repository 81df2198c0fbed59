"""An ONNX file in two: what cores compute, and what depends on it, which the host does."""

from collections.abc import Iterable, Mapping
from math import prod

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from synapress.host.nodes import functions, learned, reads
from synapress.host.shapes import SMALL, Types, shape_range

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_OF_SHAPE = 9
"""The opset that brought ConstantOfShape."""
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16)
_BYTES = (TensorProto.UINT8, TensorProto.INT8)


class Split:
    """A file, and which of its nodes are the host's: none at first. The file's weights are referred to, not copied."""

    def __init__(self, model: onnx.ModelProto, constants: Mapping[str, npt.ArrayLike] | None = None):
        graph = model.graph
        self.model, self.nodes = model, list(graph.node)
        self.functions = functions(model)
        kinds = {value.name: value.type.tensor_type.elem_type for value in graph.input}
        self.known = {tensor.name: tensor for tensor in graph.initializer}
        for name, array in (constants or {}).items():
            kind = helper.tensor_dtype_to_np_dtype(kinds[name]) if kinds.get(name) else None
            self.known[name] = numpy_helper.from_array(np.asarray(array, kind), name)
        self.inputs = [value for value in graph.input if value.name not in self.known]
        self.names = [item.name or f"{item.op_type}_{index}" for index, item in enumerate(self.nodes)]
        self.reads = [reads(item) for item in self.nodes]
        self.maker = {output: index for index, item in enumerate(self.nodes) for output in item.output if output}
        self.dynamic = {value.name for value in self.inputs if (dims := value.type.tensor_type.shape.dim)
                        and dims[0].dim_value < 1}
        """Inputs of any number of frames."""
        self.varies = {value.name for value in self.inputs}
        """Values that depend on data, not only on shapes."""
        for item, names in zip(self.nodes, self.reads, strict=True):
            if item.op_type not in ("Shape", "Size") and self.varies & set(names):
                self.varies |= set(filter(None, item.output))
        self.frames = "frames"
        """The value in the host's part that tells the number of frames, and prefix of those that it comes from."""
        while any(name.startswith(self.frames) for name in (*self.maker, *self.known, *self.varies)):
            self.frames += "_"
        self.types, self.of_two = (Types(self.nodes, self.inputs, self.known, model, frames=frames)
                                   for frames in (1, 2))
        others = {name for item, names in zip(self.nodes, self.reads, strict=True) if item.op_type not in _LAYERS
                  for name in names} | {value.name for value in graph.output}
        version = next((item.version for item in model.opset_import if not item.domain), 1)
        self.weights = {name for name, tensor in self.known.items() if name not in others and version >= _OF_SHAPE
                        and tensor.data_type in _FLOATS and prod(tensor.dims) > SMALL}
        """Large constants that only layers read, whose values do not matter to whether the reader takes them."""
        self.host: set[int] = set()
        self.behind: list[int] = []
        """The refused nodes, and the learned layer behind them, for which a cut was not made."""

    # -- which nodes are the host's ------------------------------------------------------------

    def named(self, layer: str) -> set[int]:
        """The nodes that a refusal is about: of this name, or of one from which this one was made."""
        names = {name for name in self.names if layer == name} or {max(
            (name for name in self.names if layer.startswith((f"{name}/", f"{name}_"))), key=len, default="")}
        return {index for index, name in enumerate(self.names) if name in names}

    def depending(self, names: Iterable[str]) -> set[int]:
        """All nodes that depend on values."""
        behind, found = set(names), set()
        for index, item in enumerate(self.nodes):
            if behind & set(self.reads[index]):
                found.add(index)
                behind |= set(filter(None, item.output))
        return found

    def outputs(self, nodes: Iterable[int]) -> set[str]:
        return {output for index in nodes for output in self.nodes[index].output if output}

    def learned(self, nodes: Iterable[int]) -> list[int]:
        """Those of some nodes that have learned weights."""
        return [index for index in sorted(nodes) if learned(self.nodes[index], self.functions)]

    def cut(self, layer: str, *, weights: bool = False) -> bool:
        """Assign a node and all that depend on it to the host; False: there is none, or only cores may compute it.

        Args:
            layer: as a refusal names it.
            weights: whether learned layers may be the host's.
        """
        refused = self.named(layer) - self.host
        if not refused:
            return False
        chosen = (refused | self.depending(self.outputs(refused))) - self.host
        stay = self.learned(chosen)
        if stay and not weights:
            self.behind = [min(refused), stay[0]]
            return False
        self.host |= chosen
        return True

    def copy(self) -> "Split":
        """The same file, to be assigned otherwise."""
        result = object.__new__(Split)
        result.__dict__ |= self.__dict__ | {"host": set(self.host), "behind": []}
        return result

    def after(self, names: Iterable[str]) -> set[int]:
        """All nodes that depend on nodes, or on values, of these names; none for a name that there is not."""
        values: set[str] = set()
        for name in names:
            nodes = [index for index, known in enumerate(self.names) if known == name]
            values |= self.outputs(nodes) if nodes else {name}
        return self.depending(values)

    def before(self, given: Iterable[str] = ()) -> list[str] | None:
        """Names of nodes such that the host's nodes are those that depend on them; None: there are no such names.

        Where a refused node reads several values, what depends on one of them may be more than is the host's now.

        Args:
            given: names that are among them.
        """
        names = dict.fromkeys(given)
        reached = self.after(names)
        for index in sorted(self.host):
            if index in reached:
                continue
            makers = {self.maker[name] for name in self.reads[index]
                      if name in self.varies and name in self.maker and self.maker[name] not in self.host}
            if not makers:
                return None
            best = min(makers, key=lambda maker: (len(self.depending(self.outputs([maker]))), -maker))
            names[self.names[best]] = None
            reached |= self.depending(self.outputs([best]))
        return list(names)

    # -- the two models ------------------------------------------------------------------------

    def core(self, *, light: bool = False) -> onnx.ModelProto | None:
        """The cores' model; None: nothing is left for them.

        Args:
            light: large weights of layers are computed ones, which costs less than a copy of the weights: a model that
                is only read for what the reader refuses.
        """
        _, crossing, _, _ = self._host_reads()
        needed = [name for name in dict.fromkeys((*self._rest(), *crossing)) if name in self.maker]
        used, kept = set(needed), []
        for index in reversed(range(len(self.nodes))):
            if index not in self.host and used & set(self.nodes[index].output):
                kept.append(index)
                used |= set(self.reads[index])
        if not kept:
            return None
        tensors = {name: tensor for name, tensor in self.known.items() if name in used}
        ones = self.weights & set(tensors) if light else set()
        first, sizes = [], []
        for name in sorted(ones):
            shape, tensor = f"{self.frames}/{name}", tensors.pop(name)
            value = helper.make_tensor("one", tensor.data_type, [1], [1])
            first.append(helper.make_node("ConstantOfShape", [shape], [name], value=value))
            sizes.append(numpy_helper.from_array(np.array(tensor.dims, np.int64), shape))
        return self._model(self.model.graph.name, first, kept[::-1], self.inputs, map(self.types.info, needed),
                           (*tensors.values(), *sizes))

    def rest(self) -> onnx.ModelProto:
        """The host's model, whose inputs are outputs of the cores' and inputs of the file."""
        own, crossing, constants, sizes = self._host_reads()
        nodes = []
        if sizes:
            first, shape = f"{self.frames}/first", f"{self.frames}/shape"
            constants[first] = numpy_helper.from_array(np.array([0]), first)
            nodes += [helper.make_node("Shape", [min(set(crossing) & self.dynamic)], [shape]),
                      helper.make_node("Gather", [shape, first], [self.frames], axis=0)]
        for name, dims in sizes.items():
            behind = f"{self.frames}/{name}"
            constants[behind] = numpy_helper.from_array(np.array(dims, np.int64), behind)
            nodes.append(helper.make_node("Concat", [self.frames, behind], [name], axis=0))
        inputs = [helper.make_tensor_value_info(name, self.types.kind(name), None)
                  for name in dict.fromkeys((*crossing, *self._rest()))]
        return self._model("host", nodes, sorted(own), inputs, self.model.graph.output, constants.values())

    def _rest(self) -> list[str]:
        """Outputs of the file that the host does not make."""
        return [value.name for value in self.model.graph.output if self.maker.get(value.name) not in self.host]

    def _host_reads(self) -> tuple[set[int], list[str], dict[str, TensorProto], dict[str, list[int]]]:
        """The host's nodes, and those of shapes that it computes again; values that come from the cores or the file;
        constants; and shapes with the number of frames, as the dimensions behind it."""
        own, crossing = set(self.host), []
        todo = [name for index in sorted(own) for name in self.reads[index]]
        constants: dict[str, TensorProto] = {}
        sizes: dict[str, list[int]] = {}
        while todo:
            name = todo.pop()
            index = self.maker.get(name)
            if index in own or name in constants or name in crossing or name in sizes:
                continue
            if name in self.known:
                constants[name] = self.known[name]
            elif index is None:
                crossing.append(name)
            elif self.nodes[index].op_type == "Shape" and (dims := self.dims(self.nodes[index])) is not None:
                if 0 in dims:
                    sizes[name] = dims[1:]
                else:
                    constants[name] = numpy_helper.from_array(np.array(dims, np.int64), name)
            elif self.crosses(name):
                crossing.append(name)
            else:
                own.add(index)
                todo += self.reads[index]
        if sizes and not set(crossing) & self.dynamic:
            crossing.append(min(self.dynamic))
        return own, crossing, constants, sizes

    def crosses(self, name: str) -> bool:
        """Whether a value is one that cores can make: of real numbers, or of the integers that stand for some."""
        item, kind = self.nodes[self.maker[name]], self.types.kind(name)
        if name not in self.varies or item.op_type.startswith("DynamicQ"):
            return False
        while kind in _BYTES and item.op_type != "QuantizeLinear" and not item.op_type.startswith(("QLinear", "QGemm")):
            index = self.maker.get(item.input[0]) if item.input else None
            if index is None or self.types.kind(item.input[0]) != kind:
                return False
            item = self.nodes[index]
        return kind in _FLOATS + _BYTES

    def dims(self, shape: onnx.NodeProto) -> list[int] | None:
        """What a Shape node tells; 0 for the number of frames, if that comes first; None: unknown."""
        one, two = (types.dims(shape.input[0]) for types in (self.types, self.of_two))
        if one is None or two is None:
            return None
        found = list(one)
        if self.dynamic and one[1:] == two[1:] and (one[:1], two[:1]) == ((1,), (2,)):
            found[0] = 0
        elif one != two:
            return None
        start, end = shape_range(shape, len(found))
        return found[start:end]

    def _model(self, name: str, first: Iterable[onnx.NodeProto], nodes: Iterable[int],
               inputs: Iterable[onnx.ValueInfoProto], outputs: Iterable[onnx.ValueInfoProto],
               constants: Iterable[TensorProto]) -> onnx.ModelProto:
        """A model of some of the nodes; of each of its constants the one copy is made here."""
        result = onnx.ModelProto(ir_version=self.model.ir_version)
        result.opset_import.extend(self.model.opset_import)
        result.functions.extend(self.model.functions)
        graph = result.graph
        graph.name = name or "network"
        graph.node.extend(first)
        for index in nodes:
            item = graph.node.add()
            item.CopyFrom(self.nodes[index])
            item.name = self.names[index]
        graph.input.extend(inputs)
        graph.output.extend(outputs)
        graph.initializer.extend(constants)
        return result
