"""What `simulate --engine rtl` tells of a mesh, against the golden mesh and routes walked step by step."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from typer.testing import CliRunner

import synapress
from golden.mesh import Mesh, encode_frame
from golden.registers import timed
from golden.types import Place
from synapress.cli.main import app
from synapress.engines.mesh.run import MeshRun
from synapress.engines.mesh.totals import MeshTotals
from synapress.mapper import MeshImage
from synapress.reports.mesh_run import totals_sheets
from tests.tb.test_mesh import CONFIG


def network(rng: np.random.Generator) -> synapress.Network:
    made = synapress.Network("totals")
    made.input("in", (2, 6, 4))
    made.conv("a", "in", rng.integers(-9, 10, (6, 2, 3, 3)), shift=5)
    made.output(made.dense("b", "a", rng.integers(-9, 10, (4, *made.shape("a"))), shift=9))
    return made


def walked(moved: dict[tuple[Place, Place], int], host: Place) -> Counter[tuple[Place, Place]]:
    """Events over each link but the host's own: into the mesh first, then along x, then along y."""
    found: Counter[tuple[Place, Place]] = Counter()
    for (sender, receiver), events in moved.items():
        x, y = sender if sender != host else (host[0], host[1] + 1)
        while sender != receiver and (x, y) != receiver:
            step = (x + np.sign(receiver[0] - x), y) if x != receiver[0] else (x, y + np.sign(receiver[1] - y))
            found[(x, y), (int(step[0]), int(step[1]))] += events
            x, y = int(step[0]), int(step[1])
    return found


def test_counters_of_cores_and_events_of_links(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    compiled = synapress.compile(network(rng), config=CONFIG, mesh=(2, 1),
                                 throughput=synapress.Throughput(cores=2))
    image, frames = compiled.image, rng.integers(0, 200, (2, 2, 6, 4))
    assert isinstance(image, MeshImage) and len(image.images) == 2
    compiled.save(tmp_path / "out")
    np.save(tmp_path / "x.npy", frames)
    simulate, results = synapress.simulate, list[synapress.Simulation]()

    def once(*given: Any, **options: Any) -> synapress.Simulation:
        """The table and the JSON are of one run."""
        if not results:
            results.append(simulate(*given, **options))
        return results[0]

    monkeypatch.setattr("synapress.model.simulate", once)
    arguments = ["simulate", str(tmp_path / "out"), "-i", str(tmp_path / "x.npy"), "--engine", "rtl"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)["mesh"]

    golden = Mesh(CONFIG, image.words(), host=image.host)
    for frame in frames:
        golden.run_frame(encode_frame({"in": frame}, image.manifest["inputs"], CONFIG))
    assert {tuple(entry["core"]) for entry in found["cores"]} == set(golden.cores)
    for entry in found["cores"]:
        wanted = golden.cores[tuple(entry["core"])].counters
        for name in wanted.keys() - {*timed(CONFIG)}:
            assert entry["counters"][name] == wanted[name], (entry["core"], name)
        assert 0 < entry["counters"]["busy"] < found["cycles"]
    links = [(tuple(link["from"]), tuple(link["to"]), link["events"]) for link in found["links"] if link["to"]]
    assert {(a, b): events for a, b, events in links} == walked(golden.moved, image.host) and len(links) > 2
    assert [link["events"] for link in found["links"]] == sorted((link["events"] for link in found["links"]),
                                                                reverse=True)
    assert found["errors"] == []

    monkeypatch.setattr("synapress.reports.mesh_run.MOST_LINKS", 2)
    shown = CliRunner().invoke(app, arguments).stdout
    assert f"of {len(found['links'])} links in use" in " ".join(shown.split()), shown
    for entry in found["cores"]:
        row = next(line for line in shown.splitlines() if f"({', '.join(map(str, entry['core']))})" in line)
        assert f"{entry['counters']['synapses']:,}" in row and f"{entry['counters']['busy']:,}" in row


def test_runs_are_added_up() -> None:
    """Two sequences, and a node without a core that dropped an event."""
    counts = dict.fromkeys(("busy", "synapses", "values_in", "values_local", "values_out", "ends", "neurons_fired",
                            "stall_bank", "stall_hazard", "stall_weight", "stall_fire", "unknown_id", "unknown_channel",
                            "address_error", "protocol_error", "overflow"), 0)

    def run(busy: int, links: dict[Any, int], errors: dict[Place, int], cycles: int) -> MeshRun:
        return cast(MeshRun, SimpleNamespace(
            counters={(0, 0): counts | {"busy": busy}}, links=links, errors=errors, sent=3,
            started=np.array([10]), finished=np.array([10 + cycles])))

    east, north = ((0, 0), "east"), ((1, 0), "north")
    totals = MeshTotals.of([run(5, {east: 4}, {}, 30), run(7, {east: 1, north: 2}, {(1, 0): 1}, 50)], (1, -1))
    assert totals.counters[0, 0]["busy"] == 12 and totals.links == {east: 5, north: 2} and totals.cycles == 80
    assert totals.to_json()["links"] == [{"from": [1, -1], "to": None, "events": 6},
                                         {"from": [0, 0], "to": [1, 0], "events": 5},
                                         {"from": [1, 0], "to": [1, -1], "events": 2}]
    cores, links = totals_sheets(totals, 2)
    assert [row[0] for row in cores.rows] == ["(0, 0)", "(1, 0)"] and cores.rows[0][1:3] == ("12", "15.0%")
    assert [row[-1] for row in cores.rows] == ["0", "1"] and {len(row) for row in cores.rows} == {len(cores.headings)}
    assert links.rows[0] == ("host → mesh", "3", "7.5%")
