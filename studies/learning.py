"""The section on learning of docs/measured.md, of the reports of `benchmarks.learning` and `benchmarks.on_chip`."""

from typing import Any

from golden.synapse.organisations.interface import KINDS
from studies.markdown import table


def text(trained: dict[str, Any], chip: dict[str, Any]) -> str:
    """Training in software, then on chip."""
    return "\n\n".join([*_trained(trained), *_chip(chip)])


def _trained(report: dict[str, Any]) -> list[str]:
    (inputs, hidden), (_, outputs) = report["shapes"]
    rows = [(str(row["bits"]), f"{row['density']:g}", " / ".join(f"{share:.2f}" for share in row["not zero"]),
             f"{row['first']:,.0f}", f"{row['final']:,.0f}", f"{row['lowest']:,.0f} to {row['highest']:,.0f}",
             f"{row['retention']:.1%}", "yes" if row["falls"] else "**no**") for row in report["rows"]]
    parts = [
        f"**Adamax in software.** {inputs}, {hidden} and {outputs} neurons, {report['steps']} steps, "
        f"{report['epochs']} epochs, {report['rows'][0]['seeds']} seeds of weights, masks and rounding; states, errors "
        "and gradients of 8 bits. The loss is the van Rossum distance, the mean of the last ten epochs; without any "
        f"spike it is {report['silence']:,.0f}. Retention is 1 - loss / loss without spikes. Weights that are not zero "
        "are those of both layers after training: the mask's and the quantizer's zeros are left out.",
        table(("bits", "density of the mask", "not zero", "first loss", "loss", "over the seeds", "retention",
               "falls with each seed"), rows),
        "![Loss against epoch, target and learned raster](learning.png)"]
    if (lost := report["degradation"]):
        better = " (less than 0: 2 bits are the better ones)" if lost["retention"] < 0 else ""
        parts.append(
            "Degradation of a bitmap of 2 bits against a crossbar of 5 bits, which both hold their weights exactly, so "
            f"that only the bits count: {lost['retention']:+.1%} of the retention{better}; the loss changes by "
            f"{lost['loss']:+.1%}. Schaefer et al. tell {lost['published']:.0%}, after 10,000 epochs of pictures that "
            "are not used here; how they measure it is not known.")
    return parts


def _chip(report: dict[str, Any]) -> list[str]:
    given = report["settings"]
    rows = [(found["organisation"], walk, *(f"{counts[name]:,}" for name in ("requests", "synapses", *KINDS)),
             f"{found['rtl accesses'][walk]['cycles']:,}", "equal" if found["equal"] else "**DIFFERENT**")
            for found in report["organisations"] for walk, counts in found["accesses"].items()]
    losses = [(str(row["seed"]), *(f"{row[name]:,.1f}" for name in ("silence", "first", "golden", "real")),
               f"{row['golden'] / row['real'] - 1:+.1%}") for row in report["seeds"]]
    compared = report["organisations"][0]["compared"]
    return [
        f"**On chip.** {given['inputs']}, {given['hidden']} and {given['outputs']} neurons, {given['epochs']} epochs "
        f"of {given['steps']} steps, weights of {given['weight_bits']} bits: the learner's RTL with the host's steps, "
        f"against its golden model. Compared are {compared['weights']:,} weights of {compared['epochs']} epochs for "
        "each organisation, all losses, spikes and accesses; the weights are "
        f"{'the same' if report['same in all organisations'] else '**not the same**'} in all organisations.",
        table(("organisation", "pass", "requests", "synapses", *(kind.replace("_", " ") + "s" for kind in KINDS),
               "cycles in RTL", "RTL and golden model"), rows),
        "Loss at the end against the same steps in real numbers: "
        f"{report['above real numbers']:+.1%} in the mean.",
        table(("seed", "no spikes", "first epoch", "integers", "real numbers", "difference"), losses)]
