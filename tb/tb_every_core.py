"""A mesh of `tb.core_store.CoreStore` on AXI buses: whether each access comes to its core, and to none else.

`parameters()`: as of `tb.tb_on_buses`, without images and frames; `words` of each memory are written.
"""

import random
from typing import Any

import cocotb

from golden.bus.address_map import AddressMap, BusRegister, Interrupt
from golden.bus.axi_lite import OKAY, SLVERR
from golden.config import CoreConfig
from golden.registers import Control, Register
from golden.types import Place
from synapress.tools.simulator import parameters, seed
from tb.tb_on_buses import Program


async def refused(program: Program, generator: random.Random) -> int:
    """Memory and registers of the places that addresses have and the mesh does not; returns how many."""
    places, count = program.map, 0
    for row in range(1 << places.row_bits):
        for column in range(1 << places.column_bits):
            if column < places.columns and row < places.rows:
                continue
            last = (1 << places.config.address_bits) - 1
            memory, register = places.memory(last, column, row), places.core(Register.EDGES, column, row)
            for address, size in ((memory, places.word_bytes), (register, places.beat_bytes)):
                data = generator.randbytes(size)
                assert (await program.axi.write(address, data)).resp == SLVERR, (column, row)
                assert (await program.axi.read(address, size)).resp == SLVERR, (column, row)
            count += 1
    return count


@cocotb.test()
async def every_core_is_loaded_and_read_back(dut: Any) -> None:
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    places = AddressMap(config, given["columns"], given["rows"])
    program = Program(dut, places, generator, given)
    await program.reset()
    await program.put(places.own(BusRegister.PENDING), Interrupt.ERROR | Interrupt.FRAME | Interrupt.IDLE)
    await program.put(places.all(Register.CLEAR), 0)
    grid: list[Place] = [(column, row) for row in range(places.rows) for column in range(places.columns)]
    # No two cores have the same words, and the first and the last word are among them.
    inner = range(1, (1 << config.address_bits) - 1)
    addresses = {place: [0, inner.stop, *generator.sample(inner, given["words"] - 2)] for place in grid}
    memory = {(place, address): generator.randbytes(places.word_bytes)
              for place in grid for address in addresses[place]}
    edges = {place: number for number, place in enumerate(generator.sample(grid, len(grid)))}
    for (place, address), word in memory.items():
        assert (await program.axi.write(places.memory(address, *place), word)).resp == OKAY, place
    for place, number in edges.items():
        await program.put(places.core(Register.EDGES, *place), number)
    await program.put(places.all(Register.CONTROL), Control.RUN)
    assert await refused(program, generator) == (1 << places.column_bits + places.row_bits) - len(grid)

    for place in generator.sample(grid, len(grid)):
        for address in generator.sample(addresses[place], given["words"]):
            answer = await program.axi.read(places.memory(address, *place), places.word_bytes)
            assert answer.resp == OKAY and answer.data == memory[place, address], (place, address)
        assert await program.get(places.core(Register.EDGES, *place)) == edges[place], place
        assert await program.get(places.core(Register.CONTROL, *place)) == Control.RUN, place
        # The words, EDGES and CONTROL; nothing that was for another core or for none.
        assert await program.get(places.core(Register.COUNTER_BASE, *place), 8) == given["words"] + 2, place
    assert await program.get(places.own(BusRegister.PENDING)) & (Interrupt.ERROR | Interrupt.FRAME) == 0
