"""Bench of the evaluation unit: random populations in one memory, against the golden model and a model of its cycles.

`parameters()`: `config`; `scenario` ("random", "timing", "skipping", "sweeping" or "garbage"); `populations`, how
many at most, as the memory may be full before; for "random" pauses by name of `tb.streams.PAUSES`: `command`,
`memory`, `neuron`; for "skipping" `dense`, whether every neuron fires.
`corners`: whether everything must have been seen.
"""

import random
from collections import Counter
from functools import partial
from itertools import pairwise, takewhile
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.neuron.evaluation import PopulationMap, second_word, state_words, sweeps
from golden.neuron.types import neuron_model
from golden.words import layouts
from rtl.ports import command_layout, neuron_layout
from synapress.tools.simulator import parameters, seed
from tb.evaluation_schedule import schedule, skipping_schedule
from tb.evaluation_stimulus import Stimulus, looks_up, required
from tb.memory import MemoryModel
from tb.payloads import unpack
from tb.sigma_delta_stimulus import SIGMA_DELTA_BINS
from tb.streams import Steps, StreamDriver, StreamMonitor, Wires, clock_and_reset, every_cycle, pauses, wait_until


def ports(config: CoreConfig) -> tuple[str, ...]:
    """The memory ports of the evaluation."""
    return ("memory", "table", "stores") if config.skip_silent else ("memory", "table")


LOST = (4, 7)
"""Cycles that a channel word may take longer than its neurons; of a type that keeps states."""

# -- what is watched -------------------------------------------------------------------------------


class Watch:
    """Follows the evaluation unit from outside: when things happen, and what it traces."""

    def __init__(self, dut: Any, config: CoreConfig, memory: MemoryModel):
        self.dut, self.config, self.memory = dut, config, memory
        self.cycle = self.read = 0
        self.commands: list[int] = []
        self.accesses: list[int] = []
        self.neurons: list[int] = []
        self.done: list[int] = []
        self.trace: list[tuple[int, int]] = []
        self.refused: Counter[str] = Counter()
        every_cycle(dut, self._run())

    def finished(self, count: int) -> bool:
        """Whether so many populations have been evaluated."""
        return len(self.done) == count

    def _run(self) -> Steps:
        wires, neuron, address_bits = Wires(self.dut), neuron_layout(self.config), self.config.address_bits
        ports = [(port, *(getattr(wires, f"{port}__{name}") for name in ("valid", "ready")), times) for port, times in
                 (("command", self.commands), ("memory", self.accesses), ("neuron", self.neurons))]
        while True:
            yield
            if wires.rst():
                continue
            self.cycle += 1
            end = False
            for port, valid, ready, times in ports:
                if valid():
                    if ready():
                        times.append(self.cycle)
                        end |= port == "neuron" and bool(unpack(neuron, wires.neuron__payload())["end"])
                    else:
                        self.refused[port] += 1
            assert bool(wires.done()) == end, "done is not where the end neuron is taken"
            if end:
                self.done.append(self.cycle)
                if not self.config.skip_silent:  # else the memory is compared in the end
                    assert self.memory.writes["memory"] == self.read, "done before every state word is written"
            trace = wires.evaluated()
            if trace & 1:
                self.read += 1
                self.trace.append((trace >> 1 & ((1 << address_bits) - 1), trace >> 1 + address_bits))


async def run(dut: Any, work: Stimulus, names: dict[str, str], generator: random.Random) -> Watch:
    """Evaluate all populations one after the other and compare everything; returns what was seen."""
    config = work.config

    def pause(port: str) -> Any:
        return pauses(names[port], generator) if port in names else None

    driver = StreamDriver(dut, "command", command_layout(config), pause=pause("command"), generator=generator)
    memory = MemoryModel(dut, ports(config), list(work.words), word_bits=config.word_bits,
                         pause=(lambda: pause("memory")) if "memory" in names else None, generator=generator)
    monitor = StreamMonitor(dut, "neuron", neuron_layout(config), pause=pause("neuron"))
    watch = Watch(dut, config, memory)
    await clock_and_reset(dut)
    driver.send_all(work.commands)
    await wait_until(dut, lambda: len(watch.done) == len(work.commands), what="the last end",
                     timeout=1000 + 100 * len(work.trace) * config.lanes + 100 * len(work.neurons))
    for _ in range(20):
        await RisingEdge(dut.clk)
    for number, (got, expected) in enumerate(zip(monitor.received, work.neurons, strict=False)):
        assert got == expected, f"neuron {number}: {got}, expected {expected}"
    assert len(monitor.received) == len(work.neurons) > 0
    assert watch.trace == work.trace
    wrong = [address for address, word in enumerate(work.expected) if memory.words[address] != word]
    assert not wrong, f"memory differs at {[(a, hex(memory.words[a]), hex(work.expected[a])) for a in wrong[:9]]}"
    assert memory.writes[ports(config)[-1] if config.skip_silent else "memory"] == work.written
    assert len(work.trace) > 0 and len(watch.commands) == len(work.commands)
    return watch


