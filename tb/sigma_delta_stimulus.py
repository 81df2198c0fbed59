"""States of sigma-delta neurons whose values lie near the last ones, and what such a neuron covers."""

import random

from golden.config import CoreConfig
from golden.neuron.requantize import evaluate_one
from golden.neuron.states import wrap
from golden.neuron.types.sigma_delta import ENCODER, READOUT, SigmaDelta
from golden.types import Fields
from golden.words import Saturation

SIGMA_DELTA_BINS = {f"sigma-delta: {what}" for what in (
    "sent", "kept back", "at the threshold", "just below", "clipped low", "clipped high", "negative sum", "readout",
    "encoder moves", "encoder stays", "sum at its end")}


def _both(fields: Fields, state: int, parameter: Fields, config: CoreConfig) -> tuple[int, int, int]:
    """Sigma, what its value is, and the last one."""
    bits = SigmaDelta.sum_bits(config)
    sigma = wrap(state, bits)
    value = evaluate_one(sigma, **parameter, saturation=min(fields["saturation"], Saturation.FULL), config=config,
                         table=None)
    return sigma, value, wrap((state - sigma) >> bits, config.value_bits)


def near_last(pick: random.Random, fields: Fields, state: int, parameter: Fields, config: CoreConfig) -> int:
    """A state with the sigma of another, or one at an end, whose value is about as far from the last as may be sent."""
    bits, half = SigmaDelta.sum_bits(config), 1 << config.value_bits - 1
    state = pick.choice([-(1 << bits - 1), (1 << bits - 1) - 1]) if pick.random() < 0.05 else wrap(state, bits)
    sigma, value, _ = _both(fields, state, parameter, config)
    way = pick.choice([-1, 1]) * (wrap(parameter["slope"], config.value_bits) + pick.randint(-1, 1))
    last = pick.choice([value + way, value + way, -half, half - 1, value, pick.randint(-half, half - 1)])
    return wrap((wrap(last, config.value_bits) << bits) + sigma, config.state_bits)


def sigma_delta_bins(fields: Fields, state: int, parameter: Fields, config: CoreConfig) -> set[str]:
    """What one neuron covers, of `SIGMA_DELTA_BINS`."""
    high = (1 << SigmaDelta.sum_bits(config) - 1) - 1
    sigma, value, last = _both(fields, state, parameter, config)
    threshold, delta, half = wrap(parameter["slope"], config.value_bits), value - last, 1 << config.value_bits - 1
    if fields["type"] == READOUT:
        return {"sigma-delta: readout"} if delta and value else set()
    encoder, sends = fields["type"] == ENCODER, abs(delta) >= threshold and delta != 0
    seen = {
        "sent": sends and not encoder, "kept back": delta != 0 and not sends, "clipped low": sends and delta < -half,
        "at the threshold": threshold > 0 and abs(delta) == threshold, "clipped high": sends and delta >= half,
        "just below": threshold > 1 and abs(delta) == threshold - 1, "negative sum": sends and sigma < 0,
        "encoder moves": encoder and sends and sigma < 0, "encoder stays": encoder and not sends and sigma < 0,
        "sum at its end": sigma in (-high - 1, high)}
    return {f"sigma-delta: {name}" for name, there in seen.items() if there}
