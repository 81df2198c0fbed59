"""The sections of docs/measured.md: the commands that measure each, and the text made of the JSON that they give."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studies import cim, conversion_table, learning, lookup_tables, organisations, organisations_learning, spike_times
from studies.area_tables import BLOCKS, area, node
from studies.cim_macro import periphery
from studies.markdown import table
from synapress.reports.tables import size

NETWORKS = ("pilotnet", "mobilenet", "resnet50", "resnet101", "darknet53")


@dataclass(frozen=True)
class Command:
    """A command that leaves JSON: in a file, or without one on its standard output."""

    shown: str
    """As a person types it, in the clone."""
    module: str
    arguments: tuple[str, ...] = ()
    file: str = ""
    """Where the JSON is, from the root of the clone."""


@dataclass(frozen=True)
class Section:
    """Commands, and the text made of their results, in the order of the commands."""

    title: str
    commands: tuple[Command, ...]
    text: Callable[..., str]
    times: bool = False
    """Whether some figures are seconds or gigabytes, which depend on the machine."""
    slow: bool = False
    """Whether it takes more than a minute or two."""


def demo(report: dict[str, Any]) -> str:
    """Of the report of `make demo`."""
    same, shares, counters, digits = (report[key] for key in ("comparison", "accuracy", "counters", "digits"))
    verdict = "equal, bit for bit" if not same["differences"] else "DIFFERENT"
    area = {(item["top"], item["target"]): item for item in report["area"]}
    units = sum(area[name, "cmos"]["transistors"] for name in ("peg", "esu"))
    core = area["core", "cmos"]["transistors"] + area["core", "cmos"]["sram_transistors"]
    memory = {name: sum(parts.values()) for name, parts in report["memory_bytes"].items()}
    events = counters["values_in"] + counters["values_local"]
    rows = [
        ("RTL and golden model", f"{verdict}: {same['frames']:,} digits, {same['states']:,} state words, "
                                 f"{same['events']:,} output events, {same['memory_words']:,} memory words, "
                                 "all counters"),
        ("accuracy on all test digits, float", f"{shares['float_all']:.1%}"),
        ("accuracy on all test digits, integers", f"{shares['golden_all']:.1%}"),
        (f"accuracy on {digits} digits, golden core / RTL",
         f"{shares['golden_simulated']:.1%} / {shares['rtl_simulated']:.1%}"),
        ("events per digit", f"{events / digits:,.0f}"),
        ("synaptic operations per digit", f"{counters['synapses'] / digits:,.0f}"),
        ("cycles per digit", f"{counters['cycles'] / digits:,.0f}"),
        ("cycles per synaptic operation", f"{counters['cycles'] / counters['synapses']:.2f}"),
        ("synaptic operations per cycle", f"{counters['synapses'] / counters['cycles']:.1f} of at most "
                                          f"{report['config']['lanes']}"),
        ("memory of the image", size(memory["image as written"])),
        ("of it connectivity", size(report["memory_bytes"]["image as written"]["connectivity"])),
        ("memory with hierarchical look-up tables", size(memory["hierarchical LUT"])),
        ("memory with flat look-up tables", size(memory["LUT"])),
        ("PEG and ESU, transistors (estimate)", f"{units:,}"),
        ("share of the core with its SRAM", f"{units / core:.2%}"),
        ("PEG and ESU, Xilinx LUTs", f"{sum(area[name, 'xilinx']['luts'] for name in ('peg', 'esu')):,}"),
    ]
    return f"Configuration `{report['config']['name']}`, seed {report['seed']}.\n\n" + table(("figure", "value"), rows)


def models(runs: list[dict[str, Any]]) -> str:
    """Of the report of `make models`."""
    rows = [
        ("accuracy, float", *(f"{run['accuracy']['accuracy, float']:.1%}" for run in runs)),
        ("accuracy, integers of 8 bits", *(f"{run['accuracy']['accuracy']:.1%}" for run in runs)),
        ("RTL = golden = fast model", *(f"bit for bit, {run['images in RTL']} images" for run in runs)),
        ("memory words (64 bits)", *(f"{run['memory words']:,}" for run in runs)),
        ("events per digit", *(f"{run['events']:,.0f}" for run in runs)),
        ("synaptic operations per digit", *(f"{run['synaptic operations']:,.0f}" for run in runs)),
        ("cycles per digit", *(f"{run['cycles']:,.0f}" for run in runs)),
    ]
    headings = (f"{runs[0]['images']:,} test digits", *(run["title"] for run in runs))
    return table(headings, rows)


def footprint(*reports: dict[str, Any]) -> str:
    """Of `synapress footprint NETWORK --json`."""
    rows, cells = [], []
    for report in reports:
        ours, two_level, flat = (item["total"] for item in report["totals"].values())
        real = report["real_connectivity"]
        rows.append((report["network"], f"{report['cores']['image as written']:,}", size(sum(report["image"].values())),
                     size(ours), size(two_level), size(flat), f"{real['paper']['words']:,}", f"{real['words']:,}",
                     f"{real['factor']:.1f}"))
        for cell, entry in report["published"].items():
            unit = {1 << 30: "GB", 1 << 20: "MB", 1 << 10: "kB"}[entry["unit_bytes"]]
            cells.append((report["network"], cell, f"{entry['paper']:,.2f} {unit}", f"{entry['ours']:,.2f} {unit}",
                          f"{entry['residual_percent']:+.2f} %"))
    first = table(("network", "cores of 256 kB", "image", "this technique", "hierarchical LUT", "LUT",
                   "words of connectivity, paper's scheme", "ours", "factor"), rows)
    return (
        f"{first}\n\n*This technique* and both references are counted as in the paper (section 5.2), *image* is every "
        "word that is written. Words of connectivity are compared at the same cuts. "
        "[Memory accounting](mapping.md#memory-accounting) has the rules.\n\n"
        "The cells that the paper prints, and ours by its rules. Its totals of MobileNet and DarkNet53 do not follow "
        f"from the standard networks.\n\n{table(('network', 'cell', 'paper', 'ours', 'residual'), cells)}")


def core(rows: list[dict[str, Any]]) -> str:
    """Of `benchmarks.core`."""
    return (
        "Events whose kernels lie inside the map, on an otherwise idle core. Synaptic operations by counter equal "
        "those counted by hand.\n\n" + table(
            ("layer", "lanes useful", "word operations per cycle"),
            [(row["layer"], f"{row['lane_utilization']:.1%}", f"{row['word_ops_per_cycle']:.3f}") for row in rows]))


def lanes(report: dict[str, Any]) -> str:
    """Of `benchmarks.lanes`."""
    def cost(entry: dict[str, Any]) -> list[str]:
        return [f"{entry[name]:,.0f}" for name in ("transistors_per_operation", "luts_per_operation")]

    rows = [(f"{entry['lanes']} lanes, {entry['banks']} banks", f"{entry['useful']:.1%}", f"{entry['transistors']:,}",
             f"{entry['luts']:,}", *cost(entry)) for entry in report["cores"]]
    rows.append(("SNE's engine, 16 operations", "taken as all", "", "", *cost(report["rival"])))
    headings = ("core", "lanes useful", "transistors", "Xilinx LUTs", "transistors per operation and cycle",
                "LUTs per operation and cycle")
    return (
        f"Core logic without SRAM and without hard multipliers, divided by the lanes in use on {report['layer']}. "
        "SNE's engine, by the same tool, does kernels of 3×3 and stride 1 with weights of 4 bits only; it is taken at "
        f"its peak.\n\n{table(headings, rows)}")


def network(parts: dict[str, list[dict[str, Any]]]) -> str:
    """Of `benchmarks.network`."""
    frame, ratio = parts["frame"][0], parts["ratio"][0]
    rows = [
        (f"a frame of {frame['network']}", f"{frame['median, s']:.2f} s, {frame['peak memory, GB']:.2f} GB"),
        ("its populations that equal the dense reference", f"{frame['equal to dense']} of {frame['populations']}"),
        *((f"synaptic operations of firing neurons per second, {row['layer']}, {row['density']:.1%} firing",
           f"{row['million SOP/s (median)']:,.0f} million") for row in parts["sparse"]),
        ("a PilotNet frame, times as fast as the event-by-event model", f"{ratio['ratio']:.0f}×"),
    ]
    cycles = [(row["layer"], f"{row['ideal']:,}", f"{row['cycles, model']:,}", f"{row['cycles, RTL']:,}",
               f"{row['error']:.2%}") for row in parts["cycles"]]
    return (f"{table(('fast whole-network model, one thread, median', 'value'), rows)}\n\n"
            "The cycle model and the counters of the RTL, on the digits network:\n\n"
            + table(("layer", "least possible", "cycle model", "RTL", "error"), cycles))


def mapping(rows: list[dict[str, Any]]) -> str:
    """Of `benchmarks.mapping`."""
    return (
        "Partitioned, placed, and images written to files. The last column compares events × hops of a row-major "
        "placement with ours.\n\n" + table(
            ("network", "cores", "fragments", "seconds", "memory", "row-major : ours"),
            [(row["network"], f"{row['cores']:,}", f"{row['fragments']:,}", f"{row['seconds']:.1f} s",
              f"{row['gigabytes']:.2f} GB", f"{row['gain']:.2f}") for row in rows]))


def onnx(rows: list[dict[str, Any]]) -> str:
    """Of `benchmarks.models`."""
    return (
        "ONNX files of real size, compiled with 16 frames onto meshes of `grai_vip` cores. Weights and frames are "
        "random. [What to expect](models.md#what-to-expect) says what the figures mean. Times are "
        "those of the processor, with one thread.\n\n" + table(
            ("network", "parameters", "synapses", "layers", "cores", "compile", "frame", "SQNR, output",
             "SQNR, a layer", "model and frames", "memory to compile", "in all"),
            [(row["network"], f"{row['parameters'] / 1e6:.2f} M", f"{row['synapses'] / 1e6:,.1f} M", f"{row['layers']}",
              f"{row['cores']}", f"{row['seconds to compile']:.1f} s", f"{row['milliseconds per frame']:.0f} ms",
              f"{row['SQNR of the output']:.1f} dB", f"{row['SQNR of a layer alone']:.1f} dB",
              f"{row['gigabytes of model and frames']:.3f} GB", f"{row['gigabytes to compile']:.2f} GB",
              f"{row['gigabytes']:.2f} GB") for row in rows]))


def pilotnet(*reports: dict[str, Any]) -> str:
    """Of the reports of `synapress demo-pilotnet`."""
    runs = sorted((run for report in reports for run in report["runs"]), key=lambda run: int(run["cores"]))
    same = [run["comparison"] for run in runs]
    equal = "equal, bit for bit" if not any(item["differences"] for item in same) else "DIFFERENT"
    rows = [
        ("RTL and golden model", *(f"{equal}: {item['frames']} frames, {item['states']:,} state words, all counters "
                                   "and links" for item in same)),
        ("neurons that fire", *(f"{run['firing']:.1%}" for run in runs)),
        ("synaptic operations per frame", *(f"{run['synapses']:,.0f}" for run in runs)),
        ("cycles of a frame, ideal: operations ÷ (cores · lanes)", *(f"{run['ideal']:,.0f}" for run in runs)),
        ("frame interval in RTL, cycles", *(f"{run['interval']:,.0f}" for run in runs)),
        ("frame interval, predicted", *(f"{run['predicted']['interval']:,}" for run in runs)),
        ("interval ÷ ideal in RTL", *(f"{run['ratio']:.3f}" for run in runs)),
        ("interval ÷ ideal, predicted", *(f"{run['predicted']['ratio']:.3f}" for run in runs)),
        ("cycles of the whole run ÷ frames", *(f"{run['mean']:,.0f}" for run in runs)),
        ("bar", *("" if run["bar"] is None else f"{run['bar']}" for run in runs)),
        ("latency of the first frame, cycles", *(f"{run['latency'][0]:,}" for run in runs)),
        ("busiest link, load", *(f"{max(link['load'] for link in run['links']):.1%}" for run in runs)),
        ("busiest core, busy", *(f"{max(core['share'] for core in run['cores_of']):.1%}" for run in runs)),
        ("processor seconds, without setup", *(f"{run['processor seconds']:,.0f}" for run in runs)),
    ]
    layers = [(name, f"{item['events']:,.0f}", f"{item['synapses']:,.0f}", f"{item['busy']:,}", f"{item['lanes']:.1%}")
              for name, item in next(run for run in runs if run["cores"] == 3)["layers"].items()]
    first = reports[0]
    return (
        f"Configuration `{first['config']['name']}`, seed {first['seed']}. Weights are random, frames are drawn; the "
        "network is mapped with another frame than those that run. The interval is between frames that are out.\n\n"
        + table(("figure", *(f"{run['cores']} cores" for run in runs)), rows)
        + "\n\nLayers on 3 cores, per frame; cycles of ESU and neuron update, by the cycle model:\n\n"
        + table(("layer", "events in", "synaptic operations", "cycles", "lanes used"), layers))


def large(replays: list[dict[str, Any]], whole: dict[str, Any]) -> str:
    """Of `benchmarks.replay` and `benchmarks.whole_mesh`."""
    rows = [
        (run["network"], f"{run['cores']}", "equal" if not run["differ"] and run["outputs equal"] else "DIFFERENT",
         f"{run['firing']:.1%}", f"{run['word operations']:,}", f"{run['events in']:,}", f"{run['states']:,}",
         f"{run['seconds, compiler apart']:,.0f} s", f"{run['processor seconds']:,.0f} s") for run in replays]
    same = whole["comparison"]
    verdict = "equal" if not same["differences"] else "DIFFERENT"
    return (
        "One frame of 224 × 224, random weights. Replayed: the RTL of each core alone, with the events that the golden "
        "mesh says it gets; all states, events sent, memories and counters compared. Seconds by the clock are from the "
        "network to the last core, without compiling the simulator.\n\n" + table(
            ("network", "cores", "RTL and golden", "neurons that fire", "word operations", "events", "state words",
             "time", "processors"), rows)
        + f"\n\nAll {whole['cores']} cores and routers of {whole['network']} at once, cycle by cycle:\n\n"
        + table(("figure", "value"), (
            ("RTL and golden", f"{verdict}: {same['states']:,} state words, {same['memory_words']:,} memory words, all "
                               "counters and links"),
            ("latency of the frame, cycles", f"{whole['latency']:,}"),
            ("latency by the model of the mesh", f"{whole['latency, model']:,.0f} ({whole['latency error']:+.1%})"),
            ("cycles of nodes simulated", f"{whole['node cycles']:,}"),
            ("seconds of the simulation", f"{whole['seconds']:,.0f}"))))


def sigma_delta(found: list[dict[str, Any]]) -> str:
    """Of `benchmarks.sigma_delta`."""
    parts = []
    for run in found:
        rows = [("frame by frame" if row["threshold"] is None else str(row["threshold"]), f"{row['SOP per frame']:,}",
                 f"{row['times fewer']:.2f}", f"{row['error']:.1%}", f"{row['interval']:,}",
                 f"{row['frames per second']:,.0f}") for row in run["rows"]]
        in_rtl = "; ".join(
            f"threshold {item['threshold']}: {item['frames']} frames equal golden in {item['states']:,} state words, "
            f"interval {item['interval']:,.0f} cycles" + (
                ", outputs those of the network frame by frame" if item["frame by frame"] else "")
            for item in run["rtl"])
        parts.append(f"Input {run['size'][0]} × {run['size'][1]}. In RTL, {in_rtl}.\n\n" + table(
            ("threshold", "synaptic operations per frame", "times fewer", "error of the outputs", "interval, predicted",
             "frames/s at 100 MHz"), rows))
    return ("PilotNet as a sigma-delta network on 3 cores; random weights, a drawn scene that moves by a pixel per "
            "frame, with noise. The first frame does not count.\n\n" + "\n\n".join(parts))


def quantized(found: dict[str, Any]) -> str:
    """Of `studies.quantized_files`."""
    return (
        "Files that onnxruntime quantized: integers of all layers that differ from onnxruntime's and, for QDQ, from "
        "float64. [Quantized files](models.md#quantized-files) explains them. onnxruntime computes means, resizing and "
        "transposed convolutions of QDQ files (plain, u_shape) in float32, whose rounding may depend on the processor."
        "\n\n" + table(
            ("network", "form", "integers", "differ from onnxruntime", "by more than 1", "differ from float64"),
            [(row["network"], row["form"], f"{row['integers']:,}", f"{row['onnxruntime']:,}",
              f"{row['by more than 1']:,}", "" if row["float64"] is None else f"{row['float64']:,}")
             for row in found["files"]]))


def conformance(counts: dict[str, int]) -> str:
    """Of `studies.conformance`."""
    rows = [(what, f"{counts[passed]} of {counts[tests]} ({counts[passed] / counts[tests]:.1%})")
            for what, passed, tests in (
        ("conformance tests of the onnx package that pass as integers", "passed", "tests"),
        ("of those with static float tensors of one or two dimensions", "flat passed", "flat"))]
    return table(("figure", "value"), rows) + "\n\n[Conformance](conformance.md) lists them by operator."


def _json(*arguments: str) -> Command:
    """A command of `synapress` that prints JSON."""
    return Command(f"synapress {' '.join(arguments)} --json", "synapress", (*arguments, "--json"))


def _bench(name: str, target: str = "bench") -> Command:
    """One of the benchmarks of a target of make."""
    path = f"build/benchmarks/{name}.json"
    return Command(f"make {target}", f"benchmarks.{name}", ("--json", path), path)


SECTIONS = {
    "demo": Section("Digits in RTL", (
        Command("make demo", "synapress", ("demo",), "build/demo/report.json"),), demo, slow=True),
    "pilotnet": Section("PilotNet on a mesh", (
        Command("make demo-pilotnet", "synapress", ("demo-pilotnet",), "build/demo-pilotnet/report.json"),
        Command("synapress demo-pilotnet --cores 12 --output build/demo-pilotnet-12", "synapress",
                ("demo-pilotnet", "--cores", "12", "--output", "build/demo-pilotnet-12"),
                "build/demo-pilotnet-12/report.json")), pilotnet, times=True, slow=True),
    "large": Section("Networks of ImageNet size in RTL", (
        Command("python -m benchmarks.replay mobilenet resnet50", "benchmarks.replay",
                ("mobilenet", "resnet50", "--json", "build/benchmarks/replay.json"), "build/benchmarks/replay.json"),
        Command("python -m benchmarks.whole_mesh", "benchmarks.whole_mesh",
                ("--json", "build/benchmarks/whole_mesh.json"), "build/benchmarks/whole_mesh.json")),
        large, times=True, slow=True),
    "sigma_delta": Section("Sigma-delta networks", (
        Command("python -m benchmarks.sigma_delta --frames 8 --thresholds 0,4,6,8,10 --rtl 4", "benchmarks.sigma_delta",
                ("--frames", "8", "--thresholds", "0,4,6,8,10", "--rtl", "4", "--json",
                 "build/benchmarks/sigma_delta.json"), "build/benchmarks/sigma_delta.json"),), sigma_delta, slow=True),
    "conversion": Section("Spikes in time, with and without training for them", (
        Command("python -m studies.conversion_table", "studies.conversion_table"),), conversion_table.text),
    "models": Section("Trained models", (
        Command("make models", "examples.trained_models", (), "build/models/report.json"),), models),
    "footprint": Section("Memory of known networks", tuple(_json("footprint", name) for name in NETWORKS), footprint,
                         slow=True),
    "area": Section("Area and clock", (
        _json("area", *BLOCKS, "--target", "cmos", "--target", "xilinx", "--no-parts"),
        _json("area", "peg", "esu", "evaluation", "--fmax")), area, slow=True),
    "organisations": Section("Memory organisations", tuple(
        _json("organisations", *given) for given in organisations.COMMANDS), organisations.text, slow=True),
    "organisations_published": Section("Memory organisations beside published figures", (
        _json("organisations", "--published"),), organisations.published),
    "organisations_learning": Section("Memory organisations that learn", (
        *(_json("organisations", *given) for given in organisations_learning.COMMANDS),
        Command("make demo-learning", "synapress", ("demo-learning",), "build/demo-learning/report.json")),
        organisations_learning.text, slow=True),
    "cim": Section("Compute in memory", (_json("cim", *cim.COMMAND),), cim.text, slow=True),
    "lookup_tables": Section("Look-up tables, simulated", (
        Command("python -m benchmarks.lookup_tables", "benchmarks.lookup_tables",
                ("--json", "build/benchmarks/lookup_tables.json"), "build/benchmarks/lookup_tables.json"),
        Command("python -m benchmarks.lookup_tables --network resnet-block --no-area", "benchmarks.lookup_tables",
                ("--network", "resnet-block", "--no-area", "--json", "build/benchmarks/lookup_tables_resnet.json"),
                "build/benchmarks/lookup_tables_resnet.json")), lookup_tables.text, slow=True),
    "log_product": Section("Logarithmic products", (
        Command("python -m benchmarks.log_product --fmax 2", "benchmarks.log_product",
                ("--fmax", "2", "--json", "build/benchmarks/log_product.json"), "build/benchmarks/log_product.json"),),
        spike_times.products, slow=True),
    "cim_macro": Section("Periphery of the compute-in-memory macro", (
        Command("python -m benchmarks.cim_macro --fmax 1", "benchmarks.cim_macro",
                ("--fmax", "1", "--json", "build/benchmarks/cim_macro.json"), "build/benchmarks/cim_macro.json"),),
        periphery, slow=True),
    "vgg": Section("VGG-16 of spikes in time", (
        Command("python -m benchmarks.vgg", "benchmarks.vgg", ("--json", "build/benchmarks/vgg.json"),
                "build/benchmarks/vgg.json"),), spike_times.vgg, slow=True),
    "learning": Section("Learning", (
        Command("python -m benchmarks.learning --figure docs/learning.png", "benchmarks.learning",
                ("--figure", "docs/learning.png", "--json", "build/benchmarks/learning.json"),
                "build/benchmarks/learning.json"),
        Command("python -m benchmarks.on_chip", "benchmarks.on_chip",
                ("--json", "build/benchmarks/on_chip.json"), "build/benchmarks/on_chip.json"),
        Command("python -m benchmarks.frontier --figure docs/frontier.png", "benchmarks.frontier",
                ("--figure", "docs/frontier.png", "--json", "build/benchmarks/frontier.json"),
                "build/benchmarks/frontier.json")),
        lambda trained, chip, points: f"{learning.text(trained, chip)}\n\n{organisations_learning.frontier(points)}",
        slow=True),
    "node": Section("Parts of a node", (_json("area", "node", "--target", "cmos"),), node, slow=True),
    "core": Section("Utilization of the core", (_bench("core"),), core),
    "lanes": Section("Logic per useful operation", (_bench("lanes", "bench-lanes"),), lanes, slow=True),
    "network": Section("Speed of the whole-network model", (_bench("network"),), network, times=True),
    "mapping": Section("Time to map known networks", (_bench("mapping"),), mapping, times=True),
    "onnx": Section("ONNX networks of real size", (_bench("models", "bench-models"),), onnx, times=True, slow=True),
    "quantized": Section("Quantized files", (
        Command("python -m studies.quantized_files", "studies.quantized_files",
                ("--json", "build/benchmarks/quantized.json"), "build/benchmarks/quantized.json"),), quantized),
    "conformance": Section("ONNX conformance", (
        Command("python -m studies.conformance", "studies.conformance",
                ("--json", "build/benchmarks/conformance.json"), "build/benchmarks/conformance.json"),), conformance),
}
"""By the name that `--only` takes, in the order of the page."""

ASSERTED = (
    ("cycle model equals the RTL's counters, every layer of the digits network and of random networks",
     "pytest tests/golden/timing/test_cycles.py"),
    ("PEG: one axon per clock, across neurons", "pytest tests/tb/test_peg.py"),
    ("ESU: no wasted cycle, no bubble from 4 operations on", "pytest tests/tb/test_esu.py"),
    ("all spikes of networks that snnTorch, sinabs and Norse wrote and ran equal the float reference",
     "pytest tests/mapper/importers/nir/test_frameworks.py"),
    ("1,000 random networks × random cuts: golden mesh equals the uncut dense reference",
     "pytest tests/mapper/partition/test_cut.py -m long"),
    ("no multiplier in the synapse path of a core of logarithmic products",
     "pytest tests/rtl/neuron/test_products.py"),
    ("60 cut networks on one core: RTL, golden model and uncut network are equal",
     "pytest tests/engines/test_cuts.py"),
)
"""What tests assert instead of measuring it."""
