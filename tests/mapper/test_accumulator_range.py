"""The worst cases of `synapress.mapper.accumulator_range` against the inputs that cause them.

They are reached and not exceeded, and no sum wraps where the report proves it.
"""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import EventError
from golden.network import dense
from golden.network import fast as network
from golden.neuron.states import wrap
from golden.program import Edge, Population, Program
from golden.words import NeuronType, Reset, Saturation
from synapress.mapper.accumulator_range import AccumulatorRange, sums

CONFIG = CoreConfig()


def drawn(rng: np.random.Generator, kind: int) -> Program:
    """One population, into which one or two inputs of any range lead by edges of any shape."""
    def pair(low: int, high: int) -> tuple[int, int]:
        return int(rng.integers(low, high + 1)), int(rng.integers(low, high + 1))

    groups, per_group, per_result = (int(number) for number in rng.integers(1, 4, 3))
    half, results = 1 << (CONFIG.state_bits - 1), groups * per_result
    out = Population(name="out", shape=(results, *pair(1, 4)), type=kind, saturation=Saturation.FULL,
                     bias=rng.choice([-half, half - 1, 0], results), shift=rng.integers(0, 12, results))
    populations, edges = [], []
    reach = int(rng.choice([4, 30, 127]))
    for number in range(int(rng.integers(1, 3))):
        ranges = [Saturation.RELU] if kind == NeuronType.MAX else [Saturation.RELU, Saturation.SIGNED, Saturation.FULL]
        source = Population(name=f"in{number}", shape=(groups * per_group, *pair(1, 6)),
                            saturation=int(rng.choice(ranges)))
        edges.append(Edge(
            name=f"edge{number}", source=source.name, destination="out", groups=groups, shift=int(rng.integers(0, 3)),
            weights=rng.integers(-reach - 1, reach + 1, (results, per_group, *pair(1, 3))), stride=pair(1, 2),
            padding=pair(-1, 2), dilation=pair(1, 2), upsample=int(rng.integers(0, 2))))
        populations.append(source)
    return Program(name="drawn", populations=[*populations, out], edges=edges,
                   inputs=[population.name for population in populations], outputs=["out"])


