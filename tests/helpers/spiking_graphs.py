"""Random NIR graphs with neurons in the style of each framework, and what that framework's equations make of them.

The equations are written by hand, in the file's layout (channels, rows, columns) and knowing nothing of our graphs.
`exported` graphs have the forms that exporters write or once wrote, which NIR's own check of types refuses in part
(what today's versions write with parameters of whole maps, which it takes, is in tests/frameworks):

- snnTorch (snntorch/export_nir.py, 1.0.0): a Leaky's parameters have no dimension where beta is one number, its v_reset
  is 0; Conv2d without input_shape, stride and the like as pairs; AvgPool2d with whole numbers; Flatten with its input,
  its start counted without the batch; recurrent layers as a subgraph with a cycle; Synaptic as CubaLIF, tau_syn > dt.
- sinabs (sinabs/nir.py): an IAF's parameters have the shape of its potentials, batch included; a LIF's have none; no
  v_reset; Flatten has input_type [0, 0, 0, 0] and counts the batch, as PyTorch does; SumPool2d with pairs. (3.1.3 has
  parameters without the batch, and Flatten as snnTorch.)
- Norse (norse/torch/utils/export_nir.py): parameters without dimensions, v_reset among them in files of older versions
  (1.1.0 leaves it out), tau times dt; here with a Flatten that lacks its input.
- nirtorch, which all of them use: Input has the shape of the sample, batch included, or that of what reads it; names
  are those of PyTorch's modules, with dots.
- Rockpool (rockpool/nn/modules/torch/nir.py): CubaLIF with r = tau · exp(-dt/tau) / dt, no v_reset, and w_in left out.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nir
import numpy as np

STYLES = ("nir", "snntorch", "sinabs", "norse")
READ_AS = {style: style for style in STYLES} | {"sinabs": "sinabs,spikes=one,bound=none"}
"""How graphs are read whose neurons are as below: those of sinabs fire once at most, and have no lower bound."""
Step = Callable[[dict[str, Any], np.ndarray], np.ndarray]


@dataclass
class Neuron:
    """A node of the file; and a step of its framework: from its state (a dictionary) and input to spikes."""

    node: Any
    step: Step


def neuron(rng: np.random.Generator, style: str, depth: int, size: tuple[int, ...], integrate: bool,
           exported: bool = False) -> Neuron:
    """Neurons with parameters per channel, or if `exported` one for all."""
    shape = (depth, *size)
    ones = np.ones(shape)

    def draw(low: float, high: float) -> np.ndarray:
        return ones * rng.uniform(low, high, () if exported else (depth, *(1 for _ in size)))

    theta = draw(0.5, 1.5)
    if style == "nir":  # v' = v + (dt/tau) (v_leak - v + R I) or v + dt R I; z = v' > theta; v = v_reset where z
        reset, resistance = draw(-0.3, 0.2), draw(0.8, 1.5)
        if integrate:
            def integrated(s: dict[str, Any], i: np.ndarray) -> np.ndarray:
                v = s.get("v", 0.0) + resistance * i
                s["v"] = np.where(v > theta, reset, v)
                return v > theta
            return Neuron(nir.IF(r=resistance, v_threshold=theta, v_reset=reset), integrated)
        tau, leak = draw(2, 12), draw(-0.2, 0.2)

        def differential(s: dict[str, Any], i: np.ndarray) -> np.ndarray:
            v = s.get("v", np.zeros(shape))
            v = v + 1.0 / tau * (leak - v + 4 * resistance * i)
            s["v"] = np.where(v > theta, reset, v)
            return v > theta
        return Neuron(nir.LIF(tau=tau, r=4 * resistance, v_leak=leak, v_threshold=theta, v_reset=reset), differential)
    if style == "snntorch":  # U' = beta U + I - S theta, S of the timestep before; exported with dt = 1e-4
        beta = draw(0.5, 0.97)

        def leaky(s: dict[str, Any], i: np.ndarray) -> np.ndarray:
            u = beta * s.get("u", 0.0) + i - s.get("s", 0.0) * theta
            s["u"], s["s"] = u, u > theta
            return s["s"]
        tau = 1e-4 / (1 - beta)
        return Neuron(nir.LIF(tau=tau, r=tau / 1e-4, v_leak=0 * ones, v_threshold=theta), leaky)
    if style == "sinabs":  # v = alpha v + (1 - alpha) I, or v + I; s = v >= theta; v -= s theta
        if integrate:
            def iaf(s: dict[str, Any], i: np.ndarray) -> np.ndarray:
                v = s.get("v", 0.0) + i
                s["v"] = v - (v >= theta) * theta
                return v >= theta
            return Neuron(nir.IF(r=ones, v_threshold=theta), iaf)
        tau = draw(1.5, 6)
        alpha = np.exp(-1 / tau)

        def lif(s: dict[str, Any], i: np.ndarray) -> np.ndarray:
            v = alpha * s.get("v", 0.0) + (1 - alpha) * 3 * i
            s["v"] = v - (v >= theta) * theta
            return v >= theta
        return Neuron(nir.LIF(tau=tau, r=3 * ones, v_leak=0 * ones, v_threshold=theta), lif)
    inverse, leak, reset = draw(100, 500), draw(-0.1, 0.1), draw(-0.2, 0.1)  # Norse: LIFBox with dt = 0.001

    def box(s: dict[str, Any], i: np.ndarray) -> np.ndarray:
        v = s.get("v", leak)
        decayed = v + 0.001 * inverse * ((leak - v) + 5 * i)
        z = decayed - theta > 0
        s["v"] = (1 - z) * decayed + z * reset
        return z
    return Neuron(nir.LIF(tau=0.001 / inverse, r=5 * ones, v_leak=leak, v_threshold=theta, v_reset=reset), box)


def _conv(x: np.ndarray, node: Any) -> np.ndarray:
    """3 × 3, stride 1, padding 1, of one frame."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return np.einsum("cyxij,dcij->dyx", windows, node.weight) + node.bias[:, None, None]


