"""Trained models, from files to RTL simulation and reports: `make models`.

    python -m examples.trained_models

An ONNX file, the CNN of synapress/zoo/digits in float; and a NIR file, the spiking network of
synapress/zoo/spiking_digits, which snnTorch trained and wrote. Writes build/models: the ONNX file, what was compiled, a
page for each, and the figures of both in report.json.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import synapress
from golden.files import write
from synapress.reports.report import accuracies, accuracy_text, html
from synapress.reports.tables import Sheet, show
from synapress.zoo.digits.data import load_digits
from synapress.zoo.digits.onnx_file import digits_onnx
from synapress.zoo.spiking_digits import FILE
from synapress.zoo.spiking_digits.data import sequences

FOLDER = Path("build/models")
RTL_IMAGES = 10


def run(title: str, model: Any, calibration: Any, frames: Any, labels: np.ndarray, folder: Path, console: Console
        ) -> tuple[Sheet, dict[str, Any]]:
    """Compile a model, run all frames in the fast model and some in RTL, write folder and page; returns the figures."""
    with console.status("") as status:
        status.update(f"{title}: integers and images")
        compiled = synapress.compile(model, config="grai_vip", calibration=calibration)
        compiled.save(folder)
        status.update(f"{title}: {len(frames)} images, fast model")
        result = synapress.simulate(compiled, frames)
        wanted = synapress.float_outputs(model, frames)
        status.update(f"{title}: {RTL_IMAGES} images, RTL against golden")
        rtl = synapress.simulate(compiled, frames[:RTL_IMAGES], engine="rtl")
        status.update(f"{title}: page")
        page = folder.with_suffix(".html")
        accuracy = accuracies(result, labels, wanted)
        write(page, html(compiled, simulated=result, accuracy=accuracy))

    for name, array in rtl.integers.items():
        np.testing.assert_array_equal(array, result.integers[name][:RTL_IMAGES])
    assert rtl.counters is not None
    events = sum(count.events for count in result.counts.values()) / len(frames)
    operations = sum(count.operations for count in result.counts.values()) / len(frames)
    figures = {
        "title": title, "images": len(labels), "accuracy": accuracy, "images in RTL": RTL_IMAGES,
        "memory words": compiled.words, "events": events, "synaptic operations": operations,
        "cycles": rtl.counters["cycles"] / RTL_IMAGES,
    }
    sheet = Sheet(title=title, headings=("", ""), caption=f"{page}")
    for row in (*((name, accuracy_text(name, value)) for name, value in accuracy.items()),
                (f"RTL = golden = fast model, {RTL_IMAGES} images", "bit for bit"),
                ("memory words", f"{compiled.words:,}"), ("events per image", f"{events:,.0f}"),
                ("synaptic operations per image", f"{operations:,.0f}"),
                ("cycles per image", f"{figures['cycles']:,.0f}")):
        sheet.add_row(*row)
    return sheet, figures


def main() -> None:
    digits, console = load_digits(), Console(stderr=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write(FOLDER / "digits.onnx", digits_onnx().SerializeToString())
    runs = [run("ONNX: a CNN for digits", synapress.load(FOLDER / "digits.onnx"), digits.train_images[::16, None] / 255,
              digits.test_images[:, None] / 255, digits.test_labels, FOLDER / "digits", console)]
    show([runs[0][0]])
    runs.append(run("NIR: a spiking network for digits, of snnTorch", synapress.load(FILE, neurons="snntorch"),
              sequences(digits.train_images[::40]), sequences(digits.test_images), digits.test_labels,
              FOLDER / "spiking_digits", console))
    show([runs[1][0]])
    write(FOLDER / "report.json", json.dumps([figures for _, figures in runs], indent=1, default=float) + "\n")


if __name__ == "__main__":
    main()
