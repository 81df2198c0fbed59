"""The compiler as a list of named steps, in order: from a model's file to memory images.

    import → lower → split → quantize → populations → partition → place → write

Each step makes one representation of those before it, and no step is returned to. A file or a loaded model takes all of
them; a `Network` of integer layers enters at `populations`, a `Program` at `partition`. `run` runs them to any step;
`hooks` see each representation as it is made, to check or to keep it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.program import Program
from golden.types import Place
from synapress.mapper.accumulator_range import AccumulatorRange, sums
from synapress.mapper.errors import ModelError, RuleError
from synapress.mapper.frames import Given, input_maps, own_frames
from synapress.mapper.image.image import Image, write_whole
from synapress.mapper.image.mesh import MeshImage, build_mesh
from synapress.mapper.importers.model import Model
from synapress.mapper.look_up import in_tables
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.lowering.layers import FloatLayers
from synapress.mapper.lowering.split_layers import SplitLayers, split_layers
from synapress.mapper.memory_map import MemoryMap
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower
from synapress.mapper.neuron_rules import check_types
from synapress.mapper.organise import BITS, Choice, organise
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.partition.search import partition
from synapress.mapper.placement.bin_packing import Pins
from synapress.mapper.placement.place import Placement, place, place_all
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.quantization.quantized import Options, Quantized
from synapress.mapper.rules import check
from synapress.mapper.sharing.packing import Sharing, check_way, share
from synapress.mapper.throughput.options import Activity, Throughput
from synapress.mapper.throughput.search import Balanced, balance

Source = str | Path | Model | Network | Program
"""What can be compiled."""


def _unread(path: Path) -> Model:
    raise ModelError(str(path), "file", "a loaded model", "the path of a file", "Load it first: synapress.load.")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was compared after one step."""

    step: str
    compared: str
    values: int
    """How many values."""
    largest: float
    """The largest difference."""

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))

    def __str__(self) -> str:
        if not self.values:
            return f"{self.step}: {self.compared}"
        how = "exactly" if not self.largest else f"within {self.largest:.1e}"
        return f"{self.step}: {self.compared}: {self.values:,} values agree {how}"


