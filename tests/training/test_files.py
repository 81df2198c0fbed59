"""Modules from ONNX files: they compute what the file does, and a trained one becomes arrays."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from synapress.mapper.errors import ModelError
from synapress.training import (
    Settings,
    SpikeTimeNetwork,
    Stage,
    TrainingError,
    as_module,
    export,
    from_onnx,
    train,
)
from synapress.training.torch_module import nn, torch
from tests.training.networks import SHAPE, data, networks, unsettle


def written(module: nn.Module, path: Path) -> Path:
    """An ONNX file by torch, its batch norms not folded."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.padding == "same":
            part.padding = (2, 2)  # that of its kernel, by numbers: onnxruntime takes "same" for dilation 1 only
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # this exporter is the old one, which needs no other package
        torch.onnx.export(module, (torch.zeros(1, *SHAPE),), path, dynamo=False, do_constant_folding=False,
                          training=torch.onnx.TrainingMode.PRESERVE)
    return path


def test_a_file_becomes_a_module_that_computes_the_same(tmp_path: Path, seed: int) -> None:
    """Compared with onnxruntime, and its arrays with those of the module that was written."""
    torch.manual_seed(seed)
    count = 0
    for module in [*networks()][::3]:
        path = written(unsettle(module), tmp_path / "model.onnx")
        found, shape = from_onnx(path)
        assert shape == SHAPE
        x = torch.rand(1, *SHAPE)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        expected = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
        network = SpikeTimeNetwork(found, shape, steps=12, tau=2).eval()
        network.set_stage(Stage.RELU)
        with torch.no_grad():
            assert network(x).numpy() == pytest.approx(expected, abs=1e-5)
            network.set_stage(Stage.TTFS)
            assert torch.allclose(as_module(export(network))(x), network(x), atol=1e-5)
        count += 1
    assert count == 9


def test_it_is_trained_with_fresh_batch_norms(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, shape = from_onnx(written([*networks()][2].eval(), tmp_path / "model.onnx"), batch_norm=True)
    assert sum(isinstance(part, nn.BatchNorm2d) for part in module) == 3
    done = train(SpikeTimeNetwork(module, shape), *data(1, 200), Settings(epochs=12, batch=20))
    assert done[-1].accuracy > 0.9


def graph(path: Path, *nodes: onnx.NodeProto, outputs: str = "y", inputs: str = "x") -> Path:
    """A file of nodes; weights `w` (2, 2, 3, 3)."""
    made = helper.make_graph(
        list(nodes), "graph", [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 2, 8, 6)) for name in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ("n", "c", "h", "w")) for name in outputs],
        [onnx.numpy_helper.from_array(np.ones((2, 2, 3, 3), np.float32), "w"),
         onnx.numpy_helper.from_array(np.ones((2, 1, 1), np.float32), "s")])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


CONV = helper.make_node("Conv", ["x", "w"], ["c"], "conv")


@pytest.mark.parametrize(("nodes", "rule"), [
    ([CONV, helper.make_node("Sigmoid", ["c"], ["y"], "last")], "operator"),
    ([CONV, helper.make_node("AveragePool", ["c"], ["y"], "last", kernel_shape=[2, 2])], "operator"),
    ([helper.make_node("Conv", ["x", "w"], ["y"], "last", pads=[1, 1, 0, 0])], "padding"),
    ([helper.make_node("Mul", ["x", "s"], ["y"], "last")], "batch norm"),
    ([CONV, helper.make_node("Relu", ["c"], ["r"], "r"), helper.make_node("Mul", ["r", "s"], ["y"], "last")],
     "batch norm"),
    ([CONV, helper.make_node("Conv", ["x", "w"], ["r"], "r"), helper.make_node("Add", ["c", "r"], ["y"], "last")],
     "chain"),
])
def test_files_that_are_no_such_chain_are_refused(tmp_path: Path, nodes: list[onnx.NodeProto], rule: str) -> None:
    with pytest.raises(TrainingError, match=f"node .*, rule '{rule}'"):
        from_onnx(graph(tmp_path / "model.onnx", *nodes))


def test_files_with_several_inputs_or_outputs_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    relu = helper.make_node("Relu", ["c"], ["y"], "r")
    with pytest.raises(TrainingError, match="rule 'outputs'"):
        from_onnx(graph(path, CONV, relu, outputs="cy"))
    with pytest.raises(TrainingError, match="rule 'inputs'"):
        from_onnx(graph(path, helper.make_node("Add", ["x", "z"], ["y"]), inputs="xz"))
    path.write_bytes(b"no model")
    with pytest.raises(ModelError):
        from_onnx(path)
