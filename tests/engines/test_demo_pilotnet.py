"""The demo of frames in flight with a small network: its tables against golden cores and sums by hand."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from rich.console import Console

from golden.errors import ConfigError
from golden.mesh import Mesh, encode_frame
from golden.network import dense
from synapress import demo_pilotnet
from synapress.demo_pilotnet import MismatchError, Task
from synapress.engines.interval import FragmentCycles
from synapress.engines.mesh.run import MeshRun
from synapress.mapper import MeshImage, Network, lower
from synapress.reports.mesh_run import frame_interval, layer_figures, link_figures
from synapress.zoo.road import road
from tests.tb.test_mesh import CONFIG

FRAMES = 3


def small_task(seed: int) -> Task:
    rng, network = np.random.default_rng(seed), Network("small")
    last = network.input("in", (2, 10, 6))
    last = network.conv("conv", last, rng.integers(-9, 10, (6, 2, 3, 3)), shift=5)
    network.output(network.dense("dense", last, rng.integers(-9, 10, (4, *network.shape(last))), shift=9))
    frames = rng.integers(0, 200, (FRAMES + 1, 2, 10, 6))
    return Task(network=network, frames=frames[1:], sample=frames[0])


def test_tables_are_what_golden_cores_count(tmp_path: Path, seed: int) -> None:
    """RTL = golden in the run itself; here all that it tells of layers, cores, links and times."""
    task = small_task(seed)
    told = demo_pilotnet.run(CONFIG, cores=(2,), directory=tmp_path, seed=seed, threads=1, task=task, stall=0.1,
                             console=Console(quiet=True))
    run: dict[str, Any] = told["runs"][0]
    assert run["comparison"]["frames"] == FRAMES and run["comparison"]["states"] > 0

    image = MeshImage.load(tmp_path / "image_2")
    mesh, sent = Mesh(CONFIG, image.words(), host=image.host), 0
    for frame in task.frames:
        events = encode_frame({"in": frame}, image.manifest["inputs"], CONFIG)
        mesh.run_frame(events)
        sent += len(events)
    program = lower(task.network)
    outputs = {name: result.outputs for name, result in dense.run(program, {"in": task.frames}, CONFIG).items()}
    by_edge = dense.synaptic_operations(program, outputs)
    for layer in ("conv", "dense"):
        operations = sum(by_edge[edge.name] for edge in program.edges_into(layer))
        assert run["layers"][layer]["synapses"] == pytest.approx(operations / FRAMES)
        assert run["layers"][layer]["firing"] == pytest.approx(np.count_nonzero(outputs[layer]) / outputs[layer].size)
    assert sum(item["events"] for item in run["layers"].values()) * FRAMES == pytest.approx(sum(
        core.counters["values_in"] + core.counters["values_local"] for core in mesh.cores.values()))
    assert len(run["cores_of"]) == 2
    for core in run["cores_of"]:
        counted = mesh.cores[tuple(core["core"])].counters
        assert core["synapses"] * FRAMES == pytest.approx(counted["synapses"])
        assert 0 < core["lanes"] <= 1 and 0 < core["share"] <= 1
    (entry,) = (link for link in run["links"] if link["to"] is None)
    owed = sum(events for (_, receiver), events in mesh.moved.items() if receiver == image.host)
    assert sent < entry["events"] * FRAMES <= sent + owed  # a credit for each end that came
    assert run["ideal"] == pytest.approx(sum(by_edge.values()) / FRAMES / (2 * CONFIG.lanes))
    assert run["mean"] * FRAMES == pytest.approx(run["finished"][-1] - run["started"][0])
    _spans(run, image)
    assert (tmp_path / "gantt_2.png").stat().st_size > 1000
    assert json.loads((tmp_path / "report.json").read_text())["runs"][0]["interval"] == run["interval"]


def _spans(run: dict[str, Any], image: MeshImage) -> None:
    """A frame goes through a fragment behind the one before, and behind the layer before."""
    spans = {(span["fragment"], span["frame"]): span for span in run["spans"]}
    names = [entry["name"] for entry in image.manifest["fragments"]]
    assert len(spans) == len(names) * FRAMES
    for frame in range(FRAMES):
        last = {layer: [spans[name, frame] for name in names if spans[name, frame]["parent"] == layer]
                for layer in ("conv", "dense")}
        assert all(item["first"] == run["started"][frame] for item in last["conv"])
        assert all(item["first"] == min(other["evaluates"] for other in last["conv"]) for item in last["dense"])
        assert max(item["last"] for item in last["dense"]) < run["finished"][frame]
        for name in names:
            span = spans[name, frame]
            assert span["first"] < span["evaluates"] <= span["last"]
            assert frame == 0 or spans[name, frame - 1]["last"] < span["evaluates"]


def test_a_model_that_counts_otherwise_is_told(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any, **options: Any) -> Any:
        found = SimpleNamespace(**vars(interval(*given, **options)))
        found.fragments = found.fragments[1:]
        found.firing = 0.5
        return found

    interval = demo_pilotnet.interval
    monkeypatch.setattr(demo_pilotnet, "interval", wrong)
    with pytest.raises(MismatchError, match=r"the RTL counted [\d,]+ synaptic operations, the layers have"):
        demo_pilotnet.run(CONFIG, cores=(2,), frames=1, directory=tmp_path, threads=1, task=small_task(seed),
                          console=Console(quiet=True))


def test_what_cannot_be_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 frames; at least 1"):
        demo_pilotnet.run(CONFIG, frames=0, directory=tmp_path)
    with pytest.raises(ConfigError, match="on how many cores"):
        demo_pilotnet.run(CONFIG, cores=(), directory=tmp_path)


def _run(started: list[int], finished: list[int]) -> MeshRun:
    return cast(MeshRun, SimpleNamespace(
        finished=np.array(finished), latency=np.array(finished) - np.array(started)))


def test_interval_is_between_frames_that_are_out() -> None:
    assert frame_interval(_run([5], [105])) == 100
    assert frame_interval(_run([0, 50], [100, 170])) == 70
    assert frame_interval(_run([0, 50, 90], [100, 170, 220])) == 60
    assert frame_interval(_run([0] * 6, [0, 5, 100, 200, 300, 400])) == 100  # the first two fill the mesh


def test_layers_are_sums_of_their_fragments() -> None:
    def fragment(parent: str, core: tuple[int, int], events: int, synapses: int) -> FragmentCycles:
        return FragmentCycles(name="", parent=parent, core=core, neurons=8, events=events, synapses=synapses, busy=50,
                              evaluation=9)

    first = [fragment("a", (0, 0), 10, 100), fragment("a", (1, 0), 20, 200), fragment("b", (1, 0), 1, 40)]
    second = [fragment("a", (0, 0), 14, 140), fragment("a", (1, 0), 22, 220), fragment("b", (1, 0), 3, 80)]
    found = layer_figures([first, second], 4)
    assert found == {
        "a": {"neurons": 16, "fragments": 2, "cores": 2, "events": 33, "synapses": 330, "busy": 100, "lanes": 0.75,
              "evaluation": 18},
        "b": {"neurons": 8, "fragments": 1, "cores": 1, "events": 2, "synapses": 60, "busy": 50, "lanes": 0.2,
              "evaluation": 9}}


def test_links_are_told_by_their_load() -> None:
    found = link_figures({((0, 0), "east"): 40, ((1, 0), "north"): 10}, 100, (1, -1), 2, 50.0)
    assert [(link["from"], link["to"], link["events"], link["load"]) for link in found] == [
        ([1, -1], None, 50, 1.0), ([0, 0], [1, 0], 20, 0.4), ([1, 0], [1, -1], 5, 0.1)]


def test_roads_have_no_zeros_and_follow_their_seed() -> None:
    frame = road((3, 40, 20), 1)
    assert frame.shape == (3, 40, 20) and 1 <= frame.min() and frame.max() <= 255
    np.testing.assert_array_equal(frame, road((3, 40, 20), 1))
    assert (frame != road((3, 40, 20), 2)).any()
