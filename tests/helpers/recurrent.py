"""Random recurrent and delayed networks, and what they compute as a recurrence in plain numpy, without relays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from golden.config import CoreConfig
from golden.types import IntArray
from golden.words import Saturation
from synapress.mapper.network.layer import Branch
from synapress.mapper.network.network import Network

TYPES = ("sum", "product", "spiking", "delay")
CONFIG = CoreConfig.from_json(CoreConfig.preset("grai_vip").to_json() | {
    "name": "recurrent", "address_bits": 14, "lanes": 2, "state_bits": 32, "channel_bits": 9,
    "multiplier_bits": 13, "edge_bits": 6, "population_bits": 6,
    "neuron_types": [*TYPES, "lif", "cuba", "li", "sigma_delta"]})
"""A core with all neurons of this file."""


def nearest(value: IntArray, shift: int) -> IntArray:
    """value / 2**shift, halves to even."""
    whole, rest = np.divmod(value, 1 << shift)
    return whole + (2 * rest > 1 << shift) + ((2 * rest == 1 << shift) & (whole % 2 == 1))


def toward_zero(value: IntArray, shift: int) -> IntArray:
    """value / 2**shift without its fraction."""
    return np.sign(value) * (np.abs(value) // (1 << shift))


@dataclass
class Group:
    """A layer with memory or without, and what it sums: (source, timesteps late, weights) with same padding."""

    name: str
    kind: str
    numbers: Mapping[str, int]
    inputs: list[tuple[str, int, IntArray]]
    shape: tuple[int, int, int]
    kept: dict[str, IntArray] = field(default_factory=dict)

    def step(self, given: IntArray) -> IntArray:
        """Values in this timestep, of the sum of what comes."""
        numbers, u = self.numbers, self.kept.get("u", np.zeros(self.shape, np.int64))
        if self.kind in ("sum", "sigma_delta"):
            low, high = Saturation.bounds(numbers["saturation"], 9)
            return np.clip(nearest((given + numbers["bias"]) * numbers["multiplier"], numbers["shift"]), low, high)
        if self.kind == "cuba":
            current = toward_zero(self.kept.get("i", 0 * u) * (4096 - numbers["current_decay"]), 12) + given
            u = toward_zero(u * (4096 - numbers["potential_decay"]), 12) + current + numbers["bias"]
            self.kept["i"], fires = current, u >= numbers["threshold"]
            self.kept["u"] = np.where(fires, 0, u)
            return fires.astype(np.int64)
        u = u + given + numbers["bias"]
        if self.kind == "li":
            self.kept["u"] = toward_zero(u * (4096 - numbers["decay"]), 12)
            return np.clip(nearest(u, numbers["shift"]), -128, 127)
        threshold = numbers["threshold"]
        spikes = np.where(u >= threshold, np.minimum(u // threshold, 255) if self.kind == "several" else 1, 0)
        left = u % threshold if self.kind == "several" else u - threshold
        u = np.where(spikes > 0, left, np.maximum(u, numbers.get("lowest", -(1 << 31))))
        self.kept["u"] = (toward_zero if self.kind == "lif" else nearest)(u * numbers["left"], 8)
        return spikes


@dataclass
class Recurrent:
    """A network, and its layers as groups, each behind those that it hears in the same timestep."""

    network: Network
    groups: list[Group]

    def reference(self, frames: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Values (T, D, W, H) of every group: s_t = sum over sources of W · y_{t - steps}, and then its neurons."""
        values = {name: list(array) for name, array in frames.items()} | {group.name: [] for group in self.groups}
        for group in self.groups:
            group.kept.clear()
        for t in range(len(next(iter(frames.values())))):
            for group in self.groups:
                given = np.zeros(group.shape, np.int64)
                for source, steps, weights in group.inputs:
                    if t >= steps:
                        given += correlated(values[source][t - steps], weights)
                values[group.name].append(group.step(given))
        return {group.name: np.array(values[group.name]) for group in self.groups}


