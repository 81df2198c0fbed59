"""States of bounded spiking neurons about where they fire, once or often, and what such a neuron covers."""

import random

from golden.config import CoreConfig
from golden.neuron.requantize import shift_rounded
from golden.neuron.states import wrap
from golden.neuron.types.lif import SEVERAL, TOWARD_ZERO, UNBOUNDED, Lif
from golden.types import Fields
from golden.words import Reset

LIF_BINS = {f"lif: {what}" for what in (
    "reset to a value", "at the threshold", "just below", "below the bound", "rest leaks", "toward zero",
    "half to even", "clipped low", "clipped high", "several spikes", "all that an event holds",
    "more than an event holds", "below zero and above a threshold", "no bound")}


def required_lif_bins(config: CoreConfig) -> set[str]:
    """Those that a long enough run must have, of a core with such neurons; states of 32 bits are beyond any bound."""
    if "lif" not in config.neuron_types:
        return set()
    return LIF_BINS - {"lif: clipped low" if config.state_bits == 32 else "lif: no bound"}


def near_multiple(pick: random.Random, state: int, parameter: Fields, config: CoreConfig) -> int:
    """A state that is about a few times the threshold, or the bound, if there is one, and else the given one."""
    half, most = 1 << config.state_bits - 1, (1 << config.value_bits - 1) - 1
    threshold = wrap(parameter["slope"], config.state_bits + 1)
    times = pick.choice([1, 1, 2, most, most + 1, pick.randint(1, most)])
    target = pick.choice([times * threshold, times * threshold, parameter["lowest"]])
    found = target + pick.randint(-1, 1) - parameter["bias"]
    return found if -half <= found < half else state


def lif_bins(fields: Fields, state: int, parameter: Fields, config: CoreConfig) -> set[str]:
    """What one neuron covers, of `LIF_BINS`."""
    value, kept = Lif.evaluate_one(state, parameter, fields["saturation"], config, type=fields["type"])
    potential, half = state + parameter["bias"], 1 << config.state_bits - 1
    threshold, most = wrap(parameter["slope"], config.state_bits + 1), (1 << config.value_bits - 1) - 1
    over, several = potential - threshold, fields["type"] == SEVERAL and potential >= threshold
    power = max(0, (threshold & (2 * half - 1)).bit_length() - 1)
    free = parameter["lowest"] == UNBOUNDED > -half
    bounded = potential < parameter["lowest"] < threshold and not free
    u = parameter["lowest"] if bounded else potential
    leaked = u * parameter["multiplier"] / 2.0 ** parameter["shift"]
    seen = {
        "reset to a value": over >= 0 and fields["saturation"] & 1 == Reset.ZERO and kept == parameter["highest"] != 0,
        "at the threshold": over == 0, "just below": over == -1, "below the bound": bounded,
        "no bound": free and potential < UNBOUNDED and over < 0,
        "rest leaks": over > 0 and fields["saturation"] & 1 == Reset.SUBTRACT and 0 < kept < over,
        "toward zero": over < 0 and fields["saturation"] & TOWARD_ZERO and -half < kept < 0
        and kept > round(leaked),
        "half to even": over < 0 and not fields["saturation"] & TOWARD_ZERO and 0 < abs(kept) < half - 1
        and kept == shift_rounded(u * parameter["multiplier"], parameter["shift"]) != int(leaked),
        "clipped low": kept == -half, "clipped high": kept == half - 1, "several spikes": several and 1 < value < most,
        "all that an event holds": several and potential >> power == most,
        "more than an event holds": several and potential >> power > most,
        "below zero and above a threshold": several and potential < 0}
    return {f"lif: {name}" for name, there in seen.items() if there}
