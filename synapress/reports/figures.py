"""What all pictures share: their colors, matplotlib without a window, and files with the same bytes every time."""

from pathlib import Path

from golden.files import Writing

# Colors that stay apart for color-blind readers (Okabe and Ito).
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")


def figure():  # type: ignore[no-untyped-def]
    """matplotlib's `pyplot`, which is imported only where something is drawn."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    return pyplot


def save(drawn, path: Path) -> None:  # type: ignore[no-untyped-def]
    """Write a PNG or SVG, by the suffix, the same bytes every time."""
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with figure().rc_context({"svg.hashsalt": "synapress"}), Writing() as files, files.open(path) as file:
        drawn.savefig(file, format=path.suffix[1:] or None, dpi=120, metadata=metadata)
    figure().close(drawn)
