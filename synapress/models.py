"""Trained models: a file → `load` → `compile` → `simulate`, with real values in and out.

>>> import synapress
>>> model = synapress.load("digits.onnx")                                     # doctest: +SKIP
>>> compiled = synapress.compile(model, config="grai_vip", calibration=images)  # doctest: +SKIP
>>> synapress.simulate(compiled, images).outputs["scores"]                    # doctest: +SKIP
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden import dense
from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.program import Program
from mapper import Image, compile_network
from mapper.errors import ModelError
from mapper.frontend.fuse import fuse
from mapper.frontend.layers import FloatLayers, Value, assemble
from mapper.frontend.model import Model
from mapper.frontend.neurons import Neurons
from mapper.frontend.tensor import Port
from mapper.quantize import LayerReport, Options, quantise
from mapper.scales import Scale
from mapper.sums import SumReport, sums
from synapress.spiking import in_a_row, is_spiking
from synapress.spiking import run as run_timesteps

Maps = dict[str, npt.NDArray[Any]]
ENGINES = ("golden", "rtl")
HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(kw_only=True)
class Compiled:
    """A model on one core: the program, its memory image, and what its integers mean."""

    config: CoreConfig
    program: Program
    image: Image
    inputs: list[Port]
    outputs: list[Port]
    places: dict[str, Value]
    """Of each output: the populations that it lies in."""
    scales: dict[str, Scale]
    layers: list[LayerReport] = field(default_factory=list)
    sums: list[SumReport] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The report: per layer step, signal-to-noise ratios, states and whether the sums fit."""
        verdicts = {item.population: item.to_json() for item in self.sums}
        return {"config": self.config.name, "words": len(self.image), "layers": [
            layer.to_json() | {"sums": verdicts.get(layer.layer, {}).get("verdict")} for layer in self.layers]}


@dataclass(frozen=True, kw_only=True)
class LayerCount:
    """Work of one layer, summed over the frames."""

    neurons: int
    events: int
    """Neurons that fired."""
    operations: int
    """Synaptic operations of the events that came in."""


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What came out, in the layout of the model's file."""

    outputs: Maps
    """Real values."""
    integers: Maps
    """The integers behind them; for an output that the file quantises, its own integers, zero point included."""
    counts: dict[str, LayerCount]
    """By population."""
    maps: Maps
    """Integers (N, D, W, H) of every population (engine `golden`) or of the outputs (`rtl`)."""
    counters: dict[str, int] | None = None
    """Of the RTL."""


def load(path: str | Path, *, constants: Mapping[str, npt.ArrayLike] | None = None,
         neurons: Neurons | str | None = None) -> Model:
    """A float graph from an ONNX file (float, QDQ or QOperator) or a NIR graph (HDF5).

    Args:
        constants: ONNX graph inputs that are known when compiling.
        neurons: how the neurons of a NIR graph compute where NIR leaves it open: `Neurons(...)`, or the name of the
            framework that wrote it, one of `mapper.frontend.neurons.STYLES`.

    Raises:
        ModelError: the file cannot be taken: it names the node and what would help.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(HDF5))
    except OSError as error:
        raise ModelError(str(path), "file", "a readable file", error.strerror or str(error),
                         "Check the path.") from error
    if head == HDF5 or path.suffix in (".nir", ".h5", ".hdf5"):
        from mapper.frontend.nir_reader import read_nir

        return read_nir(path, neurons=neurons)
    from mapper.frontend.onnx_reader import read_onnx

    return read_onnx(path, constants=constants)


def _config(config: CoreConfig | str) -> CoreConfig:
    return config if isinstance(config, CoreConfig) else CoreConfig.load(config)


def _arrays(
    ports: list[Port], given: npt.ArrayLike | Mapping[str, npt.ArrayLike], what: str, spiking: bool = False
) -> tuple[dict[str, Any], tuple[int, int] | None]:
    """Maps (N, D, W, H) by node of arrays in the file's layout; a single input needs no name.

    With `spiking` there may be a dimension more, in front of all: several sequences, whose number and timesteps are
    then the second result, and which come out in a row.
    """
    named: Mapping[str, npt.ArrayLike] = given if isinstance(given, Mapping) else {ports[0].name: given}
    sequences = None
    if spiking and set(named) == {port.name for port in ports}:
        named, sequences = in_a_row(ports, named, what)
    if set(named) != {port.name for port in ports}:
        raise NetworkError(f"{what}: the model has the inputs {', '.join(port.name for port in ports)}; given: "
                           f"{', '.join(named) or 'none'}")
    maps = {port.node: port.to_maps(named[port.name]) for port in ports}
    count = max(len(array) for array in maps.values())
    for port in ports:
        if len(maps[port.node]) not in (1, count):
            raise NetworkError(f"{what}: the inputs have different numbers of frames: "
                               f"{', '.join(f'{name} {len(array)}' for name, array in maps.items())}")
    return {node: np.broadcast_to(array, (count, *array.shape[1:])) for node, array in maps.items()}, sequences


def _own_calibration(model: Model, layers: FloatLayers) -> dict[str, Any]:
    """Random inputs over the file's own ranges, for a model that brings its whole quantisation."""
    if any(layer.quantise is None for layer in layers.layers.values() if layer.kind in ("input", "product")):
        raise ModelError(model.source, "calibration", "typical inputs: arrays in the layout of the file", "none",
                         "Give calibration=…, a few dozen frames; only a quantised model needs none.")
    rng = np.random.default_rng(1)
    maps = {}
    for name in layers.inputs:
        node = layers.layers[name].quantise
        assert node is not None
        drawn = rng.integers(node.low, node.high + 1, (8, *layers.layers[name].shape))
        maps[name] = (drawn - node.zero_point) * node.scale
    return maps


