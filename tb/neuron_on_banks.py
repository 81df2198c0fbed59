"""The neuron update on the banked memory, for its bench."""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from rtl.memory import BankedMemory
from rtl.neuron.update import NeuronUpdate
from rtl.ports import MemoryPort, ReadPort, op_layout

COUNTERS = ("retired", "synapses", "stall_bank", "stall_hazard", "stall_weight", "address_error")
OTHERS = ("descriptor", "axon", "table", "evaluation", "host")


class NeuronOnBanks(wiring.Component):
    """The neuron update on the banked memory, whose ports of lower priority are outside."""

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "op": In(stream.Signature(op_layout(config))), "busy": Out(1), "synapses": Out(range(config.lanes + 1)),
            **{name: Out(1) for name in COUNTERS if name != "synapses"},
            **{name: In(ReadPort(config)) for name in ("descriptor", "axon", "table")},
            "evaluation": In(MemoryPort(config)), "host": In(MemoryPort(config)), "promote_evaluation": In(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.neuron = neuron = NeuronUpdate(self.config)
        m.submodules.memory = memory = BankedMemory(self.config)
        connect(m, flipped(self.op), neuron.op)
        for name in ("state", "weight", "write_back"):
            connect(m, getattr(neuron, name), getattr(memory, name))
        for name in OTHERS:
            connect(m, flipped(getattr(self, name)), getattr(memory, name))
        m.d.comb += memory.promote_evaluation.eq(self.promote_evaluation)
        m.d.comb += [getattr(self, name).eq(getattr(neuron, name)) for name in (*COUNTERS, "busy")]
        return m
