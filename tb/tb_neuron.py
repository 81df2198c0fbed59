"""Bench of the neuron update: on a memory model that refuses at will, and on the banked memory itself.

`parameters()`: `config`; `scenario`, one of SCENARIOS; and what the scenario's docstring names.
"""

import json
import random
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.ports import READ_LATENCY
from golden.synapse.esu import WordOperation
from golden.timing.microarchitecture import STATE_LATENCY, WRITE_DELAY
from rtl.ports import op_layout
from synapress.tools.simulator import parameters, seed
from tb.memory import MemoryModel
from tb.neuron_on_banks import COUNTERS, OTHERS
from tb.neuron_stimulus import (
    LAYERS,
    Operation,
    bringing,
    interior,
    layer,
    note,
    random_operations,
    random_words,
    required,
    update,
)
from tb.streams import Steps, StreamDriver, Wires, clock_and_reset, every_cycle, pauses, reader, wait_until

# -- what is watched -------------------------------------------------------------------------------


class Watch:
    """Follows the neuron update from outside, cycle by cycle: counts, and checks what must always hold.

    With memory ports at the top (`words` given) it does the write-backs: no sooner than WRITE_DELAY cycles after their
    reads, and no word may be read while its write is under way. With `forward_states` an operation that is done without
    a read belongs to the one before, and their write comes as long after it.
    """

    def __init__(self, dut: Any, config: CoreConfig, words: list[int] | None):
        self.wires, self.config, self.words = Wires(dut), config, words
        self.cycle = 0
        self.accepts: list[int] = []
        """Cycles in which operations inside the memory were taken."""
        self.reads: list[int] = []
        """Cycles in which their states were read, and written back."""
        self.writes: list[int] = []
        self.counts: Counter[str] = Counter()
        self._flight: deque[tuple[int, int]] = deque()
        self._written: int | None = None
        self._reads = False
        every_cycle(dut, self._run())

    def _run(self) -> Steps:
        wires, counts, outside = self.wires, self.counts, self.config.address_bits
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            pulses = {name: getattr(wires, name)() for name in COUNTERS}
            counts.update(pulses)
            assert sum(pulses[name] for name in COUNTERS if name.startswith("stall")) <= 1, f"two reasons: {pulses}"
            busy = bool(wires.busy())
            if self.words is not None:
                self._follow(bool(pulses["retired"]))
                assert busy == (len(self.writes) + counts["forwarded"] < len(self.accepts)), f"busy is {busy}"
                self._memory(self.words)
            elif not busy:
                assert counts["retired"] == len(self.accepts), "not busy, with operations left to do"
            if wires.op__valid() and wires.op__ready() and not wires.op__payload() >> outside & 1:
                self.accepts.append(self.cycle)

    def _follow(self, retired: bool) -> None:
        """An operation has gone in the cycle before: with a read, or behind the one before it."""
        assert retired or not self._reads, "a read, and no operation"
        if retired and not self._reads:
            assert self.config.forward_states and self._flight, "an operation without a read"
            address, since = self._flight[-1]
            assert since == self.cycle - 2, "an operation without a read does not follow another one"
            self._flight[-1] = address, self.cycle - 1
            self.counts["forwarded"] += 1
        self._reads = False

    def _memory(self, words: list[int]) -> None:
        wires, counts, flight = self.wires, self.counts, self._flight
        if self._written is not None:  # in the cycle before
            words[self._written] = wires.write_back__write_data()
        self._written = None
        writing = bool(wires.write_back__valid())
        place = 0
        if writing:
            address = wires.write_back__address()
            waits = [word for word, since in flight if self.cycle - since >= WRITE_DELAY]
            assert address in waits, f"word {address} is written, and {waits} wait for it"
            place = waits.index(address)
            counts["write in time" if self.cycle - flight[place][1] == WRITE_DELAY else "write held back"] += 1
            counts["two writes wait"] += len(waits) > 1
            counts["a write passes"] += place > 0
            self._written = address
            self.writes.append(self.cycle)
        if wires.state__valid() and wires.state__ready():
            address = wires.state__address()
            assert all(address != other for other, _ in flight), f"word {address} is read before its write-back"
            flight.append((address, self.cycle))
            self.reads.append(self.cycle)
            self._reads = True
            counts["read beside write"] += writing
        if writing:
            del flight[place]
        counts["state refused"] += wires.state__valid() and not wires.state__ready()
        if wires.weight__valid():
            counts["weight granted" if wires.weight__ready() else "weight refused"] += 1


