"""The conformance tests that come with onnx, in integers: `python -m studies.conformance --write`.

Every node test and every test converted from PyTorch whose operators all are on the list of supported ones is run:
read, evaluated in float64 against the test's own expectation (with the tolerance of onnx's own runner), quantized with
the test's inputs as calibration to 8-bit activations and int8 weights with states of 32 bits, and run by the golden
model. It passes if the float error is below FLOAT_TOLERANCE and the integer error below INTEGER_TOLERANCE of the
largest output.
"""

import argparse
import dataclasses
import json
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from golden.config import CoreConfig
from golden.errors import SynapressError
from golden.network import dense
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import reference
from synapress.mapper.importers.onnx.inputs import FLOATS
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import assemble
from synapress.mapper.lowering.split_layers import split_layers
from synapress.mapper.network.populations import lower
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.quantization.quantized import Options

OPERATORS = (
    "Conv ConvTranspose AveragePool MaxPool GlobalAveragePool GlobalMaxPool Resize Upsample Gemm MatMul Flatten "
    "Reshape Squeeze Unsqueeze Transpose Concat Split Slice Gather Add Sum Mul Sub Div Neg BatchNormalization Relu "
    "Clip LeakyRelu PRelu Sigmoid Tanh HardSwish HardSigmoid Swish Elu Selu Celu Gelu Mish Softplus Softsign "
    "ThresholdedRelu Abs Sqrt Exp Erf Pow Reciprocal Sin Cos Sign Max Min Where Greater GreaterOrEqual Less "
    "LessOrEqual Not And Or LayerNormalization InstanceNormalization Expand Identity Dropout Cast Constant Pad "
    "ReduceMean ReduceSum QuantizeLinear DequantizeLinear QLinearConv QLinearMatMul DepthToSpace SpaceToDepth").split()
OF_TRUTH = ("Greater", "GreaterOrEqual", "LessOrEqual", "Not", "And", "Or")
"""Operators whose every test has truth values as inputs or outputs of the network: out of scope, tested elsewhere."""
ALL_DATA = ("Add", "Sum", "Mul", "Sub", "Concat")
"""Operators all of whose inputs may be feature maps; of the others the first is, and the rest are constants."""
FLOAT_TOLERANCE = 1e-3
BFLOAT_TOLERANCE = 2**-8
"""Of expectations in bfloat16, which has eight bits."""
INTEGER_TOLERANCE = 0.015
CONFIG = dataclasses.replace(CoreConfig(), name="conformance", state_bits=32)
DOCUMENT = Path(__file__).parent.parent / "docs" / "conformance.md"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one test: passed, or why it is out of scope, or a failure."""

    name: str
    operators: str
    verdict: str
    """passed, out of scope, or failed."""
    reason: str = ""
    flat: bool = False
    """Whether all its tensors are static floats of at most two spatial dimensions, with numbers in them."""
    error: float = 0.0
    """Largest integer error, as a share of the largest output."""


def _array(value: Any) -> np.ndarray:
    return numpy_helper.to_array(value) if hasattr(value, "DESCRIPTOR") else np.asarray(value)


def cases() -> Iterator[tuple[str, onnx.ModelProto, list[np.ndarray], list[np.ndarray]]]:
    """Name, model, inputs and expected outputs of every test on the list."""
    for kind in ("node", "pytorch-converted"):
        for case in load_model_tests(kind=kind):
            if kind == "node":
                assert case.model is not None and case.data_sets is not None
                model, (given, wanted) = case.model, case.data_sets[0]
            else:
                assert case.model_dir is not None
                folder = Path(case.model_dir)
                model = onnx.load(folder / "model.onnx")
                given, wanted = ([onnx.load_tensor(path) for path in sorted(
                    (folder / "test_data_set_0").glob(f"{side}_*.pb"))] for side in ("input", "output"))
            if not {node.op_type for node in model.graph.node} <= set(OPERATORS):
                continue
            try:
                yield case.name, model, [_array(value) for value in given], [_array(value) for value in wanted]
            except (ValueError, TypeError):  # sequences and optional values
                yield case.name, model, [], []


def _is_float(array: np.ndarray) -> bool:
    return array.dtype.kind == "f" or array.dtype.name == "bfloat16"


def _finite(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What an elementwise operator takes and gives, 0 where one of them is NaN or infinite: a map holds neither."""
    if before.shape != after.shape or not (_is_float(before) and _is_float(after)):
        return before, after
    there = np.isfinite(before.astype(float)) & np.isfinite(after.astype(float))
    return np.where(there, before, before.dtype.type(0)), np.where(there, after, after.dtype.type(0))


def _flat(model: onnx.ModelProto, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> bool:
    arrays = [array for array in (*inputs, *outputs) if _is_float(array)]
    if not all(array.size and np.isfinite(array.astype(float)).all() for array in arrays):
        return False  # there is no map of it, and no integer
    return bool(inputs) and all(array.ndim <= 4 for array in inputs) and all(
        kind.HasField("tensor_type") and kind.tensor_type.elem_type in FLOATS for kind in (
            model.graph.input[0].type, *(value.type for value in model.graph.output)))


def _data_inputs(model: onnx.ModelProto) -> set[str]:
    """Graph inputs that are feature maps."""
    initial = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in initial]
    if len(model.graph.node) > 1:
        return set(names[:1])
    node = model.graph.node[0]
    return set(names) if node.op_type in ALL_DATA else {name for name in names if name == node.input[0]}


