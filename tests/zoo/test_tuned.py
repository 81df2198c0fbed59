"""What the search for the gesture network's resolutions has found is what the network does."""

import pytest

from synapress.mapper.cim.resolutions import BASELINE_BITS, Evaluator, facts
from synapress.mapper.network.populations import lower
from synapress.zoo.gesture import trained, tuned
from synapress.zoo.gesture.recordings import data
from synapress.zoo.gesture.tuned import FIXED, NAMES, OBJECTIVES, TESTING, TUNING, recorded, rows, tune


def test_the_record_is_of_this_network() -> None:
    program, records = lower(trained(classifier=False)), recorded()
    assert records
    for name, record in records.items():
        found = {layer: (weights, potentials) for layer, (weights, potentials) in record["layers"].items()}
        for choice, bits in (("baseline", dict.fromkeys(NAMES, BASELINE_BITS)), ("fixed", dict.fromkeys(NAMES, FIXED)),
                             ("found", found)):
            assert OBJECTIVES[name](facts(program, NAMES, bits)) == record["bits"][choice]
        assert record["accuracy"]["found"][0] >= record["accuracy"]["baseline"][0] - record["loss"]
        headings, *lines = rows(record)
        assert len({len(line) for line in (headings, *lines)}) == 1 and "8b/12b" in lines[1]
        assert lines[1][len(NAMES) + 2] == "1.00"


@pytest.mark.long
def test_the_accuracies_of_the_record() -> None:
    record = recorded()["footprint"]
    best = {layer: (weights, potentials) for layer, (weights, potentials) in record["layers"].items()}
    tries = Evaluator(lower(trained()), *data(record["count"], TUNING))
    assert tries.accuracy(best) == record["accuracy"]["found"][0]
    for saturate, name in ((False, "found"), (True, "found, saturating")):
        found = tries.elsewhere(best, *data(record["tested"], TESTING), saturate=saturate)
        assert found == record["accuracy"][name][1]


def test_a_search_of_few_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuned, "data", lambda count, seed: data(count, seed, timesteps=1))
    found = tune(count=1, tested=1, loss=1.0)
    assert found["trials"] == 44 and set(map(tuple, found["layers"].values())) == {(1, 2)}
    assert found["bits"]["found"] * 8 == found["bits"]["baseline"]
