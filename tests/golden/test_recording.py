"""What a core of a mesh gets under which conditions: run alone, in any order that these allow, it does the same."""

from collections import defaultdict

import numpy as np

from golden.core import Core, Evaluation
from golden.mesh import Mesh, encode_frame
from golden.recording import HOST, Recorder
from golden.types import Place, Words
from golden.words import EventKind, layouts
from synapress.mapper import build_mesh, lower
from tests.helpers.cuts import ROOMY, cut_network, random_cut, random_places
from tests.helpers.networks import random_input


class Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.arrivals = defaultdict(list)
        self.evaluations = defaultdict(list)

    def arrival(self, place: Place, source: Place | str, conditions: list, events: Words) -> None:
        self.arrivals[place].append((source, conditions, events))

    def evaluation(self, place: Place, done: Evaluation) -> None:
        self.evaluations[place].append(done)


def alone(core: Core, arrivals: list, rng: np.random.Generator) -> tuple[dict, list[int], int]:
    """Run a core on its arrivals in any order that is allowed; what its populations sent, its credits, and how often
    sources had to wait."""
    queues = defaultdict(list)
    for source, conditions, events in arrivals:
        queues[source].append((conditions, events))
    reached, sent, credits, waits = defaultdict(int), defaultdict(list), [], 0
    while queues:
        ready = [source for source, queue in queues.items()
                 if all(reached[milestone] >= count for milestone, count in queue[0][0])]
        waits += len(queues) - len(ready)
        source = ready[int(rng.integers(len(ready)))]
        _, events = queues[source].pop(0)
        if not queues[source]:
            del queues[source]
        for done in core.evaluations(events):
            reached[done.population] += 1
            sent[done.population] += done.sent.tolist()
            credits += done.credits.tolist()
            for credit in done.credits.tolist():
                reached[credit] += 1
    return sent, sorted(credits), waits


def test_each_core_alone_does_the_same(seed: int) -> None:
    """Also in orders that the recorded mesh had not: states, events, credits, memory, and no event too early."""
    waits = checked = 0
    for number in range(3):
        rng = np.random.default_rng([seed, 62, number])
        network = cut_network(rng)
        cut = random_cut(rng, lower(network), ROOMY)
        image = build_mesh(cut, random_places(rng, cut, (2, 2)), (2, 2))
        kept = Kept()
        mesh = Mesh(ROOMY, image.words(), host=image.host, random=rng if number % 2 else None,
                    observer=Recorder(ROOMY, kept))
        for _ in range(3):
            mesh.run_frame(encode_frame(random_input(rng, network), image.manifest["inputs"], ROOMY))
        for place, (words, edges, populations) in image.words().items():
            for _ in range(2):
                core = Core(ROOMY, words, edges=edges, populations=populations)
                sent, credits, waited = alone(core, kept.arrivals[place], rng)
                expected = defaultdict(list)
                for done in kept.evaluations[place]:
                    expected[done.population] += done.sent.tolist()
                assert sent == expected and core.counters == mesh.cores[place].counters
                assert credits == sorted(np.concatenate([done.credits for done in kept.evaluations[place]]).tolist())
                np.testing.assert_array_equal(core.memory, mesh.cores[place].memory)
                assert core.counters["protocol_error"] == 0
                waits, checked = waits + waited, checked + len(credits)
    assert waits > 20 and checked > 30


def test_only_what_follows_has_conditions(seed: int) -> None:
    """The first frame of the host has none; the second one waits for the credits of the first."""
    rng = np.random.default_rng([seed, 63])
    network = cut_network(rng)
    cut = random_cut(rng, lower(network), ROOMY)
    image = build_mesh(cut, random_places(rng, cut, (2, 1)), (2, 1))
    kept, event = Kept(), layouts(ROOMY).event
    mesh = Mesh(ROOMY, image.words(), host=image.host, observer=Recorder(ROOMY, kept))
    for _ in range(2):
        mesh.run_frame(encode_frame(random_input(rng, network), image.manifest["inputs"], ROOMY))
    seen = 0
    for place, arrivals in kept.arrivals.items():
        frames = [conditions for source, conditions, _ in arrivals if source == HOST]
        if frames:
            assert frames[0] == []
            paid = [milestone for milestone, count in frames[1] if count > 0 and milestone > 1 << ROOMY.population_bits
                    and event.unpack(milestone)["kind"] == EventKind.CREDIT]
            own = [credit for done in kept.evaluations[place] for credit in done.credits.tolist()]
            assert set(paid) <= set(own) and paid
            seen += 1
    assert seen
