"""Proofs by PDR (property directed reachability): Amaranth → RTLIL → AIGER by pyosys → `abc pdr`, which pyosys carries.

A claim is a `Claim`: a component that instantiates a block, watches its ports, and whose only output, `bad`, must never
be 1, whatever its inputs do. A counterexample is run again in Amaranth's simulator and shown cycle by cycle.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pyosys
from amaranth import Cat, ClockDomain, Const, Module, Signal, Value
from amaranth.hdl._ir import PortDirection
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

from rtl import conversion
from rtl.verilog import ports

SECONDS = 60
"""Of wall-clock time, after which abc gives up."""
_ABC = Path(pyosys.__file__).with_name("yosys-abc")
_YOSYS = "import sys; from pyosys import libyosys as y; y.run_pass('script ' + sys.argv[1], y.Design())"
_SCRIPT = ("proc", "flatten", "opt -fast", "memory_map", "opt -fast", "techmap", "dffunmap", "opt -fast", "simplemap",
           "dffunmap", "setundef -anyseq", "aigmap", "opt_clean", "write_aiger -zinit -symbols claim.aig")


class Claim(wiring.Component):
    """What is to be proven about a block; subclasses add their inputs, which are free in every cycle.

    `assume` and `claim` are called while it is elaborated: from the first broken assumption on nothing is claimed.
    """

    def __init__(self, inputs: dict | None = None):
        super().__init__({**(inputs or {}), "bad": Out(1)})
        self.domain = ClockDomain("sync", reset_less=True)
        """There is no reset: registers start with what it sets them to."""
        self.shown: dict[str, Value] = {}
        """What the trace of a counterexample shows besides the inputs."""

    def settle(self, m: Module, assumed: Iterable[Value], claimed: dict[str, Value]) -> None:
        """Make `bad` of what is assumed and what is claimed, each in every cycle."""
        m.domains += self.domain
        kept, holds = Signal(name="kept", init=1), Signal(name="holds")
        m.d.comb += holds.eq(kept)
        for condition in assumed:
            previous, holds = holds, Signal(name="holds")
            m.d.comb += holds.eq(previous & Value.cast(condition).any())
        m.d.sync += kept.eq(holds)
        broken = []
        for name, condition in claimed.items():
            broken.append(Signal(name=f"broken_{name}"))
            m.d.comb += broken[-1].eq(holds & ~Value.cast(condition).any())
            self.shown[broken[-1].name] = broken[-1]
        m.d.comb += self.bad.eq(sum(broken) != 0)


def prove(claim: Claim, folder: Path) -> None:
    """Prove that `bad` is never 1, from the reset on.

    Raises:
        AssertionError: it can be 1; the message has the inputs, and what else is shown, cycle by cycle.
        RuntimeError: a tool fails, or abc does not decide within SECONDS.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = type(claim).__name__
    wires = ports(claim) | {"clk": (claim.domain.clk, PortDirection.Input)}
    (folder / "claim.il").write_text(conversion.to_rtlil(claim, "claim", wires))
    (folder / "script.ys").write_text("\n".join(["read_rtlil claim.il", "hierarchy -top claim", *_SCRIPT]) + "\n")
    _run([sys.executable, "-c", _YOSYS, "script.ys"], folder, f"yosys on {name}")
    said = _run([str(_ABC), "-c", f"read_aiger claim.aig; strash; pdr -T {SECONDS}; write_cex -n cex.txt"],
                folder, f"abc on {name}")
    if "Property proved" in said:
        return
    if not (found := re.search(r"asserted in frame (\d+)", said)):
        raise RuntimeError(f"{name}: abc did not decide within {SECONDS} s: {said.strip().splitlines()[-1:]}")
    raise AssertionError(f"{name}: refuted in cycle {found[1]}\n" + _replay(claim, folder / "cex.txt", int(found[1])))


def _run(command: list[str], folder: Path, who: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=4 * SECONDS)
    if done.returncode:
        raise RuntimeError(f"{who} failed: {(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def _replay(claim: Claim, cex: Path, last: int) -> str:
    """The counterexample in Amaranth's simulator: what changes, cycle by cycle.

    Raises:
        RuntimeError: the simulator does not see it.
    """
    given: dict[int, dict[str, int]] = {}
    for name, bit, cycle, value in re.findall(r"(?m)^(?:.* )?(\w+)(?:\[(\d+)\])?@(\d+)=([01])$", cex.read_text()):
        now = given.setdefault(int(cycle), {})
        now[name] = now.get(name, 0) | int(value) << int(bit or 0)
    inputs = {name: Value.cast(wire) for name, (wire, direction) in ports(claim).items() if name != "bad"}
    simulator = Simulator(claim)  # which elaborates it again
    shown = inputs | claim.shown
    lines, seen = [], False

    async def bench(context) -> None:  # type: ignore[no-untyped-def]
        nonlocal seen
        before: dict[str, int] = {}
        for cycle in range(last + 1):
            for name, wire in inputs.items():
                context.set(wire, given.get(cycle, {}).get(name, 0))
            now = {name: int(context.get(wire)) for name, wire in shown.items()}
            changed = [f"{name}={value:x}" for name, value in now.items() if before.get(name) != value]
            lines.append(f"  {cycle}: {' '.join(changed) or 'the same'}")
            seen, before = bool(context.get(claim.bad)), now
            await context.tick()

    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    if not seen:
        raise RuntimeError("the counterexample does not come about in Amaranth's simulator")
    return "\n".join(lines)


def held(m: Module, stream: wiring.PureInterface, name: str, *, ready: Value | None = None,
         fields: Sequence[str] = ()) -> Value:
    """That an offer of a stream stays as it is until it is taken: all of it, or some fields; `ready`: another one."""
    payload = Cat(stream.payload[field] for field in fields) if fields else Value.cast(stream.payload)
    waited, offered = Signal(name=f"{name}_waited"), Signal(len(payload), name=f"{name}_offered")
    m.d.sync += [waited.eq(stream.valid & ~(stream.ready if ready is None else ready)), offered.eq(payload)]
    return ~waited | (stream.valid & (payload == offered))


class Observed(Claim):
    """A block whose inputs are all free, each an input of the claim of the same name: `path__to__port`."""

    def __init__(self, block: wiring.Component, inputs: dict | None = None):
        self.block = block
        leaves = [(path, member, wire) for path, member, wire in block.signature.flatten(block)
                  if member.flow is In and not isinstance(wire, Const)]
        self._leaves = {"__".join(map(str, path)): wire for path, _, wire in leaves}
        super().__init__({"__".join(map(str, path)): In(member.shape) for path, member, _ in leaves} | (inputs or {}))

    def connected(self, instead: Mapping[str, Value] = MappingProxyType({})) -> Module:
        """A module with the block in it, and its inputs, or what they get `instead`."""
        m = Module()
        m.submodules.block = self.block
        m.d.comb += [Value.cast(wire).eq(instead.get(name, Value.cast(getattr(self, name))))
                     for name, wire in self._leaves.items()]
        return m
