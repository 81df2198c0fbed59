"""What populations and inputs send in a frame, in the cycles of the hardware: what `golden.timing.mesh_frames` runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from golden.timing.links import END, VALUE


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What the evaluation of a population sends; cycles from its command on, if nothing holds it up."""

    left: Sequence[int]
    """Of each neuron that has events: see `golden.timing.evaluating.Firing`."""
    limits: Sequence[int]
    begins: Sequence[int]
    """Of each of these neurons, and behind the last one, where its events begin among those of the stage."""
    end: int


@dataclass(frozen=True, kw_only=True)
class MeshStage:
    """What one population, or input of the host, does in a frame. Events are in the order of sending."""

    core: int
    """Its number, or HOST."""
    targets: Sequence[int]
    """By axon the stage it leads to, or HOST. Each gets an end of timestep behind the values."""
    edges: Sequence[int]
    """By axon the event ID at its target, and below whether that has table words."""
    tables: Sequence[bool]
    axons: Sequence[int]
    """Of each event, its number in `targets`."""
    cycles: Sequence[float]
    """Cycles in which each event's operations keep the ESU of its destination busy, beside its beat."""
    turns: Sequence[float] = ()
    """Of inputs: what is of the lowest is sent first; behind those of the events that of the ends."""
    evaluated: Evaluated | None = None
    """Of populations."""
    delays: bool = False
    """What it sends counts for the next frame: its ends of the frame before the first have been counted already."""


def steady_interval(finished: Sequence[float]) -> float:
    """Cycles between frames that are out, over the middle ones: the first fill the mesh, the last find it emptier.

    An even number of intervals, as frames may come out by turns early and late. Of less than six frames all but the
    first count.
    """
    first, count = (2, (len(finished) - 4) // 2 * 2) if len(finished) > 5 else (0, len(finished) - 1)
    return float(finished[first + count] - finished[first]) / max(1, count)


def host_order(stage: MeshStage) -> list[tuple[float, int, float, int]]:
    """Turn, axon, cycles and kind of all that an input sends."""
    events = [(float(turn), axon, float(cycles), VALUE)
              for turn, axon, cycles in zip(stage.turns[:-1], stage.axons, stage.cycles, strict=True)]
    return events + [(float(stage.turns[-1]), axon, 0.0, END) for axon in range(len(stage.targets))]