def of_size(config: CoreConfig, populations: int) -> Stimulus:
    """So many populations, the same in every run of a seed."""
    return Stimulus(config, random.Random(seed()), populations)


def covering(config: CoreConfig, most: int) -> Stimulus:
    """As few populations, in steps of 50 from 100, as all corners take; or `most` of them."""
    sizes = range(100, most, 50)
    enough = (work for work in (of_size(config, size) for size in sizes) if not missing_corners(work))
    return next(enough, None) or of_size(config, most)


def missing_corners(work: Stimulus) -> set[str]:
    """What should have been seen and does not come."""
    return unseen(work, required(work.config) | own_corners(work.config))


def own_corners(config: CoreConfig) -> set[str]:
    """What few populations show, too: of a neuron type that is all that the core has beside sums."""
    return set(SIGMA_DELTA_BINS) if "sigma_delta" in config.neuron_types else set()


def unseen(work: Stimulus, corners: set[str]) -> set[str]:
    """Those that do not come."""
    return corners - {name for name, count in work.bins.items() if count}


# -- tests -----------------------------------------------------------------------------------------


@cocotb.test(skip=parameters()["scenario"] != "random")
async def random_populations(dut: Any) -> None:
    """Whatever waits: every neuron in order, every state word traced, the whole memory as it must be."""
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    work = (covering if given["corners"] else of_size)(config, given["populations"])
    watch = await run(dut, work, given, generator)
    cocotb.log.info(f"{len(work.commands)} populations, {len(work.trace)} state words, {len(work.neurons)} neurons, "
                    f"{watch.cycle} cycles")
    missing = missing_corners(work) if given["corners"] else unseen(work, own_corners(config))
    missing |= {f"{port} refused" for port in ("memory", "neuron") if port in given and not watch.refused[port]}
    assert not missing, f"never seen: {', '.join(sorted(missing))}"


@cocotb.test(skip=parameters()["scenario"] != "timing")
async def timing(dut: Any) -> None:
    """Nothing waits and every neuron fires: each cycle as modeled, and a neuron in each but the first few.

    Spiking neurons are as fast but for the words they write.
    """
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    work = Stimulus(config, generator, given["populations"], dense=True)
    watch = await run(dut, work, {}, generator)
    neurons, accesses, without_pause = iter(watch.neurons), iter(watch.accesses), Counter[str]()
    for fields, command, done in zip(work.populations, watch.commands, watch.done, strict=True):
        accessed, fired, ended = schedule(fields, config)
        keeps = neuron_model(fields["type"], config).keeps
        kind = "table" if looks_up(fields, config) else "spiking" if keeps else "other"
        times = [next(accesses) - command for _ in accessed]
        sent = [next(neurons) - command for _ in fired]
        assert next(neurons) == done, fields
        if kind == "spiking":  # the last word is written after its neurons, and short words wait for one another
            late, most = done - command - sent[-1], 6 if fields["depth"] % config.lanes == 0 else 12
            assert sent[0] == fired[0] and 4 <= late <= most, (fields, late)
        else:
            assert (times, sent, done) == (accessed, fired, command + ended), (
                fields, times, accessed, sent, fired, done - command, ended)
        whole_words, positions = fields["depth"] % config.lanes == 0, fields["width"] * fields["height"]
        if config.lanes >= 4 and whole_words and positions > 1:
            # One or two cycles are lost with each channel word: its parameters come between two words, and kept states
            # may delay them.
            delays = [after - before - 1 for before, after in pairwise(sent)]
            loads = 1 if fields["uniform"] else fields["depth"] // config.lanes
            assert min(delays) == 0 and sum(delays) <= LOST[kind == "spiking"] * loads, (fields, delays)
            without_pause[kind] += fields["depth"] > config.lanes
    assert watch.commands[1:] == [done + 1 for done in watch.done[:-1]]
    kinds = ("other", "spiking", "table")
    assert config.lanes < 4 or all(without_pause[kind] for kind in (kinds if given["corners"] else without_pause))


