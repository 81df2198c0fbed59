"""Tables of a mesh that was replayed core by core: layers and cores."""

from synapress.engines.replay.results import STALLS, Replay
from synapress.reports.tables import Sheet

_NAMES = tuple(name.removeprefix("stall_") for name in STALLS)


def layer_sheet(replay: Replay) -> Sheet:
    """One row per layer."""
    layers = replay.layers()
    sheet = Sheet(
        title=f"Layers in the RTL, {replay.frames:,} frame{'s' * (replay.frames > 1)} in total",
        headings=("layer", "cores", "word operations", "SOP", "busy", "lanes used", "evaluation",
                  *(f"wait: {name}" for name in _NAMES)),
        caption="Cycles, by the cores' counters, summed over cores. Those of a core with several layers are shared by "
                "word operations, waits to fire by cycles of evaluation.")
    for name, item in layers.items():
        sheet.add_row(name, f"{item.cores}", f"{item.words:,}", f"{item.synapses:,}", f"{item.busy:,.0f}",
                      f"{item.lanes:.1%}", f"{item.evaluation:,}", *(f"{item.stalls[stall]:,.0f}" for stall in STALLS))
    sheet.add_section()
    every = layers.values()
    sheet.add_row("all", "", *(f"{sum(getattr(item, name) for item in every):,.0f}"
                               for name in ("words", "synapses", "busy")), "",
                  f"{sum(item.evaluation for item in every):,}",
                  *(f"{sum(item.stalls[stall] for item in every):,.0f}" for stall in STALLS))
    return sheet


def core_sheet(replay: Replay) -> Sheet:
    """One row per core."""
    sheet = Sheet(
        title="Cores in the RTL", left=(0, 10),
        headings=("core", "events in", "events out", "states", "SOP", "cycles", "busy", "lanes used", "starved",
                  "input full", "layers"),
        caption="Each core alone: events come as soon as what they follow from is done. Cycles until all is done; "
                "starved: none might come, as it follows from what this core has not yet sent.")
    for item in replay.cores:
        layers = ", ".join(dict.fromkeys(row.layer for row in replay.operations[item.place]))
        place = f"({item.place[0]}, {item.place[1]})"
        if item.difference is not None:
            sheet.add_row(place, *["–"] * 9, f"{layers}: DIFFERS, {item.difference}")
            continue
        busy, synapses = item.counters["busy"], item.counters["synapses"]
        sheet.add_row(place, f"{item.given:,}", f"{item.sent:,}", f"{item.states:,}", f"{synapses:,}",
                      f"{item.cycles:,}", f"{busy / max(1, item.cycles):.1%}",
                      f"{synapses / busy / replay.lanes if busy else 0:.1%}", f"{item.starved:,}", f"{item.refused:,}",
                      layers)
    return sheet
