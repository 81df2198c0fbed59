"""The sections of docs/measured.md on cores for spikes in time, of the JSON of two benchmarks."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from studies.markdown import table


def products(found: Mapping[str, Any]) -> str:
    """Of `benchmarks.log_product`."""
    names = ("transistors", "LUTs", "pJ", "update transistors", "update LUTs", "update pJ")
    rows = [(f"{row['product']}, states of {row['states']} bits", f"{row['share']:.1%}", *(
        f"{row[name]:.3f}" if "pJ" in name else f"{row[name]:,}" for name in names)) for row in found["products"]]
    bars = ", ".join(f"{row['bar']:.0%} at {row['states']} bits" for row in found["products"]
                     if row["product"] == "log")
    text = (f"Four lanes. Share: transistors of the product stage, of the linear one's; the logarithmic one's bars: "
            f"{bars}. pJ: of one lane in one operation, by transitions of gates; {found['technology']}.\n\n"
            + table(("product", "share", *names), rows))
    clocks: dict[str, list[float]] = {}
    for row in found["clocks"]:
        clocks.setdefault(row["product"], []).append(row["mhz"])
    return text + "\n\nA whole core of 256 kB, placed and routed: " + "; ".join(
        f"{product} products {statistics.median(mhz):.1f} MHz ({', '.join(f'{value:.1f}' for value in mhz)})"
        for product, mhz in clocks.items()) + ": the median, and each seed of place and route."


def vgg(reports: Sequence[Mapping[str, Any]]) -> str:
    """Of `benchmarks.vgg`."""
    first, cost = reports[0], reports[0]["costs"]
    rows = [
        ("cores", *(f"{report['cores']}" for report in reports)),
        ("weights, at 5 bits", *(f"{report['code bytes'] / 1e6:.2f} MB" for report in reports)),
        ("fraction bits of sums", *(_range(report["fraction bits"].values()) for report in reports)),
        ("spikes per neuron", *(f"{report['spikes per neuron']:.2f}" for report in reports)),
        ("synaptic operations", *(f"{report['synapses']:,.0f}" for report in reports)),
        ("SRAM words", *(f"{report['accesses']:,.0f}" for report in reports)),
        ("cycles, latency in the mesh", *(f"{report['cycles']['latency']:,}" for report in reports)),
        ("cycles of the busiest core", *(f"{report['cycles']['busiest core']:,}" for report in reports)),
        *((f"µJ, {what}", *(f"{report['energy'][what]:,.1f}" for report in reports)) for what in first["energy"]),
        ("µJ, together", *(f"{sum(report['energy'].values()):,.1f}" for report in reports)),
        ("µJ, if weights came from DRAM for each image: besides", *(f"{report['DRAM']:,.0f}" for report in reports)),
        ("the paper's µJ", *(f"{report['paper']['microjoule']:,}" for report in reports)),
        ("the paper's accuracy", *(f"{report['paper']['accuracy']} %" for report in reports)),
    ]
    return (
        f"VGG-16 per image, in the shapes of three data sets: drawn weights and images (seed {first['seed']}, "
        f"images: {first['images']}), no training, so no accuracy. Spikes and operations are counted by the fast "
        f"engine; {sum(report['wrapped'] for report in reports)} sums do not fit their states. Cycles are those of the "
        "model of the mesh, and energy is a model: "
        f"{cost['operation']:.3f} pJ an operation, {cost['access']:.2f} pJ an SRAM word, {cost['compare']:.3f} pJ a "
        f"compare ({'; '.join(cost['sources'])}). Not in it: network, decoders, wires, clock tree, leakage. The last "
        f"two rows are the paper's ({first['paper']['source']}): its own chip in 28 nm, and trained networks.\n\n"
        + table(("figure", *(report["dataset"] for report in reports)), rows))


def _range(values: Any) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"
