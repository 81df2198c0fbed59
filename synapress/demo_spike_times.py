"""Digits in a network whose neurons spike once, with logarithmic weights: every spike of the RTL in its time.

Converts the trained network, runs test digits in the compiled Verilog of one core, compares the spike times of every
layer with those of the integer network, which knows no events, and tells accuracies, spikes and synaptic operations.
"""

import dataclasses
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.files import read_text, write
from golden.network import dense
from golden.types import Floats, IntArray
from rtl.verilog import generate
from synapress.engines import verilated
from synapress.engines.compare import MismatchError
from synapress.engines.rtl import ImageRun, simulate_image
from synapress.mapper import compile_network, lower
from synapress.reports.plots import spike_time_picture
from synapress.reports.tables import Sheet, show
from synapress.spike_times import float_network
from synapress.spike_times.agreement import LayerAgreement, agreement, integer_values
from synapress.spike_times.convert import Converted, convert, core_for
from synapress.spike_times.trained import Trained, load_trained
from synapress.zoo import spike_time_digits
from synapress.zoo.digits.data import feature_maps, load_digits
from synapress.zoo.spike_time_digits import accuracies

OUTPUT = Path("build/demo-ttfs")
TEST_IMAGES = 1000
CALIBRATED = 50
"""Training images by whose sums the fraction bits are chosen."""
COMPARED = 25
"""Test images of the comparison with real numbers."""
FRACTION_BITS = (8, 10, 12, 16, 20)
PIXELS = 255


@dataclass(frozen=True, kw_only=True)
class Images:
    """Digits (N, D, W, H) from 0 to 1."""

    calibration: Floats
    test: Floats
    labels: IntArray


