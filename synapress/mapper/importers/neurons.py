"""NIR's neurons in discrete time: what the file leaves open is an option here.

NIR writes differential equations, LIF: τ dv/dt = (v_leak - v) + R · I; IF: dv/dt = R · I; a spike where
v > v_threshold, after which v = v_reset. A timestep of dt makes of them v' = decay · v + gain · I + offset, with

    euler   decay = 1 - dt/τ      gain = dt/τ · R           offset = dt/τ · v_leak
    exact   decay = exp(-dt/τ)    gain = (1 - decay) · R    offset = (1 - decay) · v_leak

(or gain = R), and of an IF decay = 1, gain = dt · R (or R), offset = 0 in both. Then v' fires and is reset in the same
timestep, at most once.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from golden.types import Floats, Shape
from synapress.mapper.errors import ModelError
from synapress.mapper.importers import graph as g

METHODS, RESETS, FIRES = ("euler", "exact"), ("zero", "subtract"), (">", ">=")
INITIAL, IF_GAINS, LIF_GAINS = ("zero", "leak", "reset"), ("time", "timestep"), ("rate", "one")
SPIKES, BOUNDS = ("one", "several"), ("none", "below")
_NEXT_TO_ZERO = 1e-12
"""Far less than the unit of any potential."""
_LASTS_EXACT = 20
"""By so many time constants, exp(-20), nothing of a current is left (`method` exact)."""
_SWITCHES = {"yes": True, "no": False, "true": True, "false": False}


@dataclass(frozen=True, kw_only=True)
class Neurons:
    """What a NIR graph leaves open about its neurons. The defaults are NIR's equations, in steps of 1.

    Raises:
        ModelError: an option has an unknown value, or dt is not positive.
    """

    dt: float = 1.0
    """A timestep, in the unit of the file's time constants."""
    method: str = "euler"
    """`euler` (forward), or `exact` for an input that is constant during a timestep."""
    reset: str = "zero"
    """What happens to those that fire: `zero` (to v_reset, which is 0 if the file says nothing), or `subtract`
    threshold - v_reset."""
    fires: str = ">"
    """`>`: above the threshold; `>=`: also at it."""
    late_reset: bool = False
    """Reset after the next timestep's leak, so that what is subtracted does not leak itself."""
    initial: str = "zero"
    """Potential before the first timestep: `zero`, `leak` (v_leak) or `reset` (v_reset)."""

    if_gain: str = "time"
    """What an IF adds to its potential in a timestep: `time`, dt · R · I; or `timestep`, R · I whatever dt is."""
    lif_gain: str = "rate"
    """What a LIF adds: `rate`, R · I times dt/τ or 1 - exp(-dt/τ); or `one`, R · I whatever the leak is."""
    spikes: str = "one"
    """How often a neuron fires in a timestep: `one`, once at most; or `several`, as often as the threshold goes into
    its potential (MultiSpike of sinabs), which the reader does not use: a graph with such neurons is refused."""
    bound: str = "none"
    """The potential's lower bound: `none`; or `below`, clipped (min_v_mem of sinabs), refused for the same reason."""

    def __post_init__(self) -> None:
        for name, choices in (("method", METHODS), ("reset", RESETS), ("fires", FIRES), ("initial", INITIAL),
                              ("if_gain", IF_GAINS), ("lif_gain", LIF_GAINS), ("spikes", SPIKES),
                              ("bound", BOUNDS)):
            if getattr(self, name) not in choices:
                raise ModelError("neurons", name, f"one of {', '.join(choices)}", repr(getattr(self, name)),
                                 "Choose one of them.")
        if not (np.isfinite(self.dt) and self.dt > 0):
            raise ModelError("neurons", "dt", "a positive number", self.dt, "Give the timestep of the training.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Options written as `style`, `style,option=value,...` or `option=value,...`, without a style those of nir.

        Raises:
            ModelError: an unknown style, option or value.
        """
        style, *rest = (part.strip() for part in text.split(","))
        if "=" in style:
            style, rest = "nir", [style, *rest]
        if style not in STYLES:
            raise ModelError("neurons", "neurons", f"one of {', '.join(STYLES)}, perhaps with option=value,... behind "
                             "it, or Neurons(...)", style or "nothing", "Choose one of them.")
        known = [field.name for field in fields(cls)]
        given: dict[str, Any] = {}
        for part in rest:
            name, sign, value = (piece.strip() for piece in part.partition("="))
            if not sign or name not in known or name in given:
                raise ModelError("neurons", "neurons", f"option=value, each once, of {', '.join(known)}",
                                 part or "nothing", "Check the option's name (docs/models.md).")
            given[name] = value
        try:
            if "dt" in given:
                given["dt"] = float(given["dt"])
            if "late_reset" in given:
                given["late_reset"] = _SWITCHES[given["late_reset"]]
        except ValueError:
            raise ModelError("neurons", "dt", "a positive number", given["dt"], "Write it as 1e-4.") from None
        except KeyError:
            raise ModelError("neurons", "late_reset", "yes or no", given["late_reset"], "Choose one of them.") from None
        return cls(**vars(STYLES[style]) | given)

    def __str__(self) -> str:
        """All options, as `parse` takes them."""
        words = {True: "yes", False: "no"}
        return ",".join(f"{name}={words[value] if isinstance(value, bool) else value}"
                        for name, value in vars(self).items())

    @property
    def style(self) -> str | None:
        """The framework whose defaults these options are, if they are."""
        return next((name for name, options in STYLES.items() if options == self), None)


STYLES: dict[str, Neurons] = {
    "nir": Neurons(),
    "snntorch": Neurons(dt=1e-4, reset="subtract", late_reset=True),
    "sinabs": Neurons(method="exact", reset="subtract", fires=">=", spikes="several", bound="below"),
    "norse": Neurons(dt=1e-6, initial="leak", if_gain="timestep"),
}
"""How the frameworks that write NIR compute by default: snnTorch's Leaky, U' = β·U + I - S·θ; sinabs' LIF and IAF, time
in timesteps, with spike_fn=MultiSpike, and the min_v_mem that sinabs sets where it converts a network (`from_model`) or
reads an IF (`from_nir`): the hardware computes neither, so a graph needs spikes=one,bound=none; Norse's LIFBox, LIF and
IAF, whose `to_nir` writes dt · τ, both in seconds, with dt = 1e-3: a timestep is 1e-6 of the file's unit."""


def check_computable(name: str, options: Neurons) -> None:
    """Neurons fire once per timestep at most, and nothing bounds their potential.

    Raises:
        ModelError: the options say otherwise.
    """
    if options.spikes == "one" and options.bound == "none":
        return
    given = f"spikes={options.spikes}, bound={options.bound}"
    if options.style == "sinabs":
        given += ", the defaults of sinabs (MultiSpike; min_v_mem as from_model and from_nir set it)"
    raise ModelError(name, "neurons", "neurons that fire once per timestep at most, with no lower bound of the "
                     "potential: spikes=one, bound=none", given,
                     "A NIR file does not say which they are. If the network was trained with spike_fn=SingleSpike and "
                     "min_v_mem=None, add spikes=one,bound=none (neurons='sinabs,spikes=one,bound=none'); else train "
                     "it so and export it again.")


def neuron(node: Any, name: str, kind: str, options: Neurons, shape: Shape, column: Callable[[str, Any], Floats]
           ) -> tuple[g.Affine, g.Spiking]:
    """A NIR neuron as what happens to its input, and to its potential; both nodes lack their sources.

    Args:
        node: IF, LIF, CubaLIF or Threshold of NIR; a Threshold computes the same whatever the options are.
        column: a parameter's values (D), of the parameter's name and its array.

    Raises:
        ModelError: a parameter makes no neuron that the hardware has.
    """
    def read(key: str) -> Floats:
        return column(key, getattr(node, key))

    zero: Floats = np.zeros(shape[0])
    if kind == "Threshold":
        return _step(name, read("threshold"))
    threshold, v_reset = read("v_threshold"), read("v_reset")
    if kind == "IF":
        decay, gain, offset = zero + 1, read("r"), zero
        gain = options.dt * gain if options.if_gain == "time" else gain
        v_leak = zero
    else:
        v_leak = read("v_leak")
        rate = _rate(name, "tau_mem" if kind == "CubaLIF" else "tau", read, options)
        decay, offset = 1 - rate, rate * v_leak
        gain = read("r") * (rate if options.lif_gain == "rate" else 1)
    if kind == "CubaLIF":
        synaptic = _rate(name, "tau_syn", read, options)
        if (synaptic < 1 - 1e-6).any():
            raise ModelError(name, "synaptic current",
                             f"one that decays within a timestep: tau_syn = {_forgotten(options)}",
                             f"a share of {1 - float(synaptic.min()):.4g} that stays",
                             "A neuron here has one state, its potential: train with LIF, or with tau_syn = "
                             f"{_forgotten(options)}.")
        gain = gain * read("w_in")
    if (threshold <= v_reset).any():
        c = int(np.argmax(threshold <= v_reset))
        raise ModelError(name, "threshold", "v_threshold above v_reset", f"{threshold[c]:.6g} and {v_reset[c]:.6g} in "
                         f"channel {c}", "A neuron that is reset to its threshold fires forever: set v_reset below it "
                         "in the file.")
    late = options.late_reset and (options.reset == "subtract" or bool(v_reset.any()))  # to 0 is the same at any time
    if late and (decay <= 0).any():
        raise ModelError(name, "late reset", "a leak that leaves something of the potential",
                         "dt/tau = 1 (snnTorch: beta = 0)",
                         "The subtraction at a reset cannot outlast the leak: train with beta above 0, or with a "
                         "reset to " + ("0: v_reset = 0 in the file, read with reset=zero." if v_reset.any() else
                            "zero, and give reset=zero."))
    initial = {"zero": zero, "leak": v_leak, "reset": v_reset}[options.initial]
    return (g.Affine(name=f"{name}/current", scale=gain, offset=offset, operator=kind),
            g.Spiking(name=name, decay=decay, threshold=threshold, v_reset=v_reset, initial=initial,
                      reset=options.reset, strict=options.fires == ">", late_reset=late, operator=kind))


def _forgotten(options: Neurons) -> str:
    """The time constant with which nothing outlasts a timestep."""
    return f"dt, {options.dt:.6g}" if options.method == "euler" else (
        f"dt/{_LASTS_EXACT}, {options.dt / _LASTS_EXACT:.6g} (method=exact)")


def _step(name: str, threshold: Floats) -> tuple[g.Affine, g.Spiking]:
    """NIR's Threshold, 1 where its input is above the threshold: a neuron that keeps nothing of its potential.

    A neuron's v_reset must lie below its threshold; here no potential outlasts the timestep, so any value will do. It
    is 0, or a multiple of the threshold, so that whole numbers stay whole.
    """
    below = np.minimum(2 * threshold, 0.0) - (threshold == 0) * _NEXT_TO_ZERO
    zero, one = np.zeros_like(threshold), np.ones_like(threshold)
    return (g.Affine(name=f"{name}/current", scale=one, offset=zero, operator="Threshold"),
            g.Spiking(name=name, decay=zero, threshold=threshold, v_reset=below, initial=zero, operator="Threshold"))


def _rate(name: str, key: str, read: Callable[[str], Floats], options: Neurons) -> Floats:
    """The share of a difference that a timestep takes away: dt/τ, or 1 - exp(-dt/τ)."""
    tau = read(key)
    if (tau <= 0).any():
        raise ModelError(name, key, "positive time constants", float(tau.min()), "Check the file.")
    rate = options.dt / tau if options.method == "euler" else -np.expm1(-options.dt / tau)
    if (rate > 1 + 1e-6).any():
        raise ModelError(name, key, f"dt/{key} of at most 1", f"{options.dt:.6g} / {float(tau.min()):.6g}",
                         "Give neurons with the dt of the training (files of snnTorch: dt=1e-4, of Norse: dt=1e-6); "
                         "method=exact takes any, if the training computed exp(-dt/tau).")
    return np.minimum(rate, 1.0)
