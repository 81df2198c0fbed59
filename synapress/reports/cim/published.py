"""The figures of Chauvaux et al., arXiv 2410.23082, beside those of `synapress cim`."""

from collections.abc import Iterator

from synapress.energy.cim import PUBLISHED_FACTOR
from synapress.reports.cells import Cell
from synapress.reports.cim.account import Found, counted

TOTALS = {"WS": 69.8, "OS": 259.5, "HS-min": 23.4, "HS-max": 306.0}
"""kB of operands that stay, at 8-bit weights and 12-bit potentials."""
TWO_MACROS = 1.46
"""How much more HS-min keeps in two macros than WS."""
SOP = {"1.1 V": (7.2, 56.3, 2.5), "0.9 V": (5.7, 44.5, 1.2)}
"""pJ of a synaptic operation at 8 and 16 bits, fJ by the product of the resolutions, GSOPS (table I)."""


def cells(found: Found) -> dict[str, tuple[list[Cell], str]]:
    """Cells and caption by title; those about the paper's network only if it is the one that was counted."""
    groups = {}
    if found["published_network"]:
        groups["Operands that stay"] = (list(_totals(found)), "kB, counted in the cells of placed arrays")
    groups["A synaptic operation, 8-bit weights, 16-bit potentials"] = (
        list(_operations(found)), "Of the paper's power, clock and columns; nothing is measured")
    shapes, idle = found["shapes"], found["shapes"]["idle"]
    groups["Shapes of 16 bits"] = (
        list(_shapes(found)), f"{shapes['channels']} channels side by side. The spread that is published needs idle "
        f"columns at {idle['fitted']:.1%} of an active one's energy; published: {idle['published']:.0%}")
    return groups


def to_json(found: Found) -> Found:
    """What was counted, with these cells."""
    return found | {"published": {title: {"cells": [cell.to_json() for cell in group], "caption": caption}
                                  for title, (group, caption) in cells(found).items()}}


def _totals(found: Found) -> Iterator[Cell]:
    for name, kilobytes in TOTALS.items():
        yield Cell(what=f"{name}, kB", published=kilobytes, ours=counted(found, name)["kept"])
    for held in found["held"]:
        if held["macros"] == 2:
            kept = held["kilobytes"]
            yield Cell(what="HS-min / WS, in 2 macros", published=TWO_MACROS, ours=kept["HS-min"] / kept["WS"],
                       note=f"{kept['HS-min']:g} kB and {kept['WS']:g} kB")


def _operations(found: Found) -> Iterator[Cell]:
    for item in found["operations"]:
        sop, per_bits, rate = SOP[item["point"]]
        yield Cell(what=f"pJ, {item['point']}", published=sop, ours=item["sop"])
        yield Cell(what=f"fJ per bit², {item['point']}", published=per_bits, ours=item["per_bits"])
        yield Cell(what=f"GSOPS, {item['point']}, {item['clock']:g} MHz", published=rate, ours=item["rate"])


def _shapes(found: Found) -> Iterator[Cell]:
    shapes = found["shapes"]
    for what, value in (("published", shapes["spread"]), ("fitted", shapes["fitted_spread"])):
        yield Cell(what=f"dearest / cheapest, idle columns as {what}", published=1 + shapes["published_spread"],
                   ours=1 + value, note="published: less than this")
    for what, value in shapes["pairs"].items():
        yield Cell(what=what, published=PUBLISHED_FACTOR, ours=value, note="which pair is meant is not said")

