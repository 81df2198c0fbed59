"""The sections of docs/measured.md on memory organisations, of the JSON of `synapress organisations`."""

from typing import Any

from studies.markdown import table

SWEEP = ("--inputs", "784", "--outputs", "128", "--density", "0.02:1:0.02", "--bits", "2:12", "--no-controllers",
         "--figure", "docs/organisations.png")
COMMANDS = (SWEEP, ("--inputs", "784", "--outputs", "128", "--density", "0.25"),
            ("--kernel", "3", "--image", "28", "--channels", "8"), ("pilotnet", "--no-controllers"))
"""Arguments of `synapress organisations`, in the order of the text's arguments."""
_LONG = 12
"""A group of published figures with more cells is told by its residuals' mean and worst."""


def text(sweep: dict[str, Any], dense: dict[str, Any], kernel: dict[str, Any], network: dict[str, Any]) -> str:
    """The section."""
    models = "; ".join(f"`{name}`: {source}" for name, source in dense["models"].items())
    logic = "; ".join(f"`{name}`: {source}" for name, source in dense["controllers"][0]["models"].items())
    parts = [
        f"A pass is one event from each source neuron; weights are drawn with seed {dense['seed']}. Memories, one for "
        f"each part of an organisation: {models}. Logic: {logic}.",
        "![Energy of a pass against density, bits of a weight, and bits of the layer](organisations.png)",
        _crossovers(sweep), _sheet("784 × 128, density 0.25, 8 bits", dense),
        _sheet("Convolution 3×3, 8 channels, image 28, 8 bits", kernel), _decoders(kernel), _network(network)]
    return "\n\n".join(parts)


def published(found: dict[str, Any]) -> str:
    """The section on the figures of Schaefer et al., of `synapress organisations --published`."""
    return "\n\n".join(_group(title, cells, found["notes"][title]) for title, cells in found["groups"].items())


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.4g}"


def _sheet(title: str, found: dict[str, Any]) -> str:
    names = list(found["models"])
    rows = [(row["organisation"], f"{row['total_bits']:,}", f"{sum(row['words'].values()):,}",
             *(f"{row['accesses'][kind]:,}" for kind in ("index_read", "bitmap_read", "weight_read")),
             f"{row['cycles']:,}", *(_number(row["energy"][name]) for name in names),
             *(_number(row["controller_energy"].get(name)) for name in names)) for row in found["rows"]]
    headings = ("organisation", "bits", "words", "index reads", "bitmap reads", "weight reads", "cycles",
                *(f"nJ, {name}" for name in names), *(f"nJ of logic, {name}" for name in names))
    return f"**{title}.**\n\n{table(headings, rows)}"


def _decoders(found: dict[str, Any]) -> str:
    names = list(found["models"])
    rows = [(item["organisation"], f"{item['transistors']:,}", f"{item['flip_flops']:,}", f"{item['luts']:,}",
             f"{item['share']:.1%}", *(f"{item['energy'][name]:.3g}" for name in names))
            for item in found["controllers"]]
    headings = ("decoder", "transistors", "flip-flops", "Xilinx LUTs", "nets that change in a cycle",
                *(f"pJ a cycle, {name}" for name in names))
    return f"**Decoders**, with addresses of 24 bits, at work on that convolution.\n\n{table(headings, rows)}"


def _crossovers(found: dict[str, Any]) -> str:
    rows = [(item["quantity"], f"{item['weight_bits']}", f"{item['density']:.3f}", item["cheaper_below"],
             item["cheaper_above"]) for item in found["crossovers"] if item["weight_bits"] in (2, 8, 12)]
    headings = ("quantity", "bits of a weight", "density", "cheaper below", "cheaper above")
    return f"**Where compressed rows and bitmap cost the same**, 784 × 128.\n\n{table(headings, rows)}"


def _network(found: dict[str, Any]) -> str:
    """Bits of each layer; energy where the model has the memories."""
    organisations = list(dict.fromkeys(row["organisation"] for row in found["rows"]))
    model = next(iter(found["models"]))
    rows = []
    for layer in dict.fromkeys(row["layer"] for row in found["rows"]):
        mine = {row["organisation"]: row for row in found["rows"] if row["layer"] == layer}
        rows.append((layer, f"{mine['crossbar']['density']:.2%}", *(
            f"{mine[name]['total_bits'] / 8192:,.1f}{_energy(mine[name], model)}" for name in organisations)))
    return (f"**PilotNet**, kB by the formulas; in parentheses nJ of a pass by `{model}`, where the tables can be "
            f"packed and the model has such memories.\n\n{table(('layer', 'density', *organisations), rows)}")


def _energy(row: dict[str, Any], model: str) -> str:
    value = row["energy"].get(model)
    return "" if value is None else f" ({_number(value)})"


def _group(title: str, cells: list[dict[str, Any]], note: str) -> str:
    """Published figures; long groups in short, by the first word of what they are about."""
    head = f"**{title}.** {note}."
    if len(cells) <= _LONG:
        rows = [(cell["what"], f"{cell['published']:.4g}", _number(cell["ours"]), _percent(cell["residual"]),
                 cell["note"]) for cell in cells]
        return f"{head}\n\n{table(('figure', 'published', 'ours', 'residual', 'note'), rows)}"
    groups: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        first = cell["what"].split()[0].rstrip(",")
        groups.setdefault("all pairs" if first.isdecimal() else first, []).append(cell)
    rows = []
    for group, mine in groups.items():
        known = [cell["residual"] for cell in mine if cell["residual"] is not None]
        mean = sum(map(abs, known)) / len(known) if known else None
        rows.append((group, f"{len(mine)}", f"{len(known)}", _percent(mean, sign=False),
                     _percent(max(known, key=abs, default=None))))
    return f"{head}\n\n{table(('figures', 'cells', 'with ours', 'mean error', 'worst'), rows)}"


def _percent(value: float | None, sign: bool = True) -> str:
    return "–" if value is None else f"{value:+.1%}" if sign else f"{value:.1%}"
