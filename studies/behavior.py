"""What the hardware does with networks, in figures that do not depend on how words are packed: events and counters.

    python -m studies.behavior --write before.json      # at one commit
    python -m studies.behavior --compare before.json    # at another one; exit code 1 at a difference

Runs 60 random networks on the core of fpga_small, and the digits on both presets, in the compiled RTL. Of PilotNet it
takes the work and the cycles of each layer from the models, which the RTL is tested against.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import synapress
from golden.config import CoreConfig
from golden.host import encode
from golden.network import fast
from golden.types import Words
from golden.words import layouts
from synapress.engines import verilated
from synapress.engines.rtl import simulate_image
from synapress.mapper import Image, compile_network, lower
from synapress.zoo import ZOO
from synapress.zoo.digits.data import load_digits
from synapress.zoo.digits.network import digits_network
from tests.helpers.networks import random_input, random_network

NETWORKS, FRAMES, DIGITS = 60, 5, 20


def digest(frames: list[Words], config: CoreConfig) -> str:
    """The fields of all events, whatever their places in the event word."""
    found = hashlib.sha256()
    for events in frames:
        fields = layouts(config).event.unpack_array(events)
        for name in sorted(fields):
            found.update(name.encode() + fields[name].astype("<i8").tobytes())
    return found.hexdigest()[:16]


def random_networks(seed: int) -> dict[str, Any]:
    """Counters and events of random networks of all neuron types."""
    config, result = CoreConfig.preset("fpga_small"), {}
    for number in range(NETWORKS):
        rng = np.random.default_rng([seed, 10, number])
        network = random_network(rng, layers=int(rng.integers(1, 7)), neurons=number % 2 == 1)
        image = compile_network(network, config)[1]
        axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
        frames = []
        for _ in range(FRAMES):
            inputs = random_input(rng, network)
            frames.append(encode([(inputs[name], axons[name]) for name in axons], config))
        run = verilated.run(config, image.parts, image.edges, image.populations, frames,
                            inputs=sum(map(len, axons.values())), outputs=len(image.manifest["outputs"]), seed=1)
        result[f"random network {number}"] = run.counters | {"events": digest(run.events, config)}
    return result


def digits() -> dict[str, Any]:
    """Counters, latencies and answers of the digits on both presets."""
    result, frames = {}, load_digits().test_images[:DIGITS]
    for preset in ("fpga_small", "grai_vip"):
        compiled = synapress.compile(digits_network(), config=preset)
        assert isinstance(compiled.image, Image)
        name = compiled.image.manifest["inputs"][0]["name"]
        shape = tuple(compiled.image.manifest["inputs"][0]["shape"])
        run = simulate_image(compiled.image, {name: np.asarray(frames).reshape(-1, *shape)})
        outputs = hashlib.sha256(b"".join(array.tobytes() for array in run.outputs.values())).hexdigest()[:16]
        result[f"digits on {preset}"] = run.counters | {
            "outputs": outputs, "latency": int(run.latency.sum()), "equal": run.comparison.equal}
    return result


def pilotnet(seed: int) -> dict[str, Any]:
    """Events, synapses and word operations of each edge of PilotNet on a random frame."""
    rng = np.random.default_rng([seed, 11])
    program, config = lower(ZOO["pilotnet"](seed)), CoreConfig.preset("grai_vip")
    inputs = {name: rng.integers(0, 256, program.population(name).shape) for name in program.inputs}
    return {f"pilotnet {name}": vars(counts) for name, counts in fast.counts(program, inputs, config).items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures as JSON")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="tell what differs from the figures of a file")
    options = parser.parse_args()
    found = random_networks(options.seed) | digits() | pilotnet(options.seed)
    if options.write is not None:
        options.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.compare is None:
        print(f"seed {options.seed}: {len(found)} networks and layers")
        return
    before, differ = json.loads(options.compare.read_text(encoding="utf-8")), 0
    for name in sorted(set(before) | set(found)):
        one, other = before.get(name, {}), found.get(name, {})
        changed = {key: (one.get(key), other.get(key)) for key in sorted(set(one) | set(other))
                   if one.get(key) != other.get(key)}
        differ += bool(changed)
        for key, (was, is_) in changed.items():
            print(f"{name}: {key} {was} -> {is_}")
    print(f"seed {options.seed}: {len(found)} networks and layers, {differ} differ")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
