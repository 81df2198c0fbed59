"""Sigma-delta networks: at threshold 0 the network of frames, frame by frame; and what they send above it."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from golden.config import PRESETS, CoreConfig
from golden.errors import NetworkError
from golden.network import dense, fast
from golden.neuron.types.sigma_delta import SigmaDelta
from golden.types import IntArray
from golden.words import Saturation
from synapress import compile, sigma_delta, simulate
from synapress.mapper import Network, RuleError, lower

CONFIG = dataclasses.replace(
    PRESETS["grai_vip"], name="sigma_delta", address_bits=13, lanes=2, state_bits=32, channel_bits=9,
    neuron_types=("sum", "product", "spiking", "sigma_delta"))
SHAPE = (2, 12, 10)


def mixed(seed: int) -> Network:
    """All that sums, and what does not: a sum of two, a mean, a maximum, a product, values and differences of one."""
    rng, net = np.random.default_rng(seed), Network("mixed")

    def weights(*shape: int) -> IntArray:
        return rng.integers(-9, 10, shape)

    net.input("in", SHAPE)
    net.conv("first", "in", weights(6, 2, 3, 3), rng.integers(-50, 50, 6), shift=4)
    net.conv("second", "first", weights(6, 6, 3, 3), rng.integers(-50, 50, 6), shift=6, padding=1)
    net.add("sum", ["first", "second"], bias=rng.integers(-20, 20, 6), saturation=Saturation.SIGNED)
    net.max_pool("pool", "second", 2)
    net.average_pool("mean", "sum", 2)
    net.multiply("product", "pool", "mean", shift=6, saturation=Saturation.SIGNED)
    net.depthwise("deep", "product", weights(6, 2, 2), 9, shift=4, stride=2)
    net.dense("result", "deep", weights(3, int(np.prod(net.shape("deep")))), shift=5, saturation=Saturation.FULL)
    net.output("result")
    net.output("pool")
    return net


def video(count: int, seed: int, rate: float = 0.1) -> IntArray:
    """Frames in which so many of the values change from one to the next."""
    rng = np.random.default_rng([seed, 5])
    frames = [rng.integers(0, 256, SHAPE)]
    for _ in range(count - 1):
        frames.append(np.where(rng.random(SHAPE) < rate, rng.integers(0, 256, SHAPE), frames[-1]))
    return np.array(frames)


def by_frames(net: Network, frames: IntArray) -> dict[str, IntArray]:
    """What the network of frames makes of each, by the dense reference: no state, no event, no order."""
    results = dense.run(lower(net), {"in": frames}, CONFIG)
    return {name: results[name].outputs for name in net.outputs}


@pytest.mark.parametrize("engine", ["fast", "golden", "rtl"])
def test_threshold_zero_is_frame_by_frame(engine: str, seed: int) -> None:
    """Every output of every frame; golden and RTL are held to the fast model, the RTL in every state as well."""
    net, frames = mixed(seed), video(6, seed)
    compiled = compile(sigma_delta(net), config=CONFIG, check=engine == "fast")
    found = simulate(compiled, frames, engine=engine)
    expected = by_frames(net, frames)
    assert set(found.outputs) == set(expected) == {"result", "pool"} and not found.wrapped
    for name, values in expected.items():
        np.testing.assert_array_equal(found.outputs[name], values)
        assert np.count_nonzero(np.diff(values, axis=0)) > 5
    if engine == "golden":
        frame = simulate(compile(net, config=CONFIG), frames, engine="golden")
        assert found.counters["synapses"] < 0.7 * frame.counters["synapses"]


@pytest.mark.parametrize("thresholds", [0, 7, {"in": 20, "first": 3, "second": 5, "sum": 2, "product": 4}])
def test_sums_are_those_of_what_was_sent(thresholds: int | dict[str, int], seed: int) -> None:
    """In every timestep each sum is the dense layer of the last values of its sources, which are near enough."""
    made = sigma_delta(mixed(seed), thresholds)
    program, before, held = lower(made), None, 0
    sent: dict[str, IntArray] = {}
    for frame in video(12, seed):
        before = fast.run(program, {"in": frame}, CONFIG, before=before)
        values = {"in": frame}
        for name, result in before.items():
            layer = made.layer(name)
            if layer.sends_differences:
                sent[name] = sent.get(name, np.zeros(layer.shape, np.int64)) + result.outputs
                least = thresholds if isinstance(thresholds, int) else thresholds.get(name.removesuffix(".delta"), 0)
                assert np.abs(result.outputs[result.outputs != 0]).min(initial=1 << 9) >= least
            else:
                sent[name] = result.outputs
            if layer.kind == "input":
                assert np.abs(frame - sent[name]).max() < max(1, int(layer.threshold[0]))
                held += np.count_nonzero(frame != sent[name])
            if layer.neuron in ("sigma_delta", "readout"):
                exact = dense.true_states(program, name, {key: array[None] for key, array in sent.items()}, 8)[0]
                np.testing.assert_array_equal(SigmaDelta.sums(result.kept, CONFIG), exact)
                low, high = Saturation.bounds(layer.saturation, 9)
                values[name] = np.clip(np.round((exact + layer.bias.reshape(-1, 1, 1)) * layer.multiplier.reshape(
                    -1, 1, 1) / 2.0 ** layer.shift.reshape(-1, 1, 1)), low, high)
                if layer.neuron == "readout":
                    np.testing.assert_array_equal(result.outputs, values[name])
                else:
                    away = np.abs(values[name] - sent[name])
                    assert away.max() < max(1, int(layer.threshold[0]))
                    held += np.count_nonzero(away)
    assert (held > 0) == (thresholds != 0)


def test_a_threshold_saves_work(seed: int) -> None:
    """Fewer events from threshold to threshold, and the first frame's bias arrives even of a black scene."""
    net, noise = mixed(seed), np.random.default_rng(seed)
    frames = np.clip(video(6, seed, 0.0) + noise.integers(-4, 5, (6, *SHAPE)), 0, 255)
    events = []
    for threshold in (0, 3, 10):
        found = simulate(compile(sigma_delta(net, threshold), config=CONFIG), frames)
        events.append(sum(np.count_nonzero(array) for name, array in found.maps.items() if name != "result"))
    assert events == sorted(events, reverse=True) and events[2] < 0.6 * events[0]
    black = simulate(compile(sigma_delta(net), config=CONFIG), np.zeros((2, *SHAPE), np.int64))
    np.testing.assert_array_equal(black.outputs["result"], by_frames(net, np.zeros((2, *SHAPE), np.int64))["result"])
    assert black.outputs["result"].any()


