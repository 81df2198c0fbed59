"""Populations that share states, in the RTL of all nodes of a mesh, with frames in flight."""

import dataclasses
import itertools

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.types import IntArray
from synapress.engines.mesh.run import Options
from synapress.engines.mesh.simulate import simulate_mesh
from synapress.engines.mesh.times import spans
from synapress.engines.replay.core import Options as CoreOptions
from synapress.engines.replay.jobs import ReplayOptions
from synapress.engines.replay.run import replay_mesh
from synapress.mapper import Network, lower
from synapress.mapper.image import mesh as mesh_images
from synapress.mapper.image.mesh import MeshImage, build_mesh
from synapress.mapper.partition.search import partition
from synapress.mapper.sharing.exclusion import Order, frame_guards, guarded, region_guards
from synapress.mapper.sharing.packing import FRAME, PIPELINE, WAYS
from tests.helpers.networks import random_input
from tests.mapper.sharing.test_sharing import chain, scattered, unguarded
from tests.tb.test_mesh import CONFIG

ALONE = Options(threads=1, adapts=False)


def stacked(network: Network, frames: int, rng: np.random.Generator) -> dict[str, IntArray]:
    inputs = [random_input(rng, network) for _ in range(frames)]
    return {name: np.array([frame[name] for frame in inputs]) for name in inputs[0]}


def check_random(rng: np.random.Generator, cases: int) -> None:
    for number in range(cases):
        network, _, image = scattered(rng, CONFIG, WAYS[number % 2])
        found = simulate_mesh(image, stacked(network, 4, rng), dataclasses.replace(
            ALONE, seed=number, stall_in=0.2 * (number % 3), stall_out=0.3 * (number % 4),
            stall_links=0.2 * (number % 5)))
        assert found.comparison.equal, (number, found.comparison.differences)
        assert found.comparison.states and found.comparison.events


def test_random_networks_equal_golden(seed: int) -> None:
    check_random(np.random.default_rng([seed, 4]), 8)


@pytest.mark.long
def test_many_random_networks_equal_golden(seed: int) -> None:
    check_random(np.random.default_rng([seed, 5]), 100)


REGIONS = (("conv0", "conv2", "conv4"), ("conv1", "conv3", "conv5"))


def of_chain(cores: int, way: str, *, guards: bool = True, config: CoreConfig = CONFIG) -> MeshImage:
    """Six layers in two regions, on one core, or by turns on two."""
    cut = partition(lower(chain(6)), config)
    found = frame_guards(cut) if way == FRAME else region_guards(Order(cut), REGIONS)
    cut = dataclasses.replace(guarded(cut, found), regions=REGIONS)
    return build_mesh(cut if guards else unguarded(cut), {
        item.name: (number % cores, 0) for number, item in enumerate(cut.hosted)}, (2, 1))


@pytest.mark.parametrize("cores", [1, 2])
def test_frames_follow_one_another(cores: int, seed: int) -> None:
    """With guards all is golden; the pipeline is no slower than one frame at a time."""
    inputs = stacked(chain(6), 6, np.random.default_rng([seed, 6]))
    cycles = {}
    for way in WAYS:
        found = simulate_mesh(of_chain(cores, way), inputs, ALONE)
        assert found.comparison.equal, found.comparison.differences
        cycles[way] = found.run.cycles
    assert cycles[PIPELINE] <= cycles[FRAME]


@pytest.mark.long
def test_guarded_cores_take_shared_states(seed: int) -> None:
    """The check at the start reads where states lie apart."""
    guarding = dataclasses.replace(CONFIG, name="guarding", guard_states=1)
    inputs = stacked(chain(6), 3, np.random.default_rng([seed, 7]))
    found = simulate_mesh(of_chain(2, FRAME, config=guarding), inputs, ALONE)
    assert found.comparison.equal, found.comparison.differences


@pytest.mark.parametrize("way", WAYS)
def test_replay_and_times(way: str, seed: int) -> None:
    """Which population a state is of follows from the order of the evaluations, where several have the same words."""
    image, inputs = of_chain(2, way), stacked(chain(6), 4, np.random.default_rng([seed, 8]))
    for mix in (False, True):
        replay = replay_mesh(image, inputs, ReplayOptions(core=CoreOptions(mix=mix, seed=3), jobs=1))
        assert not replay.differences, replay.differences
    found = spans(image, simulate_mesh(image, inputs, ALONE).run)
    assert len(found) == 6 * 4
    of = {(span.fragment, span.frame): span for span in found}
    for names in REGIONS:
        used = [of[name, frame] for frame in range(4) for name in names]
        assert all(one.last < two.evaluates for one, two in itertools.pairwise(used))
    for frame in range(4):
        layers = [of[f"conv{number}", frame] for number in range(6)]
        assert all(one.evaluates < two.evaluates for one, two in itertools.pairwise(layers))


def test_without_guards_frames_meet(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_images, "check_sharing", lambda cut: None)
    inputs = stacked(chain(6), 6, np.random.default_rng([seed, 6]))
    assert not simulate_mesh(of_chain(2, FRAME, guards=False), inputs, ALONE).comparison.equal