@dataclass(kw_only=True)
class Compilation:
    """What to compile and how, and the representations that the steps have made so far.

    A representation is there from its step on; `done` says which. Reading one too early is an AttributeError.
    """

    source: Source
    config: CoreConfig
    read: Callable[[Path], Model] = _unread
    """How to import a file."""
    calibration: Given | None = None
    """Typical inputs in the layout of the model's file; None for a model that is quantized already."""
    options: Options | None = None
    mesh: Place | bool | None = None
    """Columns and rows; True: the smallest mesh that holds it; False: one core; None: one core if it fits, else the
    smallest mesh."""
    host: Place | None = None
    """Of a mesh: the host's place; default: north of the middle of row 0. Of one core: relative to it; default (1, 0).
    """
    pins: Pins | None = None
    """Layer or fragment → the cores of the mesh that it must lie on."""
    throughput: Throughput | None = None
    """Use many cores for a short frame interval, on a mesh; None: as few cores as hold it."""
    share_states: str | None = None
    """Populations whose accumulations exclude each other share states, on a mesh, in one of
    `synapress.mapper.sharing.packing.WAYS`; None: each has its own."""
    organisation: str | None = None
    """How the synapses of dense layers are stored, see `synapress.mapper.organise`; None: as each layer says."""
    cheapest: str = BITS
    """What "auto" takes least of."""
    pad: bool = True
    """Odd words per position for populations with depthwise edges, where there is room."""
    measured: Mapping[str, tuple[int, int]] | None = None
    """Of a `Network` or a `Program`: population → range of its states without wrap, for the report on sums."""
    progress: Callable[[str], None] = lambda _: None
    done: list[str] = field(default_factory=list)
    """Names of the steps that were run."""
    checks: list[Checked] = field(default_factory=list)
    """What was compared, if that was asked for."""

    model: Model = field(init=False)
    """By `import`."""
    layers: FloatLayers = field(init=False)
    """By `lower`: float layers in the form of the hardware."""
    split: SplitLayers = field(init=False)
    """By `split`: layers each of which the hardware computes in one step."""
    quantized: Quantized = field(init=False)
    """By `quantize`: the network of integer layers, scales and report."""
    program: Program = field(init=False)
    """By `populations`: one population per layer, one edge per branch, which says how it is stored if that was asked.
    """
    choices: list[Choice] = field(init=False, default_factory=list)
    """With it: how edges are stored of which that was asked, and what else there was."""
    parts: MemoryMap | PartitionedProgram = field(init=False)
    """By `partition`: the plan of the one core that holds the whole program, or fragments that each fit a core."""
    sharing: Sharing | None = field(init=False, default=None)
    """By `partition`, with `share_states`: fragments that share a core, and states; and what that costs."""
    balanced: Balanced | None = field(init=False, default=None)
    """By `partition`, with `throughput`: fragments that share a core, and their work."""
    activity: Activity | None = field(init=False, default=None)
    """By `partition`, with `throughput`: how often neurons fire."""
    placement: Placement | None = field(init=False)
    """By `place`: the core of each fragment; None: there is one core."""
    image: Image | MeshImage = field(init=False)
    """By `write`."""

    @cached_property
    def sums(self) -> list[AccumulatorRange]:
        """Whether the states of the program hold its sums."""
        return sums(self.program, self.config, measured=(
            self.quantized.measured if "quantize" in self.done else self.measured))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: what it computes, and the field of `Compilation` that its result becomes."""

    name: str
    makes: str
    run: Callable[[Compilation], Any]
    says: str
    """What is being done, for progress."""


Hook = Callable[[str, Compilation], None]
"""Called after each step with its name."""


# -- the steps ---------------------------------------------------------------------------------


def _import(work: Compilation) -> Model:
    return work.source if isinstance(work.source, Model) else work.read(Path(str(work.source)))


def _lower(work: Compilation) -> FloatLayers:
    return fuse(work.model.graph, work.config)


def _split(work: Compilation) -> SplitLayers:
    return split_layers(work.layers, work.config)


def _quantize(work: Compilation) -> Quantized:
    model, sequences = work.model, None
    if work.calibration is None:
        maps: dict[str, Any] = dict(own_frames(work.layers, model.source))
    else:
        maps, sequences = input_maps(model.inputs, work.calibration, "calibration", ignored=model.ignored,
                                     spiking=work.layers.spiking)
    return quantize(work.split, maps, work.config, work.options, timesteps=sequences[1] if sequences else None)


def _populations(work: Compilation) -> Program:
    return _organised(work, lower(work.source if isinstance(work.source, Network) else work.quantized.network))


def _organised(work: Compilation, program: Program) -> Program:
    """A program whose edges know how they are stored."""
    program, work.choices = organise(program, work.config, work.organisation, work.cheapest)
    return program


def _partition(work: Compilation) -> MemoryMap | PartitionedProgram:
    if work.share_states is not None:
        return _for_sharing(work, work.share_states)
    if work.throughput is None and (work.mesh is None or work.mesh is False):
        try:
            whole = legalize(work.program, work.config)
            check_types(whole, work.config)
            return check(whole, work.config, pad=work.pad, host=work.host or (1, 0))
        except RuleError:
            if work.mesh is False:
                raise
    check_types(work.program, work.config)
    if work.throughput is not None:
        return _for_throughput(work, work.throughput)
    try:
        return partition(work.program, work.config)
    except RuleError as refused:
        raise _with_causes(refused, work) from refused


def _for_throughput(work: Compilation, asked: Throughput) -> PartitionedProgram:
    if work.pins:
        raise ConfigError("throughput: chooses the cores of all fragments, and pins do so, too; leave one of them out")
    if names := [edge.name for edge in work.program.edges if in_tables(edge)]:
        raise ConfigError(f"throughput: does not go with synapses in tables (edge '{names[0]}'), whose cycles among "
                          "others are not modeled; leave one of them out")
    cores = asked.allowed(work.mesh, work.host)
    # Frames of the quantization's own are no sample of what comes.
    calibrated = work.quantized.firing if work.calibration is not None and "quantize" in work.done else None
    work.activity = asked.rates(work.program, work.config, calibrated)
    try:
        work.balanced = balance(work.program, work.config, cores, work.activity.rates, progress=work.progress)
    except RuleError as refused:
        raise _with_causes(refused, work) from refused
    return work.balanced.cut


def _for_sharing(work: Compilation, way: str) -> PartitionedProgram:
    for name, given, why in (
            ("pins", work.pins, "both choose the cores of fragments"),
            ("throughput", work.throughput, "both choose the cores of fragments"),
            ("mesh = False", work.mesh is False, "parts of populations share states on the cores of a mesh")):
        if given:
            raise ConfigError(f"share_states: does not go with {name}: {why}; leave one of them out")
    check_way(way)
    check_types(work.program, work.config)
    try:
        work.sharing = share(work.program, work.config, way, progress=work.progress)
    except RuleError as refused:
        raise _with_causes(refused, work) from refused
    return work.sharing.cut


def _place(work: Compilation) -> Placement | None:
    if isinstance(work.parts, MemoryMap):
        return None
    chosen = work.balanced or work.sharing
    packed = None if chosen is None else chosen.bins
    try:
        if isinstance(work.mesh, tuple):
            return place(work.parts, work.mesh, host=work.host, pins=work.pins, packed=packed)
        return place_all(work.parts, host=work.host, pins=work.pins, packed=packed)
    except RuleError as refused:
        raise _with_causes(refused, work) from refused


def _write(work: Compilation) -> Image | MeshImage:
    placed = work.placement
    if isinstance(work.parts, MemoryMap):
        return write_whole(work.parts, work.sums)
    assert placed is not None
    return build_mesh(work.parts, placed.places, placed.size, host=placed.host, pad=work.pad)


def _with_causes(refused: RuleError, work: Compilation) -> RuleError:
    """What a mesh refuses, after the strides for which the mapper had to cut."""
    try:
        legalize(work.program, work.config, mesh=True)
    except RuleError as uncut:
        return RuleError(list(dict.fromkeys((*uncut.violations, *refused.violations))))
    return refused


STEPS = (
    Step(name="import", makes="model", run=_import, says="reading the model"),
    Step(name="lower", makes="layers", run=_lower, says="float graph → layers of the hardware"),
    Step(name="split", makes="split", run=_split, says="splitting layers that take several steps"),
    Step(name="quantize", makes="quantized", run=_quantize, says="float layers → integers"),
    Step(name="populations", makes="program", run=_populations, says="integer layers → populations and edges"),
    Step(name="partition", makes="parts", run=_partition, says="cutting populations that do not fit a core"),
    Step(name="place", makes="placement", run=_place, says="placing fragments on cores"),
    Step(name="write", makes="image", run=_write, says="writing memory images"),
)
NAMES = tuple(step.name for step in STEPS)
FIRST, LAST = NAMES[0], NAMES[-1]


def entry(source: Source) -> str:
    """The step at which a source enters.

    Raises:
        ModelError: nothing that can be compiled.
    """
    if isinstance(source, str | Path | Model):
        return FIRST
    if isinstance(source, Network):
        return "populations"
    if isinstance(source, Program):
        return "partition"
    raise ModelError(repr(source), "source", "the path of a file, a loaded model, a Network or a Program",
                     type(source).__name__, "Give one of them.")


def check_step(name: str, source: Source) -> None:
    """That a source can be compiled to a step.

    Raises:
        ConfigError: there is no such step, or the source enters behind it.
    """
    if name not in NAMES:
        raise ConfigError(f"step '{name}': there are {', '.join(NAMES)}")
    first = entry(source)
    if NAMES.index(name) < NAMES.index(first):
        raise ConfigError(f"step '{name}': a {type(source).__name__} enters at '{first}'; there are "
                          f"{', '.join(NAMES[NAMES.index(first):])}")


def run(work: Compilation, *, to: str = LAST, hooks: Sequence[Hook] = ()) -> Compilation:
    """Run the steps that the source needs, up to and with `to`.

    Args:
        work: what to compile; the representations become its fields.
        to: one of `NAMES`.
        hooks: called after each step.

    Raises:
        ConfigError: there is no such step, or the source enters behind it.
        ModelError: the model or the calibration cannot be taken.
        MappingError: it does not fit the cores; the message names layer, rule, needed, available and what helps.
    """
    check_step(to, work.source)
    if isinstance(work.source, Program):
        work.program = _organised(work, work.source)
    for step in STEPS[NAMES.index(entry(work.source)):NAMES.index(to) + 1]:
        work.progress(step.says)
        setattr(work, step.makes, step.run(work))
        work.done.append(step.name)
        for hook in hooks:
            hook(step.name, work)
    return work
