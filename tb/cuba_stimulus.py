"""States of CUBA neurons about where they fire and where they are bounded, and what such a neuron covers."""

import random

from golden.config import CoreConfig
from golden.neuron.decay import DECAY_BITS, LEFT_LOG2
from golden.neuron.requantize import shift_rounded
from golden.neuron.states import wrap
from golden.neuron.types import neuron_model
from golden.neuron.types.cuba import CURRENT_BITS, Cuba
from golden.neuron.types.lif import UNBOUNDED, Lif
from golden.types import Fields
from golden.words import Reset, layouts

CUBA_BINS = {f"cuba: {what}" for what in (
    *(f"reset {reset}" for reset in range(4)), "at the threshold", "just below", "at the bound", "below the bound",
    "rest leaks", "leak toward zero", "clipped low", "clipped high", "negative current", "current toward zero",
    "current is lost", "current turns")}


def second_parameter(pick: random.Random, fields: Fields, word: int, config: CoreConfig) -> Fields:
    """The fields of a second parameter word: those of a given word, of CUBA neurons often ends and usual bounds,
    and of bounded spiking ones sometimes no bound."""
    second = layouts(config).second_parameter.unpack(word)
    if neuron_model(fields["type"], config) is Cuba and pick.random() < 0.7:
        second["decay"] = pick.choice([0, 1 << LEFT_LOG2, pick.randint(0, 1 << LEFT_LOG2)])
        second["lowest"], second["highest"] = sorted((second["lowest"], second["highest"]))
    if neuron_model(fields["type"], config) is Lif and pick.random() < 0.15:
        second["lowest"] = UNBOUNDED
    return second


def near_threshold(pick: random.Random, fields: Fields, state: int, parameter: Fields, config: CoreConfig) -> int:
    """A state that fires or not by little, or is bounded or not, if there is one, and else the given one."""
    half = 1 << CURRENT_BITS - 1
    current = pick.choice([-half, half - 1, 0, pick.randint(-half, half - 1), pick.randint(-half, half - 1)])
    target = parameter[pick.choice(["highest", "lowest"])] + pick.choice([-1, 0, 0, 1, pick.randint(0, half)])
    potential = target - parameter["bias"] - current
    if -half <= potential < half:
        return wrap((potential << CURRENT_BITS) + current, config.state_bits)
    return state


def cuba_bins(fields: Fields, state: int, parameter: Fields, config: CoreConfig) -> set[str]:
    """What one neuron covers, of `CUBA_BINS`."""
    fires, kept = Cuba.evaluate_one(state, parameter, fields["saturation"], config, type=fields["type"])
    half, most = 1 << CURRENT_BITS - 1, 1 << LEFT_LOG2
    current, after = wrap(state, CURRENT_BITS), wrap(kept, CURRENT_BITS)
    potential = wrap((state - current) >> CURRENT_BITS, CURRENT_BITS) + current + parameter["bias"]
    over, stays = potential - parameter["highest"], wrap((kept - after) >> CURRENT_BITS, CURRENT_BITS)
    subtracts = fields["saturation"] & 1 == Reset.SUBTRACT
    u = (over if subtracts else 0) if fires else max(potential, parameter["lowest"])
    nearest = shift_rounded(u * parameter["multiplier"], parameter["shift"])
    decay = parameter["decay"] & ((1 << DECAY_BITS) - 1)
    bounded = not fires and parameter["lowest"] < parameter["highest"]
    seen = {
        f"reset {fields['saturation']}": fires and over > 0, "at the threshold": over == 0, "just below": over == -1,
        "at the bound": bounded and potential == parameter["lowest"],
        "below the bound": bounded and potential < parameter["lowest"],
        "rest leaks": fires and subtracts and stays not in (0, over), "leak toward zero": 0 < abs(stays) < abs(nearest),
        "clipped low": stays == -half > nearest, "clipped high": stays == half - 1 < nearest,
        "negative current": after < 0 and stays != 0,
        "current toward zero": after < 0 < current * (most - decay) % most and decay < most,
        "current is lost": current != 0 and decay == most, "current turns": after * current < 0}
    return {f"cuba: {name}" for name, there in seen.items() if there}
