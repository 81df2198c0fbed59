"""Which ways lead a program from a mesh to one core, each tried before it is told."""

from golden.config import PRESETS, CoreConfig
from golden.errors import MappingError, NetworkError
from golden.program import Program
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.rules import check
from synapress.mapper.ways_out import either, searched

QUANTIZED_FOR = ("lanes", "state_bits", "weight_bits", "value_bits", "product_shift_bits", "multiplier_bits",
                 "shift_bits", "operand_bits")
"""What the integers of a compiled model depend on."""


def fits(program: Program, config: CoreConfig) -> bool:
    """Whether one core of a configuration holds a program."""
    try:
        check(legalize(program, config, whole=True), config)
    except (MappingError, NetworkError):
        return False
    return True


def one_core_ways(program: Program, config: CoreConfig) -> str:
    """How to compile a program of a mesh for one core: a sentence that ends another one.

    Args:
        program: its layers, uncut.
        config: of the mesh.
    """
    if fits(program, config):
        return "compile it without a mesh (mesh=None; leave --mesh out): one core holds it."
    presets = [name for name, other in PRESETS.items() if other != config and all(
        getattr(other, field) == getattr(config, field) for field in QUANTIZED_FOR) and fits(program, other)]
    more = searched(config, "address_bits", lambda other: other.address_bits > config.address_bits
                    and fits(program, other))
    ways = (f"compile it for {' or '.join(presets)}, one core of which holds it (config=, --config)" if presets else "",
            f"{more} in the configuration and compile it again, without a mesh" if more else "")
    return (either(*ways)[0].lower() + either(*ways)[1:] if any(ways) else
            f"use a smaller network: neither a core of {config.name} holds it, nor one with more address_bits, nor of "
            f"another preset ({', '.join(PRESETS)}).")
