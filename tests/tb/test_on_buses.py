"""A core and a mesh on AXI buses: images, frames, memory, counters and interrupts, through standard buses alone."""

import dataclasses

import numpy as np
import pytest

from golden.config import PRESETS
from golden.host import encode
from golden.mesh import encode_frame
from rtl.bus.system import CoreOnBuses, MeshOnBuses
from synapress.mapper import Network, build_mesh, compile_network, lower, partition
from synapress.tools.simulator import launch
from tb.core_store import CoreStore, NoRouter

TINY = dataclasses.replace(PRESETS["fpga_small"], name="tiny", address_bits=8, weight_stride_bits=8, banks=2,
                           neuron_types=("sum",))
"""A core that compiles fast, with 256 words of memory, all of which are read back."""


def two_layers(rng: np.random.Generator) -> Network:
    network = Network("tiny")
    network.input("in", (3, 5, 5))
    network.conv("conv", "in", rng.integers(-99, 99, (6, 3, 3, 3)), multiplier=9, shift=9)
    network.output(network.conv("out", "conv", rng.integers(-99, 99, (4, 6, 3, 3)), multiplier=9, shift=9))
    return network


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_a_core(simulator: str, seed: int) -> None:
    """Random pauses on all channels."""
    rng = np.random.default_rng(seed)
    _, image = compile_network(two_layers(rng), TINY)
    axons = image.manifest["inputs"][0]["axons"]
    frames = [encode([(rng.integers(0, 3, (3, 5, 5)) * 40, axons)], TINY).tolist() for _ in range(2)]
    launch(CoreOnBuses(TINY), name="core_axi", module="tb.tb_on_buses", simulator=simulator, seed=seed, parameters={
        "config": TINY.to_json(), "columns": 1, "rows": 1, "frames": frames, "pause_bus": "rarely",
        "pause_stream": "randomly", "images": [[0, 0, image.parts.ravel().tolist(), image.edges, image.populations]]})


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_a_mesh(simulator: str, seed: int) -> None:
    """The two layers on cores beside each other: each loaded, run and read back over one bus."""
    rng = np.random.default_rng(seed)
    block = MeshOnBuses(TINY, 2, 1, uniform=True)
    host = block.mesh.plan.hosts[0]
    place = block.mesh.plan.host_place(host)
    image = build_mesh(partition(lower(two_layers(rng)), TINY), {"conv": (1, 0), "out": (0, 0)}, (2, 1), host=place)
    frame = encode_frame({"in": rng.integers(0, 3, (3, 5, 5)) * 40}, image.manifest["inputs"], TINY).tolist()
    launch(block, name="mesh_axi", module="tb.tb_on_buses", simulator=simulator, seed=seed, parameters={
        "config": TINY.to_json(), "columns": 2, "rows": 1, "host": list(place), "stream": "_".join(map(str, host)),
        "frames": [frame], "pause_bus": "never", "pause_stream": "bursts",
        "images": [[*core, words.ravel().tolist(), edges, populations]
                   for core, (words, edges, populations) in image.words().items()]})


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_six_cores(simulator: str, seed: int) -> None:
    """A layer on each core of 3 × 2: all of them loaded, run and read back over one bus."""
    rng = np.random.default_rng(seed)
    network = Network("six")
    last, depth = network.input("in", (3, 5, 5)), 3
    for number in range(6):
        last = network.conv(f"conv{number}", last, rng.integers(-99, 99, (4, depth, 2, 2)), padding=number % 2,
                            multiplier=9, shift=8)
        depth = 4
    network.output(last)
    block = MeshOnBuses(TINY, 3, 2, uniform=True)
    host = block.mesh.plan.hosts[0]
    place = block.mesh.plan.host_place(host)
    cores = rng.permutation([(column, row) for column in range(3) for row in range(2)]).tolist()
    image = build_mesh(partition(lower(network), TINY), {f"conv{number}": (core[0], core[1])
                                                         for number, core in enumerate(cores)}, (3, 2), host=place)
    assert len(image.images) == 6
    frames = [encode_frame({"in": rng.integers(1, 3, (3, 5, 5)) * 40}, image.manifest["inputs"], TINY).tolist()
              for _ in range(2)]
    launch(block, name="six_axi", module="tb.tb_on_buses", simulator=simulator, seed=seed, parameters={
        "config": TINY.to_json(), "columns": 3, "rows": 2, "host": list(place), "stream": "_".join(map(str, host)),
        "frames": frames, "pause_bus": "rarely", "pause_stream": "bursts",
        "images": [[*core, words.ravel().tolist(), edges, populations]
                   for core, (words, edges, populations) in image.words().items()]})


@pytest.mark.long
@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_every_core_of_12_by_12(simulator: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory and registers of 144 cores, and of the 112 places beside them that addresses have.

    The nodes have stores instead of cores, with which the mesh would not compile in reasonable time, and no routers:
    accesses have a network of their own.
    """
    monkeypatch.setattr("rtl.noc.node.EventCore", CoreStore)
    monkeypatch.setattr("rtl.noc.node.Router", NoRouter)
    block = MeshOnBuses(TINY, 12, 12, uniform=True)
    launch(block, name="stores_axi", module="tb.tb_every_core", simulator=simulator, seed=seed, parameters={
        "config": TINY.to_json(), "columns": 12, "rows": 12, "stream": "_".join(map(str, block.mesh.plan.hosts[0])),
        "words": 4, "pause_bus": "rarely", "pause_stream": "never"})
