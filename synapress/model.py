"""Trained models: a file → `load` → `compile` → `simulate`, with real values in and out.

>>> import synapress
>>> model = synapress.load("digits.onnx")                                     # doctest: +SKIP
>>> compiled = synapress.compile(model, config="grai_vip", calibration=images)  # doctest: +SKIP
>>> synapress.simulate(compiled, images).outputs["scores"]                    # doctest: +SKIP
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError, NetworkError
from golden.files import open_read
from golden.network import fast as network
from golden.program import Program
from golden.types import Maps
from synapress.engines import saturation
from synapress.engines.layer_counts import LayerCount, layer_counts
from synapress.engines.timesteps import is_spiking
from synapress.engines.timesteps import run as run_timesteps
from synapress.mapper import Image, MeshImage, legalize
from synapress.mapper.accumulator_range import AccumulatorRange, sums
from synapress.mapper.errors import ModelError
from synapress.mapper.frames import Given, input_maps
from synapress.mapper.importers import reference
from synapress.mapper.importers.graph import Spiking
from synapress.mapper.importers.model import Model
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.tensor import Port
from synapress.mapper.lowering.layers import Value, assemble
from synapress.mapper.pipeline import Compilation, run
from synapress.mapper.placement.routes import Link, link_loads
from synapress.mapper.quantization.quantized import LayerReport, Options
from synapress.mapper.quantization.scales import Scale

ENGINES = ("fast", "golden", "rtl")
HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(kw_only=True)
class Compiled:
    """A model on one core or on a mesh of them: the program, the memory images, and what its integers mean."""

    config: CoreConfig
    lowered: Program
    """One population per layer, one edge per branch (`synapress.mapper.network.populations`)."""
    image: Image | MeshImage
    inputs: list[Port]
    outputs: list[Port]
    ignored: tuple[str, ...] = ()
    """Inputs of the file on which no output depends: frames for them are not looked at."""
    places: dict[str, Value]
    """Of each output: the populations that it lies in."""
    scales: dict[str, Scale]
    layers: list[LayerReport] = field(default_factory=list)
    sums: list[AccumulatorRange] = field(default_factory=list)
    loads: dict[Link, int] = field(default_factory=dict)
    """On a mesh: estimated events per frame by link, see `synapress.mapper.placement.routes.link_loads`."""
    host: bytes = b""
    """What the host makes of the outputs to get those of the file, see `synapress.host.host`."""
    neurons: Neurons | None = None
    """How the neurons of the file were read, if it has any."""
    warnings: tuple[str, ...] = ()
    """Why the model may compute something else than its training did, as `load` told."""
    clips: saturation.Clips = field(default_factory=dict)
    """What the ranges chosen for the outputs clip, see `synapress.mapper.quantization.quantized.Quantized.clips`."""

    @cached_property
    def program(self) -> Program:
        """With edges as descriptors express them (`synapress.mapper.legalize`); on a mesh, as far as uncut populations
        allow."""
        return legalize(self.lowered, self.config, whole=isinstance(self.image, Image))

    @property
    def images(self) -> list[Image]:
        return [self.image] if isinstance(self.image, Image) else list(self.image.images.values())

    @property
    def words(self) -> int:
        """Memory words of all cores."""
        return sum(len(image) for image in self.images)

    def to_json(self) -> dict[str, Any]:
        """The report: per layer step, signal-to-noise ratios, states and whether the sums fit."""
        verdicts = {item.population: item.to_json() for item in self.sums}
        found: dict[str, Any] = {"config": self.config.name, "cores": len(self.images), "words": self.words}
        if self.neurons is not None:
            found["neurons"] = dict(vars(self.neurons))
        if self.warnings:
            found["warnings"] = list(self.warnings)
        if self.host:
            from synapress.host.host import operators

            found["host"] = operators(self.host)
        return found | {"layers": [
            {name: finite(value) for name, value in layer.to_json().items()}
            | {"sums": verdicts.get(layer.layer, {}).get("verdict")} for layer in self.layers]}


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What came out, in the layout of the model's file."""

    outputs: Maps
    """Real values, in the layout of the file."""
    integers: Maps
    """The integers behind them, or behind what the host makes them of, by the file's names; for an output that the file
    quantizes, its own integers, zero point included."""
    counts: dict[str, LayerCount]
    """By population."""
    maps: Maps
    """Integers (N, D, W, H) of every population (engine `fast`) or of the outputs."""
    counters: dict[str, int] | None = None
    """Of the golden cores, or the RTL."""
    sequences: int | None = None
    """For a model with neurons: the number of sequences; their timesteps are the frames."""
    wrapped: dict[str, int] = field(default_factory=dict)
    """By population: how many of its sums over all frames exceeded the states and wrapped, which makes them wrong."""
    saturated: dict[str, dict[str, int]] = field(default_factory=dict)
    """By output of the network and population: so many of its values over all frames were clipped by the range that
    was chosen for the output. Bounds of the network's own functions, such as a ReLU's 0, do not count."""

    @property
    def frames(self) -> int:
        return len(next(iter(self.maps.values())))

    def to_json(self) -> dict[str, Any]:
        """The work, summed over the frames, the sums that wrapped and the outputs that saturated."""
        return {"frames": self.frames, "counters": self.counters, "wrapped": self.wrapped, "saturated": self.saturated,
                "layers": {name: vars(count) for name, count in self.counts.items()}}


