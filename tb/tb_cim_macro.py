"""Bench of the compute-in-memory macro: rows in, operations, rows out, against the integers of the golden model.

`parameters()`: `rows`, `columns`, `scenario`, pauses of `op` by name of `tb.streams.PAUSES`; without any the cycles are
checked, too. Scenarios: `random`, of so many `cases`, each of another shape; `every`: all values of operands of at most
`bits` bits.
"""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import RisingEdge

from golden.cim.macro import FastMacro, Kind, MacroOperation, loses_a_cycle, operation_layout, shape_layout
from golden.cim.operand import Rows, Shape, to_rows
from synapress.tools.simulator import parameters, seed
from tb.payloads import pack
from tb.streams import Steps, StreamDriver, Wires, after_reset, clock_and_reset, pauses, wait_until

Access = tuple[int, int | None, int]
"""Of a row: which, cells to be written or None to read, and which columns."""


def number(cells: Rows) -> int:
    """Cells of a row as the number that a port has."""
    return int.from_bytes(np.packbits(cells, bitorder="little").tobytes(), "little")


class Bench:
    """The macro, and the golden one that does the same."""

    def __init__(self, dut: Any, given: dict[str, Any]):
        self.dut, self.random = dut, random.Random(seed())
        self.rows, self.columns = given["rows"], given["columns"]
        self.golden = FastMacro(self.rows, self.columns)
        self.accesses: deque[Access] = deque()
        self.read: list[int] = []
        """Rows as they were read."""
        self.expected: deque[int] = deque()
        self.working: list[int] = []
        """Cycles in which rows were added."""
        self.cycle = self.column_ops = self.compared = 0
        self.unpaused = "op" not in given
        self.layout = operation_layout(self.rows, self.columns)
        self.shape = StreamDriver(dut, "shape", shape_layout(self.columns), generator=self.random)
        self.op = StreamDriver(dut, "op", self.layout, generator=self.random,
                               pause=None if self.unpaused else pauses(given["op"], self.random))
        for port in ("write", "read_row", "write_row", "write_data", "write_mask"):
            getattr(dut, f"row__{port}").value = 0
        after_reset(dut, self._watch())
        after_reset(dut, self._access())

    def _watch(self) -> Steps:
        """What the macro says while it works."""
        wires = Wires(self.dut)
        while True:
            self.cycle += 1
            if wires.working():
                self.working.append(self.cycle)
                self.column_ops += wires.active()
            if wires.compared():
                assert wires.spikes() == self.expected.popleft(), "spikes"
                self.compared += 1
            yield

    def _access(self) -> Steps:
        """A row in each cycle, as long as the macro is not busy; garbage at the ports otherwise."""
        wires, dut, asked, reads, taken = Wires(self.dut), self.dut, False, False, False
        while True:
            if asked:
                self.read.append(wires.row__read_data())
            now = self.accesses.popleft() if self.accesses else None
            asked, reads = reads, now is not None and now[1] is None
            if now is not None or taken:
                row, data, mask = now or (self.random.randrange(self.rows), None, 0)
                dut.row__write.value = int(data is not None)
                for port in ("read_row", "write_row"):
                    getattr(dut, f"row__{port}").value = row
                dut.row__write_data.value = self.random.getrandbits(self.columns) if data is None else data
                dut.row__write_mask.value = self.random.getrandbits(self.columns) if data is None else mask
            taken = now is not None
            yield

    async def accessed(self) -> None:
        """Until all rows are written or read."""
        await wait_until(self.dut, lambda: not self.accesses, what="accesses of rows")
        for _ in range(3):
            await RisingEdge(self.dut.clk)

    def load(self, row: int, cells: Rows, low: int) -> None:
        """Write cells into rows from `row` on, and columns from `low` on; the other columns stay."""
        count, width = cells.shape
        self.golden.array[row:row + count, low:low + width] = cells
        mask = ((1 << width) - 1) << low
        for index, line in enumerate(cells):
            garbage = self.random.getrandbits(self.columns) & ~mask
            self.accesses.append((row + index, number(line) << low | garbage, mask))

    async def check(self, rows: Iterable[int]) -> None:
        """These rows are as the golden macro has them."""
        rows, before = list(rows), len(self.read)
        self.accesses.extend((row, None, 0) for row in rows)
        await self.accessed()
        for row, found in zip(rows, self.read[before:], strict=True):
            wanted = number(self.golden.array[row])
            assert found == wanted, f"row {row}: {found:x} instead of {wanted:x}"

    def configure(self, columns: int, base: int, groups: int) -> None:
        self.golden.configure(columns, base, groups)
        self.shape.send_all([pack(self.shape.layout, {"columns": columns, "base": base})])

    async def idle(self) -> None:
        """Until what was sent is taken, and done."""
        await self.shape.idle()
        await self.op.idle()
        await RisingEdge(self.dut.clk)
        await wait_until(self.dut, lambda: not int(self.dut.busy.value), what="the end of operations")
        await RisingEdge(self.dut.clk)

    async def execute(self, operations: list[MacroOperation]) -> None:
        """Do operations, one after the other, and check how long they took."""
        for operation in operations:
            if (spikes := self.golden.execute(operation)) is not None:
                self.expected.append(number(spikes))
        first = len(self.working)
        self.op.send_all(pack(self.layout, vars(operation)) for operation in operations)
        interrupted = self.random.random() < 0.3
        if interrupted:  # a shape that comes while rows are added
            for _ in range(self.random.randint(10, 40)):
                await RisingEdge(self.dut.clk)
            self.configure(self.golden.width, self.golden.base, self.golden.groups)
        await self.idle()
        assert not self.expected, "spikes are missing"
        assert len(self.working) == self.golden.cycles and self.column_ops == self.golden.column_ops
        if self.unpaused and not interrupted:
            lost = sum(loses_a_cycle(*pair) for pair in pairwise(operations))
            assert self.working[-1] - self.working[first] + 1 == sum(item.cycles for item in operations) + lost


