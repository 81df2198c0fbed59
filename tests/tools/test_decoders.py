"""Decoders as gates: they give the golden model's synapses, and a wrong word in their memory is seen."""

from dataclasses import replace

import numpy as np
import pytest

from golden.errors import ToolError
from golden.rooms import ORGANISATIONS
from golden.synapse.organisations.interface import Organisation, Pass, Sizes
from synapress.tools.decoders import gates, there_is, trace

SIZES = Sizes(address_bits=8, neuron_bits=6, weight_bits=4)


def made(name: str, sizes: Sizes = SIZES) -> Organisation:
    rng = np.random.default_rng(1)
    matrix = rng.integers(-8, 8, (20, 30)) * (rng.random((20, 30)) < 0.4)
    return ORGANISATIONS.load(name, Organisation).pack(
        matrix, weight_bits=4, sizes=sizes, weight_base=30)


@pytest.mark.parametrize("name", ["crossbar", "compressed_rows"])
def test_gates_give_the_golden_synapses(name: str) -> None:
    organisation = made(name)
    assert there_is(name)
    found = trace(organisation, [0, 7, 7, 19, 3])
    assert found.cycles > 40 and found.transitions > found.flip_flops and 0 < found.share < 0.5
    short = trace(organisation, list(range(20)), cycles=30)
    assert 30 <= short.cycles < 120


def test_one_netlist_walks_all_passes() -> None:
    organisation = made("crossbar", replace(SIZES, learning=1))
    netlist = gates("crossbar", organisation.sizes)
    forward, *others = (trace(organisation, [0, 7, 7, 19, 3], walk=walk, netlist=netlist)
                        for walk in (Pass.FORWARD, Pass.BACKWARD, Pass.UPDATE))
    assert all(item.transistors == forward.transistors and item.transitions > 0 for item in others)
    assert others[0].cycles >= 5 * 20 and forward.cycles >= 5 * 30


def test_a_wrong_synapse_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    organisation = made("crossbar")
    other = replace(organisation, weight_words=organisation.weight_words ^ np.uint64(1))
    walk = type(organisation).expand
    monkeypatch.setattr(type(organisation), "expand", lambda self, request: walk(other, request))
    with pytest.raises(ToolError, match="not the golden model's"):
        trace(organisation, [0])
