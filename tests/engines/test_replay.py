"""Meshes replayed core by core: equal to golden in any legal order, and whatever differs is found and named."""

import dataclasses
import json
import os
import signal
from functools import cache
from pathlib import Path

import distributed
import numpy as np
import pytest
from amaranth import Cat, Const
from typer.testing import CliRunner

import synapress
from golden.config import CoreConfig
from golden.errors import ConfigError, NetworkError, ToolError
from golden.network import dense
from golden.types import Place
from golden.words import EventKind, layouts
from rtl.neuron.products import linear
from synapress.cli.main import app
from synapress.engines import verilated
from synapress.engines.replay import jobs, run
from synapress.engines.replay.core import Options, run_core
from synapress.engines.replay.files import ARRIVAL, END, EVALUATION, file_name
from synapress.engines.replay.jobs import Job, ReplayOptions
from synapress.engines.replay.run import replay_mesh
from synapress.mapper import MeshImage, Network, RuleError, build_mesh, lower, partition
from tests.helpers.cuts import random_mesh
from tests.helpers.networks import random_input, random_network

SMALL = CoreConfig.preset("fpga_small")
"""Whose compiled core other tests use, too."""


def case(rng: np.random.Generator, frames: int = 3) -> tuple[Network, MeshImage, dict[str, np.ndarray]]:
    """A random network, cut anywhere and on any of 2 × 2 cores; and frames for it."""
    while True:
        network = random_network(rng, layers=3, width=6, depth=6, neurons=True)
        try:
            _, image = random_mesh(rng, lower(network), SMALL, size=(2, 2))
            break
        except (AssertionError, RuleError):  # too many parts for so few cores
            continue
    inputs = [random_input(rng, network) for _ in range(frames)]
    return network, image, {name: np.array([frame[name] for frame in inputs]) for name in inputs[0]}


def chain() -> Network:
    network = Network("chain")
    network.input("in", (2, 8, 7))
    network.conv("a", "in", np.arange(-27, 27).reshape(3, 2, 3, 3), padding=1, multiplier=5, shift=4)
    network.conv("b", "a", np.arange(1, 13).reshape(4, 3, 1, 1), shift=3)
    network.output(network.add("c", ["b", network.branch("a", np.full((4, 3, 1, 1), 9))], shift=4))
    return network


@cache
def three() -> tuple[MeshImage, dict[str, np.ndarray]]:
    """Three layers on three cores; the middle one gets nothing but what the first one sends, and credits."""
    image = build_mesh(partition(lower(chain()), SMALL), {"a": (0, 0), "b": (1, 0), "c": (0, 1)}, (2, 2))
    return image, {"in": np.random.default_rng(5).integers(0, 200, (2, 2, 8, 7))}


class Records:
    """A recording's words, read as its description says: image, arrivals, evaluations, memory, by where they begin."""

    def __init__(self, path: Path):
        self.path, self.words = path, np.fromfile(path, np.uint64)
        self.image, at = slice(3, 3 + int(self.words[2])), 3 + int(self.words[2])
        self.conditions, self.events, self.states, self.sent = [], [], [], []
        while True:
            kind, at = int(self.words[at]), at + 1
            if kind == ARRIVAL:
                count, at = int(self.words[at + 1]), at + 2
                self.conditions += [at + 1 + 2 * number for number in range(count)]
                events, at = self._block(at + 2 * count)
                self.events.append(events)
            elif kind == EVALUATION:
                count, at = int(self.words[at + 1]), at + 2
                self.states += [at + 1 + 2 * number for number in range(count)]
                at += 2 * count
                sent, at = self._block(at)
                self.sent.append(sent)
                _, at = self._block(at)
            else:
                assert kind == END
                self.counters = slice(at + 1, at + 1 + 2 * int(self.words[at]))
                self.memory, at = self._block(self.counters.stop)
                assert at == len(self.words)
                return

    def _block(self, at: int) -> tuple[slice, int]:
        end = at + 1 + int(self.words[at])
        return slice(at + 1, end), end

    def changed(self, where: int, word: int) -> Path:
        """The same in another file, with one other word."""
        words, path = self.words.copy(), self.path.with_name("changed")
        words[where] = word
        path.write_bytes(words.tobytes())
        return path


def records(folder: Path, place: Place) -> Records:
    """What a core of `three` is recorded to do."""
    image, inputs = three()
    run.recording(image, inputs, folder, "", lambda _: None)
    return Records(folder / file_name(place))


def difference(path: Path, place: Place, **options: int) -> str:
    """What the core of `three` with a changed recording has to say."""
    found = run_core(SMALL, verilated.build(SMALL), path, place, run._table(three()[0], place), Options(**options))
    assert found.difference is not None
    return found.difference


