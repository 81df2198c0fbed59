"""Networks of neurons that spike once, in compiled RTL: every value of every frame is the integer network's."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import synapress
from golden.config import CoreConfig
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import simulate_mesh
from synapress.engines.rtl import simulate_image
from synapress.mapper import RuleError, compile_network, lower
from tests.helpers.cuts import compare, random_mesh
from tests.helpers.spike_times import SMALL, Case, frame, network_values, random_case, random_config
from tests.tb.test_mesh import CONFIG as MESH

ON_MESH = dataclasses.replace(MESH, name="times_on_mesh", product="log", neuron_types=("sum", "ttfs"))
STALLS = (0.0, 0.5, 0.2)


def check(config: CoreConfig, seed: int, numbers: range) -> None:
    seen: set[int] = set()
    for number in numbers:
        rng = np.random.default_rng([seed, 800, number])
        case = random_case(rng, config)
        frames = np.stack([frame(rng, case) for _ in range(3)])
        _, image = compile_network(case.network, config)
        run = simulate_image(image, {"in": frames}, stall=STALLS[number % 3], seed=number + 1)
        assert run.comparison.equal, f"network {number}: {run.comparison.differences}"
        seen |= check_outputs(case, frames, run.outputs)
    print(f"{len(numbers)} networks on '{config.name}', {config.product}: equal, {len(seen)} spike times")
    assert len(seen) > 4, seen


def check_outputs(case: Case, frames: np.ndarray, outputs: dict[str, np.ndarray]) -> set[int]:
    """Of all frames; returns the values that came."""
    seen: set[int] = set()
    for index, given in enumerate(frames):
        expected = network_values(case, given)
        for name, values in outputs.items():
            np.testing.assert_array_equal(values[index], expected[name], err_msg=name)
        seen |= set(np.unique(expected["second"]).tolist())
    return seen


def on_mesh(numbers: range, seed: int, *, rtl: bool) -> None:
    """Networks cut anywhere, over several cores: the golden mesh does what the uncut network does, and so does RTL."""
    used, seen = 0, set()
    for number in numbers:
        rng = np.random.default_rng([seed, 803, number])
        while True:
            case = random_case(rng, ON_MESH)
            try:
                _, image = random_mesh(rng, lower(case.network), ON_MESH, size=(2, 2), host=(1, -1))
                break
            except (AssertionError, RuleError):  # too many parts for so few cores
                continue
        frames = np.stack([frame(rng, case) for _ in range(2)])
        if rtl:
            run = simulate_mesh(image, {"in": frames}, Options(
                threads=1, adapts=False, seed=number + 1, stall_in=0.2 * (number % 3), stall_out=0.3 * (number % 4),
                stall_links=0.2 * (number % 5)))
            assert run.comparison.equal, f"network {number}: {run.comparison.differences}"
            seen |= check_outputs(case, frames, run.outputs)
        else:
            compare(lower(case.network), image, [{"in": given} for given in frames], rng)
        used = max(used, len(image.images))
    print(f"{len(numbers)} networks on up to {used} cores: equal")
    assert used > 2 and (len(seen) > 4 or not rtl)


def test_networks_are_the_integer_networks(seed: int) -> None:
    check(SMALL, seed, range(4))


def test_networks_over_several_cores(seed: int) -> None:
    """The golden mesh, in any order of events, against the uncut network."""
    on_mesh(range(3), seed, rtl=False)


@pytest.mark.long
def test_networks_over_several_cores_in_rtl(seed: int) -> None:
    on_mesh(range(3, 15), seed, rtl=True)


def test_saved_networks_keep_their_kinds_of_weights(tmp_path: Path, seed: int) -> None:
    compiled = synapress.compile(random_case(np.random.default_rng([seed, 802]), SMALL).network, config=SMALL)
    compiled.save(tmp_path / "out")
    saved, loaded = ([edge.logarithmic for edge in model.program.edges]
                     for model in (compiled, synapress.CompiledModel.load(tmp_path / "out")))
    assert any(saved) and loaded == saved


@pytest.mark.long
def test_networks_of_a_core_with_both_products(seed: int) -> None:
    """Silent neurons skipped, states of 32 bits, and a guard."""
    check(dataclasses.replace(SMALL, name="both", product="both", lanes=2, state_bits=32, skip_silent=1, guard_states=1,
                              log_fraction_bits=20), seed, range(4, 8))


@pytest.mark.long
@pytest.mark.parametrize("change", [
    {}, {"product": "both", "neuron_types": ("sum", "spiking", "ttfs"), "state_bits": 32, "lanes": 4,
         "log_fraction_bits": 20, "guard_states": 1, "access_counters": 1}])
def test_networks_whose_times_are_swept(change: dict, seed: int) -> None:
    """Counters and accesses, too, are those of the golden core."""
    check(dataclasses.replace(SMALL, name="sweep", encoder="sweep", **change), seed, range(70, 76))


@pytest.mark.long
@pytest.mark.parametrize("number", range(12))
def test_random_cores_are_the_integer_networks(number: int, seed: int) -> None:
    """Times, levels, fraction bits and states drawn: five networks each."""
    rng = np.random.default_rng([seed, 801, number])
    config = random_config(rng, "both" if number % 4 == 3 else "log")
    print(config.to_json())
    check(config, seed, range(10 + 5 * number, 15 + 5 * number))
