"""A spiking network learns a picture in the RTL of its memory organisations, equal to the golden model bit for bit.

Two layers learn while they run, on chip: the walk backward through memory changes the weights in place. The same
network learns in each memory organisation, in RTL and in the golden model, and once in real numbers. Losses, the
weights at the end of every epoch, the raster that was learned, and what all accesses to memory take.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from golden.errors import ConfigError
from golden.files import write
from golden.synapse.organisations.interface import KINDS
from synapress.energy.memory import MemoryModel, memory_model
from synapress.engines.compare import MismatchError
from synapress.learning.hardware import learn_rtl
from synapress.learning.learners import SIZES, learn_golden, learn_real, packed
from synapress.learning.on_chip import Run, Settings, compared
from synapress.reports.organisations.compare import MATRICES
from synapress.reports.organisations.learning import PASSES, pass_energy, split
from synapress.reports.plots import learning_picture
from synapress.reports.tables import Sheet, show

OUTPUT = Path("build/demo-learning")
EPOCHS = 60
DENSITY = 0.5
WITHIN = 0.10
"""So near to that of real numbers is the loss at the end, by the bar of the demo."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A network that has learned in one organisation."""

    organisation: str
    golden: Run
    rtl: Run
    seconds: float
    """Of the RTL, its compilation apart if it was kept."""

    @property
    def same(self) -> dict[str, Any]:
        """What was compared, and what differs."""
        return compared(self.golden, self.rtl)


def run(*, organisations: Sequence[str] = MATRICES, epochs: int = EPOCHS, density: float = DENSITY,
        weight_bits: int = 12, directory: Path = OUTPUT, seed: int = 1, model: str = "cacti22",
        console: Console | None = None) -> dict[str, Any]:
    """Run the demo; returns the report that is also written as JSON.

    Args:
        organisations: of MATRICES. density: share of the weights that there are. model: of the energy.
        seed: of the task, the weights and the update unit's draws.

    Raises:
        ConfigError: there is no such organisation, model, or network.
        MismatchError: RTL and golden model, or two organisations, differ anywhere.
        ToolError: no simulator.
    """
    for name in organisations:
        if name not in MATRICES:
            raise ConfigError(f"demo: no organisation '{name}' of dense layers; there are: {', '.join(MATRICES)}")
    settings = Settings(epochs=epochs, density=density, weight_bits=weight_bits, seed=seed)
    energies, out = memory_model(model), console or Console()
    with _bars(out) as counted:
        real = learn_real(settings, progress=counted("real numbers", epochs))
        found = [_learned(name, settings, counted) for name in dict.fromkeys(organisations)]
    report = _report(settings, real, found, energies)
    show([_losses(report), _accesses(report)], out)
    drawing = directory / "learning.png"
    picture(drawing, report, real, found)
    write(directory / "report.json", json.dumps(report, indent=1) + "\n")
    wrong = [f"{item.organisation}: {text}" for item in found for text in _differences(item, found[0])]
    if wrong:
        raise MismatchError("learning: " + "; ".join(wrong))
    weights = sum(item["weights"] for item in report["comparison"].values())
    out.print(f"[bold green]RTL = golden, bit for bit[/]: {weights:,} weights at the ends of {epochs} epochs, all "
              f"losses, in {', '.join(item.organisation for item in found)}; everything is in {directory}/ : "
              f"report.json, {drawing.name}")
    return report


@contextmanager
def _bars(console: Console) -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Progress in epochs: a bar for each name."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        def counted(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(f"  {name}", total=total)
            return lambda done: progress.update(task, completed=done)

        yield counted


def _learned(name: str, settings: Settings, counted: Callable[[str, int], Callable[[int], None]]) -> Learned:
    golden = learn_golden(settings, name, keep_history=True, progress=counted(f"{name}, golden", settings.epochs))
    begin = time.perf_counter()
    rtl = learn_rtl(settings, name, keep_history=True, progress=counted(f"{name}, RTL", settings.epochs))
    return Learned(organisation=name, golden=golden, rtl=rtl, seconds=time.perf_counter() - begin)


def _differences(item: Learned, first: Learned) -> list[str]:
    """What differs between RTL and golden model, and from the first organisation."""
    found = [f"{count} {what} of RTL and golden model" for what, count in item.same.items()
             if count and what not in ("weights", "epochs")]
    other = compared(item.golden, first.golden)
    found += [f"{count} {what} from those in {first.organisation}" for what, count in other.items()
              if count and what not in ("weights", "epochs")]
    for each, counts in accesses(item.golden).items():
        hardware = accesses(item.rtl)[each]
        found += [f"{hardware[kind]:,} {kind} {each} in RTL, {counts[kind]:,} in the golden model"
                  for kind in KINDS if hardware[kind] != counts[kind]]
    return found


