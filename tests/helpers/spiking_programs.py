"""Random networks for a core with a compute-in-memory array, and what they do: in plain numpy."""

import numpy as np

from golden.program import Edge, Population, Program
from golden.words import NeuronType, Reset
from synapress.mapper.cim.shapes import LayerOptions


def spiking(name, shape, threshold, reset=Reset.SUBTRACT, initial=None):
    """A population of integrate-and-fire neurons."""
    return Population(name=name, shape=shape, type=NeuronType.SPIKING, saturation=reset, layer=name,
                      threshold=np.asarray(threshold, np.int64).reshape(-1), initial=initial)


def reached(edge, shape):
    """Width and height of what an edge leads to from all of a source."""
    sizes = []
    for axis in (0, 1):
        extent = (edge.weights.shape[2 + axis] - 1) * edge.dilation[axis] + 1
        sizes.append((shape[1 + axis] + 2 * edge.padding[axis] - extent) // edge.stride[axis] + 1)
    return tuple(sizes)


def random_edge(rng, name, source, destination, channels, shape, bits, *, depthwise=False):
    """A convolution from one population to the other; a depthwise one has as many channels as its source."""
    kernel = [int(rng.integers(1, min(4, size) + 1)) for size in shape[1:]]
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    taken = (shape[0] if rng.random() < .5 else 1, 1) if depthwise else (channels, shape[0])
    weights = rng.integers(low, high + 1, (*taken, *kernel))
    stride = int(rng.choice([1, 1, 2]))
    dilation = int(rng.choice([1, 2])) if stride == 1 and all(2 * size - 1 <= most for size, most in zip(
        kernel, shape[1:], strict=True)) else 1
    return Edge(name=name, source=source, destination=destination, weights=weights, stride=(stride, stride),
                padding=tuple(int(rng.integers(0, size)) for size in kernel), dilation=(dilation, dilation),
                groups=shape[0] if depthwise else 1)


def random_program(rng, *, layers=3, channels=13, size=6):
    """A chain of spiking layers, of which some have two edges, and options for them."""
    shape = tuple(int(rng.integers(2, most + 1)) for most in (4, size, size))
    populations, edges, options = [Population(name="in", shape=shape)], [], {}
    for number in range(int(rng.integers(1, layers + 1))):
        source, name = populations[-1].name, f"layer{number}"
        weight_bits, depthwise = int(rng.integers(1, 9)), shape[0] > 1 and rng.random() < .3
        potential_bits = weight_bits + int(rng.integers(1, 9))
        depth = shape[0] if depthwise else int(rng.integers(1, channels + 1))
        edge = random_edge(rng, f"{source}->{name}", source, name, depth, shape, weight_bits, depthwise=depthwise)
        edges.append(edge)
        shape = (depth, *reached(edge, shape))
        if rng.random() < .3:  # the same again, with other weights
            more = np.array(edge.weights[..., ::-1, :])
            edges.append(Edge(**vars(edge) | {"name": f"{source}=>{name}", "weights": more}))
        threshold = rng.integers(1, 1 << max(potential_bits - 2, 0), shape[0], endpoint=True)
        half = 1 << potential_bits - 1
        initial = rng.integers(-half, half, shape[0]) if rng.random() < .5 else None
        populations.append(spiking(name, shape, np.minimum(threshold, half - 1), int(rng.integers(2)), initial))
        options[name] = LayerOptions(weight_bits=weight_bits, potential_bits=potential_bits)
    outputs = [populations[-1].name] if len(populations) < 3 or rng.random() < .5 else [
        populations[-2].name, populations[-1].name]
    return Program(name="random", populations=populations, edges=edges, inputs=["in"], outputs=outputs), options


def wrapped(values, bits):
    half = 1 << bits - 1
    return (values + half) % (1 << bits) - half


def added(edge, spikes, shape):
    """What the spikes (D, W, H) of a source add to a population: the convolution."""
    _, width, height = shape
    padded = np.pad(spikes, [(0, 0), *((amount, amount + 64) for amount in edge.padding)])
    total = np.zeros(shape, np.int64)
    for j in range(edge.weights.shape[2]):
        for k in range(edge.weights.shape[3]):
            x, y = j * edge.dilation[0], k * edge.dilation[1]
            seen = padded[:, x:x + edge.stride[0] * width:edge.stride[0], y:y + edge.stride[1] * height:edge.stride[1]]
            taps = edge.weights[:, :, j, k]
            total += seen * taps.reshape(-1, 1, 1) if edge.groups > 1 else np.tensordot(taps, seen, 1)
    return total


def fire(program, frames, bits):
    """Spikes of every population in each timestep, and potentials at the end, which wrap.

    Args:
        frames: by input, (timesteps, D, W, H).
        bits: potential bits by population.
    """
    hosted = [item for item in program.populations if item.name not in program.inputs]
    potentials = {item.name: np.broadcast_to(
        np.zeros(1, np.int64)[:, None, None] if item.initial is None else item.initial.reshape(-1, 1, 1),
        item.shape).copy() for item in hosted}
    spikes = {name: [] for name in (item.name for item in program.populations)}
    for number in range(len(next(iter(frames.values())))):
        for name in program.inputs:
            spikes[name].append(np.asarray(frames[name][number], np.int64))
        for item in hosted:
            total = potentials[item.name] + sum(
                added(edge, spikes[edge.source][-1], item.shape) for edge in program.edges_into(item.name))
            total = wrapped(total, bits[item.name])
            threshold = item.threshold.reshape(-1, 1, 1)
            fires = total >= threshold
            after = 0 if item.saturation == Reset.ZERO else total - threshold
            potentials[item.name] = np.where(fires, after, total)
            spikes[item.name].append(fires.astype(np.int64))
    return {name: np.array(found) for name, found in spikes.items()}, potentials


def chain(layers, shape):
    """A chain of layers behind the input "in" of a shape: name, weights (of one channel: depthwise), stride, padding,
    threshold, reset."""
    populations, edges = [Population(name="in", shape=shape)], []
    for name, weights, stride, padding, threshold, reset in layers:
        source = populations[-1]
        depthwise = weights.shape[1] == 1
        edge = Edge(name=f"{source.name}->{name}", source=source.name, destination=name, weights=weights,
                    stride=(stride, stride), padding=(padding, padding), groups=source.shape[0] if depthwise else 1)
        edges.append(edge)
        depth = source.shape[0] if depthwise else weights.shape[0]
        populations.append(spiking(name, (depth, *reached(edge, source.shape)), threshold, reset))
    return Program(name="chain", populations=populations, edges=edges, inputs=["in"], outputs=[populations[-1].name])
