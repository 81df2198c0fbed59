"""How the host's part of a model is run, found out by running it when the file is loaded."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnx.reference.ops.op_if import If

from synapress.host.host import PLAN, HostPart, Input, kinds, listed
from synapress.host.nodes import functions, within
from synapress.host.operators import RANDOM, evaluator
from synapress.host.work import Work, work
from synapress.mapper.errors import ModelError
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.tensor import Port

_LOOPS = ("Loop", "Scan", "SequenceMap")
_RECURRENT = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
"""Recurrent operators with the functions that the evaluator computes, whatever the node says."""
_LENGTHS = 4
"""Their input of sequences' lengths."""


class Prepared(NamedTuple):
    """The host's part, checked but not yet run."""

    model: onnx.ModelProto
    inputs: dict[str, Input]
    files: set[str]
    """Those of its inputs that are inputs of the file."""
    work: Work


def prepared(host: onnx.ModelProto, found: Model) -> Prepared:
    """The host's part, with how it is given its inputs.

    Args:
        host: the part as it was cut off.
        found: the cores' part.

    Raises:
        ModelError: it has operators that the host cannot have, or inputs that it cannot get.
    """
    ports = {port.name: port for port in (*found.inputs, *found.outputs)}
    files = {port.name for port in found.inputs}
    made = {name for item in host.graph.node for name in item.output}
    calls = functions(host)
    used = {name for item in host.graph.node for each in within(item, calls) for name in each.input} | {
        value.name for value in host.graph.output}
    version = next((item.version for item in host.opset_import if not item.domain), 1)
    for item in host.graph.node:
        for each in within(item, calls):
            _check(each, item.name, version)
    inputs = {}
    for value in host.graph.input:
        if value.name not in ports:
            raise ModelError(value.name, "host", "inputs that a layer on the cores reads", "one that only the host's "
                             f"operators read ({listed(kinds(host))})", "Bind it with `constants` (--constant "
                             "NAME=VALUES) if it is known, or remove these operators from the file.")
        if value.name in used - made and value.type.tensor_type.elem_type:
            inputs[value.name] = _input(ports[value.name], value.name in files)
    return Prepared(host, inputs, files, work(host, {name: _one(port) for name, port in ports.items()}))


def _check(item: onnx.NodeProto, name: str, version: int) -> None:
    """That the host can have an operator, of a node of this name or within it."""
    if item.op_type in RANDOM:
        raise ModelError(name, "host", "operators whose results can be reproduced", item.op_type,
                         "Remove it from the file.")
    if item.op_type in _LOOPS:
        raise ModelError(name, "host: control flow", "operators without loops (If may be the host's)", item.op_type,
                         "Export it unrolled, or end the file before it.")
    if (item.op_type == "Resize" and version < 11) or any(each.name == "broadcast" for each in item.attribute):
        raise ModelError(name, "host", "operators of opset 11 or later", f"{item.op_type} of {version}",
                         "Convert the file by onnx.version_converter, or export it for a later opset.")
    if item.op_type in _RECURRENT:
        usual = _RECURRENT[item.op_type]
        given = {each.name: helper.get_attribute_value(each) for each in item.attribute}
        chosen = [each.decode() for each in given.get("activations", [])]
        if (chosen not in ([], usual, 2 * usual) or given.get("clip") or given.get("input_forget")
                or any(item.input[_LENGTHS:_LENGTHS + 1])):
            raise ModelError(name, f"host: {item.op_type}", f"the functions {', '.join(usual)}, no clip, no coupled "
                             "gates, sequences of one length", ", ".join(chosen) or "others",
                             "Export the layer without them, or end the file before it.")


def planned(part: Prepared, found: Model, dynamic: set[str], choice: Mapping[str, Any]) -> bytes:
    """The host's part with how to run it, tried with random numbers.

    Args:
        found: the cores' part.
        dynamic: inputs of the file with any number of frames.
        choice: how the part was chosen, see `HostPart.choice`.

    Raises:
        ModelError: the host cannot compute its part, or not for any number of frames.
    """
    host, inputs, files = part.model, part.inputs, part.files
    whole = bool(dynamic) and all(item.axis is not None for item in inputs.values()) and not (
        set(inputs) & files) - dynamic
    fixed = 1 if dynamic else max((item.dims[item.axis] for item in inputs.values() if item.axis is not None),
                                  default=1)
    errors: list[Exception] = []
    for way in (True, False) if whole or fixed > 1 else (False,):
        plan = {"whole": way, "inputs": inputs, "work": part.work, "choice": choice}
        try:
            runs = HostPart(host, plan)
            if way and fixed > 1:
                _check_alone(runs, host, _drawn(inputs, fixed))
                continue
            for count in (1, 2) if way or not any(inputs[name].axis is None for name in set(inputs) & files) else (1,):
                runs.outputs(_drawn(inputs, count))
            _check_branches(host, plan, _drawn(inputs, 1))
        except ModelError:
            raise
        except Exception as error:  # onnx's evaluator raises whatever numpy does
            errors.append(error)
            if fixed > 1:
                break
        else:
            helper.set_model_props(host, {PLAN: json.dumps(plan)})
            return host.SerializeToString()
    last = errors[-1]
    raise ModelError(host.graph.node[-1].name, "host", "operators that onnx's evaluator computes for any frame",
                     f"{listed(kinds(host))}: {type(last).__name__}: {str(last)[:200]}",
                     "Remove these operators from the file.") from last


def _check_branches(host: onnx.ModelProto, plan: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """That both branches of every If can be computed: the numbers drawn may take only one of them."""
    if not any(each.op_type == "If" for item in host.graph.node for each in within(item, functions(host))):
        return
    for truth in (True, False):
        HostPart(host, plan, evaluator(host, _always(truth))).outputs(arrays)


def _always(truth: bool) -> type[If]:
    """If that takes the same branch whatever the condition, by the name that the evaluator looks up."""
    def run(self: If, cond: npt.NDArray[Any], **given: Any) -> Any:
        return If._run(self, np.full(np.shape(cond), truth), **given)

    return type("If", (If,), {"_run": run})


def _input(port: Port, of_file: bool) -> Input:
    return Input(port.frames, port.dims, None if of_file else port.scale, port.zero_point)


def _one(port: Port) -> tuple[int, ...]:
    """Dimensions of one frame."""
    return tuple(1 if axis == port.frames else size for axis, size in enumerate(port.dims))


def _drawn(inputs: Mapping[str, Input], frames: int) -> dict[str, npt.NDArray[Any]]:
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


def _check_alone(part: HostPart, host: onnx.ModelProto, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
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
