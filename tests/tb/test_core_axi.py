"""A core on AXI buses: an image, frames, memory, counters and interrupts, through standard buses alone."""

import dataclasses

import numpy as np
import pytest

from golden.config import PRESETS
from golden.host import encode
from rtl.bus.system import CoreOnBuses
from synapress.mapper import Network, compile_network
from synapress.tools.simulator import launch

TINY = dataclasses.replace(PRESETS["fpga_small"], name="tiny", address_bits=8, weight_stride_bits=8)
"""fpga_small with 256 words of memory, all of which are read back."""


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_frames_over_the_buses(simulator: str, seed: int) -> None:
    """Two layers, one a chain behind the other; random pauses on all channels."""
    rng = np.random.default_rng(seed)
    network = Network("tiny")
    network.input("in", (3, 5, 5))
    network.conv("conv", "in", rng.integers(-99, 99, (6, 3, 3, 3)), multiplier=9, shift=9)
    network.output(network.conv("out", "conv", rng.integers(-99, 99, (4, 6, 3, 3)), multiplier=9, shift=9))
    _, image = compile_network(network, TINY)
    axons = image.manifest["inputs"][0]["axons"]
    frames = [encode([(rng.integers(0, 3, (3, 5, 5)) * 40, axons)], TINY).tolist() for _ in range(2)]
    launch(CoreOnBuses(TINY), name="core_axi", module="tb.tb_core_axi", simulator=simulator, seed=seed, parameters={
        "config": TINY.to_json(), "words": image.parts.ravel().tolist(), "edges": image.edges,
        "populations": image.populations, "frames": frames, "credits": len(axons), "bus": "rarely",
        "stream": "randomly"})
