"""Recurrent and delayed layers in compiled RTL: one core, whole meshes, and the cores of a mesh one by one."""

import numpy as np
import pytest

import synapress
from golden.neuron.types.delay import CODE
from golden.program import Edge, Population, Program
from synapress.engines.mesh.run import Options as MeshOptions
from synapress.engines.mesh.simulate import simulate_mesh
from synapress.engines.replay.core import Options as CoreOptions
from synapress.engines.replay.jobs import ReplayOptions
from synapress.engines.replay.run import replay_mesh
from synapress.engines.rtl import simulate_image
from synapress.mapper import Image, MeshImage, RuleError, compile_network, lower
from tests.helpers.cuts import random_mesh
from tests.helpers.recurrent import CONFIG, output_of, random_frames, random_recurrent
from tests.tb.test_mesh import CONFIG as MESH


@pytest.mark.parametrize("networks", [3, pytest.param(40, marks=pytest.mark.long)])
def test_one_core(networks: int, seed: int) -> None:
    """Every neuron type that needs no differences of the host, with stalls: outputs as the plain recurrence says."""
    rng = np.random.default_rng([seed, 500, networks])
    for number in range(networks):
        made = random_recurrent(rng, kinds=("if", "lif", "several", "cuba", "li", "sum"))
        _, image = compile_network(made.network, CONFIG)
        frames = random_frames(rng, made.network, 6)
        found, wanted = simulate_image(image, frames, stall=0.3 * (number % 3), seed=number + 1), made.reference(frames)
        assert found.comparison.equal and found.comparison.states, found.comparison.differences
        for group in made.groups:
            np.testing.assert_array_equal(found.outputs[output_of(group)], wanted[group.name])


def test_a_delay_of_delays(seed: int) -> None:
    """One of two ends of a delay, that of another one, comes before it has sent its own first ends."""
    rng, one = np.random.default_rng([seed, 502]), np.ones((1, 1, 1, 1), np.int64)
    kinds = {"in": 0, "late": CODE, "both": CODE, "out": 0}
    ends = ("in", "late"), ("late", "both"), ("in", "both"), ("both", "out"), ("in", "out")
    program = Program(
        name="both", inputs=["in"], outputs=["out"],
        populations=[Population(name=name, shape=(3, 2, 2), type=kind) for name, kind in kinds.items()],
        edges=[Edge(name=f"{a}->{b}", source=a, destination=b, weights=one, groups=3) for a, b in ends])
    compiled = synapress.compile(program, config=CONFIG)
    frames = {"in": rng.integers(0, 80, (6, 3, 2, 2))}
    assert isinstance(compiled.image, Image)
    found = simulate_image(compiled.image, frames, stall=0.2, seed=seed)
    assert found.comparison.equal, found.comparison.differences
    x = np.concatenate([np.zeros((2, 3, 2, 2), int), frames["in"]])
    np.testing.assert_array_equal(found.outputs["out"], x[2:] + x[1:-1] + x[:-2])


def across_cores(rng: np.random.Generator) -> tuple[MeshImage, dict[str, np.ndarray]]:
    """A random recurrent network, cut anywhere and on any cores, with a host at the north edge; and frames for it."""
    while True:
        size = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        made = random_recurrent(rng, groups=int(rng.integers(1, 4)), steps=2, kinds=("if", "sum"))
        try:
            _, image = random_mesh(rng, lower(made.network), MESH, size=size, host=(size[0] - 1, -1))
        except (AssertionError, RuleError):  # too many parts for so few cores
            continue
        return image, random_frames(rng, made.network, 4)


@pytest.mark.parametrize("networks", [6, pytest.param(60, marks=pytest.mark.long)])
def test_across_the_cores_of_a_mesh(networks: int, seed: int) -> None:
    """Populations, delays and what they lead to on any cores, with stalls of host and links; and each core alone."""
    rng, cores = np.random.default_rng([seed, 501, networks]), 0
    for number in range(networks):
        image, frames = across_cores(rng)
        found = simulate_mesh(image, frames, MeshOptions(
            threads=1, adapts=False, seed=number, stall_in=0.2 * (number % 3), stall_out=0.3 * (number % 4),
            stall_links=0.2 * (number % 5)))
        assert found.comparison.equal and found.comparison.states, found.comparison.differences
        if number % 3 == 0:
            replayed = replay_mesh(image, frames, ReplayOptions(jobs=1, core=CoreOptions(
                mix=number % 2 == 0, stall_in=0.3, stall_out=0.3, seed=number + 1)))
            assert not replayed.differences
        cores = max(cores, len(image.images))
    assert cores > 2
