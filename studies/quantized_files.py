"""Files that onnxruntime quantized, integer by integer: `python -m studies.quantized_files`.

Every 8-bit map of a file becomes an output; ours, computed with 32-bit states, are compared with onnxruntime's, and for
QDQ files with onnx's own evaluator in float64.
"""

import argparse
import dataclasses
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from rich.progress import track

from golden.config import CoreConfig
from golden.network import dense
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from synapress.reports.tables import Sheet, show
from synapress.zoo.digits.data import load_digits
from synapress.zoo.digits.onnx_file import digits_onnx
from tests.helpers.onnx_models import TOPOLOGIES
from tests.helpers.onnx_sessions import session

WIDE = dataclasses.replace(CoreConfig(), name="wide", state_bits=32, multiplier_bits=22)


def shape_of(model: onnx.ModelProto) -> list[int]:
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim][1:]


class Frames(CalibrationDataReader):
    def __init__(self, frames: np.ndarray):
        self.frames = iter(frames)

    def get_next(self) -> dict | None:
        frame = next(self.frames, None)
        return None if frame is None else {"x": frame[None]}


def statically_quantized(model: onnx.ModelProto, calibration: np.ndarray, form: QuantFormat, activations: QuantType,
                         folder: Path) -> onnx.ModelProto:
    """onnxruntime's own quantization, with every 8-bit activation as an output."""
    logging.getLogger().setLevel(logging.ERROR)
    onnx.save(model, folder / "float.onnx")
    quant_pre_process(folder / "float.onnx", folder / "ready.onnx", skip_symbolic_shape=True)
    quantize_static(folder / "ready.onnx", folder / "quantized.onnx", Frames(calibration), quant_format=form,
                    per_channel=True, activation_type=activations, weight_type=QuantType.QInt8)
    result = onnx.load(folder / "quantized.onnx")
    known = {value.name: value for part in (model, result)
             for value in onnx.shape_inference.infer_shapes(part).graph.value_info}
    constants, have = {item.name for item in result.graph.initializer}, {item.name for item in result.graph.output}
    kind = onnx.TensorProto.UINT8 if activations == QuantType.QUInt8 else onnx.TensorProto.INT8
    del result.graph.output[:]
    for node in result.graph.node:
        name = node.output[0]
        whole = node.op_type == "QuantizeLinear" or node.op_type.startswith("QL") or name.endswith("_quantized")
        if whole and node.op_type != "DequantizeLinear" and node.input[0] not in constants and name not in have:
            info = known.get(name) or known.get(name.removesuffix("_quantized"))
            rank = len(info.type.tensor_type.shape.dim) if info else 2
            result.graph.output.append(helper.make_tensor_value_info(name, kind, [None] * rank))
    return result


def integers_apart(model: onnx.ModelProto, expected: dict[str, np.ndarray], x: np.ndarray) -> dict[str, np.ndarray]:
    """Of every output of a quantized file: our integers, computed with states of 32 bits, minus the expected ones."""
    read = read_onnx(model)
    layers, maps = fuse(read.graph), {"x": read.inputs[0].to_maps(x)}
    made = quantize(split_layers(layers, WIDE), maps, WIDE)
    results = dense.run(lower(made.network), {"x": made.scales["x"].integers(maps["x"])}, WIDE)
    real = {name: result.outputs * made.scales[name].step for name, result in results.items() if name in made.scales}
    apart = {}
    for port in read.outputs:
        assert port.scale is not None
        got = port.from_maps(assemble(layers.outputs[port.node], real))
        apart[port.name] = np.rint(got / port.scale) + port.zero_point - expected[port.name].astype(int)
    assert len(apart) >= 3
    return apart


def by_onnxruntime(model: onnx.ModelProto, x: np.ndarray, as_written: bool = False) -> dict[str, np.ndarray]:
    """`as_written`: without onnxruntime's optimizations, which quantize float weights between quantized maps."""
    runner = session(model, optimized=not as_written)
    return dict(zip([item.name for item in runner.get_outputs()], runner.run(None, {"x": x}), strict=True))


