"""Images in compiled RTL against the golden core: many networks, several populations on one core, frames in flight."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import ToolError
from golden.host import encode
from golden.words import EventKind, NeuronType, layouts
from synapress.engines import verilated
from synapress.engines.compare import GoldenRun, compare, golden_frames
from synapress.mapper import Image, compile_network
from tests.helpers.networks import random_input, random_network

SMALL = CoreConfig.preset("fpga_small")
STALLS = [(0.0, 0.0), (0.5, 0.0), (0.0, 0.9), (0.3, 0.3)]


def prepared(rng: np.random.Generator, frames: int, layers: int = 4, neurons: bool = False
             ) -> tuple[Image, Core, list]:
    network = random_network(rng, layers=layers, neurons=neurons)
    _, image = compile_network(network, SMALL)
    axons = {entry["name"]: entry["axons"] for entry in image.manifest["inputs"]}
    packed = []
    for _ in range(frames):
        inputs = random_input(rng, network)
        packed.append(encode([(inputs[name], axons[name]) for name in axons], SMALL))
    return image, Core(SMALL, image.parts, edges=image.edges, populations=image.populations), packed


def run(
    image: Image, frames: list, stalls: tuple[float, float] = (0.0, 0.0), seed: int = 1, **more
) -> verilated.RtlRun:
    inputs = sum(len(entry["axons"]) for entry in image.manifest["inputs"])
    return verilated.run(SMALL, image.parts, image.edges, image.populations, frames, inputs=inputs,
                        outputs=len(image.manifest["outputs"]), stall_in=stalls[0], stall_out=stalls[1], seed=seed,
                        **more)


def check_networks(seed: int, numbers: range, neurons: bool = False) -> None:
    events, types = 0, set()
    for number in numbers:
        rng = np.random.default_rng([seed, 500, neurons, number])
        image, core, frames = prepared(rng, 5, layers=int(rng.integers(1, 7)), neurons=neurons)
        types |= {(entry["type"], entry["table_words"] > 0) for entry in image.manifest["population_table"]}
        result = compare(core, golden_frames(core, frames), run(image, frames, STALLS[number % 4], number + 1))
        assert result.equal, f"network {number}: {result.differences}"
        events += result.events
    assert events > 20 * len(numbers)
    assert not neurons or {NeuronType.SPIKING, *NeuronType.PRODUCTS} < {kind for kind, _ in types}
    assert not neurons or {looks_up for _, looks_up in types} == {False, True}


def test_networks_equal_golden(seed: int) -> None:
    """Frames follow one another as closely as the credits let them, with and without stalls of the host."""
    check_networks(seed, range(60))


def test_networks_of_all_neurons_equal_golden(seed: int) -> None:
    """Products, slopes, tables and spiking layers, whose states stay from frame to frame."""
    check_networks(seed, range(60), neurons=True)


@pytest.mark.long
@pytest.mark.parametrize("neurons", [False, True])
def test_many_networks_equal_golden(neurons: bool, seed: int) -> None:
    check_networks(seed, range(60, 1060), neurons)


def test_comparison_sees_every_kind_of_difference(seed: int) -> None:
    """One bit of golden changed at a time."""
    image, core, frames = prepared(np.random.default_rng([seed, 3]), 1)
    golden, rtl = golden_frames(core, frames), run(image, frames)
    assert compare(core, golden, rtl).equal

    def changed(**change) -> GoldenRun:
        return GoldenRun(**{**vars(golden), **change})

    address, word = golden.trace[0][0]
    event = golden.events[0].copy()
    event[0] ^= np.uint64(1)
    memory = golden.memory.copy()
    memory[-1] ^= np.uint64(1)
    for what, wrong in {
        "state words differ": changed(trace=[[(address, word ^ 1), *golden.trace[0][1:]]]),
        "state words evaluated": changed(trace=[golden.trace[0][1:]]),
        "output events differ": changed(events=[event]),
        "memory words differ": changed(memory=memory),
        "counter synapses": changed(counters=golden.counters | {"synapses": golden.counters["synapses"] + 1}),
    }.items():
        result = compare(core, wrong, rtl)
        assert not result.equal and what in result.differences[0]


def test_a_build_has_a_folder_whatever_its_configuration_is_called(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders: list[Path] = []
    monkeypatch.setattr(verilated, "_compile", lambda text, harness, folder, *others: folders.append(folder))
    monkeypatch.setattr(verilated, "EventCore", lambda config: config)
    monkeypatch.setattr(verilated, "cycle_model", lambda block, name: block.name)
    for name in ("my core", "my/core"):
        verilated.build.__wrapped__(dataclasses.replace(CoreConfig(), name=name), tmp_path)
    assert [folder.parent for folder in folders] == [tmp_path] * 2
    assert all(folder.name.startswith("my_core-") for folder in folders) and folders[0] != folders[1]


def test_a_core_that_waits_for_ever_is_an_error(seed: int) -> None:
    image, _, frames = prepared(np.random.default_rng([seed, 4]), 1)
    kinds = layouts(SMALL).event.unpack_array(frames[0])["kind"]
    with pytest.raises(ToolError, match="no event for 2000 cycles: the core hangs"):
        run(image, [frames[0][kinds == EventKind.VALUE]], limit=2000)
