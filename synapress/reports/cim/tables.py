"""What `synapress cim` counted, as tables and as the parts of pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from synapress.energy.cim import FAST, MOVED_COUNTERS
from synapress.mapper.cim.gains import PUBLISHED_GAINS
from synapress.reports.cells import beside
from synapress.reports.cim import search
from synapress.reports.cim.account import Found
from synapress.reports.cim.published import cells
from synapress.reports.tables import Sheet

STAYS = {"weights": "W", "potentials": "P", "both": "W+P", "none": "–"}
MICRO = 1e-6
"""µJ of a pJ."""


def sheets(found: Found) -> list[Sheet]:
    """All tables."""
    parts = [_operands(found), _held(found), _sweep(found), _gains(found), _shapes(found)]
    if "run" in found:
        parts.append(_run(found))
    parts += search.sheets(found.get("search", {}))
    return parts + [beside(f"{title}, beside the paper", group, f"{caption}.")
                    for title, (group, caption) in cells(found).items()]


def _operands(found: Found) -> Sheet:
    choices = found["choices"]
    left_out = f" Pools are left out: {', '.join(found['pools'])}." if found["pools"] else ""
    sheet = Sheet(
        title=f"{found['network']}: what stays in the array, and what is moved in a timestep, kB",
        headings=("layer", "bits", "weights", "potentials", *(choice["name"] for choice in choices)),
        caption="What stays, W(eights) or P(otentials): kB that stay / moved. What stays is counted in arrays of "
        f"512 × 256 cells.{left_out}")
    for at, layer in enumerate(found["layers"]):
        parts = [choice["layers"][at] for choice in choices]
        kernel, image = f"{layer['kernel']}×{layer['kernel']}", f"{layer['height']}²"
        sheet.add_row(
            f"{layer['name']} {layer['inputs']}→{layer['outputs']} {kernel} {image}",
            f"{layer['weight_bits']}/{layer['potential_bits']}",
            f"{layer['weights']:,.4g}", f"{layer['potentials']:,.4g}",
            *(f"{STAYS[part['stays']]} {part['kept']:,.4g} / {part['moved']:,.4g}" for part in parts))
    sheet.add_section()
    total = [sum(layer[kind] for layer in found["layers"]) for kind in ("weights", "potentials")]
    sheet.add_row("all", "", *(f"{value:,.4g}" for value in total),
                  *(f"{choice['kept']:,.6g} / {choice['moved']:,.6g}" for choice in choices))
    sheet.add_row("macros, occupied", "", "", "", *(f"{choice['macros']}, {choice['occupancy']:.0%}"
                                                    for choice in choices))
    return sheet


def _held(found: Found) -> Sheet:
    names, whole = list(found["held"][0]["kilobytes"]), {choice["name"]: choice["kept"] for choice in found["choices"]}
    sheet = Sheet(title="What so many macros hold, layers taken whole in their order, kB",
                  headings=("macros", *names, f"{names[1]} / {names[0]}"))
    for item in found["held"]:
        kept = item["kilobytes"]
        all_of = kept[names[0]] == whole[names[0]]
        share = "" if all_of or not kept[names[0]] else f"{kept[names[1]] / kept[names[0]] - 1:+.1%}"
        sheet.add_row(f"{item['macros']}", *(f"{kept[name]:,.6g}{', all' if kept[name] == whole[name] else ''}"
                                             for name in names), share)
    return sheet


def _sweep(found: Found) -> Sheet:
    sheet = Sheet(
        title=f"A timestep by sparsity, {found['macros']} macros: this unit, at fixed precision, and a core with SRAM",
        headings=("sparsity", "design", "cycles", "words moved", f"µs at {FAST.clock:g} MHz", "µs, nothing hidden",
                  "µJ, columns", "µJ, idle", "µJ, memory", "µJ", "times"),
        caption=f"Events are drawn with seed {found['seed']}; layers run one after another. Columns: the paper's "
        f"constants. Memory: {found['model']}, accesses alone; no other logic is counted, neither here nor there. "
        "The core with SRAM has the same clock here. Times: of the first design's energy.")
    for row in found["sweep"]:
        least = row["designs"][0]["total"]
        for number, design in enumerate(row["designs"]):
            hidden, whole = design["microseconds"][FAST.name]
            parts = [design["pj"].get(name) for name in ("columns", "idle columns", "memory")]
            sheet.add_row(f"{row['sparsity']:.4g}" if number == 0 else "", design["name"], f"{design['cycles']:,}",
                          f"{design['moved_words']:,}", f"{hidden:,.1f}", f"{whole:,.1f}",
                          *("" if part is None else f"{part * MICRO:,.2f}" for part in parts),
                          f"{design['total'] * MICRO:,.2f}", f"{design['total'] / least:,.2f}" if least else "")
        sheet.add_section()
    return sheet


def _gains(found: Found) -> Sheet:
    first = found["gains"][0]["gains"]
    sheet = Sheet(
        title="Energy of a timestep that is saved, DRAM and buffer behind the macros",
        headings=("system", *(f"{item['sparsity']:.4g}" for item in first), "paper, over its sparsities", "assumes"),
        caption="Against a system of 8-bit weights that stay and 16-bit potentials that move, or as said. The paper "
        "gives neither what stays, nor how often the buffer spares the DRAM, nor the tuned resolutions: no claim.",
        left=(0, len(first) + 2))
    for case in found["gains"]:
        published = "{:.0%} to {:.0%}".format(*case["published"]) if case["published"] else ""
        sheet.add_row(case["name"], *(f"{item['gain']:.1%}" for item in case["gains"]), published, case["assumes"])
    return sheet


def _shapes(found: Found) -> Sheet:
    shapes, names = found["shapes"], ("published", "fitted", "without")
    idle = shapes["idle"]
    sheet = Sheet(
        title=f"Energy of a synaptic operation by shape, pJ, {shapes['channels']} channels side by side",
        headings=("rows × columns", f"idle columns at {idle['published']:.0%}", "relative",
                  f"idle columns at {idle['fitted']:.1%}", "relative", "no standby", "relative"))
    least = {name: min(row[name] for row in shapes["rows"]) for name in names}
    for row in shapes["rows"]:
        sheet.add_row(f"{row['rows']} × {row['columns']}", *(
            text for name in names for text in (f"{row[name]:.2f}", f"{row[name] / least[name]:.2f}")))
    return sheet


def _run(found: Found) -> Sheet:
    run = found["run"]
    silent, classes = ", ".join(f"{name} {share:.1%}" for name, share in run["sources"].items()), run["classes"]
    told = "" if classes is None else (
        f" The gesture is '{classes['label']}', the answer '{classes['answer'] or 'none'}'.")
    sheet = Sheet(
        title=f"{found['network']}, layer by layer through the {run['engine']} core, {run['timesteps']} timesteps",
        headings=("layer", "weight, potential", "groups", "stays", "spikes in", "out", "SOP", "array cycles", "loads",
                  "stores", "words moved", "µs", "µJ", "pJ per SOP", "RTL = golden"),
        caption="Of operands rows × columns. Each layer has the array for itself. Sparsity of inputs: "
        f"{silent}. µs: of a timestep at {FAST.clock:g} MHz, with the core around the array. Energy: the paper's "
        f"constants times columns and words of the buffer, at 1.1 V.{_share(run)}{told}")
    for layer in run["layers"]:
        counters, equal = layer["counters"], layer["compared"] and layer["compared"]["equal"]
        sheet.add_row(
            layer["name"], *_shape_cells(layer["shape"]), f"{layer['sources']:,}", f"{layer['spikes']:,}",
            *_work_cells(counters, _pj([layer]), _us([layer])), {None: "", True: "equal", False: "DIFFERENT"}[equal])
    sheet.add_section()
    parts = [layer["counters"] for layer in run["layers"]]
    total = {name: sum(each[name] for each in parts) for name in parts[0]}
    sheet.add_row("all", "", "", "", "", "", *_work_cells(total, _pj(run["layers"]), _us(run["layers"])), "")
    return sheet


def _share(run: Mapping[str, Any]) -> str:
    """How much of a timestep the array works, if cycles are known."""
    if _us(run["layers"]) is None:
        return ""
    cycles = sum(sum(layer["latency"]) for layer in run["layers"])
    return (f" The array works {sum(layer['counters']['cim_cycles'] for layer in run['layers']) / cycles:.0%} of the "
            "cycles; in the others operands come and go, or events.")


def _shape_cells(shape: Mapping[str, Any]) -> tuple[str, ...]:
    return (f"{shape['weight_rows']}×{shape['columns']}, {shape['potential_rows']}×{shape['columns']}",
            f"{shape['groups']}" + (f", {shape['blocks']} blocks" if shape["blocks"] > 1 else ""),
            STAYS[shape["stationary"]])


def _work_cells(counters: Mapping[str, int], pj: float, microseconds: float | None) -> tuple[str, ...]:
    counts = [counters[name] for name in ("synapses", "cim_cycles", "operand_loads", "operand_stores")]
    words, synapses = sum(counters[name] for name in MOVED_COUNTERS), counters["synapses"]
    return (*(f"{count:,}" for count in (*counts, words)), "" if microseconds is None else f"{microseconds:,.1f}",
            f"{pj * MICRO:,.2f}", f"{pj / synapses:.2f}" if synapses else "")


def _pj(layers: Sequence[Mapping[str, Any]]) -> float:
    return sum(layer["pj"][FAST.name]["total"] for layer in layers)


def _us(layers: Sequence[Mapping[str, Any]]) -> float | None:
    """None: not in the golden core, which has no cycles."""
    if any(layer["microseconds"] is None for layer in layers):
        return None
    return sum(layer["microseconds"][FAST.name] for layer in layers)


# -- pictures ------------------------------------------------------------------------------------------------------

def footprint_parts(found: Found) -> dict[str, Any]:
    """Arguments of `footprint_picture`."""
    return {"title": f"{found['network']}: operands of each layer, and kB that stay / are moved",
            "layers": [layer["name"] for layer in found["layers"]],
            "weights": [layer["weights"] for layer in found["layers"]],
            "potentials": [layer["potentials"] for layer in found["layers"]],
            "modes": {choice["name"]: (choice["kept"], choice["moved"]) for choice in found["choices"]}}


def energy_parts(found: Found) -> dict[str, Any]:
    """Arguments of `energy_picture`."""
    names = [design["name"] for design in found["sweep"][0]["designs"]]
    gains = {case["name"]: [(100 * item["sparsity"], 100 * item["gain"]) for item in case["gains"]]
             for case in found["gains"]}
    bands = {f"paper, against {name}: {low:.0%} to {high:.0%}": (100 * low, 100 * high)
             for name, (low, high) in PUBLISHED_GAINS.items() if found["published_network"]}
    return {"title": f"{found['network']}: energy of a timestep, and what is saved of other systems'",
            "energy": {name: [(100 * row["sparsity"], row["designs"][at]["total"] * MICRO) for row in found["sweep"]]
                       for at, name in enumerate(names)},
            "gains": gains,
            "published": bands}


def shapes_parts(found: Found) -> dict[str, Any]:
    """Arguments of `shapes_picture`: each relative to the cheapest of its kind."""
    shapes = found["shapes"]
    values = {name: [row[name] for row in shapes["rows"]] for name in ("published", "fitted")}
    return {"title": f"{shapes['channels']} channels side by side in 256 columns",
            "labels": [f"{row['rows']}×{row['columns']}" for row in shapes["rows"]],
            "published": 1 + shapes["published_spread"],
            "shapes": {f"idle columns at {shapes['idle'][name]:.1%}": [value / min(each) for value in each]
                       for name, each in values.items()}}
