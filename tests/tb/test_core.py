"""The whole core in both simulators: random networks, tiny queues, stalls, events that must be dropped."""

import dataclasses
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.host import encode
from golden.registers import Status
from golden.words import EventKind, Saturation, layouts
from rtl.core import EventCore
from synapress.mapper import Image, Network, compile_network, value_table
from synapress.mapper.network.layer import Branch
from synapress.tools.simulator import launch
from tests.helpers.networks import random_input, random_network
from tests.helpers.recurrent import random_recurrent
from tests.helpers.spike_times import SMALL as TIMES
from tests.helpers.spike_times import random_case

SMALL = CoreConfig.preset("fpga_small")
COUNTING = dataclasses.replace(SMALL, access_counters=1, neuron_types=(*SMALL.neuron_types, "delay"))
CONFIGS = {
    "fpga_small": COUNTING,
    "grai_vip": CoreConfig(),
    "lanes8": dataclasses.replace(SMALL, name="lanes8", lanes=8, channel_bits=8),
    "skipping": dataclasses.replace(COUNTING, name="skipping", lanes=8, channel_bits=8, skip_silent=1),
    "guarded": dataclasses.replace(COUNTING, name="guarded", lanes=8, channel_bits=8, skip_silent=1, guard_states=1),
    "state32": dataclasses.replace(SMALL, name="state32", state_bits=32),
    "banks2": dataclasses.replace(SMALL, name="banks2", banks=2),
}


core = cache(EventCore)
"""One component per configuration, so that it is converted once (`launch`)."""


def bench_parameters(config: CoreConfig, network: Network, rng: np.random.Generator, *, frames: int = 2,
                     largest: int = 255, **more: str | int) -> dict:
    _, image = compile_network(network, config, host=(-3, 2))
    assert image.edges < config.max_edges and image.populations < config.max_populations
    axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    pack = layouts(config).event.pack
    high_channel = (1 << config.channel_bits) - 1
    bad = [pack(id=config.max_edges - 1, v=3), pack(id=0, c=high_channel, v=3), pack(kind=3),
           *(pack(kind=kind, id=config.max_edges - 1) for kind in (EventKind.END, EventKind.CREDIT))]
    packed = []
    for _ in range(frames):
        inputs = random_input(rng, network, largest=largest)
        packed.append(encode([(inputs[name], axons[name]) for name in axons], config).tolist())
    return {
        "config": config.to_json(), "words": image.parts.ravel().tolist(), "edges": image.edges,
        "populations": image.populations, "inputs": sum(len(entry) for entry in axons.values()), "frames": packed,
        "bad": bad, **more,
    }


CASES = [("verilator", "fpga_small", pause) for pause in ("never", "randomly", "bursts")]
CASES += [("verilator", "grai_vip", "randomly"), ("verilator", "skipping", "bursts"),
          ("verilator", "state32", "randomly"), ("verilator", "banks2", "never")]
CASES += [pytest.param("verilator", "lanes8", "bursts", marks=pytest.mark.long)]
# Icarus is slow: two cases are enough for a second opinion.
CASES += [("icarus", "fpga_small", "bursts"), ("icarus", "grai_vip", "randomly")]


@pytest.mark.parametrize(("simulator", "name", "pause"), CASES, indirect=["simulator"])
def test_core_equals_golden(simulator: str, name: str, pause: str, seed: int) -> None:
    rng = np.random.default_rng([seed, *name.encode(), *pause.encode()])
    pause_out = "mostly" if pause == "randomly" else pause
    parameters = bench_parameters(CONFIGS[name], random_network(rng), rng, pause_in=pause, pause_out=pause_out)
    launch(core(CONFIGS[name]), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters,
           seed=seed)


