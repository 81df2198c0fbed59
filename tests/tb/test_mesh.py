"""Meshes of cores in Verilator: one build of 2 × 2 nodes with a host at each edge serves most tests."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from amaranth import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from golden.mesh import encode_frame
from golden.noc.mesh import Host, MeshPlan
from golden.words import Saturation, layouts
from rtl.noc.mesh import Mesh, mesh_ports
from synapress.mapper import Network, build_mesh, lower, partition
from synapress.mapper.image.mesh import MeshImage
from synapress.tools.simulator import launch
from tests.helpers.cuts import ROOMY, random_mesh
from tests.helpers.networks import random_input, random_network

CONFIG = dataclasses.replace(
    ROOMY, name="mesh", address_bits=10, edge_bits=5, population_bits=5, axon_count_bits=5, incoming_bits=5,
    mesh_bits=4, banks=2, counter_bits=32, neuron_types=("sum", "spiking", "delay"))
"""Cores that compile fast, with enough IDs for small networks in pieces."""
HOSTS: tuple[Host, ...] = (("north", 1), ("south", 0), ("west", 1), ("east", 0))


@cache
def mesh(columns: int = 2, rows: int = 2, depth: int = 2) -> Mesh:
    hosts = [(edge, number) for edge, number in HOSTS if number < (columns if edge in ("north", "south") else rows)]
    return Mesh(CONFIG, columns, rows, hosts=hosts, depth=depth, uniform=True)


def parameters(block: "Mesh | Joined", scenario: str, **more: object) -> dict:
    plan = block.plan
    return {"config": CONFIG.to_json(), "scenario": scenario, "idle_delay": block.idle_delay, "pause_in": "never",
            "pause_out": "never", "plan": {"columns": plan.columns, "rows": plan.rows, "hosts": list(plan.hosts),
                                           "open_edges": list(plan.open_edges)}, **more}


def case_of(image: MeshImage, host: Host, frames: list[list[int]]) -> dict:
    """What a bench needs of a network on a mesh."""
    return {"host": list(host), "frames": frames,
            "images": [[*place, words.ravel().tolist(), edges, populations]
                       for place, (words, edges, populations) in image.words().items()],
            "states": [[*place, [[entry["state_base"], entry["state_words"]]
                                 for entry in part.manifest["population_table"]]]
                       for place, part in image.images.items()]}


def network_case(rng: np.random.Generator, block: "Mesh | Joined", host: Host, frames: int = 2) -> dict:
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
    return case_of(image, host, packed)


@pytest.mark.parametrize("pause", ["bursts", pytest.param("never", marks=pytest.mark.long)])
def test_networks_equal_golden(pause: str, seed: int) -> None:
    rng, block = np.random.default_rng([seed, 12, *pause.encode()]), mesh()
    cases = [network_case(rng, block, HOSTS[number % 2]) for number in range(2)]
    assert any(len(case["images"]) > 2 for case in cases)
    launch(block, name="mesh", module="tb.tb_mesh", seed=seed,
           parameters=parameters(block, "networks", cases=cases, pause_in=pause, pause_out=pause))


def test_events_take_their_routes(seed: int) -> None:
    """Between hosts at all edges, also to nowhere; and accesses to nodes that are not there."""
    low = -(1 << layouts(CONFIG).event.field("core_x").bits - 1)
    # Back to its sender; to an edge without a host, west and south; to a host and beyond it; to a core; farther than
    # an address can be counted on; of the west and the east host, back.
    single = [(0, 0, 0), (0, -3, 2), (0, 0, 3), (0, 1, 1), (0, 3, 1), (1, 0, -2), (0, 0, low), (1, 0, -low - 1),
              (2, low, 0), (3, 0, 1)]
    run = launch(mesh(), name="mesh", module="tb.tb_mesh", seed=seed, parameters=parameters(
        mesh(), "letters", events=60, single=single, pause_in="rarely", pause_out="bursts"))
    text = (run.parent / "mesh.il").read_text()
    assert text.count("module \\mesh.host_node\n") == 1 and text.count("cell \\mesh.host_node ") == 4
    assert text.count("module \\mesh.host_node.core\n") == 1


def rows_case(rng: np.random.Generator, row: int, host: Host) -> dict:
    """A small network, each layer on another core of one row."""
    network = Network(f"row {row}")
    network.input("in", (2, 4, 4))
    network.conv("a", "in", rng.integers(-40, 60, (3, 2, 3, 3)), padding=1, multiplier=5, shift=9)
    network.lif("b", [network.branch("a", rng.integers(-20, 60, (3, 3, 1, 1)))], threshold=400)
    network.output(network.conv("c", "b", rng.integers(-99, 99, (4, 3, 2, 2)), saturation=Saturation.SIGNED))
    plan = mesh().plan
    image = build_mesh(partition(lower(network), CONFIG), {"a": (0, row), "b": (1, row), "c": (0, row)},
                       (plan.columns, plan.rows), host=plan.host_place(host))
    frame = encode_frame({"in": rng.integers(0, 200, (2, 4, 4))}, image.manifest["inputs"], CONFIG).tolist()
    return case_of(image, host, [frame])


def test_cores_stop_and_start_while_others_run(seed: int) -> None:
    rng = np.random.default_rng([seed, 13])
    cases = [rows_case(rng, row, host) for row, host in enumerate(HOSTS[:2])]
    launch(mesh(), name="mesh", module="tb.tb_mesh", seed=seed, parameters=parameters(
        mesh(), "stop", cases=cases, cycles=[60, 500], pause_out="randomly"))


@pytest.mark.parametrize(("size", "cases", "events", "one_in"), [
    (2, 1, 120, 8), pytest.param(4, 3, 400, 1, marks=pytest.mark.long)])
def test_hostile_traffic(size: int, cases: int, events: int, one_in: int, seed: int) -> None:
    """Events of any kind, ID and address: nothing but states changes, nothing hangs, and a restart is exact."""
    rng, block = np.random.default_rng([seed, 16]), mesh(size, size)
    given = [network_case(rng, block, HOSTS[number % 2], frames=1) for number in range(cases)]
    launch(block, name="mesh", module="tb.tb_mesh_hostile", seed=seed, parameters=parameters(
        block, "hostile", cases=given, events=events, one_in=one_in, pause_in="bursts", pause_out="randomly"))


class Joined(wiring.Component):
    """Two meshes of one node each, joined at their edges: from outside a mesh of two columns."""

    def __init__(self) -> None:
        self.halves = [Mesh(CONFIG, 1, 1, hosts=[("north", 0)], open_edges=[edge], uniform=True)
                       for edge in ("east", "west")]
        self.parts = self.halves[1].parts = self.halves[0].parts
        self.plan, self.idle_delay = MeshPlan(2, 1, (("north", 0), ("north", 1))), self.halves[0].idle_delay
        super().__init__(mesh_ports(CONFIG, self.plan))

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, halves = Module(), self.halves
        west, east = m.submodules.west, m.submodules.east = halves
        connect(m, west.link_east_0_out, east.link_west_0_in)
        connect(m, east.link_west_0_out, west.link_east_0_in)
        for number, half in enumerate(halves):
            connect(m, flipped(getattr(self, f"host_north_{number}_in")), half.host_north_0_in)
            connect(m, half.host_north_0_out, flipped(getattr(self, f"host_north_{number}_out")))
            mine = self.access.payload.column == number
            m.d.comb += [half.access.payload.eq(self.access.payload), half.access.payload.column.eq(0),
                         half.access.valid.eq(self.access.valid & mine),
                         half.access_back.ready.eq(self.access_back.ready)]
            with m.If(mine):
                m.d.comb += self.access.ready.eq(half.access.ready)
            with m.If(half.access_back.valid):  # the bench reads of one after the other
                m.d.comb += [self.access_back.valid.eq(1), self.access_back.payload.eq(half.access_back.payload)]
        m.d.comb += [self.idle.eq(west.idle & east.idle), self.error.eq(west.error | east.error),
                     self.passed.eq(Cat(west.passed, east.passed))]
        return m


@pytest.mark.long
def test_two_meshes_joined_are_one(seed: int) -> None:
    """Networks across both, as on a mesh of two columns: outputs, memories, counters, events over each link."""
    rng, block = np.random.default_rng([seed, 14]), Joined()
    cases = [network_case(rng, block, ("north", number)) for number in (0, 1)]
    launch(block, name="joined", module="tb.tb_mesh", seed=seed,
           parameters=parameters(block, "networks", cases=cases, pause_in="bursts", pause_out="randomly"))


@pytest.mark.long
@pytest.mark.parametrize("depth", [2, 3, 8, 64])
@pytest.mark.parametrize("pause", ["never", "randomly", "mostly", "bursts"])
def test_many_networks_on_larger_meshes(depth: int, pause: str, seed: int) -> None:
    rng, block = np.random.default_rng([seed, 15, depth, *pause.encode()]), mesh(3, 3, depth)
    cases = [network_case(rng, block, HOSTS[number % 2], frames=3) for number in range(8)]
    launch(block, name="mesh", module="tb.tb_mesh", seed=seed,
           parameters=parameters(block, "networks", cases=cases, pause_in=pause, pause_out=pause))
