"""The layers of Schaefer et al.'s figures, and a cell of a table: a published figure beside ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synapress.energy.tables import rows
from synapress.reports.organisations.layers import Convolved, Drawn

CONVOLUTION_MODEL = "cacti65"
"""For kernels, which are smaller than the saw's smallest memory."""


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


def drawn(row: Mapping[str, str]) -> Drawn:
    return Drawn(name="published", inputs=int(row["inputs"]), outputs=int(row["outputs"]),
                 density=float(row["density"] or 1), weight_bits=int(row["weight_bits"]))


def dense_rows(inputs: str = "") -> list[dict[str, str]]:
    return [row for row in rows("schaefer.csv") if row["layer"] == "dense" and inputs in ("", row["inputs"])]


def kernel_bits(row: Mapping[str, str]) -> int:
    return int(row["outputs"]) * int(row["kernel"]) ** 2 * int(row["weight_bits"])


def shape(row: Mapping[str, str]) -> str:
    return (f"{row['organisation']} {row['kernel']}×{row['kernel']}, {row['outputs']} channels, image {row['image']}, "
            f"{row['weight_bits']} bits")


def convolved(row: Mapping[str, str], image: int) -> Convolved:
    """Padded such that no synapse is clipped, as the authors count them."""
    kernel = int(row["kernel"])
    return Convolved.square("published", kernel=kernel, image=image, channels=int(row["outputs"]), padding=kernel - 1,
                            weight_bits=int(row["weight_bits"]))