def correlated(values: IntArray, weights: IntArray) -> IntArray:
    """A convolution whose result has the size of its source, tap by tap."""
    width, height, taps = *values.shape[1:], weights.shape[2:]
    padded = np.pad(values, ((0, 0), *((tap // 2, tap // 2) for tap in taps)))
    total = np.zeros((len(weights), width, height), np.int64)
    for j in range(taps[0]):
        for k in range(taps[1]):
            total += np.tensordot(weights[:, :, j, k], padded[:, j:j + width, k:k + height], 1)
    return total


KINDS = ("if", "lif", "several", "cuba", "li", "sum", "sigma_delta")


def random_recurrent(rng: np.random.Generator, *, groups: int = 5, steps: int = 3, side: int = 3,
                     kinds: tuple[str, ...] = KINDS) -> Recurrent:
    """Groups that hear an input, themselves and others, some timesteps late; every layer but relays is an output.

    Args:
        groups: how many, of which one may be sigma-delta, with an input of its own. steps: most timesteps of a delay.
        side: most columns and rows.
    """
    network, made = Network(f"recurrent-{rng.integers(1 << 30)}"), list[Group]()
    size = tuple(int(n) for n in rng.integers(1, side + 1, 2))
    depths = {"in": int(rng.integers(1, 4))}
    network.input("in", (depths["in"], *size))
    chosen = [str(rng.choice(kinds)) for _ in range(groups)]
    chosen = [kind if kind != "sigma_delta" or number == 0 else "if" for number, kind in enumerate(chosen)]
    depths |= {f"{kind}{number}": int(rng.integers(1, 6)) for number, kind in enumerate(chosen)}
    for number, kind in enumerate(chosen):
        name = f"{kind}{number}"
        group = Group(name, kind, {}, [], (depths[name], *size))
        if kind == "sigma_delta":
            made.append(_sigma_delta(rng, network, group, steps))
            continue
        # Itself, those in front, and any behind it, which are not there yet.
        late = [name, *rng.choice([other for other in depths if not other.startswith("sigma")], int(rng.integers(2)))]
        # One in four hears the input late, and perhaps delays alone.
        branches = [_branch(rng, network, group, "in", max(0, int(rng.integers(-3, 2))), depths, 60)]
        for source in map(str, late):
            branches.append(_branch(rng, network, group, source, int(rng.integers(1, steps + 1)), depths, 20))
        if made and made[-1].kind != "sigma_delta":
            branches.append(_branch(rng, network, group, made[-1].name, int(rng.integers(2)), depths, 20))
        group.numbers = _MAKERS[kind](rng, network, name, branches)
        network.output(name)
        made.append(group)
    return Recurrent(network, made)


def _branch(rng: np.random.Generator, network: Network, group: Group, source: str, steps: int,
            depths: Mapping[str, int], largest: int) -> Branch:
    """What a group hears of a source."""
    taps = tuple(int(tap) for tap in rng.choice([1, 3], 2))
    largest = largest // 10 if group.kind == "cuba" else largest  # a current has 16 bits
    weights = rng.integers(-largest, largest * 3 // 2 + 1, (group.shape[0], depths[source], *taps))
    group.inputs.append((source, steps, weights))
    if steps:
        source = network.delayed(f"{source}>{group.name}.{len(group.inputs)}", source, steps=steps,
                                 shape=(depths[source], *group.shape[1:]))
    return network.branch(source, weights, padding=(taps[0] // 2, taps[1] // 2))


def _sum(rng: np.random.Generator, network: Network, name: str, branches: list[Branch]) -> Mapping[str, int]:
    numbers = {"bias": int(rng.integers(-99, 99)), "multiplier": int(rng.integers(1, 9)),
               "shift": int(rng.integers(5, 12)), "saturation": int(rng.integers(3))}
    network.add(name, branches, **numbers)
    return numbers


def _spiking(kind: str) -> Callable[..., Mapping[str, int]]:
    def make(rng: np.random.Generator, network: Network, name: str, branches: list[Branch]) -> Mapping[str, int]:
        numbers = {"bias": int(rng.integers(-99, 99)), "left": 256 if kind == "if" else int(rng.integers(100, 257)),
                   "threshold": 1 << int(rng.integers(7, 11)) if kind == "several" else int(rng.integers(50, 2000))}
        more: dict[str, object] = {}
        if kind != "if":
            numbers["lowest"] = more["lowest"] = int(rng.integers(-5000, 1))
            more |= {"rounding": "zero"} if kind == "lif" else {"several": True}
        network.lif(name, branches, threshold=numbers["threshold"], bias=numbers["bias"], multiplier=numbers["left"],
                    shift=8, **more)
        return numbers
    return make


def _cuba(rng: np.random.Generator, network: Network, name: str, branches: list[Branch]) -> Mapping[str, int]:
    numbers = {"bias": int(rng.integers(-99, 99)), "threshold": int(rng.integers(50, 5000)),
               "current_decay": int(rng.integers(2000, 4097)), "potential_decay": int(rng.integers(2000, 4097))}
    network.cuba(name, branches, **numbers)
    return numbers


def _li(rng: np.random.Generator, network: Network, name: str, branches: list[Branch]) -> Mapping[str, int]:
    numbers = {"bias": int(rng.integers(-99, 99)), "decay": int(rng.integers(200, 4097)), "shift": 7}
    network.li(name, branches, decay=numbers["decay"], bias=numbers["bias"], shift=7, saturation=Saturation.SIGNED)
    return numbers


_MAKERS: Mapping[str, Callable[..., Mapping[str, int]]] = {
    "if": _spiking("if"), "lif": _spiking("lif"), "several": _spiking("several"), "cuba": _cuba, "li": _li, "sum": _sum}


def _sigma_delta(rng: np.random.Generator, network: Network, group: Group, steps: int) -> Group:
    """Sigma-delta neurons that send every change hear what they were: values of the recurrence without differences."""
    depths = {"changes": 2, group.name: group.shape[0]}
    network.input("changes", (2, *group.shape[1:]), threshold=0)
    branches = [_branch(rng, network, group, "changes", 0, depths, 60),
                _branch(rng, network, group, f"{group.name}", int(rng.integers(1, steps + 1)), depths, 20)]
    group.numbers = {"bias": int(rng.integers(-99, 99)), "multiplier": 3, "shift": int(rng.integers(6, 10)),
                     "saturation": int(rng.integers(2))}
    network.add(group.name, branches, neuron="sigma_delta", **group.numbers)
    network.output(network.add(f"{group.name} values", [group.name], neuron="readout", saturation=Saturation.FULL))
    return group


def random_frames(rng: np.random.Generator, network: Network, timesteps: int) -> dict[str, IntArray]:
    """Inputs (T, D, W, H) of which most neurons are silent."""
    return {name: rng.integers(0, 256, (timesteps, *network.shape(name)))
            * (rng.random((timesteps, *network.shape(name))) < 0.3) for name in network.inputs}


def output_of(group: Group) -> str:
    """The output that has a group's values."""
    return f"{group.name} values" if group.kind == "sigma_delta" else group.name
