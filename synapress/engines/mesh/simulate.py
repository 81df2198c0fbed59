"""A mesh's images and feature maps in, feature maps out: through the RTL of all its nodes, compared with golden."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from golden.config import CoreConfig
from golden.core import Core
from golden.errors import ConfigError, NetworkError
from golden.host import encode
from golden.mesh import Mesh, decode_frame
from golden.noc.mesh import EDGES, Host, MeshPlan
from golden.types import Array, IntArray, Place, Words
from golden.words import EventKind, layouts
from synapress.engines.compare import Comparison, GoldenRun, compare
from synapress.engines.mesh.run import DEFAULT, MeshInput, MeshRun, Options, Progress, run
from synapress.engines.verilated import RtlRun
from synapress.mapper import MeshImage


@dataclass(frozen=True, kw_only=True)
class MeshSimulation:
    """What frames became: outputs (N, D, W, H) by name; `counters`: of the RTL, summed over the cores."""

    outputs: dict[str, IntArray]
    comparison: Comparison
    counters: dict[str, int]
    run: MeshRun


def host_of(image: MeshImage) -> Host:
    """Edge and node of a mesh's host.

    Raises:
        NetworkError: it is not beside an edge.
    """
    columns, rows = image.size
    for edge in EDGES:
        for number in range(columns if edge in ("north", "south") else rows):
            if MeshPlan(columns, rows, ((edge, number),)).host_place((edge, number)) == image.host:
                return edge, number
    raise NetworkError(f"engine 'rtl': the host of the mesh is at {image.host}, and the hardware has hosts only beside "
                       f"the edges of its {columns} × {rows} nodes, as at ({columns // 2}, -1). Compile the model with "
                       "the host there, or use engine 'golden'")


def encode_inputs(inputs: Mapping[str, Array], table: Sequence[Mapping[str, Any]], config: CoreConfig, *,
                  spread: bool = False) -> list[Words]:
    """One frame of packed events for each input fragment, with its ends of timestep.

    All of them together are what `golden.mesh.encode_frame` gives, which has the arguments.
    """
    found, nothing = [], np.zeros((0, 0, 0), np.int64)
    for number, entry in enumerate(table):
        (c, x, y), (depth, width, height) = entry["origin"], entry["shape"]
        part = np.asarray(inputs[entry["parent"]])[c:c + depth, x:x + width, y:y + height]
        found.append(encode([*[(nothing, ())] * number, (part, entry["axons"])], config, spread=spread))
    return found


def simulate_mesh(image: MeshImage, inputs: Mapping[str, Array], options: Options = DEFAULT, *,
                  progress: Callable[[str], None] = lambda _: None) -> MeshSimulation:
    """Run frames through the images of a mesh, in golden and in compiled RTL.

    Compared are the outputs of all frames, the states at their evaluation, the memories at the end, all counters that
    do not depend on cycles, and the events over each link.

    Args:
        inputs: by name, integers (N, D, W, H).
        progress: told in words how far it is.

    Raises:
        NetworkError: the host is not beside an edge, or a core is out of its reach.
        EventError: a value does not fit an event.
        ToolError: no simulator, or the mesh hangs.
    """
    host, table = host_of(image), image.manifest["inputs"]
    count = len(next(iter(inputs.values())))
    frames = [encode_inputs({name: array[number] for name, array in inputs.items()}, table, image.config,
                            spread=options.spread)
              for number in range(count)]
    golden, expected = Mesh(image.config, image.words(), host=image.host), []
    for number, frame in enumerate(frames):
        progress(f"golden mesh: frame {number + 1} of {count}")
        expected.append(golden.run_frame(np.concatenate(frame)))
    given = MeshInput(image.config, image.size, host, image.words(), [len(entry["axons"]) for entry in table],
                      ends_by_id(expected[0], image.config), frames)
    loads = _loads(given.plan, golden)
    progress("compiling the RTL of a node")
    done = run(given, options, progress=lambda item: progress(told(item, count)))
    outputs = [decode_frame(events, image.manifest["outputs"], image.config) for events in done.events]
    return MeshSimulation(
        outputs={name: np.array([frame[name] for frame in outputs]) for name in outputs[0]},
        comparison=compared(given, golden, expected, loads, done, traced=options.trace),
        counters={name: sum(counts[name] for counts in done.counters.values())
                  for name in next(iter(done.counters.values()))}, run=done)


def told(item: Progress, frames: int) -> str:
    """Progress in words."""
    left = "" if item.left is None else f", {item.left:,.0f} s left"
    what = f"frame {min(item.frames + 1, frames)} of {frames}" if item.phase == "frames" else item.phase
    return f"RTL: {what}, cycle {item.cycle:,}, {item.speed:,.0f} cycles/s{left}"


def ends_by_id(events: Words, config: CoreConfig) -> dict[int, int]:
    """How many ends of timestep came to the host in a frame, by event ID."""
    fields = layouts(config).event.unpack_array(events)
    ids, counts = np.unique(fields["id"][fields["kind"] == EventKind.END], return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _loads(plan: MeshPlan, golden: Mesh) -> dict[Any, int]:
    """Events over each link between nodes and out of the mesh, by golden's traffic and the routes."""
    try:
        found = plan.loads({key: events for key, events in golden.moved.items() if key[0] != key[1]})
    except ConfigError as error:
        raise NetworkError(f"engine 'rtl': {error}") from error
    return {link: events for link, events in found.items() if link[1] != "in"}


