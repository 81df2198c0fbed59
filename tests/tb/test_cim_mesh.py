"""Cores with compute-in-memory arrays side by side in a mesh, against the golden mesh."""

import dataclasses

import numpy as np
import pytest

from golden.cim.flexspim import FLEXSPIM
from golden.host import encode
from golden.noc.mesh import Host
from rtl.noc.mesh import Mesh
from synapress.tools.simulator import launch
from tests.helpers.cim_cores import core_pair
from tests.tb.test_mesh import parameters

SMALL = dataclasses.replace(FLEXSPIM, name="small_array", address_bits=11, population_bits=1, mesh_bits=4, banks=2,
                            cim_rows=64, cim_columns=32, cim_tags=64)
SOUTH: Host = ("south", 0)


@pytest.mark.long
@pytest.mark.parametrize("pause", ["never", "bursts"])
def test_a_layer_per_core(pause: str, seed: int) -> None:
    """Spikes, the memory behind each array after a flush, all counters, and the links between the cores."""
    rng, cases = np.random.default_rng([seed, 42, *pause.encode()]), []
    while len(cases) < 4:
        try:
            pair = core_pair(rng, SMALL)
        except AssertionError:  # the image does not fit
            continue
        frames = [encode([((rng.random(pair[0].source) < chance).astype(np.int64), pair[0].inputs)], SMALL).tolist()
                  for chance in (.4, .1, .4)]
        cases.append({"host": list(SOUTH), "frames": frames, "states": [], "images": [
            [number, 0, core.memory.ravel().tolist(), 1, 1] for number, core in enumerate(pair)]})
    block = Mesh(SMALL, 2, 1, hosts=[SOUTH], uniform=True)
    launch(block, name="mesh", module="tb.tb_mesh", seed=seed, parameters=parameters(
        block, "networks", config=SMALL.to_json(), cases=cases, pause_in=pause, pause_out=pause))
