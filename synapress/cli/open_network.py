"""Networks by name, file or folder, as the command line takes them where dimensions are what counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError, FileError, NetworkError
from golden.files import check_regular
from golden.program import Program
from synapress.cli.options import MODEL_FILES, check_unread
from synapress.cli.python_file import run_python
from synapress.mapper.image.image import Image
from synapress.mapper.importers.model import LAVA
from synapress.mapper.lowering.layers import FloatLayers
from synapress.mapper.network.network import Network
from synapress.mapper.network.populations import lower
from synapress.mapper.one_core import QUANTIZED_FOR
from synapress.spike_times.convert import convert, core_for
from synapress.spike_times.trained import load_trained
from synapress.zoo import ZOO

SOURCES = (f"{', '.join(ZOO)}; a Python file with a function network() that returns a synapress.Network; a model as "
           ".onnx or .nir; a trained network of spikes in time as .npz; one of Lava's networks as .net; or a folder of "
           "`synapress compile`")
"""What `open_network` takes, for help texts."""
FRAMES = 2
"""Random frames that calibrate a model, of one with neurons `TIMESTEPS`."""
TIMESTEPS = 8
TRAINED = ".npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A network, the configuration to map it for, and what had to be assumed for it."""

    program: Program
    config: CoreConfig
    images: list[Image] | None = None
    """Images of a compiled model, if they are for this configuration."""
    assumed: str = ""


def open_network(source: str, *, config: str | None = None, seed: int = 1, given: Mapping[str, Any] | None = None
                 ) -> Opened:
    """A network of the zoo by name, with random weights of this seed; one that a Python file makes; a trained model, or
    a trained network of spikes in time, calibrated with random inputs; or a compiled one.

    A Python file is run, as `python FILE` would run it but under another name than `__main__`: its own folder comes
    first in the search path of imports while it runs.

    Args:
        config: preset or file; default: a compiled model's own, else `grai_vip`.
        given: how a model's file is read, arguments of `synapress.load`.

    Raises:
        NetworkError: no such network or file, or a file that fails or has no `network()`.
        ConfigError: the configuration is none, or the integers of a compiled model are for another one, or `given` is
            about a model's file and this is none.
        ModelError, ImageError: the model or the folder cannot be taken.
    """
    path = Path(source)
    if source in ZOO or path.suffix not in MODEL_FILES:
        check_unread(source, given or {})
    if source not in ZOO and path.is_dir():
        return _compiled(path, config)
    core = CoreConfig.load(config or "grai_vip")
    if source in ZOO:
        return Opened(program=lower(ZOO[source](seed)), config=core, assumed=f"random weights of seed {seed}")
    _check_file(source)
    if path.suffix in (".py", LAVA):
        return Opened(program=lower(own_network(source)), config=core)
    if path.suffix in MODEL_FILES:
        return _model(path, core, given or {})
    if path.suffix == TRAINED:
        return _trained(path, core, seed)
    raise NetworkError(f"'{source}' has the suffix '{path.suffix}'; give {SOURCES}")


def _trained(path: Path, core: CoreConfig, seed: int) -> Opened:
    """A trained network whose neurons spike once, on the core that it needs."""
    network = load_trained(path)
    core = core_for(network, core)
    frames = np.random.default_rng(seed).uniform(0, network.threshold, (FRAMES, *network.input_shape))
    return Opened(program=lower(convert(network, core, frames).network), config=core, assumed=(
        f"fraction bits by {FRAMES} random frames; products, neuron types and times of the core are the network's"))


def own_network(source: str) -> Network:
    """The network of integer layers that a Python file makes, or one of Lava's.

    Raises:
        NetworkError: there is no such file, it fails, it has no `network()`, or it cannot be read.
    """
    if Path(source).suffix == LAVA:
        from synapress.mapper.importers.lava.reader import read_lava

        return read_lava(source)
    _check_file(source, "no file", "a Python file with a function network() that returns a synapress.Network")
    return _run(source, Path(source))


def _check_file(source: str, known: str = "neither a known network nor a file", give: str = SOURCES) -> None:
    try:
        check_regular(Path(source))
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        kind = f" that can be read: it {error.strerror}" if isinstance(error, FileError) else ""
        raise NetworkError(f"'{source}' is {known}{kind}; give {give}") from error


def _compiled(path: Path, config: str | None) -> Opened:

    from synapress.results import CompiledModel

    made = CompiledModel.load(path)
    core = made.config if config is None else CoreConfig.load(config)
    for name in QUANTIZED_FOR:
        if getattr(core, name) != getattr(made.config, name):
            raise ConfigError(f"'{path}' has integers for {name} = {getattr(made.config, name)}, {core.name} has "
                              f"{getattr(core, name)}: compile the model with --config {config}")
    return Opened(program=made.lowered, config=core, images=made.images if core == made.config else None)


def _model(path: Path, config: CoreConfig, given: Mapping[str, Any]) -> Opened:
    from synapress.mapper.lowering.fuse import fuse
    from synapress.mapper.lowering.split_layers import split_layers
    from synapress.mapper.quantization.quantize import quantize
    from synapress.model import load

    layers = fuse(load(path, **given).graph, config)
    made = quantize(split_layers(layers, config), _random_inputs(layers), config)
    return Opened(program=lower(made.network), config=config, assumed=(
        "random inputs for the calibration: sizes and connections are the model's, its integers are not to be used"))


def _random_inputs(layers: FloatLayers) -> dict[str, npt.NDArray[np.float64]]:
    """Integers that the file's own quantization has, spikes for neurons, else normal values."""
    rng, found = np.random.default_rng(1), {}
    for name in layers.inputs:
        node = layers.layers[name].quantize
        shape = TIMESTEPS if layers.spiking else FRAMES, *layers.layers[name].shape
        drawn: npt.NDArray[Any] = rng.random(shape) < 0.3 if layers.spiking else rng.normal(0, 1, shape)
        if node is not None:
            drawn = (rng.integers(node.low, node.high + 1, shape) - node.zero_point) * node.scale
        found[name] = drawn.astype(np.float64)
    return found


def _run(source: str, path: Path) -> Network:
    """What `network()` of a Python file returns."""
    def called(names: dict[str, Any]) -> Any:
        make = names.get("network")
        if not callable(make):
            raise NetworkError(f"'{source}' has no function network() that returns a synapress.Network")
        return make()

    network = run_python(path, "network", called)
    if not isinstance(network, Network):
        raise NetworkError(f"network() of '{source}' returned {type(network).__name__}, not a synapress.Network")
    return network
