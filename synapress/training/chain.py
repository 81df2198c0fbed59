"""A user's module as the chain of layers that it is, whether it is written as a sequence or as code."""

import io
import operator
from contextlib import redirect_stderr
from typing import Any

from synapress.training.activation import SpikeTime
from synapress.training.errors import TrainingError
from synapress.training.torch_module import fx, nn, shape_prop, torch

LAYERS = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.BatchNorm1d, nn.MaxPool2d, nn.ReLU, SpikeTime, nn.Flatten,
          nn.Dropout, nn.Dropout2d, nn.Identity)
"""Modules that are taken, besides average pools that change nothing."""
KNOWN = "Conv2d, Linear, BatchNorm, MaxPool2d, ReLU, Flatten, Dropout and Identity"
_RELU = {nn.functional.relu, torch.relu, torch.relu_, "relu", "relu_"}
_POOL = {nn.functional.max_pool2d, torch.max_pool2d}
_FLAT = {torch.flatten, "flatten", "view", "reshape", torch.reshape}
_DROP = {nn.functional.dropout, nn.functional.dropout2d}
_SIZES = {"size", getattr, operator.getitem, operator.mul, operator.floordiv}
"""What computes sizes for `view`; no layer does."""
_SAMPLES = 2
"""With which shapes are found."""


class Step:
    """A layer of the chain: its name in the user's module, the layer, and the shapes of a sample before and after."""

    def __init__(self, name: str, layer: nn.Module, before: tuple[int, ...], after: tuple[int, ...]):
        self.name, self.layer, self.before, self.after = name, layer, before, after


def chain(module: nn.Module, shape: tuple[int, ...]) -> list[Step]:
    """The layers of a module in order; they are the user's own, so that training trains these.

    Args:
        module: of convolutions, batch normalization, max pools, dense layers, ReLU, flattening and dropout, one after
            the other, as modules or as functions; whatever `torch.fx` can trace.
        shape: of one sample, as (channels, rows, columns).

    Raises:
        TrainingError: it is no chain, or has a module that no network of spikes in time can be made of.
    """
    traced = _traced(module, shape)
    steps: list[Step] = []
    last: fx.Node | None = None
    used: set[str] = set()
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            last = node
        elif node.op == "output":
            if node.args[0] is not last:
                raise TrainingError("output", "chain", "the last layer's result alone", node.args[0],
                                    "Return the logits only.")
        elif node.target not in _SIZES or node.op == "call_module":
            assert last is not None
            layer = _layer(traced, node, last, used)
            if _samples(node) != _SAMPLES:
                raise TrainingError(_name(node), "flatten", "as many results as samples",
                                    f"{_samples(node)} of {_SAMPLES} samples", "Use nn.Flatten().")
            steps.append(Step(_name(node), layer, _shape(last), _shape(node)))
            last = node
    return steps


def _traced(module: nn.Module, shape: tuple[int, ...]) -> fx.GraphModule:
    """The module's graph with the shapes of all results."""
    modes = {part: part.training for part in module.modules()}
    try:
        traced = _Tracer().trace(module)
        inputs = [node for node in traced.nodes if node.op == "placeholder"]
        if len(inputs) != 1:
            raise TrainingError(f"input '{inputs[-1]}'" if inputs else "inputs", "inputs", "one input", len(inputs),
                                "Train a module with one input.")
        graph = fx.GraphModule(module, traced)
        graph.eval()
        with torch.no_grad(), redirect_stderr(io.StringIO()):  # torch prints a traceback before it raises
            shape_prop.ShapeProp(graph).propagate(torch.zeros((_SAMPLES, *shape)))
    except TrainingError:
        raise
    except Exception as error:  # whatever the user's code says to a proxy, or to a wrong shape
        raise TrainingError(
            f"module {type(module).__name__}", "trace", f"a module that computes samples of shape {shape} without "
            "decisions that depend on data", _told(error), "Pass the shape of one sample, and "
            "write the network as nn.Sequential if its code branches.") from error
    finally:
        for part, training in modes.items():
            part.train(training)
    return graph


def _told(error: BaseException) -> str:
    """What torch said first, without what the tracer wraps it in."""
    cause = error.__cause__ or error
    return f"{type(cause).__name__}: {cause}"


class _Tracer(fx.Tracer):
    """Takes the activation of this package as one layer, as torch's own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, SpikeTime) or super().is_leaf_module(m, module_qualified_name)


def _name(node: fx.Node) -> str:
    kind = f"'{node.target}'" if node.op == "call_module" else f"'{node.name}'"
    return f"layer {kind}"


def _shape(node: fx.Node) -> tuple[int, ...]:
    found = node.meta.get("tensor_meta")
    return tuple(found.shape[1:]) if isinstance(found, tuple) and hasattr(found, "shape") else ()


def _samples(node: fx.Node) -> int:
    """The first dimension of a result."""
    found: Any = node.meta.get("tensor_meta")
    return int(found.shape[0]) if getattr(found, "shape", ()) else _SAMPLES


def _changes_nothing(layer: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether an average pool gives maps as they are. One with padding may keep their size and yet blur them."""
    ramp = torch.arange(float(torch.Size(shape).numel())).view(1, *shape)
    with torch.no_grad():
        return torch.equal(layer(ramp), ramp)


def _layer(traced: fx.GraphModule, node: fx.Node, last: fx.Node, used: set[str]) -> nn.Module:
    """The layer of a node, which must read the last one and nothing else."""
    sources = [source for source in node.all_input_nodes if not _is_size(source)]
    if sources != [last]:
        names = ", ".join(str(source) for source in sources) or "nothing"
        raise TrainingError(_name(node), "chain", f"a layer that reads '{last}' only", names,
                            "Branches and sums of layers cannot be trained: leave them out.")
    if node.op != "call_module":
        return _function(node)
    layer = traced.get_submodule(str(node.target))
    if any(True for _ in layer.parameters()) and node.target in used:
        raise TrainingError(_name(node), "one use", "a layer with weights that is used once", "a second use",
                            "Give each layer its own weights.")
    used.add(str(node.target))
    if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AvgPool2d) and _changes_nothing(layer, _shape(last)):
        return nn.Identity()  # of torchvision's VGG at its least size
    if not isinstance(layer, LAYERS):
        hint = f"Use {KNOWN}." if not isinstance(layer, nn.AvgPool2d | nn.AdaptiveAvgPool2d) else (
            "Use MaxPool2d, or a convolution with a stride.")
        raise TrainingError(_name(node), "module", f"one of {KNOWN}", type(layer).__name__, hint)
    return layer


def _is_size(node: fx.Node) -> bool:
    return node.op in ("call_method", "call_function") and node.target in _SIZES and not _shape(node)


def _function(node: fx.Node) -> nn.Module:
    """A module that does what a function or a method does."""
    target: Any = node.target
    if target in _RELU:
        return nn.ReLU()
    if target in _POOL:
        names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
        given = dict(zip(names, node.args[1:], strict=False)) | dict(node.kwargs)
        return nn.MaxPool2d(**{name: value for name, value in given.items() if name in names})
    if target in _FLAT and len(_shape(node)) == 1:
        return nn.Flatten()
    if target in _DROP:
        given = dict(zip(("p", "training"), node.args[1:], strict=False)) | dict(node.kwargs)
        return nn.Dropout(float(given.get("p", 0.5)))
    raise TrainingError(_name(node), "module", f"one of {KNOWN}, or the function of one",
                        getattr(target, "__name__", target), f"Use {KNOWN}.")
