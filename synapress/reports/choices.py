"""How the synapses of edges are stored: all ways side by side."""

from synapress.mapper.organise import MODEL
from synapress.reports.tables import Sheet
from synapress.results import CompiledModel


def organisations_sheet(compiled: CompiledModel) -> Sheet:
    """By edge of which it was asked: what each organisation takes."""
    word = compiled.config.word_bits
    sheet = Sheet(
        title="Synapses", headings=("edge", "organisation", "", "synapses", "density", "bits each", "kbit", "of which",
                                    "cycles", "nJ"), left=(0, 1, 2, 7),
        caption=f"kbit: of 1,024, all memory words of {word} bits. Cycles: of one event of each source neuron, if "
                f"nothing waits; nJ: of their accesses to the core's memory, by {MODEL}, no logic. The matrix is of "
                "source neurons and places of states.")
    for choice in compiled.choices:
        sheet.add_section()
        for item in choice.candidates:
            taken = "" if item.organisation != choice.chosen else "told" if choice.asked == choice.chosen else "chosen"
            parts = ", ".join(f"{name} {words * word / 1024:,.1f}" for name, words in item.words.items())
            sheet.add_row(
                choice.edge, item.organisation, taken, f"{choice.synapses:,} of {choice.inputs:,} × {choice.outputs:,}",
                f"{choice.synapses / (choice.inputs * choice.outputs):.1%}", str(choice.weight_bits),
                *(("", f"not possible: {item.refused}", "", "") if item.refused else
                  (f"{item.total * word / 1024:,.1f}", parts, f"{item.cycles:,}",
                   "" if item.energy is None else f"{item.energy / 1000:,.2f}")))
    return sheet