def test_networks_equal_golden(seed: int) -> None:
    """Random networks with states that stay, several frames, sources in order and mixed, without and with stalls."""
    mixed, cores = Options(mix=True, stall_in=0.3, stall_out=0.4, seed=seed + 1), 0
    for number, options in enumerate((Options(), Options(mix=True, seed=seed + 1), mixed)):
        rng = np.random.default_rng([seed, 210, number])
        network, image, inputs = case(rng)
        done = replay_mesh(image, inputs, ReplayOptions(core=options, jobs=2))
        assert done.differences == [] and set(done.operations) == set(image.images)
        before = None
        for frame in range(done.frames):
            before = dense.run(lower(network), {name: array[frame] for name, array in inputs.items()}, SMALL,
                               before=before)
            for name, array in done.outputs.items():
                np.testing.assert_array_equal(array[frame], before[name].outputs)
        work = [sum(getattr(item, name) for rows in done.operations.values() for item in rows)
                for name in ("words", "synapses")]
        assert work == [done.counters["word_ops"], done.counters["synapses"]] and work[0] > 0
        layers = done.layers()
        assert sum(item.synapses for item in layers.values()) == work[1]
        assert sum(item.busy for item in layers.values()) == pytest.approx(done.counters["busy"])
        assert all(item.states and item.sent and item.given and item.cycles for item in done.cores)
        cores += len(done.cores)
    assert cores > 5


