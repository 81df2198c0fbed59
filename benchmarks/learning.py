"""Training of a network of 700, 400 and 250 spiking neurons: what bits and density of the weights cost.

    python -m benchmarks.learning [--epochs N] [--seeds N] [--bits BITS[,BITS...]] [--density SHARE[,SHARE...]]
        [--checkpoint FILE] [--json FILE] [--figure FILE]

The task is drawn (`synapress.learning.task`), so losses compare with each other and not with those of Schaefer et al.,
ISCAS 2020. Seeds are those of first weights, of which weights there are, and of rounding; inputs and picture are always
the same. The **loss** is the van Rossum distance; a network's is the mean of its last ten epochs. **Retention** is
1 - loss / loss of a network without any spike: how much of the picture is drawn. With 2 and 5 bits at density 1 the
degradation of a bitmap of 2 bits against a crossbar of 5 bits is told, beside the 4 % of the paper, in which both
organisations hold the weights exactly, so that only the bits count.

With `--checkpoint` an interrupted run goes on where the file was written, with the same results.
"""

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks.outputs import check_outputs
from golden.errors import ConfigError, SynapressError
from golden.files import write
from synapress.learning.task import Task, draw
from synapress.learning.training import Network, Training
from synapress.reports.plots import learning_picture
from synapress.reports.tables import Sheet, show

EPOCHS, SEEDS, BITS, DENSITIES = 200, 3, (2, 4, 5, 6, 8), (1.0, 0.7, 0.5, 0.3)
LAST = 10
"""Epochs whose mean is the loss at the end."""
PUBLISHED = 0.04
"""Degradation for 1.37 times less energy, Schaefer et al., abstract."""


def result(training: Training, which: int, silence: float) -> dict[str, Any]:
    """What became of one network."""
    network, losses = training.networks[which], training.losses[which]
    final = float(np.mean(losses[-LAST:]))
    return {"bits": network.weight_bits, "density": network.density, "seed": network.seed, "first": losses[0],
            "final": final, "least": min(losses), "retention": 1 - final / silence,
            "not zero": [float(np.mean(codes != 0)) for codes in training.codes(which)],
            "losses": [round(loss, 2) for loss in losses]}


def groups(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Networks that differ in the seed alone, as one: mean, least and most."""
    rows = []
    for bits, density in dict.fromkeys((row["bits"], row["density"]) for row in found):
        some = [row for row in found if (row["bits"], row["density"]) == (bits, density)]
        finals = [row["final"] for row in some]
        rows.append({
            "bits": bits, "density": density, "seeds": len(some),
            "first": float(np.mean([row["first"] for row in some])),
            "final": float(np.mean(finals)), "lowest": min(finals), "highest": max(finals),
            "retention": float(np.mean([row["retention"] for row in some])),
            "not zero": np.mean([row["not zero"] for row in some], axis=0).tolist(),
            "falls": all(row["final"] < row["first"] for row in some)})
    return rows


def degradation(rows: list[dict[str, Any]]) -> dict[str, float] | None:
    """Of 2 bits against 5 bits, both with all weights; None if they have not been trained."""
    full = {row["bits"]: row for row in rows if row["density"] == 1}
    if not {2, 5} <= set(full):
        return None
    return {"loss": full[2]["final"] / full[5]["final"] - 1,
            "retention": 1 - full[2]["retention"] / full[5]["retention"], "published": PUBLISHED}


def measure(networks: list[Network], *, epochs: int, checkpoint: Path | None, console: Console,
            task: Task | None = None) -> tuple[dict[str, Any], Training]:
    """Train them, and what became of them.

    Raises:
        FileError: the checkpoint is of other networks, or cannot be written.
    """
    task = task or draw()
    training = Training(task, networks)
    if checkpoint and checkpoint.exists():
        training.load(checkpoint)
        console.print(f"{training.epochs} epochs are done already, in {checkpoint}")
    with Progress(console=console, transient=True) as bars:
        bar = bars.add_task(f"{len(networks)} networks, epochs", total=epochs, completed=training.epochs)
        training.train(epochs, lambda done: bars.update(bar, completed=done), checkpoint=checkpoint)
    found = [result(training, which, task.silence) for which in range(len(networks))]
    rows = groups(found)
    return {"epochs": training.epochs, "shapes": training.shapes, "steps": task.steps, "silence": task.silence,
            "rows": rows, "degradation": degradation(rows), "networks": found}, training


def sheet(report: dict[str, Any]) -> Sheet:
    found = Sheet(
        title=f"Loss after {report['epochs']} epochs; without spikes it is {report['silence']:,.0f}",
        headings=("bits", "density", "not zero", "first loss", "loss", "lowest", "highest", "retention", "falls"))
    for row in report["rows"]:
        found.add_row(str(row["bits"]), f"{row['density']:.2f}", " ".join(f"{share:.2f}" for share in row["not zero"]),
                  *(f"{row[name]:,.0f}" for name in ("first", "final", "lowest", "highest")),
                  f"{row['retention']:.1%}", "yes" if row["falls"] else "NO")
    return found


def _numbers(text: str, kind: type) -> list[Any]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers, with commas between them") from None


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}; the paper's are 10,000")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"1 to this number; default {SEEDS}")
    parser.add_argument("--bits", type=lambda text: _numbers(text, int), default=list(BITS), help="of a weight")
    parser.add_argument("--density", type=lambda text: _numbers(text, float), default=list(DENSITIES),
                        help="shares of the weights that there are")
    parser.add_argument("--checkpoint", type=Path, help="written while it runs; if it is there, go on from it")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    given, console = parser.parse_args(arguments), Console()
    try:
        check_outputs(given)
        if min(given.epochs, given.seeds) < 1:
            raise ConfigError("learning: at least one epoch and one seed")
        networks = [Network(*each) for each in product(given.bits, given.density, range(1, given.seeds + 1))]
        report, training = measure(networks, epochs=given.epochs, checkpoint=given.checkpoint, console=console)
        show([sheet(report)], console)
        if (lost := report["degradation"]):
            console.print(f"2 bits against 5 bits: loss {lost['loss']:+.1%}, retention {-lost['retention']:+.1%} "
                          f"(published: {-lost['published']:+.0%})")
        if given.json:
            write(given.json, json.dumps(report, indent=1) + "\n")
        if given.figure:
            learning_picture(given.figure, curves={f"{row['bits']} bits": _curve(report, row) for row in report["rows"]
                                                   if row["density"] == max(given.density)},
                             silence=report["silence"], target=training.task.target, learned=training.spikes[-1])
    except SynapressError as error:
        parser.error(str(error))


def _curve(report: dict[str, Any], row: dict[str, Any]) -> list[list[float]]:
    """The losses of a group's networks."""
    return [one["losses"] for one in report["networks"]
            if (one["bits"], one["density"]) == (row["bits"], row["density"])]


if __name__ == "__main__":
    main()