@cocotb.test(skip=parameters()["scenario"] != "skipping")
async def skipping(dut: Any) -> None:
    """Nothing waits, with `skip_silent`: each read, neuron and end of every population in the cycle that is replayed.

    But for those across the end of the memory, and for words whose kept states come out of the arithmetic.
    """
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    work = Stimulus(config, generator, given["populations"], dense=given["dense"])
    watch = await run(dut, work, {}, generator)
    neurons, accesses, sent = iter(watch.neurons), watch.accesses, iter(work.neurons)
    seen = Counter[str]()
    for fields, command, done, tests in zip(work.populations, watch.commands, watch.done, work.tests, strict=True):
        fired = {(neuron["c"], neuron["x"], neuron["y"]) for neuron in takewhile(lambda item: not item["end"], sent)}
        times = [next(neurons) - command for _ in fired]
        assert next(neurons) == done, fields
        expected = skipping_schedule(fields, tests, config)
        if expected is not None:
            assert times == [time for place, time in expected.neurons if place in fired], fields
            reads = [time - command for time in accesses if command < time <= done]
            assert (reads, done) == (expected.accesses, command + expected.end), (fields, reads, expected)
            seen["kept" if neuron_model(fields["type"], config).keeps else "cleared"] += len(tests) > 2
    assert seen["kept"] and seen["cleared"], seen


@cocotb.test(skip=parameters()["scenario"] != "sweeping")
async def sweeping(dut: Any) -> None:
    """Nothing waits: neurons that are evaluated time by time take a cycle per word, parameter and spike."""
    config = CoreConfig.from_json(parameters()["config"])
    work = of_size(config, parameters()["populations"])
    watch = await run(dut, work, {}, random.Random(seed()))
    sent, traced, seen = iter(work.neurons), iter(work.trace), 0
    for fields, command, done in zip(work.populations, watch.commands, watch.done, strict=True):
        spikes = [neuron["v"] for neuron in takewhile(lambda item: not item["end"], sent)]
        place = PopulationMap.of(fields, config, second_word(work.words, fields, config))
        words = len([*takewhile(lambda item: item[0] < config.memory_words, state_words(place, fields))])
        assert len([next(traced) for _ in range(words)]) == words
        if not sweeps(fields["type"], config) or words < place.depth_words * fields["width"] * fields["height"]:
            continue
        loads = config.ttfs_times * (words + (1 if fields["uniform"] else fields["depth"])) if words else 0
        fewest, channels = loads + words, 1 if fields["uniform"] else place.depth_words
        # Each time begins with its threshold and ends when all words are compared, as does each channel word.
        most = fewest + len(spikes) + (config.ttfs_times * (12 + 8 * (channels - 1)) if words else 0) + 12
        assert fewest < done - command <= most, (fields, fewest, done - command, most)
        assert spikes == sorted(spikes, reverse=True) or not words
        seen += len(spikes) > 5
    assert seen


@cocotb.test(skip=parameters()["scenario"] != "garbage")
async def garbage(dut: Any) -> None:
    """Any word at all as a population is evaluated to its end, or to that of the memory.

    Either it is small or it lies near the end of the memory, so that it ends soon.
    """
    generator = random.Random(seed())
    config = CoreConfig.from_json(parameters()["config"])
    layout = layouts(config).population
    words = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words)]
    driver = StreamDriver(dut, "command", command_layout(config), generator=generator)
    memory = MemoryModel(dut, ports(config), words, word_bits=config.word_bits, generator=generator)
    monitor = StreamMonitor(dut, "neuron", neuron_layout(config))
    watch = Watch(dut, config, memory)
    await clock_and_reset(dut)
    for count in range(1, parameters()["populations"] + 1):
        fields = {field.name: generator.randint(field.low, field.high) for field in layout.fields}
        small = {"width": generator.randint(1, 3), "height": generator.randint(1, 3)}
        near = {"base": config.memory_words - generator.randint(1, 1000)}
        fields |= {"saturation": 3} | generator.choice([small, small | {"depth": 0}, small | {"depth": 1}, near, near])
        place = PopulationMap.of(fields, config, second_word(memory.words, fields, config))
        inside = takewhile(lambda item: item[0] < config.memory_words, state_words(place, fields))
        expected = [address for address, *_ in inside]
        driver.send({"population": 0, "word": layout.pack(fields)})
        await wait_until(dut, partial(watch.finished, count), timeout=30 * (1 << config.channel_bits),
                         what=f"the end of {fields}")
        assert monitor.received[-1]["end"] == 1
        assert [address for address, _ in watch.trace] == expected, fields
        watch.trace.clear()
    assert {abs(neuron["v"]) for neuron in monitor.received} > {0}
