"""Strides that the hardware does not have, in mid-network: lines and strips give what the uncut network gives."""

import itertools

import numpy as np
import pytest

from golden.config import CoreConfig
from golden.network import dense
from synapress.mapper import Network, RuleError, build_mesh, compile_network, lower, partition, place_all
from synapress.mapper.errors import Repair
from synapress.mapper.partition.cut import cut
from synapress.mapper.partition.fragments import Grid, PartitionedProgram
from tests.helpers.cuts import ROOMY, compare
from tests.helpers.networks import random_input


def between(rng: np.random.Generator, depths: tuple[int, int], size: tuple[int, int], strided: str, kernel: int,
            stride: int | tuple[int, int], padding: int = 0) -> Network:
    """A layer with a stride, "s", between two convolutions."""
    network = Network("between")
    network.input("in", (2, *size))
    network.conv("a", "in", rng.integers(-9, 9, (depths[0], 2, 3, 3)), padding=1, shift=3)
    if strided == "conv":
        network.conv("s", "a", rng.integers(-9, 9, (depths[1], depths[0], kernel, kernel)), stride=stride,
                     padding=padding, shift=6)
    elif strided == "max":
        network.max_pool("s", "a", kernel, stride=stride)
    else:
        network.average_pool("s", "a", kernel, stride=stride)
    network.output(network.conv("z", "s", rng.integers(-9, 9, (4, network.shape("s")[0], 3, 3)), padding=1, shift=6))
    return network


def check(rng: np.random.Generator, network: Network) -> PartitionedProgram:
    """Cut and placed, a network gives every state and output of the uncut one."""
    program = lower(network)
    result = partition(program, CoreConfig())
    placed = place_all(result)
    image = build_mesh(result, placed.places, placed.size, host=placed.host)
    _, fired = compare(program, image, [random_input(rng, network, 1.0)])
    assert fired > 0
    return result


CASES = {
    # what: (columns and rows, kind, kernel, stride, padding; parts of source and result along x and y)
    "3, 16 to 5": ((16, 16), "conv", 3, 3, 0, (1, 4), (5, 1)),
    "5, 25 to 5": ((25, 25), "conv", 5, 5, 0, (1, 4), (5, 1)),
    "3 and 5": ((20, 23), "conv", 5, (3, 5), 0, (5, 1), (1, 4)),
    "2 and 1": ((20, 22), "conv", 3, (2, 1), 1, (1, 11), (1, 1)),
    "6": ((33, 30), "conv", 2, 6, 0, (1, 4), (6, 1)),
    "5, padded": ((33, 30), "conv", 7, 5, 2, (1, 4), (7, 1)),
    "3, few taps": ((30, 30), "conv", 1, 3, 0, (4, 4), (1, 1)),
    "3, maxima": ((21, 21), "max", 3, 3, 0, (3, 3), (1, 1)),
    "3, means": ((21, 21), "average", 3, 3, 0, (3, 3), (1, 1)),
}


@pytest.mark.parametrize("what", CASES)
def test_any_stride_in_mid_network(what: str, seed: int) -> None:
    size, kind, kernel, stride, padding, source, parts = CASES[what]
    rng = np.random.default_rng([seed, 81, list(CASES).index(what)])
    result = check(rng, between(rng, (4, 8), size, kind, kernel, stride, padding))
    found = [tuple(len(bounds) - 1 for bounds in result.grids[name][1:]) for name in ("a", "s")]
    assert found == [source, parts]


