"""Each step of the compiler held to the step before, on the first frame of the calibration or a random one.

| step | what must agree |
|---|---|
| lower | outputs of the float graph and of its layers, in float64 |
| split | every layer before and after the split, in float64 |
| quantize | nothing: the report says what rounding costs |
| populations | integers of the quantization and of the program, exactly |
| partition | the program and all its parts, exactly |
| place | a core for every fragment |
| write | outputs of the fast model and of the golden core or mesh, from the images as saved and loaded, exactly |
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from golden.errors import ImageError, SynapressError
from golden.network import fast
from golden.program import Program
from golden.types import Array, Floats, Maps
from synapress.engines import events, timesteps
from synapress.engines.parts import part_maps
from synapress.mapper import Image, MeshImage
from synapress.mapper.frames import input_maps, own_frames
from synapress.mapper.importers import reference
from synapress.mapper.importers.tensor import in_blocks
from synapress.mapper.lowering.layers import FloatLayers, assemble, run_layers
from synapress.mapper.memory_map import MemoryMap
from synapress.mapper.pipeline import Checked, Compilation

TOLERANCE = 1e-6
"""Of values in float64, relative to the largest one: sums in another order differ by less, errors by far more."""
MAX_FLIPPED = 0.01
"""Share of values that may differ where layers round or fire: rounding in float64 decides at a tie."""
MAX_TIMESTEPS = 4
"""Timesteps that images are run for, of a model with neurons: enough for states to be carried on."""


class CheckError(SynapressError):
    """Two steps of the compiler compute something else: a defect of Synapress. `step` names the later one."""

    def __init__(self, step: str, difference: str):
        self.step = step
        super().__init__(f"step '{step}': {difference}. This is a defect of Synapress: please report it, with the "
                         "files that --keep, or keep=…, writes")


class Checker:
    """A hook of `synapress.mapper.pipeline.run` that adds what was compared to `Compilation.checks`."""

    def __init__(self) -> None:
        self.floats: dict[str, Floats] = {}
        """The frame as maps of the model."""
        self.integers: dict[str, Array] = {}
        """The frame as the program takes it."""
        self.maps: Maps = {}
        """What the program makes of it, by population."""
        self.timesteps = 1

    def __call__(self, step: str, work: Compilation) -> None:
        """
        Raises:
            CheckError: the step's result does not agree with that of the step before.
        """
        check: dict[str, Callable[[Compilation], Checked]] = {
            "lower": self._lower, "split": self._split, "populations": self._populations, "partition": self._partition,
            "place": self._place, "write": self._write}
        if step in check:
            work.progress(f"checking: {step}")
            if step == "partition" and not self.maps:  # a program, which enters here
                self._run(work)
            work.checks.append(check[step](work))

    # -- float -----------------------------------------------------------------------------------

    def _lower(self, work: Compilation) -> Checked:
        self.floats, self.timesteps = _first_frame(work)
        wanted = reference.run(work.model.graph, self.floats, timesteps=self.timesteps)
        maps = run_layers(work.layers, self.floats, self.timesteps)
        return _agree("lower", "float graph and layers, outputs", {
            name: (wanted[name], assemble(value, maps)) for name, value in work.layers.outputs.items()},
            flips=_flips(work.layers))

    def _split(self, work: Compilation) -> Checked:
        before = run_layers(work.layers, self.floats, self.timesteps)
        brought = {name: in_blocks(values, work.split.blocks.get(name, (1, 1))) for name, values in self.floats.items()}
        after = run_layers(work.split.layers, brought, self.timesteps)
        return _agree("split", "layers before and after", {
            name: (values, after[name]) for name, values in before.items() if name not in work.split.blocks},
            flips=_flips(work.layers))

    # -- integers --------------------------------------------------------------------------------

    def _run(self, work: Compilation) -> None:
        """The program on a frame: the calibration's first, or a random one; some where delays must deliver."""
        rng = np.random.default_rng(1)
        count = 3 if any(population.delays for population in work.program.populations) else 1
        sample = work.quantized.sample if "quantize" in work.done else {}
        for name in work.program.inputs:
            low, high = work.program.population(name).given(work.config.value_bits)
            self.integers[name] = sample[name] if sample else rng.integers(
                low, high + 1, (count, *work.program.population(name).shape))
        self.timesteps = len(next(iter(self.integers.values())))
        self.maps = _maps(work.program, self.integers, work)

    def _populations(self, work: Compilation) -> Checked:
        self._run(work)
        sample = work.quantized.sample if "quantize" in work.done else {}
        return _agree("populations", "integers of the quantization and the program", {
            name: (values, self.maps[name]) for name, values in sample.items()}, exact=True)

    def _partition(self, work: Compilation) -> Checked:
        if isinstance(work.parts, MemoryMap):
            found = _maps(work.parts.program, self.integers, work)
            return _agree("partition", "program and what the core holds", {
                name: (values, found[name]) for name, values in self.maps.items()}, exact=True)
        return _agree("partition", "program and fragments", part_maps(work.parts, self.maps, self.timesteps),
                      exact=True)

    def _place(self, work: Compilation) -> Checked:
        placed, count = work.placement, 0
        if placed is None:
            return Checked(step="place", compared="one core: nothing to place", values=0, largest=0.0)
        if not isinstance(work.parts, MemoryMap):
            for fragment in work.parts.hosted:
                core = placed.places.get(fragment.name)
                if core is None or core == placed.host or not all(
                        0 <= at < size for at, size in zip(core, placed.size, strict=True)):
                    raise CheckError("place", f"fragment '{fragment.name}' lies on {core}, of {placed.size} cores with "
                                              f"the host at {placed.host}")
                count += 1
        return Checked(step="place", compared="fragments on cores of the mesh", values=count, largest=0.0)

    def _write(self, work: Compilation) -> Checked:
        some = {name: values[:MAX_TIMESTEPS] for name, values in self.integers.items()}
        wanted = {name: self.maps[name][:MAX_TIMESTEPS] for name in work.program.outputs}
        try:
            with tempfile.TemporaryDirectory() as folder:
                work.image.save(folder)
                loaded: Image | MeshImage = (Image if isinstance(work.image, Image) else MeshImage).load(Path(folder))
        except ImageError as error:
            raise CheckError("write", f"the images cannot be loaded: {error}") from error
        found, _ = events.golden(loaded, some)
        return _agree("write", "fast model and golden core, outputs", {
            name: (values, found[name]) for name, values in wanted.items()}, exact=True)


