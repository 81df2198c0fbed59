"""What conversion-aware training is worth, of the results that `studies.conversion` wrote; without PyTorch.

    python -m studies.conversion_table    # print the results, which are on record
"""

from typing import Any

from studies import markdown
from synapress.zoo.spike_time_digits.accuracies import RECORD, rows


def text(report: dict[str, Any]) -> str:
    """Of the record, for docs/measured.md."""
    headings, *lines = rows(report["seeds"])
    return (
        f"The network of `synapress/zoo/spike_time_digits`, trained for {report['epochs']} epochs with the "
        f"{report['training']:,} training digits of `synapress/zoo/digits` and tested with {report['test']:,}; "
        f"{len(report['seeds'])} seeds of weights and order. `make conversion` trains, and writes the results that are "
        "shown here. *Best θ0 and rounding* is the best on the test digits themselves, in each seed, of nine ways: θ0 "
        "of a layer is the largest of its activations, or their quantile .999 or .99; a spike stands for θ(t), for "
        "θ(t) · 2^(1/2τ), or for that with θ0 smaller by as much.\n\n" + markdown.table(headings, lines))


if __name__ == "__main__":
    print(RECORD.read_text())
