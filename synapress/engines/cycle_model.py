"""A block as Verilog that Verilator makes a fast model of: the netlist of `rtl.verilog`, and the same cycles.

Three things differ from the Verilog that users get, none of which can be seen at the ports of a block that runs:

- Both edges of the clock count, so that a cycle is one evaluation of the model, not two.
- There is no reset: registers start with their reset values, as Amaranth's do.
- Yosys says which registers keep their values when (`opt_dff`), so that the model skips what makes the next ones.
"""

import os
import re

from amaranth import ClockDomain, Module
from amaranth._toolchain.yosys import find_yosys
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from rtl import conversion
from rtl.verilog import ports

os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")  # as in rtl.conversion
_SCRIPT = ("proc", "opt_expr", "opt_clean", "opt_muxtree", "opt_dff", "opt_clean", "memory_collect", "write_verilog")
_LEAST_YOSYS = (0, 40)
_ZEROS = re.compile(r"  initial begin\n(?:    \w+\[\d+\] = \d+'h0+;\n)+  end\n")
"""A memory that starts with zeros, a line per word: with `--x-initial 0` Verilator's do so anyway."""
_EDGE, _BOTH = "@(posedge clk)", "@(edge clk)"


class _WithoutReset(wiring.Component):
    """A block in a clock domain without a reset."""

    def __init__(self, block: wiring.Component):
        self.block, self.domain = block, ClockDomain("sync", reset_less=True)
        super().__init__(block.signature)

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.domains += self.domain
        m.submodules.block = self.block
        connect(m, self.block, flipped(self))
        return m


def cycle_model(block: wiring.Component, name: str) -> str:
    """Verilog of a block as the module `name`; its ports are the block's, and `clk`."""
    top = _WithoutReset(block)
    netlist = conversion.to_rtlil(top, name, ports(top) | {"clk": (top.domain.clk, PortDirection.Input)})
    yosys = find_yosys(lambda version: version >= _LEAST_YOSYS)
    text = yosys.run(["-q", "-"], "\n".join([f"read_rtlil <<rtlil\n{netlist}\nrtlil", *_SCRIPT]), ignore_warnings=True)
    assert text.count(_EDGE) == len(re.findall(r"\b(?:pos|neg)edge\b", text)), "registers of another clock, or edge"
    return _ZEROS.sub("", text.replace(_EDGE, _BOTH))
