"""The named steps: each makes its representation, `to` stops after it, and sources enter where they belong."""

import dataclasses

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.errors import ConfigError
from synapress.mapper import Network, lower
from synapress.mapper.errors import ModelError
from synapress.mapper.image.image import Image
from synapress.mapper.image.mesh import MeshImage
from synapress.mapper.importers.onnx.reader import read_onnx
from synapress.mapper.memory_map import MemoryMap
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import NAMES, STEPS, Compilation, check_step, run
from tests.helpers.onnx_models import TOPOLOGIES

SMALL = dataclasses.replace(CoreConfig(), name="small", address_bits=10)


def work(seed: int, **settings) -> Compilation:
    rng = np.random.default_rng(seed)
    model = read_onnx(TOPOLOGIES["residual"](rng))
    return Compilation(source=model, calibration=rng.normal(0, 1, (8, *model.inputs[0].shape)),
                       **{"config": CoreConfig(), **settings})


def tiny() -> Network:
    network = Network("tiny")
    network.input("in", (2, 4, 4))
    network.conv("a", "in", np.ones((3, 2, 2, 2), int), shift=2)
    network.output("a")
    return network


@pytest.mark.parametrize("to", NAMES)
def test_each_step_makes_what_the_list_says_and_no_more(to: str, seed: int) -> None:
    seen = []
    made = run(work(seed), to=to, hooks=[lambda name, _: seen.append(name)])
    count = NAMES.index(to) + 1
    assert made.done == seen == list(NAMES[:count])
    assert [hasattr(made, step.makes) for step in STEPS] == [True] * count + [False] * (len(STEPS) - count)


def test_one_core_or_a_mesh(seed: int) -> None:
    one, several = run(work(seed)), run(work(seed, config=SMALL))
    assert isinstance(one.parts, MemoryMap) and one.placement is None and isinstance(one.image, Image)
    assert isinstance(several.parts, PartitionedProgram) and isinstance(several.image, MeshImage)
    assert several.placement is not None and set(several.placement.used) == set(several.image.images)
    assert isinstance(run(work(seed, mesh=True)).image, MeshImage)


def test_networks_and_programs_enter_behind_the_quantization() -> None:
    network = tiny()
    first = run(Compilation(source=network, config=CoreConfig()))
    second = run(Compilation(source=lower(network), config=CoreConfig()))
    assert first.done == list(NAMES[4:]) and second.done == list(NAMES[5:])
    assert isinstance(first.image, Image) and isinstance(second.image, Image)
    assert first.image.to_bytes() == second.image.to_bytes()


def test_progress_names_every_step(seed: int) -> None:
    told: list[str] = []
    run(work(seed, progress=told.append))
    assert told == [step.says for step in STEPS]


def test_steps_that_there_are_not_are_named() -> None:
    with pytest.raises(ConfigError, match="step 'fuse': there are import, lower, split, quantize, populations, "):
        check_step("fuse", tiny())
    with pytest.raises(ConfigError, match="a Network enters at 'populations'; there are populations, partition, place"):
        run(Compilation(source=tiny(), config=CoreConfig()), to="quantize")
    with pytest.raises(ConfigError, match="a Program enters at 'partition'; there are partition, place, write"):
        run(Compilation(source=lower(tiny()), config=CoreConfig()), to="populations")
    with pytest.raises(ModelError, match="a loaded model, a Network or a Program; given: int"):
        run(Compilation(source=3, config=CoreConfig()))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="Load it first"):
        run(Compilation(source="model.onnx", config=CoreConfig()))
