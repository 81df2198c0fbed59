"""What quantization takes and gives: options, the report on each layer, the integer network with its scales."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError
from golden.types import IntArray
from synapress.mapper.network.network import Network
from synapress.mapper.quantization.scales import Scale, Span

METHODS = ("max", "percentile", "error")

REPORTED_LOSS = 0.95
"""Share of a map's values that became 0 from which a report says so. Sparse maps lose many small values harmlessly."""
MAX_HEADROOM = 1_000_000
"""Largest headroom: it leaves sums 11 of 32 bits. More is a mistake in the setting, such as a scale in its place."""


def _real(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to quantize."""

    method: str = "error"
    """Ranges of activations: `max`, `percentile` or `error` (least mean square error)."""
    percentile: float = 99.99
    headroom: float = 2.0
    """Room in the states beyond the largest sum of the calibration: a sum that wraps is all wrong."""
    saturate: bool = True
    """Neurons that remember keep their potential within half of the states' range, which leaves the other half for what
    one timestep adds: so no inhibited neuron falls until its potential wraps and it fires."""
    bias_correction: bool = True
    levels: int | None = None
    """Steps of an activation above 0; default: as many as 8 bits have, or fewer where 16-bit states ask for it."""

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: an option outside its range.
        """
        levels = self.levels
        for name, right, needed in (
                ("percentile", _real(self.percentile) and 0 < self.percentile <= 100, "more than 0, at most 100"),
                ("headroom", _real(self.headroom) and 0 < self.headroom <= MAX_HEADROOM,
                 f"more than 0, at most {MAX_HEADROOM:,}"),
                ("levels", levels is None or (isinstance(levels, (int, np.integer)) and not isinstance(levels, bool)
                                              and levels >= 1), "a whole number of at least 1"),
                ("saturate", isinstance(self.saturate, bool), "True or False")):
            if not right:
                raise ConfigError(
                    f"option '{name}' of the quantization: needs {needed}; given: {getattr(self, name)!r}")


@dataclass(frozen=True, kw_only=True)
class LayerReport:
    """What became of one layer."""

    layer: str
    step: float
    """Real value of one integer step of its output."""
    sqnr: float
    """dB against the float layer on float inputs: all noise up to here."""
    own_sqnr: float
    """dB against the float layer on the same quantized inputs: the noise that this layer adds."""
    states: tuple[int, int]
    """Lowest and highest sum of the calibration."""
    weight_levels: int
    """Largest integer weight: how finely weights are resolved."""
    spikes: float | None = None
    """Of neurons: spikes that the float layer has too, as a share of those that either has; on float inputs."""
    own_spikes: float | None = None
    """The same, on the same quantized inputs."""
    lost: float | None = None
    """Share of its values, or those of a source of inputs, that are not 0 but became it, if they are nearly all: one
    value of the calibration far above the others makes the step too coarse for these."""

    def to_json(self) -> dict[str, Any]:
        """Every field but those of neurons where there are none."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()
                if value is not None}


@dataclass(kw_only=True)
class Quantized:
    """The integer network, the scale of every layer, and the report."""

    network: Network
    scales: dict[str, Scale]
    report: list[LayerReport]
    measured: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Layer → lowest and highest state of the calibration, for the report on sums."""
    clips: dict[str, dict[str, list[Span]]] = field(default_factory=dict)
    """By output layer and population that clips its values: the integers before saturation, or before the table, that
    the range chosen for the output clips. Bounds of the layers' own functions are no clips."""
    blocks: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By input that the network takes in blocks (`synapress.mapper.importers.tensor.in_blocks`): columns and rows of a
    block."""
    sample: dict[str, IntArray] = field(default_factory=dict)
    """By layer: the integers (N, D, W, H) of the first frame of the calibration, of neurons of the first sequence."""
    firing: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """By layer (D, W, H): the share of the calibration's frames in which a neuron fires."""
