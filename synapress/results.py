"""What the verbs give: `compile` a `CompiledModel`, `simulate` a `Simulation`."""

from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from golden.program import Program
from golden.types import Maps
from synapress.engines.layer_counts import LayerCount
from synapress.engines.mesh.totals import MeshTotals
from synapress.engines.replay.results import Replay
from synapress.mapper import Image, legalize
from synapress.mapper.importers.tensor import Port
from synapress.mapper.lowering.layers import Part, Value
from synapress.mapper.pipeline import Compilation
from synapress.mapper.placement.routes import Link, link_loads
from synapress.mapper.quantization.scales import Scale
from synapress.model_files import ModelData, read_model, save_model


@dataclass(kw_only=True)
class CompiledModel(ModelData):
    """A model on one core or on a mesh of them: the program, the memory images, and what its integers mean.

    >>> import synapress
    >>> net = synapress.Network("tiny")
    >>> _ = net.input("in", (1, 4, 4))
    >>> _ = net.conv("sums", "in", [[[[1, 2], [3, 4]]]], shift=1)
    >>> _ = net.output("sums")
    >>> compiled = synapress.compile(net, config="fpga_small")
    >>> compiled.words, len(compiled.images)
    (15, 1)

    A folder keeps it:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     compiled.save(folder)
    ...     synapress.CompiledModel.load(folder).images[0].to_bytes() == compiled.images[0].to_bytes()
    True
    """

    @classmethod
    def of(cls, work: Compilation) -> Self:
        """The result of all steps of `synapress.mapper.pipeline`."""
        placed = work.placement
        loads = {} if placed is None else link_loads(placed.links, placed.size)
        if "quantize" not in work.done:
            return cls._of_integers(work, loads)
        model, quantized = work.model, work.quantized
        return cls(
            config=work.config, lowered=work.program, image=work.image, outputs=model.outputs,
            inputs=[replace(port, blocks=quantized.blocks.get(port.node, (1, 1))) for port in model.inputs],
            ignored=model.ignored, places={port.node: work.layers.outputs[port.node] for port in model.outputs},
            scales=quantized.scales, layers=quantized.report, loads=loads, host=model.host, neurons=model.neurons,
            shapes=model.shapes, sums=work.sums, warnings=model.warnings, clips=quantized.clips, choices=work.choices)

    @classmethod
    def _of_integers(cls, work: Compilation, loads: dict[Link, int]) -> Self:
        """The result for integer layers: the frames are the maps of the program, with steps of 1."""
        program, labels = work.program, (("N",), ("D",), ("W",), ("H",))
        ports = {name: Port(name=name, node=name, dims=(1, *program.population(name).shape), labels=labels,
                            shape=program.population(name).shape) for name in (*program.inputs, *program.outputs)}
        scales = {}
        for population in program.populations:
            bounds = population.given if population.name in program.inputs else population.bounds
            low, high = bounds(work.config.value_bits)
            scales[population.name] = Scale(step=1.0, low=low, high=high, saturation=population.saturation)
        return cls(
            config=work.config, lowered=program, image=work.image, integer=True, loads=loads, scales=scales,
            inputs=[ports[name] for name in program.inputs], outputs=[ports[name] for name in program.outputs],
            sums=work.sums, choices=work.choices, places={
                name: Value(shape=ports[name].shape, parts=(Part(layer=name, first=0, count=ports[name].shape[0]),))
                for name in program.outputs})

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

    @property
    def on_host(self) -> tuple[str, ...]:
        """The operators that the host computes, in order."""
        if not self.host:
            return ()
        from synapress.host.host import operators  # needs onnx

        return operators(self.host)

    def to_json(self) -> dict[str, Any]:
        """The report: per layer step, signal-to-noise ratios, states and whether the sums fit."""
        verdicts = {item.population: item.to_json() for item in self.sums}
        found: dict[str, Any] = {"config": self.config.name, "cores": len(self.images), "words": self.words}
        if self.neurons is not None:
            found["neurons"] = dict(vars(self.neurons))
        if self.warnings:
            found["warnings"] = list(self.warnings)
        if given := {port.name: port.normalization for port in self.inputs if port.normalization is not None}:
            found["integer_inputs"] = {name: asdict(item) for name, item in given.items()}
        if self.host:
            found["host"] = list(self.on_host)
        if self.choices:
            found["organisations"] = [item.to_json() for item in self.choices]
        if self.integer:
            found["sums"] = [item.to_json() for item in self.sums]
        return found | {"layers": [
            {name: finite(value) for name, value in layer.to_json().items()}
            | {"sums": verdicts.get(layer.layer, {}).get("verdict")} for layer in self.layers]}

    def save(self, directory: str | Path) -> None:
        """Write `image/` (one core's, or a mesh's), `program.npz`, `model.json`, `report.json` and `checksums.json`.

        Images of a model that this folder had before are removed; nothing else is. If a file cannot be written, the
        model that the folder had before is still there.

        Raises:
            ImageError: there is a file in the folder's place, or a model.json that is not ours.
            FileError: a file cannot be written.
        """
        save_model(self, self.to_json(), directory)

    @classmethod
    def load(cls, directory: str | Path) -> "CompiledModel":
        """Read what `save`, or `synapress compile`, wrote.

        Raises:
            ImageError: a file is missing or damaged.
        """
        data = read_model(directory)
        return cls(**{item.name: getattr(data, item.name) for item in fields(data)})


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What came out, in the layout of the model's file; of a `Network` or `Program`, as integers (N, D, W, H).

    >>> import numpy as np
    >>> import synapress
    >>> net = synapress.Network("tiny")
    >>> _ = net.input("in", (1, 2, 2))
    >>> _ = net.add("twice", ["in"], scales=[2])
    >>> _ = net.output("twice")
    >>> result = synapress.simulate(synapress.compile(net), np.array([[[[1, 0], [2, 3]]]]))
    >>> result.outputs["twice"].ravel().tolist(), result.counts["twice"].operations
    ([2, 0, 4, 6], 3)
    """

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
    mesh: MeshTotals | None = None
    """Of the RTL of a mesh: the counters of each core, events over each link, errors of nodes."""
    replays: list[Replay] | None = None
    """Of the engine `replay`: what each core did, by sequence."""
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
        replays = {} if self.replays is None else {"replays": [item.to_json() for item in self.replays]}
        return {"frames": self.frames, "counters": self.counters, "mesh": self.mesh and self.mesh.to_json(),
                "wrapped": self.wrapped, "saturated": self.saturated,
                "layers": {name: vars(count) for name, count in self.counts.items()}} | replays


def finite(value: Any) -> Any:
    """JSON has no infinity: the signal-to-noise ratio of what is exact becomes null."""
    return None if isinstance(value, float) and not np.isfinite(value) else value
