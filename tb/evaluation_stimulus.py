"""Populations for the evaluation unit: random ones of all types, what must come of them, and what they cover."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np

from golden.config import CoreConfig
from golden.neuron.evaluation import (
    PopulationMap,
    evaluate_population,
    parameter_words,
    second_word,
    state_words,
    table_words,
)
from golden.neuron.requantize import shift_rounded
from golden.neuron.silent import WordTest, population_tests
from golden.neuron.states import pack_lanes, unpack_lanes, wrap
from golden.neuron.types import neuron_model
from golden.neuron.types.cuba import Cuba
from golden.neuron.types.lif import Lif
from golden.neuron.types.product import operands
from golden.neuron.types.sigma_delta import SigmaDelta
from golden.neuron.types.ttfs import Ttfs
from golden.types import Fields
from golden.widths import TABLE_ENTRY_BITS, TYPE_BITS
from golden.words import NeuronType, Saturation, layouts
from tb.cuba_stimulus import CUBA_BINS, cuba_bins, near_threshold, second_parameter
from tb.lif_stimulus import lif_bins, near_multiple, required_lif_bins
from tb.sigma_delta_stimulus import near_last, sigma_delta_bins
from tb.spiking_stimulus import spiking_bins
from tb.ttfs_stimulus import TTFS_BINS, near_time, put_thresholds, ttfs_bins


def has_tables(config: CoreConfig) -> bool:
    """Whether a memory has room for several value tables."""
    return 8 * config.table_words <= config.memory_words


class Stimulus:
    """Random populations side by side in a memory, some of them across its end, and all that must come of them.

    Those across the end lie over one another, and their evaluation may end early. With `dense` every neuron fires, and
    no population lies there.
    """

    def __init__(self, config: CoreConfig, generator: random.Random, count: int, dense: bool = False):
        self.config, self.random, self.dense = config, generator, dense
        self.population_word, self.parameter_word = layouts(config).population, layouts(config).parameter
        self.second_word = layouts(config).second_parameter
        self.words = [generator.getrandbits(config.word_bits) for _ in range(config.memory_words)]
        self.bins: Counter[str] = Counter()
        self.kinds: list[tuple[int, int]] = []
        """Types and saturations that the next populations get."""
        self.commands: list[Fields] = []
        self.populations: list[Fields] = []
        first, seconds, top = 0, [], config.memory_words
        while len(self.commands) < count:
            fields = self._shape()
            second = {"far_axons": fields["extended"] & generator.randrange(2), "apart": 0, "state_base": 0}
            place = PopulationMap.of(fields, config, second)
            table = table_words(fields["type"], fields["saturation"], config)
            states = fields["width"] * place.x_stride
            words = table + place.states - fields["base"] + states
            across = not dense and words > 2 and generator.random() < 0.15
            at = config.memory_words - generator.randint(1, words - 1) if across else first
            if across and at < first:
                continue
            if across:  # another one there may write over a second word, which then leads anywhere
                fields["extended"] = second["far_axons"] = 0
                top = min(top, at)
            else:
                first += words
                if first > top:
                    break
            if fields["extended"] and generator.randrange(2):  # its states lie in front of its block
                second |= {"apart": 1, "state_base": at % config.memory_words}
                at += states
            fields["base"] = (at + table) % config.memory_words
            if fields["extended"]:
                seconds.append((fields["base"], second))
            self._fill(fields, PopulationMap.of(fields, config, second))
            self.bins["across the end of the memory"] += across
            self.populations.append(fields)
            self.commands.append({"population": generator.randrange(config.max_populations),
                                  "word": self.population_word.pack(fields)})
        for address, second in seconds:  # parameters of those across the end may have come to lie there
            self._put_second(address, second)
        self.expected = list(self.words)
        self.neurons: list[Fields] = []
        self.trace: list[tuple[int, int]] = []
        self.tests: list[list[WordTest]] = []
        """Of each population, with `skip_silent`."""
        self.written = 0
        """State words that are written."""
        for command, fields in zip(self.commands, self.populations, strict=True):
            tests = population_tests(self.expected, command["word"], config) if config.skip_silent else []
            neurons, trace = evaluate_population(self.expected, command["population"], command["word"], config)
            self.neurons += neurons
            self.trace += trace
            self.tests.append(tests)
            keeps = config.skip_silent and neuron_model(fields["type"], config).keeps
            self.written += sum(test.written for test in tests) if keeps else len(trace)
            self._cover_tests(fields, tests)
            self._cover(fields, neurons)
            self._cover_end(fields, [address for address, _ in trace])

    def _put_second(self, address: int, second: Fields) -> None:
        """A second population word, with anything in the fields that have no meaning yet, and above them."""
        layout = layouts(self.config).second_population
        other = layout.unpack(self.random.getrandbits(layout.bits))
        above = self.random.getrandbits(self.config.word_bits) >> layout.bits << layout.bits
        self.words[address] = above | layout.pack(other | second)
        for name in ("far_axons", "apart"):
            self.bins[f"second word, {name} {second[name]}"] += 1

    def _shape(self) -> Fields:
        config, pick = self.config, self.random
        most = min((1 << config.channel_bits) - 1, 5 * config.lanes)
        both = pick.randint(2, 5), pick.randint(2, 5)
        width, height = pick.choice([(1, 1), (1, pick.randint(1, 6)), (pick.randint(1, 6), 1), both, both])
        depth = pick.choice([pick.randint(1, most), pick.randint(1, most), pick.randint(1, 2) * config.lanes, 1])
        if self.dense:
            depth = pick.choice([depth, min(most, 2 * config.lanes)])
        elif pick.random() < 0.05:
            depth = 0
        if not self.kinds:  # all of them, in any order, before one comes again
            self.kinds = [(kind, mode) for kind in range(1 << TYPE_BITS) for mode in range(4)
                          if self._has_mode(kind, mode)]
            self.kinds += [(NeuronType.SPIKING, mode) for mode in (*range(4), 0, 1)]
            self.kinds += 30 * (config.encoder == "sweep") * [(kind, 0) for kind in Ttfs.codes]
            self.kinds += 3 * [(kind, mode) for kind in (*Cuba.codes, *Lif.codes) for mode in range(4)
                               if neuron_model(kind, config).second_parameter]
            pick.shuffle(self.kinds)
        kind, mode = self.kinds.pop()
        return {
            "base": 0, "width": width, "height": height, "depth": depth, "type": kind,
            "saturation": mode, "uniform": pick.randrange(2),
            "pad": pick.randrange(2), "axons": pick.randint(0, min(7, (1 << config.axon_count_bits) - 1)),
            "incoming": pick.randrange(1 << config.incoming_bits), "extended": pick.randrange(2),
        }

    def _has_mode(self, kind: int, mode: int) -> bool:
        """Whether a type's values may have this saturation: with `dense` a positive sum must not become 0."""
        model = neuron_model(kind, self.config)
        if model.thresholds or model.falling_threshold:
            return True
        if mode == Saturation.TABLE:
            return has_tables(self.config)
        return not self.dense or Saturation.bounds(mode, self.config.value_bits)[1] > 0

    def _fill(self, fields: Fields, place: PopulationMap) -> None:
        """Tables, parameters and states of all kinds: extremes, ties, values within and beyond the range."""
        config, pick, size = self.config, self.random, self.config.memory_words
        if looks_up(fields, config) and self.dense:  # no entry is 0
            entry = sum(1 << shift for shift in range(0, config.word_bits, TABLE_ENTRY_BITS))
            for address in range(fields["base"] - config.table_words, fields["base"]):
                self.words[address % size] |= entry
        if table_words(fields["type"], 0, config):
            put_thresholds(pick, self.words, fields["base"], config, dense=self.dense)
        parameters = []
        sparse = pick.choice([None, None, 0.0, 0.1, 0.5]) if config.skip_silent and not self.dense else None
        exceptions = 0.02 * pick.choice([0, 0, 1])
        # Of a sparse one: whether all channels leak, and how often a lane without a neuron holds something.
        leaks, beyond = (0, 0.0) if sparse is None else (int(pick.random() < 0.25), 0.2 * pick.choice([0, 0, 1]))
        model, each = neuron_model(fields["type"], config), parameter_words(fields["type"], config)
        for c in range(1 if fields["uniform"] and fields["depth"] else fields["depth"]):
            parameters.append(self._parameter(model.thresholds))
            if sparse is not None and pick.random() >= exceptions:  # no bias, no slope
                most = min(1 << (config.slope_bits - 1), 300) - 1
                parameters[-1] = "sparse", {"bias": 0, "multiplier": 1, "shift": leaks * model.thresholds, "leaky": 0,
                                            "slope": pick.randint(0, most) if model.thresholds else 0}
            above = pick.getrandbits(config.word_bits) >> self.parameter_word.bits << self.parameter_word.bits
            # A second word, in front, is random: what lies there already.
            self.words[(place.parameters + each * c + each - 1) % size] = above | self.parameter_word.pack(
                parameters[-1][1])
            if each == 2:
                at = (place.parameters + 2 * c) % size
                second = second_parameter(pick, fields, self.words[at], config)
                self.words[at] = self.words[at] >> self.second_word.bits << self.second_word.bits | (
                    self.second_word.pack(second))
                parameters[-1] = parameters[-1][0], parameters[-1][1] | second
        for x, y, w in product(range(fields["width"]), range(fields["height"]), range(place.depth_words)):
            states = []
            for lane in range(config.lanes):
                c = w * config.lanes + lane
                kind, values = parameters[0 if fields["uniform"] else min(c, len(parameters) - 1)]
                states.append(self._state(fields, kind, values) if sparse is None else self._sparse(values, sparse)
                              if c < fields["depth"] or pick.random() < beyond else 0)
            address = place.states + x * place.x_stride + y * place.y_stride + w
            self.words[address % size] = pack_lanes(states, config)

    def _parameter(self, spiking: bool) -> tuple[str, Fields]:
        """A kind of numbers, and a parameter word's fields."""
        config, pick = self.config, self.random
        half, top = 1 << (config.state_bits - 1), (1 << config.multiplier_bits) - 1
        most, steep = (1 << config.shift_bits) - 1, 1 << (config.slope_bits - 1)
        kind = pick.choice(["any", "small", "edge", "edge", "scaled", "scaled", "off"])
        kind = "all fire" if self.dense else kind
        multiplier, shift, bias = pick.choice([0, 1, top, pick.randint(0, top)]), pick.randint(0, most), 0
        if kind == "all fire":
            multiplier, shift = 1, 0
        elif kind in ("small", "edge"):
            power = pick.choice([0, pick.randint(0, min(config.multiplier_bits - 1, most - 3))])
            multiplier, shift = 1 << power, power + pick.choice([0, 1, 2, 3])
            if kind == "small" and power > 3:  # ties, and what comes as close to them as can be
                multiplier += pick.choice([0, 0, 1, -1])
        elif kind == "scaled":  # the largest sums come near the ends of the value's range
            multiplier = pick.randint(top // 2, top)
            shift = min(most, config.state_bits + config.multiplier_bits - config.value_bits + pick.randint(-1, 3))
            if spiking:  # a leak
                shift = min(most, config.multiplier_bits - pick.randint(0, 1))
        if kind in ("any", "scaled"):
            bias = pick.choice([-half, half - 1, pick.randint(-half, half - 1)])
        elif kind == "off":
            shift = most
        slope = pick.choice([-steep, steep - 1, pick.randint(-steep, steep - 1)])
        if kind == "all fire":
            slope = 0
        elif spiking and pick.random() < 0.5:
            slope = pick.randint(0, min(steep - 1, 300))
        elif pick.random() < 0.4:
            slope = max(-steep, min(steep - 1, pick.choice([multiplier // 4, -multiplier // 8])))
        leaky = 0 if kind == "all fire" else pick.randrange(2)
        return kind, {"bias": bias, "multiplier": multiplier, "shift": shift, "leaky": leaky, "slope": slope}

    def _sparse(self, values: Fields, rate: float) -> int:
        """A state that fires at this rate, or not, both often by little; or about half of the range that it may keep.
        """
        pick, threshold = self.random, max(1, values["slope"])
        low = -(threshold % 2) - (1 << self.config.state_bits - 2)
        return threshold + pick.choice([0, 0, 1, 500]) if pick.random() < rate else pick.choice(
            [threshold - 1, 0, 0, -1, low])

    def _state(self, fields: Fields, kind: str, values: Fields) -> int:
        state = self._sum(fields, kind, values)
        if fields["type"] in SigmaDelta.codes and "sigma_delta" in self.config.neuron_types and kind != "all fire":
            return near_last(self.random, fields, state, values, self.config)
        if kind == "all fire" or self.random.random() < 0.3:
            return state
        model = neuron_model(fields["type"], self.config)
        if model is Cuba:
            return near_threshold(self.random, fields, state, values, self.config)
        if model is Lif:
            return near_multiple(self.random, state, values, self.config)
        if model is Ttfs:
            return near_time(self.random, self.words, fields["base"], state, values, self.config)
        return state

    def _sum(self, fields: Fields, kind: str, values: Fields) -> int:
        pick, half, bits = self.random, 1 << (self.config.state_bits - 1), self.config.operand_bits
        if fields["type"] in NeuronType.PRODUCTS and pick.random() < 0.7:
            low, high = ([0, 1, (1 << bits - 1) - 1, 1 << bits - 1, (1 << bits) - 1, pick.getrandbits(bits)]
                         for _ in range(2))
            if kind == "all fire":
                low = high = [pick.randint(1, (1 << bits - 1) - 1)]
            elif kind in ("small", "edge"):  # a product near zero, and other values that fit
                low = [pick.choice([1, 2, 3, (1 << bits) - 1, (1 << bits) - 2])]
            return wrap(pick.choice(low) + (pick.choice(high) << bits), self.config.state_bits)
        if fields["type"] == NeuronType.SPIKING and kind != "all fire" and pick.random() < 0.3:
            return max(-half, min(half - 1, values["slope"] - values["bias"] + pick.randint(-1, 1)))
        if kind == "small":
            # A half of the value 1, or where the multiplier is more than a power of two what comes just above it.
            half_of_one = 1 << max(0, values["shift"] - values["multiplier"].bit_length())
            return pick.choice([half_of_one, pick.randint(-5, 5)])
        if kind == "edge":
            bounds = Saturation.bounds(fields["saturation"], self.config.value_bits)
            shift = values["shift"] - values["multiplier"].bit_length() + 1
            state = (pick.choice(bounds) << shift) + pick.randint(-1 << shift, 1 << shift)
            return max(-half, min(half - 1, state))
        if kind == "off":
            return -values["bias"]
        if kind == "all fire":
            return 1 + (1 << bits) if fields["type"] in NeuronType.PRODUCTS else pick.randint(1, 1 << 14)
        return pick.choice([-half, half - 1, pick.randint(-half, half - 1)])

    def _cover(self, fields: Fields, neurons: Sequence[Fields]) -> None:
        """Count what the population and its neurons are about."""
        config, bins = self.config, self.bins
        if not fields["depth"]:
            bins["no neurons"] += 1
            return
        place, size = PopulationMap.of(fields, config, second_word(self.words, fields, config)), config.memory_words
        each = parameter_words(fields["type"], config)
        bins[f"last lane {(fields['depth'] - 1) % config.lanes}"] += 1
        bins[f"uniform {fields['uniform']}, pad {fields['pad']}"] += 1
        bins[f"type {fields['type']}"] += 1
        bins["padded"] += place.y_stride != place.depth_words
        bins["one position"] += fields["width"] == fields["height"] == 1 and place.depth_words > 1
        bins["many positions and channel words"] += fields["width"] > 1 < fields["height"] and place.depth_words > 2
        bins["nothing fires"] += len(neurons) == 1
        bins["no axons"] += not fields["axons"]
        for x, y, c in product(range(fields["width"]), range(fields["height"]), range(fields["depth"])):
            parameter = self.parameter_word.unpack(
                self.words[(place.parameters + each * (0 if fields["uniform"] else c) + each - 1) % size])
            word = self.words[(place.states + x * place.x_stride + y * place.y_stride + c // config.lanes) % size]
            state = unpack_lanes(word, config)[c % config.lanes]
            if fields["type"] == NeuronType.SPIKING:
                bins.update(spiking_bins(fields["saturation"], state, parameter, config))
            elif neuron_model(fields["type"], config) is SigmaDelta:
                bins.update(sigma_delta_bins(fields, state, parameter, config))
            elif neuron_model(fields["type"], config) in (Cuba, Lif):
                at = place.parameters + each * (0 if fields["uniform"] else c)
                parameter |= self.second_word.unpack(self.words[at % size])
                bins.update((cuba_bins if fields["type"] in Cuba.codes else lif_bins)(fields, state, parameter, config))
            elif neuron_model(fields["type"], config) is Ttfs:
                bins.update(ttfs_bins(self.words, fields["base"], state, parameter, config))
            elif not neuron_model(fields["type"], config).thresholds:
                self._cover_value(fields, state, parameter)

    def _cover_end(self, fields: Fields, read: Sequence[int]) -> None:
        """Where the evaluation ends early: at its first word, within a column, or between two channel words."""
        place = PopulationMap.of(fields, self.config, second_word(self.words, fields, self.config))
        every = [address for address, *_ in state_words(place, fields)]
        if len(read) < len(every):
            positions = fields["width"] * fields["height"]
            where = "once" if not read else "a row" if len(read) % positions else "a channel word"
            self.bins[f"ends at {where}"] += 1

    def _cover_tests(self, fields: Fields, tests: Sequence[WordTest]) -> None:
        """With `skip_silent`: words of which no lane, some or all go on, and how the states of those that stay come."""
        kind = "kept" if neuron_model(fields["type"], self.config).keeps else "sum"
        for test in tests:
            some = "all" if all(test.passes) else "some" if any(test.passes) else "no"
            self.bins[f"{kind}{', at once' if test.at_once else ''}: {some} lanes pass"] += 1

    def _cover_value(self, fields: Fields, state: int, parameter: Fields) -> None:
        config, bins, mode = self.config, self.bins, fields["saturation"]
        half, bits = 1 << (config.state_bits - 1), config.operand_bits
        low, high = Saturation.bounds(mode, config.value_bits)
        product_of, name = fields["type"] in NeuronType.PRODUCTS, f"product {fields['type']}"
        if product_of:
            a, b = (int(operand) for operand in operands(np.array(state), fields["type"], config))
            least = -(1 << bits - 1) if fields["type"] == NeuronType.PRODUCT else 0
            bins[f"{name}: lowest A"] += a == least
            bins[f"{name}: highest A"] += a == least + (1 << bits) - 1
            bins[f"{name}: high B"] += b >= (1 << bits - 1) - 1
            state = a * b
        biased = state + parameter["bias"]
        sloping = bool(parameter["leaky"]) and biased < 0
        factor = wrap(parameter["slope"], config.multiplier_bits + 1) if sloping else parameter["multiplier"]
        scaled, shift = biased * factor, parameter["shift"]
        tie = shift > 0 and scaled & ((1 << shift) - 1) == 1 << (shift - 1)
        above = (scaled & ((1 << shift) - 1)) - (1 << shift >> 1)
        exact = shift_rounded(scaled, shift)
        bins[f"mode {mode}: " + ("low" if exact < low else "high" if exact > high else "within")] += 1
        seen = {
            f"{'positive' if scaled > 0 else 'negative'} tie {'up' if exact > scaled >> shift else 'down'}":
                tie and low <= exact <= high,
            "just above a tie": 0 < above <= (1 << shift) >> 4 and exact & 1 and low <= exact <= high,
            "shift 0": shift == 0 and scaled != 0,
            "largest shift": shift == (1 << config.shift_bits) - 1,
            "largest multiplier": parameter["multiplier"] == (1 << config.multiplier_bits) - 1,
            "sum too large": biased >= half, "sum too small": biased < -half,
            "slope": sloping and low < exact < high and exact != 0, "negative slope": sloping and exact > 0,
            f"mode {mode}: at low": exact == low, f"mode {mode}: at high": exact == high,
            f"mode {mode}: rounded to high": exact == high and scaled >> shift < high,
            f"mode {mode}: rounded above": scaled >> shift == high and exact > high,
            "rounded to nothing": exact == 0 and scaled >> shift == -1,
            "rounded to one": exact == 1 and scaled >> shift == 0,
        }
        bins.update(name for name, there in seen.items() if there)


def looks_up(fields: Fields, config: CoreConfig) -> bool:
    """Whether a population has a value table."""
    return neuron_model(fields["type"], config).looks_up(fields["saturation"])


def required(config: CoreConfig) -> set[str]:
    """Bins that a long enough run must have."""
    return {
        "second word, apart 0", "second word, apart 1", "no neurons", "one position",
        "many positions and channel words", "nothing fires", "no axons", "padded",
        "across the end of the memory", "ends at once", "ends at a row", "shift 0", "largest shift",
        "largest multiplier", "sum too large", "sum too small", "rounded to nothing", "rounded to one",
        *(f"{sign} tie {way}" for sign in ("positive", "negative") for way in ("up", "down")), "just above a tie",
        *(f"last lane {lane}" for lane in range(config.lanes)), *(f"type {kind}" for kind in range(1 << TYPE_BITS)),
        *(f"uniform {uniform}, pad {pad}" for uniform in (0, 1) for pad in (0, 1)),
        *(f"mode {mode}: {what}" for mode in range(3 + has_tables(config)) for what in (
            "low", "within", "high", "at low", "at high", "rounded to high", "rounded above")),
        *(f"product {kind}: {what}" for kind in NeuronType.PRODUCTS for what in ("lowest A", "highest A", "high B")),
        *(f"spiking: {what}" for what in (
            "reset 0", "reset 1", "reset 2", "reset 3", "at the threshold", "just below", "leak", "rest leaks",
            "potential too large", "potential too small", "clipped low", "clipped high")),
        *(() if config.skip_silent else ("spiking: half of the range, low", "spiking: half of the range, high")),
        *((f"{kind}: {some} lanes pass" for kind in ("sum", "kept, at once") for some in ("no", "some", "all"))
          if config.skip_silent else ()),
        *(CUBA_BINS if "cuba" in config.neuron_types else ()), *required_lif_bins(config),
        *(TTFS_BINS if "ttfs" in config.neuron_types else ()),
        *(("slope", "negative slope", "spiking: negative threshold") if config.slope_bits > 4 else ()),
    }
