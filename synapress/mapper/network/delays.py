"""Layers that repeat others some timesteps later: what makes a `synapress.mapper.network.network.Network` recurrent."""

from collections.abc import Sequence

import numpy as np

from golden.types import Shape
from golden.words import Saturation
from synapress.mapper.network.layer import Branch, Layer, refuse

MOST_STEPS = 1 << 12
"""Of a delay: more populations than any mesh holds are not begun with."""


class DelayedLayers:
    """The method that adds such a layer, and what others ask of layers that may be delays."""

    layers: dict[str, Layer]

    def delayed(self, name: str, source: str, *, steps: int = 1, shape: Sequence[int] | None = None) -> str:
        """The values of a layer so many timesteps late; in the first ones it is silent.

        What other layers make of it in timestep t follows from what `source` was in t - steps. The source may be added
        later, so that a layer can hear itself: then `shape` is its shape.

        It takes a core with the neuron type "delay", and there for each step a population of the source's size: a
        state, and an evaluation in each timestep, for each of its neurons.

        >>> import synapress
        >>> net = synapress.Network("recurrent")
        >>> _ = net.input("in", (3, 1, 1))
        >>> back = net.delayed("back", "neurons", shape=(5, 1, 1))
        >>> inputs = [net.branch(name, np.ones((5, depth, 1, 1), int)) for name, depth in (("in", 3), (back, 5))]
        >>> net.output(net.lif("neurons", inputs, threshold=9))
        'neurons'
        """
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or not 1 <= steps <= MOST_STEPS:
            refuse(name, "steps", f"1 to {MOST_STEPS} timesteps, of which each takes a population", repr(steps))
        if shape is None and source in self.layers:
            shape = self.shape(source)
        if shape is None or np.shape(shape) != (3,) or any(
                not isinstance(size, (int, np.integer)) or size < 1 for size in shape):
            there = "" if source in self.layers else f", as there is no layer '{source}' yet"
            refuse(name, "delayed shape", f"a shape (D, W, H){there}", repr(shape))
        depth, width, height = (int(size) for size in shape)
        made = Layer(name=name, kind="delay", shape=(depth, width, height), branches=(Branch(source=source),),
                     saturation=Saturation.FULL, steps=int(steps))
        if source in self.layers:
            self._same_shape(made, self.layer(source))
        return self.insert(made)

    def check_delays(self, source: Layer) -> None:
        """That the layers that wait for one, which is about to be added, have its shape."""
        for layer in self.layers.values():
            if layer.kind == "delay" and layer.branches[0].source == source.name:
                self._same_shape(layer, source)

    @staticmethod
    def _same_shape(layer: Layer, source: Layer) -> None:
        if layer.shape != source.shape:
            refuse(layer.name, "delayed shape", f"that of '{source.name}', {source.shape}", layer.shape)

    def origin(self, name: str) -> Layer:
        """The layer whose values a layer has: itself, or what it delays.

        Raises:
            NetworkError: that is not there, or goes round through delays alone.
        """
        layer, behind = self.layer(name), {name}
        while layer.kind == "delay":
            source = layer.branches[0].source
            if source not in self.layers:
                refuse(layer.name, "delayed shape", f"the layer '{source}'", "none of this name")
            if source in behind:
                refuse(layer.name, "delayed", "a layer that is no delay", f"a circle of delays through '{source}'")
            layer = self.layer(source)
            behind.add(source)
        return layer

    def value_range(self, name: str) -> int:
        """The saturation whose range a layer's values have; FULL of a delay whose source is not there yet."""
        layer = self.layer(name)
        if layer.kind == "delay":
            source = layer.branches[0].source
            return self.value_range(source) if source in self.layers else layer.saturation
        if layer.sends_differences:
            return Saturation.FULL
        if layer.spikes:
            return Saturation.RELU
        if layer.table is not None:
            return Saturation.RELU if layer.table.min() >= 0 else Saturation.FULL
        return layer.saturation

    def layer(self, name: str) -> Layer:
        """A layer that is there."""
        raise NotImplementedError

    def shape(self, name: str) -> Shape:
        """Shape (D, W, H) of a layer."""
        raise NotImplementedError

    def insert(self, layer: Layer) -> str:
        """Add a layer; returns its name."""
        raise NotImplementedError
