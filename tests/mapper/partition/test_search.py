"""Which cuts are chosen: the estimate against the plan, and fragment counts of layers of known networks."""

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.program import Edge, Population, Program
from synapress.mapper import Network, RuleError, lower
from synapress.mapper.memory_map import DEPTHWISE, SHARED, TABLE, edge_kind
from synapress.mapper.partition.cut import cut
from synapress.mapper.partition.fragments import Grid, plan_alone
from synapress.mapper.partition.search import ESTIMATE_MARGIN_WORDS, estimate, partition

KINDS = (SHARED, DEPTHWISE, TABLE)


def random_edge(rng: np.random.Generator, kind: str) -> tuple[int, int, int, np.ndarray]:
    """Depths of source and destination, groups, and weights of an edge of some kind."""
    taps = tuple(int(tap) for tap in rng.integers(1, 6, 2))
    if kind == DEPTHWISE:
        depth = int(rng.integers(2, 200))
        shape = (1, 1) if rng.random() < 0.3 else (depth, 1)
        return depth, depth, depth, rng.integers(1, 99, (*shape, *taps))
    groups = 1 if kind == SHARED else int(rng.integers(2, 9))
    source, destination = int(rng.integers(1, 40)), int(rng.integers(2, 40))
    return source * groups, destination * groups, groups, rng.integers(1, 99, (destination * groups, source, *taps))


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_bounds_the_plan(seed: int, kind: str) -> None:
    """Every part of so many channel words at most has what is estimated, and the largest not much less."""
    rng = np.random.default_rng([seed, 71, KINDS.index(kind)])
    seen = 0
    for _ in range(150):
        source, depth, groups, weights = random_edge(rng, kind)
        dilation, stride = ((3, 1), (2, 2), (4, 4), (1, 1), (1, 1))[int(rng.integers(5))], int(rng.choice([1, 1, 2, 4]))
        size = tuple(int(n) for n in rng.integers(2, 9, 2))
        program = Program(name="p", inputs=["in"], outputs=["x"], populations=[
            Population(name="in", shape=(source, 9, 9)), Population(name="x", shape=(depth, *size))], edges=[
            Edge(name="e", source="in", destination="x", weights=weights, groups=groups, dilation=dilation,
                 stride=(stride, stride))])
        config = CoreConfig(lanes=int(rng.choice([4, 8])))
        words = -(-depth // config.lanes)
        part = int(rng.integers(1, words + 1))
        bounds = tuple(sorted({*range(0, depth, part * config.lanes), depth}))
        grids = {"x": Grid(bounds, (0, size[0]), (0, size[1]))}
        if kind == DEPTHWISE:
            grids["in"] = Grid(bounds, (0, 9), (0, 9))
        result = cut(program, config, grids)
        found = max(plan_alone(result, item.name).words for item in result.hosted)
        most = estimate(program, program.population("x"), part, *size, config)
        assert edge_kind(program.edges[0], source, depth) == kind or groups == 1
        assert found <= most, (kind, source, depth, groups, weights.shape, part)
        # Not known before the cut: where groups begin within a part, and what of the source a table has no words for.
        slack = 2 * source + found // 2 if kind == TABLE else 0
        assert most <= found + ESTIMATE_MARGIN_WORDS + part * config.lanes + slack, (
            kind, source, depth, groups, weights.shape, part, found)
        seen += len(result.hosted) > 1
    assert seen > 30


def layer(config: CoreConfig, shape: tuple[int, int, int], add) -> int:
    """Fragments of one layer over an input."""
    network = Network("net")
    network.input("in", shape)
    network.output(add(network))
    return len(partition(lower(network), config).hosted)


def conv(depth: int, source: int, kernel: int, **options):
    weights = np.broadcast_to(np.int8(1), (depth, source, kernel, kernel))
    return lambda network: network.conv("x", "in", weights, **options)


def steps(network: Network) -> str:
    """A global pool in two steps, as large ones need."""
    return network.global_pool("x", network.average_pool("first", "in", 8))


def large(network: Network) -> str:
    """Two strided convolutions of a megapixel."""
    first = conv(16, 3, 3, stride=8)(network)
    return network.conv("y", first, np.broadcast_to(np.int8(1), (4, 16, 3, 3)), stride=8)


LAYERS = {
    # layer: (shape of the source, what is added, fragments on grai_vip, on fpga_small)
    "AlexNet conv2": ((96, 27, 27), conv(256, 48, 5, groups=2, padding=2), 3, 32),
    "AlexNet conv4": ((384, 13, 13), conv(384, 192, 3, groups=2, padding=1), 4, 33),
    "AlexNet conv5": ((384, 13, 13), conv(256, 192, 3, groups=2, padding=1), 3, 22),
    "two groups of 160": ((320, 13, 13), conv(320, 160, 3, groups=2, padding=1), 3, 28),
    "four groups of 192": ((768, 7, 7), conv(768, 192, 3, groups=4, padding=1), 6, 66),
    "ResNeXt stage 1": ((128, 56, 56), conv(128, 4, 3, groups=32, padding=1), 4, 32),
    "ResNeXt stage 4": ((1024, 7, 7), conv(1024, 32, 3, groups=32, padding=1), 2, 20),
    "global pool of 112 in two steps": ((8, 112, 112), steps, 2, 2),
    "dense over 40": ((8, 40, 40), lambda network: network.dense(
        "x", "in", np.broadcast_to(np.int8(1), (1000, 12800))), 50, None),
    "1024 × 1024": ((3, 1024, 1024), large, 17, None),
    "stride 3, 15 to 5": ((4, 15, 15), conv(16, 4, 3, stride=3), 1, 5),
    "strides 2 and 1, 64 to 31 columns": ((4, 64, 64), conv(16, 4, 3, stride=(2, 1)), 31, 31),
    "no groups": ((256, 13, 13), conv(384, 256, 3, padding=1), 4, 33),
}


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("name", LAYERS)
def test_fragments_of_known_layers(name: str, config: CoreConfig) -> None:
    shape, add, *expected = LAYERS[name]
    fragments = expected[list(PRESETS).index(config.name)]
    if fragments is not None:
        assert layer(config, shape, add) == fragments
        return
    with pytest.raises(RuleError) as caught:
        layer(config, shape, add)
    assert all(violation.rule in ("memory", "number of input fragments", "number of output IDs")
               for violation in caught.value.violations)


def refusal(config: CoreConfig, shape: tuple[int, int, int], add) -> str:
    with pytest.raises(RuleError) as caught:
        layer(config, shape, add)
    return str(caught.value)


def test_refusals_say_what_helps() -> None:
    """The rule that no cut can satisfy, by its own name, and a remedy that is true."""
    grai = CoreConfig()
    large_pool = refusal(grai, (8, 112, 112), lambda network: network.global_pool("x", "in"))
    assert "layer 'x', rule 'population edges': needs 49; available: edges in [0, 15]" in large_pool
    assert "pool 8 × 8 with stride 8 first" in large_pool
    few = CoreConfig(name="few", edge_bits=2, population_bits=2)
    places = refusal(few, (4, 1100, 600), lambda network: network.conv(
        "x", "in", np.broadcast_to(np.int8(1), (4, 4, 1, 1)), stride=1))
    assert "layer 'x', rule 'number of output IDs': needs 24; available: 4. " in places
    assert places.endswith("Fewer or smaller feature maps of the host, or raise edge_bits to 5.")
    inputs = refusal(grai, (1, 2000, 2000), conv(4, 1, 8, stride=8))
    assert inputs.startswith("layer 'in', rule 'number of input fragments': needs 64; available: 32. ")
    up = CoreConfig(name="narrow", upsample_bits=1)
    weights = np.broadcast_to(np.int8(1), (4, 4, 4, 4))
    assert "layer 'x', rule 'axon upsample': needs 2; available: upsample in [0, 1]. Upsample in several layers" in (
        refusal(up, (4, 9, 9), lambda network: network.transposed_conv("x", "in", weights, stride=4)))


def test_a_source_is_cut_where_its_destinations_are_too_many() -> None:
    """Twice 39 lines of a stride of 3: more axons than one source may have, but not of its parts."""
    network = Network("net")
    network.input("in", (4, 120, 120))
    conv(4, 4, 1)(network)
    weights = np.broadcast_to(np.int8(1), (8, 4, 5, 5))
    lines = [network.conv(name, "x", weights, stride=3) for name in ("one", "two")]
    network.output(network.add("y", lines))
    result = partition(lower(network), CoreConfig())
    assert [result.grids[name].parts for name in lines] == [39, 39]
    assert len(result.grids["x"].x) > 2 and len(result.grids["x"].y) == 31
    assert max(len(result.out_of[item.name]) for item in result.hosted) < 64
