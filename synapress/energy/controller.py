"""Energy of logic: transitions of nets, each times the transistors that it drives, in pJ.

The parameters are CACTI 7's own for low standby power (repository HewlettPackard/cacti, tech_params, column lstp), so
that logic and memories are of one technology. A transistor's gate has C_g_ideal + overlap (a fifth of it) + 3 C_fringe
for each µm of its width, as in CACTI's `gate_C`; an nMOS is taken twice as wide as CACTI's least, 3 feature sizes, a
pMOS n2p_drv_rt times that. Wires, drains, glitches and the tree that leads the clock to the flip-flops are not in it:
it is a lower bound, for comparing controllers, and the capacitance can be given.
"""

from dataclasses import dataclass

from golden.errors import ConfigError

PARAMETERS = {22: (0.8, 0.322, 0.080, 2.0), 32: (1.0, 0.458, 0.053, 2.23), 45: (1.1, 0.518, 0.080, 2.23),
              65: (1.2, 0.614, 0.080, 2.23)}
"""By feature size (nm): supply (V), C_g_ideal and C_fringe (fF/µm), n2p_drv_rt."""
OVERLAP, FRINGES = 0.2, 3
NMOS_FEATURES = 3
"""Width of an nMOS in feature sizes."""


@dataclass(frozen=True)
class Logic:
    """What a transition costs.

    Raises:
        ConfigError: on construction, a number is not positive.
    """

    capacitance: float
    """Of one transistor, fF."""
    supply: float
    """V."""
    source: str

    def __post_init__(self) -> None:
        if not (self.capacitance > 0 and self.supply > 0):
            raise ConfigError("energy of logic: needs a positive capacitance and supply; given: "
                              f"{self.capacitance:g} fF, {self.supply:g} V")

    def energy(self, transitions: float) -> float:
        """pJ of so many transitions times driven transistors: half of C V² each."""
        return 0.5 * self.capacitance * self.supply ** 2 * transitions / 1000


def logic(technology: int, capacitance: float | None = None) -> Logic:
    """Logic of a technology.

    Args:
        technology: feature size in nm, one of PARAMETERS.
        capacitance: of a transistor, fF; default: that of its gate.

    Raises:
        ConfigError: no such technology, or no positive capacitance.
    """
    if technology not in PARAMETERS:
        raise ConfigError(f"energy of logic: has {', '.join(map(str, PARAMETERS))} nm; asked for: {technology}")
    supply, ideal, fringe, ratio = PARAMETERS[technology]
    width = NMOS_FEATURES * technology / 1000 * (1 + ratio) / 2
    chosen = width * (ideal * (1 + OVERLAP) + FRINGES * fringe) if capacitance is None else capacitance
    return Logic(chosen, supply, f"{chosen:.3g} fF for each transistor that a net drives, {supply:g} V, gates only: "
                                 "no wires, glitches or clock tree")
