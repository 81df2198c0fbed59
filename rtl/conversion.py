"""RTLIL to Verilog that behaves the same in every tool: no process that only an initial value starts, no escaped names,
and the SRAM banks in one module that a user can replace.
"""

import contextlib
import copy
import gc
import os
import re
from collections.abc import Iterable, Iterator

from amaranth._toolchain.yosys import find_yosys
from amaranth.back import rtlil
from amaranth.hdl import Fragment, MemoryInstance, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring

os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")  # else one of the system comes first, and may write other text
Ports = dict[str, tuple[Value, PortDirection]]
SRAM = "sram"
"""End of the name of the module of an SRAM bank."""
_LEAST_YOSYS = (0, 40)
_ATTRIBUTES = " ".join(f"-remove {name}" for name in (
    "generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding"))
_SCRIPT = ("proc", "opt_expr", "opt_clean", "memory_collect", f"attrmap {_ATTRIBUTES}",
           f"attrmap -modattr {_ATTRIBUTES}", "write_verilog")
"""`proc` makes multiplexers of combinational processes. Yosys would write these as `always @*`, which wait for a change
that never comes where all they read is constant; its initial value, which is to start them, starts nothing in
SystemVerilog."""
_ZEROS = re.compile(
    r"(?P<head>  cell \$meminit_v2 \S+\n(?:    parameter [^\n]*\n)*?    parameter \\WIDTH (?P<width>\d+)\n"
    r"    parameter \\WORDS (?P<words>\d+)\n(?:    parameter [^\n]*\n)*    connect \\ADDR {  }\n"
    r"    connect \\DATA ){  }")
"""The contents of a memory that were left out."""
_BANK = re.compile(r"(?:.*\.)?bank_\d+")
"""Modules that become the SRAM module: `rtl.memory.SramBank`, as `BankedMemory` names its banks."""
_BANK_PORTS = {"write__data": "write_data"}
"""Amaranth's names of ports that it had to rename. The reset, which no SRAM has, is left out."""
_KEYWORDS = frozenset("""
alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins binsof bit
break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const constraint context
continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge else end endcase
endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage
endprimitive endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect export extends
extern final first_match for force foreach forever fork forkjoin function generate genvar global highz0 highz1 if iff
ifnone ignore_bins illegal_bins implements implies import incdir include initial inout input inside instance int integer
interconnect interface intersect join join_any join_none large let liblist library local localparam logic longint
macromodule matches medium modport module nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1
null or output package packed parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown
pullup pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg
reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime s_until
s_until_with scalared sequence shortint shortreal showcancelled signed small soft solve specify specparam static string
strong strong0 strong1 struct super supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time
timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned
until until_with untyped use uwire var vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire
with within wor xnor xor
""".split())
"""Of Verilog and SystemVerilog (IEEE 1800-2017, annex B)."""

_WAIVED = {
    "CASEOVERLAP": "a selector that is known to be one-hot, or the first match counts",
    "CMPCONST": "comparisons with the largest value of a field, which a configuration can make constant",
    "DECLFILENAME": "all modules are in one file",
    "PROCASSINIT": "flip-flops have an initial value beside their reset",
    "TIMESCALEMOD": "the hardware has no delays",
    "UNSIGNED": "comparisons with 0, which a configuration can make constant",
    "UNUSEDSIGNAL": "parts of packed words, and wires between expressions",
    "WIDTHEXPAND": "comparisons with shorter constants",
    "WIDTHTRUNC": "a word tested against 0 by `!`",
}
"""Warnings of Verilator that say nothing about generated Verilog, and what causes them."""


def waivers(name: str) -> str:
    """What `verilator --lint-only -Wall` need not say about the modules of the file `<name>.v`."""
    lines = [f'lint_off -rule {rule} -file "*{name}.v"  // {why}' for rule, why in _WAIVED.items()]
    return "\n".join(["`verilator_config", *lines, ""])


def to_rtlil(component: wiring.Component, name: str, ports: Ports) -> str:
    """RTLIL of a component as the module `name`: the same text in every run."""
    with _uncollected():
        fragment = Fragment.get(component, None)
        _leave_out_zeros(fragment)
        text, _ = rtlil.convert_fragment(fragment, ports, name, emit_src=False)
        return _ZEROS.sub(_with_zeros, str(text))


def _leave_out_zeros(fragment: Fragment) -> None:
    """Take the initial contents from memories that begin with zeros: Amaranth would make an object for each bit, two
    million for a core, which takes longer than all the rest. `_with_zeros` writes them.
    """
    for inner, _, _ in fragment.subfragments:
        _leave_out_zeros(inner)
        if isinstance(inner, MemoryInstance) and not any(inner._data._init._raw):
            inner._data = copy.copy(inner._data)  # the component's own stays as it is
            inner._data._init = copy.copy(inner._data._init)
            inner._data._init._raw = []


