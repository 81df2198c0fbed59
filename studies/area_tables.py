"""The sections of docs/measured.md that tell areas, made of the JSON of `synapress area`."""

from typing import Any

from studies.markdown import table

BLOCKS = ("peg", "esu", "evaluation", "core")


def area(found: dict[str, Any], clocks: dict[str, Any]) -> str:
    """Of `synapress area --json`."""
    reports = {(item["top"], item["target"]): item for item in found["area"]}
    mhz = {item["top"]: item for item in clocks["fmax"]}
    rows = []
    for block in BLOCKS:
        cmos, fpga = reports[block, "cmos"], reports[block, "xilinx"]
        rows.append((block, f"{cmos['transistors']:,}", f"{cmos['sram_transistors']:,}", f"{cmos['flip_flops']:,}",
                     f"{fpga['luts']:,}", f"{fpga['block_rams']:g}",
                     f"{mhz[block]['mhz']:.0f} MHz" if block in mhz else ""))
    models_ = dict.fromkeys(item["model"] for item in (*found["area"], *clocks["fmax"]))
    return (
        f"Configuration `{found['area'][0]['config']}`. Estimates by {'; '.join(models_)}. SRAM: six transistors a "
        "bit, for the cells alone. The clock has one seed; other seeds differ by some percent.\n\n" + table(
            ("block", "transistors", "SRAM transistors", "flip-flops", "Xilinx LUTs", "block RAMs", "clock on ECP5"),
            rows))


def node(found: dict[str, Any]) -> str:
    """Of `synapress area node --json`."""
    (whole,), (parts,) = found["area"], found["parts"]
    logic = sum(part["transistors"] for part in parts["area"])
    everything = logic + sum(part["sram_transistors"] for part in parts["area"])
    rows = [(part["top"], f"{part['transistors']:,}", f"{part['sram_bits']:,}", f"{part['transistors'] / logic:.1%}",
             f"{(part['transistors'] + part['sram_transistors']) / everything:.2%}") for part in parts["area"]]
    return (
        f"Configuration `{whole['config']}`: core, router and access station. Estimates by {whole['model']}, part by "
        "part; an SRAM bit counts six transistors. Bars: the router takes at most 9 % of the logic and 0.3 % with the "
        "SRAM.\n\n" + table(("part", "transistors", "SRAM bits", "share of the logic", "share with SRAM"), rows))
