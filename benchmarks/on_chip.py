"""Learning by the update unit: a network of 64, 48 and 32 neurons, in RTL, as golden model and in real numbers.

    python -m benchmarks.on_chip [--epochs N] [--seeds N] [--organisation NAME ...] [--density SHARE] [--bits N]
        [--no-rtl] [--json FILE] [--figure FILE]

The weights after each epoch, the losses and the spikes must be the same in RTL and golden model, and so must accesses;
and the same in all organisations. The loss at the end, the mean of the last ten epochs, is compared with that of the
same steps in real numbers (`synapress.learning.on_chip`). The RTL is Verilog of the learner, compiled, with the host's
steps in Python; its cycles are those in which requests are inside, as no memory waits.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks.outputs import check_outputs
from golden.errors import ConfigError, SynapressError
from golden.files import write
from golden.synapse.organisations.interface import KINDS
from synapress.learning.hardware import build, learn_rtl
from synapress.learning.learners import learn_golden, learn_real
from synapress.learning.on_chip import Run, Settings, compared
from synapress.reports.plots import learning_picture
from synapress.reports.tables import Sheet, show

ORGANISATIONS = ("crossbar", "bitmap", "compressed_rows")
SEEDS = 3
WALKS = ("FORWARD", "UPDATE")
"""The passes that learning takes: UPDATE gives the errors of a BACKWARD as well."""
RATE = 24
"""Bits of a weight and of the rate's shift together: the learning rate is then 1/2048 of a weight of 1."""
LEAST_BITS, MOST_BITS = 8, 12
"""Of a weight: with fewer the rate would need a wider shift than there is."""


def timed(console: Console, what: str, learn: Callable[..., Run], settings: Settings) -> tuple[Run, float]:
    """What a way to learn gives, and its seconds; a bar shows the epochs."""
    with Progress(console=console, transient=True) as bars:
        bar = bars.add_task(what, total=settings.epochs)
        begin = time.perf_counter()
        found = learn(settings, progress=lambda done: bars.update(bar, completed=done))
    return found, time.perf_counter() - begin


def organisation(name: str, settings: Settings, rtl: bool, console: Console) -> tuple[dict[str, Any], Run]:
    """One organisation in RTL and as golden model."""
    golden, seconds = timed(console, f"{name}, golden model", partial(
        learn_golden, organisation=name, keep_history=True), settings)
    found: dict[str, Any] = {"organisation": name, "final": golden.final, "golden seconds": seconds,
                             "accesses": {walk: golden.accesses[walk] for walk in WALKS}}
    if rtl:
        with console.status(f"{name}: compiling the learner"):
            build(name)
        run, seconds = timed(console, f"{name}, RTL", partial(
            learn_rtl, organisation=name, keep_history=True), settings)
        counts = {walk: run.accesses[walk] for walk in WALKS}
        same = compared(golden, run)
        found |= {"rtl seconds": seconds, "compared": same, "rtl accesses": counts, "equal": not (
            same["differences"] or same["losses differ"] or same["spikes differ"]) and all(
            counts[walk][kind] == golden.accesses[walk][kind] for walk in WALKS for kind in KINDS)}
    return found, golden


def measure(settings: Settings, *, organisations: list[str], seeds: int, rtl: bool, console: Console
            ) -> tuple[dict[str, Any], Run]:
    """All organisations with the first seed, and golden model against real numbers with all.

    Raises:
        ConfigError: an organisation that does not exist, or holds no matrix.
        ToolError: no simulator, or the hardware hangs.
    """
    found, runs = zip(*(organisation(name, settings, rtl, console) for name in organisations), strict=True)
    rows = []
    for seed in range(settings.seed, settings.seed + seeds):
        one = replace(settings, seed=seed)
        real, _ = timed(console, f"seed {seed}, real numbers", learn_real, one)
        golden = runs[0] if seed == settings.seed else timed(console, f"seed {seed}, golden model", partial(
            learn_golden, organisation=organisations[0]), one)[0]
        rows.append({"seed": seed, "silence": golden.task.silence, "first": golden.losses[0], "golden": golden.final,
                     "real": real.final, "losses": golden.losses, "real losses": real.losses})
    means = {kind: float(np.mean([row[kind] for row in rows])) for kind in ("golden", "real")}
    return {"settings": vars(settings), "organisations": list(found), "seeds": rows,
            "same in all organisations": all(
                np.array_equal(mine, other) for run in runs for mine, other in zip(run.weights, runs[0].weights,
                                                                                    strict=True)),
            "above real numbers": means["golden"] / means["real"] - 1}, runs[0]


