"""Latency and interval of a mapped network's mesh, by a model: what each core does alone, and what is between them.

What events lose to refused memory accesses is replayed, by the model of the pipeline (`synapress.engines.service`).
Links, queues, the scheduler, credits and evaluations are those of `golden.timing.mesh_frames`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from golden.noc.mesh import MeshPlan
from golden.timing.frames import FrameTimes
from golden.timing.mesh_frames import run_mesh
from golden.timing.operations import places
from golden.types import Integers
from synapress.engines.mesh.simulate import host_of
from synapress.engines.mesh_stages import mesh_stages
from synapress.engines.service import paces
from synapress.mapper.image.mesh import MeshImage
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.throughput.stages import Frame


@dataclass(frozen=True, kw_only=True)
class MeshModel:
    """Cycles of a frame alone in the mesh, from its first event to its last output, and between frames in flight."""

    latency: float
    interval: float
    flight: FrameTimes | None
    """Of the frames in flight, of which the interval is."""


def mesh_model(
    cut: PartitionedProgram, image: MeshImage, outputs: Mapping[str, Integers], *, frames: int = 6,
    spread: bool = False, limit: int = 200_000,
) -> MeshModel:
    """The latency of a frame, and the interval of frames like it.

    Args:
        image: of the cut.
        outputs: values (D, W, H) of all populations of the uncut program, inputs included.
        frames: in flight for the interval, at least 2; 0: the latency alone, which is then the interval, too.
        spread: see `golden.host.encode`.
        limit: cycles to replay for a source and a core, by the model of the pipeline; more are sampled.

    Raises:
        NetworkError: the host is not beside an edge, or the stages wait for each other.
    """
    frame, order = Frame(cut, outputs), list(image.images)
    at = {entry["name"]: order.index((entry["place"][0], entry["place"][1])) for entry in image.manifest["fragments"]}
    tables = [places(each.manifest) for each in image.images.values()]
    pace = paces(frame, at, {item: tables[at[item.edge.destination]][item.edge.name] for item in cut.descriptors},
                 spread=spread, limit=limit)
    stages = mesh_stages(frame, at, pace, spread=spread)
    plan = MeshPlan(*image.size, hosts=(host_of(image),))
    alone = run_mesh(stages, order, plan, image.config, 1)
    flight = run_mesh(stages, order, plan, image.config, frames) if frames else None
    return MeshModel(latency=alone.latency, interval=alone.latency if flight is None else flight.interval,
                     flight=flight)
