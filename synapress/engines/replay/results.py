"""What the replay of a mesh gives: by core, and by layer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from golden.types import Maps, Place
from synapress.engines.replay.core import CoreResult

STALLS = ("stall_bank", "stall_hazard", "stall_weight", "stall_fire")


@dataclass(frozen=True)
class Operations:
    """Of a population on a core: word operations and synapses of its events, as golden counts them."""

    name: str
    layer: str
    words: int
    synapses: int


@dataclass(frozen=True, kw_only=True)
class LayerReplay:
    """A layer, summed over its cores and all frames.

    `busy` and the stalls are the counters of the cores; those of a core with several layers are shared by word
    operations, and `stall_fire` by cycles of evaluation. `lanes`: share of the lanes in use in busy cycles.
    """

    cores: int
    words: int
    synapses: int
    busy: float
    evaluation: int
    lanes: float
    stalls: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What came of it.

    `order`: the layers. `operations`: by core, of each population. `outputs`: (N, D, W, H) of the golden
    mesh, by name. `lanes`: of a core. `seconds` of the steps.
    """

    cores: list[CoreResult]
    order: list[str]
    operations: dict[Place, list[Operations]]
    outputs: Maps
    frames: int
    lanes: int
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def differences(self) -> list[str]:
        """By core what differs first, in words; empty: nothing does."""
        return [f"core {item.place}: {item.difference}" for item in self.cores if item.difference is not None]

    @property
    def counters(self) -> dict[str, int]:
        """Of the RTL, summed over the cores."""
        names = self.cores[0].counters if self.cores else {}
        return {name: sum(item.counters.get(name, 0) for item in self.cores) for name in names}

    def layers(self) -> dict[str, LayerReplay]:
        """By layer, in order."""
        return {layer: self._layer(layer) for layer in self.order}

    def _layer(self, layer: str) -> LayerReplay:
        words = synapses = evaluation = cores = 0
        busy, stalls = 0.0, dict.fromkeys(STALLS, 0.0)
        for core in self.cores:
            rows = self.operations[core.place]
            mine = [number for number, item in enumerate(rows) if item.layer == layer]
            if not mine or core.difference is not None:
                continue
            cores += 1
            own, spent = sum(rows[number].words for number in mine), sum(core.evaluation[number] for number in mine)
            share = own / max(1, sum(item.words for item in rows))
            busy += share * core.counters["busy"]
            for name in STALLS:
                of_firing = spent / max(1, sum(core.evaluation))
                stalls[name] += core.counters[name] * (of_firing if name == "stall_fire" else share)
            words, synapses = words + own, synapses + sum(rows[number].synapses for number in mine)
            evaluation += spent
        return LayerReplay(cores=cores, words=words, synapses=synapses, busy=busy, evaluation=evaluation,
                           lanes=synapses / busy / self.lanes if busy else 0.0, stalls=stalls)

    def to_json(self) -> dict[str, Any]:
        """All of it but the outputs."""
        return {"frames": self.frames, "seconds": self.seconds, "cores": [item.to_json() for item in self.cores],
                "layers": {name: asdict(item) for name, item in self.layers().items()}}


def total(replays: Sequence[Replay]) -> dict[str, int]:
    """The RTL's counters of all runs."""
    return {name: sum(item.counters[name] for item in replays) for name in replays[0].counters}
