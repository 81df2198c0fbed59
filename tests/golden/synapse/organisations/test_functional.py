"""The functional memory organisations against a plain convolution and against the ESU, and their storage."""

from typing import Any

import numpy as np
import pytest
from scipy.signal import correlate  # type: ignore[import-untyped]

from golden.config import CoreConfig
from golden.errors import FieldRangeError, ImageError, NetworkError
from golden.rooms import ORGANISATIONS
from golden.synapse.esu import EdgeDescriptor, ValueEvent, synapses
from golden.synapse.organisations.convolution import Convolution, Map, anchor_layout
from golden.synapse.organisations.interface import KINDS, Pass, Sizes
from golden.types import Fields, IntArray

NAMES = ("functional", "functional_bitmap", "functional_pure")
SIZES = (Sizes(address_bits=16), Sizes(address_bits=16, word_bits=128, serial=1, read_latency=3))


def organisation(name: str) -> type[Convolution]:
    return ORGANISATIONS.load(name, Convolution)


def request(c: int, x: int, y: int, **other: int) -> Fields:
    return {"pass": Pass.FORWARD, "neuron": anchor_layout().pack(c=c, x=x, y=y), "value": 1, **other}


def random_kernel(rng: np.random.Generator, bits: int, *shape: int) -> IntArray:
    """Some of its taps are zero for all channels."""
    kernel = rng.integers(-1 << bits - 1, 1 << bits - 1, shape)
    return kernel * (rng.random(shape[2:]) < rng.choice([0.3, 0.8, 1]))


def variants(name: str, width: int) -> list[dict[str, int]]:
    return [{}, {"per_source": 1}] if name == "functional_bitmap" and width <= 6 else [{}]


@pytest.mark.parametrize("sizes", SIZES, ids=["plain", "wide, serial"])
@pytest.mark.parametrize("name", NAMES)
def test_sums_are_the_convolution(name: str, sizes: Sizes, seed: int) -> None:
    """Every neuron of a map sends an event: the states are scipy's correlation, with stride or dilation and padding."""
    rng = np.random.default_rng(seed)
    for _ in range(4):
        bits = int(rng.integers(1, 13))
        channels, sources, columns, rows = (int(n) for n in rng.integers(1, [20, 3, 7, 9]))
        step, dilated = int(rng.integers(0, 3)), int(rng.integers(0, 2))
        stride, dilation = (1, 1 << step) if dilated else (1 << step, 1)
        reach = np.array([(columns - 1) * dilation + 1, (rows - 1) * dilation + 1])
        source = rng.integers(0, 6, 2) + reach
        padding = rng.integers(0, reach)
        kernel = random_kernel(rng, bits, channels, sources, columns, rows)
        values = rng.integers(-256, 256, (sources, *source))
        spread = np.zeros((channels, sources, *reach), np.int64)
        spread[:, :, ::dilation, ::dilation] = kernel
        padded = np.pad(values, [(0, 0), *((p, p) for p in padding)])
        expected = np.stack([correlate(padded, one, mode="valid", method="direct")[0] for one in spread])
        expected = expected[:, ::stride, ::stride].transpose(1, 2, 0)
        for options in variants(name, columns):
            layer = organisation(name).pack(
                kernel, place=Map(expected.shape[0], expected.shape[1], step, dilated), weight_bits=bits, sizes=sizes,
                weight_base=int(rng.integers(1000)), index_base=int(rng.integers(1000)), **options)
            states = np.zeros(expected.size, np.int64)
            for (c, x, y), value in np.ndenumerate(values):
                found = layer.expand(request(c, x + padding[0] - reach[0] + 1, y + padding[1] - reach[1] + 1))
                assert not found.errors and len(set(found.neurons.tolist())) == len(found.neurons)
                np.add.at(states, found.neurons, found.weights * value)
            np.testing.assert_array_equal(states.reshape(expected.shape), expected)