def digits_images() -> Images:
    """The test images in an order of their own, so that any number of them holds all classes."""
    data = load_digits()
    order = np.random.RandomState(0).permutation(len(data.test_labels))
    calibration = data.train_images[:: len(data.train_images) // CALIBRATED]
    return Images(calibration=feature_maps(calibration) / PIXELS, test=feature_maps(data.test_images[order]) / PIXELS,
                  labels=data.test_labels[order])


def _answers(outputs: npt.ArrayLike) -> IntArray:
    scores = np.asarray(outputs)
    return scores.reshape(len(scores), -1).argmax(axis=1)


class Demo:
    """The steps of the demo, in order, on one console."""

    def __init__(self, trained: Trained, config: CoreConfig, images: Images, digits: int, directory: Path,
                 console: Console, stall: float, seed: int) -> None:
        self.trained, self.config, self.images, self.digits = trained, core_for(trained, config), images, digits
        self.directory, self.console, self.stall, self.seed = directory, console, stall, seed

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        start = time.perf_counter()
        with self.console.status(text):
            yield
        self.console.print(f"[green]✓[/] {text} [dim]({time.perf_counter() - start:.1f} s)[/]")

    def run(self, known: dict[str, Any] | None) -> dict[str, Any]:
        images, config = self.images, self.config
        with self.step(f"converting '{self.trained.name}': codes, thresholds, and fraction bits by "
                       f"{len(images.calibration)} training digits"):
            converted = convert(self.trained, config, images.calibration)
            for layer in self.trained.layers[:-1]:  # so that each spike reaches the host
                converted.network.output(layer.name)
            _, image = compile_network(converted.network, config)
            image.save(self.directory / "image")
            generate("core", config, self.directory)
        values = float_network.code_inputs(self.trained, images.test)
        with self.step(f"float network and integer network on {len(values)} test digits"):
            plain, quantized = (float_network.run(self.trained, values, quantized=some).outputs
                                for some in (False, True))
            integers = integer_values(converted, values)
        with self.step("compiling the Verilog with Verilator (kept for the next time)"):
            verilated.build(config)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress:
            tasks = {"golden": progress.add_task("  golden core, spike by spike", total=self.digits),
                     "rtl": progress.add_task("  RTL in Verilator, cycle by cycle", total=self.digits)}
            done = simulate_image(image, {"input": values[:self.digits]}, stall=self.stall, seed=self.seed,
                                  progress=lambda who, count: progress.update(tasks[who], completed=count))
        self._verdict(done, integers)
        last, labels = self.trained.layers[-1].name, images.labels
        shares = {
            "float, trained weights": float((_answers(plain) == labels).mean()),
            "float, logarithmic weights": float((_answers(quantized) == labels).mean()),
            "integers": float((_answers(integers[last]) == labels).mean()),
            "RTL": float((_answers(done.outputs[last]) == labels[:self.digits]).mean())}
        with self.step(f"spikes of real numbers beside those of integers, {COMPARED} digits"):
            layers = self._layers(converted, integers, done)
            apart = [item for bits in FRACTION_BITS for item in self._apart(bits)]
        self._show(shares, layers, apart, done, known)
        picture = self.directory / "spikes.png"
        with self.step(f"picture: {picture}"):
            spike_time_picture(picture, steps=self.trained.steps, spikes={
                name: found[0] for name, found in integers.items() if name != last},
                accuracies=None if known is None else _by_steps(known))
        report = {
            "config": config.to_json(), "network": self.trained.name, "digits": self.digits, "seed": self.seed,
            "stall": self.stall, "comparison": asdict(done.comparison), "accuracy": shares, "layers": layers,
            "real numbers": [asdict(item) for item in apart], "counters": done.counters,
            "latency_cycles": {"mean": float(done.latency.mean()), "max": int(done.latency.max())}}
        write(self.directory / "report.json", json.dumps(report, indent=1) + "\n")
        self.console.print(f"everything is in {self.directory}/ : core.v, image/, report.json, spikes.png")
        return report

    # -- steps ---------------------------------------------------------------------------------

    def _verdict(self, done: ImageRun, integers: dict[str, IntArray]) -> None:
        """RTL = golden core = integer network.

        Raises:
            MismatchError: they differ anywhere.
        """
        same = done.comparison
        if not same.equal:
            raise MismatchError("RTL and golden differ: " + "; ".join(same.differences))
        wrong = {name: int((found != integers[name][:self.digits]).sum()) for name, found in done.outputs.items()}
        if any(wrong.values()):
            raise MismatchError("RTL and integer network differ: " + ", ".join(
                f"{count:,} neurons of {name}" for name, count in wrong.items() if count))
        neurons = sum(found[0].size for found in done.outputs.values())
        self.console.print(
            f"[bold green]RTL = integer network, every spike time of every layer[/]: {same.frames} digits, {neurons:,} "
            f"neurons each, {same.events:,} spikes to the host; RTL = golden core, bit for bit: {same.states:,} state "
            f"words at their evaluation, {same.memory_words:,} final memory words, all counters")

    def _layers(self, converted: Converted, integers: dict[str, IntArray], done: ImageRun) -> dict[str, dict[str, Any]]:
        """Spikes and work of every layer, per digit; the RTL must have counted as much.

        Raises:
            MismatchError: it has not.
        """
        program, steps = lower(converted.network), self.trained.steps
        outputs = {name: found[:self.digits] for name, found in integers.items()}
        by_edge = dense.synaptic_operations(program, outputs)
        found: dict[str, dict[str, Any]] = {}
        for name, values in outputs.items():
            ours = converted.layers.get(name)
            spiking = values[values > 0]
            found[name] = {
                "neurons": values[0].size, "spikes": np.count_nonzero(values) / self.digits,
                "mean time": float(steps - spiking.mean()) if spiking.size else None,
                "fraction bits": ours.fraction_bits if ours else None,
                "synaptic operations": sum(by_edge[edge.name] for edge in program.edges_into(name)) / self.digits}
        counted, work = done.counters["synapses"], sum(by_edge.values())
        if counted != work:
            raise MismatchError(f"the RTL counted {counted:,} synaptic operations, the convolutions have {work:,}")
        found[self.trained.layers[-1].name] |= {"spikes": 0.0, "mean time": None}  # values, and no spikes
        return found

    def _apart(self, bits: int) -> list[LayerAgreement]:
        """Where spikes differ from those of real numbers, with as many fraction bits in every layer.

        Raises:
            MismatchError: where rounding does not explain it.
        """
        wide = dataclasses.replace(self.config, state_bits=32, lanes=max(2, self.config.lanes // 2),
                                   log_fraction_bits=bits)
        # States of 32 bits hold the sums of any digit: a few tell as much.
        converted = convert(self.trained, wide, self.images.calibration[::5])
        found = agreement(converted, self.images.test[:COMPARED])
        if any(item.unexplained for item in found):
            raise MismatchError("spikes of integers and of real numbers differ by more than rounding: " + ", ".join(
                f"{item.unexplained:,} neurons of {item.layer}" for item in found if item.unexplained))
        return found

    # -- tables --------------------------------------------------------------------------------

    def _show(self, shares: dict[str, float], layers: dict[str, dict[str, Any]], apart: Sequence[LayerAgreement],
              done: ImageRun, known: dict[str, Any] | None) -> None:
        accuracy = Sheet(title="Accuracy", headings=("", f"{len(self.images.labels)} test digits"))
        for name, share in shares.items():
            count = f" of {self.digits}" if name == "RTL" else ""
            accuracy.add_row(name, f"{share:.1%}{count}")
        work = Sheet(title=f"Work per digit (mean of {self.digits})", headings=(
            "layer", "neurons", "spikes", "spikes per neuron", "mean time", "SOP", "fraction bits"))
        for name, item in layers.items():
            last = name == self.trained.layers[-1].name
            work.add_row(
                name, f"{item['neurons']:,}", "" if last else f"{item['spikes']:,.0f}",
                "" if last else f"{item['spikes'] / item['neurons']:.2f}",
                "" if item["mean time"] is None else f"{item['mean time']:.1f}",
                f"{item['synaptic operations']:,.0f}" if item["synaptic operations"] else "",
                str(item["fraction bits"] or ""))
        work.add_section()
        hidden = [item for item in layers.values() if item["mean time"] is not None]
        neurons, spikes = (sum(item[key] for item in hidden) for key in ("neurons", "spikes"))
        work.add_row("all", f"{neurons:,}", f"{spikes:,.0f}", f"{spikes / neurons:.2f}", "",
                     f"{done.counters['synapses'] / self.digits:,.0f}", "")
        names = list(dict.fromkeys(item.layer for item in apart))
        real = Sheet(
            title=f"Neurons whose spike differs from that of real numbers ({COMPARED} digits)",
            headings=("fraction bits", *names, "largest |V - θ| of the bound of rounding"),
            caption="Each layer with the spikes of integers before it; in brackets with those of real numbers.")
        for bits in FRACTION_BITS:
            some = [item for item in apart if item.fraction_bits == bits]
            cells = {item.layer: f"{item.alone / item.neurons:.3%} ({item.whole / item.neurons:.3%})" for item in some}
            real.add_row(str(bits), *(cells.get(name, "") for name in names),
                         f"{max((item.nearest for item in some), default=0):.2f}")
        sheets = [accuracy, work, real]
        show(sheets if known is None else [*sheets, _trainings(known)], self.console)
        self.console.print(f"{done.counters['cycles'] / self.digits:,.0f} cycles from digit to digit, latency "
                           f"{done.latency.mean():,.0f}")


# -- accuracies of training ----------------------------------------------------------------------

_LINES = ("ReLU network (ANN)", "the same, exported", "ReLU network converted, θ0 the largest",
          "ReLU network converted, best θ0 and rounding")


def _trainings(found: dict[str, Any]) -> Sheet:
    """Accuracies over (T, τ), mean of the seeds and their ends."""
    headings, *lines = accuracies.rows(found["seeds"])
    return Sheet(title=f"What training for spikes in time is worth: {found['test']:,} test digits, "
                       f"{len(found['seeds'])} seeds, by `make conversion`", headings=tuple(headings),
                 rows=[tuple(line) for line in lines])


def _by_steps(found: dict[str, Any]) -> dict[str, dict[int, float]]:
    """Lines of the picture: T and mean accuracy."""
    codes = found["seeds"][0]["codes"]
    lines = {name: {int(code.split(",")[0]): mean(
        accuracies.accuracy(seed, code, accuracies.NETWORKS[name]) for seed in found["seeds"]) for code in codes}
        for name in _LINES}
    lines["trained for it, in spikes"] = lines.pop("the same, exported")
    return lines


def run(config: CoreConfig, *, digits: int = 100, network: Path | None = None, directory: Path = OUTPUT,
        stall: float = 0.0, seed: int = 1, console: Console | None = None, images: Images | None = None
        ) -> dict[str, Any]:
    """Run the demo; returns the report that is also written as JSON.

    Args:
        config: the core, whose products, neuron types, times and fraction bits become those of the network.
        digits: test digits to simulate in RTL.
        network: a trained network of digits, see `synapress.spike_times.trained`; default: that of the zoo.
        directory: where Verilog, image, report and picture go.
        stall: probability per cycle that the host neither offers nor takes an event.
        seed: of the stalls.
        images: what to run instead of the digits.

    Raises:
        MismatchError: RTL, golden core and integer network differ anywhere, or spikes of real numbers differ from
            theirs where rounding does not explain it.
    """
    trained = load_trained(network or spike_time_digits.FILE)
    images = images or digits_images()
    if not 1 <= digits <= len(images.test):
        raise ConfigError(f"--digits {digits} is outside [1, {len(images.test)}]: there are so many test images")
    record = accuracies.RECORD
    known = json.loads(read_text(record)) if network is None and record.exists() else None
    return Demo(trained, config, images, digits, directory, console or Console(), stall, seed).run(known)
