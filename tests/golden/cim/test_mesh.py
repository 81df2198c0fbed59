"""Cores with compute-in-memory arrays side by side, in the golden mesh."""

import dataclasses

import numpy as np
import pytest

from golden.cim.flexspim import FLEXSPIM
from golden.host import decode, encode
from golden.mesh import Mesh
from tests.helpers.cim_cores import PlainLayers, core_pair

SMALL = dataclasses.replace(FLEXSPIM, name="small_array", address_bits=13, cim_rows=128, cim_columns=32, cim_tags=128)


@pytest.mark.parametrize("many", [5, pytest.param(200, marks=pytest.mark.long)])
def test_a_layer_per_core(many: int, seed: int) -> None:
    """Spikes and potentials of convolutions; and all counters, however far the cores are ahead of one another.

    Each core's events come from one sender, and so in one order, which is all that the array's traffic depends on.
    """
    rng, fired = np.random.default_rng([seed, 41, many]), 0
    for _ in range(many):
        pair = core_pair(rng, SMALL)
        images = {(number, 0): (core.memory, 1, 1) for number, core in enumerate(pair)}
        meshes = [Mesh(SMALL, images, host=(0, 1), random=random, literal=literal) for random, literal in (
            (None, False), (rng, False), (rng, True))]
        plain = [PlainLayers(core) for core in pair]
        for _ in range(3):
            spikes = (rng.random(pair[0].source) < rng.choice([.1, .4])).astype(np.int64)
            frame = encode([(spikes, pair[0].inputs)], SMALL)
            for layers in plain:
                spikes, = layers.step(spikes)
            fired += int(spikes.sum())
            for mesh in meshes:
                assert decode(mesh.run_frame(frame), 0, spikes.shape, SMALL).tolist() == spikes.tolist()
        for number, (core, layers) in enumerate(zip(pair, plain, strict=True)):
            cores = [mesh.cores[number, 0] for mesh in meshes]
            for model in cores:
                model.flush()
                assert core.potentials(model.memory, 0).tolist() == layers.potentials[0].tolist()
                assert model.counters == cores[0].counters
    assert fired
