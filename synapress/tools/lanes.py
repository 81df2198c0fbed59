"""Lanes as gates, at work on spikes in time: what moves in them, of a linear or a logarithmic core.

The gates (`synapress.tools.netlist`) do what the golden model does, which is checked, without a wait: an operation in
each cycle, or a potential for the search of a spike's time. Both kinds of core do the same layer: the same spikes,
whose values are 255·2**(-t/τ) for a linear one, and the same drawn weights, of 8 bits for a linear one.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from golden import messages
from golden.config import CoreConfig
from golden.errors import ToolError
from golden.neuron.products import product
from golden.neuron.products.log import LARGEST, SIGN
from golden.neuron.states import pack_lanes, unpack_lanes
from golden.neuron.types.ttfs import CODE, Ttfs
from golden.neuron.update import accumulate
from golden.ports import READ_LATENCY
from golden.types import IntArray
from rtl.neuron.products import product_unit
from rtl.neuron.thresholds import loads_layout
from rtl.neuron.types.ttfs import TtfsUnit
from rtl.neuron.update import NeuronUpdate
from synapress.tools.netlist import Activity, Netlist

CYCLES = 600
"""Of a trace."""
KERNEL = 9
"""Word operations of an event for each word of channels: of a kernel of 3 × 3."""
FILL = 16
"""Cycles of a trace without new work, at most: the latency of the neuron update, or of the search."""
_STATE_WORDS = 64
"""More than there are under way, so that no operation waits for another."""
_LINEAR_SPREAD = 32
"""Standard deviation of drawn weights of 8 bits."""
_LARGEST_DRAWN = 4
"""Standard deviations that the largest logarithmic weight stands for."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What lanes are given: a stored weight of each lane of each operation, and the value of its event."""

    weights: IntArray
    """(operations, lanes)."""
    values: IntArray
    """(operations,)."""
    shift: int


