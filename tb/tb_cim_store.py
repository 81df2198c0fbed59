"""Store of operands: random transfers between memory and array, on ports that refuse, and their cycles where none does.

Expectations come from the golden pieces (`golden.cim.merge_shift`), whole memory and whole array after each transfer.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from golden.cim.merge_shift import pieces, transfer_cycles, words_of
from golden.config import CoreConfig
from golden.messages import transfer
from synapress.tools import simulator as launch
from tb.memory import MemoryModel
from tb.streams import Steps, StreamDriver, Wires, clock_and_reset, every_cycle, never, out_of_reset, pauses, wait_until


def random_transfer(generator: random.Random, config: CoreConfig) -> dict[str, int]:
    """Of operands of every shape that fits; some have words or rows that have no others."""
    columns = config.cim_columns
    width = generator.choice([1, columns, generator.randint(1, 9), generator.randint(1, columns)])
    rows = generator.choice([1, 2, generator.randint(1, 40), 128])
    rows = min(rows, 255 * config.word_bits // width, config.cim_rows)
    words = words_of(width, rows, config.word_bits)
    if generator.random() < 0.25:
        words = generator.choice([max(1, words - 1), generator.randint(1, min(255, 2 * words + 2))])
    base = generator.choice([0, columns - width, generator.randint(0, columns - width)])
    return {"load": int(generator.random() < 0.6), "state": generator.getrandbits(1), "rows": rows, "width": width,
            "row": generator.randrange(config.cim_rows), "base": base, "words": words,
            "address": generator.randrange(config.memory_words)}


def cut_short(config: CoreConfig) -> list[dict[str, int]]:
    """Rows of which a word is stored while others wait, and others that are loaded right behind."""
    whole = {"state": 1, "row": 0, "rows": 8, "base": 3, "width": config.cim_columns - 3}
    return [{**whole, "load": 0, "address": 0, "words": 1}, {**whole, "load": 1, "row": 8, "address": 1, "words": 3}]


class Expected:
    """Memory and array as the golden model leaves them, and how often each port is used: of words that no row needs
    some may be read, as they are ahead."""

    def __init__(self, config: CoreConfig, words: list[int], rows: list[int]):
        self.config, self.words, self.rows = config, list(words), list(rows)
        self.accesses, self.surplus = Counter[str](), Counter[str]()

    def move(self, request: dict[str, int]) -> None:
        config, width = self.config, request["width"]
        mask = (1 << width) - 1 << request["base"]
        words = [(request["address"] + place) % config.memory_words for place in range(request["words"])]
        rows = [(request["row"] + place) % config.cim_rows for place in range(request["rows"])]
        if request["load"]:
            found = pieces([self.words[place] for place in words], config.word_bits, width, len(rows))
            for place, row in zip(rows, found, strict=True):
                self.rows[place] = self.rows[place] & ~mask | row << request["base"]
            needed = min(len(words), words_of(width, len(rows), config.word_bits))
            port = "state" if request["state"] else "weight"
            self.accesses[port] += needed
            self.surplus[port] += len(words) - needed
        else:
            found = pieces([self.rows[place] >> request["base"] for place in rows], width, config.word_bits, len(words))
            for place, word in zip(words, found, strict=True):
                self.words[place] = word
            self.accesses["write_back"] += len(words)


def array(dut: Any, rows: list[int], columns: int, generator: random.Random, counts: Counter[str]) -> Steps:
    """The array: a row in the cycle after its address, which is anything if it was written then or a cycle before."""
    wires, before = Wires(dut), -1
    dut.row__read_data.value = 0
    yield from out_of_reset(dut)
    while True:
        place = wires.row__read_row()
        word = generator.getrandbits(columns) if place == before else rows[place]
        before = -1
        if wires.row__write():
            written, mask = wires.row__write_row(), wires.row__write_mask()
            rows[written] = rows[written] & ~mask | wires.row__write_data() & mask
            word, before = generator.getrandbits(columns) if written == place else word, written
            counts["rows written"] += 1
        dut.row__read_data.value = word
        yield


def ends(dut: Any, requests: list[dict[str, int]], taken: list[int], found: tuple[list[int], list[int]],
         expected: Expected, at_once: bool, counts: Counter[str]) -> Steps:
    """At each `done`: how long it took; and a cycle later, when the last word has come, all that was written."""
    wires, cycle, was_done, behind = Wires(dut), 0, False, list[int]()
    yield from out_of_reset(dut)
    config = expected.config
    while True:
        if was_done:
            assert found[0] == expected.words and found[1] == expected.rows, requests[counts["done"] - 1]
        was_done = bool(wires.done())
        if was_done:
            request = requests[counts["done"]]
            expected.move(request)
            counts["done"] += 1
            assert wires.request__ready(), "a transfer that is done keeps the next one waiting"
            took = cycle - taken[counts["done"] - 1]
            if at_once and request["words"] == words_of(request["width"], request["rows"], config.word_bits):
                assert took == behind[-1] + transfer_cycles(
                    bool(request["load"]), request["rows"], request["width"], request["words"], config.cim_columns,
                    config.word_bits), request
                counts["at once"] += 1
        elif wires.request__valid() and wires.request__ready():
            assert len(taken) == counts["done"], "two transfers at a time"
        if wires.request__valid() and wires.request__ready():
            taken.append(cycle)
            # A cycle more to store what may just be written.
            behind.append(wires.row__write() & ~requests[len(taken) - 1]["load"])
        cycle += 1
        yield


@cocotb.test()
@cocotb.parametrize(pattern=["never", "randomly", "mostly"])
async def transfers(dut: Any, pattern: str) -> None:
    """Every word and row where it belongs, and no other one touched."""
    parameters, generator = launch.parameters(), random.Random(launch.seed())
    config = CoreConfig.from_json(parameters["config"])
    requests = cut_short(config) + [random_transfer(generator, config) for _ in range(parameters["transfers"])]
    words = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words)]
    rows = [generator.getrandbits(config.cim_columns) for _ in range(config.cim_rows)]
    expected, counts = Expected(config, words, rows), Counter[str]()
    patterns = iter([pattern, pattern, "never"])

    def pause() -> Iterator[bool]:
        name = next(patterns)
        return never() if name == "never" else pauses(name, generator)

    memory = MemoryModel(dut, ["state", "weight", "write_back"], words, word_bits=config.word_bits, pause=pause,
                         generator=generator)
    every_cycle(dut, array(dut, rows, config.cim_columns, generator, counts))
    every_cycle(dut, ends(dut, requests, [], (words, rows), expected, pattern == "never", counts))
    driver = StreamDriver(dut, "request", transfer(config), generator=generator,
                          pause=pauses("never" if pattern == "never" else "randomly", generator))
    await clock_and_reset(dut)
    driver.send_all(requests)
    await wait_until(dut, lambda: counts["done"] == len(requests), what="the last transfer")
    for _ in range(3):  # the last word, and what is looked at behind it
        await RisingEdge(dut.clk)
    assert pattern != "never" or counts["at once"] > len(requests) // 2
    assert memory.writes["write_back"] == expected.accesses["write_back"] > 0 and counts["rows written"]
    for port in ("state", "weight"):
        assert 0 <= memory.reads[port] - expected.accesses[port] <= expected.surplus[port] < memory.reads[port]
