"""Tables of frames in flight through the RTL of a mesh: frames, layers, cores and links."""

from collections.abc import Mapping, Sequence
from typing import Any

from golden.noc.mesh import Link
from golden.noc.router import STEPS
from golden.registers import ERRORS, TABLE_COUNTERS
from golden.types import Place
from synapress.engines.interval import FragmentCycles
from synapress.engines.mesh.run import MeshRun
from synapress.engines.mesh.totals import MeshTotals
from synapress.reports.tables import Sheet

MOST_LINKS = 12
"""So many links are in a table of all that a mesh counted; the JSON has all."""
STALLS = ("stall_bank", "stall_hazard", "stall_weight", "stall_fire")


def frame_interval(run: MeshRun) -> float:
    """Cycles from frame to frame, as `golden.timing.frames` counts them: without the first frames, which fill the mesh.

    Of a single frame its latency. Of few frames it may be a little less than the work of the busiest core: the first
    one shares the cores with those behind it, and the last one does not.
    """
    frames, out = len(run.finished), run.finished
    if frames == 1:
        return float(run.latency[0])
    first = max(0, frames // 2 - 1)
    return float(out[-1] - out[first]) / (frames - 1 - first)


def layer_figures(work: Sequence[Sequence[FragmentCycles]], lanes: int) -> dict[str, dict[str, float]]:
    """By layer, what came in, as means over frames, and what the first frame took.

    Args:
        work: by frame what each fragment had to do.
    """
    frames, found = len(work), {}
    for layer in dict.fromkeys(item.parent for item in work[0]):
        mine = [[item for item in fragments if item.parent == layer] for fragments in work]
        every, first = [item for fragments in mine for item in fragments], mine[0]
        busy = sum(item.busy for item in first)
        found[layer] = {
            "neurons": sum(item.neurons for item in first), "fragments": len(first),
            "cores": len({item.core for item in first}), "events": sum(item.events for item in every) / frames,
            "synapses": sum(item.synapses for item in every) / frames, "busy": busy,
            "lanes": sum(item.synapses for item in first) / busy / lanes if busy else 0.0,
            "evaluation": sum(item.evaluation for item in first)}
    return found


def layer_sheet(layers: Mapping[str, Mapping[str, float]], firing: Mapping[str, float], frames: int) -> Sheet:
    """Of `layer_figures`. `firing`: share of the neurons of each layer."""
    sheet = Sheet(
        title=f"Work per frame by layer (mean of {frames})",
        headings=("layer", "neurons", "firing", "cores", "fragments", "events in", "SOP", "cycles of updates",
                  "lanes used", "cycles of evaluation"),
        caption="Events in: counted at each fragment that they go to. Cycles: of the first frame, summed over the "
                "fragments; updates by the cycle model, which replays all events.")
    for layer, item in layers.items():
        sheet.add_row(layer, f"{item['neurons']:,}", f"{firing[layer]:.0%}", f"{item['cores']}", f"{item['fragments']}",
                      f"{item['events']:,.0f}", f"{item['synapses']:,.0f}", f"{item['busy']:,.0f}",
                      f"{item['lanes']:.1%}", f"{item['evaluation']:,.0f}")
    sheet.add_section()
    sheet.add_row("all", f"{sum(item['neurons'] for item in layers.values()):,}", "", "", "",
                  *(f"{sum(item[name] for item in layers.values()):,.0f}" for name in ("events", "synapses", "busy")),
                  "", f"{sum(item['evaluation'] for item in layers.values()):,.0f}")
    return sheet


def core_sheet(cores: Sequence[Mapping[str, Any]]) -> Sheet:
    """One row per core; the JSON of the demo holds them."""
    sheet = Sheet(
        title="Cycles per frame by core",
        headings=("core", "SOP", "busy, model", "busy, RTL", "busy of the run", "lanes used, busy", "layers"),
        caption="Busy: ESU or neuron update have work. Model: the first frame; RTL: mean of all.", left=(0, 6))
    for core in cores:
        x, y = core["core"]
        sheet.add_row(f"({x}, {y})", f"{core['synapses']:,.0f}", f"{core['busy, model']:,.0f}", f"{core['busy']:,.0f}",
                      f"{core['share']:.1%}", f"{core['lanes']:.1%}", ", ".join(core["layers"]))
    return sheet


def link_figures(links: Mapping[Link, int], sent: int, host: Place, frames: int, interval: float
                 ) -> list[dict[str, Any]]:
    """Load of each link that has any, the host's among them, most loaded first.

    Args:
        links: events of all frames by node and side. sent: those of the host.
        interval: cycles per frame; a link passes one event per cycle.
    """
    found = [{"from": list(place), "to": [place[0] + STEPS[side][0], place[1] + STEPS[side][1]],
              "events": events / frames, "load": events / frames / interval} for (place, side), events in links.items()]
    found.append({"from": list(host), "to": None, "events": sent / frames, "load": sent / frames / interval})
    return sorted(found, key=lambda item: -float(item["events"]))


def link_sheet(links: Sequence[Mapping[str, Any]], host: Place, *, title: str = "Events per frame over each link",
               during: str = "in the frame interval") -> Sheet:
    """Of `link_figures`. `during`: what the load is of."""
    def name(place: Sequence[int] | None) -> str:
        return "mesh" if place is None else "host" if tuple(place) == host else f"({place[0]}, {place[1]})"

    sheet = Sheet(title=title, headings=("link", "events", "load"),
                  caption=f"All kinds of events. Load: of one event per cycle, {during}.")
    for link in links:
        sheet.add_row(f"{name(link['from'])} → {name(link['to'])}", f"{link['events']:,.0f}", f"{link['load']:.1%}")
    return sheet


def counter_sheet(totals: MeshTotals) -> Sheet:
    """The counters by core of all frames, those that tell most; the JSON has all."""
    sheet = Sheet(
        title="Counters by core, all frames in total",
        headings=("core", "busy", "of the run", "SOP", "values in", "of its own", "values out", "ends", "fired",
                  *(name.replace("_", " ") for name in STALLS), "errors"),
        caption=f"Of the run: {totals.cycles:,} cycles, from the first event in to the last one out. Errors: counted "
                f"by the core ({', '.join(ERRORS)}), or pulses of the node's output `error`, whichever are more.")
    for place in sorted({*totals.counters, *totals.errors}, key=lambda place: (place[1], place[0])):
        counts = totals.counters.get(place)
        if counts is None:  # a node that only passes events on
            sheet.add_row(str(place), *[""] * (8 + len(STALLS)), f"{totals.errors[place]:,}")
            continue
        errors = max(sum(counts.get(name, 0) for name in (*ERRORS, *TABLE_COUNTERS)), totals.errors.get(place, 0))
        sheet.add_row(str(place), f"{counts['busy']:,}", f"{counts['busy'] / max(1, totals.cycles):.1%}", *(
            f"{counts[name]:,}" for name in ("synapses", "values_in", "values_local", "values_out", "ends",
                                             "neurons_fired", *STALLS)), f"{errors:,}")
    return sheet


def totals_sheets(totals: MeshTotals, frames: int) -> list[Sheet]:
    """What a mesh counted: its cores, and its busiest links."""
    links = link_figures(totals.links, totals.sent, totals.host, frames, max(1, totals.cycles) / frames)
    return [counter_sheet(totals), link_sheet(
        links[:MOST_LINKS], totals.host, during="in the whole run",
        title=f"Events per frame over the {min(MOST_LINKS, len(links))} busiest of {len(links)} links in use")]


def frame_sheet(figures: Mapping[str, Any]) -> Sheet:
    """Latency and interval beside what was predicted, and the bar."""
    sheet = Sheet(title="Frames in flight, cycles", headings=("", "simulated (RTL)", "predicted"),
                  caption=figures["how"])
    predicted = figures["predicted"]
    sheet.add_row("latency of each frame", ", ".join(f"{item:,}" for item in figures["latency"]), "")
    sheet.add_row("latency of the first frame", f"{figures['latency'][0]:,}", f"{predicted['latency']:,}")
    sheet.add_row("frame interval", f"{figures['interval']:,.0f}", f"{predicted['interval']:,}")
    sheet.add_row("whole run ÷ frames", f"{figures['mean']:,.0f}", "")
    sheet.add_row("busiest core, updates", f"{figures['busiest']:,.0f}", f"{predicted['busy']:,}")
    sheet.add_row("ideal: SOP ÷ (cores · lanes)", f"{figures['ideal']:,.0f}", f"{predicted['ideal']:,}")
    sheet.add_row("interval ÷ ideal", f"{figures['ratio']:.3f}", f"{predicted['ratio']:.3f}")
    bar = figures["bar"]
    sheet.add_row("bar", "none" if bar is None else f"at most {bar:.1f}: " + (
        "reached" if figures["ratio"] <= bar else "NOT REACHED"), "")
    return sheet
