"""Which modules are taken, and what is said of the others."""

import pytest

from synapress.training import SpikeTime, SpikeTimeNetwork, Stage, TrainingError
from synapress.training.torch_module import nn, torch
from tests.training.networks import SHAPE, Functions, networks


def test_a_network_of_relus_computes_as_before_in_its_first_stage(seed: int) -> None:
    torch.manual_seed(seed)
    for module in networks():
        network = SpikeTimeNetwork(module.eval(), SHAPE).eval()
        network.set_stage(Stage.RELU)
        x = torch.rand(3, *SHAPE)
        with torch.no_grad():
            assert torch.allclose(network(x), module(x), atol=1e-6)


def test_modules_are_left_in_their_mode_and_are_the_ones_that_are_trained() -> None:
    module = Functions()
    module.norm.eval()
    network = SpikeTimeNetwork(module, SHAPE)
    assert module.training and module.first.training and not module.norm.training
    assert {id(part) for part in network.parameters()} == {id(part) for part in module.parameters()}


def test_layers_by_name_in_order() -> None:
    network = SpikeTimeNetwork(Functions(), SHAPE)
    assert [section.weights.name for section in network.sections if section.weights] == [
        "layer 'first'", "layer 'second'", "layer 'last'"]
    assert [len(section.pools) for section in network.sections] == [1, 0, 0]


def test_average_pools_that_change_nothing_are_taken() -> None:
    """As the one of torchvision's VGG is, on images of 32 × 32."""
    module = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d((6, 4)), nn.Flatten(), nn.Linear(72, 2))
    SpikeTimeNetwork(module, SHAPE)
    SpikeTimeNetwork(chained(conv(), nn.ReLU(), nn.AvgPool2d(1)), SHAPE)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv(x)) + x


class Twice(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(torch.relu(self.conv(x)))


class Branching(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x) if x.sum() > 0 else x


class TwoInputs(Residual):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.conv(y)


class TwoOutputs(Residual):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.conv(x), x


class Skipping(Residual):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.relu(self.conv(x))
        return self.conv(x)


class Regrouped(nn.Module):
    """Whose vectors are no samples."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(2, 2, 1), nn.Linear(48, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.conv(x)).view(-1, 48))


def chained(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers, nn.Conv2d(3, 3, 1))


def conv() -> nn.Module:
    return nn.Conv2d(2, 3, 3, padding=1)


@pytest.mark.parametrize(("module", "where", "rule"), [
    (Residual(), "layer 'add'", "chain"),
    (Twice(), "layer 'conv'", "one use"),
    (Branching(), "module Branching", "trace"),
    (TwoInputs(), "input 'y'", "inputs"),
    (TwoOutputs(), "output", "chain"),
    (Skipping(), "layer 'conv'", "chain"),
    (chained(conv(), nn.Sigmoid()), "layer '1'", "module"),
    (chained(conv(), nn.LeakyReLU()), "layer '1'", "module"),
    (chained(conv(), nn.AvgPool2d(2)), "layer '1'", "module"),
    (chained(conv(), nn.ReLU(), nn.AvgPool2d(3, 1, 1)), "layer '2'", "module"),
    (chained(conv(), nn.ReLU(), nn.AvgPool2d(1, divisor_override=2)), "layer '2'", "module"),
    (chained(conv(), SpikeTime(6, 1)), "layer '1'", "code of spikes"),
    (Regrouped(), "layer 'view'", "flatten"),
    (chained(conv()), "layer '1'", "activation"),
    (chained(conv(), nn.ReLU(), nn.BatchNorm2d(3)), "layer '2'", "batch norm"),
    (chained(conv(), nn.MaxPool2d(2), nn.BatchNorm2d(3), nn.ReLU()), "layer '2'", "batch norm"),
    (chained(conv(), nn.BatchNorm2d(3, track_running_stats=False), nn.ReLU()), "layer '1'", "batch norm"),
    (nn.Sequential(nn.BatchNorm2d(2), conv()), "layer '0'", "batch norm"),
    (nn.Sequential(conv(), nn.ReLU()), "output", "last layer"),
    (nn.Sequential(conv(), nn.MaxPool2d(2)), "output", "last layer"),
    (nn.Sequential(nn.ReLU()), "output", "last layer"),
    (nn.Sequential(conv(), nn.Softmax(1)), "layer '1'", "module"),
    (nn.Sequential(nn.Linear(6, 3)), "layer '0'", "flatten"),
    (nn.Sequential(nn.Flatten(2), nn.Linear(48, 3)), "layer '0'", "flatten"),
    (nn.Sequential(nn.Conv2d(5, 3, 1)), "module Sequential", "trace"),
    (nn.Sequential(nn.Flatten(), nn.Linear(7, 3)), "module Sequential", "trace"),
])
def test_other_modules_are_refused_by_name(
    module: nn.Module, where: str, rule: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TrainingError) as caught:
        SpikeTimeNetwork(module, SHAPE)
    assert (caught.value.where, caught.value.rule) == (where, rule)
    assert not capsys.readouterr().err, "torch printed a traceback"
    assert str(caught.value).startswith(f"{where}, rule '{rule}': needs ") and caught.value.help in str(caught.value)


@pytest.mark.parametrize(("settings", "rule"), [
    ({"steps": 0}, "steps"), ({"tau": 0}, "tau"), ({"threshold": 0.0}, "threshold"),
    ({"steps": 2.5}, "steps"), ({"steps": "3"}, "steps"), ({"tau": True}, "tau"), ({"threshold": "1"}, "threshold"),
    ({"shape": ("2", 8, 6)}, "shape"), ({"module": 3}, "module"),
    ({"threshold": float("nan")}, "threshold"),
    ({"steps": 200, "tau": 1}, "steps"), ({"shape": (8, 6)}, "shape"), ({"shape": (2, 0, 6)}, "shape")])
def test_settings_out_of_range_are_refused(settings: dict[str, object], rule: str) -> None:
    with pytest.raises(TrainingError, match=f"rule '{rule}'"):
        SpikeTimeNetwork(**{"module": Functions(), "shape": SHAPE} | settings)  # type: ignore[arg-type]


def test_an_activation_of_the_user_is_taken_as_it_is() -> None:
    network = SpikeTimeNetwork(chained(conv(), SpikeTime(24, 4)), SHAPE)
    assert sum(isinstance(part, SpikeTime) for part in network.modules()) == 2