def test_sums_beyond_their_bits_are_told() -> None:
    """23 bits of a sum: what exceeds them is counted, and what is proved to fit never does."""
    net = Network("large")
    net.input("in", (300, 1, 1))
    net.dense("layer", "in", np.full((1, 300), 127), shift=15)
    net.output("layer")
    compiled = compile(sigma_delta(net), config=dataclasses.replace(CONFIG, channel_bits=10))
    assert [item.verdict for item in compiled.sums] == ["unproved"]
    frames = np.full((3, 300, 1, 1), 255)
    frames[0] = 100
    assert simulate(compiled, frames).wrapped == {"layer": 1}  # in the second frame
    assert not simulate(compiled, frames[:1]).wrapped


def refusals() -> dict[str, tuple[Callable[[Network], str], str]]:
    one = np.ones((1, 1, 1, 1), np.int64)
    return {
        "slope": (lambda net: net.conv("next", "layer", one, slope=1), "rule 'activation': needs a saturation alone"),
        "table": (lambda net: net.conv("next", "layer", one, table=np.zeros(512, np.int64)), "given: a table"),
        "lif": (lambda net: net.lif("next", ["layer"], threshold=3), "rule 'frames'"),
        "readout": (lambda net: net.conv("next", net.conv("last", "layer", one, neuron="encoder"), one,
                                         neuron="readout"), "rule 'frames'"),
        "FULL": (lambda net: net.conv("next", net.conv("last", "layer", one, saturation=Saturation.FULL), one),
                 "needs saturation RELU or SIGNED of a layer that others sum; given: FULL"),
    }


@pytest.mark.parametrize("what", refusals())
def test_networks_that_are_refused(what: str) -> None:
    add, text = refusals()[what]
    net = Network("refused")
    net.input("in", (1, 4, 4))
    net.conv("layer", "in", np.ones((1, 1, 1, 1), np.int64))
    net.output(add(net))
    with pytest.raises(NetworkError, match=text):
        sigma_delta(net)


def test_neurons_that_do_not_fit_their_sources() -> None:
    net, one = Network("by hand"), np.ones((1, 1, 1, 1), np.int64)
    net.input("in", (1, 4, 4), threshold=0)
    for add in (lambda: net.conv("layer", "in", one), lambda: net.max_pool("layer", "in", 2),
                lambda: net.conv("layer", "in", one, neuron="encoder")):
        with pytest.raises(NetworkError, match="needs sources that send values; given: 'in', which does not"):
            add()
    net.conv("layer", "in", one, neuron="readout")
    with pytest.raises(NetworkError, match="needs sources that send differences; given: 'layer'"):
        net.conv("next", "layer", one, neuron="sigma_delta")
    with pytest.raises(NetworkError, match=r"rule 'neuron': needs one of .*; given: 'delta'"):
        net.conv("next", "layer", one, neuron="delta")
    with pytest.raises(NetworkError, match="rule 'threshold': needs a neuron that has one"):
        net.conv("next", "layer", one, threshold=3)
    with pytest.raises(NetworkError, match="rule 'threshold': needs at least 0; given: -1"):
        sigma_delta(mixed(1), -1)
    with pytest.raises(NetworkError, match="has no layer 'nobody'"):
        sigma_delta(mixed(1), {"nobody": 1})


@pytest.mark.parametrize("config", [PRESETS["grai_vip"], dataclasses.replace(CONFIG, neuron_types=("sum", "product"))],
                         ids=["grai_vip", "without"])
def test_cores_without_the_type(config: CoreConfig) -> None:
    """The refusal names all that such a core needs, which then is enough."""
    with pytest.raises(RuleError, match=r"type 'sigma_delta'.*Add 'sigma_delta' to neuron_types") as error:
        compile(sigma_delta(mixed(1)), config=config)
    assert ("with state_bits at 32" in str(error.value)) == (config.state_bits == 16)
    with pytest.raises(RuleError, match="at most 255, the largest difference"):
        compile(sigma_delta(mixed(1), 256), config=CONFIG)