def all_neurons(rng: np.random.Generator) -> Network:
    """Small maps through a leaky slope, spiking neurons of both resets, tables, and products of all operands."""
    network = Network("all")
    network.input("in", (3, 5, 4))
    weights = rng.integers(-99, 99, (6, 3, 3, 3))
    network.conv("leaky", "in", weights, padding=1, multiplier=5, shift=9, slope=1, saturation=Saturation.SIGNED)
    network.conv("map", "in", weights[::-1], padding=1, multiplier=5, shift=9)
    tanh = value_table(np.tanh, scale=1 / 64, result_scale=1 / 127)
    network.conv("tanh", "in", weights[:, ::-1], padding=1, multiplier=5, shift=8, table=tanh)
    network.conv("gate", network.global_pool("pool", "map", kind="max"), rng.integers(-99, 99, (6, 6, 1, 1)), shift=6,
                 table=value_table(lambda v: 1 / (1 + np.exp(-v)), scale=1 / 64, result_scale=1 / 255))
    network.multiply("excited", "map", "gate", shift=8)
    network.multiply("mixed", "leaky", "gate", shift=8, saturation=Saturation.SIGNED)
    network.multiply("signed", "leaky", "tanh", shift=7, saturation=Saturation.SIGNED)
    for reset, source in (("subtract", "excited"), ("zero", "mixed")):
        network.lif(reset, [network.branch(source, rng.integers(-20, 60, (5, 6, 2, 2)))], threshold=1500,
                    bias=rng.integers(0, 300, 5), multiplier=230, shift=8, reset=reset)
        network.output(network.dense(f"{reset} count", reset, rng.integers(-99, 99, (4, 5 * 4 * 3)), shift=2,
                                     saturation=Saturation.FULL))
    network.output("signed")
    return network


NEURON_CASES = [("verilator", "fpga_small", "randomly"), ("verilator", "skipping", "randomly"),
                ("icarus", "fpga_small", "bursts"),
                *(pytest.param("verilator", name, "bursts", marks=pytest.mark.long) for name in CONFIGS)]


@pytest.mark.parametrize(("simulator", "name", "pause"), NEURON_CASES, indirect=["simulator"])
def test_core_with_all_neurons(simulator: str, name: str, pause: str, seed: int) -> None:
    """Five frames (of Icarus, which is slow, two), one close behind the other, with states that stay in between."""
    rng = np.random.default_rng([seed, 77])
    config = CONFIGS[name]
    if config.state_bits == 32:  # a narrower multiplier leaves room for the threshold
        config = dataclasses.replace(config, multiplier_bits=12)
    frames = 2 if simulator == "icarus" else 5
    parameters = bench_parameters(config, all_neurons(rng), rng, frames=frames, pause_in=pause, pause_out=pause)
    launch(core(config), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters, seed=seed)


DELAY_CASES = [("verilator", "fpga_small", "randomly"), ("verilator", "guarded", "bursts"),
               ("icarus", "fpga_small", "bursts")]


@pytest.mark.parametrize(("simulator", "name", "pause"), DELAY_CASES, indirect=["simulator"])
def test_core_with_delays(simulator: str, name: str, pause: str, seed: int) -> None:
    """Recurrent layers: the first ends out of reset, and what comes a timestep late; all accesses are counted."""
    rng = np.random.default_rng([seed, 79, *name.encode()])
    network = random_recurrent(rng, groups=2, steps=2, kinds=("if", "sum")).network
    parameters = bench_parameters(CONFIGS[name], network, rng, frames=2 if simulator == "icarus" else 5, pause_in=pause,
                                  pause_out=pause)
    launch(core(CONFIGS[name]), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters, seed=seed)


def two_layers(rng: np.random.Generator) -> tuple[Image, Callable[..., list[int]], Callable[[int], int]]:
    """An image of two 3×3 layers of four channels on one 5×5 input; and what makes packed events for one of them.

    `values(layer, (x, y), ...)` gives an event per position of the input, `end(layer)` the end of its timestep.
    """
    network = Network("two layers")
    network.input("in", (4, 5, 5))
    for name in ("a", "b"):
        network.output(network.conv(name, "in", rng.integers(1, 99, (4, 4, 3, 3)), multiplier=5, shift=9))
    _, image = compile_network(network, CONFIGS["banks2"], host=(-3, 2))
    axons = image.manifest["inputs"][0]["axons"]

    def values(layer: int, *positions: tuple[int, int]) -> list[int]:
        events = []
        for number, (x, y) in enumerate(positions):
            pixels = np.zeros((4, 5, 5), np.int64)
            pixels[number % 4, x, y] = 50 + number
            events.append(encode([(pixels, [axons[layer]])], image.config).tolist()[0])
        return events

    def end(layer: int) -> int:
        return encode([(np.zeros((4, 5, 5), np.int64), [axons[layer]])], image.config).tolist()[0]

    return image, values, end


