"""VGG-16 of neurons that spike once, with logarithmic weights: mapped to cores, its work, cycles and energy per image.

    python -m benchmarks.vgg [--only NAME ...] [--images N] [--seed N] [--technology NM] [--json FILE]

For images of CIFAR-10, CIFAR-100 and Tiny-ImageNet in shape only: weights and images are drawn (`synapress.zoo.vgg`),
so there is no accuracy. Spikes and synaptic operations are those of the fast engine, bit for bit; cycles are those of
the model of a mesh.

Energy of an image is SOPs · e_SOP + SRAM words · e(bank of a core) + compares · e_compare. Those of logic are
transitions of synthesized gates at work (`synapress.tools.lanes`); an access is CACTI's to one bank. No DRAM word is
moved, as the cores hold all; what reading the weights once per image would cost is told beside. Network, decoders,
wires, clock tree and leakage are not in it, so the paper's energies, of its own chip, are no figures of these cores.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console

from golden.config import PRESETS, CoreConfig
from golden.errors import SynapressError
from golden.files import write
from golden.network import fast
from golden.program import Program
from golden.timing.cycles import firing_order
from golden.timing.evaluating import uniform
from golden.timing.operations import EdgeOperations, Place
from golden.timing.pipeline import replay
from golden.types import Integers
from synapress.energy.controller import PARAMETERS, logic
from synapress.energy.memory import memory_model
from synapress.engines.interval import interval
from synapress.engines.mesh_model import mesh_model
from synapress.mapper import MeshImage, falling_thresholds
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation
from synapress.mapper.pipeline import run as run_steps
from synapress.reports.tables import Sheet, show
from synapress.spike_times.convert import Converted, convert, core_for
from synapress.spike_times.float_network import code_inputs
from synapress.spike_times.trained import Trained
from synapress.tools.lanes import CYCLES, trace_search, trace_update, work
from synapress.zoo.road import VALUES, road
from synapress.zoo.vgg import vgg16


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A shape of images, and what the paper says of it."""

    name: str
    size: int
    classes: int
    accuracy: float
    """%, the paper's."""
    microjoule: float
    """Per image, the paper's chip."""


DATASETS = (
    Dataset(name="CIFAR-10", size=32, classes=10, accuracy=91.7, microjoule=486.7),
    Dataset(name="CIFAR-100", size=32, classes=100, accuracy=67.9, microjoule=503.6),
    Dataset(name="Tiny-ImageNet", size=64, classes=200, accuracy=57.4, microjoule=1426.0),
)
PAPER = "Lew et al., arXiv 2208.04494"
CODE_BITS = 5
DRAM_PJ, DRAM_BITS = 1000.0, 32
"""Of a word."""
SAMPLE = 4000
"""Word operations that are replayed for the reads of weights and descriptors of an edge."""
LIMIT = 2_000
"""Cycles that the model of the mesh replays for a source and a core: ten times more make a difference of about 1 %."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """pJ of each kind of work."""

    operation: float
    access: float
    compare: float
    sources: tuple[str, ...]


def costs(config: CoreConfig, technology: int, seed: int) -> Costs:
    """Of a configuration: gates at work on drawn operations and potentials, and an access to a bank.

    Raises:
        ConfigError: there is no such technology. ToolError: synthesis failed.
    """
    gates, memory = logic(technology), memory_model(f"cacti{technology}")
    update = trace_update(config, work(config, seed))
    thresholds = falling_thresholds(config)
    potentials = np.random.default_rng(seed).normal(0, thresholds[-1] / 2, CYCLES).astype(np.int64)
    search = trace_search(config, potentials, thresholds)
    bank = config.memory_words * config.word_bits // config.banks
    return Costs(
        operation=gates.energy(update.transitions + update.clock) / config.lanes,
        access=(memory.read(bank, config.word_bits) + memory.write(bank, config.word_bits)) / 2,
        compare=gates.energy(search.transitions + search.clock) / config.ttfs_times.bit_length(),
        sources=(f"logic: {gates.source}", f"memory: {memory.source}, banks of {bank // 8192} kB, "
                                           "mean of a read and a write"))


@dataclass(frozen=True, kw_only=True)
class LayerWork:
    """A layer's work, per image."""

    name: str
    neurons: int
    spikes: float
    synapses: float
    states: float
    """SRAM words of states that operations read and write."""
    fetched: float
    """SRAM words of weights and descriptors."""
    evaluation: int
    """SRAM words of the evaluation: states, parameters, thresholds."""
    compares: int

    @property
    def accesses(self) -> float:
        return self.states + self.fetched + self.evaluation

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"accesses": self.accesses}