def energy(name: str, settings: Settings, run_: Run, model: MemoryModel) -> dict[str, float]:
    """nJ of all accesses, by pass: both layers lie in the same memories, each part in one of its own."""
    words: dict[str, int] = {}
    for weights, stored in zip(*settings.weights(), strict=True):
        for part, count in split(packed(name, weights, stored, settings)).items():
            words[part] = words.get(part, 0) + count
    return {each: pass_energy(each, {kind: counts[kind] for kind in KINDS}, words, SIZES.memory, model)
            for each, counts in accesses(run_).items()}


def accesses(run_: Run) -> dict[str, dict[str, int]]:
    """Of all epochs and both layers, by the passes' names; those that were not made are left out."""
    return {each: counts for each in PASSES if (counts := run_.accesses.get(each.upper(), {})).get("requests")}


def _report(settings: Settings, real: Run, found: Sequence[Learned], model: MemoryModel) -> dict[str, Any]:
    return {
        "seed": settings.seed, "epochs": settings.epochs, "density": settings.density,
        "weight_bits": settings.weight_bits, "neurons": [settings.inputs, settings.hidden, settings.outputs],
        "steps": settings.steps, "silence": real.task.silence, "model": model.name, "source": model.source,
        "losses": {"real numbers": real.losses, "integers": found[0].golden.losses},
        "final": {"real numbers": real.final, "integers": found[0].golden.final},
        "comparison": {item.organisation: item.same for item in found},
        "accesses": {item.organisation: accesses(item.golden) for item in found},
        "energy": {item.organisation: energy(item.organisation, settings, item.golden, model) for item in found},
        "seconds": {item.organisation: round(item.seconds, 1) for item in found}}


def _losses(report: Mapping[str, Any]) -> Sheet:
    names = list(report["losses"])
    sheet = Sheet(title="Distance of the learned spikes from the target", headings=("epoch", *names))
    last = report["epochs"]
    for epoch in sorted({1, 2, 5, 10, 20, *range(50, last, 50), last}):
        if epoch <= last:
            sheet.add_row(f"{epoch}", *(f"{report['losses'][name][epoch - 1]:.1f}" for name in names))
    sheet.add_section()
    sheet.add_row("mean of the last ten", *(f"{report['final'][name]:.2f}" for name in names))
    ratio = report["final"]["integers"] / report["final"]["real numbers"] - 1
    sheet.caption = (
        f"Neurons {'-'.join(map(str, report['neurons']))}, {report['steps']} steps, weights of {report['weight_bits']} "
        f"bits, density {report['density']:g}, seed {report['seed']}; silence is {report['silence']:.1f} from the "
        f"target. Integers against real numbers at the end: {ratio:+.1%}"
        + ("." if abs(ratio) <= WITHIN else f", not within the {WITHIN:.0%} of the bar."))
    return sheet


def _accesses(report: Mapping[str, Any]) -> Sheet:
    sheet = Sheet(title="Accesses to memory of all epochs", headings=(
        "organisation", "pass", "requests", "synapses", "index, bitmap, weight reads", "writes",
        f"nJ, {report['model']}", "weights compared", "RTL, s"), left=(0, 1))
    for name, passes in report["accesses"].items():
        for place, (each, counts) in enumerate(passes.items()):
            reads = ", ".join(f"{counts[kind]:,}" for kind in ("index_read", "bitmap_read", "weight_read"))
            sheet.add_row("" if place else name, each, f"{counts['requests']:,}", f"{counts['synapses']:,}", reads,
                          f"{counts['weight_write']:,}", f"{report['energy'][name][each]:,.4g}",
                          "" if place else f"{report['comparison'][name]['weights']:,}",
                          "" if place else f"{report['seconds'][name]:.1f}")
        sheet.add_section()
    sheet.caption = ("An update walks backward, and gives the errors of the layer before as well. Each part of an "
                     f"organisation in a memory of its own, for both layers. {report['model']}: {report['source']}.")
    return sheet


def picture(path: Path, report: Mapping[str, Any], real: Run, found: Sequence[Learned]) -> None:
    """Draw losses, energies, and target and learned raster side by side."""
    learning_picture(
        path, title=f"{'-'.join(map(str, report['neurons']))} neurons learn on chip: {report['epochs']} epochs, "
        f"weights of {report['weight_bits']} bits, density {report['density']:g}; RTL = golden, bit for bit",
        curves={"integers, RTL = golden": [found[0].rtl.losses], "real numbers": [real.losses]},
        silence=report["silence"], target=found[0].rtl.task.target, learned=found[0].rtl.spikes,
        energy={name: {each: value / 1000 for each, value in parts.items()}
                for name, parts in report["energy"].items()},
        unit=f"µJ of all accesses to weights and indices, {report['model']}")
