"""Latency and interval of a mapped network's mesh, by a model: what each core does alone, and what is between them.

What events cost their core is replayed: by the model of the pipeline (`synapress.engines.service`), or in RTL core by
core (`synapress.engines.replay`). Links, queues, the scheduler and credits are those of `golden.timing.mesh_frames`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from golden.noc.mesh import MeshPlan
from golden.timing.frames import FrameTimes
from golden.timing.mesh_frames import run_mesh
from golden.timing.microarchitecture import EVENT_FILL
from golden.timing.operations import places
from golden.types import Integers
from golden.types import Place as Core
from synapress.engines.mesh.simulate import host_of
from synapress.engines.mesh_stages import mesh_stages
from synapress.engines.service import paces
from synapress.mapper.image.mesh import MeshImage
from synapress.mapper.partition.fragments import Descriptor, PartitionedProgram
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
    spread: bool = False, every: int = 1, limit: int = 200_000, busy: Mapping[Core, float] | None = None,
) -> MeshModel:
    """The latency of a frame, and the interval of frames like it.

    Args:
        image: of the cut.
        outputs: values (D, W, H) of all populations of the uncut program, inputs included.
        frames: in flight for the interval, at least 2; 0: the latency alone, which is then the interval, too.
        spread: see `golden.host.encode`.
        every: so many events of a link are run as one: coarser, and as many times faster.
        limit: cycles to replay for a source and a core, by the model of the pipeline; more are sampled.
        busy: measured cycles with the ESU or the update at work per frame, by core, as the RTL counts them; default:
            the model of the pipeline.

    Raises:
        NetworkError: the host is not beside an edge, or the stages wait for each other.
    """
    frame, order = Frame(cut, outputs, keeps=busy is None), list(image.images)
    at = {entry["name"]: order.index((entry["place"][0], entry["place"][1])) for entry in image.manifest["fragments"]}
    if busy is None:
        tables = [places(each.manifest) for each in image.images.values()]
        pace = paces(frame, at, {item: tables[at[item.edge.destination]][item.edge.name] for item in cut.descriptors},
                     spread=spread, limit=limit)
    else:
        pace = measured_paces(frame, at, [busy[place] for place in order])
    stages = mesh_stages(frame, at, pace, spread=spread, every=every)
    plan = MeshPlan(*image.size, hosts=(host_of(image),))
    alone = run_mesh(stages, order, plan, image.config, 1, every)
    flight = run_mesh(stages, order, plan, image.config, frames, every) if frames else None
    return MeshModel(latency=alone.latency, interval=alone.latency if flight is None else flight.interval,
                     flight=flight)


def measured_paces(frame: Frame, at: Mapping[str, int], busy: list[float]) -> dict[tuple[Descriptor, str], float]:
    """By link, measured over counted cycles of its core: an end waits until its core has nothing on its way."""
    counted, ends = [0.0] * len(busy), [0] * len(busy)
    links = [(item, source) for item in frame.cut.descriptors for source in item.sources]
    for descriptor, source in links:
        core, cycles = at[descriptor.edge.destination], frame.events(descriptor, source).cycles
        counted[core] += float(cycles.sum())
        ends[core] += bool(len(cycles))
    pace = [max(0.0, measured - EVENT_FILL * many) / all_of if all_of else 1.0
            for measured, many, all_of in zip(busy, ends, counted, strict=True)]
    return {(descriptor, source): pace[at[descriptor.edge.destination]] for descriptor, source in links}
