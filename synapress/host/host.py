"""The host's part of an ONNX file, at work: operators behind the cores' part, such as softmax or decoding of boxes.

The host runs its part in float by onnx's reference evaluator. Where the file's number of frames is dynamic it runs all
of them at once, as the file would; else, or if the file itself takes only one, frame by frame.
`synapress.host.reading` decides what is the host's, `synapress.host.plan` how it is run.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from golden.errors import NetworkError
from synapress.host.operators import evaluator
from synapress.host.work import Work

PLAN = "synapress"
"""Key of the model's property that says how frames are given, as JSON."""
_READY = 4
"""Models whose host's part is kept ready to run; each may have weights."""


class Input(NamedTuple):
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


class HostPart:
    """The host's part, ready to run."""

    def __init__(self, model: onnx.ModelProto, plan: Mapping[str, Any], run: ReferenceEvaluator | None = None):
        self.run = run if run is not None else evaluator(model)
        self.operators = kinds(model)
        self.whole: bool = plan["whole"]
        self.inputs = {name: Input(*value) for name, value in plan["inputs"].items()}
        self.work = Work(*plan["work"]) if "work" in plan else Work(0, 0, exact=False)
        self.choice: dict[str, Any] = plan.get("choice", {})
        """How the host's part was chosen: the arguments of `synapress.load` that choose it again."""
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


@lru_cache(_READY)
def ready(host: bytes) -> HostPart:
    """The host's part of a model, to run.

    Raises:
        Exception: of any kind, if it is none.
    """
    model = onnx.load_model_from_string(host)
    plans = [json.loads(item.value) for item in model.metadata_props if item.key == PLAN]
    if not plans:
        raise ValueError("it does not say how frames are given")
    return HostPart(model, plans[0])


def kinds(model: onnx.ModelProto) -> tuple[str, ...]:
    """Operators of the host's part, in order. Nodes without a name are not the file's (`synapress.host.split`)."""
    return tuple(item.op_type for item in model.graph.node if item.name and item.op_type != "Constant")


def operators(host: bytes) -> tuple[str, ...]:
    """Operators of the host's part, in order; none if it is empty."""
    return ready(host).operators if host else ()


def listed(names: tuple[str, ...]) -> str:
    """Operators as text: each once, with its number."""
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in Counter(names).items())


def described(host: bytes) -> str:
    """What the host computes, as one line; empty: nothing."""
    if not host:
        return ""
    part = ready(host)
    text = f"The host computes in float, behind the cores: {listed(part.operators)}"
    return f"{text} ({part.work})." if part.work.parameters else f"{text}."


def choice(host: bytes) -> dict[str, Any]:
    """The arguments of `synapress.load` by which the host's part was chosen, to read the same file again so."""
    return dict(ready(host).choice) if host else {}


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