def _first_frame(work: Compilation) -> tuple[dict[str, Floats], int]:
    """The first frame of the calibration, or sequence, as maps of the model; and its timesteps."""
    if work.calibration is None:
        return {name: values[:1] for name, values in own_frames(work.layers, work.model.source).items()}, 1
    maps, sequences = input_maps(work.model.inputs, work.calibration, "calibration", ignored=work.model.ignored,
                                 spiking=work.layers.spiking)
    count = 1 if not work.layers.spiking else sequences[1] if sequences else len(next(iter(maps.values())))
    return {name: np.asarray(values[:count], np.float64) for name, values in maps.items()}, count


def _maps(program: Program, inputs: Mapping[str, Array], work: Compilation) -> Maps:
    """Values of every population: the frames are one sequence, or the only frame."""
    if timesteps.is_spiking(program):
        return dict(timesteps.run(program, inputs, len(next(iter(inputs.values()))), work.config)[0])
    return {name: result.outputs for name, result in fast.run(program, inputs, work.config).items()}


def _flips(layers: FloatLayers) -> bool:
    """Whether layers round, or fire, so that the last bit of a float may decide."""
    return layers.spiking or any(layer.quantize is not None for layer in layers.layers.values())


def _agree(step: str, compared: str, pairs: Mapping[str, tuple[Array, Array]], *, exact: bool = False,
           flips: bool = False) -> Checked:
    """That each pair of arrays (wanted, found) agrees.

    Raises:
        CheckError: one does not; it names the first place where they differ.
    """
    largest, count = 0.0, 0
    for name, (wanted, found) in pairs.items():
        if wanted.shape != found.shape:
            raise CheckError(step, f"{compared}: '{name}' has the shape {found.shape}, not {wanted.shape}")
        off = np.abs(np.asarray(found, np.float64) - wanted)
        bound = 0.0 if exact else TOLERANCE * max(1.0, float(np.abs(wanted).max(initial=0)))
        wrong = ~(off <= bound)  # NaN is wrong, too
        if wrong.mean() > (MAX_FLIPPED if flips else 0):
            at = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
            frame, channel, x, y = (int(index) for index in at)
            raise CheckError(step, (
                f"{compared} differ first in '{name}', frame {frame}, channel {channel}, column {x}, row {y}: "
                f"{found[at]:g}, not {wanted[at]:g}; {int(wrong.sum()):,} of {wrong.size:,} values differ"))
        largest, count = max(largest, float(off[~wrong].max(initial=0))), count + off.size
    return Checked(step=step, compared=compared, values=count, largest=largest)