def launch_steps(image: Image, simulator: str, steps: list[list[int]], seed: int, protocol_errors: int = 0) -> None:
    parameters = {"config": image.config.to_json(), "words": image.parts.ravel().tolist(), "edges": image.edges,
                  "populations": image.populations, "steps": steps, "protocol_errors": protocol_errors}
    launch(core(image.config), name="core", module="tb.tb_core_directed", simulator=simulator,
           parameters=parameters, seed=seed)


DIRECTED = pytest.mark.parametrize("simulator", ["verilator"], indirect=True, ids=["verilator-banks2"])


@DIRECTED
def test_an_end_waits_for_the_values_before_it(simulator: str, seed: int) -> None:
    """The evaluation starts with the neuron at (0, 0), whose last operation is then still on its way.

    After values of nine operations each, the neuron update is behind, as two banks make it wait, and the ESU is done
    with the last values, of one operation each. How far behind depends on banks: hence several lengths. A value that
    finds everything idle is in the ESU alone for its first cycles.
    """
    image, values, end = two_layers(np.random.default_rng([seed, 5]))
    behind = [[*values(0, *[(2, 2)] * center, *[(0, 0)] * corner), end(0)]
              for center in range(4, 9) for corner in (1, 2, 3)]
    launch_steps(image, simulator, [*behind, [*values(0, (0, 0)), end(0)]], seed)


@DIRECTED
def test_surplus_ends_and_credits_are_dropped_and_counted(simulator: str, seed: int) -> None:
    """Ends to populations that have all of theirs, credits to populations that have all of theirs.

    A surplus end would take the place of the next population's in the table of ways back. After the first surplus
    credit a population would have one more than it can have, and the second would no longer be seen as surplus.
    """
    image, values, end = two_layers(np.random.default_rng([seed, 6]))
    event = layouts(image.config).event
    elsewhere = {**event.unpack(end(0)), "x": 5, "y": -6, "c": 3}
    credits = [event.pack(kind=EventKind.CREDIT, id=population) for population in (0, 0, 1, 1)]
    step = [*credits, *values(0, (2, 2)), *values(1, (1, 3)), end(1), end(0), event.pack(elsewhere), end(1)]
    # The second time shows that the first left nothing behind.
    launch_steps(image, simulator, [step, step], seed, protocol_errors=12)


@DIRECTED
def test_ids_without_a_population_are_dropped(simulator: str, seed: int) -> None:
    """An edge word names a population that there is not: an END on its ID is dropped and counted."""
    image, values, end = two_layers(np.random.default_rng([seed, 7]))
    table = layouts(image.config).edge
    parts = image.parts.copy()
    address = 2 * image.populations + 1
    fields = table.unpack(int(parts[address, 0])) | {"population": image.populations}
    parts[address, 0] = table.pack(fields)
    image = dataclasses.replace(image, parts=parts)
    step = [*values(0, (2, 2)), end(1), end(0), end(1)]
    launch_steps(image, simulator, [step, step], seed, protocol_errors=4)


