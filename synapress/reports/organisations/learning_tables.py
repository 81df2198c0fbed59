"""All passes of layers in all organisations as tables, JSON and pictures."""

from typing import Any

from synapress.reports.organisations.compare import Row
from synapress.reports.organisations.learning import PASSES, Learned
from synapress.reports.organisations.tables import Layers, Swept, marks, number, panels
from synapress.reports.tables import Sheet

MEANINGS = {
    "one pointer a row": "a row's bits before the neuron are counted, which takes as many words, but no more pointers",
    "a read at every place": "how the authors' energies read a bitmap",
    "search": "compressed rows without links, each row searched by halving",
    "gradients summed": "what shared weights shall change by is summed in a memory of its own, 32 bits each, whose "
                        "reads and writes are in the energy, and each weight is written once"}
"""Of the variants."""
STEP = "forward and update"
"""A step of learning: both passes."""


class Learning(Layers[Learned]):
    """Layers in all organisations, forward, backward and in an update."""

    def plain_rows(self) -> list[Row]:
        """Each pass, and a step of learning."""
        return [Row(layer=row.layer, organisation=row.organisation, inputs=row.inputs, outputs=row.outputs,
                    density=row.density, weight_bits=row.weight_bits, synapses=row.synapses, bits={}, energy={
                        f"{model.name}, {name}": spent(row, name, model.name)
                        for model in self.models for name in (*PASSES, STEP)})
                for row in self.rows if not row.variant]

    def logic_energy(self, row: Learned) -> dict[str, Any]:
        return {name: self.controller_energy(row, name) for name in row.passes}

    def controller_energy(self, row: Learned, name: str) -> dict[str, float]:
        """nJ of a pass by model of the memory, of the decoder's logic; only of each organisation's default walk."""
        cycles = None if row.variant or name not in row.passes else row.passes[name].cycles
        mine = [item for item in self.controllers if (item.organisation, item.walk) == (row.organisation, name)]
        return {model: cycles * cycle / 1000 for item in mine for model, cycle in item.energy.items()
                if cycles is not None}


def spent(row: Learned, name: str, model: str) -> float | None:
    """nJ of a pass, or of a step of learning."""
    found = [row.passes[each].energy.get(model) if each in row.passes else None
             for each in (("forward", "update") if name == STEP else (name,))]
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None


def sheets(found: Learning) -> list[Sheet]:
    """Layers pass by pass, where they cross, and their decoders."""
    return found.sheets(_rows(found))


def _rows(found: Learning) -> Sheet:
    models = [model.name for model in found.models]
    several = found.several
    logic = {name for item in found.controllers for name in item.energy}
    sheet = Sheet(title=f"{found.title}: memory organisations that learn", headings=(
        *(("layer",) if several else ()), "organisation", "density", "weight bits", "bits placed", "pass",
        "index, bitmap, weight reads",
        "writes", "cycles", *(f"nJ, {name}" for name in models),
        *(f"nJ, logic, {name}" for name in models if name in logic)), left=(0, 1, 5) if several else (0, 4))
    for begins, row in found.begins():
        if begins:
            sheet.add_section()
        placed = "" if row.words is None else f"{row.total_bits:,}"
        head = (*((row.layer,) if several else ()), row.name, f"{row.density:.3g}", f"{row.weight_bits}", placed)
        if not row.passes:
            sheet.add_row(*head, *[""] * (len(sheet.headings) - len(head)))
        for place, (name, one) in enumerate(row.passes.items()):
            reads = ", ".join(f"{one.accesses[kind]:,}" for kind in ("index_read", "bitmap_read", "weight_read"))
            sheet.add_row(*(head if place == 0 else [""] * len(head)), name, reads,
                          f"{one.accesses['weight_write']:,}", "" if one.cycles is None else f"{one.cycles:,}",
                          *(number(one.energy.get(model)) for model in models),
                          *(number(found.controller_energy(row, name).get(model))
                            for model in models if model in logic))
    sheet.caption = _caption(found)
    return sheet


def _caption(found: Learning) -> str:
    return (
        "Forward: one event from each source neuron. Backward: the error of each destination neuron. Update: the walk "
        "of backward, each weight read, changed and written. Sums of errors and traces are not in the energy: one of "
        f"each for every synapse that is visited. {'One access for each weight. ' if found.serial else ''}Memory in "
        f"words of {found.word_bits} bits; {found.places}. {_variants(found)}{found.sources}")


def _variants(found: Learning) -> str:
    """What the variants that are shown mean."""
    shown = dict.fromkeys(row.variant for row in found.rows)
    return "".join(f"'{label}': {text}. " for label, text in MEANINGS.items() if label in shown)


def picture_parts(found: Learning, model: str) -> dict[str, Any]:
    """What `pictures.organisations_picture` draws: a row for each pass, by one model of the energy."""
    rows: dict[str, Any] = {}
    crossed: dict[str, Any] = {}
    logic = any(model in item.energy for item in found.controllers)
    for name in PASSES:
        values: list[tuple[Swept, float]] = []
        for row in found.rows:
            if (value := spent(row, name, model)) is not None and value > 0:
                values.append((row, value + found.controller_energy(row, name).get(model, 0.0)))
        label, drawn = f"nJ {name}, {model}{' and logic' if logic else ''}", panels(values, "bits placed")
        # Bits that are placed say little where lines show density and width already.
        rows[label] = {of: lines for of, lines in drawn.items() if of != "bits placed"} or drawn
        crossed[label] = marks([] if logic else found.crossovers, f"energy, {model}, {name}",
                               [row for row, _ in values])
    return {"title": found.title, "rows": rows, "crossovers": crossed}
