"""A timestep of a network in a compute-in-memory core, at its resolutions and at fixed ones, and in a core with lanes.

All take the same events. What is moved is counted once per timestep; only in the design with one array it is followed
event by event (`synapress.mapper.cim.streams`). Memory behind arrays, and the memory of the core with lanes, are SRAM
without DRAM behind it. Energy of arrays is the published macro's (`synapress.energy.cim`); that of memories a model's
(`synapress.energy.memory`); that of all other logic is in neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from golden.config import FLEXSPIM, CoreConfig
from synapress.energy.accesses import access_energy
from synapress.energy.cim import FAST, MOVED_COUNTERS, Point, energy_of
from synapress.energy.memory import memory_model
from synapress.mapper.cim.macros import best_held
from synapress.mapper.cim.stationarity import Choice, Kind, Layer, resolved
from synapress.mapper.cim.streams import streamed
from synapress.mapper.cim.work import cim_work, drawn, lanes_work, moved_words, summed

MODEL = "cacti45"
"""The memory model that is nearest to the macro's 40 nm."""
ONE_ARRAY = "CIM, one array, event by event"
LEAST_ADDRESS_BITS = 6
"""Of any configuration's memory."""
FIXED_BITS = (8, 16)
"""Weights and potentials at fixed precision, which the core with lanes has, too."""


@dataclass(frozen=True)
class Design:
    """What a timestep takes of one design."""

    name: str
    layers: tuple[Mapping[str, int], ...]
    """Counters of each layer."""
    cycles: int
    """Of the layers one after another, if nothing waits for what is moved."""
    moved_words: int
    """Words between array and memory: as many cycles, where they do not hide behind the array's."""
    pj: Mapping[str, float] = field(default_factory=dict)
    """Energy by part."""

    @property
    def total(self) -> float:
        """pJ."""
        return sum(self.pj.values())

    def latency(self, point: Point) -> tuple[float, float]:
        """µs at a point's clock: if all that is moved hides behind the work, and if nothing of it does."""
        return point.microseconds(self.cycles), point.microseconds(self.cycles + self.moved_words)


def memory_of(layers: Sequence[Layer], config: CoreConfig) -> CoreConfig:
    """A configuration with the smallest memory that holds all potentials, whole words for each neuron, and weights.

    Raises:
        ConfigError: no configuration has so much.
    """
    words = sum(-(-layer.outputs // config.lanes) * layer.height ** 2
                + -(-layer.bits(Kind.WEIGHTS) // config.word_bits) for layer in layers)
    return replace(config, address_bits=max(LEAST_ADDRESS_BITS, (words - 1).bit_length()))


@lru_cache(maxsize=16)
def _held(layers: tuple[Layer, ...], macros: int) -> Choice:
    """What stays: the same at every sparsity."""
    return best_held(layers, macros)


def compare(layers: Sequence[Layer], sparsity: float, *, macros: int = 1, point: Point = FAST, seed: int = 0,
            columns: Mapping[str, int] | None = None, config: CoreConfig | None = None,
            model: str = MODEL) -> tuple[Design, ...]:
    """Designs for one timestep of drawn events.

    Args:
        layers: at their own resolutions.
        macros: of arrays, of which one works at a time; the layers share ONE_ARRAY, each in its turn.
        point: of the arrays.
        columns: N_C by layer; default: the widest.
        config: of the core with lanes, whose memory is made as large as it takes; default: `grai_vip`.
        model: of memories.

    Raises:
        ConfigError: no such sparsity, or the model has no such memory.
    """
    lanes, given = memory_of(resolved(layers, *FIXED_BITS), config or CoreConfig()), columns or {}
    array = replace(FLEXSPIM, lanes=lanes.lanes, state_bits=lanes.state_bits)  # words of the same memory
    frames = [drawn(layer, sparsity, seed + number) for number, layer in enumerate(layers)]

    def in_arrays(name: str, work: tuple[Mapping[str, int], ...]) -> Design:
        total = summed(work)
        energy = energy_of(total, lanes.word_bits, point, buffer=0.0)
        return Design(name, work, total["cim_cycles"], sum(total[counter] for counter in MOVED_COUNTERS),
                      {"columns": energy.columns, "idle columns": energy.idle,
                       "memory": access_energy(total, lanes, memory_model(model))})

    def counted(name: str, mine: tuple[Layer, ...]) -> Design:
        stays = _held(mine, macros)
        return in_arrays(name, tuple(cim_work(layer, frame, lanes, given.get(layer.name))
                                     | moved_words(layer, stays.of(number), lanes.word_bits)
                                     for number, (layer, frame) in enumerate(zip(mine, frames, strict=True))))

    designs = [
        counted("CIM", tuple(layers)), counted("CIM, fixed precision", resolved(layers, *FIXED_BITS)),
        in_arrays(ONE_ARRAY, tuple(
            streamed(layer, frame, columns=given.get(layer.name), shared=True, config=array).counters
            for layer, frame in zip(layers, frames, strict=True)))]
    work = tuple(lanes_work(layer, frame, lanes) for layer, frame in zip(layers, frames, strict=True))
    total = summed(work)
    designs.append(Design(f"core with {lanes.lanes} lanes", work, total["busy"] + total["evaluation"], 0,
                          {"memory": access_energy(total, lanes, memory_model(model))}))
    return tuple(designs)