class Requester:
    """Reads words that nobody changes through one of the other ports, at random, and checks them."""

    def __init__(self, dut: Any, port: str, words: Sequence[int], first: int, pace: Iterator[bool],
                 generator: random.Random, counts: Counter[str]):
        self.port, self.words, self.first = port, words, first
        self.pace, self.generator, self.counts = pace, generator, counts
        self.valid, self.address = getattr(dut, f"{port}__valid"), getattr(dut, f"{port}__address")
        self.ready, self.data = reader(getattr(dut, f"{port}__ready")), reader(getattr(dut, f"{port}__data"))
        every_cycle(dut, self._run())

    def _run(self) -> Steps:
        asked, shown, address = False, False, 0
        answers = deque([-1] * READ_LATENCY)  # the words that come, cycle by cycle
        while True:
            yield
            answer = answers.popleft()
            if answer >= 0:
                assert self.data() == self.words[answer], f"{self.port} reads word {answer} wrong"
            answers.append(-1)
            if asked:
                granted = self.ready()
                self.counts[f"{self.port} {'granted' if granted else 'refused'}"] += 1
                if granted:
                    asked, answers[-1] = False, address
            if not asked and not next(self.pace):
                asked, address = True, self.generator.randrange(self.first, len(self.words))
                self.address.value = address
            # Written on change only, as the host's part of the scenario uses its port when this has fallen silent.
            if shown != asked:
                self.valid.value = int(asked)
                shown = asked


async def host_write(dut: Any, words: Sequence[int]) -> None:
    """Fill the memory through the host port, which nobody else may use meanwhile."""
    dut.host__valid.value = dut.host__write.value = 1
    for address, word in enumerate(words):
        dut.host__address.value = address
        await RisingEdge(dut.clk)
        while not int(dut.host__ready.value):
            await RisingEdge(dut.clk)
        dut.host__write_data.value = word
    await RisingEdge(dut.clk)
    dut.host__valid.value = dut.host__write.value = 0


async def host_read(dut: Any, count: int) -> list[int]:
    """The first words of an idle memory, through the host port."""
    words: list[int] = []
    dut.host__valid.value, dut.host__write.value = 1, 0
    for address in range(count + READ_LATENCY):
        dut.host__address.value = address % count
        await RisingEdge(dut.clk)
        assert int(dut.host__ready.value), "the host is refused an idle memory"
        words.append(int(dut.host__data.value))
    dut.host__valid.value = 0
    return words[READ_LATENCY:]


# -- scenarios -------------------------------------------------------------------------------------


class Bench:
    """What the scenarios share: the memory behind the design, on either top, and a driver of operations."""

    def __init__(self, dut: Any, words: list[int] | None = None):
        self.dut, self.config = dut, CoreConfig.from_json(parameters()["config"])
        self.generator = random.Random(seed())
        self.on_banks = hasattr(dut, "host__valid")
        self.words = random_words(self.generator, self.config) if words is None else words
        """The memory's words; on banks they have to be written first."""
        self.patterns = dict.fromkeys(("op", "state", "weight", *OTHERS), "never")
        self.watch = Watch(dut, self.config, None if self.on_banks else self.words)
        self.driver = StreamDriver(dut, "op", op_layout(self.config), pause=self.pace("op"), generator=self.generator)
        if self.on_banks:
            dut.promote_evaluation.value = 0
            for port in OTHERS:
                getattr(dut, f"{port}__valid").value = 0
            for port in ("evaluation", "host"):
                getattr(dut, f"{port}__write").value = 0
        else:
            dut.write_back__ready.value = 1
            for port in ("state", "weight"):
                MemoryModel(dut, port, self.words, word_bits=self.config.word_bits,
                            pause=self.pace(port), generator=self.generator)

    def pace(self, port: str) -> Iterator[bool]:
        """Pauses in the pattern that the port has at the moment."""
        while True:
            pattern = self.patterns[port]
            for pause in repeat(True) if pattern == "silent" else pauses(pattern, self.generator):
                yield pause
                if self.patterns[port] != pattern:
                    break

    async def run(self, work: Sequence[Operation]) -> None:
        """Do operations, to the last write."""
        self.driver.send_all(operation._asdict() for operation in work)
        await self.driver.idle()
        await RisingEdge(self.dut.clk)
        await wait_until(self.dut, lambda: not self.watch.wires.busy(), what="the last operation")
        await RisingEdge(self.dut.clk)


