"""Whether the states hold the sums of integer layers."""

from synapress.reports.tables import Sheet
from synapress.results import CompiledModel


def sums_sheet(compiled: CompiledModel) -> Sheet:
    """By population: the worst case of its sums, whatever the inputs are, and the range of the states."""
    sheet = Sheet(title=f"Sums ({compiled.config.name})",
                  headings=("population", "worst case", "bits", "states", "sums"),
                  caption="Sums: proved for any input, by the weights; measured: what the calibration summed fits; "
                          "unproved or measured: some input may exceed the states, and `simulate` counts what wraps. "
                          "Worst case, and the bits that it needs: of neurons that remember, one timestep on top of "
                          "all that they may keep.")
    for item in compiled.sums:
        worst, available = (f"{low:,} … {high:,}" for low, high in (item.worst, item.available))
        sheet.add_row(item.population, worst, str(item.bits), available, item.verdict)
    return sheet
