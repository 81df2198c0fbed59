"""Delays: the shared arithmetic as it is; their first ends are the scheduler's (`rtl.timestep`)."""

from amaranth import Module

from golden.neuron.types.delay import Delay
from rtl.neuron.interface import NeuronUnit


class DelayUnit(NeuronUnit):
    """Steps in nowhere: the value is the requantized state. No latency of its own, a neuron per cycle."""

    model = Delay

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        return Module()