def compared(given: MeshInput, golden: Mesh, expected: Sequence[Words], loads: Mapping[Any, int], done: MeshRun, *,
             traced: bool) -> Comparison:
    """What golden and RTL have in common, and what not."""
    differences, states, words = [], 0, 0
    for place, core in golden.cores.items():
        found = _core(core, done, place, traced)
        differences += [f"core {place}: {difference}" for difference in found.differences]
        states, words = states + found.states, words + found.memory_words
    for number, (mine, theirs) in enumerate(zip(expected, done.events, strict=True)):
        if not np.array_equal(_sorted(mine, given), _sorted(theirs, given)):
            differences.append(f"frame {number}: output events differ ({len(theirs)}, golden {len(mine)})")
    if done.links != loads:
        wrong = [link for link in {**loads, **done.links} if loads.get(link) != done.links.get(link)]
        differences.append(f"events over {len(wrong)} links differ, first {wrong[0]}: {done.links.get(wrong[0], 0)}, "
                           f"golden {loads.get(wrong[0], 0)}")
    differences += [f"node {place}: {count} errors" for place, count in done.errors.items()]
    return Comparison(frames=len(expected), states=states, events=sum(map(len, expected)), memory_words=words,
                      differences=tuple(differences))


def _core(core: Core, done: MeshRun, place: Place, traced: bool) -> Comparison:
    trace = done.trace[place]
    golden = GoldenRun(events=[], trace=[list(core.trace) if traced else []], memory=core.memory,
                       counters=dict(core.counters))
    return compare(core, golden, RtlRun(
        events=[], trace_address=trace[:, 0].astype(np.int64), trace_state=trace[:, 1:], memory=done.memory[place],
        counters=done.counters[place], latency=np.zeros(0, np.int64), words_read=len(done.memory[place])))


def _sorted(events: Words, given: MeshInput) -> Words:
    """Events in order for each ID; of an ID that several populations share, in the order of their words.

    Where they came from does not count: the network has counted their addresses down.
    """
    event = layouts(given.config).event
    fields = event.unpack_array(events)
    fields |= {name: np.zeros_like(fields[name]) for name in ("core_x", "core_y")}
    plain, ids = event.pack_array(fields), fields["id"].astype(np.int64)
    shared = np.isin(ids, [identifier for identifier, ends in given.ends.items() if ends > 1])
    order = np.lexsort((np.where(shared, plain, 0), ids))
    return plain[order]