def sheets(report: dict[str, Any]) -> list[Sheet]:
    given = report["settings"]
    rows = Sheet(title=f"{given['inputs']}, {given['hidden']} and {given['outputs']} neurons, {given['epochs']} epochs "
                       f"of {given['steps']} steps, weights of {given['weight_bits']} bits, density {given['density']}",
                 headings=("organisation", "pass", "requests", "synapses", *KINDS, "RTL cycles", "RTL = golden",
                           "RTL s", "golden s"), left=(0, 1))
    for found in report["organisations"]:
        for walk, counts in found["accesses"].items():
            rtl = found.get("rtl accesses")
            rows.add_row(found["organisation"], walk,
                         *(f"{counts[name]:,}" for name in ("requests", "synapses", *KINDS)),
                         f"{rtl[walk]['cycles']:,}" if rtl else "–", *(_once(found) if walk == WALKS[-1] else [""] * 3))
    losses = Sheet(title="Loss: mean of the last ten epochs",
                   headings=("seed", "no spikes", "first epoch", "integers", "real numbers", "difference"))
    for row in report["seeds"]:
        losses.add_row(str(row["seed"]), *(f"{row[name]:,.1f}" for name in ("silence", "first", "golden", "real")),
                       f"{row['golden'] / row['real'] - 1:+.1%}")
    losses.add_section()
    losses.add_row("mean", "", "", "", "", f"{report['above real numbers']:+.1%}")
    return [rows, losses]


def _once(found: dict[str, Any]) -> tuple[str, str, str]:
    """What is told of an organisation, not of a pass."""
    rtl = "rtl seconds" in found
    return ("–" if not rtl else "yes" if found["equal"] else "NO", f"{found['rtl seconds']:.1f}" if rtl else "–",
            f"{found['golden seconds']:.1f}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Settings()
    parser.add_argument("--epochs", type=int, default=default.epochs)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of integers against real numbers")
    parser.add_argument("--organisation", action="append",
                        help=f"may be given several times; default {', '.join(ORGANISATIONS)}")
    parser.add_argument("--density", type=float, default=default.density, help="share of the weights that there are")
    parser.add_argument("--bits", type=int, default=default.weight_bits,
                        help=f"of a weight: {LEAST_BITS} to {MOST_BITS}")
    parser.add_argument("--no-rtl", action="store_true", help="the golden model alone")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    given, console = parser.parse_args(arguments), Console()
    try:
        check_outputs(given)
        if given.seeds < 1:
            raise ConfigError("on-chip learning: at least one seed")
        if not LEAST_BITS <= given.bits <= MOST_BITS:
            raise ConfigError(f"on-chip learning: bits = {given.bits} is outside [{LEAST_BITS}, {MOST_BITS}]")
        settings = Settings(epochs=given.epochs, density=given.density, weight_bits=given.bits,
                            rate_shift=RATE - given.bits)
        report, run = measure(settings, organisations=given.organisation or list(ORGANISATIONS), seeds=given.seeds,
                              rtl=not given.no_rtl, console=console)
        show(sheets(report), console)
        if given.json:
            write(given.json, json.dumps(report, indent=1) + "\n")
        if given.figure:
            row = report["seeds"][0]
            learning_picture(given.figure, curves={"integers": [row["losses"]], "real numbers": [row["real losses"]]},
                             silence=row["silence"], target=run.task.target, learned=run.spikes)
    except SynapressError as error:
        parser.error(str(error))
    if not report["same in all organisations"] or not all(each.get("equal", True) for each in report["organisations"]):
        raise SystemExit("weights, losses, spikes or accesses differ")


if __name__ == "__main__":
    main()
