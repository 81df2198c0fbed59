"""Cores of a mesh replayed by the workers of a Dask cluster.

A task has all that a worker needs as bytes: no files are shared. The scheduler keeps the tasks, so what a worker had
when it died goes to another one; results are told by their core, and each counts once.
"""

import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from golden.errors import ToolError
from golden.types import Place
from synapress.engines import verilated
from synapress.engines.replay.core import CoreResult
from synapress.engines.replay.jobs import Job, run_job

AHEAD = 2
"""Tasks for each worker that wait with their data, so that none has to wait for the next one."""
ATTEMPTS = 5
"""Of a task whose workers die."""


def on_cluster(jobs: Sequence[Job], scheduler: str) -> Iterator[CoreResult]:
    """Results as they come.

    Raises:
        ToolError: the scheduler cannot be reached, or a task failed again and again.
    """
    from distributed import Client, as_completed

    try:
        client = Client(scheduler, timeout="5s", set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ToolError(f"no Dask scheduler at '{scheduler}': {error}") from error
    with client, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sending large graph")  # a task has its data, as it must outlive
        binary = jobs[0].binary.read_bytes() if jobs else b""
        waiting, attempts, by_key = iter(jobs), dict.fromkeys((job.place for job in jobs), 0), {}

        def submit(job: Job):  # type: ignore[no-untyped-def]
            key = f"replay-{os.urandom(6).hex()}-{job.place[0]}-{job.place[1]}"
            by_key[key] = job
            attempts[job.place] += 1
            return client.submit(run_bytes, job, binary, job.recording.read_bytes(), key=key, pure=False, retries=2)

        workers = max(1, sum(client.nthreads().values()))
        tasks = as_completed([submit(job) for job in islice(waiting, AHEAD * workers)], loop=client.loop)
        done: set[Place] = set()
        for future in tasks:
            job = by_key[future.key]
            if future.status == "finished":
                if job.place not in done:
                    done.add(job.place)
                    yield future.result()
                for following in islice(waiting, 1):
                    tasks.add(submit(following))
            elif attempts[job.place] < ATTEMPTS:
                tasks.add(submit(job))
            else:
                raise ToolError(f"core {job.place}: its task failed {ATTEMPTS} times on the cluster: "
                                f"{future.exception() if future.status == 'error' else future.status}")


def run_bytes(job: Job, binary: bytes, recording: bytes) -> CoreResult:
    """Replay one core in a worker, which has nothing but these bytes."""
    with tempfile.TemporaryDirectory(prefix="replay-") as temporary:
        simulator, path = Path(temporary) / "simulator", Path(temporary) / "recording"
        simulator.write_bytes(binary)
        simulator.chmod(0o700)
        path.write_bytes(recording)
        if not _runs(simulator):  # another kind of machine
            simulator = verilated.build(job.config)
        return run_job(replace(job, binary=simulator, recording=path))


def _runs(simulator: Path) -> bool:
    """Whether it can be started here: without arguments it only tells its usage."""
    try:
        return subprocess.run([str(simulator)], capture_output=True, check=False).returncode == 2
    except OSError:
        return False
