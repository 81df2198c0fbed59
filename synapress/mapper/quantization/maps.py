"""Feature maps on the calibration while a network is quantized: those of float layers, and the integers that became of
them. A map is given up when no layer needs it any more, and large ones wait in files: together they would not fit
memory.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from golden.types import Array, Floats, IntArray
from synapress.mapper.errors import ModelError
from synapress.mapper.lowering.layers import FloatLayers, evaluate_layer, rounded
from synapress.mapper.quantization.scales import Scale

_IN_MEMORY = 8 << 20
"""Bytes of float maps that are held in memory; those beyond are in files, and read when they are asked for."""


class FloatMaps(Mapping[str, Floats]):
    """By layer, its values (N, D, W, H): made of its sources' when they are asked for, and again if they were dropped.

    Raises:
        ModelError: values that are not finite, when they are asked for.
    """

    def __init__(self, layers: FloatLayers, inputs: Mapping[str, Array], timesteps: int):
        """
        Args:
            inputs: by input, frames (N, D, W, H) of any type.
            timesteps: of a model with neurons: so many frames in a row are one sequence.
        """
        self.layers, self.inputs, self.timesteps = layers, inputs, timesteps
        self._made: dict[str, Floats] = {}
        self._stored: dict[str, Path] = {}
        self._numbers = {name: number for number, name in enumerate(layers.layers)}
        self._readers: dict[str, set[str]] = {name: {name} for name in layers.layers}
        for name, layer in layers.layers.items():
            for branch in layer.branches:
                self._readers[branch.source].add(name)
        self._folder: TemporaryDirectory[str] | None = None

    def __getitem__(self, name: str) -> Floats:
        if name in self._made:
            return self._made[name]
        if name in self._stored:
            return np.asarray(np.load(self._stored[name]), np.float64)
        missing, todo = set[str](), [name]
        while todo:
            if (item := todo.pop()) not in missing and item not in self._made and item not in self._stored:
                missing.add(item)
                todo += [branch.source for branch in self.layers.layers[item].branches]
        for item in self.layers.layers:  # sources come first
            if item in missing:
                values = self._evaluated(item)
                self._hold(item, values)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers.layers)

    def __len__(self) -> int:
        return len(self.layers.layers)

    def done(self, layer: str) -> list[str]:
        """Give up the maps that nobody needs once a layer is quantized, and tell which."""
        names = dict.fromkeys([layer, *(branch.source for branch in self.layers.layers[layer].branches)])
        for name in names:
            self._readers[name].discard(layer)
        found = [name for name in names if not self._readers[name]]
        for name in found:
            self._drop(name)
        return found

    def _drop(self, name: str) -> None:
        self._made.pop(name, None)
        if name in self._stored:
            self._stored.pop(name).unlink()

    def _hold(self, name: str, values: Floats) -> None:
        if self.layers.layers[name].kind == "input":
            return  # which the caller has
        if values.nbytes + sum(made.nbytes for made in self._made.values()) <= _IN_MEMORY:
            self._made[name] = values
            return
        self._folder = self._folder or TemporaryDirectory(prefix="synapress-")
        path = Path(self._folder.name) / f"{self._numbers[name]}.npy"
        np.save(path, values)
        self._stored[name] = path

    def _evaluated(self, name: str) -> Floats:
        layer = self.layers.layers[name]
        values = rounded(layer, np.asarray(self.inputs[name], np.float64)) if layer.kind == "input" else (
            evaluate_layer(layer, self, self.timesteps))
        finite = np.isfinite(values)
        if not finite.all():
            chosen = layer.activation
            raise ModelError(
                name, "finite values", "finite results on the calibration",
                f"{int((~finite).sum())} of {values.size} are NaN or infinite"
                + (f", by {chosen.operator or chosen.function}" if chosen else ""),
                "Bound its operand (Clip, Relu, or a constant added) to where the function has finite values, or "
                "calibrate with typical data.")
        return values


class IntegerMaps(dict[str, IntArray]):
    """By layer, its integers (N, D, W, H), in as few bytes as hold them."""

    def keep(self, name: str, values: IntArray) -> None:
        """Hold the integers of a layer."""
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        self[name] = values.astype(np.result_type(np.min_scalar_type(low), np.min_scalar_type(high), np.int16))


class RealMaps(Mapping[str, Floats]):
    """By layer, what its integers mean: made each time it is asked for."""

    def __init__(self, integers: Mapping[str, IntArray], scales: Mapping[str, Scale]):
        self.integers, self.scales = integers, scales

    def __getitem__(self, name: str) -> Floats:
        return np.asarray(self.integers[name] * self.scales[name].step, np.float64)

    def __iter__(self) -> Iterator[str]:
        return iter(self.integers)

    def __len__(self) -> int:
        return len(self.integers)