@pytest.mark.parametrize("simulator", ["verilator"], indirect=True)
def test_status_tells_what_a_frame_waits_for(simulator: str, seed: int) -> None:
    """An end that is missing, and a credit that does not come back; each mended by the next step.

    While the population waits for the credit, values of the next frame are counted as errors, the first of them right
    behind the end that completes it; before, none is.
    """
    network = Network("two inputs")
    for name in ("a", "b"):
        network.input(name, (2, 3, 3))
    network.output(network.add("sum", [Branch(source="a"), Branch(source="b")]))
    _, image = compile_network(network, COUNTING)
    axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    pixels = np.random.default_rng(seed).integers(1, 50, (2, 3, 3))
    a, b = (encode([(pixels, axons[name])], COUNTING).tolist() for name in ("a", "b"))
    credit = layouts(COUNTING).event.pack(kind=EventKind.CREDIT, id=0)
    fine = Status.READY | Status.IDLE
    steps = [([], fine), (a[:-1], fine), (a[-1:], fine | Status.PARTIAL), (b, fine), (a, fine | Status.PARTIAL),
             (b + b[:1], fine | Status.UNPAID), (a[:-1] + b[:2], fine | Status.UNPAID), ([credit], fine),
             ([credit], fine)]
    launch(core(COUNTING), name="core", module="tb.tb_core_status", simulator=simulator, seed=seed, parameters={
        "config": COUNTING.to_json(), "words": image.parts.ravel().tolist(), "edges": image.edges,
        "populations": image.populations, "steps": steps, "protocol_errors": len(a) - 1 + 1 + 2})


def stop_network(rng: np.random.Generator) -> Network:
    """A frame of some hundred cycles through three kinds of kernels, and neurons that hear what they were."""
    network = Network("stop")
    network.input("in", (3, 3, 3))
    network.conv("conv", "in", rng.integers(-99, 99, (4, 3, 2, 2)), multiplier=9, shift=8)
    network.conv("grouped", "conv", rng.integers(-99, 99, (6, 2, 1, 2)), groups=2, multiplier=9, shift=8,
                 saturation=Saturation.SIGNED)
    back = network.delayed("back", "spikes", shape=(3, 1, 2))
    network.lif("spikes", [network.branch("conv", rng.integers(20, 60, (3, 4, 2, 1))), back], threshold=900,
                bias=rng.integers(0, 300, 3), multiplier=230, shift=8)
    network.output(network.depthwise("depthwise", "grouped", rng.integers(-99, 99, (6, 2, 1)), shift=4))
    network.output("spikes")
    return network


@pytest.mark.parametrize(("simulator", "name", "every"), [
    ("verilator", "fpga_small", 31), pytest.param("verilator", "fpga_small", 10, marks=pytest.mark.long),
], indirect=["simulator"])
def test_stopped_core_starts_afresh(simulator: str, name: str, every: int, seed: int) -> None:
    """A stop at every so many cycles of a start and of a frame, at several paces of input and output."""
    rng = np.random.default_rng([seed, 88])
    parameters = bench_parameters(CONFIGS[name], stop_network(rng), rng, frames=1, every=every, start_cycles=40)
    launch(core(CONFIGS[name]), name="core", module="tb.tb_core_stop", simulator=simulator, seed=seed,
           parameters=parameters)


@pytest.mark.long
@pytest.mark.parametrize(("simulator", "number"), [("verilator", number) for number in range(50)] + [("icarus", 0)],
                         indirect=["simulator"])
def test_many_networks(simulator: str, number: int, seed: int) -> None:
    """Several populations on one core, one network each."""
    rng = np.random.default_rng([seed, 1000, number])
    network = random_network(rng, neurons=number % 2 == 1)
    parameters = bench_parameters(COUNTING, network, rng, frames=3, pause_in="randomly", pause_out="bursts")
    launch(core(COUNTING), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters, seed=seed)


@pytest.mark.long
@pytest.mark.parametrize(("simulator", "number"), [(simulator, number) for simulator in ("verilator", "icarus")
                                                   for number in range(4)], indirect=["simulator"])
def test_networks_of_spikes_in_time(simulator: str, number: int, seed: int) -> None:
    """Logarithmic products and falling thresholds, in both simulators; all accesses are counted."""
    rng = np.random.default_rng([seed, 1001, number])
    config = dataclasses.replace(TIMES, access_counters=1)
    parameters = bench_parameters(
        config, random_case(rng, config).network, rng, largest=config.ttfs_times, pause_in="randomly",
        pause_out="bursts" if number % 2 else "never")
    launch(core(config), name="core", module="tb.tb_core", simulator=simulator, parameters=parameters, seed=seed)
