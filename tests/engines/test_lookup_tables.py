"""A whole frame by look-up tables and by PEG and ESU: what `benchmarks.lookup_tables` compares, and asserts."""

import pytest

from benchmarks.lookup_tables import measure, sheets
from golden.errors import ConfigError
from synapress.engines.served.run import COMPUTED, FLAT, HIERARCHICAL


@pytest.mark.long
def test_pilotnet(seed: int) -> None:
    """A whole frame: states of all three equal, tables as the golden models count; and the paper's memory."""
    report = measure("pilotnet", seed=seed, area=False)
    flat, two, ours = (report["total"][name] for name in (FLAT, HIERARCHICAL, COMPUTED))
    assert flat["events"] == flat["synapses"] == two["synapses"] == ours["synapses"] > 10_000_000
    assert ours["served bytes"] < flat["served bytes"] / 300 and ours["cycles"] < flat["cycles"] / 3
    assert round(flat["formula bytes"] / 2**20, 2) == 117.07
    assert len(sheets(report)) == 2


def test_there_is_no_such_layer(seed: int) -> None:
    with pytest.raises(ConfigError, match="no layer conv9"):
        measure("pilotnet", layers=["conv9"], seed=seed)
