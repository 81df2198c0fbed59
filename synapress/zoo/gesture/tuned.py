"""Resolutions of the trained gesture network, searched layer by layer, and what was found.

`python -m synapress.zoo.gesture.tuned` searches again, for few bits in all and for few stationary ones, and writes the
record.

Chauvaux et al., arXiv 2410.23082, tune them so (figure 6a), for a data set that is not here: what is found is this
network's, on drawn gestures.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from golden.files import Writing
from synapress.mapper.cim.resolutions import (
    BASELINE_BITS,
    Bits,
    Evaluator,
    Objective,
    Trial,
    facts,
    footprint,
    search,
    stationary,
)
from synapress.mapper.cim.stationarity import KILOBYTE, PUBLISHED
from synapress.mapper.network.populations import lower
from synapress.zoo.gesture.recordings import data
from synapress.zoo.gesture.trained import trained

RECORD = Path(__file__).with_suffix(".json")
"""What `tune` gave, by objective; `synapress cim --search` shows it."""
OBJECTIVES: dict[str, Objective] = {"footprint": footprint, "stationary": stationary}
"""All weights and potentials; of each layer the smaller operand."""
NAMES = tuple(layer.name for layer in PUBLISHED)
FIXED: Bits = PUBLISHED[0].weight_bits, PUBLISHED[0].potential_bits
"""Of all layers, in the paper's four totals."""
TUNING, TESTING = 3, 2
"""Seeds of recordings: for the search, and for the accuracy that is told, neither of which trained the network."""


def tune(
    *, objective: str = "footprint", loss: float = 0.02, count: int = 88, tested: int = 110,
    progress: Callable[[Trial], None] = lambda _: None,
) -> dict[str, Any]:
    """Search the resolutions of the six convolutions; the dense layers keep 8 bits, and potentials that do not wrap.

    Args:
        objective: of `OBJECTIVES`.
        loss: of accuracy, as a share of the recordings.
        count: recordings of the search.
        tested: other recordings, for the accuracies that are told beside those of the search.

    Returns:
        What JSON can hold: the arguments, `layers` (bits of weights and potentials), `trials` (how many), `bits` by the
        objective and `accuracy` (search, test) of the baseline, of the paper's fixed bits and of what was found; of the
        latter also with potentials that saturate.
    """
    program = lower(trained())
    parts = [data(count, TUNING), data(tested, TESTING)]
    tries = Evaluator(program, *parts[0])
    found = search(tries, NAMES, loss=loss, objective=OBJECTIVES[objective], progress=progress)
    best = dict(found.best.resolutions)
    choices = {"baseline": dict.fromkeys(NAMES, BASELINE_BITS), "fixed": dict.fromkeys(NAMES, FIXED), "found": best}
    return {
        "objective": objective, "loss": loss, "count": count, "tested": tested, "trials": len(found.trials),
        "layers": {name: list(bits) for name, bits in best.items()},
        "bits": {name: OBJECTIVES[objective](facts(program, NAMES, bits)) for name, bits in choices.items()},
        "accuracy": {
            **{name: [tries.elsewhere(bits, *part) for part in parts] for name, bits in choices.items()},
            "found, saturating": [tries.elsewhere(best, *part, saturate=True) for part in parts]},
    }


def rows(record: dict[str, Any]) -> list[list[str]]:
    """Lines and columns, headings first: bits of each layer, kilobytes, accuracies."""
    table = [["resolutions", *NAMES, "kB", "of 8b/12b", "accuracy, search", "accuracy, test"]]
    fixed = record["bits"]["fixed"]
    for name, title in (("baseline", "baseline"), ("fixed", "the paper's, fixed"), ("found", "found"),
                        ("found, saturating", "found, potentials saturate")):
        bits = record["bits"].get(name, record["bits"]["found"])
        pairs: Sequence[Sequence[int]] = {
            "baseline": [BASELINE_BITS] * len(NAMES), "fixed": [FIXED] * len(NAMES),
        }.get(name, list(record["layers"].values()))
        table.append([title, *(f"{weights}b/{potentials}b" for weights, potentials in pairs),
                      f"{bits / KILOBYTE:.1f}", f"{bits / fixed:.2f}",
                      *(f"{100 * share:.1f} %" for share in record["accuracy"][name])])
    return table


def recorded() -> dict[str, dict[str, Any]]:
    """What is in `RECORD`, by objective."""
    found: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Search for each objective, tell each trial, and write the record."""
    found = {}
    for objective in OBJECTIVES:
        def told(trial: Trial, objective: str = objective) -> None:
            bits = " ".join(f"{name} {weights}b/{potentials}b" for name, (weights, potentials) in trial.resolutions)
            print(f"{objective}: {trial.bits / KILOBYTE:.1f} kB, {trial.accuracy:.1%}: {bits}", flush=True)

        found[objective] = tune(objective=objective, progress=told)
        print("\n".join("  ".join(row) for row in rows(found[objective])), flush=True)
    with Writing() as files:
        files.write(RECORD, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