def load(path: str | Path, *, constants: Mapping[str, npt.ArrayLike] | None = None,
         neurons: Neurons | str | None = None) -> Model:
    """A float graph from an ONNX file (float, QDQ or QOperator) or a NIR graph (HDF5).

    Of an ONNX file the host computes what follows the last layer, see `synapress.host.host`.

    Args:
        constants: ONNX graph inputs that are known when compiling.
        neurons: how the neurons of a NIR graph compute where NIR leaves it open: `Neurons(...)`, or the name of the
            framework that wrote it, one of `synapress.mapper.importers.neurons.STYLES`, perhaps with options that
            differ from its defaults: "snntorch,reset=zero".

    Warns:
        ModelWarning: neurons of a NIR graph may compute something else than in training, see `Model.warnings`.

    Raises:
        ModelError: the file cannot be taken: it names the node and what would help.
    """
    if not isinstance(path, str | Path):
        raise ModelError(repr(path), "file", "the path of a file", type(path).__name__, "Give a path.")
    path = Path(path)
    try:
        with open_read(path) as file:
            head = file.read(len(HDF5))
    except OSError as error:
        raise ModelError(str(path), "file", "a readable file", error.strerror or str(error),
                         "Check the path.") from error
    if head == HDF5 or path.suffix in (".nir", ".h5", ".hdf5"):
        from synapress.mapper.importers.nir.reader import read_nir

        return read_nir(path, neurons=neurons)
    from synapress.mapper.importers.onnx.reader import load_proto, read_onnx

    if neurons is not None:
        raise ModelError(str(path), "neurons", "a NIR file", "an ONNX file, which has none", "Leave the option out.")
    try:
        return read_onnx(path, constants=constants)
    except ModelError as refused:
        from synapress.host.host import split

        found = split(load_proto(path), refused, lambda proto: read_onnx(proto, name=path.stem), constants)
        if found is None:
            raise
        return found


def _config(config: CoreConfig | str) -> CoreConfig:
    if not isinstance(config, CoreConfig | str | Path):
        raise ConfigError(f"config: needs a configuration, a preset's name or a JSON file, not {config!r}")
    return config if isinstance(config, CoreConfig) else CoreConfig.load(str(config))


def _check_mesh(mesh: Any) -> None:
    if mesh is None or isinstance(mesh, bool):
        return
    if not (isinstance(mesh, tuple) and len(mesh) == 2 and all(type(size) is int and size > 0 for size in mesh)):
        raise ConfigError(f"mesh: needs (columns, rows), True, False or None, not {mesh!r}")


