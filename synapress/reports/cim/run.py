"""A spiking network that runs layer by layer through a core with an array: what each layer takes, by its counters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.program import Program
from synapress.energy.cim import POINTS, Point, energy_of
from synapress.engines.cim_run import CimRun, LayerRun, run_layers
from synapress.mapper.cim.activity import calibrated
from synapress.mapper.cim.shapes import LayerOptions
from synapress.mapper.cim.stationarity import Layer
from synapress.reports.cim.account import Found, Progress
from synapress.reports.cim.layers import is_pool
from synapress.zoo.gesture import CLASSES
from synapress.zoo.gesture.recordings import frames, record

ENGINES = ("golden", "rtl")
DENSE_BITS = 16
"""Of potentials of layers whose resolutions are not asked for."""
_Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What is run."""

    program: Program
    inputs: Mapping[str, _Frames]
    """By name, (timesteps, D, W, H)."""
    label: int | None = None
    """Class of the gesture; None: the network does not tell classes."""


def gesture_task(program: Program, sparsity: float | None, timesteps: int, seed: int) -> Task:
    """A drawn gesture, of the class seed modulo their number.

    Args:
        program: of `synapress.zoo.gesture`, trained or not.
        sparsity: thresholds are set for it; None: the network's own.
    """
    name, = program.inputs
    label = seed % len(CLASSES)
    maps = frames(record(label, seed, size=program.population(name).shape[1], timesteps=timesteps), timesteps)
    if sparsity is None:
        return Task(program=program, inputs={name: maps}, label=label)
    return Task(program=calibrated(program, {name: maps[np.newaxis]}, sparsity), inputs={name: maps})


def drawn_task(program: Program, sparsity: float, timesteps: int, seed: int) -> Task:
    """Events that are drawn with a sparsity, for a network with thresholds of its own."""
    random = np.random.default_rng(seed)
    return Task(program=program, inputs={
        name: (random.random((timesteps, *program.population(name).shape)) >= sparsity).astype(np.uint8)
        for name in program.inputs})


def run(task: Task, layers: Sequence[Layer], config: CoreConfig, *, engine: str, seed: int,
        progress: Progress = lambda _: None) -> Found:
    """Run a network, and account for it.

    Args:
        layers: with their resolutions; others are chosen here.
        engine: one of ENGINES. seed: of the simulation.

    Raises:
        RuleError: a layer has what an array does not compute, or does not fit it.
        ToolError: no simulator.
    """
    timesteps = len(next(iter(task.inputs.values())))

    def report(layer: str, who: str, done: int) -> None:
        progress(f"{layer}, {who}: {done} of {timesteps} timesteps")

    found = run_layers(task.program, config, task.inputs, _options(task.program, layers), rtl=engine == "rtl",
                       seed=seed, progress=report)
    return {"engine": engine, "config": config.name, "timesteps": timesteps,
            "sources": {name: 1 - float(maps.mean()) for name, maps in task.inputs.items()},
            "layers": [_layer(each, config) for each in found.layers], "differences": found.differences,
            "classes": None if task.label is None else _classes(task, found)}


def _classes(task: Task, found: CimRun) -> Found:
    """What the output says; the first of those that fire most often is the answer."""
    counts = found[task.program.outputs[0]].spikes.sum(axis=0).ravel().astype(int)
    answer = CLASSES[int(counts.argmax())] if counts.any() else None
    return {"label": CLASSES[task.label or 0], "answer": answer,
            "spikes": dict(zip(CLASSES, counts.tolist(), strict=True))}


def _options(program: Program, layers: Sequence[Layer]) -> dict[str, LayerOptions]:
    """Resolutions of each layer. Pools have as many bits as their taps need."""
    asked = {layer.name: LayerOptions(weight_bits=layer.weight_bits, potential_bits=layer.potential_bits)
             for layer in layers}
    for edge in program.edges:
        if edge.destination not in asked:
            taps = edge.weights.shape[2] * edge.weights.shape[3]
            bits = taps.bit_length() + 1 if is_pool(edge) else DENSE_BITS
            asked[edge.destination] = LayerOptions(potential_bits=bits)
    return asked


def _layer(layer: LayerRun, config: CoreConfig) -> Found:
    """Counters and energy of a layer, of all timesteps."""
    energy = {point.name: _parts(layer.counters, config, point) for point in POINTS}
    compared = layer.comparison
    return {
        "name": layer.name, "shape": dict(layer.shape), "sources": layer.sources, "spikes": int(layer.spikes.sum()),
        "sparsity": 1 - float(layer.spikes.mean()), "counters": dict(layer.counters), "pj": energy,
        "latency": None if layer.latency is None else [int(cycles) for cycles in layer.latency],
        "microseconds": None if layer.latency is None else {
            point.name: point.microseconds(float(np.mean(layer.latency))) for point in POINTS},
        "compared": None if compared is None else {
            "events": compared.events, "memory_words": compared.memory_words, "equal": compared.equal}}


def _parts(counters: Mapping[str, int], config: CoreConfig, point: Point) -> dict[str, Any]:
    """pJ by part at an operating point."""
    energy = energy_of(counters, config.word_bits, point)
    return {"columns": energy.columns, "idle columns": energy.idle, "buffer": energy.buffer, "total": energy.total}
