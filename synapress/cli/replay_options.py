"""Options of `synapress simulate --engine replay`."""

from typing import TYPE_CHECKING, Annotated

import typer

from synapress.cli.options import SEEDS

if TYPE_CHECKING:
    from synapress.engines.replay.jobs import ReplayOptions

Jobs = Annotated[int | None, typer.Option(
    "--jobs", min=1, metavar="N", show_default="one for each processor", help="Replay: cores at a time.")]
Scheduler = Annotated[str | None, typer.Option(
    "--scheduler", metavar="ADDRESS", help="Replay: of a Dask cluster whose workers replay the cores, such as "
    "tcp://host:8786.")]
Stall = Annotated[float | None, typer.Option(
    "--stall", min=0, max=0.99, show_default="0", help="Replay: chance per cycle that a core gets no event, and that "
    "none is taken from it.")]
MixSeed = Annotated[int | None, typer.Option(
    "--seed", min=0, max=SEEDS, help="Replay: sources of a core in any legal order, drawn by it, as are stalls; "
    "default: the earliest one that may send.")]


def replay_options(jobs: int | None, scheduler: str | None, stall: float | None, seed: int | None
                   ) -> "ReplayOptions | None":
    """What was given, for `synapress.simulate`; None: nothing was."""
    from synapress.engines.replay.core import Options
    from synapress.engines.replay.jobs import ReplayOptions

    if all(item is None for item in (jobs, scheduler, stall, seed)):
        return None
    return ReplayOptions(jobs=jobs, scheduler=scheduler, core=Options(
        mix=seed is not None, seed=1 if seed is None else seed, stall_in=stall or 0.0, stall_out=stall or 0.0))
