"""What of an ONNX file the host computes: operators behind the last layer, such as softmax or the decoding of boxes.

A file is split in front of the first node that cores cannot have, if nothing behind it has learned weights. The host
runs its part in float by onnx's reference evaluator. Where the file's number of frames is dynamic it runs all of them
at once, as the file would; else, or if the file itself takes only one, frame by frame.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from golden.errors import NetworkError
from synapress.host.operators import RANDOM, evaluator
from synapress.host.split import FRAMES, Split
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.tensor import Port

_PLAN = "synapress"


def split(model: onnx.ModelProto, refused: ModelError, read: Callable[[onnx.ModelProto], Model],
          constants: Mapping[str, npt.ArrayLike] | None = None) -> Model | None:
    """What `read` makes of the cores' part of a model that it refused as a whole, with the host's; None: nothing.

    Args:
        constants: inputs that are known.

    Raises:
        ModelError: the host cannot compute its part, or not for any number of frames.
    """
    try:
        parts = Split(model, constants)
    except Exception:  # a damaged model, of which the reader has told more
        return None
    error = refused
    while parts.cut(error.violation.layer):
        core, host = parts.parts()
        if not core.graph.node:
            return None
        try:
            found = read(core)
        except ModelError as again:
            error = again
        else:
            found.host = _planned(host, found, parts.dynamic)
            return found
    if parts.behind and error.violation.rule == "operator":
        told = error.violation
        raise ModelError(told.layer, told.rule, told.needed, told.available, f"{told.help} The host computes only what "
                         f"follows the last layer; behind this comes layer {parts.behind}.") from error
    return None


class _Input(NamedTuple):
    """An input of the host's part."""

    axis: int | None
    """Of the frames."""
    dims: tuple[int, ...]
    scale: float | None
    """Of an integer array that is given as real values."""
    zero_point: int

    def count(self, array: npt.NDArray[Any]) -> int:
        if self.axis is not None:
            return int(array.shape[self.axis])
        return len(array) if array.ndim > len(self.dims) else 1

    def frame(self, array: npt.NDArray[Any], index: int) -> npt.NDArray[Any]:
        """One frame as the file has it."""
        if self.count(array) == 1:
            index = 0
        if self.axis is not None:
            return np.take(array, [index], self.axis)
        return np.asarray(array[index]) if array.ndim > len(self.dims) else array


class _Host:
    """The host's part, ready to run."""

    def __init__(self, model: onnx.ModelProto):
        self.run = evaluator(model)
        plans = [json.loads(item.value) for item in model.metadata_props if item.key == _PLAN]
        if not plans:
            raise ValueError("it does not say how frames are given")
        plan = plans[0]
        self.whole: bool = plan["whole"]
        self.inputs = {name: _Input(*value) for name, value in plan["inputs"].items()}
        self.kinds = {value.name: helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
                      for value in model.graph.input}

    def given(self, arrays: Mapping[str, npt.ArrayLike]) -> dict[str, npt.NDArray[Any]]:
        """Arrays as the host's part has them, of real values or of an input's own integers."""
        found = {}
        for name, item in self.inputs.items():
            array, kind = np.asarray(arrays[name]), self.kinds[name]
            if item.scale is not None and np.issubdtype(kind, np.integer):
                limits = np.iinfo(kind)
                array = np.clip(np.rint(array / item.scale) + item.zero_point, limits.min, limits.max)
            found[name] = array.astype(kind)
        frames = max(item.count(found[name]) for name, item in self.inputs.items())
        if self.whole:
            for name, item in self.inputs.items():
                if item.count(found[name]) < frames:
                    found[name] = np.repeat(found[name], frames, item.axis)
        return found

    def frames(self, given: Mapping[str, npt.NDArray[Any]]) -> Iterator[dict[str, npt.NDArray[Any]]]:
        for index in range(max(item.count(given[name]) for name, item in self.inputs.items())):
            yield {name: item.frame(given[name], index) for name, item in self.inputs.items()}

    def outputs(self, arrays: Mapping[str, npt.ArrayLike]) -> list[npt.NDArray[Any]]:
        given = self.given(arrays)
        if self.whole:
            return [_array(item) for item in _ran(self.run, given)]
        results = [[_array(item) for item in _ran(self.run, frame)] for frame in self.frames(given)]
        return [_joined(each) for each in zip(*results, strict=True)]


