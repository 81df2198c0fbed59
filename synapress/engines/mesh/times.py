"""When each fragment of a mesh worked on each frame, from the cycles in which its states were evaluated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

import numpy as np

from golden.types import IntArray, Place
from synapress.engines.mesh.run import MeshRun
from synapress.mapper import MeshImage


@dataclass(frozen=True, kw_only=True)
class Span:
    """One fragment and one frame; cycles of the run.

    From `first` its events come in: the earliest of its sources begins to send, which is its evaluation's begin, or the
    host's first event of the frame. From `evaluates` to `last` its states are evaluated.
    """

    fragment: str
    parent: str
    core: Place
    frame: int
    first: int
    evaluates: int
    last: int


def spans(image: MeshImage, run: MeshRun) -> list[Span]:
    """The spans of all fragments and frames, by fragment.

    Raises:
        ValueError: the run has no times, or they are not of this image.
    """
    frames = len(run.started)
    evaluations: dict[str, IntArray] = {}
    sources = _sources(image)
    rank = {name: number for number, name in enumerate(TopologicalSorter(sources).static_order())}
    for place, core in image.images.items():
        addresses = run.trace[place][:, 0].astype(np.int64)
        shared: dict[int, list[dict[str, Any]]] = {}
        for entry in core.manifest["population_table"]:
            shared.setdefault(entry["state_base"], []).append(entry)
        for low, entries in shared.items():
            most = max(entry["state_words"] for entry in entries)
            mine = run.times[place][(low <= addresses) & (addresses < low + most)]
            counts = [entry["depth_words"] * entry["shape"][1] * entry["shape"][2] for entry in entries]
            if not len(mine) or len(mine) != frames * sum(counts):
                names = ", ".join(f"'{entry['name']}'" for entry in entries)
                raise ValueError(f"{names}: {len(mine)} evaluations of {frames} frames")
            # Each frame evaluates the same words; of populations that share them a source comes first.
            ordered = sorted(zip(entries, counts, strict=True), key=lambda item: rank[item[0]["name"]])
            at = 0
            for entry, count in ordered:
                evaluations[entry["name"]] = mine.reshape(frames, -1)[:, [at, at + count - 1]]
                at += count
    return [
        Span(fragment=entry["name"], parent=entry["parent"], core=(entry["place"][0], entry["place"][1]), frame=frame,
             first=_first(sources[entry["name"]], evaluations, run.started, frame),
             evaluates=int(evaluations[entry["name"]][frame, 0]), last=int(evaluations[entry["name"]][frame, 1]))
        for entry in image.manifest["fragments"] for frame in range(frames)]


def _sources(image: MeshImage) -> dict[str, list[str]]:
    """By fragment those that send to it."""
    found: dict[str, list[str]] = {}
    for core in image.images.values():
        for entry in core.manifest["edge_table"]:
            found.setdefault(entry["destination"], []).extend(entry["sources"])
    return found


def _first(sources: Sequence[str], evaluations: Mapping[str, IntArray], started: IntArray, frame: int) -> int:
    return min(int(evaluations[name][frame, 0]) if name in evaluations else int(started[frame]) for name in sources)
