"""The neurons of a compiled model that remember: what they do, and how a file's were read."""

import numpy as np

from golden.neuron.types import neuron_model
from golden.neuron.types.lif import Lif
from golden.program import Population
from golden.types import Array
from golden.words import Reset
from synapress.mapper.importers.neurons import Neurons
from synapress.reports.page import Section
from synapress.reports.tables import Sheet
from synapress.results import CompiledModel


def neurons_text(neurons: Neurons) -> str:
    """How neurons were read: the framework's name if these are its defaults, and all options."""
    options = str(neurons).replace(",", ", ")
    return f"{neurons.style} ({options})" if neurons.style else options


def neurons_section(compiled: CompiledModel) -> Section:
    """What the integer neurons of each layer do, and how the file's were read."""
    sheet = Sheet(
        title="Neurons by layer", left=(0, 2),
        headings=("layer", "neurons", "reset", "kept after a leak", "at most", "threshold", "at the start"),
        caption="Lowest and highest integers of the channels: the share of a potential that a leak leaves, "
                "the largest that is kept, in either direction, threshold and first state in units of the channel's "
                "state.")
    for population in compiled.lowered.populations:
        model = neuron_model(population.type, compiled.config)
        if model.thresholds:
            first = np.zeros(1) if population.initial is None else population.initial
            threshold = np.zeros(1) if population.threshold is None else population.threshold
            sheet.add_row(
                population.name, f"{int(np.prod(population.shape)):,}",
                _reset(population),
                _span(population.multiplier / 2.0 ** np.asarray(population.shift), ".4g"),
                f"{-model.kept_range(population.saturation, compiled.config)[0]:,}", _span(threshold, ",.0f"),
                _span(first, ",.0f"))
    read = "" if compiled.neurons is None else f"Read as {neurons_text(compiled.neurons)}. "
    read = "".join(f"Warning: {text} " for text in compiled.warnings) + read
    return Section(title="Neurons", text=f"{read}Potentials are shifted so that every reset is one to 0, or by the "
                                         "threshold.", sheets=(sheet,))


def _reset(population: Population) -> str:
    if population.saturation & 1 == Reset.SUBTRACT:
        return "by the threshold"
    value = (population.second or {}).get("highest") if neuron_model(population.type) is Lif else None
    return "to 0" if value is None else f"to {_span(value, ',.0f')}"


def _span(values: Array, form: str) -> str:
    low, high = (format(value, form) for value in (values.min(), values.max()))
    return low if low == high else f"{low} … {high}"
