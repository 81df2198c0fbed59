"""Whole layers by look-up tables and by PEG and ESU, with memories served from files: the same states, exact counts."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from golden.errors import NetworkError
from golden.program import Edge, Population
from golden.words import NeuronType
from synapress.engines.served.run import COMPUTED, CONFIG, FLAT, HIERARCHICAL, ServedEdge, Work

SHAPES = {
    "strides and padding": ((3, 9, 7), (10, 5, 4), {"stride": (2, 2), "padding": (2, 1)}, (5, 3), 1),
    "depthwise": ((6, 6, 5), (6, 6, 5), {"padding": (1, 1)}, (3, 3), 6),
    "groups and dilation": ((8, 7, 7), (8, 5, 5), {"dilation": (2, 2), "padding": (1, 1)}, (3, 3), 2),
    "upsampled": ((4, 4, 5), (9, 8, 10), {"upsample": 1, "padding": (1, 1)}, (3, 3), 1),
    "dense": ((5, 3, 2), (11, 1, 1), {}, (3, 2), 1),
    "more states than 16 bits name": ((1, 200, 180), (3, 200, 180), {}, (1, 1), 1),
    "one neuron": ((1, 1, 1), (1, 1, 1), {}, (1, 1), 1),
}


def work(name: str, seed: int, firing: float = 0.5) -> Work:
    """An edge of random weights and values."""
    given, shape, fields, kernel, groups = SHAPES[name]
    generator = np.random.default_rng(seed)
    edge = Edge(name=name, source="in", destination="out", groups=groups,
                weights=generator.integers(-128, 128, (shape[0], given[0] // groups, *kernel)), **fields)
    values = generator.integers(-255, 256, given) * (generator.random(given) < firing)
    source = Population(name="in", shape=given)
    return Work(edge=edge, source=source, destination=Population(name="out", shape=shape), values=values)


def compare(given: Work, technique: str, folder: Path, **options: float) -> None:
    served = ServedEdge(given, folder)
    run, states = served.serve(technique, **options)
    assert np.array_equal(states, given.states(CONFIG)) and run.errors == 0
    assert run.neurons == np.count_nonzero(given.values)
    if technique != COMPUTED:
        numbers, golden = served.expected(technique)
        assert np.array_equal(states, golden)
        assert {name: (vars(run) | run.reads)[name] for name in numbers} == numbers
        assert run.events == (run.synapses if technique == FLAT else run.neurons)


@pytest.mark.parametrize("name", SHAPES)
def test_hierarchical_table(name: str, tmp_path: Path, seed: int) -> None:
    """Events, accesses and states are those of the golden models, in spite of memories that wait."""
    compare(work(name, seed), HIERARCHICAL, tmp_path)
    compare(work(name, seed + 1, 0.9), HIERARCHICAL, tmp_path, stall=0.3, seed=seed)


@pytest.mark.long
@pytest.mark.parametrize("technique", [FLAT, COMPUTED])
@pytest.mark.parametrize("name", SHAPES)
def test_flat_table_and_computed_synapses(name: str, technique: str, tmp_path: Path, seed: int) -> None:
    compare(work(name, seed), technique, tmp_path)
    compare(work(name, seed + 1, 0.9), technique, tmp_path, stall=0.3, seed=seed)


def test_nothing_fires(tmp_path: Path, seed: int) -> None:
    compare(work("dense", seed, 0.0), HIERARCHICAL, tmp_path)


def test_a_damaged_table_ends(tmp_path: Path, seed: int) -> None:
    """Pointers and entries of random bits: the walk ends, and what is dropped is counted."""
    served = ServedEdge(work("dense", seed, 1.0), tmp_path)
    for path in served.table(HIERARCHICAL):
        path.write_bytes(np.random.default_rng(seed).bytes(path.stat().st_size))
    run, _ = served.serve(HIERARCHICAL)
    assert run.errors > 0 and run.neurons == served.work.values.size


def test_what_no_table_holds(tmp_path: Path, seed: int) -> None:
    given = work("dense", seed)
    with pytest.raises(NetworkError, match="only sums"):
        dataclasses.replace(given, destination=Population(name="out", shape=(11, 1, 1), type=NeuronType.MAX))
    wide = dataclasses.replace(given, edge=dataclasses.replace(given.edge, shift=6))
    with pytest.raises(NetworkError, match="do not fit the 12 bits"):
        ServedEdge(wide, tmp_path).serve(HIERARCHICAL)