def worst_input(
    program: Program, neuron: tuple[int, int, int], highest: bool
) -> tuple[dict[str, np.ndarray], int, bool]:
    """The inputs that bring one neuron of "out" furthest, tap by tap; its sum; and whether it has all of its taps."""
    out, (c, x, y) = program.population("out"), neuron
    frames, taps, whole = {}, [], True
    for edge in program.edges:
        source = program.population(edge.source)
        low, high = source.bounds(CONFIG.value_bits)
        frames[edge.source] = np.zeros(source.shape, np.int64)
        per_group, per_result = edge.weights.shape[1], out.shape[0] // edge.groups
        for i, j, k in np.ndindex(*edge.weights.shape[1:]):
            weight = int(edge.weights[c, i, j, k]) << edge.shift
            at = [place * edge.stride[axis] - edge.padding[axis] + tap * edge.dilation[axis]
                  for axis, (place, tap) in enumerate(((x, j), (y, k)))]
            inside = all(at[axis] % (1 << edge.upsample) == 0
                         and 0 <= at[axis] >> edge.upsample < source.shape[1 + axis] for axis in (0, 1))
            whole &= inside
            if inside:
                value = high if (weight > 0) == highest else min(low, 0)
                place = (c // per_result * per_group + i, at[0] >> edge.upsample, at[1] >> edge.upsample)
                frames[edge.source][place] = value
                taps.append(weight * value)
    total = 0
    if taps:
        total = max(0, *taps) if out.type == NeuronType.MAX else sum(taps)
    return frames, total, whole


@pytest.mark.parametrize("kind", [NeuronType.SUM, NeuronType.MAX])
def test_the_worst_inputs_reach_the_bound_and_do_not_exceed_it(kind: int, seed: int) -> None:
    """Per channel, at every position, both ends; the value too, which a bias of any size must not make wrap."""
    rng = np.random.default_rng([seed, 950, kind])
    half, seen = 1 << (CONFIG.state_bits - 1), Counter[str]()
    for _ in range(60):
        program = drawn(rng, kind)
        out = program.population("out")
        (report,) = sums(program, CONFIG)
        cases = [(neuron, highest) for neuron in np.ndindex(*out.shape) for highest in (False, True)]
        made = [worst_input(program, neuron, highest) for neuron, highest in cases]
        batch = {name: np.array([frames[name] for frames, _, _ in made]) for name in program.inputs}
        fast, slow = (model.run(program, batch, CONFIG)["out"] for model in (network, dense))
        ends: dict[bool, list[int]] = {False: [], True: []}
        whole = {False: set(), True: set()}
        for number, ((neuron, highest), (_, total, complete)) in enumerate(zip(cases, made, strict=True)):
            assert report.worst[0] <= total <= report.worst[1]
            ends[highest].append(total)
            if complete:
                whole[highest].add(neuron[0])
            for result in (fast, slow):
                if kind == NeuronType.SUM or report.verdict == "proved":  # products that wrap are compared wrongly
                    assert result.states[(number, *neuron)] == wrap(total, CONFIG.state_bits)
                if report.verdict == "proved":
                    bias, shift = int(out.bias[neuron[0]]), int(out.shift[neuron[0]])
                    exact = round(Fraction(total + bias, 1 << shift))
                    assert result.outputs[(number, *neuron)] == min(max(exact, -256), 255)
            seen["beyond with the bias"] += not -half <= total + int(out.bias[neuron[0]]) < half
        fits = -half <= min(ends[False]) and max(ends[True]) < half
        assert fits or report.verdict == "unproved", "an input exists that wraps"
        if len(whole[True]) == out.shape[0]:  # some position of each channel has all taps: the bound is met
            seen["reached"] += 1
            if kind == NeuronType.SUM:
                assert (min(ends[False]), max(ends[True])) == report.worst
            assert max(ends[True]) == report.worst[1]
            assert (report.verdict == "proved") == fits or kind == NeuronType.MAX
        seen[report.verdict] += 1
        seen["wraps"] += not fits
    wanted = {"beyond with the bias", "reached", "proved", *(("wraps", "unproved") if kind == NeuronType.SUM else ())}
    assert all(seen[name] > 5 for name in wanted), seen


def exact_ends(bias: int) -> Program:
    """States of exactly -2**15 and 2**15 - 1, with the highest or lowest bias on top."""
    return Program(name="ends", inputs=["full", "unit"], outputs=["low", "high"], populations=[
        Population(name="full", shape=(2, 1, 1), saturation=Saturation.FULL),
        Population(name="unit", shape=(1, 1, 1), saturation=Saturation.RELU),
        *(Population(name=name, shape=(1, 1, 1), saturation=Saturation.FULL, bias=np.array([bias]),
                     shift=np.array([9])) for name in ("low", "high"))],
        edges=[Edge(name=f"full->{name}", source="full", destination=name, weights=np.full((1, 2, 1, 1), weight))
               for name, weight in (("low", 64), ("high", -64))]
        + [Edge(name="unit->high", source="unit", destination="high", weights=np.array([[[[-1]]]]))])


@pytest.mark.parametrize("bias", [-32768, 32767])
def test_states_at_their_ends_take_any_bias(bias: int) -> None:
    program = exact_ends(bias)
    reports = {report.population: report for report in sums(program, CONFIG)}
    assert reports["low"].worst == (-32768, 128 * 255) and reports["low"].verdict == "proved"
    assert reports["high"].worst == (-128 * 255 - 255, 32768) and reports["high"].verdict == "unproved"
    frames = {"full": np.full((2, 1, 1), -256), "unit": np.ones((1, 1, 1), int)}
    result = network.run(program, frames, CONFIG)
    assert (int(result["low"].states[0, 0, 0]), int(result["high"].states[0, 0, 0])) == (-32768, 32767)
    assert int(result["low"].outputs[0, 0, 0]) == round(Fraction(-32768 + bias, 512))
    assert int(result["high"].outputs[0, 0, 0]) == round(Fraction(32767 + bias, 512))


def test_inputs_stay_in_the_range_that_was_proved() -> None:
    program = exact_ends(0)
    frames = {"full": np.zeros((2, 1, 1), int), "unit": np.full((1, 1, 1), -1)}
    for model in (network, dense):
        with pytest.raises(EventError, match=r"'unit': values from -1 to -1 do not fit its range: \[0, 255\]"):
            model.run(program, frames, CONFIG)


def test_spiking_populations_are_proved_only_with_half_of_the_range() -> None:
    """What they keep from timestep to timestep adds to what arrives."""
    program = exact_ends(0)
    low = program.population("low")
    low.type, low.threshold, low.shift = NeuronType.SPIKING, np.array([32767]), np.array([0])
    low.saturation = Reset.SUBTRACT
    (report, _) = sums(program, CONFIG)
    assert isinstance(report, AccumulatorRange) and report.verdict == "unproved"
    assert report.worst == (-65536, 32767 + 128 * 255) and report.bits == 17
    frames = {"full": np.full((2, 1, 1), -256), "unit": np.zeros((1, 1, 1), int)}
    first = network.run(program, frames, CONFIG)
    second = network.run(program, frames, CONFIG, before=first)
    assert second["low"].state_range == (-65536, -65536), "wraps in the second timestep"
    low.saturation = Reset.HALVED
    assert sums(program, CONFIG)[0].verdict == "unproved"
    program.edges[0].weights = np.full((1, 2, 1, 1), 32)
    (report, _) = sums(program, CONFIG)
    assert (report.verdict, report.worst, report.bits) == ("proved", (-32768, 16383 + 64 * 255), 16)
    result = None
    for _ in range(4):
        result = network.run(program, frames, CONFIG, before=result)
        assert -32768 <= result["low"].state_range[0] and not result["low"].outputs.any()
    assert result is not None and result["low"].state_range == (-32768, -32768), "reached, and not exceeded"
    low.initial = np.array([-20000])
    assert sums(program, CONFIG)[0].worst[0] == -20000 - 16384