async def random_scenario(dut: Any) -> None:
    """At least `operations` random ones, until every case was seen, in rounds of other pauses; memory and counters."""
    bench = Bench(dut)
    config, generator, watch = bench.config, bench.generator, bench.watch
    first_weight = config.memory_words // 2
    await clock_and_reset(dut)
    if bench.on_banks:
        await host_write(dut, bench.words)
        for port in OTHERS:
            bench.patterns[port] = "mostly"
            Requester(dut, port, bench.words, first_weight, bench.pace(port), generator, watch.counts)
    expected, coverage, done = list(bench.words), Counter[str](), list[Operation]()
    least = parameters()["operations"]

    def missed() -> set[str]:
        seen = coverage + watch.counts
        if not bench.on_banks:
            seen["weight word shared"] = len(watch.accepts) - watch.counts["weight granted"]
        return required(config, bench.on_banks) - {name for name, count in seen.items() if count > 0}

    while len(done) < least or (len(done) < least + 4000 and missed()):  # some cases are rare
        for port in bench.patterns:
            bench.patterns[port] = generator.choice(["never", "never", "rarely", "randomly", "mostly", "bursts"])
        if bench.on_banks:
            dut.promote_evaluation.value = generator.getrandbits(1)
        work = list(random_operations(generator, config, generator.randint(50, 250), first_weight))
        if done and not bench.on_banks:
            # An idle unit must not remember weights: other ones where the last operation read, for the next one.
            last = next(operation for operation in reversed(done) if isinstance(operation, WordOperation))
            work[0] = last._replace(state_address=work[0].state_address)
            if config.organisations and generator.random() < 0.5:
                work.insert(0, bringing(generator, work[0], config))
            index = last.weight_address * 8 // config.word_bits
            bench.words[index] = expected[index] = generator.getrandbits(config.word_bits)
            coverage["weights changed while idle"] += 1
        for operation in work:
            note(coverage, expected, operation, config)
            update(expected, operation, config)
        await bench.run(work)
        done += work

    if bench.on_banks:
        for port in OTHERS:
            bench.patterns[port] = "silent"
        await wait_until(dut, lambda: not any(int(getattr(dut, f"{port}__valid").value) for port in OTHERS))
    got = await host_read(dut, config.memory_words) if bench.on_banks else bench.words
    wrong = [f"{i}: {a:x} instead of {b:x}" for i, (a, b) in enumerate(zip(got, expected, strict=True)) if a != b]
    assert not wrong, f"{len(wrong)} words differ, the first at {wrong[0]}"
    inside = [operation for operation in done if operation.state_address < config.memory_words]
    counts = watch.counts
    assert counts["retired"] == len(inside) == len(watch.accepts) > 0
    assert counts["synapses"] == sum(operation.mask.bit_count() for operation in inside)
    assert counts["address_error"] == len(done) - len(inside)
    if not bench.on_banks:
        assert counts["stall_bank"] == counts["state refused"]
        assert counts["weight granted"] <= len(inside)
        assert len(watch.writes) == len(watch.reads) == len(inside) - counts["forwarded"]
        assert bool(counts["forwarded"]) == bool(config.forward_states)
    assert not missed(), f"not covered: {sorted(missed())}"
    dut._log.info("covered: %s", dict(sorted((coverage + counts).items())))


