"""A compiled model as one HTML page: network, quantization, memory, mapping, work, accuracy, area."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from golden.errors import ConfigError, NetworkError
from golden.neuron.types import neuron_model
from golden.types import Array, Maps
from synapress.engines.timesteps import is_spiking
from synapress.host.host import described
from synapress.mapper import MeshImage
from synapress.mapper.footprint import STATE_BYTES, image_footprint
from synapress.mapper.quantization.scales import sqnr
from synapress.reports import footprint, page, plots
from synapress.reports.choices import organisations_sheet
from synapress.reports.mapping import links_sheet
from synapress.reports.neurons import neurons_section
from synapress.reports.page import Section
from synapress.reports.sums import sums_sheet
from synapress.reports.tables import Sheet, size
from synapress.results import CompiledModel, Simulation
from synapress.tools.area import AreaReport, CmosArea, FpgaArea, estimate

BLOCKS = ("peg", "esu", "core")
ACCURACY, RATIO, SAME = "accuracy", "SQNR of the output", "same values as float"
BUSIEST = 12
"""Links shown of a mesh."""


def html(compiled: CompiledModel, *, simulated: Simulation | None = None, accuracy: Mapping[str, float] | None = None,
         area: bool = False, progress: Callable[[str], None] = lambda _: None) -> str:
    """The page.

    Args:
        simulated: a run, for the work of each layer; best with `cycles`.
        accuracy: see `accuracies`.
        area: estimate the area of the core, too (some seconds).
        progress: called with what is being done.
    """
    progress("memory")
    memory = footprint.account(compiled.lowered, compiled.config, images=compiled.images, progress=progress)
    sections = [_network(compiled), *([neurons_section(compiled)] if is_spiking(compiled.lowered) else []),
                quantization_section(compiled), _memory(memory)]
    if compiled.choices:
        sections.append(Section(title="Synapses", sheets=(organisations_sheet(compiled),)))
    progress("mapping")
    sections.append(_mapping(compiled))
    neurons = memory.totals[0].neurons // STATE_BYTES
    facts = [
        ("configuration", compiled.config.name),
        (f"cores of {size(compiled.config.memory_bytes)}", f"{len(compiled.images):,}"),
        ("neurons, without inputs", f"{neurons:,}"),
        ("memory", size(sum(memory.image.values()))),
        ("look-up tables instead", size(memory.totals[-1].total)),
    ]
    if compiled.layers:
        facts.append(("SQNR of the last layer", accuracy_text(RATIO, compiled.layers[-1].sqnr)))
    if simulated is not None:
        sections.append(_work(simulated, frame(compiled)))
        if is_spiking(compiled.lowered):
            facts.append(("sequences × timesteps", "{:,} × {:,}".format(*sequences(simulated))))
        operations = sum(item.operations for item in simulated.counts.values())
        facts.append((f"SOP per {frame(compiled)}", f"{operations / simulated.frames:,.0f}"))
        facts += [(name, accuracy_text(name, value)) for name, value in (accuracy or {}).items()]
    if area:
        reports = []
        for block in BLOCKS:
            for target in ("cmos", "xilinx"):
                progress(f"area of {block}: {target}")
                reports.append(estimate(block, compiled.config, target))
        sections.append(_area(reports))
    return page.render(compiled.lowered.name or "model", "Memory, work and accuracy of a compiled model. Figures that "
                       "are estimates say by which model.", facts, sections)


def sequences(simulated: Simulation) -> tuple[int, int]:
    """Sequences of a run of a model with neurons, and timesteps of each."""
    count = simulated.sequences or 1
    return count, simulated.frames // count


def frame(compiled: CompiledModel) -> str:
    """What a frame is to a model."""
    return "timestep" if is_spiking(compiled.lowered) else "frame"


def accuracies(simulated: Simulation, labels: npt.ArrayLike | None = None, reference: Maps | None = None
               ) -> dict[str, float]:
    """How well the integers do on the frames of a run, by what is measured.

    Classes are those of the first output that has some: scores, of which the largest counts; or one value per frame,
    a class itself if whole, or the probability of class 1. All else is of the first output of several values.

    Args:
        labels: classes of the frames: share of the frames whose class is the label. For a model
            with neurons: classes of the sequences, and its values are summed over the timesteps.
        reference: what the float model makes of them (`synapress.model.float_outputs`).

    Raises:
        NetworkError: there are labels, but no output has classes.
        ConfigError: labels are no classes of the model.
    """
    scores = {name: values for name, array in simulated.outputs.items()
              if (values := _scores(simulated, array)) is not None}
    chosen = next((name for name, array in scores.items() if array.shape[1] > 1), next(iter(scores), None))
    found: dict[str, float] = {}
    wanted = None
    if chosen is not None and reference is not None:
        wanted = _scores(simulated, reference[chosen])
    if labels is not None:
        if chosen is None:
            raise NetworkError("labels: needs an output of scores (frames, classes), or of one class per frame; given: "
                               f"{', '.join(f'{n} {a.shape} of {a.dtype}' for n, a in simulated.outputs.items())}")
        given = _checked(np.asarray(labels), scores[chosen])
        found[ACCURACY] = float(np.mean(_classes(scores[chosen]) == given))
        if wanted is not None:
            found[f"{ACCURACY}, float"] = float(np.mean(_classes(wanted) == given))
    if wanted is not None and chosen is not None:
        found["same class as float"] = float(np.mean(_classes(scores[chosen]) == _classes(wanted)))
    if reference is not None:
        name = next((name for name, array in simulated.outputs.items() if array.size > simulated.frames),
                    next(iter(simulated.outputs)))
        got, exact = simulated.outputs[name], reference[name]
        if np.issubdtype(got.dtype, np.floating) and got.shape == exact.shape:
            found[RATIO] = float(sqnr(exact.astype(np.float64), got.astype(np.float64)))
        elif wanted is None:
            found[SAME] = float(np.mean(got == exact)) if got.shape == exact.shape else 0.0
    return found


def _scores(simulated: Simulation, array: Array) -> Array | None:
    """Values (frames or sequences, classes) of an output that has classes, else None.

    One value per frame is a class if it is whole, or the probability of class 1.
    """
    frames, samples = simulated.frames, simulated.sequences or simulated.frames
    leading = 2 if array.shape[:2] == (samples, frames // samples) and simulated.sequences else 1
    if array.dtype == bool:
        return None
    if array.ndim == 1 and frames == 1 and array.size > 1:  # a file without frames
        array = array[None]
    if not array.ndim or int(np.prod(array.shape[:leading])) != frames or sum(
            size > 1 for size in array.shape[leading:]) > 1:
        return None
    values = array.reshape(frames, -1)
    if values.shape[1] > 1:
        if np.issubdtype(array.dtype, np.integer) and array.dtype.itemsize > 1:  # indices, not 8-bit scores
            return None
        return np.asarray(values.reshape(samples, -1, values.shape[1]).sum(axis=1))
    if simulated.sequences or not ((values == np.rint(values)).all() or ((values >= 0) & (values <= 1)).all()):
        return None
    return values


def _classes(scores: Array) -> npt.NDArray[np.intp]:
    return scores.argmax(axis=1) if scores.shape[1] > 1 else np.rint(scores[:, 0]).astype(np.intp)


def _checked(labels: Array, scores: Array) -> Array:
    """Labels, one for each row of the scores."""
    count, classes = scores.shape
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or labels.size != count or max(labels.shape, default=1) != count:
        raise ConfigError(f"labels: needs {count} integers, one per frame or sequence; given: {labels.shape} of "
                          f"{labels.dtype}")
    if labels.min() < 0 or (classes > 1 and labels.max() >= classes):
        raise ConfigError(f"labels: needs classes from 0{f' to {classes - 1}' if classes > 1 else ''}; given: "
                          f"{labels.min()} … {labels.max()}")
    return labels.reshape(-1)


def accuracy_text(name: str, value: float) -> str:
    """A figure of `accuracies` with its unit."""
    return f"{value:.2%}" if name != RATIO else _ratio(value) if np.isinf(value) else f"{_ratio(value)} dB"


def _network(compiled: CompiledModel) -> Section:
    program = compiled.lowered
    sheet = Sheet(title="Populations", headings=("population", "shape", "neurons", "type", "from", "weights"),
                  left=(0, 3, 4))
    for population in program.populations:
        edges = program.edges_into(population.name)
        sheet.add_row(
            population.name, " × ".join(map(str, population.shape)), f"{int(np.prod(population.shape)):,}",
            "input" if population.name in program.inputs else neuron_model(population.type).codes[population.type],
            ", ".join(f"{edge.source} {edge.weights.shape[2]}×{edge.weights.shape[3]}" for edge in edges),
            f"{sum(edge.weights.size for edge in edges):,}")
    return Section(title="Network", text=host_text(compiled), sheets=(sheet,))


def host_text(compiled: CompiledModel) -> str:
    """What of the model is not on the cores: normalization of inputs, and operators behind the cores."""
    inputs = (f"Input {port.name}: {port.normalization}." for port in compiled.inputs if port.normalization is not None)
    return " ".join(filter(None, (*inputs, described(compiled.host))))


def quantization_sheet(compiled: CompiledModel) -> Sheet:
    """Per layer how fine the integers are, and whether the sums fit; of neurons also which spikes are right.

    Of integer layers, which nothing was quantized for, the sums alone.
    """
    if compiled.integer:
        return sums_sheet(compiled)
    fires = any(layer.spikes is not None for layer in compiled.layers)
    caption = ("SQNR: against the float model, on the calibration; own: what this layer adds. Sums: proved for any "
               "input, or measured on the calibration.")
    if fires:
        caption += (" Spikes: those that float and integers both have, of those that either has, on float inputs; own: "
                    "on the same inputs.")
    lost = ", ".join(f"{layer.layer} ({layer.lost:.1%})" for layer in compiled.layers if layer.lost is not None)
    if lost:
        caption += (f" Warning: nearly all values of these layers or of their inputs became 0: {lost}. Look for single "
                    "values far above all others in the calibration, or choose Options.method 'percentile' "
                    "(--method percentile).")
    sheet = Sheet(
        title=f"Quantization ({compiled.config.name})", caption=caption,
        headings=("layer", "step", "SQNR dB", "own SQNR dB", *(("spikes", "own spikes") if fires else ()), "states",
                  "weight levels", "sums"))
    verdicts = {item.population: item.verdict for item in compiled.sums}
    for layer in compiled.layers:
        shares = ["" if share is None else f"{share:.1%}" for share in (layer.spikes, layer.own_spikes)]
        sheet.add_row(layer.layer, f"{layer.step:.4g}", _ratio(layer.sqnr), _ratio(layer.own_sqnr),
                      *(shares if fires else ()), f"{layer.states[0]:,} … {layer.states[1]:,}",
                      str(layer.weight_levels), verdicts.get(layer.layer, ""))
    return sheet


def _ratio(decibels: float) -> str:
    return "exact" if decibels == float("inf") else f"{decibels:.1f}"


def quantization_section(compiled: CompiledModel) -> Section:
    layers = compiled.layers
    bars = {"SQNR": [layer.sqnr for layer in layers], "of this layer alone": [layer.own_sqnr for layer in layers]}
    pictures = [([layer.layer for layer in layers], "dB, at most 80", {
        name: [min(max(value, 0.0), 80.0) for value in values] for name, values in bars.items()})]
    if firing := [layer for layer in layers if layer.spikes is not None]:
        pictures.append(([layer.layer for layer in firing], "% of the spikes", {
            "spikes that float and integers both have": [100 * (layer.spikes or 0) for layer in firing],
            "on the same inputs": [100 * (layer.own_spikes or 0) for layer in firing]}))
    figures = tuple(page.svg(partial(plots.layer_picture, layers=names, label=label, bars=heights))
                    for names, label, heights in pictures if names)
    title = "Sums" if compiled.integer else "Accuracy against float, layer by layer"
    return Section(title=title, text=_losses(compiled), figures=figures,
                   sheets=(quantization_sheet(compiled),))


def _losses(compiled: CompiledModel) -> str:
    """Where accuracy is lost: the layer that adds the most noise, and the one with the largest drop in SQNR."""
    layers = {layer.layer: layer for layer in compiled.layers}
    noisy = min(layers.values(), key=lambda layer: layer.own_sqnr, default=None)
    if noisy is None or np.isinf(noisy.own_sqnr):
        return "No layer adds noise." if noisy is not None and noisy.own_sqnr > 0 else ""
    text = f"Layer {noisy.layer} adds the most quantization noise ({noisy.own_sqnr:.1f} dB)."
    falls = []
    for name, layer in layers.items():
        before = [layers[edge.source].sqnr for edge in compiled.lowered.edges_into(name) if edge.source in layers]
        if before and np.isfinite([layer.sqnr, min(before)]).all():
            falls.append((min(before) - layer.sqnr, min(before), layer))
    fall, before_it, layer = max(falls, key=lambda item: item[0], default=(0.0, 0.0, noisy))
    if fall > 0:
        text += (f" The SQNR drops most in layer {layer.layer}, from {before_it:.1f} dB to {layer.sqnr:.1f} dB"
                 f"{', mostly because it amplifies noise' if layer.own_sqnr > layer.sqnr + 6 else ''}.")
    return text


def _memory(report: footprint.Report) -> Section:
    parts = footprint.picture_parts(report)
    return Section(title="Memory", sheets=tuple(footprint.tables(report)),
                   figures=(page.svg(lambda path: plots.footprint_picture(path, **parts)),))


def _mapping(compiled: CompiledModel) -> Section:
    image, room = compiled.image, compiled.config.memory_words
    cores = list(image.images.items()) if isinstance(image, MeshImage) else [((0, 0), image)]
    sheet = Sheet(title="Cores", headings=("core", *footprint.IMAGE_PARTS, "words in use", "populations"), left=(0, 6),
                  caption="Shares of the core's memory.")
    fill: dict[tuple[int, int], dict[str, float]] = {}
    labels = {}
    for place, item in cores:
        found = image_footprint(item)
        whole = room * found.word_bytes
        fill[place] = {part: sum(found.bytes[name] for name in names) / whole
                       for part, names in footprint.IMAGE_PARTS.items()}
        populations = [entry["name"] for entry in item.manifest["population_table"]]
        labels[place] = "\n".join(populations[:3])
        shares = [*fill[place].values(), found.total_words / room]
        sheet.add_row(str(place), *(f"{share:.1%}" for share in shares),
                      ", ".join(populations[:4]) + (f" and {len(populations) - 4} more" if populations[4:] else ""))
    size = image.size if isinstance(image, MeshImage) else (1, 1)
    host = image.host if isinstance(image, MeshImage) else (0, -1)
    sheets = [sheet]
    if compiled.loads:
        sheets.append(links_sheet(compiled.loads, host, BUSIEST))
    return Section(title="Mapping", sheets=tuple(sheets), figures=(page.svg(lambda path: plots.mesh_picture(
        path, title=f"{len(cores)} of {size[0]} × {size[1]} cores", size=size, host=host, fill=fill, labels=labels,
        links=compiled.loads)),))


def wrap_warning(simulated: Simulation) -> str:
    """Which layers' sums did not fit the states; empty if all did."""
    if not simulated.wrapped:
        return ""
    layers = ", ".join(f"{name} ({count:,} of {simulated.counts[name].neurons * simulated.frames:,})"
                       for name, count in simulated.wrapped.items())
    return (f"Warning: sums exceeded the states and wrapped, so they are wrong: {layers}. Calibrate with frames like "
            "these, raise Options.headroom (--headroom), or use 32-bit states.")


