"""The cores of a mesh as jobs, and the processes of this machine that do them."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from golden.config import CoreConfig
from golden.types import Place
from synapress.engines.replay.core import CoreResult, Options, run_core


@dataclass(frozen=True)
class ReplayOptions:
    """How a mesh is replayed.

    Args:
        core: see `synapress.engines.replay.core.Options`.
        jobs: cores at a time on this machine; None: one for each processor.
        scheduler: address of a Dask scheduler, whose workers replay the cores.
        folder: keeps the recording and what is done, and goes on from there.
    """

    core: Options = field(default_factory=Options)
    jobs: int | None = None
    scheduler: str | None = None
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One core to replay, and what is needed for it."""

    config: CoreConfig
    place: Place
    binary: Path
    recording: Path
    table: list[dict[str, Any]]
    options: Options
    work: int
    """Word operations, of which the time is about a multiple."""


def run_job(job: Job) -> CoreResult:
    """Replay one core on this machine."""
    return run_core(job.config, job.binary, job.recording, job.place, job.table, job.options)


def local(jobs: Sequence[Job], count: int) -> Iterator[CoreResult]:
    """Results as they come, of so many processes at a time."""
    with ThreadPoolExecutor(count) as pool:  # each thread waits for a simulator
        waiting, running = iter(jobs), set[Future[CoreResult]]()
        while True:
            running |= {pool.submit(run_job, job) for job in islice(waiting, count - len(running))}
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
