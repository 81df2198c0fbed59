"""Area of blocks that are made of instances (`rtl.instances`): each kind is synthesized once, and counted as often."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from golden.config import CoreConfig
from rtl.noc.mesh import Mesh
from synapress.tools.area import AreaReport, CmosArea, FpgaArea, LibertyArea, estimate, estimate_around
from synapress.tools.yosys import CACHE


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of part, and how many there are."""

    count: int
    area: AreaReport
    """Of one of them."""

    def to_json(self) -> dict[str, Any]:
        return {"count": self.count, "area": self.area.to_json()}


def mesh_kinds(mesh: Mesh, config: CoreConfig, target: str, *, memory: bool = True, dsp: bool = False,
               liberty: Path | None = None, cache: Path | None = CACHE) -> list[Kind]:
    """The nodes of a mesh by kind, and as "rest" what is around them.

    Arguments and errors as of `synapress.tools.area.estimate`.
    """
    beside = len(mesh.beside)
    counts = {"node": len(mesh.plan.places) - beside, "host_node": beside}
    kinds = []
    for name, node in mesh.parts.items():
        area = estimate(node, config, target, memory=memory, dsp=dsp, liberty=liberty, cache=cache)
        kinds.append(Kind(count=counts[name], area=replace(area, top=name)))
    rest = estimate_around(mesh, config, target, dsp=dsp, liberty=liberty, cache=cache)
    return [*kinds, Kind(count=1, area=replace(rest, memory=memory))]


def together(name: str, kinds: list[Kind]) -> AreaReport:
    """All of them as one block."""
    def total(field: str) -> Any:
        return sum(kind.count * getattr(kind.area, field) for kind in kinds)

    cells: Counter[str] = Counter()
    for kind in kinds:
        cells.update({cell: kind.count * count for cell, count in kind.area.cells.items()})
    fields = {CmosArea: ("transistors",), FpgaArea: ("luts", "block_rams", "dsps"), LibertyArea: ("cell_area",)}
    names = ("flip_flops", "sram_bits", *fields[type(kinds[0].area)])
    return replace(kinds[0].area, top=name, cells=dict(cells), **{field: total(field) for field in names})
