"""Stream rules of the blocks: what is offered stays offered, unchanged, until it is taken."""

from collections.abc import Callable
from pathlib import Path

import pytest
from amaranth import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from golden.config import PRESETS, CoreConfig
from rtl.host_port import HostPort
from rtl.neuron.evaluation import Evaluation
from rtl.neuron.fire import Fire
from rtl.queues import EventQueues
from rtl.synapse.esu import Esu
from rtl.timestep import Timestep
from tests.formal.prover import Observed, held, prove


class StreamRule(Observed):
    """That `stream` of a block keeps the stream rule, if the streams `given` that lead into it do.

    `deaf`: the block is told that its offer is taken whenever another input likes, so that the rule is broken.
    """

    def __init__(self, block: wiring.Component, stream: str, given: tuple[str, ...] = (), deaf: bool = False):
        super().__init__(block, {"nudge": In(1)} if deaf else {})
        self.stream, self.given, self.deaf = stream, given, deaf

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        out, taken = getattr(self.block, self.stream), getattr(self, f"{self.stream}__ready")
        m = self.connected({f"{self.stream}__ready": taken | self.nudge} if self.deaf else {})
        self.shown |= {"valid": out.valid, "payload": Value.cast(out.payload)}
        assumed = [held(m, getattr(self.block, name), name) for name in self.given]
        self.settle(m, assumed, {"held": held(m, out, self.stream, taken)})
        return m


RULES: dict[str, tuple[Callable[[CoreConfig], wiring.Component], str, tuple[str, ...]]] = {
    "ESU, op": (Esu, "op", ()),
    "queues, event_out": (EventQueues, "event_out", ()),
    "fire, fired": (Fire, "fired", ()),
    "evaluation, neuron": (Evaluation, "neuron", ("command",)),
    "timestep, command": (Timestep, "command", ()),
    "timestep, credit_event": (Timestep, "credit_event", ()),
    "host port, host_data": (HostPort, "host_data", ()),
}


@pytest.mark.parametrize("preset", ["grai_vip", "fpga_small"])
@pytest.mark.parametrize("rule", RULES)
def test_streams_hold(rule: str, preset: str, tmp_path: Path) -> None:
    block, stream, given = RULES[rule]
    prove(StreamRule(block(PRESETS[preset]), stream, given), tmp_path)


@pytest.mark.parametrize("rule", ["queues, event_out", "fire, fired", "host port, host_data"])
def test_a_block_that_withdraws_its_offer_is_refuted(rule: str, tmp_path: Path) -> None:
    block, stream, given = RULES[rule]
    with pytest.raises(AssertionError, match=r"refuted in cycle \d+\n  0: .*\n(.*\n)*.*broken_held=1"):
        prove(StreamRule(block(PRESETS["fpga_small"]), stream, given, deaf=True), tmp_path)
