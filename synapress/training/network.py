"""A chain of layers whose activations can be told to compute what neurons that spike once do."""

from dataclasses import dataclass, field

from synapress.training.activation import SpikeTime, Stage
from synapress.training.chain import Step, chain
from synapress.training.errors import TrainingError, check_real, check_whole
from synapress.training.torch_module import nn, torch


@dataclass(kw_only=True)
class Section:
    """A layer of the hardware: weights, the batch norm behind them, and the pools behind those."""

    weights: Step | None = None
    """None of pools of the inputs."""
    norm: Step | None = None
    spikes: bool = False
    pools: list[Step] = field(default_factory=list)


class SpikeTimeNetwork(nn.Module):
    """A user's chain with an activation for the inputs in front, and `SpikeTime` in place of each ReLU.

    It computes logits: the sums of the last layer. Its layers are the user's own; training it trains these.

    Args:
        module: what `synapress.training.chain` takes.
        shape: of one sample, (channels, rows, columns).
        steps: T, the times at which a neuron may spike.
        tau: τ, the times in which the threshold halves.
        threshold: θ0 of the inputs and of each layer: values are 0 to θ0.

    Raises:
        TrainingError: the module is no such chain.
    """

    def __init__(self, module: nn.Module, shape: tuple[int, ...], *, steps: int = 24, tau: int = 4,
                 threshold: float = 1.0):
        super().__init__()
        for name, number in (("steps", steps), ("tau", tau)):
            check_whole(name, number)
        check_real("threshold", threshold, above_0=True)
        if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
            raise TrainingError("settings", "shape", "channels, rows and columns", tuple(shape),
                                "Reshape the samples to images.")
        if not isinstance(module, nn.Module):
            raise TrainingError("settings", "module", "a torch.nn.Module", type(module).__name__,
                                "Use nn.Sequential, or a class of your own.")
        self.shape, self.steps, self.tau, self.threshold = tuple(shape), steps, tau, threshold
        found = chain(module, self.shape)
        self.sections = _sections(found)
        self.inputs = self._activation()
        for step in found:
            if isinstance(step.layer, SpikeTime) and not torch.equal(step.layer.levels, self.inputs.levels):
                raise TrainingError(step.name, "code of spikes", str(self.inputs), step.layer,
                                    "Use nn.ReLU, which becomes the network's own activation.")
        self.layers = nn.ModuleList(
            self._activation() if isinstance(step.layer, nn.ReLU) else step.layer for step in found)

    def _activation(self) -> SpikeTime:
        return SpikeTime(self.steps, self.tau, self.threshold)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (n, outputs) of samples (n, channels, rows, columns)."""
        if self.inputs.stage == Stage.TTFS:
            x = self.inputs(x)
        for layer in self.layers:
            x = layer(x)
        return x.flatten(1)

    def set_stage(self, stage: Stage) -> None:
        """What all activations compute; inputs are coded as spikes in the last stage only."""
        for part in self.modules():
            if isinstance(part, SpikeTime):
                part.stage = stage


def _sections(steps: list[Step]) -> list[Section]:
    """The layers of the hardware in a chain, in order.

    A pool may stand before its ReLU: no activation here falls, so that the maximum of values is the value of the
    maximum.
    """
    sections = [Section()]
    for step in steps:
        last, layer = sections[-1], step.layer
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if last.weights is not None and not last.spikes:
                raise TrainingError(step.name, "activation", f"a ReLU between it and {last.weights.name}", "none",
                                    "Put nn.ReLU between layers with weights.")
            if isinstance(layer, nn.Linear) and len(step.before) != 1:
                raise TrainingError(step.name, "flatten", "a vector per sample", f"shape {step.before}",
                                    "Put nn.Flatten in front.")
            sections.append(Section(weights=step))
        elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
            _check_norm(step, last)
            last.norm = step
        elif isinstance(layer, nn.ReLU | SpikeTime):
            if last.weights is not None:  # in front of all layers it codes the inputs, as they are anyway
                last.spikes = True
        elif isinstance(layer, nn.MaxPool2d):
            if layer.return_indices:
                raise TrainingError(step.name, "chain", "one result", "indices, too", "Leave out return_indices.")
            last.pools.append(step)
        elif isinstance(layer, nn.Flatten) and len(step.after) != 1:
            raise TrainingError(step.name, "flatten", "one dimension per sample", f"shape {step.after}",
                                "Use nn.Flatten().")
    end = sections[-1]
    if end.weights is None or end.pools:
        raise TrainingError("output", "last layer", "a convolution or a dense layer", "a pool" if end.pools else "none",
                            "Let the logits be sums of weights.")
    if end.spikes:
        raise TrainingError("output", "last layer", "sums without an activation", "a ReLU behind it",
                            "Leave out the last ReLU: the largest sum tells the class.")
    return sections if sections[0].pools else sections[1:]


def _check_norm(step: Step, last: Section) -> None:
    if last.weights is None or last.norm is not None or last.spikes or last.pools:
        raise TrainingError(step.name, "batch norm", "a layer with weights directly before it",
                            "none" if last.weights is None else f"a place apart from {last.weights.name}",
                            "Put it between the weights and the activation.")
    layer = step.layer
    assert isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d)
    if not layer.track_running_stats:
        raise TrainingError(step.name, "batch norm", "running statistics", "track_running_stats=False",
                            "Leave out track_running_stats.")
