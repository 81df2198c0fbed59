"""Speed of the compiled RTL: core cycles per second of processor time, and what building it takes.

    python -m benchmarks.simulation [--config PRESET ...] [--frames N] [--repeat N] [--against COMMIT] [--json FILE]

The digits network, so many frames of it. The speed is of the user time of the compiled binary alone, the best of the
repeats; the build is of Yosys, Verilator and the C++ compiler, user and system time, in an empty folder. `--against`
does the same in a copy of another commit, in turns with this one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from golden.files import write

ROOT = Path(__file__).resolve().parents[1]
BUILD_SECONDS = 30
"""The bar of the build."""
_USED = """
import resource, sys
def used(build):
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + (spent.ru_stime if build else 0)
name, frames = sys.argv[1], int(sys.argv[2])
"""
_BUILD = _USED + """
from golden.config import CoreConfig
from synapress.engines import verilated
verilated.build(CoreConfig.load(name))
print(used(True))
"""
_RUN = _USED + """
import numpy as np, synapress
from synapress.engines import rtl, verilated
from synapress.zoo.digits.data import load_digits
from synapress.zoo.digits.network import digits_network
image = synapress.compile(digits_network(), config=name).image
entry, = image.manifest["inputs"]
images = np.asarray(load_digits().test_images[:frames]).reshape(-1, *entry["shape"])
packed = rtl.packed_frames(image, {entry["name"]: images})
verilated.build(image.config)
before = used(False)
run = verilated.run(image.config, image.parts, image.edges, image.populations, packed, inputs=len(entry["axons"]),
                    outputs=len(image.manifest["outputs"]))
print(used(False) - before, run.counters["cycles"])
"""


def measured(script: str, tree: Path, folder: Path, *arguments: str) -> list[float]:
    """What a script prints that imports from `tree` and builds into `folder`."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=folder, check=True, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(tree)})
    return [float(number) for number in done.stdout.split()]


def compare(config: str, trees: dict[str, Path], frames: int, repeat: int) -> list[dict[str, Any]]:
    """A row per tree: build it in an empty folder, then run it in turns with the others."""
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary) / name for name in trees}
        builds, best, cycles = {}, dict.fromkeys(trees, float("inf")), dict.fromkeys(trees, 0.0)
        for name, folder in folders.items():
            folder.mkdir()
            builds[name], = measured(_BUILD, trees[name], folder, config, str(frames))
        for _ in range(repeat):
            for name, folder in folders.items():
                seconds, cycles[name] = measured(_RUN, trees[name], folder, config, str(frames))
                best[name] = min(best[name], seconds)
    speed = {name: cycles[name] / best[name] for name in trees}
    first = next(iter(speed.values()))
    return [{"config": config, "commit": name, "build, s": builds[name], "cycles": int(cycles[name]),
             "user time, s": best[name], "cycles per second": speed[name], "ratio": speed[name] / first,
             "reached": builds[name] <= BUILD_SECONDS} for name in trees]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", nargs="+", default=["fpga_small", "grai_vip"])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--against", metavar="COMMIT")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        trees = {"this": ROOT}
        if arguments.against:
            archive = Path(temporary) / "tree.tar"
            subprocess.run(["git", "archive", "-o", str(archive), arguments.against], cwd=ROOT, check=True)
            subprocess.run(["tar", "-xf", str(archive), "-C", temporary], check=True)
            trees = {arguments.against: Path(temporary), "this": ROOT}
        rows = [row for config in arguments.config
                for row in compare(config, trees, arguments.frames, arguments.repeat)]
    table = Table(title=f"Compiled RTL, digits network, {arguments.frames} frames; build at most {BUILD_SECONDS} s")
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading in ("config", "commit") else "right")
    for row in rows:
        table.add_row(*(f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if type(value) is int
                        else str(value) for value in row.values()))
    Console(width=150).print(table)
    if arguments.json:
        write(arguments.json, json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
