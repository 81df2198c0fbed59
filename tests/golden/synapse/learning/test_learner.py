"""The learner: against the definition on lists of weights, literally and quickly, in all organisations."""

import numpy as np
import pytest

from golden.errors import ConfigError, FieldRangeError
from golden.rooms import ORGANISATIONS
from golden.synapse.learning.learner import COUNTS, Learner, copied, phase
from golden.synapse.learning.lfsr import Lfsr
from golden.synapse.learning.update import LearningSizes, Rule
from golden.synapse.organisations.convolution import Convolution, Map
from golden.synapse.organisations.interface import KINDS, Organisation, Pass, Sizes
from tb.learner_stimulus import Learning

LOOKED_UP = ("crossbar", "bitmap", "compressed_rows")
FUNCTIONAL = ("functional", "functional_bitmap", "functional_pure")
MEMORY = Sizes(address_bits=12, learning=1)


def sizes(name: str, **memory: int) -> LearningSizes:
    return LearningSizes(Sizes(**{"address_bits": 12, "learning": 1, **memory}), entry_bits=7,
                         gradient_bits=12 * (name in FUNCTIONAL))


@pytest.mark.parametrize("memory", [{}, {"word_bits": 128, "serial": 1}], ids=["plain", "wide"])
@pytest.mark.parametrize("name", LOOKED_UP + FUNCTIONAL)
def test_against_the_definition(name: str, memory: dict[str, int], seed: int) -> None:
    """Sums, weights, random numbers and counts, of `step` and of `run`."""
    organisation = ORGANISATIONS.load(name, Organisation)
    written = 0
    for number in range(16):
        case = Learning(organisation, sizes(name, **memory), number, seed, most=14)
        slow = Learner(copied(case.layer), case.rule, case.sizes)
        slow.traces[:], slow.sums[:] = case.learner.traces, case.learner.sums
        requests = case.requests(20)
        for part in (requests[:5], requests[5:]):
            for request in part:
                slow.step(request)
                case.plain.run(request)
            case.learner.run(part)
            case.compare()
        assert slow.sums.tolist() == case.plain.sums and slow.weights().ravel().tolist() == case.plain.weights
        assert slow.counts == case.learner.counts and slow.random.state == case.plain.random
        for walk in (Pass.FORWARD, Pass.BACKWARD, Pass.UPDATE, Pass.APPLY):
            asked = [request["neuron"] for request in requests if request["pass"] == walk]
            counts = case.layer.counts(asked, walk) if asked else {}
            for kind in (*KINDS[:3], "synapses", "interval"):
                counted = slow.counts[walk]["cycles" if kind == "interval" else kind]
                assert counted == (counts[kind].sum() if asked else 0), (walk, kind)
        written += slow.counts[Pass.UPDATE]["weight_write"]
    assert written > 50


def test_the_same_in_all_organisations(seed: int) -> None:
    """Weights, sums and random numbers, but not the counts."""
    for number in range(10):
        found = []
        for name in LOOKED_UP:
            case = Learning(ORGANISATIONS.load(name, Organisation), LearningSizes(MEMORY), number, seed, most=30)
            case.learner.run(case.requests(30))
            found.append((case.learner.sums.tolist(), case.learner.weights().tolist(), case.learner.random.state))
        assert found[0] == found[1] == found[2]