def saturation_warning(simulated: Simulation) -> str:
    """Which outputs were clipped by the range chosen for them; empty if none was."""
    if not simulated.saturated:
        return ""
    outputs = ", ".join(
        f"{output} ({', '.join(_clipped(simulated, name, count) for name, count in layers.items())})"
        for output, layers in simulated.saturated.items())
    return (f"Warning: outputs exceeded their quantization range and were clipped, so they are wrong: {outputs}. "
            "Calibrate with frames like these; where the layer named is not the output itself, use Options.method "
            "'max' (--method max) as well.")


def _clipped(simulated: Simulation, name: str, count: int) -> str:
    return f"layer {name}: {count:,} of {simulated.counts[name].neurons * simulated.frames:,}"


def work_sheet(simulated: Simulation, each: str = "frame") -> Sheet:
    """Events, synaptic operations and cycles of each layer, per frame or whatever `each` calls it."""
    frames = simulated.frames
    timed = any(count.cycles is not None for count in simulated.counts.values())
    sheet = Sheet(
        title=f"Work per {each} (mean of {frames:,})",
        headings=("population", "neurons", "events", "silent", "SOP", *(("cycles", "SOP per cycle") if timed else ())),
        caption=" ".join(filter(None, (
            "{:,} × {:,} timesteps.".format(*sequences(simulated)) if each == "timestep" else "",
            "Cycles: of ESU and neuron update for the events that come in, the layer alone on a core, by the cycle "
            "model." if timed else "", wrap_warning(simulated), saturation_warning(simulated)))))
    for name, count in simulated.counts.items():
        cycles = () if not timed else ("", "") if not count.cycles else (
            f"{count.cycles / frames:,.0f}", f"{count.operations / count.cycles:.2f}")
        silent = 1 - count.events / (frames * count.neurons)
        sheet.add_row(name, f"{count.neurons:,}", f"{count.events / frames:,.1f}", f"{silent:.1%}",
                      f"{count.operations / frames:,.0f}", *cycles)
    return sheet