def test_strips_of_any_size_and_lines_of_any_axis(seed: int) -> None:
    """Random strips of at most 1, 2, 4 or 8 columns and rows, and lines: the same states as the uncut network's."""
    kernels = set()
    for number in range(16):
        rng = np.random.default_rng([seed, 82, number])
        size, kernel = tuple(int(n) for n in rng.integers(9, 17, 2)), int(rng.integers(1, 5))
        stride = tuple(int(n) for n in rng.choice([1, 2, 3, 5, 6, 7], 2))
        network = between(rng, (2, 3), size, "conv", kernel, stride, int(rng.integers(0, kernel)))
        program, most = lower(network), 1 << int(rng.integers(0, 4))
        shape = network.shape("s")
        axes = []
        for i, given in enumerate(size):
            bounds = [0]
            while bounds[-1] < given:
                bounds.append(min(given, bounds[-1] + int(rng.integers(1, most + 1))))
            whole = tuple(range(shape[1 + i] + 1)) if rng.random() < 0.3 else (0, shape[1 + i])
            axes.append((tuple(bounds), whole))
        grids = {"a": Grid((0, 2), axes[0][0], axes[1][0]), "s": Grid((0, shape[0]), axes[0][1], axes[1][1])}
        result = cut(program, ROOMY, grids)
        places = {item.name: (index % 7, index // 7 % 7) for index, item in enumerate(result.hosted)}
        try:
            image = build_mesh(result, places, (7, 7), host=(3, -1))
        except RuleError as error:
            if any(item.repair not in (Repair.OTHER_CUTS, Repair.FEWER_PIECES) for item in error.violations):
                raise
            continue  # too many small parts
        compare(program, image, [random_input(rng, network, 1.0)])
        kernels |= {item.edge.weights.shape[2:] for item in result.into[result.hosted[-2].name]}
    assert len(kernels) > 5


def test_maps_of_64_columns_and_rows_are_cut_into_few_parts() -> None:
    """A stride of 3 to 21 × 21, and of 5 to 13 × 13, fits a mesh of few cores; 441 parts of one position never did."""
    rng = np.random.default_rng(5)
    for kernel, stride, parts, most in ((3, 3, 21, 8), (5, 5, 12, 6)):
        result = partition(lower(between(rng, (16, 16), (64, 64), "conv", kernel, stride)), CoreConfig())
        assert result.grids["s"].parts == parts and result.grids["a"].parts <= 16
        assert len(place_all(result).used) <= most


def test_one_core_has_any_stride_of_a_small_map(seed: int) -> None:
    """Up to 8 columns and rows need no cut: the kernel is another one, of a stride that the core has."""
    rng = np.random.default_rng([seed, 83])
    network = between(rng, (4, 6), (8, 7), "conv", 3, 3)
    program, _ = compile_network(network, CoreConfig())
    inputs = random_input(rng, network, 1.0)
    states = dense.run(program, inputs, CoreConfig())
    for name, values in dense.run(lower(network), inputs, CoreConfig()).items():
        np.testing.assert_array_equal(states[name].states, values.states)
    assert {edge.stride for edge in program.edges} == {(1, 1), (8, 8)}


def test_more_output_places_than_ids_share_them(seed: int) -> None:
    """7 × 7 places of an output, and 32 IDs: its parts share one, by their offsets."""
    rng = np.random.default_rng([seed, 84])
    network = Network("places")
    network.input("in", (2, 14, 14))
    network.output(network.conv("x", "in", rng.integers(-99, 99, (5, 2, 3, 3)), padding=1, shift=7))
    program, bounds = lower(network), tuple(range(0, 15, 2))
    result = cut(program, CoreConfig(), {"x": Grid((0, 4, 5), bounds, bounds)})
    (output,) = result.outputs
    assert output.shape == (5, 14, 14) and len(output.sources) == 98
    places = {item.name: (index % 14, index // 14) for index, item in enumerate(result.hosted)}
    image = build_mesh(result, places, (14, 7), host=(7, -1))
    assert [entry["shape"] for entry in image.manifest["outputs"]] == [[5, 14, 14]]
    assert compare(program, image, [random_input(rng, network, 1.0)])[1] > 100
    own = cut(program, CoreConfig(), {"x": Grid((0, 5), bounds[::2] + bounds[-1:], bounds[::2] + bounds[-1:])})
    assert len(own.outputs) == 16 and own.outputs[1].shape == (5, 4, 4), "few places have IDs of their own"


def test_a_reader_of_too_many_parts_is_cut() -> None:
    """15 parts of a source, of which a population may have 7: parts of the reader meet fewer."""
    rng = np.random.default_rng(6)
    network = Network("reader")
    network.input("in", (2, 240, 3))
    network.conv("a", "in", rng.integers(-9, 9, (4, 2, 1, 1)), shift=3)
    network.output(network.conv("x", "a", rng.integers(-9, 9, (4, 4, 3, 3)), padding=1, stride=8, shift=3))
    narrow = CoreConfig(name="narrow", coordinate_bits=4, incoming_bits=3)
    result = partition(lower(network), narrow)
    assert result.grids["a"].parts == 15 and len(result.grids["x"].x) > 3
    assert max(sum(len(item.sources) for item in result.into[part.name]) for part in result.hosted) <= 7


def test_sources_that_no_cut_sets_apart_are_refused_at_once() -> None:
    """25 parts along the channels reach every position."""
    network = Network("deep")
    network.input("in", (2, 320, 6))
    network.conv("a", "in", np.ones((300, 2, 1, 1), int))
    network.output(network.conv("x", "a", np.ones((4, 300, 3, 3), int), padding=1))
    narrow = CoreConfig(name="narrow", address_bits=11, incoming_bits=4)
    with pytest.raises(RuleError, match=r"layer 'x', rule 'population incoming': needs \d+; available: .*15\]"):
        partition(lower(network), narrow)


def test_repairs_are_no_part_of_what_a_violation_tells() -> None:
    program = lower(between(np.random.default_rng(7), (4, 4), (12, 12), "conv", 3, 3))
    with pytest.raises(RuleError) as caught:
        cut(program, CoreConfig(), {})
    (violation, *_) = caught.value.violations
    assert violation.repair is None and set(violation.to_json()) == {"layer", "rule", "needed", "available", "help"}
    for repair in itertools.islice(Repair, 3):
        assert repair.name not in str(violation)
