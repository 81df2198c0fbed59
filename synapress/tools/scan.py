"""A component between registers, with few pins: what place and route needs to tell its clock frequency."""

from typing import Any

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

from rtl import verilog


class Scan(Elaboratable):
    """A component between registers: inputs come from, outputs go to one long shift register."""

    def __init__(self, component: wiring.Component):
        self.component = component
        self.scan_in, self.scan_out, self.capture = Signal(), Signal(), Signal()
        self.ports = {"scan_in": (self.scan_in, PortDirection.Input), "capture": (self.capture, PortDirection.Input),
                      "scan_out": (self.scan_out, PortDirection.Output)}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.block = self.component
        previous = self.scan_in
        for wire, direction in verilog.ports(self.component).values():
            bits = len(wire)
            if not bits:
                continue
            register = Signal(bits, reset_less=True)
            moved = Cat(previous, register)[:bits]
            if direction is PortDirection.Input:
                m.d.sync += register.eq(moved)
                m.d.comb += wire.eq(register)
            else:
                # The output goes straight into a register, without the multiplexer of the chain before it.
                output = Signal(bits, reset_less=True)
                m.d.sync += [output.eq(wire), register.eq(Mux(self.capture, output, moved))]
            previous = register[-1]
        m.d.comb += self.scan_out.eq(previous)
        return m
