"""Bench of the evaluation unit: random populations in one memory, against the golden model and a model of its cycles.

`parameters()`: `config`; `scenario` ("random", "timing" or "garbage"); `populations`, how many at most, as the memory
may be full before; and for "random" pauses by name of `tb.stream.PAUSES`: `command`, `memory`, `neuron`, and
`corners`: whether all bins must have been seen.
"""

import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge

from golden.config import CoreConfig
from golden.neuron import PopulationMap, evaluate_population, pack_lanes, unpack_lanes
from golden.words import Saturation, layouts
from rtl.evaluation import Requantise
from rtl.ports import command_layout, neuron_layout
from tb.launch import parameters, seed
from tb.memory import MemoryModel
from tb.stream import StreamDriver, StreamMonitor, clock_and_reset, pauses, unpack, wait_until

Fields = dict[str, int]


# -- work ------------------------------------------------------------------------------------------


class Work:
    """Random populations side by side in a memory, one of them across its end, and all that must come of them.

    With `dense` every neuron fires.
    """

    def __init__(self, config: CoreConfig, generator: random.Random, count: int, dense: bool = False):
        self.config, self.random, self.dense = config, generator, dense
        self.population_word, self.parameter_word = layouts(config).population, layouts(config).parameter
        self.words = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words)]
        self.bins: Counter[str] = Counter()
        self.commands: list[Fields] = []
        self.populations: list[Fields] = []
        base: int | None = None
        start = 0
        while len(self.commands) < count:
            fields = self._shape()
            place = PopulationMap.of(fields, config)
            words = place.states - place.axons + fields["width"] * place.x_stride
            if base is None:
                if words < 3:
                    continue
                start = base = config.memory_words - generator.randint(1, words - 1)
            fields["base"] = base % config.memory_words
            place = PopulationMap.of(fields, config)
            if base + words > start + config.memory_words:
                break
            self._fill(fields, place)
            self.bins["across the end of the memory"] += base < config.memory_words < base + words
            self.populations.append(fields)
            self.commands.append({"population": generator.randrange(config.max_populations),
                                  "word": self.population_word.pack(fields)})
            base += words
        self.expected = list(self.words)
        self.neurons: list[Fields] = []
        self.trace: list[tuple[int, int]] = []
        for command, fields in zip(self.commands, self.populations, strict=True):
            neurons, trace = evaluate_population(self.expected, command["population"], command["word"], config)
            self.neurons += neurons
            self.trace += trace
            self._cover(fields, neurons)

    def _shape(self) -> Fields:
        config, pick = self.config, self.random
        most = min((1 << config.channel_bits) - 1, 5 * config.lanes)
        both = pick.randint(2, 5), pick.randint(2, 5)
        width, height = pick.choice([(1, 1), (1, pick.randint(1, 6)), (pick.randint(1, 6), 1), both, both])
        depth = pick.choice([pick.randint(1, most), pick.randint(1, most), pick.randint(1, 2) * config.lanes, 1])
        if pick.random() < 0.05 and not self.dense:
            depth = 0
        return {
            "base": 0, "width": width, "height": height, "depth": depth,
            "type": pick.randrange(8), "saturation": pick.randrange(3), "uniform": pick.randrange(2),
            "pad": pick.randrange(2), "axons": pick.randint(0, min(7, (1 << config.axon_count_bits) - 1)),
            "incoming": pick.randrange(1 << config.incoming_bits), "edges": pick.randrange(1 << config.edge_count_bits),
        }

    def _fill(self, fields: Fields, place: PopulationMap) -> None:
        """Parameters and states of all kinds: extremes, ties, values within and beyond the range."""
        config, pick, size = self.config, self.random, self.config.memory_words
        half, top = 1 << (config.state_bits - 1), (1 << config.multiplier_bits) - 1
        most = (1 << config.shift_bits) - 1
        kinds = []
        for c in range(1 if fields["uniform"] and fields["depth"] else fields["depth"]):
            kind = pick.choice(["any", "small", "edge", "edge", "scaled", "scaled", "off"])
            kind = "all fire" if self.dense else kind
            multiplier, shift, bias = pick.choice([0, 1, top, pick.randint(0, top)]), pick.randint(0, most), 0
            if kind == "all fire":
                multiplier, shift = 1, 0
            elif kind in ("small", "edge"):
                multiplier, shift = 1, pick.choice([0, 1, 2, 3])
            elif kind == "scaled":  # the largest sums come near the ends of the value's range
                multiplier = pick.randint(top // 2, top)
                shift = min(most, config.state_bits + config.multiplier_bits - config.value_bits + pick.randint(-1, 3))
            if kind in ("any", "scaled"):
                bias = pick.choice([-half, half - 1, pick.randint(-half, half - 1)])
            elif kind == "off":
                shift = most
            kinds.append((kind, bias, shift))
            above = pick.getrandbits(config.word_bits) >> self.parameter_word.bits << self.parameter_word.bits
            self.words[(place.parameters + c) % size] = above | self.parameter_word.pack(
                bias=bias, multiplier=multiplier, shift=shift)
        bounds = Saturation.bounds(fields["saturation"], config.value_bits)
        for x, y, w in product(range(fields["width"]), range(fields["height"]), range(place.depth_words)):
            states = []
            for lane in range(config.lanes):
                c = w * config.lanes + lane
                kind, bias, shift = kinds[0 if fields["uniform"] else min(c, len(kinds) - 1)]
                state = pick.choice([-half, half - 1, pick.randint(-half, half - 1)])
                if kind == "small":
                    state = pick.randint(-5, 5)
                elif kind == "edge":
                    state = (pick.choice(bounds) << shift) + pick.randint(-1 << shift, 1 << shift)
                    state = max(-half, min(half - 1, state))
                elif kind == "off":
                    state = -bias
                elif kind == "all fire":
                    state = pick.randint(1, 1 << 14)
                states.append(state)
            address = place.states + x * place.x_stride + y * place.y_stride + w
            self.words[address % size] = pack_lanes(states, config)

    def _cover(self, fields: Fields, neurons: Sequence[Fields]) -> None:
        """Count what the population and its neurons are about."""
        config, bins = self.config, self.bins
        if not fields["depth"]:
            bins["no neurons"] += 1
            return
        place = PopulationMap.of(fields, config)
        mode, half, size = fields["saturation"], 1 << (config.state_bits - 1), config.memory_words
        low, high = Saturation.bounds(mode, config.value_bits)
        bins[f"last lane {(fields['depth'] - 1) % config.lanes}"] += 1
        bins[f"uniform {fields['uniform']}, pad {fields['pad']}"] += 1
        bins["padded"] += place.y_stride != place.depth_words
        bins["one position"] += fields["width"] == fields["height"] == 1 and place.depth_words > 1
        bins["many positions and channel words"] += fields["width"] > 1 < fields["height"] and place.depth_words > 2
        bins["nothing fires"] += len(neurons) == 1
        bins["no axons"] += not fields["axons"]
        for x, y, c in product(range(fields["width"]), range(fields["height"]), range(fields["depth"])):
            parameter = self.parameter_word.unpack(
                self.words[(place.parameters + (0 if fields["uniform"] else c)) % size])
            word = self.words[(place.states + x * place.x_stride + y * place.y_stride + c // config.lanes) % size]
            biased = unpack_lanes(word, config)[c % config.lanes] + parameter["bias"]
            scaled, shift = biased * parameter["multiplier"], parameter["shift"]
            tie = shift > 0 and scaled & ((1 << shift) - 1) == 1 << (shift - 1)
            exact = (scaled + (1 << shift >> 1)) >> shift
            bins[f"mode {mode}: " + ("low" if exact < low else "high" if exact > high else "within")] += 1
            seen = {
                "tie up": tie and scaled > 0, "tie down": tie and scaled < 0, "shift 0": shift == 0 and scaled != 0,
                "largest shift": shift == (1 << config.shift_bits) - 1,
                "largest multiplier": parameter["multiplier"] == (1 << config.multiplier_bits) - 1,
                "sum too large": biased >= half, "sum too small": biased < -half,
                f"mode {mode}: at low": exact == low, f"mode {mode}: at high": exact == high,
                f"mode {mode}: rounded to high": exact == high and scaled >> shift < high,
                f"mode {mode}: rounded above": scaled >> shift == high and exact > high,
                "rounded to nothing": exact == 0 and scaled >> shift == -1,
                "rounded to one": exact == 1 and scaled >> shift == 0,
            }
            bins.update(name for name, there in seen.items() if there)


def required(config: CoreConfig) -> set[str]:
    """Bins that a long enough run must have."""
    modes = range(3)
    return {
        "no neurons", "one position", "many positions and channel words", "nothing fires", "no axons", "padded",
        "across the end of the memory", "tie up", "tie down", "shift 0", "largest shift", "largest multiplier",
        "sum too large", "sum too small", "rounded to nothing", "rounded to one",
        *(f"last lane {lane}" for lane in range(config.lanes)),
        *(f"uniform {uniform}, pad {pad}" for uniform in (0, 1) for pad in (0, 1)),
        *(f"mode {mode}: {what}" for mode in modes for what in (
            "low", "within", "high", "at low", "at high", "rounded to high", "rounded above")),
    }


# -- the model of the cycles -----------------------------------------------------------------------


def schedule(fields: Fields, config: CoreConfig) -> tuple[list[int], list[int], int]:
    """When nothing waits: cycles after the command's in which memory is accessed, neurons are sent, and END is.

    Neurons in the order of evaluation, all of them, whether they fire or not.
    """
    lanes, depth = config.lanes, fields["depth"]
    latency = Requantise(config).stages + 1
    accesses: list[int] = []
    evaluated: list[int] = []
    popped: list[int] = []
    before: list[int] = []
    """Cycles in which the lanes of the word before were evaluated."""
    port = 4 if depth else 2
    for word in range(-(-depth // lanes)):
        used = min(lanes, depth - word * lanes)
        for position in range(fields["width"] * fields["height"]):
            read = max(port, popped[-2] + 1 if len(popped) > 1 else 0)
            accesses.append(read)
            port, there = read + 1, [read + 2] * lanes
            if position == 0 and (word == 0 or not fields["uniform"]):
                for lane in range(1 if fields["uniform"] else used):
                    port = max(port, before[lane] + 1 if before else 0)
                    accesses.append(port)
                    there[lane] = port + 2
                    port += 1
                if fields["uniform"]:
                    there = [there[0]] * lanes
            accesses.append(port)
            port += 1
            before = []
            for lane in range(used):
                before.append(max(there[lane], evaluated[-1] + 1 if evaluated else 0))
                evaluated.append(before[-1])
            popped.append(before[-1])
    end = max(port, popped[-1] + 1 if popped else 0)
    return accesses, [cycle + latency for cycle in evaluated], end + latency


# -- what is watched -------------------------------------------------------------------------------


class Watch:
    """Follows the evaluation unit from outside: when things happen, and what it traces."""

    def __init__(self, dut: Any, config: CoreConfig):
        self.dut, self.config = dut, config
        self.cycle = 0
        self.commands: list[int] = []
        self.accesses: list[int] = []
        self.neurons: list[int] = []
        self.done: list[int] = []
        self.trace: list[tuple[int, int]] = []
        self.refused: Counter[str] = Counter()
        cocotb.start_soon(self._run())

    def finished(self, count: int) -> bool:
        """Whether so many populations have been evaluated."""
        return len(self.done) == count

    async def _run(self) -> None:
        dut, neuron, address_bits = self.dut, neuron_layout(self.config), self.config.address_bits
        while True:
            await RisingEdge(dut.clk)
            if int(dut.rst.value):
                continue
            self.cycle += 1
            end = False
            for port, times in (("command", self.commands), ("memory", self.accesses), ("neuron", self.neurons)):
                if int(getattr(dut, f"{port}__valid").value):
                    if int(getattr(dut, f"{port}__ready").value):
                        times.append(self.cycle)
                        end |= port == "neuron" and bool(unpack(neuron, int(dut.neuron__payload.value))["end"])
                    else:
                        self.refused[port] += 1
            assert bool(int(dut.done.value)) == end, "done is not where the end neuron is taken"
            if end:
                self.done.append(self.cycle)
            trace = int(dut.evaluated.value)
            if trace & 1:
                self.trace.append((trace >> 1 & ((1 << address_bits) - 1), trace >> 1 + address_bits))


async def run(dut: Any, work: Work, names: dict[str, str], generator: random.Random) -> Watch:
    """Evaluate all populations one after the other and compare everything; returns what was seen."""
    config = work.config

    def pause(port: str) -> Any:
        return pauses(names[port], generator) if port in names else None

    driver = StreamDriver(dut, "command", command_layout(config), pause=pause("command"), generator=generator)
    memory = MemoryModel(dut, "memory", list(work.words), word_bits=config.word_bits, pause=pause("memory"),
                         generator=generator)
    monitor = StreamMonitor(dut, "neuron", neuron_layout(config), pause=pause("neuron"))
    watch = Watch(dut, config)
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
    assert not wrong, f"memory differs at {wrong[:9]}"
    assert memory.writes["memory"] == len(work.trace) > 0 and len(watch.commands) == len(work.commands)
    return watch


# -- tests -----------------------------------------------------------------------------------------


@cocotb.test(skip=parameters()["scenario"] != "random")
async def random_populations(dut: Any) -> None:
    """Whatever waits: every neuron in order, every state word traced, the whole memory as it must be."""
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    work = Work(config, generator, given["populations"])
    watch = await run(dut, work, given, generator)
    bins = {name for name, count in work.bins.items() if count} | {f"{port} refused" for port in watch.refused}
    cocotb.log.info(f"{len(work.commands)} populations, {len(work.trace)} state words, {len(work.neurons)} neurons, "
                    f"{watch.cycle} cycles")
    missing = required(config) - bins if given["corners"] else set()
    missing |= {f"{port} refused" for port in ("memory", "neuron") if port in given} - bins
    assert not missing, f"never seen: {', '.join(sorted(missing))}"


@cocotb.test(skip=parameters()["scenario"] != "timing")
async def timing(dut: Any) -> None:
    """Nothing waits and every neuron fires: each cycle as modelled, and a neuron in each but the first few."""
    given, generator = parameters(), random.Random(seed())
    config = CoreConfig.from_json(given["config"])
    work = Work(config, generator, given["populations"], dense=True)
    watch = await run(dut, work, {}, generator)
    neurons, accesses, without_pause = iter(watch.neurons), iter(watch.accesses), 0
    for fields, command, done in zip(work.populations, watch.commands, watch.done, strict=True):
        accessed, fired, ended = schedule(fields, config)
        assert [next(accesses) - command for _ in accessed] == accessed, fields
        sent = [next(neurons) - command for _ in fired]
        assert sent == fired, fields
        assert next(neurons) == done == command + ended, fields
        whole_words, positions = fields["depth"] % config.lanes == 0, fields["width"] * fields["height"]
        if config.lanes >= 4 and whole_words and positions > 1:
            # One cycle is lost after the first word, which was read before the parameters.
            pause = [1 - fields["uniform"] if index >= config.lanes else 0 for index in range(len(sent))]
            assert sent == [sent[0] + index + pause[index] for index in range(fields["depth"] * positions)], fields
            without_pause += fields["depth"] > config.lanes
    assert watch.commands[1:] == [done + 1 for done in watch.done[:-1]]
    assert without_pause > 0 or config.lanes < 4


@cocotb.test(skip=parameters()["scenario"] != "garbage")
async def garbage(dut: Any) -> None:
    """Any word at all as a population (but for its size, so that it ends soon) is evaluated to its end."""
    generator = random.Random(seed())
    config = CoreConfig.from_json(parameters()["config"])
    layout = layouts(config).population
    words = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words)]
    driver = StreamDriver(dut, "command", command_layout(config), generator=generator)
    MemoryModel(dut, "memory", words, word_bits=config.word_bits, generator=generator)
    monitor = StreamMonitor(dut, "neuron", neuron_layout(config))
    watch = Watch(dut, config)
    await clock_and_reset(dut)
    for count in range(1, parameters()["populations"] + 1):
        fields = {field.name: generator.randint(field.low, field.high) for field in layout.fields}
        small = {"width": generator.randint(1, 3), "height": generator.randint(1, 3)}
        fields |= {"saturation": 3} | generator.choice([small, small | {"depth": 0}, small | {"depth": 1}])
        driver.send({"population": 0, "word": layout.pack(fields)})
        await wait_until(dut, partial(watch.finished, count), timeout=30 * (1 << config.channel_bits),
                         what=f"the end of {fields}")
        assert monitor.received[-1]["end"] == 1
        positions = fields["width"] * fields["height"]
        assert len(watch.trace) == positions * -(-fields["depth"] // config.lanes), fields
        watch.trace.clear()
    assert {abs(neuron["v"]) for neuron in monitor.received} > {0}