def _work(simulated: Simulation, each: str) -> Section:
    counts, frames = simulated.counts, simulated.frames
    bars = {"events": [count.events / frames for count in counts.values()],
            "SOP": [count.operations / frames for count in counts.values()]}
    if any(count.cycles for count in counts.values()):
        bars["cycles"] = [(count.cycles or 0) / frames for count in counts.values()]
    return Section(title="Work and sparsity", sheets=(work_sheet(simulated, each),), figures=(page.svg(
        lambda path: plots.layer_picture(path, layers=list(counts), bars=bars, label=f"per {each}", log=True)),))


def _area(reports: Sequence[AreaReport]) -> Section:
    sheet = Sheet(title="Area, estimated", headings=("block", "transistors", "SRAM transistors", "LUTs", "flip-flops"))
    for block in BLOCKS:
        cmos = next(item for item in reports if isinstance(item, CmosArea) and item.top == block)
        fpga = next(item for item in reports if isinstance(item, FpgaArea) and item.top == block)
        sheet.add_row(block, f"{cmos.transistors:,}", f"{cmos.sram_transistors:,}", f"{fpga.luts:,}",
                      f"{fpga.flip_flops:,}")
        sheet.caption = f"{cmos.model}. {fpga.model}."
    return Section(title="Area", sheets=(sheet,))
