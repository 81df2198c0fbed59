"""What to expect of trained networks: ONNX files of real size, loaded, compiled onto a mesh and run.

    python -m benchmarks.models [--config PRESET|FILE] [--frames N] [--seed N] [--json FILE] [NETWORK]...

Weights and frames are random (`tests/helpers/own_networks.py`), batch norms as if trained. Random layers amplify the
noise of those before: the output's SQNR of a deep network says little about a trained one's. That of a layer alone, the
median over layers, does not suffer. Each network has a process of its own, so that its memory can be told: the most
that it held at any time. Times are the processor's, with one thread: what else runs does not count.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from rich import box
from rich.console import Console
from rich.table import Table

import synapress
from golden.config import CoreConfig
from golden.files import write
from synapress.mapper.footprint import synapses
from synapress.mapper.quantization.scales import sqnr
from synapress.model import float_outputs
from tests.helpers.onnx_net import frames
from tests.helpers.own_networks import NETWORKS

CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "keywords": ("DS-CNN, keywords, 49 × 10", "keywords", {}),
    "waveform": ("M5, audio of 16,000 samples", "waveform", {"size": 16000}),
    "heartbeat": ("1-D ResNet, ECG of 12 × 3,000", "heartbeat", {}),
    "pilotnet": ("PilotNet, 66 × 200", "pilotnet", {}),
    "mlp": ("MLP, 64 × 64 × 3", "mlp", {}),
    "vgg": ("VGG-like, 112 × 112", "vgg", {}),
    "unet": ("U-Net, transposed, 128 × 128", "unet", {}),
    "unet_linear": ("U-Net, bilinear, 128 × 128", "unet", {"up": "linear"}),
    "two_cameras": ("U-Net of two inputs, 256 × 256", "two_cameras", {}),
    "two_sizes": ("U-Net of two inputs, 256 × 256 and 192 × 192", "two_cameras", {"second": 192}),
    "yolo": ("YOLO-like, 320 × 320", "yolo", {}),
    "mobilenet_v2_96": ("MobileNetV2, 96 × 96", "mobilenet_v2", {"size": 96}),
    "mobilenet_v2": ("MobileNetV2, 224 × 224", "mobilenet_v2", {}),
    "mobilenet_v3": ("MobileNetV3 small, 224 × 224", "mobilenet_v3", {}),
    "efficientnet": ("EfficientNet-B0, 224 × 224", "efficientnet", {}),
    "resnet18": ("ResNet-18, 224 × 224", "resnet18", {}),
    "resnet50": ("ResNet-50, 224 × 224", "resnet50", {}),
}
"""Title, builder and arguments."""
_RUN = 4
"""Frames that are run."""


def gigabytes() -> float:
    """The most memory that this process held so far, in 10^9 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measure(name: str, config: CoreConfig, count: int, seed: int) -> dict[str, Any]:
    """One network in this process."""
    title, builder, arguments = CASES[name]
    model = NETWORKS[builder](seed=seed, **arguments)
    shapes = {item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim][1:] for item in model.graph.input}
    parameters = sum(int(np.prod(item.dims)) for item in model.graph.initializer if item.data_type == 1)
    rng = np.random.default_rng(seed + 100)
    calibration, x = ({key: frames(shape, size, rng) for key, shape in shapes.items()} for size in (count, _RUN))
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(model, f"{folder}/{name}.onnx")
        start = time.process_time()
        loaded = synapress.load(f"{folder}/{name}.onnx")
    made = synapress.compile(loaded, config=config, calibration=calibration)
    compiled, peak = time.process_time() - start, gigabytes()
    synapress.simulate(made, {key: values[:1] for key, values in x.items()})
    start = time.process_time()
    result = synapress.simulate(made, x)
    took = (time.process_time() - start) / _RUN
    exact = float_outputs(loaded, x)
    return {
        "network": title, "parameters": parameters, "synapses": synapses(made.lowered),
        "layers": len(made.layers), "cores": len(made.images), "seconds to compile": compiled,
        "milliseconds per frame": took * 1000,
        "SQNR of the output": min(sqnr(exact[key], result.outputs[key]) for key in exact),
        "SQNR of a layer alone": float(np.median([layer.own_sqnr for layer in made.layers])),
        "gigabytes": gigabytes(), "gigabytes to compile": peak,
        "gigabytes of model and frames": (
            model.ByteSize() + sum(values.nbytes for values in calibration.values())) / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--config", default="grai_vip")
    parser.add_argument("--frames", type=int, default=16, help="to calibrate with")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.networks) - set(CASES):
        parser.error(f"unknown networks: {', '.join(sorted(unknown))}")
    if arguments.alone:
        print(json.dumps(measure(arguments.networks[0], CoreConfig.load(arguments.config), arguments.frames,
                                 arguments.seed)))
        return
    rows = []
    with Console(stderr=True).status("") as status:
        for name in arguments.networks or CASES:
            status.update(name)
            given = ["--config", arguments.config, "--frames", str(arguments.frames), "--seed", str(arguments.seed)]
            done = subprocess.run([sys.executable, "-m", "benchmarks.models", "--alone", *given, name],
                                  stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout))
    table = Table(box=box.MARKDOWN)
    table.add_column("network", no_wrap=True)
    for heading in ("parameters", "synapses", "layers", "cores", "compile", "frame", "SQNR, output", "SQNR, a layer",
                    "model, frames", "memory to compile", "in all"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(row["network"], f"{row['parameters'] / 1e6:.2f} M", f"{row['synapses'] / 1e6:,.1f} M",
                      f"{row['layers']}", f"{row['cores']}", f"{row['seconds to compile']:.1f} s",
                      f"{row['milliseconds per frame']:.0f} ms", f"{row['SQNR of the output']:.1f} dB",
                      f"{row['SQNR of a layer alone']:.1f} dB", f"{row['gigabytes of model and frames']:.3f} GB",
                      f"{row['gigabytes to compile']:.2f} GB", f"{row['gigabytes']:.2f} GB")
    Console(width=220).print(table)
    if arguments.json:
        write(arguments.json, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