def layer_work(program: Program, values: Mapping[str, Integers], config: CoreConfig) -> list[LayerWork]:
    """The work of each layer, of values (N, D, W, H) of all populations of a legal program.

    SRAM words: each word operation reads and writes a word of states. Words of weights and descriptors are those of the
    model of the pipeline, from the first events of an edge. The evaluation reads and clears each state word, and reads
    a parameter word of each channel, or one if all are alike, and thresholds. Words of axons and populations are not
    among them.
    """
    found = []
    for population in program.populations:
        images = len(values[population.name])
        edges, neurons = program.edges_into(population.name), int(np.prod(population.shape))
        synapses, states, fetched = 0, 0, 0.0
        for edge in edges:
            operations = EdgeOperations.of(edge, program.population(edge.source), population, config)
            counts = operations.counts(values[edge.source])
            synapses += counts.synapses
            states += 2 * counts.word_ops
            fetched += counts.word_ops * _fetched(operations, values[edge.source][0], config)
        words = -(-population.shape[0] // config.lanes) * int(np.prod(population.shape[1:]))
        spikes_once = population.table is not None
        found.append(LayerWork(
            name=population.name, neurons=neurons, spikes=int(np.count_nonzero(values[population.name])) / images,
            synapses=synapses / images, states=states / images, fetched=fetched / images,
            compares=neurons * config.ttfs_times.bit_length() * spikes_once, evaluation=bool(edges) * (
                2 * words + (1 if uniform(population) else population.shape[0])
                + config.threshold_words * spikes_once)))
    return found


def _fetched(operations: EdgeOperations, values: Integers, config: CoreConfig) -> float:
    """Words of weights and descriptors for each word operation."""
    c, x, y = firing_order(values, config, host=False)
    sent = operations.sends()[x, y]
    first = int(np.searchsorted(np.cumsum((operations.positions()[x, y] * operations.words[c])[sent]), SAMPLE)) + 1
    stream = operations.work((c[sent][:first], x[sent][:first], y[sent][:first]), Place(), config)
    done = replay(stream, config.banks, config.forward_states)
    return (done.weight_reads + done.descriptor_reads) / max(1, int(stream.operations.sum()))


def energy(layers: Sequence[LayerWork], cost: Costs) -> dict[str, float]:
    """µJ of an image, by what it is for."""
    return {"lanes": sum(layer.synapses for layer in layers) * cost.operation / 1e6,
            "SRAM": sum(layer.accesses for layer in layers) * cost.access / 1e6,
            "search": sum(layer.compares for layer in layers) * cost.compare / 1e6}


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """A network on a mesh."""

    converted: Converted
    program: Program
    cut: PartitionedProgram
    image: MeshImage


def mapped(trained: Trained, images: npt.NDArray[np.float64]) -> Mapped:
    """Conversion, calibrated with the images, and all steps of the compiler; on as many cores as it needs.

    Raises:
        RuleError: it does not fit.
    """
    converted = convert(trained, core_for(trained, PRESETS["grai_vip"]), images)
    done = run_steps(Compilation(source=converted.network, config=converted.config, mesh=True))
    assert isinstance(done.parts, PartitionedProgram) and isinstance(done.image, MeshImage)
    return Mapped(converted=converted, program=done.program, cut=done.parts, image=done.image)


def cycles(network: Mapped, values: Mapping[str, Integers]) -> dict[str, int]:
    """Of a frame: its latency alone in the mesh, and the work of the busiest core, which no interval is below."""
    at = {entry["name"]: (entry["place"][0], entry["place"][1]) for entry in network.image.manifest["fragments"]}
    return {"latency": round(mesh_model(network.cut, network.image, values, frames=0, limit=LIMIT).latency),
            "busiest core": interval(network.cut, network.image, at, values, frames=0, limit=LIMIT).busiest.busy}


def measure(data: Dataset, *, images: int, seed: int, technology: int, console: Console) -> dict[str, Any]:
    """All of one shape of images; returns what is reported."""
    with console.status(f"{data.name}: draws and converts VGG-16") as status:
        trained = vgg16(data.size, data.classes, seed)
        frames = np.stack([road(trained.input_shape, seed + number) for number in range(images)]) / (VALUES - 1)
        status.update(f"{data.name}: converts and maps VGG-16")
        network = mapped(trained, frames)
        config = network.converted.config
        status.update(f"{data.name}: runs {images} images")
        results = fast.run(network.program, {"input": code_inputs(trained, frames)}, config)
        values = {name: result.outputs for name, result in results.items()}
        status.update(f"{data.name}: counts work")
        layers = layer_work(legalize(network.program, config), values, config)
        status.update(f"{data.name}: model of the mesh")
        took = cycles(network, {name: array[0] for name, array in values.items()})
        status.update(f"{data.name}: gates at work")
        cost = costs(config, technology, seed)
    weights = sum(layer.weight.size for layer in trained.layers if layer.weight is not None)
    spiking = [layer for layer in layers if layer.compares]
    return {
        "dataset": data.name, "shape": list(trained.input_shape), "classes": data.classes, "images": images,
        "seed": seed, "weights": weights, "code bytes": weights * CODE_BITS / 8, "cores": len(network.image.images),
        "mesh": list(network.image.size), "layers": [layer.to_json() for layer in layers],
        "fraction bits": {name: layer.fraction_bits for name, layer in network.converted.layers.items()},
        "wrapped": sum(result.wrapped for result in results.values()),
        "spikes per neuron": sum(layer.spikes for layer in spiking) / sum(layer.neurons for layer in spiking),
        "synapses": sum(layer.synapses for layer in layers), "accesses": sum(layer.accesses for layer in layers),
        "compares": sum(layer.compares for layer in layers), "cycles": took, "energy": energy(layers, cost),
        "DRAM": weights * CODE_BITS / DRAM_BITS * DRAM_PJ / 1e6, "costs": vars(cost), "technology": technology,
        "paper": {"accuracy": data.accuracy, "microjoule": data.microjoule, "source": PAPER}}


def sheets(reports: Sequence[Mapping[str, Any]]) -> list[Sheet]:
    """The layers of the first, and all side by side."""
    first, cost = reports[0], reports[0]["costs"]
    layers = Sheet(title=f"Layers of VGG-16, {first['dataset']} in shape, per image", headings=(
        "layer", "neurons", "spikes", "spikes per neuron", "synaptic operations", "SRAM words"))
    for layer in first["layers"]:
        layers.add_row(layer["name"], f"{layer['neurons']:,}", f"{layer['spikes']:,.0f}",
                       f"{layer['spikes'] / layer['neurons']:.2f}", f"{layer['synapses']:,.0f}",
                       f"{layer['accesses']:,.0f}")
    whole = Sheet(title="VGG-16 per image, by model, and the paper's chip beside it", headings=(
        "shape of", "cores", "spikes per neuron", "SOPs", "cycles, latency", "busiest core", "lanes", "SRAM", "search",
        "µJ", "weights from DRAM", "paper's accuracy", "paper's µJ"), caption=(
        f"Drawn weights and images, no training. pJ: {cost['operation']:.3f} a SOP, {cost['access']:.2f} an SRAM "
        f"word, {cost['compare']:.3f} a compare; {'; '.join(cost['sources'])}. Not in it: network, decoders, wires, "
        "clock tree, leakage. Weights from DRAM: what 5 bits each would cost at 1 nJ for 32 bits, if they were read "
        f"for each image; they are not. The paper's: {first['paper']['source']}, its own chip in 28 nm and trained "
        "networks."))
    for report in reports:
        parts = report["energy"]
        whole.add_row(
            report["dataset"], f"{report['cores']}", f"{report['spikes per neuron']:.2f}", f"{report['synapses']:,.0f}",
            f"{report['cycles']['latency']:,}", f"{report['cycles']['busiest core']:,}",
            *(f"{parts[name]:,.1f}" for name in ("lanes", "SRAM", "search")), f"{sum(parts.values()):,.1f}",
            f"{report['DRAM']:,.0f}", f"{report['paper']['accuracy']} %", f"{report['paper']['microjoule']}")
    return [layers, whole]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[data.name for data in DATASETS], metavar="NAME",
                        help=f"of {', '.join(data.name for data in DATASETS)}; default: all, some minutes")
    parser.add_argument("--images", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of weights and images")
    parser.add_argument("--technology", type=int, choices=list(PARAMETERS), default=32, help="nm; default: 32")
    parser.add_argument("--json", type=Path)
    given, console = parser.parse_args(arguments), Console()
    if given.images < 1 or given.seed < 0:
        parser.error("at least one image, and a seed of at least 0")
    try:
        reports = [measure(data, images=given.images, seed=given.seed, technology=given.technology, console=console)
                   for data in DATASETS if not given.only or data.name in given.only]
    except SynapressError as error:
        parser.error(str(error))
    show(sheets(reports), console)
    if given.json:
        write(given.json, json.dumps(reports, indent=1) + "\n")


if __name__ == "__main__":
    main()
