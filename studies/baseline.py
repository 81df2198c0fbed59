"""Digests of everything that the generator writes, so that a change of structure can prove that it changed no byte.

    python -m studies.baseline            # compare with studies/baseline.json; exit code 1 at a difference
    python -m studies.baseline --write    # after a change that is meant to change them: write the file again

Covers the Verilog and the description of every block at every preset, and the memory images and manifests of the digits
network, PilotNet, ResNet50 and the two trained models (an ONNX and a NIR file).
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

import synapress
from golden.config import PRESETS, CoreConfig
from rtl.verilog import TOPS, generate
from synapress.mapper import Image, MeshImage, compile_mesh, compile_network
from synapress.zoo import ZOO
from synapress.zoo.digits.data import load_digits
from synapress.zoo.digits.network import digits_network
from synapress.zoo.digits.onnx_file import digits_onnx
from synapress.zoo.spiking_digits import FILE as SPIKING
from synapress.zoo.spiking_digits.data import sequences

FILE = Path(__file__).with_suffix(".json")


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def verilog() -> Iterator[tuple[str, str]]:
    """Every block at every preset: the Verilog, and the JSON beside it."""
    with tempfile.TemporaryDirectory() as folder:
        for preset in PRESETS:
            for top in TOPS:
                path = generate(top, CoreConfig.preset(preset), Path(folder))
                yield f"verilog/{preset}/{path.name}", digest(path.read_bytes())
                described = path.with_suffix(".json")
                yield f"verilog/{preset}/{described.name}", digest(described.read_bytes())


def image(name: str, made: Image) -> Iterator[tuple[str, str]]:
    yield f"{name}/image", digest(made.to_bytes())
    yield f"{name}/manifest", digest(json.dumps(made.manifest).encode())


def mesh(name: str, made: MeshImage) -> Iterator[tuple[str, str]]:
    """One digest over the images of all cores, one over their manifests."""
    parts = [made.images[place] for place in sorted(made.images)]
    yield f"{name}/images", digest(b"".join(part.to_bytes() for part in parts))
    yield f"{name}/manifests", digest(json.dumps([made.manifest, *(part.manifest for part in parts)]).encode())


def networks() -> Iterator[tuple[str, str]]:
    """Networks of integer layers: one on a core, two on meshes."""
    config = CoreConfig.preset("grai_vip")
    yield from image("digits", compile_network(digits_network(), config)[1])
    for name in ("pilotnet", "resnet50"):
        yield from mesh(name, compile_mesh(ZOO[name](1), config)[2])


def trained() -> Iterator[tuple[str, str]]:
    """Trained models, from file to image."""
    digits = load_digits()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.onnx"
        path.write_bytes(digits_onnx().SerializeToString())
        models: dict[str, tuple[Any, Any]] = {
            "digits_onnx": (synapress.load(path), digits.train_images[::16, None] / 255),
            "spiking_digits_nir": (synapress.load(SPIKING, neurons="snntorch"), sequences(digits.train_images[::40])),
        }
    for name, (model, calibration) in models.items():
        made = synapress.compile(model, config="grai_vip", calibration=calibration)
        for part in made.images:
            yield from image(name, part)


def measure() -> dict[str, str]:
    """All digests by name, with progress on standard error."""
    found: dict[str, str] = {}
    with Console(stderr=True).status("computing digests") as status:
        for part in (verilog, networks, trained):
            for name, value in part():
                found[name] = value
                status.update(f"{len(found)} digests, last {name}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m studies.baseline", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {FILE.name} instead of comparing with it")
    arguments = parser.parse_args()
    found = measure()
    if arguments.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{len(found)} digests written")
        return
    kept = json.loads(FILE.read_text())
    different = sorted(name for name in kept.keys() | found.keys() if kept.get(name) != found.get(name))
    for name in different:
        state = "new" if name not in kept else "gone" if name not in found else "different"
        print(f"{state}: {name}")
    print(f"{len(found)} digests, {len(different)} differ from {FILE.name}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