def test_host_writes_and_layers_on_one_unit() -> None:
    """Two layers draw from one sequence; sums and traces are the host's between requests."""
    organisation = ORGANISATIONS.load("crossbar", Organisation)
    random = Lfsr()
    first, second = (Learner(organisation.pack(np.full((3, 2), 5), weight_bits=6, sizes=MEMORY), Rule(rate_shift=4),
                             random=random) for _ in range(2))
    first.traces[:3], second.traces[:3] = (9, 0, 255), (1, 2, 3)
    first.run(phase(Pass.UPDATE, [0, -7]))
    second.run(phase(Pass.UPDATE, [3, 0]))
    draws = Lfsr().draw(6)
    assert first.weights()[:, 1].tolist() == [
        5 - ((trace * -7 + draw % 16) // 16) if trace < 255 else 31 for trace, draw in
        zip((9, 0, 255), draws[:3].tolist(), strict=True)]
    assert second.weights()[:, 0].tolist() == [5 - (3 * trace + draw % 16) // 16 for trace, draw in
                                               zip((1, 2, 3), draws[3:].tolist(), strict=True)]
    assert first.sums[:3].tolist() == [-35] * 3 and second.sums[:3].tolist() == [15] * 3
    first.sums[:] = 0
    first.run(phase(Pass.FORWARD, [1, 0, 1]))
    assert first.sums[:2].tolist() == (first.weights()[0] + first.weights()[2]).tolist()
    assert [request["neuron"] for request in phase(Pass.BACKWARD, [0, 3, 0, -1])] == [1, 3]


def test_a_kernel_without_taps() -> None:
    """Of which a bitmap stores nothing."""
    organisation = ORGANISATIONS.load("functional_bitmap", Convolution)
    packed = organisation.pack(np.zeros((2, 1, 3, 3)), weight_bits=4, sizes=MEMORY,
                               place=Map(4, 4, source_width=4, source_height=4))
    learner = Learner(packed, Rule(accumulate=1), LearningSizes(MEMORY, gradient_bits=4))
    learner.run([{"pass": walk, "neuron": 0, "value": 5} for walk in range(4)])
    assert not learner.weights().any() and learner.weights().shape == (2, 1, 3, 3)
    assert [counts["synapses"] for counts in learner.counts.values()] == [0] * 4


def test_sums_wrap_and_end(seed: int) -> None:
    """32 bits; and a neuron without a sum changes nothing."""
    organisation = ORGANISATIONS.load("crossbar", Organisation)
    memory = Sizes(address_bits=10, value_bits=16, learning=1)
    packed = organisation.pack(np.full((9, 2), 2047), weight_bits=12, sizes=memory)
    for quick in (False, True):
        learner = Learner(copied(packed), Rule(rate_shift=0), LearningSizes(memory, entry_bits=3))
        learner.sums[:] = (1 << 31) - 1
        learner.traces[:] = 1
        request = {"pass": int(Pass.UPDATE), "neuron": 1, "value": 5}
        learner.run([request]) if quick else learner.step(request)
        assert learner.sums.tolist() == [(1 << 31) - 1 + 5 * 2047 - (1 << 32)] * 8
        assert learner.weights()[:, 1].tolist() == [2042] * 8 + [2047]
        assert learner.counts[Pass.UPDATE] == dict.fromkeys(COUNTS, 0) | {
            "requests": 1, "synapses": 9, "weight_read": 9, "weight_write": 8, "beyond": 1, "cycles": 11}


def test_what_cannot_be() -> None:
    organisation = ORGANISATIONS.load("crossbar", Organisation)
    packed = organisation.pack([[1]], weight_bits=4, sizes=MEMORY)
    with pytest.raises(ConfigError, match="the sizes' memory is not the organisation's"):
        Learner(packed, sizes=LearningSizes(Sizes(address_bits=9, learning=1)))
    with pytest.raises(ConfigError, match="learning = 1"):
        Learner(organisation.pack([[1]], weight_bits=4, sizes=Sizes(address_bits=9)))
    learner = Learner(packed, Rule(accumulate=1))
    with pytest.raises(ConfigError, match="a rule with accumulate needs gradient_bits"):
        learner.run([])
    learner.rule = Rule()
    with pytest.raises(FieldRangeError, match="value 256 is outside"):
        learner.run(phase(Pass.UPDATE, [256]))
    learner.traces[7] = 256
    with pytest.raises(FieldRangeError, match=r"trace.*256 is outside \[0, 255\]"):
        learner.run(phase(Pass.UPDATE, [25]))