def _with_zeros(match: re.Match[str]) -> str:
    bits = int(match["width"]) * int(match["words"])
    return f"{match['head']}{bits}'{'0' * bits}"


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage while Amaranth fills its tables: there is next to none, and to look for it takes long."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def with_part(text: str, part: str, name: str, module: str) -> str:
    """RTLIL whose instances of `part` are of the module `name`, with that module's own RTLIL behind it."""
    text = re.sub(rf"(?m)^  cell \\{part} ", lambda _: f"  cell \\{name} ", text)
    return text + re.sub(r"(?m)^attribute \\top 1\n", "", module)


def to_verilog(text: str, name: str, ports: Iterable[str]) -> str:
    """Verilog of the RTLIL of a component with these ports: the same text in every run.

    The modules below `name` are called `<name>_<path>`, that of the SRAM banks `<name>_sram`.
    """
    text, sram = _with_sram(text, f"{name}_{SRAM}")
    text = _plain(text, keep=ports)
    yosys = find_yosys(lambda version: version >= _LEAST_YOSYS)
    made = yosys.run(["-q", "-"], "\n".join([f"read_rtlil <<rtlil\n{text}\nrtlil", *_SCRIPT]), ignore_warnings=True)
    return made + sram


def _plain(text: str, keep: Iterable[str]) -> str:
    """RTLIL in which all public names are identifiers of Verilog; those to `keep` must be."""
    names: dict[str, str] = {f"\\{name}": name for name in ("clk", "rst", *keep)}
    taken = set(names.values())
    if wrong := [name for name in taken if name in _KEYWORDS or not re.fullmatch(r"[A-Za-z_]\w*", name)]:
        raise ValueError(f"ports cannot be called {', '.join(sorted(wrong))} in Verilog")

    def plain(match: re.Match[str]) -> str:
        if match[0] not in names:
            base = re.sub(r"_?[^A-Za-z0-9_]+", "_", match[0][1:]).strip("_") or "signal"
            base = f"_{base}" if base[0].isdigit() else f"{base}_" if base in _KEYWORDS else base
            name, number = base, 1
            while name in taken:
                number += 1
                name = f"{base}_{number}"
            names[match[0]] = name
            taken.add(name)
        return f"\\{names[match[0]]}"

    return "\n".join(line if line.lstrip().startswith(("attribute", "parameter")) else re.sub(r"\\\S+", plain, line)
                     for line in text.split("\n"))


def _with_sram(text: str, name: str) -> tuple[str, str]:
    """RTLIL whose SRAM banks are instances of the module `name`, and the Verilog of that module; "" without banks."""
    sizes: dict[str, tuple[int, int]] = {}

    def module(match: re.Match[str]) -> str:
        memory = re.search(r"(?m)^  memory width (\d+) size (\d+) ", match[0])
        if not memory or not _BANK.fullmatch(match["name"]):
            return match[0]
        sizes[match["name"]] = int(memory[1]), int(memory[2])
        return ""

    text = re.sub(r"(?ms)^(?:attribute [^\n]*\n|\n)*module \\(?P<name>\S+)\n.*?^end\n", module, text)

    def instance(match: re.Match[str]) -> str:
        if match["type"] not in sizes:
            return match[0]
        width, depth = sizes[match["type"]]
        lines = [f"  cell \\{name} \\{match['name']}",
                 f"    parameter \\WIDTH {width}", f"    parameter \\DEPTH {depth}",
                 f"    parameter \\ADDRESS_BITS {(depth - 1).bit_length()}"]
        for port, wire in re.findall(r"    connect \\(\S+) ([^\n]+)\n", match["connections"]):
            if port != "rst":
                lines.append(f"    connect \\{_BANK_PORTS.get(port, port)} {wire}")
        return "\n".join([*lines, "  end\n"])

    text = re.sub(r"(?m)^  cell \\(?P<type>\S+) \\(?P<name>\S+)\n(?P<connections>(?:    [^\n]*\n)*)  end\n", instance,
                  text)
    return text, _SRAM.replace("NAME", name) if sizes else ""


_SRAM = """
// A bank of the memory: single port, synchronous, whole words; no reset. To use an SRAM macro, give this module another
// body, or leave it out (`define NAME_EXTERNAL) and supply a module of this name with these ports. One access per
// cycle while `enable` is high. `read_data` is the word that was read at the last rising edge; after a write, or a
// cycle without access, it may be anything. The zeros are for repeatable simulation: nothing relies on them.
`ifndef NAME_EXTERNAL
module NAME #(parameter WIDTH = 64, parameter DEPTH = 1024, parameter ADDRESS_BITS = 10) (
  input clk,
  input enable,
  input write,
  input [ADDRESS_BITS-1:0] address,
  input [WIDTH-1:0] write_data,
  output reg [WIDTH-1:0] read_data
);
  reg [WIDTH-1:0] words [0:DEPTH-1];
`ifndef SYNTHESIS
  integer i;
  initial begin
    for (i = 0; i < DEPTH; i = i + 1) words[i] = {WIDTH{1'b0}};
    read_data = {WIDTH{1'b0}};
  end
`endif
  always @(posedge clk)
    if (enable) begin
      if (write) words[address] <= write_data;
      else read_data <= words[address];
    end
endmodule
`endif
"""
