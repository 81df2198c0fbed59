"""The section of docs/measured.md on organisations that learn: `synapress organisations --learning`, the demo."""

from typing import Any

from golden.synapse.organisations.interface import KINDS
from studies.markdown import table

PASSES = ("forward", "backward", "update")
SWEEP = ("--inputs", "784", "--outputs", "128", "--density", "0.05:1:0.05", "--bits", "2:12", "--learning",
         "--no-controllers", "--model", "cacti22", "--figure", "docs/organisations_learning.png")
COMMANDS = (SWEEP, ("--inputs", "784", "--outputs", "128", "--density", "0.25", "--learning"),
            ("--kernel", "3", "--image", "28", "--channels", "8", "--learning"))
"""Arguments of `synapress organisations`, in the order of the text's arguments."""


def text(sweep: dict[str, Any], dense: dict[str, Any], kernel: dict[str, Any], demo: dict[str, Any]) -> str:
    """The section."""
    models = "; ".join(f"`{name}`: {source}" for name, source in dense["models"].items())
    return "\n\n".join([
        "Forward: an event from each source neuron. Backward: the error of each destination neuron. Update: that walk, "
        f"each weight read and written. Sums of errors and traces are not in the energy. Weights are drawn with seed "
        f"{dense['seed']}. Memories, one for each part of an organisation: {models}.",
        "![Energy forward, backward and in an update, against density and bits of a weight]"
        "(organisations_learning.png)",
        _crossovers(sweep), _cells("784 × 128, density 0.25, 8 bits", dense),
        _cells("Convolution 3×3, 8 channels, image 28, 8 bits", kernel), _decoders(kernel), *_demo(demo)])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"


def _cells(title: str, found: dict[str, Any]) -> str:
    names = list(found["models"])
    rows = []
    for row in found["rows"]:
        what = row["organisation"] + (f", {row['variant']}" if row["variant"] else "")
        for name in PASSES:
            one, logic = row["passes"][name], row["controller_energy"][name]
            counts = one["accesses"]
            rows.append((what, f"{row['total_bits']:,}", name,
                         *(f"{counts[kind]:,}" for kind in KINDS),
                         "–" if one["cycles"] is None else f"{one['cycles']:,}",
                         *(_number(one["energy"][model]) for model in names),
                         *(_number(logic.get(model)) for model in names)))
    headings = ("organisation", "bits placed", "pass", "index reads", "bitmap reads", "weight reads", "weight writes",
                "cycles", *(f"nJ, {name}" for name in names), *(f"nJ of logic, {name}" for name in names))
    return f"**{title}.**\n\n{table(headings, rows)}"


def _crossovers(found: dict[str, Any]) -> str:
    rows = [(item["quantity"].removeprefix("energy, "), f"{item['weight_bits']}", f"{item['density']:.3f}",
             item["cheaper_below"], item["cheaper_above"])
            for item in found["crossovers"] if item["weight_bits"] in (2, 8, 12)]
    headings = ("energy", "bits of a weight", "density", "cheaper below", "cheaper above")
    return f"**Where compressed rows and bitmap cost the same**, 784 × 128.\n\n{table(headings, rows)}"


def _decoders(found: dict[str, Any]) -> str:
    names = list(found["models"])
    rows = [(item["organisation"], item["walk"], f"{item['transistors']:,}", f"{item['flip_flops']:,}",
             f"{item['luts']:,}", f"{item['share']:.1%}", *(f"{item['energy'][name]:.3g}" for name in names))
            for item in found["controllers"]]
    headings = ("decoder", "pass", "transistors", "flip-flops", "Xilinx LUTs", "nets that change in a cycle",
                *(f"pJ a cycle, {name}" for name in names))
    return f"**Decoders that learn**, at work on that convolution.\n\n{table(headings, rows)}"


def _demo(found: dict[str, Any]) -> list[str]:
    rows = []
    for name, passes in found["accesses"].items():
        same = found["comparison"][name]
        for place, (each, counts) in enumerate(passes.items()):
            rows.append(("" if place else name, each, f"{counts['requests']:,}",
                         *(f"{counts[kind]:,}" for kind in KINDS),
                         _number(found["energy"][name][each]),
                         "" if place else f"{same['weights']:,}", "" if place else f"{same['differences']:,}"))
    final = found["final"]
    return [
        f"**Learned on chip**, {'-'.join(map(str, found['neurons']))} neurons, {found['epochs']} epochs of "
        f"{found['steps']} steps, weights of {found['weight_bits']} bits, density {found['density']:g}, in RTL and in "
        f"the golden model. The distance from the target at the end is {final['integers']:.2f}, in real numbers "
        f"{final['real numbers']:.2f} ({final['integers'] / final['real numbers'] - 1:+.1%}), of silence "
        f"{found['silence']:.2f}.",
        table(("organisation", "pass", "requests", "index reads", "bitmap reads", "weight reads", "weight writes",
               f"nJ, {found['model']}", "weights compared", "that differ"), rows)]


def frontier(found: dict[str, Any]) -> str:
    """Of `benchmarks.frontier`, at the end of the section on learning: what no point beats."""
    best = sorted((point for point in found["points"] if point["best"]), key=lambda point: point["energy"])
    rows = [(point["organisation"], f"{point['weight_bits']}", f"{point['density']:g}", _number(point["energy"]),
             f"{point['loss']:,.0f}", f"{point['lowest']:,.0f} to {point['highest']:,.0f}") for point in best]
    headings = ("organisation", "bits", "density of the mask", f"nJ of a step, {found['model']}", "loss",
                "over the seeds")
    return (
        "**Loss against energy.** A step is a pass forward and an update of both layers, an event from each source and "
        "an error from each destination; accesses are counted at the shares of weights that are not zero. "
        f"{found['model']}: {found['source']}. Of {len(found['points'])} points, those that none beats in both:\n\n"
        f"{table(headings, rows)}\n\n![Loss against energy, by organisation, bits and density](frontier.png)")
