"""The sigma-delta layers that lava-dl's tests record, as layers of these cores: every recorded number, by any engine.

    python -m benchmarks.lava_sigma_delta FOLDER [--engine rtl]

FOLDER is the folder gts/tinynet_sdnn of lava-dl's tests of netx (its test_blocks.py says how it was recorded): an input
that sends differences of at least 20, a convolution of sigma-delta neurons with a threshold of 20, and a dense layer
that sends its sums. Each layer is alone, and takes the recorded output of the one before. Both layers of neurons take a
difference, of whatever size, as a spike: their synapses had messages of no bits. Lava's values count in 1/64, and its
sums in 1/4096, so that the convolution is a layer with shift 6. Lava's layers answer one timestep later.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from golden.config import PRESETS
from golden.types import IntArray
from golden.words import Saturation
from synapress import compile, simulate
from synapress.mapper import Network

CORE = dataclasses.replace(
    PRESETS["grai_vip"], name="sigma_delta", state_bits=32, multiplier_bits=13, shift_bits=4, value_bits=14,
    neuron_types=("sum", "product", "spiking", "sigma_delta"))
"""Values of 14 bits, as lava-dl's here have 13."""
THRESHOLD, VALUE_LOG2, SUM_LOG2 = 20, 6, 12


def arrived(sent: IntArray) -> IntArray:
    """What the host is to take the differences of: spikes so far, one timestep later; (timesteps, ...)."""
    return np.concatenate([np.zeros_like(sent[:1]), np.cumsum(sent != 0, axis=0)])


def layers(folder: Path) -> dict[str, tuple[Network, IntArray, IntArray]]:
    """Of each recorded layer its network, its frames and what it must send, (timesteps, channels, columns, rows)."""
    found = {}
    file = {path.stem: np.load(path).astype(np.int64) for path in folder.glob("*.npy")}
    given = file["input"].transpose(3, 2, 0, 1)
    wave = np.sin(2 * np.pi * np.arange(len(given)) / len(given))
    frames = (file["input_bias"][..., None] * wave).astype(np.int64).transpose(3, 2, 0, 1)
    network = Network("input")
    network.input("in", frames.shape[1:], saturation=Saturation.FULL, threshold=THRESHOLD)
    one = np.eye(frames.shape[1], dtype=np.int64)[:, :, None, None]
    network.conv("input", "in", one, neuron="sigma_delta", saturation=Saturation.SIGNED)
    found["input"] = network, frames, given >> VALUE_LOG2

    wanted = file["layer1"].transpose(3, 2, 0, 1)
    network = Network("layer1")
    network.input("in", frames.shape[1:], saturation=Saturation.FULL, threshold=0)
    network.conv("layer1", "in", file["layer1_kernel"].transpose(0, 3, 1, 2), bias=file["layer1_bias"] << SUM_LOG2,
                 stride=2, shift=SUM_LOG2 - VALUE_LOG2, neuron="sigma_delta", threshold=THRESHOLD << VALUE_LOG2)
    found["layer1"] = network, arrived(given)[:len(wanted)], wanted

    sent = file["layer1"].reshape(-1, file["layer1"].shape[-1]).T[:, :, None, None]
    wanted = file["layer2"].T[:, :, None, None]
    network = Network("layer2")
    network.input("in", sent.shape[1:], saturation=Saturation.FULL, threshold=0)
    network.dense("layer2", "in", file["layer2_weight"], neuron="readout", saturation=Saturation.FULL)
    found["layer2"] = network, arrived(sent)[:len(wanted)], wanted
    return found


def differences(folder: Path, engine: str) -> dict[str, tuple[int, int]]:
    """Of each layer how many recorded numbers are not 0, and how many are others here."""
    found = {}
    for name, (network, frames, wanted) in layers(folder).items():
        network.output(name)
        sent = simulate(compile(network, config=CORE), frames, engine=engine).outputs[name]
        found[name] = int(np.count_nonzero(wanted)), int((sent != wanted).sum())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", default="golden", choices=("fast", "golden", "rtl"))
    arguments = parser.parse_args()
    found = differences(arguments.folder, arguments.engine)
    for name, (numbers, different) in found.items():
        print(f"{name}: {numbers:,} numbers that are not 0, {different:,} differ ({arguments.engine})")
    return int(any(different for _, different in found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
