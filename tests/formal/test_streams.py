"""Stream rules of the blocks: what is offered stays offered, unchanged, until it is taken."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from amaranth import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from golden.config import PRESETS, CoreConfig
from golden.noc.router import PORTS
from rtl.host_port import HostPort
from rtl.neuron.evaluation import Evaluation
from rtl.neuron.fire import Fire
from rtl.noc.access import AccessStation
from rtl.noc.router import Router
from rtl.queues import EventQueues
from rtl.synapse.esu import Esu
from rtl.timestep import Timestep
from tests.formal.prover import Observed, held, prove


@dataclass(frozen=True)
class Rule:
    """A stream of a block, the streams that are assumed to keep the rule, and which fields are claimed (none: all)."""

    block: Callable[[CoreConfig], wiring.Component]
    stream: str
    given: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    preset: str = "grai_vip"


class StreamRule(Observed):
    """That the stream of a rule keeps it.

    `deaf`: the block is told that its offer is taken whenever another input likes, so that the rule is broken.
    """

    def __init__(self, rule: Rule, preset: str, deaf: bool = False):
        super().__init__(rule.block(CONFIGS[preset]), {"nudge": In(1)} if deaf else {})
        self.rule, self.deaf = rule, deaf

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        name = self.rule.stream
        out, taken = getattr(self.block, name), getattr(self, f"{name}__ready")
        m = self.connected({f"{name}__ready": taken | self.nudge} if self.deaf else {})
        self.shown |= {"valid": out.valid, "payload": Value.cast(out.payload)}
        assumed = [held(m, getattr(self.block, given), given) for given in self.rule.given]
        self.settle(m, assumed, {"held": held(m, out, name, ready=taken, fields=self.rule.fields)})
        return m


CONFIGS = {**PRESETS, "few": CoreConfig(
    name="few", address_bits=10, coordinate_bits=3, offset_bits=6, extent_unit_log2=0, kernel_bits=2, channel_bits=5,
    edge_bits=3, population_bits=1, mesh_bits=2, upsample_bits=1, axon_count_bits=1, incoming_bits=1, value_bits=3)}
"""The presets, and a core of two populations: the scheduler's rule takes too long for more."""

RULES = {
    "ESU, op": Rule(Esu, "op"),
    "queues, event_out": Rule(EventQueues, "event_out"),
    "fire, fired": Rule(Fire, "fired"),
    # The other fields are the population's, which is another one only after its last neuron.
    "evaluation, neuron": Rule(Evaluation, "neuron", ("command",), ("x", "y", "c", "v", "end")),
    "timestep, command": Rule(Timestep, "command", preset="few"),
    "host port, host_data": Rule(HostPort, "host_data"),
    **{f"station, {name}": Rule(lambda config: AccessStation(config, "column"), name, preset="fpga_small")
       for name in ("here", "on", "back")},
    **{f"router, {port}_out": Rule(Router, f"{port}_out") for port in PORTS},
}


@pytest.mark.parametrize("name", RULES)
def test_streams_hold(name: str, tmp_path: Path) -> None:
    """At the paper's widths, but for the scheduler's command."""
    prove(StreamRule(RULES[name], RULES[name].preset), tmp_path)


@pytest.mark.parametrize("name", ["queues, event_out", "fire, fired", "host port, host_data",
                                  "router, local_out"])
def test_a_block_that_withdraws_its_offer_is_refuted(name: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"refuted in cycle \d+\n  0: .*\n(.*\n)*.*broken_held=1"):
        prove(StreamRule(RULES[name], "fpga_small", deaf=True), tmp_path)