def work(config: CoreConfig, seed: int, operations: int = CYCLES) -> Work:
    """Operations of a layer with normally distributed weights; each event has KERNEL of them.

    A core with both products does logarithmic ones.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((operations, config.lanes))
    times = np.repeat(rng.integers(0, config.ttfs_times, -(-operations // KERNEL)), KERNEL)[:operations]
    if config.product == "linear":
        return Work(weights=np.clip(np.rint(drawn * _LINEAR_SPREAD), -127, 127).astype(np.int64), shift=0,
                    values=np.rint(255 * 2.0 ** (-times / config.ttfs_tau)).astype(np.int64))
    q = np.rint(config.log_levels * np.log2(_LARGEST_DRAWN / np.abs(drawn)))
    code = np.where(q < LARGEST, LARGEST - np.maximum(q, 0), 0).astype(np.int64)
    choice = (config.product == "both") << max(config.product_shift_bits - 1, 0)
    return Work(weights=np.where((drawn < 0) & (code > 0), code | SIGN, code), values=config.ttfs_times - times,
                shift=1 | choice)


def trace_products(config: CoreConfig, given: Work) -> Activity:
    """What moves in the product stage alone, with new products in each cycle.

    Raises:
        ToolError: products are not the golden model's, or synthesis failed.
    """
    netlist, bits = Netlist(product_unit(config), config), config.factor_bits
    wanted = product(config).of(given.weights, given.values[:, np.newaxis], given.shift, config)
    nets, found = [], []
    netlist.step({"rst": 1})
    for weights, value in zip(given.weights.tolist(), given.values.tolist(), strict=True):
        outputs, all_nets = netlist.step({
            "weights": sum((weight & (1 << bits) - 1) << bits * lane for lane, weight in enumerate(weights)),
            "v": value & (1 << config.value_bits) - 1, "shift": given.shift})
        nets.append(all_nets)
        found.append(unpack_lanes(outputs["products"], config))
    if not np.array_equal(found[1:], wanted[:-1]):
        raise ToolError(f"the gates of the product '{config.product}' do not give the golden model's products")
    return netlist.activity(nets)


def trace_update(config: CoreConfig, given: Work) -> Activity:
    """What moves in a neuron update that does one operation per cycle.

    Raises:
        ToolError: states are not the golden model's, operations waited, or synthesis failed.
    """
    netlist, memory = Netlist(NeuronUpdate(config), config), _Memory(config, given)
    answers = {port: deque([0] * READ_LATENCY) for port in ("state", "weight")}
    nets: list[bytes] = []
    waiting, written, busy = deque(memory.operations), -1, True
    netlist.step({"rst": 1})
    while waiting or busy:
        outputs, all_nets = netlist.step({
            "state__ready": 1, "weight__ready": 1, "write_back__ready": 1, "op__valid": int(bool(waiting)),
            "op__payload": waiting[0] if waiting else 0,
            **{f"{port}__data": answer.popleft() for port, answer in answers.items()}})
        nets.append(all_nets)
        if written >= 0:  # the word comes a cycle behind its address
            memory.states[written] = outputs["write_back__write_data"]
        written = outputs["write_back__address"] if outputs["write_back__valid"] else -1
        for port, answer in answers.items():
            answer.append(memory.word(outputs[f"{port}__address"]) if outputs[f"{port}__valid"] else 0)
        if waiting and outputs["op__ready"]:
            waiting.popleft()
        busy = bool(outputs["busy"])
    if memory.states != memory.expected or len(nets) > len(given.values) + FILL:
        raise ToolError(f"the gates of the neuron update with the product '{config.product}' do not give the golden "
                        f"model's states, or took {len(nets)} cycles for {len(given.values)} operations")
    return netlist.activity(nets)


class _Memory:
    """States, and weights behind them; operations on them, and what they make of the states."""

    def __init__(self, config: CoreConfig, given: Work):
        layout, lanes, rng = messages.operation(config), config.lanes, np.random.default_rng(0)
        half = 1 << config.state_bits - 4
        self.states = [pack_lanes(rng.integers(-half, half, lanes), config) for _ in range(_STATE_WORDS)]
        self.expected = list(self.states)
        self._bytes = config.word_bits // 8
        self._weights = given.weights.astype(np.int8).tobytes()
        self.operations = []
        for number, (weights, value) in enumerate(zip(given.weights, given.values.tolist(), strict=True)):
            address = number % _STATE_WORDS
            self.operations.append(layout.pack(
                state_address=address, weight_address=_STATE_WORDS * self._bytes + number * lanes,
                mask=(1 << lanes) - 1, shift=given.shift, v=value))
            self.expected[address] = pack_lanes(accumulate(
                unpack_lanes(self.expected[address], config), weights, value, np.ones(lanes, bool), shift=given.shift,
                maximum=False, config=config), config)

    def word(self, address: int) -> int:
        """The word at an address; none is 0."""
        if address < _STATE_WORDS:
            return self.states[address]
        first = (address - _STATE_WORDS) * self._bytes
        return int.from_bytes(self._weights[first:first + self._bytes], "little")


def trace_search(config: CoreConfig, potentials: IntArray, thresholds: IntArray) -> Activity:
    """What moves in the search of spikes' times while a potential comes in each cycle.

    Args:
        potentials: sums with their biases.
        thresholds: those of the values 1 to T.

    Raises:
        ToolError: values are not the golden model's, or synthesis failed.
    """
    netlist, lanes = Netlist(TtfsUnit(config), config), config.lanes
    places = {name: field.offset for name, field in loads_layout(config)}
    netlist.step({"rst": 1})
    padded = np.resize(thresholds, config.threshold_words * lanes)
    for number, row in enumerate(padded.reshape(-1, lanes)):
        netlist.step({"loads": 1 << places["valid"] | number << places["number"]
                      | pack_lanes(row, config) << places["word"]})
    wanted = Ttfs.evaluate(potentials, {"bias": 0}, 0, config, type=CODE, table=thresholds)[0].tolist()
    nets, found = [], []
    for potential in [*potentials.tolist(), *[0] * FILL]:
        outputs, all_nets = netlist.step({"advance": 1, "total": potential & (1 << config.state_bits + 2) - 1})
        nets.append(all_nets)
        found.append(outputs["value"])
    if not any(found[delay:delay + len(wanted)] == wanted for delay in range(FILL)):
        raise ToolError("the gates of the search of spikes' times do not give the golden model's values")
    return netlist.activity(nets[:len(wanted)])
