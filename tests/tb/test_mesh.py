"""Meshes of cores in Verilator: one build of 2 × 2 nodes with a host at each edge serves most tests."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from golden.mesh import encode_frame
from golden.noc.mesh import Host
from rtl.noc.mesh import Mesh
from synapress.mapper import lower
from synapress.tools.simulator import launch
from tests.helpers.cuts import ROOMY, random_mesh
from tests.helpers.networks import random_input, random_network

CONFIG = dataclasses.replace(
    ROOMY, name="mesh", address_bits=10, edge_bits=5, population_bits=5, axon_count_bits=5, incoming_bits=5,
    mesh_bits=3, banks=2, counter_bits=32, neuron_types=("sum", "spiking"))
"""Cores that compile fast, with enough IDs for small networks in pieces."""
HOSTS: tuple[Host, ...] = (("north", 1), ("south", 0), ("west", 1), ("east", 0))


@cache
def mesh(columns: int = 2, rows: int = 2, depth: int = 2) -> Mesh:
    hosts = [(edge, number) for edge, number in HOSTS if number < (columns if edge in ("north", "south") else rows)]
    return Mesh(CONFIG, columns, rows, hosts=hosts, depth=depth, uniform=True)


def parameters(block: Mesh, scenario: str, **more: object) -> dict:
    plan = block.plan
    return {"config": CONFIG.to_json(), "scenario": scenario, "idle_delay": block.idle_delay, "pause_in": "never",
            "pause_out": "never", "plan": {"columns": plan.columns, "rows": plan.rows, "hosts": list(plan.hosts),
                                           "open_edges": list(plan.open_edges)}, **more}


def network_case(rng: np.random.Generator, block: Mesh, host: Host, frames: int = 2) -> dict:
    """A random network, cut anywhere, on any cores, with a host at the north or south edge."""
    plan = block.plan
    while True:
        network = random_network(rng, layers=3, width=6, depth=6)
        try:
            _, image = random_mesh(rng, lower(network), CONFIG, size=(plan.columns, plan.rows),
                                   host=plan.host_place(host))
            break
        except AssertionError:
            continue
    packed = [encode_frame(random_input(rng, network), image.manifest["inputs"], CONFIG).tolist()
              for _ in range(frames)]
    return {"host": list(host), "frames": packed,
            "images": [[*place, words.ravel().tolist(), edges, populations]
                       for place, (words, edges, populations) in image.words().items()]}


@pytest.mark.parametrize("pause", ["never", "bursts"])
def test_networks_equal_golden(pause: str, seed: int) -> None:
    rng, block = np.random.default_rng([seed, 12, *pause.encode()]), mesh()
    cases = [network_case(rng, block, HOSTS[number % 2]) for number in range(3)]
    assert any(len(case["images"]) > 2 for case in cases)
    launch(block, name="mesh", module="tb.tb_mesh", seed=seed,
           parameters=parameters(block, "networks", cases=cases, pause_in=pause, pause_out=pause))