def _ran(run: ReferenceEvaluator, given: dict[str, npt.NDArray[Any]]) -> list[Any]:
    with np.errstate(all="ignore"):
        return list(run.run(None, given))


def _array(result: Any) -> npt.NDArray[Any]:
    if not isinstance(result, (np.ndarray, np.generic)):
        raise TypeError(f"an output is no array but a {type(result).__name__}")
    return np.asarray(result)


def _joined(results: tuple[npt.NDArray[Any], ...]) -> npt.NDArray[Any]:
    """Outputs of frames: behind each other where the file has frames first, else stacked."""
    if len({result.shape for result in results}) > 1:
        raise ValueError("the shape of an output depends on the data: "
                         f"{', '.join(sorted({str(result.shape) for result in results}))}")
    if len(results) == 1:
        return results[0]
    return np.concatenate(results) if results[0].shape[:1] == (1,) else np.stack(results)


def _planned(host: onnx.ModelProto, found: Model, dynamic: set[str]) -> bytes:
    """The host's part with how to run it, tried with random numbers."""
    ports = {port.name: port for port in (*found.inputs, *found.outputs)}
    files = {port.name for port in found.inputs}
    made = {name for item in host.graph.node for name in item.output}
    used = {name for item in host.graph.node for name in item.input} | {value.name for value in host.graph.output}
    version = next((item.version for item in host.opset_import if not item.domain), 1)
    for item in host.graph.node:
        if item.op_type in RANDOM:
            raise ModelError(item.name, "host", "operators whose results can be reproduced", item.op_type,
                             "Remove it from the file.")
        if (item.op_type == "Resize" and version < 11) or any(each.name == "broadcast" for each in item.attribute):
            raise ModelError(item.name, "host", "operators of opset 11 or later", f"{item.op_type} of {version}",
                             "Convert the file by onnx.version_converter, or export it for a later opset.")
    inputs = {}
    for value in host.graph.input:
        if value.name not in ports:
            raise ModelError(value.name, "host", "inputs that a layer on the cores reads", "one that only the host's "
                             f"operators read ({', '.join(_kinds(host))})", "Bind it with `constants` if it is known, "
                             "or remove these operators from the file.")
        if value.name in used - made and value.type.tensor_type.elem_type:
            inputs[value.name] = _input(ports[value.name], value.name in files)
    whole = bool(dynamic) and all(item.axis is not None for item in inputs.values()) and not (
        set(inputs) & files) - dynamic
    fixed = 1 if dynamic else max((item.dims[item.axis] for item in inputs.values() if item.axis is not None),
                                  default=1)
    errors: list[Exception] = []
    for way in (True, False) if whole or fixed > 1 else (False,):
        plan = {"whole": way, "inputs": inputs}
        del host.metadata_props[:]
        helper.set_model_props(host, {_PLAN: json.dumps(plan)})
        try:
            part = _Host(host)
            if way and fixed > 1:
                _check_alone(part, host, _drawn(inputs, fixed))
                continue
            for count in (1, 2) if way or not any(inputs[name].axis is None for name in set(inputs) & files) else (1,):
                part.outputs(_drawn(inputs, count))
        except ModelError:
            raise
        except Exception as error:  # onnx's evaluator raises whatever numpy does
            errors.append(error)
            if fixed > 1:
                break
        else:
            return host.SerializeToString()
    last = errors[-1]
    raise ModelError(host.graph.node[-1].name, "host", "operators that onnx's evaluator computes for any frame",
                     f"{', '.join(_kinds(host))}: {type(last).__name__}: {str(last)[:200]}",
                     "Remove these operators from the file.") from last


