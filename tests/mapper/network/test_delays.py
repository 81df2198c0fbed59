"""Layers that repeat others some timesteps later: what `Network.delayed` takes and refuses, and how it is mapped."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import synapress
from golden.config import CoreConfig
from golden.errors import NetworkError
from golden.program import Edge, Population, Program
from golden.words import Saturation
from synapress.mapper import RuleError, compile_network, lower, partition
from synapress.mapper.network.network import Network
from synapress.mapper.network.sigma_delta import sigma_delta

SMALL = CoreConfig.preset("fpga_small")
DELAYS = dataclasses.replace(SMALL, name="small_delays", neuron_types=(*SMALL.neuron_types, "delay"))


def echo(rng: np.random.Generator, depth: int = 6, width: int = 6) -> Network:
    """Neurons that hear an input and themselves, by two kernels, and a pool and a dense layer of what they were."""
    network = Network("echo")
    network.input("in", (2, width, width))
    shape = (depth, width, width)
    network.delayed("back", "neurons", shape=shape)
    network.delayed("earlier", "neurons", steps=2, shape=shape)
    network.lif("neurons", [
        network.branch("in", rng.integers(-20, 40, (depth, 2, 3, 3)), padding=1),
        network.branch("back", rng.integers(-30, 30, (depth, depth, 3, 3)), padding=1),
        network.branch("earlier", rng.integers(-30, 30, (depth, 1, 3, 3)), padding=1, groups=depth)], threshold=600)
    network.max_pool("pool", "back", 2)
    network.output(network.dense("classes", "pool", rng.integers(-9, 9, (4, depth * (width // 2) ** 2)), shift=1,
                                 saturation=Saturation.FULL))
    return network


def test_a_pulse_comes_back_so_many_timesteps_later() -> None:
    """One neuron that hears itself three timesteps late, and an output that hears only what is late."""
    network = Network("pulse")
    network.input("in", (1, 1, 1))
    network.delayed("back", "sum", steps=3, shape=(1, 1, 1))
    network.add("sum", ["in", "back"])
    network.output(network.add("late", [network.delayed("one", "sum")]))
    network.output("sum")
    frames = np.zeros((8, 1, 1, 1), int)
    frames[1] = 5
    compiled = synapress.compile(network, config=DELAYS)
    for engine in ("fast", "golden"):
        outputs = synapress.simulate(compiled, frames, engine=engine).outputs
        assert outputs["sum"].ravel().tolist() == [0, 5, 0, 0, 5, 0, 0, 5]
        assert outputs["late"].ravel().tolist() == [0, 0, 5, 0, 0, 5, 0, 0]


def test_sequences_begin_anew(seed: int) -> None:
    """Two sequences in one run are what they are alone, on cores of a mesh, with a check of every step."""
    rng = np.random.default_rng([seed, 600])
    network = echo(rng, 20, 20)
    compiled = synapress.compile(network, config=DELAYS, check=True)
    assert len(compiled.image.images) > 1
    frames = rng.integers(0, 20, (2, 3, 2, 20, 20))
    both = synapress.simulate(compiled, frames, engine="golden").outputs["classes"]
    for number in range(2):
        alone = synapress.simulate(compiled, frames[number], engine="fast").outputs["classes"]
        np.testing.assert_array_equal(both[number], alone)
    assert both[:, 1:].any() and not both[:, 0].any()


def test_fragments_that_hear_delays_alone_keep_time(seed: int) -> None:
    """Wherever it is cut, each part of a layer waits for something of its timestep."""
    cut = partition(lower(echo(np.random.default_rng([seed, 601]), 20, 20)), DELAYS)
    late = {item.name for item in cut.fragments if item.delays}
    assert late
    for fragment in cut.hosted:
        sources = {name for descriptor in cut.into[fragment.name] for name in descriptor.sources}
        assert fragment.delays or sources - late, fragment.name


def test_throughput_counts_what_is_late(seed: int) -> None:
    """The model of frames in flight begins with the first ends, and so finds an interval."""
    rng = np.random.default_rng([seed, 602])
    compiled = synapress.compile(echo(rng), config=DELAYS, throughput=synapress.Throughput(cores=3))
    frames = rng.integers(0, 20, (3, 2, 6, 6))
    outputs = [synapress.simulate(compiled, frames, engine=engine).outputs["classes"] for engine in ("fast", "golden")]
    np.testing.assert_array_equal(*outputs)


def test_ranges_are_those_of_what_is_delayed() -> None:
    """Late spikes are spikes: sums of them are proved as those of spikes are, and a pool takes them."""
    program = lower(echo(np.random.default_rng(1)))
    assert program.population("back").saturation == Saturation.RELU
    _, image = compile_network(echo(np.random.default_rng(1)), DELAYS)
    worst = {entry["layer"]: entry["worst"] for entry in image.manifest["sums"]}
    assert worst["back"] == [0, 1] and worst["pool"] == [0, 1]


def two(network: Network) -> Network:
    network.input("in", (2, 3, 3))
    return network


REFUSED = {
    "steps": lambda net: net.delayed("late", "in", steps=0),
    "delayed shape": lambda net: net.delayed("late", "missing"),
    "delayed output": lambda net: net.output(net.delayed("late", "in")),
}


@pytest.mark.parametrize("steps", [0, -1, 1.5, True, "2", None, 10**9])
def test_steps_that_are_no_number_of_timesteps(steps: Any) -> None:
    with pytest.raises(NetworkError, match="rule 'steps': needs 1 to 4096 timesteps"):
        two(Network("refused")).delayed("late", "in", steps=steps)


@pytest.mark.parametrize("shape", [(2, 1), (2.5, 1, 1), ("a", 1, 1), 2, (2, 0, 1)])
@pytest.mark.parametrize("source", ["in", "later"])
def test_shapes_that_are_none(source: str, shape: Any) -> None:
    with pytest.raises(NetworkError, match="rule 'delayed shape': needs a shape"):
        two(Network("refused")).delayed("late", source, shape=shape)


def test_sigma_delta_networks_are_made_of_networks_without_delays() -> None:
    network = two(Network("refused"))
    network.output(network.add("last", [network.delayed("late", "in")]))
    with pytest.raises(NetworkError, match=r"layer 'late', rule 'frames': .*given: delay"):
        sigma_delta(network)


@pytest.mark.parametrize("rule", REFUSED)
def test_what_is_refused_at_once(rule: str) -> None:
    with pytest.raises(NetworkError, match=f"rule '{rule}'"):
        REFUSED[rule](two(Network("refused")))


def test_a_shape_that_is_not_that_of_the_source() -> None:
    network = two(Network("refused"))
    network.delayed("late", "sum", shape=(2, 3, 4))
    with pytest.raises(NetworkError, match="rule 'delayed shape': needs that of 'sum'"):
        network.add("sum", ["in", "in"])
    with pytest.raises(NetworkError, match="rule 'delayed shape': needs that of 'in'"):
        network.delayed("other", "in", shape=(1, 3, 3))


def test_a_source_that_never_comes_and_a_circle_of_delays() -> None:
    for first, second in (("missing", "in"), ("second", "first")):
        network = two(Network("refused"))
        network.delayed("first", first, shape=(2, 3, 3))
        network.delayed("second", second, shape=(2, 3, 3))
        network.output(network.add("sum", ["in", "first", "second"]))
        with pytest.raises(NetworkError, match=r"has no layer 'missing'|rule 'delayed': .* a circle of delays"):
            lower(network)


def test_differences_are_asked_for_when_all_is_there() -> None:
    network = Network("refused")
    network.delayed("late", "sums", shape=(2, 3, 3))
    network.input("changes", (2, 3, 3), threshold=0)
    network.output(network.add("values", ["late"]))
    network.add("sums", ["changes"], neuron="sigma_delta")
    with pytest.raises(NetworkError, match="layer 'values', rule 'differences': needs sources that send values"):
        lower(network)


def test_a_core_without_delays_is_told_to_have_them() -> None:
    with pytest.raises(RuleError, match=r"neurons of type 'delay'.*Add 'delay' to neuron_types"):
        compile_network(echo(np.random.default_rng(1)), SMALL)


def relayed(types: dict[str, int], ends: list[tuple[str, str]], outputs: list[str]) -> Program:
    """Populations of one neuron."""
    one = np.ones((1, 1, 1, 1), int)
    return Program(
        name="relayed", inputs=["in"], outputs=outputs,
        populations=[Population(name="in", shape=(1, 1, 1)), *(
            Population(name=name, shape=(1, 1, 1), type=code) for name, code in types.items())],
        edges=[Edge(name=f"{a}->{b}", source=a, destination=b, weights=one) for a, b in ends])


def test_programs_that_would_not_run() -> None:
    """Circles without a delay, and of delays alone; delays as outputs, and populations that hear nothing else."""
    with pytest.raises(NetworkError, match="its edges form a cycle"):
        relayed({"a": 0, "b": 0}, [("in", "a"), ("a", "b"), ("b", "a")], ["b"]).topological_order()
    with pytest.raises(NetworkError, match="delays alone form a cycle through some of a, b"):
        relayed({"a": 7, "b": 7}, [("in", "a"), ("a", "b"), ("b", "a")], ["b"]).topological_order()
    with pytest.raises(RuleError, match="needs a delay as an output"):
        compile_program(relayed({"a": 7}, [("in", "a")], ["a"]))
    with pytest.raises(RuleError, match="needs a source of the timestep"):
        compile_program(relayed({"a": 7, "b": 0}, [("in", "a"), ("a", "b")], ["b"]))


def compile_program(program: Program) -> None:
    synapress.compile(program, config=DELAYS)
