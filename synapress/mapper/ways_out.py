"""What a refusal advises, in the forms that tests recognize and follow: `tests/helpers/hint_forms.py` has them all.

Fields of a configuration share words of 64 bits, so that most of them cannot grow: of a field only a value is advised
with which there is a configuration.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from golden.config import CoreConfig
from golden.errors import ConfigError

MESH = "map it to a mesh"
"""Of what one core refuses, and a cut may mend."""
_WIDEST = 32
"""No field has more bits."""
_BESIDE: dict[str, Callable[[CoreConfig, int], dict[str, int]]] = {
    "coordinate_bits": lambda config, bits: {"offset_bits": max(config.offset_bits, bits + 1)},
    "population_bits": lambda config, bits: {"edge_bits": max(config.edge_bits, bits),
                                             "channel_bits": max(config.channel_bits, bits)},
    "mesh_bits": lambda config, bits: {"offset_bits": max(config.offset_bits, bits)},
}
"""What else a configuration with more bits of a field needs."""


def signed_bits(value: int) -> int:
    """Bits of a two's complement field that holds a value."""
    return (value if value >= 0 else ~value).bit_length() + 1


@lru_cache(maxsize=4096)
def raised(config: CoreConfig, field: str, bits: int) -> str:
    """The advice to give a field so many bits, with what else that takes; empty if no configuration has them."""
    if not getattr(config, field) < bits <= _WIDEST:
        return ""
    return changed(config, {field: bits, **_BESIDE.get(field, lambda *_: {})(config, bits)})


def changed(config: CoreConfig, changes: Mapping[str, Any]) -> str:
    """The advice to give fields these values; empty if they have them, or no configuration does."""
    try:
        replace(config, **changes)
    except ConfigError:
        return ""
    ways = [f"{'raise' if bits > getattr(config, name) else 'lower'} {name} to {bits}"
            for name, bits in changes.items() if bits != getattr(config, name)]
    return " and ".join(ways)


def searched(config: CoreConfig, field: str, fits: Callable[[CoreConfig], bool]) -> str:
    """The advice to give a field the nearest number of bits with which something fits; empty if there is none."""
    now = getattr(config, field)
    for bits in sorted(range(1, _WIDEST + 1), key=lambda bits: (abs(bits - now), bits)):
        try:
            other = replace(config, **dict[str, Any]({field: bits}))
        except ConfigError:
            continue
        if fits(other):
            return changed(config, {field: bits})
    return ""


def either(*ways: str) -> str:
    """Ways out as one sentence; empty ones are left out."""
    *first, last = [way for way in ways if way] or ["no configuration has room for it: change the network"]
    text = f"{', '.join(first)}, or {last}" if first else last
    start = text if text.startswith("synapress.") else f"{text[0].upper()}{text[1:]}"
    return f"{start}."