def float_outputs(model: Model, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> Maps:
    """What the float model makes of frames, by output name, in the layout of the file; arguments as for `simulate`."""
    spiking = any(isinstance(node, Spiking) for node in model.graph.nodes.values())
    maps, sequences = input_maps(model.inputs, inputs, "inputs", ignored=model.ignored, spiking=spiking)
    found = reference.run(model.graph, maps, timesteps=sequences[1] if sequences else None)
    outputs = {port.name: port.from_maps(found[port.node]) for port in model.outputs}
    if sequences is not None:
        outputs = {name: array.reshape(*sequences, *array.shape[1:]) for name, array in outputs.items()}
    return _finished(model.host, outputs, model.inputs, inputs)


def _finished(host: bytes, outputs: Maps, ports: list[Port],
              inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> Maps:
    """Outputs of the file: with what the host computes."""
    if not host:
        return outputs
    from synapress.host.host import finish

    return finish(host, outputs, inputs if isinstance(inputs, Mapping) else {ports[0].name: inputs})


def finite(value: Any) -> Any:
    """JSON has no infinity: the signal-to-noise ratio of what is exact becomes null."""
    return None if isinstance(value, float) and not np.isfinite(value) else value


def compile(
    model: Model, *, config: CoreConfig | str = "grai_vip", calibration: Given | None = None,
    options: Options | None = None, mesh: tuple[int, int] | bool | None = None,
) -> Compiled:
    """Quantize a model and map it onto cores: all steps of `synapress.mapper.pipeline`.

    Args:
        config: a configuration, a preset's name or a JSON file.
        calibration: typical inputs in the layout of the file, by input name, or one array for the only input; inputs on
            which no output depends need none, and what is given for them is ignored, as in `simulate`. A model that is
            quantized already needs none at all. For a model with neurons: timesteps, or (sequences, timesteps, ...).
        options: how to quantize.
        mesh: columns and rows; True: the smallest mesh that holds it; False: one core; None: one core if it fits, else
            the smallest mesh.

    Raises:
        ModelError: the model or the calibration cannot be taken.
        MappingError: it does not fit the cores; the message names layer, rule, needed, available and what would help.
    """
    _check_mesh(mesh)
    return _compiled(run(Compilation(source=model, config=_config(config), calibration=calibration, options=options,
                                     mesh=mesh)))


def _compiled(work: Compilation) -> Compiled:
    """The result of all steps."""
    model, quantized, placed = work.model, work.quantized, work.placement
    return Compiled(
        config=work.config, lowered=work.program, image=work.image, outputs=model.outputs,
        inputs=[replace(port, blocks=quantized.blocks.get(port.node, (1, 1))) for port in model.inputs],
        ignored=model.ignored, places={port.node: work.layers.outputs[port.node] for port in model.outputs},
        scales=quantized.scales, layers=quantized.report,
        sums=sums(work.program, work.config, measured=quantized.measured),
        loads={} if placed is None else link_loads(placed.links, placed.size), host=model.host, neurons=model.neurons,
        warnings=model.warnings, clips=quantized.clips)


def simulate(
    compiled: Compiled, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike], *, engine: str = "fast",
    cycles: bool = False,
) -> Simulated:
    """Run frames.

    Args:
        inputs: real values in the layout of the file (or the file's integers, where its inputs are integers). Of a
            model with neurons the frames are timesteps of one sequence; with one dimension more in front, (sequences,
            timesteps, ...), of several, which all start from the initial potentials. So are the outputs.
        engine: `fast`, the whole-network model; `golden`, event by event from the memory images, on one core or the
            mesh; `rtl`, the Verilog of one core. Whichever is asked for is compared with those before it.
        cycles: tell the cycles of each layer, too, by the cycle model; takes some seconds a frame for large models.

    Raises:
        NetworkError: an input is missing, unknown or of the wrong shape, or RTL is asked for of more than one core.
        ToolError: the engines differ, or there is no simulator.
    """
    if engine not in ENGINES:
        raise NetworkError(f"engine '{engine}': there are {', '.join(ENGINES)}")
    spiking = is_spiking(compiled.program)
    real, sequences = input_maps(compiled.inputs, inputs, "inputs", ignored=compiled.ignored, spiking=spiking)
    integers = {node: compiled.scales[node].integers(values) for node, values in real.items()}
    if spiking:
        timesteps = sequences[1] if sequences else len(next(iter(integers.values())))
        found, wrapped, clipped = run_timesteps(compiled.program, integers, timesteps, compiled.config, compiled.clips)
        maps: Maps = dict(found)
    else:
        results = network.run(compiled.program, integers, compiled.config)
        maps = {name: result.outputs for name, result in results.items()}
        wrapped = {name: result.wrapped for name, result in results.items()}
        clipped = saturation.count(compiled.clips, results, compiled.program, compiled.config)
        del results
    counts = layer_counts(compiled.program, compiled.image, maps, compiled.config, cycles)
    counters = None
    if engine != "fast":
        from synapress.engines import events as engines

        maps, counters = (engines.rtl if engine == "rtl" else engines.golden)(
            compiled.image, integers, maps, sequences=sequences[0] if sequences else 1)
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
        for given in (outputs, numbers):
            given.update({name: array.reshape(*sequences, *array.shape[1:]) for name, array in given.items()})
    return Simulated(outputs=_finished(compiled.host, outputs, compiled.inputs, inputs), integers=numbers,
                     counts=counts, maps=maps, counters=counters,
                     wrapped={name: count for name, count in wrapped.items() if count},
                     saturated=saturation.by_output(compiled.clips, clipped, {
                         port.name: compiled.places[port.node] for port in compiled.outputs}),
                     sequences=(sequences[0] if sequences else 1) if spiking else None)
