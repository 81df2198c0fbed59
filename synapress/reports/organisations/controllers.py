"""The decoders of memory organisations: their area, and the energy of a cycle by synthesized cells and a trace."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from golden.config import CoreConfig
from golden.synapse.organisations.interface import Pass
from synapress.energy.controller import PARAMETERS, logic
from synapress.energy.memory import Cacti, MemoryModel
from synapress.reports.organisations.compare import ADDRESS_BITS, packed, sizes_of
from synapress.reports.organisations.layers import Layer
from synapress.reports.organisations.learning import PASSES, asked, learning_sizes, variants
from synapress.reports.tables import Sheet
from synapress.tools.area import FpgaArea, estimate
from synapress.tools.decoders import decoder, gates, there_is, trace

FPGA = "xilinx"
"""The family whose LUTs are told."""


@dataclass(frozen=True, kw_only=True)
class Controller:
    """A decoder on one layer."""

    organisation: str
    layer: str
    walk: str = "forward"
    """What the trace is of."""
    transistors: int
    flip_flops: int
    luts: int
    fpga_flip_flops: int
    cycles: int
    """Of the trace."""
    share: float
    """Of its nets, those that change in a cycle of the trace."""
    energy: dict[str, float]
    """pJ of a cycle, by model of the memory, whose technology the logic has."""
    models: dict[str, str]
    """What each of these rests on."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def controllers(name: str, layer: Layer, *, word_bits: int, serial: bool, seed: int, models: Sequence[MemoryModel],
                capacitance: float | None, learning: bool = False, progress: Callable[[str], None] = lambda _: None
                ) -> list[Controller]:
    """The decoder of an organisation at work on a layer, forward or in all passes; none if the hardware has none.

    Args:
        capacitance: of a transistor, fF; None: that of its gate in each technology.

    Raises:
        NetworkError, ImageError, FieldRangeError: the organisation cannot hold the layer.
        ToolError: Yosys is missing or failed.
    """
    if not there_is(name):
        return []
    variant = variants(name, layer, word_bits)[0]
    sizes = (learning_sizes(variant, word_bits=word_bits, serial=serial) if learning else
             sizes_of(word_bits=word_bits, serial=serial))
    made = packed(name, layer, sizes, seed)
    progress(f"{name}: synthesis of its decoder, and a trace of its gates")
    netlist = gates(name, sizes)
    fpga = cast(FpgaArea, estimate(decoder(name, sizes), CoreConfig.preset("grai_vip"), FPGA))
    of = {model.name: logic(model.technology, capacitance) for model in models
          if isinstance(model, Cacti) and model.technology in PARAMETERS}
    found = []
    for walk, what in (PASSES if learning else {"forward": Pass.FORWARD}).items():
        moved = trace(made, asked(name, layer, what).tolist(), walk=what, netlist=netlist)
        found.append(Controller(
            organisation=name, layer=layer.name, walk=walk, transistors=moved.transistors, flip_flops=moved.flip_flops,
            luts=fpga.luts, fpga_flip_flops=fpga.flip_flops, cycles=moved.cycles, share=moved.share,
            energy={model: item.energy(moved.transitions + moved.clock) for model, item in of.items()},
            models={model: item.source for model, item in of.items()}))
    return found


def sheet(found: Sequence[Controller]) -> Sheet:
    """A row for each decoder."""
    names, learning = list(found[0].energy), len({item.walk for item in found}) > 1
    made = Sheet(title="Decoders", headings=(
        "organisation", *(("pass",) if learning else ()), "transistors", "flip-flops", f"{FPGA} LUTs",
        "nets that change", *(f"pJ a cycle, {name}" for name in names)), left=(0, 1) if learning else (0,))
    for item in found:
        made.add_row(item.organisation, *((item.walk,) if learning else ()), f"{item.transistors:,}",
                     f"{item.flip_flops:,}", f"{item.luts:,}", f"{item.share:.1%}",
                     *(f"{item.energy[name]:.3g}" for name in names))
    made.caption = (
        f"With addresses of {ADDRESS_BITS} bits. Transitions of the synthesized gates while the decoder walks through "
        f"the layer '{found[0].layer}' (at least {min(item.cycles for item in found):,} cycles), times the transistors "
        f"that each net drives; {'; '.join(f'{name}: {text}' for name, text in found[0].models.items())}. The saw's "
        "energies hold the authors' controllers already.")
    return made
