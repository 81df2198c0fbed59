"""What is asked of a mapping for throughput."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy.typing as npt

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.network import fast
from golden.program import Program
from golden.types import Place
from synapress.mapper.throughput.work import ACTIVITY, Rates, assumed, measured


@dataclass(frozen=True, kw_only=True, eq=False)
class Throughput:
    """Use many cores so that the busiest one has as little to do as possible, instead of few cores.

    Raises:
        ConfigError: on construction, a number of cores or an activity that is none.
    """

    cores: int | None = None
    """At most so many; None: all of the mesh."""
    activity: float = ACTIVITY
    """Share of the neurons that fire in each layer, where no frames are given; all inputs do."""
    frames: Mapping[str, npt.ArrayLike] = field(default_factory=dict)
    """Sample inputs by name, integers (N, D, W, H) or (D, W, H): how often each neuron fires is measured with them."""

    def __post_init__(self) -> None:
        if self.cores is not None and (type(self.cores) is not int or self.cores < 1):
            raise ConfigError(f"throughput: cores = {self.cores!r} must be an integer of at least 1")
        if not 0 < self.activity <= 1:
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

    def rates(self, program: Program, config: CoreConfig) -> Rates:
        """How often neurons fire: measured, else assumed.

        Raises:
            NetworkError, EventError: the frames do not fit the program's inputs.
        """
        if not self.frames:
            return assumed(program, self.activity)
        return measured({name: result.outputs for name, result in fast.run(program, self.frames, config).items()})
