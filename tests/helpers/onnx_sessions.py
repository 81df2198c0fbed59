"""onnxruntime sessions whose integers are the same on every processor."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, numpy_helper


def activation_types(model: onnx.ModelProto) -> set[int]:
    """Of the zero points that are with activations: the third input, behind the scale, where the first is no constant.

    QLinearConcat and its like begin with a constant, and weights are constants, so neither counts.
    """
    constants = {item.name: item for item in model.graph.initializer}
    others = ("QuantizeLinear", "DequantizeLinear", "QGemm")
    nodes = [node for node in model.graph.node if node.op_type.startswith("QLinear") or node.op_type in others]
    return {constants[node.input[2]].data_type if len(node.input) > 2 and node.input[2] else TensorProto.UINT8
            for node in nodes if node.input[0] not in constants}


def unsigned_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with uint8 in place of int8 weights, if its activations are uint8: the same weights minus zero points.

    A processor with AVX2 but without VNNI multiplies uint8 by int8 with VPMADDUBSW, whose sums of two products saturate
    at 16 bits: 2 * 255 * 127 does not fit. Products of two uint8 or of two int8 are exact on every processor. Without
    VNNI onnxruntime widens them to 16 bits, and VPMADDWD adds them in 32 bits; VNNI adds in 32 bits, too, as do the
    instructions of other architectures. Integer sums of 32 bits do not depend on their order. The types decide which
    kernel runs, so with no product of uint8 by int8 in the model no kernel can saturate.
    """
    types = activation_types(model)
    if types != {TensorProto.UINT8}:
        assert len(types) < 2, "activations of several types: int8 constants may be activations"
        return model
    result = onnx.ModelProto.FromString(model.SerializeToString())
    signed = [item for item in result.graph.initializer if item.data_type == TensorProto.INT8]
    for item in signed:  # weights and their zero points
        item.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(item) ^ -128).view(np.uint8), item.name))
    weights = {item.name for item in signed}
    assert all(len(node.input) > 2 for node in result.graph.node
               if node.op_type == "DequantizeLinear" and node.input[0] in weights), "weights need a zero point to move"
    return result


def session(model: onnx.ModelProto, optimized: bool = True) -> onnxruntime.InferenceSession:
    """All tests run quantized files with this, so that what they expect does not depend on the processor."""
    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Without this, layers with int8 activations in QDQ files run in float32 on x86 and as integers elsewhere.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(unsigned_weights(model).SerializeToString(), options)
