"""A mesh and frames, core by core through the RTL: recorded in the golden mesh, replayed in processes, compared."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from golden.errors import ToolError
from golden.files import read_bytes, write
from golden.mesh import Mesh, decode_frame, encode_frame
from golden.neuron.evaluation import PopulationMap, axon_fields, second_word
from golden.recording import Recorder
from golden.types import Array, Maps, Place
from golden.words import layouts
from synapress.engines import verilated
from synapress.engines.replay.check import Checked
from synapress.engines.replay.cluster import on_cluster
from synapress.engines.replay.core import CoreResult
from synapress.engines.replay.files import Files, file_name
from synapress.engines.replay.jobs import Job, ReplayOptions, local
from synapress.engines.replay.results import Operations, Replay
from synapress.mapper import MeshImage

RECORDED = "recording.json"
"""Written last, so that a recording that has it is whole."""


def replay_mesh(image: MeshImage, inputs: Mapping[str, Array], options: ReplayOptions, *, expected: Maps | None = None,
                progress: Callable[[str], None] = lambda _: None) -> Replay:
    """Run frames through the golden mesh, and each core in compiled RTL with what it got there.

    Compared are the states at their evaluation, all events between cores and to the host, the memories at the end, and
    all counters that do not depend on cycles.

    Args:
        inputs: by name, integers (N, D, W, H).
        expected: values (N, D, W, H) by layer that the golden mesh must have, as far as they are given.
        progress: told in words how far it is.

    Raises:
        EventError: a value does not fit an event.
        ToolError: there is no simulator, or it failed; or the folder has another run; or golden has other values.
    """
    with tempfile.TemporaryDirectory(prefix="replay-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        begin = time.perf_counter()
        key = _key(image, inputs)
        recorded = recording(image, inputs, folder, key, progress, expected)
        outputs = {name: np.array(values) for name, values in recorded["outputs"].items()}
        recorded_after = time.perf_counter()
        progress("compiling the RTL of a core")
        binary = verilated.build(image.config)
        built = time.perf_counter()
        operations = _operations(image, recorded)
        jobs = sorted((Job(
            config=image.config, place=place, binary=binary, recording=folder / file_name(place),
            table=_table(image, place), options=options.core, work=sum(row.words for row in rows) + 1)
            for place, rows in operations.items()), key=lambda job: -job.work)
        done = dict(_results(jobs, folder, f"{key} {binary.parent.name} {options.core}", options, progress))
        return Replay(
            cores=[done[place] for place in image.images], operations=operations,
            order=list(dict.fromkeys(entry["parent"] for entry in image.manifest["fragments"])), outputs=outputs,
            frames=len(next(iter(inputs.values()))), lanes=image.config.lanes, seconds={
                "recording": recorded_after - begin, "compiling": built - recorded_after,
                "replaying": time.perf_counter() - built})


def _key(image: MeshImage, inputs: Mapping[str, Array]) -> str:
    """Of what is recorded: images, host, frames."""
    digest = hashlib.sha256(json.dumps([image.config.to_json(), image.host, image.manifest["inputs"],
                                        image.manifest["outputs"]]).encode())
    for place, core in image.images.items():
        digest.update(f"{place} {core.edges} {core.populations}".encode() + np.ascontiguousarray(core.parts).tobytes())
    for name in sorted(inputs):
        digest.update(f"{name} {inputs[name].shape}".encode() + np.ascontiguousarray(inputs[name], np.int64).tobytes())
    return digest.hexdigest()


# -- recording ---------------------------------------------------------------------------------


def recording(image: MeshImage, inputs: Mapping[str, Array], folder: Path, key: str,
              progress: Callable[[str], None], expected: Maps | None = None) -> dict[str, Any]:
    """Record the cores of a mesh in a folder, unless they are there already; what `recording.json` says.

    Raises:
        ToolError: the folder has the recording of another run; or golden has other values than expected.
    """
    path = folder / RECORDED
    if path.exists():
        try:
            found = json.loads(read_bytes(path))
            same = found["key"] == key
        except (ValueError, KeyError, TypeError):
            same = False
        if not same:
            raise ToolError(f"'{path}' is of another run: other images, frames or hardware. Remove it, or choose "
                            "another folder")
        return dict(found)
    config, words, count = image.config, image.words(), len(next(iter(inputs.values())))
    sink = Files(config, folder, words)
    mesh = Mesh(config, words, host=image.host, observer=Recorder(config, Checked(sink, image, expected or {})))
    results = []
    for number in range(count):
        progress(f"golden mesh: frame {number + 1} of {count} is recorded")
        events = mesh.run_frame(encode_frame({name: array[number] for name, array in inputs.items()},
                                             image.manifest["inputs"], config))
        results.append(decode_frame(events, image.manifest["outputs"], config))
    sink.finish(mesh.cores)
    found = {"key": key, "outputs": {name: [result[name].tolist() for result in results] for name in results[0]},
             "operations": [[list(place), core.operations.tolist()] for place, core in mesh.cores.items()]}
    write(path, json.dumps(found) + "\n")
    return found


def _operations(image: MeshImage, recorded: Mapping[str, Any]) -> dict[Place, list[Operations]]:
    found: dict[Place, list[Operations]] = {}
    for (column, row), counts in recorded["operations"]:
        table = image.images[column, row].manifest["population_table"]
        found[column, row] = [Operations(entry["name"], entry["parent"], *pair)
                              for entry, pair in zip(table, counts, strict=True)]
    return found


def _table(image: MeshImage, place: Place) -> list[dict[str, Any]]:
    """What names the populations of a core, and its axons."""
    core, words = image.images[place], layouts(image.config)
    memory = np.zeros(image.config.memory_words, np.uint64)
    memory[:len(core.parts)] = core.parts[:, 0]
    found = []
    for entry in core.manifest["population_table"]:
        fields = words.population.unpack(int(memory[2 * entry["index"] + 1]))
        where = PopulationMap.of(fields, image.config, second_word(memory, fields, image.config))
        found.append(entry | {"axons": axon_fields(memory, fields, where, image.config)})
    return found


# -- replaying ---------------------------------------------------------------------------------


def _results(jobs: Sequence[Job], folder: Path, key: str, options: ReplayOptions, progress: Callable[[str], None]
             ) -> Iterator[tuple[Place, CoreResult]]:
    """Results by core: those that the folder has, and the others as they come, which are then there, too."""
    left, known = [], 0
    for job in jobs:
        saved = _saved(folder, job.place, key)
        if saved is None:
            left.append(job)
        else:
            known += 1
            yield job.place, saved
    begin, work, whole = time.perf_counter(), 0, sum(job.work for job in left)
    by_place = {job.place: job for job in left}
    runner = local(left, options.jobs or os.cpu_count() or 1) if options.scheduler is None else on_cluster(
        left, options.scheduler)
    progress(f"RTL: {known} of {len(jobs)} cores done")
    for number, result in enumerate(runner, 1):
        write(_result_path(folder, result.place), json.dumps({"key": key} | result.to_json()) + "\n")
        work += by_place[result.place].work
        spent = time.perf_counter() - begin
        found = f"; core {result.place} differs" if result.difference is not None else ""
        progress(f"RTL: {known + number} of {len(jobs)} cores done, {spent / work * (whole - work):,.0f} s left{found}")
        yield result.place, result


def _result_path(folder: Path, place: Place) -> Path:
    return folder / f"result_{place[0]}_{place[1]}.json"


def _saved(folder: Path, place: Place, key: str) -> CoreResult | None:
    """A core's result of this very run that a folder has."""
    try:
        data = json.loads(read_bytes(_result_path(folder, place)))
        return CoreResult.from_json(data) if data.pop("key") == key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
