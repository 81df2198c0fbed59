"""Whether the states hold the sums of integer layers."""

from synapress.reports.tables import Sheet
from synapress.results import CompiledModel


def sums_sheet(compiled: CompiledModel) -> Sheet:
    """By population: the worst case of its sums, whatever the inputs are, and the range of the states."""
    sheet = Sheet(title=f"Sums ({compiled.config.name})", headings=("population", "worst case", "states", "sums"),
                  caption="Sums: proved for any input; unproved: some input may exceed the states, and `simulate` "
                          "counts what wraps.")
    for item in compiled.sums:
        sheet.add_row(item.population, *(f"{low:,} … {high:,}" for low, high in (item.worst, item.available)),
                      item.verdict)
    return sheet
