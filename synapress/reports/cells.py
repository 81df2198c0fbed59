"""Cells of a table that has a published figure beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synapress.reports.tables import Sheet


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A published figure and ours; None where the model says nothing."""

    what: str
    published: float
    ours: float | None
    note: str = ""

    @property
    def residual(self) -> float | None:
        """Of ours, relative."""
        return None if self.ours is None else self.ours / self.published - 1

    def to_json(self) -> dict[str, Any]:
        return {"what": self.what, "published": self.published, "ours": self.ours, "residual": self.residual,
                "note": self.note}


def beside(title: str, cells: Sequence[Cell], caption: str = "") -> Sheet:
    """A row for each cell, with what ours differs by."""
    headings = ("figure", "published", "ours", "residual", "note")
    sheet = Sheet(title=title, headings=headings, left=(0, 4), caption=caption)
    for cell in cells:
        sheet.add_row(cell.what, f"{cell.published:.4g}", "" if cell.ours is None else f"{cell.ours:.4g}",
                      "" if cell.residual is None else f"{cell.residual:+.1%}", cell.note)
    return sheet
