"""Models that are files of their kind but make no sense: attributes, shapes and arrays that are changed or missing."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

NUMBERS = (-1, 0, 1, 2, 3, 7, 255, 1 << 31, (1 << 63) - 1)


def strange(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An array with one thing wrong: its shape, an element, its type, or all of it."""
    match rng.integers(8):
        case 0:
            return array.reshape(-1)
        case 1:
            return array[..., :max(1, array.shape[-1] // 2)] if array.ndim else np.zeros((2, 3), array.dtype)
        case 2:
            return array[None]
        case 3:
            return np.zeros((0, *array.shape[1:]), array.dtype)
        case 4:
            return array.astype(np.int64) * int(rng.choice(NUMBERS[:8]))
        case 5:
            return np.full_like(array, rng.choice([np.nan, np.inf, -1e38]) if array.dtype.kind == "f" else -1)
        case 6:
            return np.zeros_like(array)
        case _:
            result = np.array(array)
            result.reshape(-1)[:1] = rng.choice([-1, 0, 1e30]) if array.dtype.kind == "f" else -1
            return result


def strange_onnx(model: onnx.ModelProto, rng: np.random.Generator) -> onnx.ModelProto:
    """A copy with one thing wrong."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    node = graph.node[int(rng.integers(len(graph.node)))]
    match rng.integers(10):
        case 0 | 1 | 2 if node.attribute:
            attribute = node.attribute[int(rng.integers(len(node.attribute)))]
            number = int(rng.choice(NUMBERS))
            if attribute.ints:
                attribute.ints[int(rng.integers(len(attribute.ints)))] = number
            attribute.i, attribute.f = number, float(rng.choice([np.nan, -1, 1e38]))
        case 3 if node.attribute:
            del node.attribute[int(rng.integers(len(node.attribute)))]
        case 4:
            del node.input[int(rng.integers(len(node.input))):]
        case 5:
            node.input[0] = str(rng.choice([item.output[0] for item in graph.node] + ["x", "nothing"]))
        case 6:
            node.op_type = str(rng.choice(["Relu", "Conv", "Gemm", "Flatten", "Concat", "Resize", "LSTM", "Softmax"]))
        case 7:
            dims = graph.input[0].type.tensor_type.shape.dim
            dims[int(rng.integers(len(dims)))].dim_value = int(rng.choice(NUMBERS))
        case 8:
            graph.input[0].type.tensor_type.elem_type = int(rng.choice([
                TensorProto.INT64, TensorProto.STRING, TensorProto.UINT8, TensorProto.DOUBLE, 99]))
        case _:
            tensor = graph.initializer[int(rng.integers(len(graph.initializer)))]
            tensor.CopyFrom(numpy_helper.from_array(strange(numpy_helper.to_array(tensor), rng), tensor.name))
    return made


def strange_hdf5(path: Path, rng: np.random.Generator) -> None:
    """Change one dataset or group of an HDF5 file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = str(rng.choice(names))
        item: Any = file[name]
        if isinstance(item, h5py.Group) or rng.random() < 0.2:
            del file[name]
            return
        value = item[()]
        del file[name]
        numbers = np.asarray(value).dtype.kind in "biuf"
        file[name] = strange(np.asarray(value), rng) if numbers else str(rng.choice(["", "Conv2d", "LIF", "x"]))
