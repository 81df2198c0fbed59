"""What is asked of a mapping for throughput."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.network import fast
from golden.program import Program
from golden.types import Place
from synapress.mapper.throughput.work import ACTIVITY, Rates, assumed, measured


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """How often neurons fire, as a mapping for throughput has it, and how that is known."""

    rates: Rates
    how: str
    """In words: what was measured, or what was assumed."""
    measured: frozenset[str]
    """Populations whose rates were measured."""

    @property
    def shares(self) -> dict[str, float]:
        """By population, the share of its neurons that fire in a frame."""
        return {name: float(np.mean(rate)) for name, rate in self.rates.items()}

    def to_json(self) -> dict[str, Any]:
        return {"how": self.how, "layers": {name: {"share": round(share, 4), "measured": name in self.measured}
                                            for name, share in self.shares.items()}}

    def __str__(self) -> str:
        return f"activity, {self.how}: " + ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class Throughput:
    """Use many cores so that the busiest one has as little to do as possible, instead of few cores.

    Raises:
        ConfigError: on construction, a number of cores or an activity that is none.
    """

    cores: int | None = None
    """At most so many; None: all of the mesh."""
    activity: float | None = None
    """Share of the neurons that fire in each layer, where no frames are given; all inputs do. None: what was measured
    on the frames of a calibration, else 0.5."""
    frames: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    """Sample inputs by name, integers (N, D, W, H) or (D, W, H): how often each neuron fires is measured with them."""

    def __post_init__(self) -> None:
        if self.cores is not None and (type(self.cores) is not int or self.cores < 1):
            raise ConfigError(f"throughput: cores = {self.cores!r} must be an integer of at least 1")
        if self.activity is not None and not 0 < self.activity <= 1:
            raise ConfigError(f"throughput: activity = {self.activity!r} must be above 0 and at most 1")

    def allowed(self, mesh: Place | bool | None, host: Place | None) -> int:
        """How many cores may be used.

        Raises:
            ConfigError: neither a number nor a mesh is given, or one core is asked for by `mesh`, or more than the mesh
                has.
        """
        if mesh is False:
            raise ConfigError("throughput: needs a mesh, and mesh = False asks for one core; leave one of them out")
        if not isinstance(mesh, tuple):
            if self.cores is None:
                raise ConfigError("throughput: on how many cores? Give a mesh, such as 4x3, or a number of cores")
            return self.cores
        inside = host is not None and 0 <= host[0] < mesh[0] and 0 <= host[1] < mesh[1]
        there = mesh[0] * mesh[1] - inside
        if self.cores is not None and self.cores > there:
            raise ConfigError(f"throughput: {self.cores} cores, and a mesh of {mesh[0]} × {mesh[1]} has {there}; give "
                              "fewer cores or a larger mesh")
        return there if self.cores is None else self.cores

    def rates(self, program: Program, config: CoreConfig, calibrated: Rates | None = None) -> Activity:
        """How often neurons fire: measured on the frames given here, as the activity given here, measured on those of a
        calibration, or assumed; what comes first.

        Args:
            calibrated: by layer, measured by the quantization; layers that it does not have are assumed.

        Raises:
            NetworkError, EventError: the frames do not fit the program's inputs.
        """
        if self.frames:
            found = measured({name: result.outputs for name, result in fast.run(program, self.frames, config).items()})
            return Activity(rates=found, how="measured on sample frames", measured=frozenset(found))
        if self.activity is not None or not calibrated:
            share = ACTIVITY if self.activity is None else self.activity
            return Activity(rates=assumed(program, share), measured=frozenset(),
                            how=f"{'assumed' if self.activity is None else 'given'}: {share:.0%} of each layer")
        known = {population.name: calibrated[population.name] for population in program.populations
                 if population.name in calibrated and np.shape(calibrated[population.name]) == population.shape}
        rest = "" if len(known) == len(program.populations) else f", else assumed: {ACTIVITY:.0%} of a layer"
        return Activity(rates={**assumed(program), **known}, measured=frozenset(known),
                        how=f"measured on the calibration{rest}")
