"""The core with a compute-in-memory array: against plain numpy, and step by step against many operations at once."""

import dataclasses

import numpy as np
import pytest

from golden.cim.flexspim import FLEXSPIM
from golden.config import CoreConfig
from golden.core import Core
from golden.host import decode, encode, run_frame
from golden.types import IntArray
from tests.helpers.cim_cores import CimCore, PlainLayers, random_cim_core

SMALL = dataclasses.replace(FLEXSPIM, name="small_array", address_bits=13, cim_rows=128, cim_columns=32, cim_tags=128)
WIDE = dataclasses.replace(SMALL, name="wide_array", lanes=8)


def frames(rng: np.random.Generator, core: CimCore, timesteps: int) -> list[IntArray]:
    return [(rng.random(core.source) < rng.choice([0, .2, .6])).astype(np.int64) for _ in range(timesteps)]


def run(core: CimCore, model: Core, spikes: IntArray) -> dict[int, IntArray]:
    """A timestep: what the outputs say."""
    out = run_frame(model, encode([(spikes, core.inputs)], core.config))
    return {number: decode(out, number, core.layers[number].shape, core.config) for number in core.outputs}


def cores(core: CimCore, *literal: bool) -> list[Core]:
    return [Core(core.config, core.memory, edges=len(core.edges), populations=core.populations, literal=kind)
            for kind in literal]


@pytest.mark.parametrize("config", [SMALL, WIDE], ids=lambda config: config.name)
def test_layers_are_convolutions_of_spikes(config: CoreConfig, seed: int) -> None:
    """Spikes, potentials modulo 2**bits, synapses and neurons that fire, over some timesteps."""
    rng = np.random.default_rng([seed, 31])
    fired = 0
    for _ in range(12):
        core = random_cim_core(rng, config)
        plain, (model,) = PlainLayers(core), cores(core, False)
        for spikes in frames(rng, core, 3):
            wanted = plain.step(spikes)
            fired += sum(int(layer.sum()) for layer in wanted)
            assert {number: wanted[number].tolist() for number in core.outputs} == {
                number: found.tolist() for number, found in run(core, model, spikes).items()}
        for number, potential in enumerate(plain.potentials):
            assert core.potentials(model.memory, number).tolist() == potential.tolist()
        assert model.counters["synapses"] == sum(plain.adds) and model.counters["neurons_fired"] == fired
        fired = 0


@pytest.mark.parametrize("saturate", [False, True])
def test_step_by_step_is_the_same(saturate: bool, seed: int) -> None:
    """Events, memory, spikes and every counter: traffic, cycles and columns too; with flushes and new starts."""
    rng = np.random.default_rng([seed, 32, saturate])
    seen = dict.fromkeys(("operand_stores", "column_ops", "weight_reads", "address_error"), 0)
    clipped = 0
    for _ in range(10):
        core = random_cim_core(rng, SMALL, saturate=saturate)
        both = cores(core, False, True)
        plain = PlainLayers(core)
        for spikes in frames(rng, core, 3):
            fast, literal = (run(core, model, spikes) for model in both)
            plain.step(spikes)
            assert {number: found.tolist() for number, found in fast.items()} == {
                number: found.tolist() for number, found in literal.items()}
            assert both[0].counters == both[1].counters
            if rng.random() < .5:
                assert both[0].memory.tolist() == both[1].memory.tolist()
            if (chance := rng.random()) < .5:
                for model in both:
                    model.flush()
                    if chance < .2:
                        model.stop()
                        model.start()
        for model in both:
            model.flush()
        assert both[0].memory.tolist() == both[1].memory.tolist() and both[0].counters == both[1].counters
        seen = {name: count + both[0].counters[name] for name, count in seen.items()}
        clipped += any(core.potentials(both[0].memory, number).tolist() != potential.tolist()
                       for number, potential in enumerate(plain.potentials))
    assert all(count for name, count in seen.items() if name != "address_error") and (clipped > 0) == saturate
