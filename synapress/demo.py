"""The main job: handwritten digits through the RTL, bit for bit equal to the golden model.

Maps the trained digits network onto one core, generates its Verilog, runs test digits in the compiled Verilog, compares
everything with the golden core, and reports accuracy, work, cycles, memory and area.
"""

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.files import write
from golden.network import dense
from golden.program import Program
from rtl.verilog import generate
from synapress.engines import verilated
from synapress.engines.compare import Comparison, MismatchError
from synapress.engines.rtl import ImageRun, simulate_image
from synapress.engines.testbench import write_testbench
from synapress.mapper import Image, compile_network
from synapress.mapper.footprint import Footprint, hierarchical_lut, image_footprint, lut, proposed
from synapress.reports.plots import demo_picture
from synapress.reports.tables import Sheet, show
from synapress.tools.area import GATE_TRANSISTORS, SRAM_TRANSISTORS, AreaReport, CmosArea, FpgaArea, estimate
from synapress.zoo.digits.data import feature_maps, load_digits, quantize_input
from synapress.zoo.digits.float_model import accuracy, forward, load_network
from synapress.zoo.digits.network import digits_network

OUTPUT = Path("build/demo")
TEST_IMAGES = 1000


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Shares of right answers."""

    float_all: float
    golden_all: float
    golden_simulated: float
    rtl_simulated: float


class Demo:
    """The steps of the demo, in order, on one console."""

    def __init__(self, config: CoreConfig, digits: int, directory: Path, console: Console, stall: float, seed: int):
        if not 1 <= digits <= TEST_IMAGES:
            raise ConfigError(f"--digits {digits} is outside [1, {TEST_IMAGES}]: there are so many test images")
        self.config, self.digits, self.directory, self.console = config, digits, directory, console
        self.stall, self.seed = stall, seed

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        start = time.perf_counter()
        with self.console.status(text):
            yield
        self.console.print(f"[green]✓[/] {text} [dim]({time.perf_counter() - start:.1f} s)[/]")

    def run(self, *, area: bool) -> dict[str, Any]:
        # Synthesis is the slowest step and needs nothing of the others: it runs beside them.
        with ThreadPoolExecutor(1) as beside:
            estimates = {block: (beside.submit(estimate, block, self.config, "cmos"),
                                 beside.submit(estimate, block, self.config, "xilinx"))
                         for block in (("peg", "esu", "core") if area else ())}
            try:
                return self._run(estimates)
            finally:
                beside.shutdown(cancel_futures=True)

    def _run(self, estimates: Mapping[str, tuple["Future[AreaReport]", "Future[AreaReport]"]]) -> dict[str, Any]:
        config, console = self.config, self.console
        data = load_digits()
        # Digits in an order of their own, so that any number of them holds all classes.
        order = np.random.RandomState(0).permutation(len(data.test_labels))
        images, labels = data.test_images[order], data.test_labels[order]
        with self.step("mapping the digits network: network → program → memory image"):
            program, image = compile_network(digits_network(), config)
            image.save(self.directory / "image")
        with self.step(f"generating the Verilog of the core ({config.name})"):
            generate("core", config, self.directory)
        with self.step(f"float network and integer golden network on all {TEST_IMAGES} test images"):
            float_logits = forward(load_network(), feature_maps(images))
            maps = quantize_input(feature_maps(images))
            results = dense.run(program, {program.inputs[0]: maps}, config)
            scores = results[program.outputs[0]].outputs.reshape(len(images), -1)
        with self.step("compiling the Verilog with Verilator (kept for the next time)"):
            verilated.build(config)
        result = self._simulate(image, maps[: self.digits])
        comparison = result.comparison
        rtl_scores, golden_scores = (outputs[program.outputs[0]].reshape(self.digits, -1)
                                     for outputs in (result.outputs, result.golden_outputs))
        if not np.array_equal(golden_scores, scores[: self.digits]):
            raise MismatchError("the golden core and the dense reference differ: please report this")
        shares = Accuracy(
            float_all=accuracy(float_logits, labels), golden_all=accuracy(scores, labels),
            golden_simulated=accuracy(golden_scores, labels[: self.digits]),
            rtl_simulated=accuracy(rtl_scores, labels[: self.digits]))
        self._verdict(comparison)
        self._accuracy(shares)
        outputs = {name: result.outputs[: self.digits] for name, result in results.items()}
        layers = self._work(program, outputs, result)
        memory = self._memory(program, image)
        areas = self._area(estimates) if estimates else []
        picture = self.directory / "demo.png"
        with self.step(f"picture: {picture}"):
            shown = min(64, self.digits)
            demo_picture(picture, images=images[:shown], labels=labels[:shown].tolist(),
                         predictions=rtl_scores.argmax(axis=1)[:shown].tolist(), memory=memory, layers=layers)
        report = {
            "config": config.to_json(), "digits": self.digits, "seed": self.seed, "stall": self.stall,
            "comparison": asdict(comparison), "accuracy": asdict(shares), "counters": result.counters,
            "latency_cycles": {"mean": float(result.latency.mean()), "max": int(result.latency.max())},
            "layers": layers, "memory_bytes": memory, "area": [item.to_json() for item in areas],
        }
        write(self.directory / "report.json", json.dumps(report, indent=1) + "\n")
        console.print(f"everything is in {self.directory}/ : core.v, image/, report.json, demo.png")
        if not comparison.equal:
            raise MismatchError("RTL and golden differ: " + "; ".join(comparison.differences))
        return report

    # -- steps ---------------------------------------------------------------------------------

    def _simulate(self, image: Image, maps: npt.NDArray[np.int64]) -> ImageRun:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console) as progress:
            tasks = {"golden": progress.add_task("  golden core, event by event", total=len(maps)),
                     "rtl": progress.add_task("  RTL in Verilator, cycle by cycle", total=len(maps))}
            return simulate_image(image, {image.manifest["inputs"][0]["name"]: maps}, stall=self.stall, seed=self.seed,
                                  progress=lambda who, done: progress.update(tasks[who], completed=done))

    def _verdict(self, comparison: Comparison) -> None:
        if comparison.equal:
            self.console.print(
                f"[bold green]RTL = golden, bit for bit[/]: {comparison.frames} digits, {comparison.states:,} state "
                f"words at their evaluation, {comparison.events:,} output events, {comparison.memory_words:,} final "
                "memory words, all counters")
        else:
            self.console.print("[bold red]RTL and golden differ:[/]", *comparison.differences, sep="\n  ")

    def _accuracy(self, shares: Accuracy) -> None:
        table = Sheet(title="Accuracy",
                      headings=("", f"all {TEST_IMAGES} test digits", f"{self.digits} simulated digits"))
        table.add_row("float network", f"{shares.float_all:.1%}", "")
        table.add_row("integer network, dense reference", f"{shares.golden_all:.1%}", "")
        table.add_row("golden core", "", f"{shares.golden_simulated:.1%}")
        table.add_row("RTL", "", f"{shares.rtl_simulated:.1%}")
        show([table], self.console)

    def _work(self, program: Program, outputs: dict[str, npt.NDArray[np.int64]], rtl: ImageRun
              ) -> dict[str, dict[str, float]]:
        """Events and synaptic operations by layer, and cycles of the whole."""
        by_edge = dense.synaptic_operations(program, outputs)
        events: dict[str, float] = {}
        synapses: dict[str, float] = {}
        table = Sheet(title=f"Work per digit (mean of {self.digits})",
                      headings=("layer", "neurons", "firing", "events in", "SOP"))
        for population in program.populations:
            name, edges = population.name, program.edges_into(population.name)
            firing = np.count_nonzero(outputs[name]) / self.digits
            neurons = int(np.prod(population.shape))
            if edges:
                events[name] = sum(np.count_nonzero(outputs[edge.source]) for edge in edges) / self.digits
                synapses[name] = sum(by_edge[edge.name] for edge in edges) / self.digits
            table.add_row(name, f"{neurons:,}", f"{firing:,.0f} ({firing / neurons:.0%})",
                          f"{events.get(name, 0):,.0f}", f"{synapses.get(name, 0):,.0f}")
        counters, digits = rtl.counters, self.digits
        total = sum(synapses.values()) * digits
        if counters["synapses"] != round(total):
            raise MismatchError(f"the RTL counted {counters['synapses']:,} synaptic operations, the convolutions have "
                                f"{total:,.0f}")
        table.add_section()
        table.add_row("all", "", "", f"{(counters['values_in'] + counters['values_local']) / digits:,.0f}",
                      f"{counters['synapses'] / digits:,.0f}")
        cycles = Sheet(title="Cycles per digit, from the performance counters", headings=("", ""))
        busy = counters["busy"]
        for name, text in {
            "cycles from digit to digit": f"{counters['cycles'] / digits:,.0f}",
            "latency of a digit (digits overlap)": f"{rtl.latency.mean():,.0f}",
            "cycles with ESU or neuron update busy": f"{busy / digits:,.0f}",
            "SOP per cycle, and cycles per SOP": f"{counters['synapses'] / counters['cycles']:.2f}, "
                                                 f"{counters['cycles'] / counters['synapses']:.3f}",
            "lanes useful while busy": f"{counters['synapses'] / (self.config.lanes * busy):.1%}",
            "word operations per busy cycle": f"{counters['word_ops'] / busy:.3f}",
            "stalls: bank, hazard, weights": ", ".join(
                f"{counters[name] / digits:,.0f}" for name in ("stall_bank", "stall_hazard", "stall_weight")),
        }.items():
            cycles.add_row(name, text)
        show([table, cycles], self.console)
        return {"events in": events, "synaptic operations": synapses}

    def _memory(self, program: Program, image: Image) -> dict[str, dict[str, float]]:
        """By category, ours as written and both references by the paper's accounting."""
        written = image_footprint(image).bytes
        ours: dict[str, float] = {
            "states": written["states"], "weights": written["weights"],
            "connectivity": sum(written[name] for name in (
                "geometry words", "population words", "edge descriptors", "axons", "tables")),
            "parameters": written["parameters"] + written["value tables"], "padding": written["padding"],
        }

        def reference(footprint: Footprint) -> dict[str, float]:
            return {"states": footprint.neurons, "weights": footprint.parameters,
                    "connectivity": footprint.connectivity}

        memory = {"image as written": ours, "this technique": reference(proposed(program)),
                  "hierarchical LUT": reference(hierarchical_lut(program)), "LUT": reference(lut(program))}
        table = Sheet(title="Memory in kB", headings=("", *memory),
                      caption="All but the image as written: the paper's accounting.")
        for key in ours:
            table.add_row(key, *(f"{parts[key] / 1024:,.2f}" if key in parts else "" for parts in memory.values()))
        table.add_section()
        totals = [sum(parts.values()) for parts in memory.values()]
        table.add_row("total", *(f"{total / 1024:,.1f}" for total in totals))
        table.add_row("of the image", *(f"{total / totals[0]:,.1f}×" for total in totals))
        show([table], self.console)
        return memory

    def _area(self, estimates: Mapping[str, tuple["Future[AreaReport]", "Future[AreaReport]"]]) -> list[AreaReport]:
        """Transistors and LUTs of the two units of the technique, and of the whole core."""
        reports: dict[str, tuple[CmosArea, FpgaArea]] = {}
        for block, futures in estimates.items():
            with self.step(f"area of {block}: yosys, transistors and Xilinx LUTs"):
                cmos, fpga = (future.result() for future in futures)
            assert isinstance(cmos, CmosArea) and isinstance(fpga, FpgaArea)
            reports[block] = cmos, fpga
        core = reports["core"][0]
        whole = core.transistors + core.sram_transistors
        table = Sheet(
            title="Area, estimated by yosys", headings=("block", "transistors", "gates", "share", "LUTs", "flip-flops"),
            caption=f"Share: of the core with its SRAM. {core.model}; an SRAM bit counts {SRAM_TRANSISTORS} "
                    f"transistors. LUTs: {reports['core'][1].model}.")

        def row(name: str, transistors: int, luts: int, flip_flops: int) -> None:
            table.add_row(name, f"{transistors:,}", f"{transistors / GATE_TRANSISTORS:,.0f}",
                          f"{transistors / whole:.2%}", f"{luts:,}", f"{flip_flops:,}")

        for block, (cmos, fpga) in reports.items():
            if block == "core":
                table.add_section()
                both = [reports[name] for name in ("peg", "esu")]
                row("peg + esu", sum(one.transistors for one, _ in both), sum(two.luts for _, two in both),
                    sum(two.flip_flops for _, two in both))
            row("core, logic" if block == "core" else block, cmos.transistors, fpga.luts, fpga.flip_flops)
        row("core, SRAM", core.sram_transistors, 0, 0)
        show([table], self.console)
        return [report for pair in reports.values() for report in pair]


def digits_testbench(config: CoreConfig, directory: Path) -> Path:
    """Write the core, a testbench in plain Verilog, and its data: the digits network with the first test image.

    Returns:
        The testbench's file.
    """
    _, image = compile_network(digits_network(), config)
    maps = quantize_input(feature_maps(load_digits().test_images[:1]))
    return write_testbench(image, {image.manifest["inputs"][0]["name"]: maps}, directory)


def run(config: CoreConfig, *, digits: int = 200, directory: Path = OUTPUT, area: bool = True, stall: float = 0.0,
        seed: int = 1, console: Console | None = None) -> dict[str, Any]:
    """Run the demo; returns the report that is also written as JSON.

    Args:
        config: the core.
        digits: test digits to simulate in RTL, 1 to 1000.
        directory: where Verilog, image, report and picture go.
        area: estimate the area too (yosys; the slowest step).
        stall: probability per cycle that the host neither offers nor takes an event.
        seed: of the stalls.

    Raises:
        MismatchError: RTL and golden model differ anywhere.
    """
    return Demo(config, digits, directory, console or Console(), stall, seed).run(area=area)
