"""Images with flipped bits in the compiled core: no frame hangs, no write leaves the states, a restart is exact."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.core import Core
from golden.guard import agreeing
from golden.host import run_frame
from golden.types import Words
from golden.words import EventKind, layouts
from studies.flipped_bits import BUSY, OUTCOMES, Flip, Result, choose, frame_of, networks, survey
from synapress.mapper import Image, compile_network, lower
from tests.helpers.cuts import ROOMY, compare, cut_network, random_mesh
from tests.helpers.networks import random_input, random_network

GUARDED = dataclasses.replace(CoreConfig.preset("fpga_small"), guard_states=1)
BOUND = 400_000
SAFE = {"geometry words", "parameters", "tables", "edge descriptors"}
"""Words that change neither how many ENDs a population waits for nor where its events go: so the order of the events,
which golden does not have, does not matter. Of an edge word that is so if its population stays."""


@cache
def sample(seed: int) -> tuple[Image, tuple[Result, ...]]:
    """The mixed network with 60 random sets of flips, and more of which golden knows all that must come of them."""
    image = networks(GUARDED)[1]
    rng = np.random.default_rng([seed, 77])
    chosen = [choose(image, rng) for _ in range(60)]
    while sum(map(comparable, chosen)) < 40:
        flips = choose(image, rng)
        chosen += [flips] if comparable(flips) else []
    return image, tuple(survey(image, chosen, BOUND))


def comparable(flips: tuple[Flip, ...]) -> bool:
    edge = layouts(GUARDED).edge
    return all(flip.category in SAFE and (flip.category != "edge descriptors"
                                          or flip.bit < edge.positions["population"]) for flip in flips)


def test_the_core_stays_sane(seed: int) -> None:
    _, results = sample(seed)
    wrong = [result.flips for result in results if result.outcome == BUSY or result.outside or not result.exact]
    assert not wrong
    outcomes = {result.outcome for result in results}
    assert outcomes >= set(OUTCOMES) - {BUSY, "idle, incomplete"} and any(result.counted for result in results)
    assert max(result.cycles for result in results) < BOUND / 2


def damaged(image: Image, flips: tuple[Flip, ...]) -> Words:
    parts = np.zeros((GUARDED.memory_words, image.parts.shape[1]), np.uint64)
    parts[:len(image.parts)] = image.parts
    for flip in flips:
        parts[flip.address, 0] ^= np.uint64(1 << flip.bit)
    return parts


@pytest.mark.parametrize("literal", [False, True])
def test_golden_and_core_agree_about_damaged_images(literal: bool, seed: int) -> None:
    """The same words change, and the same events are counted and dropped."""
    image, results = sample(seed)
    event = layouts(GUARDED).event
    compared = dropped = 0
    for result in results:
        if not comparable(result.flips):
            continue
        if literal and (compared == 4 or not result.counters["unknown_channel"]):  # it is slow
            continue
        parts = damaged(image, result.flips)
        core = Core(GUARDED, parts, edges=image.edges, populations=image.populations, literal=literal)
        events = frame_of(image)
        while len(events):
            fields = event.unpack_array(core.run(events))
            events = np.array([event.pack(kind=EventKind.CREDIT, id=int(c)) for c in
                               fields["c"][fields["kind"] == EventKind.END]], np.uint64)
        assert tuple(np.flatnonzero((core.memory != parts).any(axis=1))) == result.changed, result.flips
        assert core.counters == {name: result.counters[name] for name in core.counters}, result.flips
        compared += 1
        dropped += core.counters["unknown_channel"] > 0
    assert compared >= 4 and dropped


def test_all_images_of_the_mapper_are_taken(seed: int) -> None:
    """The two words of each population agree, and nothing is dropped: the guard changes nothing for a good image."""
    plain = CoreConfig.preset("fpga_small")
    for number in range(20):
        rng = np.random.default_rng([seed, 78, number])
        _, image = compile_network(random_network(rng, layers=int(rng.integers(1, 7)), neurons=number % 2 > 0), plain)
        assert all(agreeing(image.parts[:, 0], image.populations, plain))
        guarded, other = (Core(config, image.parts, edges=image.edges, populations=image.populations)
                          for config in (GUARDED, plain))
        frame = frame_of(image)
        np.testing.assert_array_equal(run_frame(guarded, frame), run_frame(other, frame))
        assert guarded.counters == other.counters and guarded.counters["unknown_channel"] == 0


def test_cut_images_are_taken(seed: int) -> None:
    """Parts of layers side by side on the cores of a mesh: ends lead forward within each, and nothing is dropped."""
    for number in range(5):
        rng = np.random.default_rng([seed, 79, number])
        network = cut_network(rng)
        program = lower(network)
        _, image = random_mesh(rng, program, dataclasses.replace(ROOMY, guard_states=1), size=(2, 1))
        compare(program, image, [random_input(rng, network)], rng)


def test_any_flipped_bit_of_the_place_is_found() -> None:
    """Of the geometry word all but lanes and maximum; of the population word all that always moves its states."""
    image = networks(GUARDED)[1]
    table = layouts(GUARDED)
    free = {0: {"last_lane", "max", "pad"},
            1: {"saturation", "incoming", "type", "extended", "pad", "depth", "uniform"}}
    for address in range(2 * image.populations):
        layout = (table.geometry, table.population)[address % 2]
        for name, low in layout.positions.items():
            for bit in range(low, low + layout.field(name).bits):
                memory = image.parts[:, 0].copy()
                memory[address] ^= np.uint64(1 << bit)
                good = agreeing(memory, image.populations, GUARDED)
                if name not in free[address % 2]:
                    assert not good[address // 2], (address, name, bit)
                assert all(good[:address // 2] + good[address // 2 + 1:])