def _exported(style: str, name: str, node: Any) -> Any:
    """A node in the form that an exporter writes."""
    kind = type(node).__name__
    if kind in ("IF", "LIF"):
        names = [key for key in ("tau", "r", "v_leak", "v_threshold", "v_reset") if hasattr(node, key)]
        if style == "sinabs":
            names.remove("v_reset")
        batch = style == "sinabs" and kind == "IF"
        return type(node)(**{key: getattr(node, key)[None] if batch else np.array(getattr(node, key).flat[0])
                             for key in names})
    if kind == "Conv2d":
        return nir.Conv2d(input_shape=None, weight=node.weight, stride=(1, 1), dilation=(1, 1), groups=1,
                          bias=node.bias, padding="same" if style == "norse" else (1, 1))
    if kind == "AvgPool2d":
        return nir.AvgPool2d(kernel_size=2, stride=2, padding=(0, 0))
    if kind == "SumPool2d":
        return nir.SumPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))
    if kind == "Flatten":
        if style == "sinabs":
            return nir.Flatten(input_type={"input": np.array([0, 0, 0, 0])}, start_dim=1, end_dim=-1)
        return node if style == "snntorch" else nir.Flatten(input_type=None, start_dim=0, end_dim=-1)
    if kind == "Input" and style != "norse":
        return nir.Input(input_type={"input": np.array([1, *node.input_type["input"]])})
    return nir.Output(output_type=None) if kind == "Output" else node


def export(style: str, made: nir.NIRGraph) -> nir.NIRGraph:
    """A graph in the forms that the exporter of a framework writes; inner nodes are named "net.…"."""
    names = {name: name if name in ("input", "output") else f"net.{name}" for name in made.nodes}
    return nir.NIRGraph(nodes={names[name]: _exported(style, name, node) for name, node in made.nodes.items()},
                        edges=[(names[start], names[end]) for start, end in made.edges], type_check=False)


