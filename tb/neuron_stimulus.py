"""Operations for the neuron update: random ones and those of common layers, what they must do, and what they cover."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from golden.config import CoreConfig
from golden.neuron import products
from golden.neuron.products.log import LARGEST, SIGN, VALUE, Log
from golden.neuron.states import pack_lanes, unpack_lanes, wrap
from golden.neuron.update import accumulate
from golden.synapse.esu import EdgeDescriptor, ValueEvent, WordOperation, operations
from golden.words import EdgeKind
from tb.neuron_on_banks import OTHERS

# -- expectations ----------------------------------------------------------------------------------


class BringingOperation(NamedTuple):
    """An operation that brings its weights: `weights` holds them packed. Others that it does not need hold anything."""

    state_address: int
    weight_address: int
    mask: int
    broadcast: int
    max: int
    shift: int
    v: int
    immediate: int
    weights: int


Operation = WordOperation | BringingOperation


def weights_of(words: Sequence[int], operation: Operation, config: CoreConfig) -> list[int]:
    """The signed weight of each lane."""
    if isinstance(operation, BringingOperation):
        bits = config.table_weight_bits
        return [wrap(operation.weights >> bits * lane, bits) for lane in range(config.lanes)]
    index, byte = divmod(operation.weight_address, config.word_bits // 8)
    step = 0 if operation.broadcast else 1
    return [wrap(words[index] >> 8 * (byte + step * lane), 8) for lane in range(config.lanes)]


def lanes_of(operation: Operation, config: CoreConfig) -> list[bool]:
    """Which lanes an operation updates."""
    return [bool(operation.mask >> lane & 1) for lane in range(config.lanes)]


def update(words: list[int], operation: Operation, config: CoreConfig) -> None:
    """Do one operation on the memory words, by the golden model; one that leaves the memory does nothing."""
    if operation.state_address < config.memory_words:
        states = accumulate(
            unpack_lanes(words[operation.state_address], config), weights_of(words, operation, config), operation.v,
            lanes_of(operation, config), shift=operation.shift, maximum=bool(operation.max), config=config)
        words[operation.state_address] = pack_lanes(states, config)


def note(coverage: Counter[str], words: Sequence[int], operation: Operation, config: CoreConfig) -> None:
    """Count which kinds of update an operation is going to make."""
    if operation.state_address >= config.memory_words:
        coverage["outside the memory"] += 1
        return
    word_bytes, lanes = config.word_bits // 8, lanes_of(operation, config)
    coverage[f"shift {operation.shift}"] += 1
    if isinstance(operation, BringingOperation):
        coverage["weights brought"] += 1
    elif operation.broadcast:
        coverage[f"broadcast lane {operation.mask.bit_length() - 1}"] += 1
        coverage[f"broadcast byte {operation.weight_address % word_bytes}"] += 1
    else:
        coverage[f"group {operation.weight_address % word_bytes // config.lanes}"] += 1
        coverage["all lanes" if all(lanes) else "some lanes" if any(lanes) else "no lane"] += 1
    states, model = unpack_lanes(words[operation.state_address], config), products.product(config)
    for state, weight, masked in zip(states, weights_of(words, operation, config), lanes, strict=True):
        product = model.one(weight, operation.v, operation.shift, config)
        if masked:
            coverage["product wraps" if product != weight * operation.v << operation.shift else "product fits"] += 1
            if not model.linear:
                coverage.update(log_bins(weight, operation, config))
            if operation.max:
                coverage["maximum taken" if product > state else "maximum kept"] += 1
            elif wrap(state + product, config.state_bits) != state + product:
                coverage["sum wraps up" if product > 0 else "sum wraps down"] += 1


LOG_BINS = {f"logarithmic: {what}" for what in (
    "power", "negative power", "shifted out", "weight 0", "value itself", "first time", "last time", "too early",
    "no value", "negative value")}


def required_log_bins(config: CoreConfig) -> set[str]:
    """Those that a long enough run must have; the smallest power may be more than the last fraction bit."""
    shift = (1 << config.product_shift_bits - (config.product == "both")) - 1
    return LOG_BINS - ({"logarithmic: shifted out"} if Log.one(1, 1, shift, config) else set())


def log_bins(weight: int, operation: Operation, config: CoreConfig) -> set[str]:
    """What one logarithmic product covers, of `LOG_BINS`."""
    choice, v, times, shift = 1 << config.product_shift_bits - 1, operation.v, config.ttfs_times, operation.shift
    if config.product == "both" and not shift & choice:
        return set()
    product = Log.one(weight, v, shift & choice - 1 if config.product == "both" else shift, config)
    code, there = weight & 31, 1 <= v <= times
    seen = {
        "power": there and code < SIGN and product > 0, "negative power": there and code > SIGN and product < 0,
        "shifted out": there and code & LARGEST and product == 0, "weight 0": there and code == 0,
        "value itself": code == VALUE and product == v > 0, "first time": v == times, "last time": v == 1,
        "too early": v > times and code & LARGEST, "no value": v == 0,
        "negative value": v < 0 and code & LARGEST}
    return {f"logarithmic: {name}" for name, is_there in seen.items() if is_there}


def required(config: CoreConfig, on_banks: bool) -> set[str]:
    """The bins that every random run must hit."""
    word_bytes, product_bits = config.word_bits // 8, config.factor_bits + config.value_bits - 1
    bins = {
        "outside the memory", "no lane", "some lanes", "all lanes", "maximum taken", "maximum kept", "sum wraps up",
        "sum wraps down", "product fits", "stall_bank", "stall_hazard", "stall_weight",
        *(f"shift {shift}" for shift in range(1 << config.product_shift_bits)),
        *(f"broadcast lane {lane}" for lane in range(config.lanes)),
        *(f"broadcast byte {byte}" for byte in range(word_bytes)),
        *(f"group {group}" for group in range(word_bytes // config.lanes)),
    }
    if config.product == "log":
        bins -= {"product fits"}
    if config.product != "linear":
        bins |= required_log_bins(config)
    elif product_bits + (1 << config.product_shift_bits) - 1 > config.state_bits:
        bins.add("product wraps")
    if config.organisations:
        bins.add("weights brought")
    if on_banks:
        bins.update(f"{name} {what}" for name in OTHERS for what in ("granted", "refused"))
    else:
        bins |= {"weight refused", "weight word shared", "write in time", "write held back", "two writes wait",
                 "a write passes", "read beside write", "weights changed while idle"}
    return bins


def random_operations(generator: random.Random, config: CoreConfig, count: int, first_weight: int
                      ) -> Iterator[Operation]:
    """Operations in runs, as edges make them and worse: states below the word `first_weight`, weights from there on.

    In a core with `organisations` some bring their weights.
    """
    word_bytes = config.word_bits // 8
    low, high = -(1 << config.value_bits - 1), (1 << config.value_bits - 1) - 1
    times = [] if config.product == "linear" else [config.ttfs_times, config.ttfs_times + 1,
                                                   *(generator.randint(1, config.ttfs_times) for _ in range(6))]
    bytes_from, bytes_to = first_weight * word_bytes, (config.memory_words - 1) * word_bytes
    while count > 0:
        brought = generator.choice([0, 0.1, 0.5, 1]) if config.organisations else -1
        broadcast, maximum = int(generator.random() < 0.4), int(generator.random() < 0.4)
        shift, walk = generator.randrange(1 << config.product_shift_bits), generator.choice(["run", "few", "any"])
        reach, step = generator.choice([1, 2, 4]), generator.choice([1, 1, 3, config.banks])
        state, byte = generator.randrange(first_weight), generator.randrange(bytes_from, bytes_to)
        for _ in range(min(count, generator.randint(1, 24))):
            state = {"run": state + step, "any": generator.randrange(first_weight),
                     "few": state - state % reach + generator.randrange(reach)}[walk] % first_weight
            byte += 1 if broadcast else config.lanes
            if generator.random() < 0.1 or byte >= bytes_to:
                byte = generator.randrange(bytes_from, bytes_to)
            mask = 1 << generator.randrange(config.lanes)
            if not broadcast:
                mask = generator.choice([0, mask, generator.getrandbits(config.lanes), (1 << config.lanes) - 1])
            operation = WordOperation(
                state_address=state + (config.memory_words if generator.random() < 0.03 else 0),
                weight_address=byte if broadcast else byte - byte % config.lanes,
                mask=mask, broadcast=broadcast, max=maximum, shift=shift,
                v=generator.choice([low, high, 0, 1, -1, generator.randint(low, high), generator.randint(low, high),
                                    *times]),
            )
            yield bringing(generator, operation, config) if generator.random() < brought else operation
            count -= 1


def bringing(generator: random.Random, operation: Operation, config: CoreConfig) -> BringingOperation:
    """The same operation with weights of its own."""
    return BringingOperation(*operation[:7], 1, generator.getrandbits(config.lanes * config.table_weight_bits))


def random_words(generator: random.Random, config: CoreConfig) -> list[int]:
    """A memory full of states, some of them near the ends of their range."""
    high = (1 << config.state_bits - 1) - 1
    return [pack_lanes([generator.choice([generator.randint(-high - 1, high), generator.randint(high - 99, high),
                                          generator.randint(-high - 1, 99 - high)]) for _ in range(config.lanes)],
                       config) for _ in range(config.memory_words)]


# -- common layers ---------------------------------------------------------------------------------


def layer(config: CoreConfig, *, depth: int, kernel: int, step: int = 0, sources: int, depthwise: bool = False,
          weight_offset: int = 0) -> EdgeDescriptor:
    """An edge of a square kernel into a population of 16 × 16."""
    words = -(-depth // config.lanes)
    y_stride = words | depthwise
    position = 1 if depthwise else config.lanes * words
    return EdgeDescriptor(
        state_base=0, width=16, height=16, x_stride=16 * y_stride, step=step, dilated=0,
        kind=EdgeKind.DEPTHWISE if depthwise else EdgeKind.DENSE, shift=0, pad=int(depthwise), max=0,
        kernel_width=kernel, kernel_height=kernel, depth_words=words,
        last_lane=(depth - 1) % config.lanes, weight_base=16 * 16 * y_stride + weight_offset,
        source_channels=sources, weight_stride=kernel * kernel * position, population=0, y_stride=y_stride,
    )


LAYERS: dict[str, dict[str, Any]] = {
    "conv 3x3, 32 to 32": {"depth": 32, "kernel": 3, "sources": 32},
    "conv 5x5 stride 2, 24 to 36": {"depth": 36, "kernel": 5, "step": 1, "sources": 24},
    "conv 1x1, 64 to 256": {"depth": 256, "kernel": 1, "sources": 64},
    "depthwise 3x3, 32": {"depth": 32, "kernel": 3, "sources": 32, "depthwise": True},
}
"""What the useful work per cycle is measured on."""


def interior(generator: random.Random, config: CoreConfig, descriptor: EdgeDescriptor, count: int
             ) -> list[WordOperation]:
    """At least `count` operations of random events whose kernels lie inside the population."""
    work: list[WordOperation] = []
    while len(work) < count:
        x, y = (generator.randrange((size << descriptor.step) - taps + 1) for size, taps in (
            (descriptor.width, descriptor.kernel_width), (descriptor.height, descriptor.kernel_height)))
        work += operations(config, descriptor, ValueEvent(0, x, y, generator.randrange(descriptor.source_channels), 1))
    return work
