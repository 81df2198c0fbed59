"""The layers of Schaefer et al.'s figures."""

from collections.abc import Mapping

from synapress.energy.tables import rows
from synapress.reports.organisations.layers import Convolved, Drawn

CONVOLUTION_MODEL = "cacti65"
"""For kernels, which are smaller than the saw's smallest memory."""


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
