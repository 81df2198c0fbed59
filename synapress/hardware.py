"""The hardware itself: its Verilog, and estimates of area and clock frequency.

>>> import tempfile
>>> import synapress
>>> with tempfile.TemporaryDirectory() as folder:
...     synapress.hardware.verilog("timestep", "fpga_small", folder).name
'timestep.v'
"""

from collections.abc import Callable
from pathlib import Path

from amaranth.lib import wiring

from golden.config import CoreConfig
from golden.errors import NetworkError
from rtl.verilog import generate
from synapress.engines.testbench import write_testbench
from synapress.mapper import Image
from synapress.mapper.frames import Given
from synapress.mapper.one_core import one_core_ways
from synapress.model import integer_inputs
from synapress.results import CompiledModel
from synapress.tools import area as estimates
from synapress.tools import frequency
from synapress.tools.area import AreaReport, CmosArea, FpgaArea
from synapress.tools.frequency import Frequency


def verilog(block: str, config: CoreConfig | str = "grai_vip", directory: str | Path = "build/verilog", *,
            name: str | None = None) -> Path:
    """Write the Verilog of a block, and beside it a JSON description of its ports, parameters and packed words.

    Args:
        block: one of `rtl.verilog.TOPS`.
        config: a configuration, a preset's name or a JSON file.
        directory: made if needed.
        name: of the module and the files; default: the block's.

    Returns:
        The Verilog file.

    Raises:
        ConfigError: no such block or configuration.
        FileError: a file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = verilog("peg", "fpga_small", folder, name="my_peg")
    ...     path.name, path.with_suffix(".json").exists()
    ('my_peg.v', True)
    """
    return generate(block, CoreConfig.of(config), Path(directory), name=name)


def verilog_testbench(compiled: CompiledModel, inputs: Given, directory: str | Path = "build/testbench", *,
                      name: str = "core") -> Path:
    """Write a testbench in plain Verilog, the core's Verilog, and data: a memory image, frames, and what must come out.

    Args:
        compiled: on one core, with one output.
        inputs: frames, as for `synapress.simulate`.
        directory: made if needed. The testbench reads its data from the folder that it runs in.
        name: of the core's module; the testbench is `<name>_testbench`.

    Returns:
        The testbench's file.

    Raises:
        NetworkError: several cores or outputs; or an input is missing, unknown or of the wrong shape.
        EventError: an integer is beyond the range of its input.
        FileError: a file cannot be written.

    >>> import tempfile
    >>> import numpy as np
    >>> import synapress
    >>> net = synapress.Network("tiny")
    >>> _ = net.input("in", (1, 4, 4))
    >>> _ = net.max_pool("largest", "in", 2)
    >>> _ = net.output("largest")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     compiled = synapress.compile(net, config="fpga_small")
    ...     verilog_testbench(compiled, np.arange(16).reshape(1, 1, 4, 4), folder).name
    'core_testbench.v'
    """
    if not isinstance(compiled.image, Image):
        raise NetworkError(f"a testbench is for one core; this model lies on a mesh, of which it uses "
                           f"{len(compiled.images)}. For one core "
                           + one_core_ways(compiled.lowered, compiled.config))
    integers, _ = integer_inputs(compiled, inputs)
    return write_testbench(compiled.image, integers, Path(directory), name=name)


def area(block: str | wiring.Component, config: CoreConfig | str = "grai_vip", target: str = "cmos", *,
         memory: bool = True, dsp: bool = False, liberty: str | Path | None = None) -> AreaReport:
    """Estimate the area of a block by open synthesis, without wires or clock tree.

    Of an FPGA, the result's `fit` tells the smallest device that holds the block, or what the nearest one lacks.

    Args:
        block: a name in `rtl.verilog.TOPS`, or any component.
        config: a configuration, a preset's name or a JSON file.
        target: "cmos" (transistors), "ice40", "ecp5", "xilinx", or "liberty" with a library.
        memory: count the large memories, too.
        dsp: let FPGA flows use hard multipliers.
        liberty: a standard-cell library.

    Raises:
        ConfigError: no such block, target or library.
        ToolError: Yosys fails or is not installed.

    >>> area("timestep", "fpga_small").flip_flops > 100
    True
    """
    return estimates.estimate(block, CoreConfig.of(config), target, memory=memory, dsp=dsp,
                              liberty=None if liberty is None else Path(liberty))


def area_parts(block: str | wiring.Component, config: CoreConfig | str = "grai_vip", target: str = "cmos", *,
               memory: bool = True, dsp: bool = False) -> list[CmosArea | FpgaArea]:
    """Estimate how the area of a block is shared among its parts, largest first; "rest" is what is between them.

    Nothing is optimized across the borders of parts. Arguments and errors as of `area`, but for libraries.

    >>> sorted(part.top for part in area_parts("evaluation", "fpga_small"))
    ['fire', 'lookup', 'reader', 'requantize', 'rest', 'writer']
    """
    return estimates.estimate_parts(block, CoreConfig.of(config), target, memory=memory, dsp=dsp)


def fmax(block: str | wiring.Component, config: CoreConfig | str = "grai_vip", *, dsp: bool = False,
         device: str | None = None, seed: int = 1, progress: Callable[[str], None] = lambda stage: None) -> Frequency:
    """Place and route a block on an ECP5 for its clock frequency; takes minutes for large blocks.

    The result's `sentence` tells the slowest path: from which register of which part to which, and what its time is
    spent on; `path` has its signals.

    Args:
        block: a name in `rtl.verilog.TOPS`, or any component.
        config: a configuration, a preset's name or a JSON file.
        dsp: let the flow use hard multipliers.
        device: "25k", "45k" or "85k"; default: the smallest that holds the block.
        seed: of the placement.
        progress: told each stage, and how long place and route will take.

    Raises:
        ToolError: the tools fail or are not installed.

    >>> fmax("timestep", "fpga_small").mhz > 20     # doctest: +SKIP
    True
    """
    return frequency.fmax(block, CoreConfig.of(config), dsp=dsp, device=device, seed=seed, progress=progress)
