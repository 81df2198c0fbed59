"""Resolutions that were searched on the trained gesture network, and what a system gains by them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from synapress.mapper.cim.gains import tuned
from synapress.mapper.cim.stationarity import PUBLISHED
from synapress.reports.cim.account import Found
from synapress.reports.tables import Sheet
from synapress.zoo.gesture.tuned import OBJECTIVES, recorded, rows, tune

RECORDED = "recorded"
"""In place of an objective: what searches have found before, of each."""
CHOICES = (RECORDED, *OBJECTIVES)
WHAT = {"footprint": "footprint", "stationary": "part that stays (HS-min)"}
"""By objective."""


def search(objective: str, *, loss: float, macros: int, sparsities: Sequence[float],
           progress: Callable[[str], None] = lambda _: None) -> Found:
    """Search anew, or look up.

    Args:
        objective: one of CHOICES.
        loss: of accuracy, as a share; of a new search.
        macros: arrays of the system whose gain is told.
    """
    tried = 0

    def report(_: Any) -> None:
        nonlocal tried
        tried += 1
        progress(f"search of resolutions: {tried} tried")

    found = recorded() if objective == RECORDED else {objective: tune(objective=objective, loss=loss, progress=report)}
    return {name: dict(record) | {"gains": _gains(record, macros, sparsities)} for name, record in found.items()}


def _gains(record: Mapping[str, Any], macros: int, sparsities: Sequence[float]) -> Found:
    layers = []
    for layer in PUBLISHED:
        weights, potentials = record["layers"][layer.name]
        layers.append(replace(layer, weight_bits=weights, potential_bits=potentials))
    case = tuned("found", layers, macros)
    return {"macros": macros, "assumes": case.assumes,
            "gains": [{"sparsity": sparsity, "gain": case.gain(sparsity)} for sparsity in sparsities]}


def sheets(found: Found) -> list[Sheet]:
    """A table for each objective."""
    made = []
    for name, record in found.items():
        headings, *lines = rows(dict(record))
        gains = ", ".join(f"{item['gain']:.1%} at {item['sparsity']:g}" for item in record["gains"]["gains"])
        sheet = Sheet(
            title=f"Resolutions searched for a small {WHAT[name]}, at most {100 * record['loss']:.4g}% less accurate",
            headings=tuple(headings),
            caption=f"Of a network trained on drawn gestures: {record['trials']} choices tried on {record['count']} "
            f"recordings, tested on {record['tested']} others. Energy saved with them, "
            f"{record['gains']['macros']} macros, against fixed precision: {gains}.")
        for line in lines:
            sheet.add_row(*line)
        made.append(sheet)
    return made