def _input(port: Port, of_file: bool) -> _Input:
    return _Input(port.frames, port.dims, None if of_file else port.scale, port.zero_point)


def _drawn(inputs: Mapping[str, _Input], frames: int) -> dict[str, npt.NDArray[Any]]:
    """Random arrays of so many frames, with zeros as maps have them."""
    rng, found = np.random.default_rng(1), {}
    for name, item in inputs.items():
        dims = list(item.dims)
        if item.axis is not None:
            dims[item.axis] = frames
        elif frames > 1:
            dims.insert(0, frames)
        drawn = rng.normal(0, 1, dims) if item.scale is None else item.scale * (
            rng.integers(0, 128, dims) - item.zero_point)
        found[name] = np.where(rng.random(dims) < 0.3, 0, drawn)
    return found


def _check_alone(part: _Host, host: onnx.ModelProto, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """That frames of a file with several do not depend on each other.

    Raises:
        ModelError: they do; it names the first operator where that shows.
    """
    given = part.given(arrays)
    together, *alone = (dict(part.run.run(None, each, intermediate=True)) for each in (given, *part.frames(given)))

    def agrees(name: str) -> bool:
        whole, parts = np.asarray(together[name]), [np.asarray(each[name]) for each in alone]
        joined = np.concatenate(parts) if parts[0].ndim else np.stack(parts)
        return whole.shape == joined.shape and bool(
            np.allclose(whole, joined, rtol=1e-4, atol=1e-6, equal_nan=True)
            if np.issubdtype(whole.dtype, np.floating) else np.array_equal(whole, joined))

    maker = {name: item for item in host.graph.node for name in item.output if name}
    wrong = [output.name for output in host.graph.output if output.name in maker and not agrees(output.name)]
    if not wrong:
        return
    name = next((name for name in maker if np.issubdtype(np.asarray(together[name]).dtype, np.floating)
                 and not agrees(name)), wrong[0])
    raise ModelError(maker[name].name, f"host: {maker[name].op_type}", "frames that do not depend on each other",
                     f"other results for {len(alone)} frames together, {np.shape(together[name])}, than for each alone",
                     "Export the model with a dynamic number of frames, or with one.")


@cache
def ready(host: bytes) -> _Host:
    """The host's part of a model, to run.

    Raises:
        Exception: of any kind, if it is none.
    """
    return _Host(onnx.load_model_from_string(host))


def _kinds(model: onnx.ModelProto) -> list[str]:
    own = (item for item in model.graph.node if not item.output[0].startswith(f"{FRAMES}/"))
    return [item.op_type for item in own if item.op_type != "Constant"]


def operators(host: bytes) -> list[str]:
    """Operators of the host's part, in order."""
    return _kinds(onnx.load_model_from_string(host))


def finish(
    host: bytes, values: Mapping[str, npt.ArrayLike], inputs: Mapping[str, npt.ArrayLike]
) -> dict[str, npt.NDArray[Any]]:
    """All outputs of the file.

    Args:
        values: outputs of the cores' part, real, by name, as `synapress.mapper.importers.tensor.Port.from_maps` gives
            them.
        inputs: of the file, by name.

    Raises:
        NetworkError: an operator cannot be computed.
    """
    try:
        part = ready(host)
        results = part.outputs({**inputs, **values})
    except Exception as error:  # onnx's evaluator raises whatever numpy does
        raise NetworkError(f"the host's part of the model ({', '.join(operators(host))}): {type(error).__name__}: "
                           f"{error}. Remove these operators from the file.") from error
    return {name: np.asarray(values[name]) if name in values else result
            for name, result in zip(part.run.output_names, results, strict=True)}