def compile(
    model: Model, *, config: CoreConfig | str = "grai_vip",
    calibration: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None = None, options: Options | None = None,
) -> Compiled:
    """Quantise a model and map it onto one core.

    Args:
        config: a configuration, a preset's name or a JSON file.
        calibration: typical inputs in the layout of the file, by input name, or one array for the only input; a model
            that is quantised already needs none. Of a model with neurons, timesteps, or (sequences, timesteps, ...).
        options: how to quantise.

    Raises:
        ModelError: the model or the calibration cannot be taken.
        MappingError: it does not fit the core; the message names layer, rule, needed, available and what would help.
    """
    config = _config(config)
    layers = fuse(model.graph)
    maps, sequences = ((_own_calibration(model, layers), None) if calibration is None
                       else _arrays(model.inputs, calibration, "calibration", layers.spiking))
    quantised = quantise(layers, maps, config, options, timesteps=sequences[1] if sequences else None)
    program, image = compile_network(quantised.network, config, measured=quantised.measured)
    return Compiled(
        config=config, program=program, image=image, inputs=model.inputs, outputs=model.outputs,
        places={port.node: layers.outputs[port.node] for port in model.outputs}, scales=quantised.scales,
        layers=quantised.report, sums=sums(program, config, measured=quantised.measured))


def simulate(
    compiled: Compiled, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike], *, engine: str = "golden"
) -> Simulated:
    """Run frames.

    Args:
        inputs: real values in the layout of the file (or the file's integers, where its inputs are integers). Of a
            model with neurons the frames are timesteps of one sequence; with one dimension more in front, (sequences,
            timesteps, ...), of several, which all start from the initial potentials. So are the outputs.
        engine: `golden`, the dense evaluation that the event-driven models are held to; or `rtl`, the Verilog, which is
            compared with the golden core on the way.

    Raises:
        NetworkError: an input is missing or of the wrong shape.
        ToolError: RTL and golden core differ, or there is no simulator.
    """
    if engine not in ENGINES:
        raise NetworkError(f"engine '{engine}': there are {' and '.join(ENGINES)}")
    real, sequences = _arrays(compiled.inputs, inputs, "inputs", is_spiking(compiled.program))
    integers = {node: compiled.scales[node].integers(values) for node, values in real.items()}
    count = len(next(iter(integers.values())))
    timesteps = (sequences[1] if sequences else count) if is_spiking(compiled.program) else 1
    results = run_timesteps(compiled.program, integers, timesteps, compiled.config)
    maps: Maps = {name: result.outputs for name, result in results.items()}
    counters = None
    if engine == "rtl":
        maps, counters = _rtl(compiled, integers, maps, sequences[0] if sequences else 1)
    outputs: Maps = {}
    numbers: Maps = {}
    for port in compiled.outputs:
        value = compiled.places[port.node]
        steps = {part.layer: compiled.scales[part.layer].step for part in value.parts}
        whole = port.from_maps(assemble(value, {name: maps[name] * step for name, step in steps.items()}))
        outputs[port.name] = whole
        numbers[port.name] = (port.from_maps(assemble(value, maps)) if port.scale is None
                              else np.rint(whole / port.scale) + port.zero_point).astype(np.int64)
    if sequences is not None:
        for found in (outputs, numbers):
            found.update({name: array.reshape(*sequences, *array.shape[1:]) for name, array in found.items()})
    return Simulated(outputs=outputs, integers=numbers, counts=_counts(compiled.program, results), maps=maps,
                     counters=counters)


def _rtl(compiled: Compiled, integers: Maps, golden: Maps, sequences: int) -> tuple[Maps, dict[str, int]]:
    from golden.errors import ToolError
    from synapress.run import simulate_image

    parts = {name: np.split(array, sequences) for name, array in integers.items()}
    runs = [simulate_image(compiled.image, {name: arrays[number] for name, arrays in parts.items()})
            for number in range(sequences)]
    outputs = {name: np.concatenate([run.outputs[name] for run in runs]) for name in runs[0].outputs}
    wrong = [difference for run in runs for difference in run.comparison.differences]
    wrong += [f"output '{name}' differs from the dense evaluation" for name, array in outputs.items()
              if not np.array_equal(array, golden[name])]
    if wrong:
        raise ToolError(f"RTL and golden model differ: {'; '.join(wrong[:3])}")
    counters = {name: sum(run.counters[name] for run in runs) for name in runs[0].counters}
    return dict(outputs), counters


def _counts(program: Program, results: Mapping[str, dense.Result]) -> dict[str, LayerCount]:
    operations = dense.synaptic_operations(program, {name: result.outputs for name, result in results.items()})
    return {population.name: LayerCount(
        neurons=int(np.prod(population.shape)), events=int(np.count_nonzero(results[population.name].outputs)),
        operations=sum(operations[edge.name] for edge in program.edges_into(population.name)))
        for population in program.populations}