def esu_edge(layer: Convolution, config: CoreConfig) -> EdgeDescriptor:
    """The same layer as the ESU's descriptor; a word of channels per position."""
    fields = layer.layer
    shared = {name: fields[name] for name in ("width", "height", "kernel_width", "kernel_height", "step", "dilated")}
    words = -(-fields["channels"] // config.lanes)
    return EdgeDescriptor(
        **shared, state_base=0, x_stride=0, y_stride=0, pad=0, max=0, depth_words=words, kind=0, shift=0, population=0,
        last_lane=(fields["channels"] - 1) % config.lanes, source_channels=fields["sources"], weight_base=0,
        weight_stride=fields["kernel_width"] * fields["kernel_height"] * words * config.lanes)


@pytest.mark.parametrize("name", NAMES)
def test_synapses_are_those_of_the_esu(name: str, seed: int) -> None:
    """Same neurons, same order, same weights; of the bitmap without those of taps that are zero everywhere."""
    rng, config, sizes = np.random.default_rng(seed), CoreConfig.preset("grai_vip"), SIZES[0]
    total = 0
    for _ in range(60):
        channels, sources, columns, rows = (int(n) for n in rng.integers(1, [12, 4, 9, 9]))
        kernel = random_kernel(rng, 8, channels, sources, columns, rows)
        place = Map(int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(0, 4)), int(rng.integers(0, 2)))
        layer = organisation(name).pack(kernel, place=place, weight_bits=8, sizes=sizes)
        edge = esu_edge(layer, config)
        weights = np.zeros((sources, columns, rows, edge.depth_words * config.lanes), np.int64)
        weights[..., :channels] = kernel[:, :, ::-1, ::-1].transpose(1, 2, 3, 0)
        memory, zero = weights.ravel(), np.all(kernel == 0, axis=(0, 1))[::-1, ::-1].ravel()
        for _ in range(4):
            before, behind = (8 << place.step, 8) if place.dilated else (8, 8 << place.step)
            c, x, y = (int(rng.integers(low, high)) for low, high in ((0, sources), *[(-before, behind)] * 2))
            expected = [(s.x * layer.layer["x_stride"] + s.y * layer.layer["y_stride"] + s.c, memory[s.weight_address])
                        for s in synapses(config, edge, ValueEvent(0, x, y, c, 1))
                        if not (name == "functional_bitmap"
                                and zero[s.weight_address // weights.shape[-1] % (columns * rows)])]
            found = layer.expand(request(c, x, y))
            assert list(zip(found.neurons.tolist(), found.weights.tolist(), strict=True)) == expected
            total += len(expected)
    assert total > 500


@pytest.mark.parametrize("sizes", SIZES, ids=["plain", "wide, serial"])
@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_the_walks(name: str, sizes: Sizes, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(20):
        channels, sources, columns, rows = (int(n) for n in rng.integers(1, [30, 4, 7, 9]))
        kernel = random_kernel(rng, 5, channels, sources, columns, rows)
        place = Map(int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(0, 4)), int(rng.integers(0, 2)))
        for options in variants(name, columns):
            layer = organisation(name).pack(kernel, place=place, weight_bits=5, sizes=sizes, **options)
            requests = [request(*(int(rng.integers(low, high)) for low, high in ((0, sources), (-20, 40), (-20, 40))))
                        for _ in range(40)]
            counts = layer.counts([one["neuron"] for one in requests])
            found = [layer.expand(one) for one in requests]
            for kind in KINDS:
                assert counts[kind].tolist() == [one.counts[kind] for one in found], kind
            assert counts["synapses"].tolist() == [len(one.neurons) for one in found]
            assert counts["cycles"].tolist() == [one.cycles for one in found]
            assert counts["interval"].tolist() == [one.interval for one in found]


def test_start_up_is_at_most_six_cycles() -> None:
    for name in NAMES:
        assert organisation(name).start_up(Sizes(address_bits=10)) <= 6


def test_storage() -> None:
    """Only the weights, whatever the map: channels · K² · b; a bitmap adds K², or that for each source channel."""
    kernel = np.ones((32, 2, 3, 3))
    packed: Any = {"weight_bits": 8, "sizes": SIZES[0]}
    for name in NAMES:
        for image in (28, 128):
            layer = organisation(name).pack(kernel, place=Map(image, image, x_stride=1, y_stride=1), **packed)
            bits = layer.storage_bits()
            assert bits.pop("weights") == 32 * 2 * 9 * 8
            assert bits == ({"bitmap": 9} if name == "functional_bitmap" else {})
            assert layer.image_words == 2 * 9 * 4 + len(layer.index_words)
    kernel[:, 0, 1, :] = 0
    bitmap = organisation("functional_bitmap")
    per_source = bitmap.pack(kernel, place=Map(5, 5), per_source=1, **packed)
    assert per_source.storage_bits() == {"weights": 32 * (9 + 6) * 8, "bitmap": 18}
    assert bitmap.pack(kernel, place=Map(5, 5), **packed).storage_bits() == {"weights": 32 * 18 * 8, "bitmap": 9}


def test_malformed_kernels_are_refused() -> None:
    place = Map(4, 4)

    def pack(kernel: Any, name: str = "functional", **options: Any) -> None:
        given: dict[str, Any] = {"place": place, "weight_bits": 4, "sizes": Sizes(address_bits=4), **options}
        organisation(name).pack(kernel, **given)

    with pytest.raises(NetworkError, match="shape"):
        pack(np.ones((2, 3)))
    with pytest.raises(NetworkError, match="quantize"):
        pack(np.full((1, 1, 1, 1), 0.5))
    with pytest.raises(FieldRangeError, match="4 bits"):
        pack(np.full((1, 1, 1, 1), 8))
    with pytest.raises(FieldRangeError, match="kernel_width"):
        pack(np.ones((1, 1, 9, 1)))
    with pytest.raises(FieldRangeError, match="weight_bits"):
        pack(np.ones((1, 1, 1, 1)), weight_bits=13)
    with pytest.raises(ImageError, match="17 words"):
        pack(np.ones((1, 17, 1, 1)))
    with pytest.raises(ImageError, match="bitmap"):
        pack(np.ones((1, 1, 1, 1)), "functional_bitmap", index_base=16)
    with pytest.raises(NetworkError, match="one bitmap for all"):
        pack(np.ones((1, 1, 7, 1)), "functional_bitmap", per_source=1)
    with pytest.raises(NetworkError, match="cannot name"):
        pack(np.ones((1000, 1, 1, 1)), place=Map(100, 100, x_stride=1000, y_stride=1000), sizes=SIZES[0])
