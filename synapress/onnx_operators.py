"""Operators of your own for ONNX files: a function declared by `operator` imports each node that asks for it.

It gets the `Context` of the import and the `Call`, which has the node's operands and attributes, and gives a `Tensor`.
Functions of one element become value tables of the hardware: `register` names one, `Context.function` applies it.

>>> import numpy as np
>>> import onnx
>>> import synapress
>>> from synapress.onnx_operators import Call, Context, Tensor, operator, register
>>> register("squircle", lambda x, a: x / np.sqrt(a + x**2))
>>> @operator("Squircle", domain="my.ops", opsets=(1, 1))
... def squircle(context: Context, call: Call) -> Tensor:
...     return context.function(call, call.tensor(), "squircle", call.attributes.get("a", 1.0))

A file with such a node, as an exporter would write it, then loads as any other:

>>> kernel = onnx.numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w")
>>> nodes = [onnx.helper.make_node("Conv", ["x", "w"], ["sum"]),
...          onnx.helper.make_node("Squircle", ["sum"], ["y"], domain="my.ops", a=2.0)]
>>> ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", channels, size, size])
...         for name, channels, size in (("x", 1, 8), ("y", 2, 6))]
>>> graph = onnx.helper.make_graph(nodes, "net", ends[:1], ends[1:], [kernel])
>>> sets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("my.ops", 1)]
>>> import tempfile, pathlib
>>> with tempfile.TemporaryDirectory() as folder:
...     path = pathlib.Path(folder) / "net.onnx"
...     onnx.save(onnx.helper.make_model(graph, opset_imports=sets), path)
...     model = synapress.load(path)
>>> frames = np.random.default_rng(1).normal(0, 1, (16, 1, 8, 8)).astype(np.float32)
>>> compiled = synapress.compile(model, config="grai_vip", calibration=frames)
>>> sums = sum(frames[:, :, i:i + 6, j:j + 6] for i in range(3) for j in range(3))
>>> found = synapress.simulate(compiled, frames).outputs["y"]
>>> bool(abs(found - sums / np.sqrt(2 + sums**2)).max() < 0.05)
True

`withdraw` takes a declaration back, also one of the operators that Synapress declares, so that another one can follow:

>>> from synapress.onnx_operators import withdraw
>>> withdraw("Squircle", "my.ops")

On the command line `synapress --operators FILE.py` runs a file of declarations before the command.
"""

from synapress.mapper.errors import OperatorError
from synapress.mapper.importers.functions import register
from synapress.mapper.importers.onnx.context import Call, Context
from synapress.mapper.importers.onnx.registry import operator, withdraw
from synapress.mapper.importers.tensor import Tensor

__all__ = ["Call", "Context", "OperatorError", "Tensor", "operator", "register", "withdraw"]
