"""What the layers of a trained model may ask of a core, read from its configuration.

The importers and `synapress.mapper.lowering.split_layers` shape layers by these; `synapress.mapper.rules` checks the
result word by word.
"""

from dataclasses import dataclass, replace

from golden.config import CoreConfig
from golden.words import layouts
from synapress.mapper.rules import most_ids, steps

_PARTS = 12
"""A value in more parts is brought together, even where there are more event IDs: its reader may have other sources."""
_LAYERS = 16
"""A result is cut into so many layers at most, even where its source may have more axons."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one core."""

    ids: int
    """Event IDs into one population."""
    core_ids: int
    """Event IDs of a core."""
    words: int
    """Memory words of a core."""
    taps: int
    """Taps of a descriptor's kernel, along one axis."""
    strides: tuple[int, ...]
    upsampling: tuple[int, ...]
    """Factors, 1 among them."""
    readers: int
    """Populations that one source may send to, and that may send to one destination."""

    @classmethod
    def of(cls, config: CoreConfig) -> "Limits":
        population, axon = layouts(config).population, layouts(config).axon
        return cls(
            ids=most_ids(config),
            core_ids=config.max_edges,
            words=config.memory_words,
            taps=min(axon.field("kernel_width").high, (1 << (config.offset_bits - 2)) - 1),
            strides=tuple(sorted(steps(config))),
            upsampling=tuple(1 << shift for shift in range(axon.field("upsample").high + 1)),
            readers=min(population.field("axons").high, population.field("incoming").high))

    @property
    def usual(self) -> "Limits":
        """The limits of `grai_vip` in all but strides and upsampling.

        What they lead to is the same on every core that can have it; only others choose by their own.
        """
        return replace(Limits.of(CoreConfig()), strides=self.strides, upsampling=self.upsampling)

    @property
    def parts(self) -> int:
        """Parts of a value that one layer reads."""
        return min(_PARTS, self.ids)

    @property
    def many_parts(self) -> int:
        """Most parts of a value; one with more is copied into one map, whatever its consumer."""
        return _PARTS

    @property
    def layers(self) -> int:
        """Layers that a result may be cut into."""
        return min(_LAYERS, self.readers)