def by_onnx_in_float64(model: onnx.ModelProto, x: np.ndarray) -> dict[str, np.ndarray]:
    """A QDQ file by onnx's own evaluator, all floats in float64: sums of 8-bit integers times float32 scales are exact.

    In float32, as by onnxruntime, the rounding of these products often misses a tie.
    """
    wide = onnx.ModelProto.FromString(model.SerializeToString())
    for item in wide.graph.initializer:
        if item.data_type == onnx.TensorProto.FLOAT:
            item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item).astype(np.float64), item.name))
    wide.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    wide.opset_import[0].version = 19  # the evaluator has no older DequantizeLinear
    names = [item.name for item in wide.graph.output]
    return dict(zip(names, ReferenceEvaluator(wide).run(names, {"x": x.astype(np.float64)}), strict=True))


def model_and_frames(name: str, seed: int) -> tuple[onnx.ModelProto, np.ndarray, np.ndarray]:
    """A topology, frames to calibrate it and frames to run."""
    rng = np.random.default_rng(seed)
    model = TOPOLOGIES[name](rng)
    calibration, x = (rng.normal(0, 1, (24, *shape_of(model))).astype(np.float32) for _ in range(2))
    return model, calibration, x


def transposed_on_a_grid(model: onnx.ModelProto) -> onnx.ModelProto:
    """With weights of transposed convolutions that int8 holds: QOperator files leave them float."""
    names = {node.input[1] for node in model.graph.node if node.op_type == "ConvTranspose"}
    for item in model.graph.initializer:
        if item.name in names:
            weights = numpy_helper.to_array(item).astype(np.float64)
            step = np.abs(weights).max(axis=(0, 2, 3), keepdims=True) / 127
            item.CopyFrom(numpy_helper.from_array((np.rint(weights / step) * step).astype(np.float32), item.name))
    return model


def digits_and_frames() -> tuple[onnx.ModelProto, np.ndarray, np.ndarray]:
    """The trained digits network, 100 training digits and all 1,000 test digits."""
    data = load_digits()
    calibration, x = data.train_images[::40, None] / 255, data.test_images[:, None] / 255
    return digits_onnx(), calibration.astype(np.float32), x.astype(np.float32)


def main() -> None:
    """Print how many integers of all layers differ, file by file."""
    parser = argparse.ArgumentParser(description="Files that onnxruntime quantized, integer by integer.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    seed, rows = arguments.seed, []
    sheet = Sheet(title=f"Integers of all layers that differ, seed {seed}", left=(0, 1), headings=(
        "network", "form", "integers", "from onnxruntime's", "by more than 1", "from float64's"),
        caption="uint8 and int8 activations together. QOperator files: onnxruntime without graph optimizations.")
    cases = [(name, form) for form in (QuantFormat.QDQ, QuantFormat.QOperator) for name in ("digits", *TOPOLOGIES)]
    for name, form in track(cases, "quantized files"):
        counts = np.zeros(4, int)
        for activations in (QuantType.QUInt8, QuantType.QInt8):
            model, calibration, x = digits_and_frames() if name == "digits" else model_and_frames(name, seed)
            if form == QuantFormat.QOperator:
                model = transposed_on_a_grid(model)
            with tempfile.TemporaryDirectory() as folder:
                quantized = statically_quantized(model, calibration, form, activations, Path(folder))
            apart = np.concatenate([array.ravel() for array in integers_apart(
                quantized, by_onnxruntime(quantized, x, form == QuantFormat.QOperator), x).values()])
            counts[:3] += apart.size, np.count_nonzero(apart), np.count_nonzero(np.abs(apart) > 1)
            if form == QuantFormat.QDQ:
                counts[3] += sum(np.count_nonzero(array) for array in integers_apart(
                    quantized, by_onnx_in_float64(quantized, x), x).values())
        rows.append({"network": name, "form": form.name, "integers": int(counts[0]), "onnxruntime": int(counts[1]),
                     "by more than 1": int(counts[2]),
                     "float64": int(counts[3]) if form == QuantFormat.QDQ else None})
        sheet.add_row(name, form.name, *(f"{count:,}" for count in counts[:3]),
                      f"{counts[3]:,}" if form == QuantFormat.QDQ else "")
    show([sheet])
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"files": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