def shapes(bits: int, columns: int) -> Iterator[Shape]:
    """All shapes of so many bits at most."""
    for wide in range(1, min(bits, columns) + 1):
        yield from (Shape(high, wide) for high in range(1, bits // wide + 1))


async def random_case(bench: Bench) -> None:
    """A random shape and operands, and operations on them and on others of the same shape."""
    pick, rows, columns = bench.random, bench.rows, bench.columns
    width = min(columns, pick.choice((1, 2, 3, pick.randint(1, 16), pick.randint(1, columns))))
    base = pick.choice((0, pick.randint(0, columns - width)))
    groups = pick.choice((1, (columns - base) // width, pick.randint(1, (columns - base) // width)))
    high = pick.choice((1, pick.randint(1, min(8, rows // 4))))
    weight = pick.choice((1, high, pick.randint(1, high)))
    # Few rows, so that operands lie where others lay: what was a potential becomes a weight, whole or in part.
    window = min(rows, pick.choice((high + weight, 3 * high + 2, 6 * high + 4)))
    first_row = pick.randint(0, rows - window)
    cells = np.array([[pick.random() < 0.5 for _ in range(groups * width)] for _ in range(window)])
    for row in range(window):  # close to overflows, and equal operands
        if pick.random() < 0.2:
            cells[row] = pick.random() < 0.5
    bench.load(first_row, cells, base)
    await bench.accessed()
    bench.configure(width, base, groups)
    operations: list[MacroOperation] = []
    first = pick.randrange(groups)
    part = {"low": base + first * width, "high": base + pick.randint(first + 1, groups) * width}
    for kind in (Kind.ADD, Kind.COMPARE, Kind.SUBTRACT, *pick.choices(list(Kind), k=5)):
        limits = pick.choice((part, {"low": base, "high": base + groups * width}))
        if pick.random() < 0.3:  # another resolution
            high = pick.randint(1, min(8, window - 1))
            weight = pick.randint(1, min(high, window - high))
        places = [(a, b) for a in range(window - high + 1) for b in range(window - weight + 1)
                  if a + high <= b or b + weight <= a]
        if operations and pick.random() < 0.6:  # of rows of the operation before
            before = operations[-1].a - first_row
            near = [(a, b) for a, b in places if before in (a, b) or b in (
                before + operations[-1].a_rows - 1, before + operations[-1].a_rows - weight)]
            places = near or places
        a, b = pick.choice(places)
        operations.append(MacroOperation(
            kind, first_row + a, first_row + b, high, weight, saturate=pick.random() < 0.3, **limits))
    await bench.execute(operations)
    await bench.check(range(first_row, first_row + window))


async def every_value(bench: Bench, potential: Shape, weight_rows: int) -> None:
    """All pairs of a potential and a weight, side by side: ADD, COMPARE and both resets, wrapped and saturated."""
    weight, width = Shape(weight_rows, potential.columns), potential.columns
    pairs = [(a, b) for a in range(1 << potential.bits) for b in range(1 << weight.bits)]
    groups = bench.columns // width
    bench.configure(width, 0, groups)
    await bench.idle()
    high, saturated = potential.rows, (False, True)
    doing = [(Kind.COMPARE, False), *((kind, saturate) for kind in (Kind.ADD, Kind.SUBTRACT) for saturate in saturated),
             (Kind.ZERO, False)]
    for start in range(0, len(pairs), groups):
        a, b = (np.array(values) for values in zip(*pairs[start:start + groups], strict=True))
        end = len(a) * width
        bench.load(0, to_rows(b - (b >> weight.bits - 1 << weight.bits), weight), 0)
        cells = to_rows(a - (a >> potential.bits - 1 << potential.bits), potential)
        for index in range(len(doing)):
            bench.load(weight_rows + index * high, cells, 0)
        await bench.accessed()
        await bench.execute([
            MacroOperation(kind, weight_rows + index * high, 0, high, weight_rows, 0, end, saturate)
            for index, (kind, saturate) in enumerate(doing)])
        await bench.check(range(weight_rows + len(doing) * high))


@cocotb.test()
async def operations(dut: Any) -> None:
    given = parameters()
    bench = Bench(dut, given)
    await clock_and_reset(dut)
    whole = np.array([[bench.random.random() < 0.5 for _ in range(bench.columns)] for _ in range(bench.rows)])
    bench.load(0, whole, 0)
    await bench.accessed()
    if given["scenario"] == "random":
        for _ in range(given["cases"]):
            await random_case(bench)
    else:
        for potential in shapes(given["bits"], bench.columns):
            for weight_rows in range(1, potential.rows + 1):
                await every_value(bench, potential, weight_rows)
    await bench.check(range(bench.rows))
    assert not bench.expected and bench.compared and bench.op.accepted
    dut._log.info(f"{bench.op.accepted} operations, {bench.compared} comparisons, {bench.cycle} cycles")
