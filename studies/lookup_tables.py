"""The section on look-up tables of docs/measured.md, of the reports of `benchmarks.lookup_tables`."""

from typing import Any

from studies.markdown import table
from synapress.reports.tables import size


def text(*reports: dict[str, Any]) -> str:
    """Each network's edges, and their sums."""
    parts = [
        "One frame, drawn, and weights of a seed. Each edge runs whole in simulated hardware, its tables served from "
        "files; states of all three equal each other and the golden models, bit for bit, and so do events and reads "
        "of the tables. Memory is that of connectivity and weights, by the paper's formula and as served in words of "
        "64 bits. Each technique runs alone and no memory waits, so there is no contention in the cycles. Energy is "
        f"that of accesses to memories of 256 kB ({reports[0]['energy model']}), without network, logic and leakage."]
    for report in reports:
        totals = [{"edge": "all", "technique": name, **total} for name, total in report["total"].items()]
        parts.append(f"{report['network']}:\n\n" + table(
            ("edge", "technique", "formula", "served", "events", "event bits", "synapses", "cycles", "accesses",
             "energy"),
            [(row["edge"], row["technique"], size(row["formula bytes"]), size(row["served bytes"]),
              *(f"{row[name]:,}" for name in ("events", "event bits", "synapses", "cycles")),
              f"{row['reads'] + row['writes']:,}", f"{row['uJ']:,.2f} µJ") for row in (*report["rows"], *totals)]))
    area = next(report["area"] for report in reports if report["area"])
    parts.append("Transistors from firing neuron to state, memory apart, at the widths of a core of 256 kB: "
                 + ", ".join(f"{name} {count:,}" for name, count in area.items())
                 + ". The tables do one synapse per cycle, PEG and ESU four.")
    return "\n\n".join(parts)
