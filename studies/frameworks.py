"""Write small random networks with the exporters of snnTorch, sinabs and Norse, and the spikes each computes.

    make frameworks

Writes `<name>.nir` and `<name>.npz` (x, and the spikes of each layer) beside itself, so that tests need no framework.
Parameters of neurons are arrays of the whole map, as NIR's type check wants them. Norse has no exporter for Flatten, so
its networks end with a convolution. Neurons of sinabs have SingleSpike and no min_v_mem: the hardware does not compute
its default, MultiSpike.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import norse.torch as norse
import numpy as np
import sinabs
import sinabs.activation
import sinabs.layers
import snntorch
import torch
from norse.torch.utils.export_nir import to_nir as norse_to_nir
from sinabs.nir import to_nir as sinabs_to_nir
from snntorch.export_nir import export_to_nir
from snntorch.utils import reset
from torch import nn

HERE = Path(__file__).parent.parent / "tests" / "frameworks"
SEED, TIMESTEPS, SIZE = 1, 24, 8
Shape = tuple[int, ...]
Neuron = Callable[[Shape], nn.Module]
Spikes = dict[str, list[torch.Tensor]]


def layers(pool: nn.Module | None, dense: bool, neuron: Neuron, gain: float) -> list[nn.Module]:
    """Convolution, perhaps a pool, convolution with stride, and a dense layer or not, each with neurons; the mean of
    the weights a little above 0, so that neurons fire."""
    half, source = SIZE // 2, SIZE if pool is None else SIZE // 2
    rows = source // 2
    made: list[nn.Module] = [nn.Conv2d(2, 4, 3, padding=1), neuron((4, SIZE, SIZE))]
    made += [pool] if pool is not None else []
    made += [nn.Conv2d(4, 6, 3, stride=2, padding=1), neuron((6, rows, rows))]
    if dense:
        made += [nn.Flatten(), nn.Linear(6 * (half // 2) ** 2, 5), neuron((5,))]
    for layer in made:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.weight.data = gain * (layer.weight.data + 0.5 / layer.weight[0].numel())
    return made


def record(net: nn.Module) -> Spikes:
    """What the neurons of a network give from now on, timestep by timestep, by name."""
    spikes: Spikes = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, __: Any, result: Any) -> None:
            spikes.setdefault(name, []).append(result[0] if isinstance(result, tuple) else result)
        return hook

    for name, layer in net.named_children():
        if not isinstance(layer, nn.Conv2d | nn.Linear | nn.Flatten | nn.AvgPool2d | sinabs.layers.SumPool2d):
            layer.register_forward_hook(keep(name))
    return spikes


def spread(shape: Shape, low: float, high: float) -> torch.Tensor:
    """A value per channel, of the whole map."""
    return (low + (high - low) * torch.rand(shape[0], *(1 for _ in shape[1:]))).expand(shape).clone()


def with_snntorch(x: torch.Tensor, reset_mechanism: str = "subtract") -> tuple[nir.NIRGraph, Spikes]:
    def leaky(shape: Shape) -> nn.Module:
        return snntorch.Leaky(beta=spread(shape, 0.6, 0.95), threshold=spread(shape, 0.5, 1), init_hidden=True,
                              reset_mechanism=reset_mechanism)

    net = nn.Sequential(*layers(nn.AvgPool2d(2), True, leaky, 3))
    graph = export_to_nir(net, x[:1], ignore_dims=[0])
    reset(net)
    spikes = record(net)
    for frame in x:
        net(frame[None])
    return graph, spikes


def snntorch_zero(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    return with_snntorch(x, "zero")


def with_sinabs(x: torch.Tensor, neuron: Neuron, gain: float) -> tuple[nir.NIRGraph, Spikes]:
    net = nn.Sequential(*layers(sinabs.layers.SumPool2d(2), True, neuron, gain))
    net(x)  # which gives the potentials their shape
    graph = sinabs_to_nir(net, x[:1])
    sinabs.reset_states(net)
    spikes = record(net)
    net(x)
    return graph, spikes


SINABS = {"spike_fn": sinabs.activation.SingleSpike, "batch_size": 1}


def sinabs_iaf(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    return with_sinabs(x, lambda shape: sinabs.layers.IAFSqueeze(**SINABS), 2)


def sinabs_lif(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    return with_sinabs(x, lambda shape: sinabs.layers.LIFSqueeze(
        tau_mem=spread(shape, 2, 6), spike_threshold=spread(shape, 0.3, 0.6), **SINABS), 6)


def sinabs_whole(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    """Neurons to which the whole input is added, whatever the leak."""
    return with_sinabs(x, lambda shape: sinabs.layers.LIFSqueeze(
        tau_mem=spread(shape, 2, 6), spike_threshold=spread(shape, 0.5, 1), norm_input=False, **SINABS), 2)


def sinabs_zero(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    return with_sinabs(x, lambda shape: sinabs.layers.IAFSqueeze(
        reset_fn=sinabs.activation.MembraneReset(), **SINABS), 2)


def with_norse(x: torch.Tensor, neuron: Neuron, gain: float) -> tuple[nir.NIRGraph, Spikes]:
    net = norse.SequentialState(*layers(None, False, neuron, gain))
    graph = norse_to_nir(net, x[0])
    spikes, state = record(net), None
    for frame in x:
        _, state = net(frame[None], state)
    return graph, spikes


def norse_lifbox(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    return with_norse(x, lambda shape: norse.LIFBoxCell(norse.LIFBoxParameters(
        tau_mem_inv=spread(shape, 100, 400), v_th=spread(shape, 0.3, 0.6), v_leak=spread(shape, -0.1, 0.1))), 6)


def norse_iaf(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    return with_norse(x, lambda shape: norse.IAFCell(norse.IAFParameters(v_th=spread(shape, 0.8, 2))), 3)


def norse_lif(x: torch.Tensor) -> tuple[nir.NIRGraph, Spikes]:
    """Neurons with a synaptic current, which tau_syn = dt makes last one timestep."""
    return with_norse(x, lambda shape: norse.LIFCell(norse.LIFParameters(
        tau_syn_inv=torch.full(shape, 1000.0), tau_mem_inv=spread(shape, 100, 400), v_th=spread(shape, 0.3, 0.6),
        v_leak=spread(shape, -0.1, 0.1))), 6)


NETWORKS = {"snntorch": with_snntorch, "sinabs_iaf": sinabs_iaf, "sinabs_lif": sinabs_lif,
            "norse_lifbox": norse_lifbox, "norse_iaf": norse_iaf, "norse_lif": norse_lif,
            "snntorch_zero": snntorch_zero, "sinabs_whole": sinabs_whole, "sinabs_zero": sinabs_zero}


def main() -> None:
    """Write all networks, or those named."""
    print(f"seed {SEED}; snntorch {snntorch.__version__}, sinabs {sinabs.__version__}, nir {nir.version}")
    for number, name in enumerate(NETWORKS):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        torch.manual_seed(SEED * 100 + number)
        x = (torch.rand(TIMESTEPS, 2, SIZE, SIZE) < 0.3).float()
        with torch.no_grad():
            graph, spikes = NETWORKS[name](x)
        arrays = {layer: torch.cat(parts).numpy().astype(bool) for layer, parts in spikes.items()}
        graph.edges = sorted(graph.edges)  # a set of strings before: of another order each time
        nir.write(HERE / f"{name}.nir", graph)
        np.savez_compressed(HERE / f"{name}.npz", x=x.numpy().astype(bool), **arrays)
        print(f"{name}: firing", ", ".join(f"{layer} {array.mean():.1%}" for layer, array in arrays.items()))


if __name__ == "__main__":
    main()
