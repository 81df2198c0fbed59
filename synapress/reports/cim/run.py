"""A spiking network that runs layer by layer through a core with an array: what each layer takes, by its counters."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.program import Program
from synapress.energy.cim import POINTS, energy_of
from synapress.engines.cim_run import CimRun, LayerRun, run_layers
from synapress.mapper.cim.activity import calibrated
from synapress.mapper.cim.shapes import LayerOptions
from synapress.mapper.cim.stationarity import Layer
from synapress.reports.cim.account import Found, Progress
from synapress.zoo.gesture.recordings import frames, record

ENGINES = ("golden", "rtl")


def run(program: Program, layers: list[Layer], config: CoreConfig, *, drawn_as: str, sparsity: float, timesteps: int,
        engine: str, seed: int, progress: Progress = lambda _: None) -> Found:
    """Run a network, and account for it.

    Args:
        layers: with their resolutions; the program's others are pools.
        drawn_as: "gesture": the input is a drawn gesture, and thresholds are set for the sparsity; else events of this
            sparsity are drawn, and thresholds are the network's.
        engine: one of ENGINES.
        seed: of what is drawn.

    Raises:
        RuleError: a layer has what an array does not compute, or does not fit it.
        ToolError: no simulator.
    """
    progress("events and thresholds")
    if drawn_as == "gesture":
        name, = program.inputs
        size = program.population(name).shape[1]
        inputs: dict[str, npt.NDArray[np.uint8]] = {
            name: frames(record(seed % 11, seed, size=size, timesteps=timesteps), timesteps)}
        program = calibrated(program, {name: inputs[name][np.newaxis]}, sparsity)
    else:
        random = np.random.default_rng(seed)
        inputs = {name: (random.random((timesteps, *program.population(name).shape)) >= sparsity).astype(np.uint8)
                  for name in program.inputs}
    options = _options(program, layers)

    def report(layer: str, who: str, done: int) -> None:
        progress(f"{layer}, {who}: {done} of {timesteps} timesteps")

    found = run_layers(program, config, inputs, options, rtl=engine == "rtl", seed=seed, progress=report)
    return {"engine": engine, "config": config.name, "timesteps": timesteps, "asked": sparsity,
            "sources": {name: 1 - float(maps.mean()) for name, maps in inputs.items()},
            "layers": [_layer(each, found, config) for each in found.layers], "differences": found.differences}


def _options(program: Program, layers: list[Layer]) -> dict[str, LayerOptions]:
    """Resolutions of each layer; pools count their taps."""
    asked = {layer.name: LayerOptions(weight_bits=layer.weight_bits, potential_bits=layer.potential_bits)
             for layer in layers}
    for edge in program.edges:
        if edge.destination not in asked:
            taps = edge.weights.shape[2] * edge.weights.shape[3]
            asked[edge.destination] = LayerOptions(potential_bits=taps.bit_length() + 1)
    return asked


def _layer(layer: LayerRun, found: CimRun, config: CoreConfig) -> Found:
    """Counters and energy of a layer, of all timesteps."""
    energy = {point.name: _parts(layer.counters, config, point.name) for point in POINTS}
    compared = layer.comparison
    return {
        "name": layer.name, "shape": dict(layer.shape), "sources": layer.sources, "spikes": int(layer.spikes.sum()),
        "sparsity": 1 - float(layer.spikes.mean()), "counters": dict(layer.counters), "pj": energy,
        "latency": None if layer.latency is None else [int(cycles) for cycles in layer.latency],
        "microseconds": None if layer.latency is None else {
            point.name: point.microseconds(float(np.mean(layer.latency))) for point in POINTS},
        "compared": None if compared is None else {
            "events": compared.events, "memory_words": compared.memory_words, "equal": compared.equal}}


def _parts(counters: Mapping[str, int], config: CoreConfig, name: str) -> dict[str, Any]:
    """pJ by part at an operating point."""
    point = next(point for point in POINTS if point.name == name)
    energy = energy_of(counters, config.word_bits, point)
    return {"columns": energy.columns, "idle columns": energy.idle, "buffer": energy.buffer, "total": energy.total}