def test_what_differs_is_named(tmp_path: Path) -> None:
    """Other states, events, memory and counters than those recorded: where and what is what was changed."""
    place: Place = (0, 0)
    found, event = records(tmp_path, place), layouts(SMALL).event
    entry = three()[0].images[place].manifest["population_table"][0]
    number = 17
    where, word = found.states[number], int(found.words[found.states[number]])
    x, y = divmod((int(found.words[where - 1]) - entry["state_base"]) // entry["depth_words"], 7)
    lane_1 = word >> 16 & 0xFFFF
    assert f"population 'a', neuron at channel 1, column {x}, row {y}, evaluation 1: state " in (
        text := difference(found.changed(where, word ^ 1 << 16), place)) and text.startswith("cycle ")
    assert f"state {lane_1 - (lane_1 >> 15 << 16)}, golden {(lane_1 ^ 1) - (lane_1 >> 15 << 16)}" in text
    sent = found.sent[1].start + 5
    fields = event.unpack(int(found.words[sent]))
    assert fields["kind"] == EventKind.VALUE
    text = difference(found.changed(sent, event.pack(fields | {"v": fields["v"] ^ 1})), place)
    assert "population 'a', evaluation 2: event 6 to other cores is VALUE" in text
    assert f"golden: VALUE {fields['v'] ^ 1} to {fields['core_x']}, {fields['core_y']}" in text
    assert f"of the neuron at channel {fields['c']}, column {fields['x']}, row {fields['y']}" in text
    text = difference(found.changed(found.memory.start + entry["state_base"], 3), place)
    assert text == f"memory at the end, word {entry['state_base']}, states of 'a': 0x0, golden 0x3"
    first = found.counters.start
    assert int(found.words[first]) == 2 and difference(found.changed(first + 1, 0), place) == (
        f"counter values_in: {int(found.words[first + 1])}, golden 0")


def test_a_flipped_bit_of_an_image_is_found(tmp_path: Path) -> None:
    """In a weight of the middle core, as if it were loaded wrongly: its population is named."""
    found = records(tmp_path, (1, 0))
    row = three()[0].images[1, 0].manifest["edge_table"][0]
    where = found.image.start + row["weight_base"]
    text = difference(found.changed(where, int(found.words[where]) ^ 1 << 2), (1, 0))
    assert "population 'b', neuron at channel 0" in text and "state" in text


def test_a_damaged_image_is_found_by_the_fast_model() -> None:
    """A flipped bit of a weight that golden mesh and RTL share: the core is named, before any RTL runs."""
    compiled = synapress.compile(chain(), config="fpga_small", mesh=(2, 1))
    place, core = next((place, core) for place, core in compiled.image.images.items() if any(
        row["name"] == "b" for row in core.manifest["population_table"]))
    edge = next(row for row in core.manifest["edge_table"] if row["destination"] == "b")
    core.parts[edge["weight_base"]] ^= np.uint64(1 << 6)
    with pytest.raises(ToolError, match=rf"core \({place[0]}, {place[1]}\), population 'b', frame 1: \d+ values of the "
                                        "golden mesh differ from the fast model, first at channel 0"):
        synapress.simulate(compiled, three()[1], engine="replay")


def test_a_core_that_waits_for_ever_tells_so(tmp_path: Path) -> None:
    """A condition that nothing fulfills; and a mesh whose recording is cut off."""
    found = records(tmp_path, (0, 0))
    text = difference(found.changed(found.conditions[0] + 0, 99), (0, 0), limit=3000)
    assert "the core hangs (READY IDLE" in text and "to come: " in text
    path = tmp_path / "short"
    path.write_bytes(found.words[:-1].tobytes())
    with pytest.raises(ToolError, match=r"core \(0, 0\) ended with 2: .*short ends early"):
        run_core(SMALL, verilated.build(SMALL), path, (0, 0), [], Options())


def test_a_replay_goes_on_and_counts_each_core_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends in the middle: only what is left is done then; another run does not take this one's folder."""
    image, inputs = three()
    began: list[Place] = []
    whole = jobs.run_core

    def failing(config, binary, recording, place, table, options):
        began.append(place)
        if len(began) == 3:
            raise KeyboardInterrupt
        return whole(config, binary, recording, place, table, options)

    monkeypatch.setattr(jobs, "run_core", failing)
    options = ReplayOptions(jobs=1, folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        replay_mesh(image, inputs, options)
    assert len(list(tmp_path.glob("result_*.json"))) == 2
    told: list[str] = []
    done = replay_mesh(image, inputs, options, progress=told.append)
    assert len(began) == 4 and began[2] == began[3]
    assert [item.place for item in done.cores] == list(image.images) and done.differences == []
    assert not any("recorded" in text for text in told) and any("2 of 3 cores done" in text for text in told)
    again = replay_mesh(image, inputs, options)
    assert len(began) == 4 and again.counters == done.counters
    mixed = replay_mesh(image, inputs, dataclasses.replace(options, core=Options(mix=True)))
    assert len(began) == 7 and mixed.differences == []
    with pytest.raises(ToolError, match="is of another run: other images, frames or hardware"):
        replay_mesh(image, {"in": inputs["in"] + 1}, options)


def test_command_line(tmp_path: Path) -> None:
    """The engine of a compiled model: tables, JSON, and what has no use for it."""
    compiled = synapress.compile(chain(), config="fpga_small", mesh=(2, 1))
    compiled.save(tmp_path / "model")
    np.save(tmp_path / "frames.npy", three()[1]["in"])
    command = ["simulate", str(tmp_path / "model"), "-i", str(tmp_path / "frames.npy"), "--engine", "replay"]
    done = CliRunner().invoke(app, [*command, "--json", "--seed", "3", "--stall", "0.1"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    (replay,) = found["replays"]
    assert [core["difference"] for core in replay["cores"]] == [None] * len(compiled.images)
    assert set(replay["layers"]) == {"a", "b", "c"} and found["counters"]["word_ops"] == sum(
        layer["words"] for layer in replay["layers"].values()) > 0
    done = CliRunner().invoke(app, [*command, "--checkpoint", str(tmp_path / "kept"), "--jobs", "1"])
    assert done.exit_code == 0 and "Layers in the RTL, 2 frames in total" in done.stdout
    assert len(list((tmp_path / "kept" / "0").glob("result_*"))) == len(compiled.images)
    frames = three()[1]
    with pytest.raises(ConfigError, match="replay: of no use to the engine 'rtl'; leave it out"):
        synapress.simulate(compiled, frames, engine="rtl", replay=ReplayOptions())
    with pytest.raises(NetworkError, match="engine 'replay': the model is on one core"):
        synapress.simulate(synapress.compile(chain(), config="fpga_small", mesh=False), frames, engine="replay")


def test_cluster_loses_nothing_with_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers, of which one is killed once the first core is done: every core once, and equal."""
    rng = np.random.default_rng(11)
    _, image, inputs = case(rng, frames=2)
    kept: list[Job] = []
    whole = run.on_cluster

    def killing(found, scheduler):
        kept.extend(found)
        for number, result in enumerate(whole(found, scheduler)):
            if number == 0:
                worker = next(iter(cluster.workers.values()))
                os.kill(worker.pid, signal.SIGKILL)
            yield result

    monkeypatch.setattr(run, "on_cluster", killing)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
                                  local_directory=str(tmp_path / "dask"), silence_logs=50) as cluster:
        done = replay_mesh(image, inputs, ReplayOptions(scheduler=cluster.scheduler_address, folder=tmp_path / "kept"))
    assert len(kept) == len(image.images) >= 3
    assert [item.place for item in done.cores] == list(image.images) and done.differences == []
    alone = replay_mesh(image, inputs, ReplayOptions(jobs=2))
    assert alone.cores == done.cores


def test_no_scheduler_is_named() -> None:
    image, inputs = three()
    with pytest.raises(ToolError, match=r"no Dask scheduler at 'tcp://127\.0\.0\.1:1'"):
        replay_mesh(image, inputs, ReplayOptions(scheduler="tcp://127.0.0.1:1"))


@pytest.mark.long
def test_a_bug_of_the_hardware_is_found_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Products without their lowest bit: the population that gets the first events is named, and a neuron of it."""
    whole = linear._rows
    monkeypatch.setattr(linear, "_rows", lambda *given: Cat(Const(0, 1), whole(*given)[1:]))
    verilated.build.cache_clear()
    image, inputs = three()
    try:
        done = replay_mesh(image, inputs, ReplayOptions(folder=tmp_path))
    finally:
        verilated.build.cache_clear()
    assert done.differences and done.differences[0].startswith("core (0, 0): cycle ")
    assert "population 'a', neuron at channel " in done.differences[0]