def nested(made: nir.NIRGraph, inside: tuple[str, ...], name: str = "block") -> nir.NIRGraph:
    """A graph with some nodes, which follow one another, in a subgraph."""
    first, last = ([made.nodes[inside[i]].input_type, made.nodes[inside[-1]].output_type][-i] for i in (0, 1))
    subgraph = nir.NIRGraph(
        nodes={"input": nir.Input(input_type=first), **{part: made.nodes[part] for part in inside},
               "output": nir.Output(output_type=last)},
        edges=list(itertools.pairwise(["input", *inside, "output"])), type_check=False)
    where = dict.fromkeys(inside, name)
    edges = [(where.get(start, start), where.get(end, end)) for start, end in made.edges
             if not (start in where and end in where)]
    return nir.NIRGraph(nodes={**{part: node for part, node in made.nodes.items() if part not in where},
                               name: subgraph}, edges=edges, type_check=False)


def graph(rng: np.random.Generator, style: str, size: int = 8, exported: bool = False,
          ) -> tuple[nir.NIRGraph, Callable[[np.ndarray], dict]]:
    """A graph over (2, size, size) of all nodes that such networks have, and what computes, of spikes (T, 2, size,
    size), the spikes of its neurons "n1", "n2", "n3", which are "net.n1" and so on if `exported`."""
    half = size // 2
    neurons = {"n1": neuron(rng, style, 5, (size, size), True, exported),
               "n2": neuron(rng, style, 6, (half, half), False, exported),
               "n3": neuron(rng, style, 4, (), True, exported)}
    last = 6 * (half // 2) ** 2

    def conv(depth: int, source: int, wide: int) -> Any:
        return nir.Conv2d(input_shape=(wide, wide), weight=rng.normal(0.08, 0.3, (depth, source, 3, 3)), stride=1,
                          padding=1, dilation=1, groups=1, bias=rng.normal(0, 0.05, depth))

    pool = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}
    nodes: dict[str, Any] = {
        "input": nir.Input(input_type={"input": np.array([2, size, size])}),
        "c1": conv(5, 2, size), "n1": neurons["n1"].node, "p1": nir.SumPool2d(**pool), "c2": conv(6, 5, half),
        "n2": neurons["n2"].node, "p2": nir.AvgPool2d(**pool),
        "flat": nir.Flatten(input_type={"input": np.array([6, half // 2, half // 2])}, start_dim=0, end_dim=-1),
        "scale": nir.Scale(scale=np.full(last, 1.5)),
        "dense": (nir.Linear(weight=rng.normal(0.0, 0.4, (4, last))) if style == "sinabs" else
                  nir.Affine(weight=rng.normal(0.0, 0.4, (4, last)), bias=rng.normal(0, 0.1, 4))),
        "n3": neurons["n3"].node, "output": nir.Output(output_type={"output": np.array([4])})}
    dense_weights = nodes["dense"].weight
    dense_weights += 1.2 / last - dense_weights.mean(axis=1, keepdims=True)  # so that each neuron fires, and not always
    made = nir.NIRGraph(nodes=nodes, edges=list(itertools.pairwise(nodes)))

    def pooled(x: np.ndarray) -> np.ndarray:
        return x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2).sum((2, 4))

    def run(frames: np.ndarray) -> dict[str, np.ndarray]:
        states: dict[str, dict] = {name: {} for name in neurons}
        spikes: dict[str, list] = {name: [] for name in neurons}
        dense = nodes["dense"]
        for frame in frames:
            first = neurons["n1"].step(states["n1"], _conv(frame, nodes["c1"])).astype(float)
            second = neurons["n2"].step(states["n2"], _conv(pooled(first), nodes["c2"])).astype(float)
            flat = (pooled(second) / 4).reshape(-1) * 1.5
            third = neurons["n3"].step(states["n3"], dense.weight @ flat + getattr(dense, "bias", 0.0)).astype(float)
            for name, array in zip(spikes, (first, second, third), strict=True):
                spikes[name].append(array)
        return {name: np.array(arrays) for name, arrays in spikes.items()}

    return export(style, made) if exported else made, run
