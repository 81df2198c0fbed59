"""Golden against RTL, bit for bit: states at their evaluation, events, memory, counters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from golden.core import Core
from golden.errors import SynapressError
from golden.host import run_frame
from golden.registers import differing
from golden.types import Words
from golden.words import layouts
from synapress.engines.verilated import RtlRun


class MismatchError(SynapressError):
    """The RTL and a model differ where they must not."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How much was compared, and what differs (empty: nothing)."""

    frames: int
    states: int
    """State words at the moment of their evaluation."""
    events: int
    memory_words: int
    differences: tuple[str, ...]

    @property
    def equal(self) -> bool:
        return not self.differences


@dataclass(frozen=True, kw_only=True)
class GoldenRun:
    """What the golden core makes of frames; `trace`: per frame, (address, state word) of each word evaluated."""

    events: list[Words]
    trace: list[list[tuple[int, int]]]
    memory: Words
    counters: dict[str, int]


def golden_frames(core: Core, frames: Sequence[Words], progress=None) -> GoldenRun:  # type: ignore[no-untyped-def]
    """Run frames through the golden core, keeping everything that the RTL is compared with."""
    events, trace = [], []
    for number, frame in enumerate(frames):
        core.trace.clear()
        events.append(run_frame(core, frame))
        trace.append(list(core.trace))
        if progress:
            progress(number + 1)
    return GoldenRun(events=events, trace=trace, memory=core.memory.copy(), counters=dict(core.counters))


def compare(core: Core, golden: GoldenRun, rtl: RtlRun) -> Comparison:
    """Compare everything; events of each ID in order, as populations that are ready at once may take turns."""
    differences: list[str] = []
    layout = layouts(core.config).event
    states = events = 0
    parts = core.config.word_bits // 64
    frames = len(golden.events)
    expected = np.array([[address, *(word >> (64 * i) & (1 << 64) - 1 for i in range(parts))]
                         for frame in golden.trace for address, word in frame], np.uint64).reshape(-1, 1 + parts)
    got = np.column_stack([rtl.trace_address.astype(np.uint64), rtl.trace_state])
    # One word is evaluated once per frame: sorted by address, and in order of time, the lists must be the same.
    expected, got = (array[np.argsort(array[:, 0], kind="stable")] for array in (expected, got))
    if expected.shape != got.shape:
        differences.append(f"{len(got)} state words evaluated, golden {len(expected)}")
    elif (wrong := np.flatnonzero((expected != got).any(axis=1))).size:
        first = wrong[0]
        differences.append(f"{wrong.size} state words differ, first at address {expected[first, 0]}: "
                           f"{got[first, 1:]}, golden {expected[first, 1:]}")
    states = len(expected)
    for number, (mine, theirs) in enumerate(zip(golden.events, rtl.events, strict=True)):
        events += len(mine)
        order, other = (np.argsort(layout.unpack_array(array)["id"], kind="stable") for array in (mine, theirs))
        if not np.array_equal(mine[order], theirs[other]):
            differences.append(f"frame {number}: output events differ ({len(theirs)}, golden {len(mine)})")
    if (wrong := np.flatnonzero((golden.memory != rtl.memory).any(axis=1))).size:
        differences.append(f"{wrong.size} memory words differ at the end, first at address {wrong[0]}")
    differences += differing(core.config, golden.counters, rtl.counters, len(core.populations))
    if rtl.counters["overflow"]:
        differences.append(f"{rtl.counters['overflow']} events lost in full queues")
    return Comparison(frames=frames, states=states, events=events, memory_words=rtl.words_read,
                      differences=tuple(differences))
