"""A whole network on one core with a compute-in-memory array, layer by layer: what fires in one goes into the next.

Each layer has the array, and the memory behind it, for itself: an image of its own, and the same simulator. So a
network runs at its full size on a core that does not hold it at once, and every counter is one layer's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from golden.config import FLEXSPIM, CoreConfig
from golden.core import Core
from golden.errors import NetworkError
from golden.host import decode
from golden.program import Population, Program
from golden.types import IntArray
from synapress.engines.compare import Comparison, golden_frames
from synapress.engines.rtl import packed_frames, simulate_image
from synapress.mapper import Image
from synapress.mapper.cim.image import build_cim_image
from synapress.mapper.cim.shapes import LayerOptions, LayerShape

ONE_LAYER = replace(FLEXSPIM, name="flexspim_layers", address_bits=15, population_bits=2)
"""The published array with a quarter of the memory, which holds each layer of the network for gestures, and is built in
less time."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerRun:
    """One layer, over all timesteps."""

    name: str
    image: Image
    sources: int
    """Spikes that came in, each on every axon."""
    spikes: IntArray
    """(timesteps, D, W, H): 1 where a neuron fired."""
    counters: dict[str, int]
    """Of the RTL if it ran, else of the golden core, which has no cycles (`golden.registers.timed`)."""
    comparison: Comparison | None
    """Of the RTL with the golden core; None: it did not run."""
    latency: IntArray | None
    """Cycles of each timestep from its first event to its last output; None: the RTL did not run."""

    @property
    def shape(self) -> dict[str, object]:
        """Where its operands lie (`synapress.mapper.cim.shapes.LayerShape`), and what of them stays."""
        return dict(self.image.manifest["population_table"][0]["cim"])


@dataclass(frozen=True, kw_only=True, eq=False)
class CimRun:
    """All layers, in the order in which they ran."""

    layers: list[LayerRun]
    timesteps: int
    rtl: bool

    def __getitem__(self, name: str) -> LayerRun:
        return next(layer for layer in self.layers if layer.name == name)

    @property
    def differences(self) -> list[str]:
        """What of the RTL is not as the golden core says; empty: all is equal, or the RTL did not run."""
        return [f"layer '{layer.name}': {text}" for layer in self.layers if layer.comparison is not None
                for text in layer.comparison.differences]


def _timesteps(inputs: Mapping[str, IntArray], names: Sequence[str]) -> int:
    """How many timesteps the inputs have, which are those of these names."""
    if set(inputs) != set(names):
        raise NetworkError(f"the network has the inputs {', '.join(names)}; given: {', '.join(inputs) or 'none'}")
    lengths = {len(array) for array in inputs.values() if array.ndim == 4}
    if len(lengths) != 1 or any(array.ndim != 4 for array in inputs.values()):
        raise NetworkError("each input needs as many timesteps as the others: (timesteps, D, W, H)")
    return lengths.pop()


def layer_program(program: Program, name: str) -> Program:
    """A layer alone: its sources are inputs, and it is the output."""
    edges = program.edges_into(name)
    sources = [Population(name=source, shape=program.population(source).shape)
               for source in dict.fromkeys(edge.source for edge in edges)]
    return Program(name=f"{program.name}: {name}", populations=[*sources, program.population(name)], edges=edges,
                   inputs=[source.name for source in sources], outputs=[name])


def run_layers(
    program: Program, config: CoreConfig, inputs: Mapping[str, npt.ArrayLike],
    layers: Mapping[str, LayerOptions | LayerShape] | None = None, *, rtl: bool = True, stall: float = 0.0,
    seed: int = 1, progress: Callable[[str, str, int], None] | None = None,
) -> CimRun:
    """Run a network of spiking layers, one after the other, through the golden core and the compiled RTL.

    Args:
        program: as `synapress.mapper.cim.image.build_cim_image` takes it.
        config: with update "cim".
        inputs: by name, (timesteps, D, W, H) of 0 and 1.
        layers: what is asked of the operands of each layer, as `build_cim_image` takes it.
        rtl: False: the golden core alone, which is many times as fast.
        stall: probability per cycle that the host neither offers nor takes an event; `seed` repeats it.
        progress: called with the layer, "golden" or "rtl", and the number of timesteps done.

    Raises:
        RuleError: a layer has what the array does not compute, or does not fit it.
        NetworkError: an input is missing, unknown or of the wrong shape; or `layers` names what is no layer.
        EventError: an input is neither 0 nor 1.
        ToolError: no simulator, or the core hangs.
    """
    spikes, given, runs = {name: np.asarray(maps) for name, maps in inputs.items()}, layers or {}, []
    timesteps = _timesteps(spikes, program.inputs)
    names = [name for name in program.topological_order() if name not in program.inputs]
    if unknown := sorted(set(given) - set(names)):
        raise NetworkError(f"program '{program.name}': there is no layer {', '.join(unknown)}; layers are: "
                           f"{', '.join(names)}")
    for name in names:
        part = layer_program(program, name)
        image = build_cim_image(part, config, {name: given[name]} if name in given else {})
        maps = {source: spikes[source] for source in part.inputs}

        def report(who: str, done: int, name: str = name) -> None:
            if progress is not None:
                progress(name, who, done)

        run = _rtl(name, image, maps, stall, seed, report) if rtl else _golden(name, image, maps, report)
        runs.append(run)
        spikes[name] = run.spikes
    return CimRun(layers=runs, timesteps=timesteps, rtl=rtl)


def _rtl(name: str, image: Image, maps: Mapping[str, IntArray], stall: float, seed: int,
         report: Callable[[str, int], None]) -> LayerRun:
    run = simulate_image(image, maps, stall=stall, seed=seed, progress=report)
    return LayerRun(name=name, image=image, sources=_count(maps), spikes=run.outputs[name], counters=run.counters,
                    comparison=run.comparison, latency=run.latency)


def _golden(name: str, image: Image, maps: Mapping[str, IntArray], report: Callable[[str, int], None]) -> LayerRun:
    core = Core(image.config, image.parts, edges=image.edges, populations=image.populations)
    run = golden_frames(core, packed_frames(image, maps), lambda done: report("golden", done))
    output = image.manifest["outputs"][0]
    spikes = np.array([decode(events, output["id"], tuple(output["shape"]), image.config) for events in run.events])
    return LayerRun(name=name, image=image, sources=_count(maps), spikes=spikes, counters=run.counters,
                    comparison=None, latency=None)


def _count(maps: Mapping[str, IntArray]) -> int:
    return sum(int(spikes.sum()) for spikes in maps.values())