def run(model: onnx.ModelProto, inputs: list[np.ndarray], outputs: list[np.ndarray]) -> tuple[float, float]:
    """Errors of float and of integers, each as a share of the largest expected output.

    Raises:
        ModelError: the importer or the quantizer refuses it.
    """
    initial = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input]
    names = names if len(names) == len(inputs) else [name for name in names if name not in initial]
    given = dict(zip(names, inputs, strict=True))
    data = _data_inputs(model)
    constants = {name: array for name, array in given.items() if name not in data}
    first: ModelError | None = None
    for batch in (True, False):  # with its first dimension as frames, or all of it as one frame
        try:
            read = read_onnx(model, constants=constants, batch=batch)
        except ModelError as error:
            first = first or error
            continue
        break
    else:
        assert first is not None
        raise first
    maps = {port.node: port.to_maps(given[port.name]) for port in read.inputs}
    count = max(len(array) for array in maps.values())
    maps = {name: np.broadcast_to(array, (count, *array.shape[1:])) for name, array in maps.items()}
    floats = reference.run(read.graph, maps)
    layers = fuse(read.graph)
    made = quantize(split_layers(layers, CONFIG), maps, CONFIG, Options(method="max"))
    results = dense.run(lower(made.network), {name: made.scales[name].integers(array) for name, array in maps.items()},
                        CONFIG)
    real = {name: result.outputs * made.scales[name].step for name, result in results.items() if name in made.scales}
    worst = [0.0, 0.0]
    for port, expected in zip(read.outputs, outputs, strict=True):
        largest = max(float(np.abs(expected.astype(float)).max(initial=0)), 1e-9)
        for i, got in enumerate((floats[port.node], assemble(layers.outputs[port.node], real))):
            array = port.from_maps(got)
            if port.scale is not None:
                array = np.rint(array / port.scale) + port.zero_point
            if array.shape != expected.shape:
                return np.inf, np.inf
            worst[i] = max(worst[i], float(np.abs(array - expected.astype(float)).max(initial=0)) / largest)
    return worst[0], worst[1]


def outcomes() -> list[Outcome]:
    """Every test's outcome."""
    result = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model, inputs, outputs in cases():
            operators = ", ".join(sorted({node.op_type for node in model.graph.node}))
            if operators == "Cast" and inputs:
                inputs[0], outputs[0] = _finite(inputs[0], outputs[0])
            flat = _flat(model, inputs, outputs)
            try:
                exact, integer = run(model, inputs, outputs)
            except SynapressError as error:
                text = str(error)
                reason = text.split("rule '", 1)[-1].split(". ")[0].replace("':", ":", 1)
                result.append(Outcome(name, operators, "out of scope", reason, flat))
                continue
            coarse = any(array.dtype.name == "bfloat16" for array in outputs)
            passed = exact <= (BFLOAT_TOLERANCE if coarse else FLOAT_TOLERANCE) and integer <= INTEGER_TOLERANCE
            reason = "" if passed else f"float error {exact:.1e}, integer error {integer:.1e}"
            result.append(Outcome(name, operators, "passed" if passed else "failed", reason, flat, integer))
    return result


def counts(found: list[Outcome]) -> dict[str, int]:
    """How many tests there are and pass: all, and those with static float tensors of two dimensions at most."""
    return {
        "tests": len(found), "passed": sum(item.verdict == "passed" for item in found),
        "flat": sum(item.flat for item in found),
        "flat passed": sum(item.flat and item.verdict == "passed" for item in found),
    }


def document(found: list[Outcome]) -> str:
    """The tables of docs/conformance.md."""
    passed = [item for item in found if item.verdict == "passed"]
    flat = [item for item in found if item.flat]
    flat_passed = [item for item in flat if item.verdict == "passed"]
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for item in found:
        groups[item.operators].append(item)
    lines = [
        "# ONNX conformance", "",
        "Made by `python -m studies.conformance --write`: the tests of the onnx package (node tests, and those "
        f"converted from PyTorch) whose operators are all supported, {len(found)} of them.",
        f"A test passes if float64 is within {FLOAT_TOLERANCE:g} and the integers within {INTEGER_TOLERANCE:g} of the "
        "expectation, as a share of its largest output: 8-bit activations, int8 weights, 32-bit states, ranges from "
        "the test's own input, run by the golden model.", "",
        f"- {len(passed)} of {len(found)} pass; of the {len(flat)} with static float tensors of at most two spatial "
        f"dimensions {len(flat_passed)} ({100 * len(flat_passed) / len(flat):.1f} %). Tests whose tensors have no "
        "element, or NaN and infinities, do not count among these; those of Cast are run with 0 instead "
        f"(and to {BFLOAT_TOLERANCE:.4f} where the result is bfloat16)",
        f"- largest integer error of those that pass: {100 * max(item.error for item in passed):.2f} % of the largest "
        "output", "", "| operators | pass | of | largest error |", "|---|---|---|---|"]
    for operators in sorted(groups):
        items = groups[operators]
        good = [item.error for item in items if item.verdict == "passed"]
        worst = f"{100 * max(good):.2f} %" if good else ""
        lines.append(f"| {operators} | {len(good)} | {len(items)} | {worst} |")
    lines += ["", "## Not passed, and why", "", "| test | verdict | reason |", "|---|---|---|"]
    lines += [f"| `{item.name}` | {item.verdict} | {item.reason.replace('|', '/')} |"
              for item in found if item.verdict != "passed"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name} in docs")
    parser.add_argument("--json", type=Path, help="also write the counts to a file")
    arguments = parser.parse_args()
    found = outcomes()
    text = document(found)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(counts(found), indent=1) + "\n")
    if arguments.write:
        DOCUMENT.write_text(text)
    print("\n".join(text.splitlines()[:8]))


if __name__ == "__main__":
    main()
