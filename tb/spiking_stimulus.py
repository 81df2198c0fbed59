"""What one neuron that fires at its threshold covers."""

from golden.config import CoreConfig
from golden.neuron.states import wrap
from golden.neuron.types.spiking import spike_one
from golden.types import Fields
from golden.words import Reset


def spiking_bins(reset: int, state: int, parameter: Fields, config: CoreConfig) -> set[str]:
    """Bins of the type SPIKING."""
    half = 1 << (config.state_bits - 1)
    fires, kept = spike_one(state, **parameter, reset=reset, config=config)
    potential = state + parameter["bias"]
    over = potential - wrap(parameter["slope"], config.state_bits + 1)
    seen = {
        f"spiking: reset {reset}": fires and over > 0, "spiking: at the threshold": over == 0,
        "spiking: just below": over == -1, "spiking: negative threshold": fires and parameter["slope"] < 0,
        "spiking: leak": 0 < parameter["multiplier"] < 1 << parameter["shift"] and kept not in (0, -1),
        "spiking: rest leaks": bool(fires) and reset & 1 == Reset.SUBTRACT and parameter["shift"] > 0 and kept > 0,
        "spiking: potential too large": potential >= half, "spiking: potential too small": potential < -half,
        "spiking: clipped low": kept == -half, "spiking: clipped high": kept == half - 1,
        "spiking: half of the range, low": bool(reset & Reset.HALVED) and kept == -half // 2,
        "spiking: half of the range, high": bool(reset & Reset.HALVED) and kept == half // 2 - 1,
    }
    return {name for name, there in seen.items() if there}
