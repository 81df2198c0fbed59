"""The verbs: `load` a file, `compile` it, `simulate` frames; `float_outputs` is what the float model computes.

>>> import numpy as np
>>> import synapress
>>> from synapress.zoo.spiking_digits import FILE
>>> model = synapress.load(FILE, neurons="snntorch")
>>> frames = np.random.default_rng(1).random((8, *model.inputs[0].shape)) < 0.3
>>> compiled = synapress.compile(model, config="grai_vip", calibration=frames)
>>> synapress.simulate(compiled, frames).frames
8
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError, NetworkError
from golden.files import open_read
from golden.network import fast as network
from golden.types import Array, Maps
from synapress.engines import saturation
from synapress.engines.checks import Checker
from synapress.engines.layer_counts import layer_counts
from synapress.engines.replay.jobs import ReplayOptions
from synapress.engines.timesteps import is_spiking
from synapress.engines.timesteps import run as run_timesteps
from synapress.mapper import MeshImage
from synapress.mapper.errors import ModelError
from synapress.mapper.frames import Given, input_maps
from synapress.mapper.importers import reference
from synapress.mapper.importers.graph import Spiking
from synapress.mapper.importers.model import LAVA, Model
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.tensor import Port
from synapress.mapper.kept import Keeper
from synapress.mapper.lowering.layers import assemble
from synapress.mapper.organise import BITS
from synapress.mapper.pipeline import FIRST, LAST, Compilation, Hook, Source, check_step, entry, run
from synapress.mapper.quantization.quantized import Options
from synapress.mapper.throughput.options import Throughput
from synapress.results import CompiledModel, Simulation

ENGINES = ("fast", "golden", "rtl", "replay")
HDF5 = b"\x89HDF\r\n\x1a\n"


def load(path: str | Path, *, constants: Mapping[str, npt.ArrayLike] | None = None,
         neurons: Neurons | str | None = None, cut: str | None = None, host_after: str | Sequence[str] = (),
         shapes: Mapping[str, Sequence[int]] | None = None) -> Model:
    """A float graph from an ONNX file (float, QDQ or QOperator) or a NIR graph (HDF5).

    Of an ONNX file the host computes what follows the last layer with weights, and more if `cut` or `host_after` says
    so, see `synapress.host.reading`; `Model.on_host` tells what.

    Args:
        constants: ONNX graph inputs that are known when compiling: values of the input's type and sizes, or as many in
            a list.
        neurons: how the neurons of a NIR graph compute where NIR leaves it open: `Neurons(...)`, or the name of the
            framework that wrote it, one of `synapress.mapper.importers.neurons.STYLES`, perhaps with options that
            differ from its defaults: "snntorch,reset=zero".
        cut: "auto": of an ONNX file cores get the largest part that they can compute, the host the rest.
        host_after: nodes or values of an ONNX file: the host computes all that depends on them.
        shapes: by input of an ONNX file, all its sizes, where the file leaves some open: {"x": (1, 3, 96, 96)}.

    Warns:
        ModelWarning: neurons of a NIR graph may compute something else than in training, or `cut` leaves layers with
            weights to the host, see `Model.warnings`.

    Raises:
        ModelError: the file cannot be taken: it names the node and what would help.

    >>> import synapress
    >>> from synapress.zoo.spiking_digits import FILE
    >>> model = synapress.load(FILE, neurons="snntorch")
    >>> [(port.name, port.shape) for port in model.inputs]
    [('input', (1, 28, 28))]
    """
    if not isinstance(path, str | Path):
        raise ModelError(repr(path), "file", "the path of a file", type(path).__name__, "Give a path.")
    path = Path(path)
    if path.suffix == LAVA:
        raise ModelError(str(path), "file", "an ONNX file or a NIR graph", "one of Lava's networks, of integer layers",
                         "Read it by synapress.read_lava, or compile its path.")
    try:
        with open_read(path) as file:
            head = file.read(len(HDF5))
    except OSError as error:
        raise ModelError(str(path), "file", "a readable file", error.strerror or str(error),
                         "Check the path.") from error
    if head == HDF5 or path.suffix in (".nir", ".h5", ".hdf5"):
        from synapress.mapper.importers.nir.reader import read_nir

        if cut is not None or host_after or shapes or constants:
            raise ModelError(str(path), "host", "an ONNX file", "a NIR graph, which cores compute whole",
                             "Leave cut, host_after, shapes and constants out.")
        return read_nir(path, neurons=neurons)
    if path.suffix == ".py":
        raise ModelError(str(path), "file", "an ONNX file or a NIR graph", "Python", "Compile a Network by "
                         "synapress.compile(network), or its file on the command line by `synapress compile`.")
    if path.suffix == ".npz":
        raise ModelError(str(path), "file", "an ONNX file or a NIR graph", "arrays",
                         "Convert a trained network of spikes in time by synapress.spike_times.convert, and compile "
                         "its network.")
    from synapress.host.reading import read
    from synapress.mapper.importers.onnx.proto import fitted, load_proto

    if neurons is not None:
        raise ModelError(str(path), "neurons", "a NIR file", "an ONNX file, which has none", "Leave neurons out.")
    proto = load_proto(path, shapes)
    found = read(proto, title=path.stem, path=str(path), constants=fitted(proto, constants or {}), cut=cut,
                 host_after=host_after)
    found.shapes = {name: tuple(map(int, sizes)) for name, sizes in (shapes or {}).items()}
    return found


def _check_mesh(mesh: Any) -> None:
    if mesh is None or isinstance(mesh, bool):
        return
    if not (isinstance(mesh, tuple) and len(mesh) == 2 and all(type(size) is int and size > 0 for size in mesh)):
        raise ConfigError(f"mesh: needs (columns, rows), True, False or None, not {mesh!r}")


def float_outputs(model: Model, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike]) -> Maps:
    """What the float model makes of frames, by output name, in the layout of the file; arguments as for `simulate`.

    >>> import numpy as np
    >>> import synapress
    >>> from synapress.zoo.spiking_digits import FILE
    >>> model = synapress.load(FILE, neurons="snntorch")
    >>> outputs = synapress.float_outputs(model, np.zeros((4, *model.inputs[0].shape)))
    >>> [(name, spikes.shape) for name, spikes in outputs.items()]
    [('output', (4, 10))]
    """
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


def compile(
    source: Source, *, config: CoreConfig | str = "grai_vip", calibration: Given | None = None,
    options: Options | None = None, mesh: tuple[int, int] | bool | None = None, throughput: Throughput | None = None,
    share_states: str | None = None, organisation: str | None = None, cheapest: str = BITS, check: bool = False,
    keep: str | Path | None = None, progress: Callable[[str], None] = lambda _: None,
) -> CompiledModel:
    """Quantize a model and map it onto cores: all steps of `synapress.mapper.pipeline`.

    Args:
        source: the path of a file, which `load` reads with its defaults; a loaded model; or integer layers, a `Network`
            or a `Program`, or the path of one of Lava's networks (.net), whose inputs and outputs are then integers
            (N, D, W, H).
        config: a configuration, a preset's name or a JSON file.
        calibration: of a file or model, typical inputs in the layout of the file, by input name, or one array for the
            only input; inputs on which no output depends need none, and what is given for them is ignored, as in
            `simulate`. A model that is quantized already needs none at all. For a model with neurons: timesteps, or
            (sequences, timesteps, ...).
        options: of a file or model, how to quantize.
        mesh: columns and rows; True: the smallest mesh that holds it; False: one core; None: one core if it fits, else
            the smallest mesh.
        throughput: use many cores for a short frame interval, as `Throughput(cores=12)`, instead of few.
        share_states: "frame" or "pipeline": populations of a mesh whose accumulations exclude each other share states,
            with one frame in flight, or with more of them and more axons, see `synapress.mapper.sharing`.
        organisation: how a core with `organisations` stores the synapses of dense layers: "functional", as one kernel;
            "crossbar", "bitmap" or "compressed_rows", one by one; "auto", the cheapest for each. None: as each layer
            of a `Network` says, which none does of a file. See `synapress.mapper.organise`.
        cheapest: what "auto" takes least of: "bits" of memory, or "cycles" or "energy" of events.
        check: hold each step's result to the step before, see `synapress.engines.checks`.
        keep: a folder for what each step makes, see `synapress.mapper.kept`.
        progress: called with what is being done.

    Raises:
        ModelError: the model or the calibration cannot be taken.
        MappingError: it does not fit the cores; the message names layer, rule, needed, available and what would help.
        CheckError: two steps differ, with `check`.
        FileError: a file of `keep` cannot be written.

    >>> import synapress
    >>> net = synapress.Network("tiny")
    >>> _ = net.input("in", (2, 4, 4))
    >>> _ = net.conv("sums", "in", np.ones((3, 2, 2, 2), int), shift=2)
    >>> _ = net.output("sums")
    >>> compiled = synapress.compile(net, config="fpga_small")
    >>> compiled.config.name, len(compiled.images), compiled.outputs[0].shape
    ('fpga_small', 1, (3, 3, 3))
    """
    return CompiledModel.of(compile_to(
        LAST, source, config=config, calibration=calibration, options=options, mesh=mesh, throughput=throughput,
        share_states=share_states, organisation=organisation, cheapest=cheapest, check=check, keep=keep,
        progress=progress))


def compile_to(
    step: str, source: Source, *, config: CoreConfig | str = "grai_vip", calibration: Given | None = None,
    options: Options | None = None, mesh: tuple[int, int] | bool | None = None, throughput: Throughput | None = None,
    share_states: str | None = None, organisation: str | None = None, cheapest: str = BITS, check: bool = False,
    keep: str | Path | None = None, progress: Callable[[str], None] = lambda _: None,
) -> Compilation:
    """Run the steps of `compile` up to and with one, and give all representations made.

    Args:
        step: a name of `synapress.STEPS`; all others as for `compile`.

    Raises:
        ConfigError: there is no such step, or the source enters behind it; else as `compile`.

    >>> import synapress
    >>> net = synapress.Network("tiny")
    >>> _ = net.input("in", (1, 4, 4))
    >>> _ = net.global_pool("mean", "in")
    >>> _ = net.output("mean")
    >>> work = synapress.compile_to("populations", net)
    >>> work.done, [edge.name for edge in work.program.edges]
    (['populations'], ['in->mean'])
    """
    if isinstance(source, str | Path) and Path(source).suffix == LAVA:
        from synapress.mapper.importers.lava.reader import read_lava

        source = read_lava(source)
    check_step(step, source)
    _check_mesh(mesh)
    if entry(source) != FIRST:
        for name, line, given in (("calibration", "--calibration", calibration),
                                  ("options", "--method, --percentile, --headroom, --levels, --saturate", options)):
            if given is not None:
                raise ConfigError(f"{name} ({line}): a {type(source).__name__} has integers already; leave it out")
    work = Compilation(source=source, config=CoreConfig.of(config), read=load, calibration=calibration, options=options,
                       mesh=mesh, throughput=throughput, share_states=share_states, organisation=organisation,
                       cheapest=cheapest, progress=progress)
    return run(work, to=step, hooks=_hooks(check, keep))


def _hooks(check: bool, keep: str | Path | None) -> list[Hook]:
    """What is to be done after each step; first it is kept, so that there are files if a check fails."""
    return [*([] if keep is None else [Keeper(keep)]), *([Checker()] if check else [])]


def simulate(
    compiled: CompiledModel, inputs: Given, *, engine: str = "fast", cycles: bool = False,
    checkpoint: str | Path | None = None, replay: ReplayOptions | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Simulation:
    """Run frames.

    Args:
        inputs: real values in the layout of the file (or the file's integers, where its inputs are integers); of a
            `Network` or `Program` integers (N, D, W, H). Of a model with neurons the frames are timesteps of one
            sequence; with one dimension more in front, (sequences, timesteps, ...), of several, which all start from
            the initial potentials. So are the outputs.
        engine: `fast`, the whole-network model; `golden`, event by event from the memory images, on one core or the
            mesh; `rtl`, their Verilog; `replay`, that of a mesh core by core, for meshes too large to run at once: each
            core gets what the golden mesh says, and must do the same. Whichever is asked for is compared with those
            before it.
        checkpoint: of a mesh's RTL, a folder in which the run is saved each minute, and from which it goes on; of a
            replay, one that keeps what is recorded and which cores are done.
        replay: how cores are replayed, see `synapress.engines.replay.run`.
        progress: told in words how far the RTL of a mesh is.
        cycles: tell the cycles of each layer, too, by the cycle model; takes some seconds a frame for large models.

    Raises:
        NetworkError: an input is missing, unknown or of the wrong shape, or RTL is asked for of a mesh whose host is
            not beside an edge.
        EventError: an integer is beyond the range of its input.
        ToolError: the engines differ, or there is no simulator.

    >>> import synapress
    >>> net = synapress.Network("tiny")
    >>> _ = net.input("in", (1, 4, 4))
    >>> _ = net.max_pool("largest", "in", 2)
    >>> _ = net.output("largest")
    >>> frames = np.arange(16).reshape(1, 1, 4, 4)
    >>> synapress.simulate(synapress.compile(net), frames, engine="golden").outputs["largest"].tolist()
    [[[[5, 7], [13, 15]]]]
    """
    _check_engine(compiled, engine, checkpoint, replay)
    spiking = is_spiking(compiled.program)
    integers, sequences = integer_inputs(compiled, inputs)
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
    counters = mesh = replays = None
    if engine != "fast":
        from synapress.engines import events as engines

        sent = {name: maps[name] for name in integers}  # what the host sends of frames: perhaps differences
        totals = engines.run(
            engine, compiled.image, sent, maps, sequences=sequences[0] if sequences else 1, progress=progress,
            checkpoint=None if checkpoint is None else Path(checkpoint), options=replay)
        maps, counters, mesh, replays = totals.outputs, totals.counters, totals.mesh, totals.replays
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
    return Simulation(
        outputs=numbers if compiled.integer else _finished(compiled.host, outputs, compiled.inputs, inputs),
        integers=numbers, counts=counts, maps=maps, counters=counters, mesh=mesh, replays=replays,
        wrapped={name: count for name, count in wrapped.items() if count},
        saturated=saturation.by_output(compiled.clips, clipped, {
            port.name: compiled.places[port.node] for port in compiled.outputs}),
        sequences=(sequences[0] if sequences else 1) if spiking else None)


def _check_engine(compiled: CompiledModel, engine: str, checkpoint: str | Path | None, replay: ReplayOptions | None
                  ) -> None:
    """
    Raises:
        NetworkError: there is no such engine, or it has no use for this model.
        ConfigError: what was given is of no use to it.
    """
    if engine not in ENGINES:
        raise NetworkError(f"engine '{engine}': there are {', '.join(ENGINES)}")
    mesh = isinstance(compiled.image, MeshImage)
    if checkpoint is not None and not (engine in ("rtl", "replay") and mesh):
        raise ConfigError("checkpoint: only the engines 'rtl' and 'replay' of a mesh save their runs; leave it out")
    if replay is not None and engine != "replay":
        raise ConfigError(f"replay: of no use to the engine '{engine}'; leave it out")
    if engine == "replay" and not mesh:
        raise NetworkError("engine 'replay': the model is on one core, and needs no replay. Use engine 'rtl'")


def integer_inputs(compiled: CompiledModel, inputs: Given) -> tuple[Maps, tuple[int, int] | None]:
    """Frames as the integers (N, D, W, H) that a compiled model takes, by input population; arguments and errors as of
    `simulate`.

    Returns:
        The maps; and sequences and timesteps, if the frames came in sequences.
    """
    real, sequences = input_maps(compiled.inputs, inputs, "inputs", ignored=compiled.ignored,
                                 spiking=is_spiking(compiled.program))
    if compiled.integer:
        _check_integers(real)
    return {node: values.astype(np.int64) if compiled.integer else compiled.scales[node].integers(values)
            for node, values in real.items()}, sequences


def _check_integers(maps: Mapping[str, Array]) -> None:
    """That the frames of integer layers are integers; the models check their range.

    Raises:
        NetworkError: they are not.
    """
    for name, values in maps.items():
        if not np.array_equal(values, np.rint(values)):
            raise NetworkError(f"inputs '{name}': needs integers, as the network is one of integer layers")