async def timing_scenario(dut: Any) -> None:
    """The latencies, hazard costs and write order that the docstring of NeuronUpdate promises; top: NeuronUpdate."""
    bench = Bench(dut)
    config, watch = bench.config, bench.watch
    weight = (config.memory_words - 1) * config.word_bits // 8
    await clock_and_reset(dut)

    async def times(addresses: Sequence[int], *, weights: str = "never") -> tuple[list[int], list[int], Counter[str]]:
        """Reads and writes in cycles after the first operation was taken, and what was counted."""
        bench.patterns["weight"] = weights
        accepts, reads, writes, before = len(watch.accepts), len(watch.reads), len(watch.writes), Counter(watch.counts)
        await bench.run([WordOperation(address, weight, 1, 0, 0, 0, 1) for address in addresses])
        start = watch.accepts[accepts]
        return ([cycle - start for cycle in watch.reads[reads:]], [cycle - start for cycle in watch.writes[writes:]],
                watch.counts - before)

    reads, writes, _ = await times([5])
    assert (reads, writes) == ([STATE_LATENCY], [STATE_LATENCY + WRITE_DELAY]), "an operation alone"
    reads, writes, counts = await times(range(16))
    assert reads == list(range(STATE_LATENCY, STATE_LATENCY + 16)) and writes == [r + WRITE_DELAY for r in reads]
    assert counts["retired"] == 16 and not counts["stall_bank"] and not counts["stall_hazard"]
    reads, writes, counts = await times([7] * 5)
    assert reads == [STATE_LATENCY + (WRITE_DELAY + 1) * n for n in range(5)], "the same word again and again"
    for distance in range(1, 5):
        reads, _, counts = await times([9, *range(10, 9 + distance), 9])
        wait = max(0, WRITE_DELAY + 1 - distance)
        assert reads[-1] == STATE_LATENCY + distance + wait, f"the same word {distance} operations later"
        assert counts["stall_hazard"] == wait, f"hazard at distance {distance}"
    for bit in range(config.address_bits):
        for distance in range(1, 5):
            _, _, counts = await times([5, *range(105, 104 + distance), 5 ^ 1 << bit])
            assert not counts["stall_hazard"], f"words that differ in bit {bit}, at distance {distance}"
    for pattern in ("mostly", "randomly"):
        reads, _, counts = await times([3], weights=pattern)
        waited = counts["weight refused"] + STATE_LATENCY - 3
        assert counts["stall_weight"] == reads[0] - 3 == waited, "waiting for weights"
    # The read of the fourth word wants the bank of the first one's write-back, and goes first.
    banks = config.banks
    reads, writes, _ = await times([0, 1, 2, 2 * banks, 2 * banks + 1])
    assert reads[4] - reads[0] == 4 and writes[0] == STATE_LATENCY + WRITE_DELAY + 1, "read before write"
    # So does the fifth one's: with two writes waiting the one goes first whose bank it does not want.
    reads, writes, counts = await times([0, 1, 2, 2 * banks, 4 * banks])
    assert reads[4] - reads[0] == 4 and [cycle - STATE_LATENCY for cycle in writes[:2]] == [4, 5], "a full buffer"
    assert counts["two writes wait"] and counts["a write passes"], "a write passes another one"


async def utilization_scenario(dut: Any) -> None:
    """Word operations per cycle of interior events of LAYERS, `operations` of each, for each bank that the weights may
    start in; with `evaluation`, one evaluation access in as many cycles beside them. Writes utilization.json.
    Top: NeuronOnBanks.
    """
    bench = Bench(dut, [])
    config, generator, watch = bench.config, bench.generator, bench.watch
    await clock_and_reset(dut)
    if every := parameters().get("evaluation"):
        every_cycle(dut, background(dut, every, config, generator, watch))
    results: dict[str, dict[str, float]] = {}
    for name, shape in LAYERS.items():
        for offset in range(config.banks):
            work = interior(generator, config, layer(config, weight_offset=offset, **shape), parameters()["operations"])
            before, start = Counter(watch.counts), watch.cycle
            await bench.run(work)
            counts, cycles = watch.counts - before, watch.cycle - start
            assert counts["retired"] == len(work)
            now = {"operations per cycle": len(work) / cycles,
                   **{cause: counts[cause] / cycles for cause in COUNTERS if cause.startswith("stall")},
                   "evaluation per cycle": counts["evaluation granted"] / cycles}
            if name not in results or now["operations per cycle"] < results[name]["operations per cycle"]:
                results[name] = now
    Path("utilization.json").write_text(json.dumps(results))


def background(dut: Any, every: int, config: CoreConfig, generator: random.Random, watch: Watch) -> Steps:
    """An evaluation that wants one access in `every` cycles, and is promoted when it has waited for as long."""
    waiting, due = 0, 0
    while True:
        yield
        due += 1
        if waiting and int(dut.evaluation__ready.value):
            watch.counts["evaluation granted"] += 1
            waiting = 0
        elif waiting:
            waiting += 1
        if not waiting and due >= every:
            due -= every
            waiting = 1
            dut.evaluation__address.value = generator.randrange(config.memory_words)
        dut.evaluation__valid.value = int(waiting > 0)
        dut.promote_evaluation.value = int(waiting > every)


SCENARIOS = {"random": random_scenario, "timing": timing_scenario, "utilization": utilization_scenario}


@cocotb.test()
async def neuron_update(dut: Any) -> None:
    await SCENARIOS[parameters()["scenario"]](dut)
